/* SPDX-License-Identifier: MIT */
/*
 * set.h - the functions that a hot reset takes down together, and that reset.
 *
 * VFIO_DEVICE_PCI_HOT_RESET resets a bus or a slot with all functions on it, and asks
 * nobody. Here every member agrees first:
 *
 *   plan       does anything stand in the way? Refused, nothing was touched
 *   quiesce    all words to QUIESCE, in the order of their addresses; all sections
 *              end; then the quiesce callbacks, in that order
 *   reset      one call of the kernel
 *   return     each member on its own: ready, restored, reinit callback, LIVE
 *
 * If one member refuses, or is late, before the reset, all are called off: LIVE in the
 * same generation, with a resume callback where quiesce had run. After the reset a
 * member that does not come back is in FAULT and the others go on.
 *
 *      vfiosafe_set_of(&set, dev);
 *      if (vfiosafe_set_reset(set, NULL) < 0)
 *              for (m = vfiosafe_set_members(set); m; m = m->next)
 *                      printf("%s: %s\n", m->address, m->result ? m->text : "LIVE");
 *      vfiosafe_set_free(set);
 */
#ifndef VFIOSAFE_SET_H
#define VFIOSAFE_SET_H

#include <stddef.h>
#include <vfiosafe/window.h>

VFIOSAFE_BEGIN_DECLS

struct vfiosafe_set;

/* Made by the library only: members of the struct are added at the end. */
struct vfiosafe_set_member {
	const struct vfiosafe_set_member *next; /* NULL: the last */
	struct vfiosafe_device *dev;
	char address[24]; /* "0000:01:00.0" */
	/*
	 * Of the last vfiosafe_set_reset() that was not refused: 0, LIVE and one
	 * generation higher; an error as of vfiosafe_reset(): -EIO in FAULT, -ENODEV gone,
	 * others called off, -ECANCELED also because another member was.
	 */
	int result;
	char text[384]; /* what failed; "" */
};

/**
 * vfiosafe_set_of - the set of @dev: all that is hot-reset with it
 * @set: written on success only; free with vfiosafe_set_free()
 * @dev: device; stays open, as do all members, until the set is freed
 *
 * Its members are found among the devices that were opened into the IOMMU context of
 * @dev (opts.iommu_of); an adopted device is in none.
 *
 * Return: 0, or
 *   -EOPNOTSUPP  neither the slot nor the bus of @dev can be reset
 *   -EBUSY       a function of the set is bound elsewhere, open in another IOMMU
 *                context or not at all; the text names it, others of that kind, and
 *                the remedy. So does vfiosafe_reset_plan(), of each.
 *   -ENODEV gone; -ENOMEM; -EDEADLK inside a section
 * Context: as vfiosafe_reset_plan().
 */
VFIOSAFE_API VFIOSAFE_MUST_CHECK int vfiosafe_set_of(struct vfiosafe_set **set,
						     struct vfiosafe_device *dev);

/**
 * vfiosafe_set_new - a set of devices that the caller lists
 * @set: written on success only; free with vfiosafe_set_free()
 * @devs: the devices, in any order; copied. They stay open until the set is freed.
 * @count: their number
 *
 * For devices in several containers (group door: the groups' fds are the proof), and for
 * adopted ones (cdev door only; opts.address is needed if fdinfo does not tell it).
 *
 * Return: 0; -EINVAL if @count is 0, a device is listed twice, has no known address, or
 * is not reset together with the first; else as vfiosafe_set_of().
 * Context: as vfiosafe_reset_plan().
 */
VFIOSAFE_API VFIOSAFE_MUST_CHECK int vfiosafe_set_new(struct vfiosafe_set **set,
						      struct vfiosafe_device *const *devs,
						      unsigned int count);

/**
 * vfiosafe_set_of_pf - a physical function and its virtual functions
 * @set: written on success only; free with vfiosafe_set_free()
 * @pf: the physical function (SR-IOV)
 * @vfs: those of its virtual functions that this process has open; copied
 * @count: their number; may be 0
 *
 * A reset of @pf takes them down, and they are told nothing by anybody else.
 * vfiosafe_set_reset() of this set is that reset: VFIO_DEVICE_RESET of @pf, for which all
 * members agree and from which each comes back. vfiosafe_reset() and vfiosafe_recover() of
 * @pf do the same with those virtual functions that were opened into its IOMMU context
 * (opts.iommu_of), and with no others; windows step by step are of one device. A hot reset
 * while virtual functions are enabled is refused by the kernel.
 *
 * Return: 0; -EINVAL one of @vfs is no virtual function of @pf, or is listed twice; -EBUSY
 * another virtual function of it is open, or bound to a driver of the kernel (the text
 * names it); -EOPNOTSUPP @pf has no reset; -ENODEV, -EPERM, -ENOMEM, -EDEADLK.
 * Context: as vfiosafe_reset_plan().
 */
VFIOSAFE_API VFIOSAFE_MUST_CHECK int vfiosafe_set_of_pf(struct vfiosafe_set **set,
							struct vfiosafe_device *pf,
							struct vfiosafe_device *const *vfs,
							unsigned int count);

/** vfiosafe_set_free - free @set, which may be NULL; its devices stay as they are */
VFIOSAFE_API void vfiosafe_set_free(struct vfiosafe_set *set);

/**
 * vfiosafe_set_members - who is in it, and what became of each
 *
 * Return: the first, in the order of the addresses; owned by @set. What it says changes
 * in vfiosafe_set_reset().
 * Context: any; not during vfiosafe_set_reset() of the same set.
 */
VFIOSAFE_API const struct vfiosafe_set_member *
vfiosafe_set_members(const struct vfiosafe_set *set);

/**
 * vfiosafe_set_reset - hot-reset all members; return when each is LIVE again, or is not
 * @set: from vfiosafe_set_of() or vfiosafe_set_new()
 * @opts: may be NULL; timeout_ms bounds all of it, the members' callbacks, which run one
 *        after the other, included. With VFIOSAFE_POLICY_FORCE a member whose sections do
 *        not end is passed over as in vfiosafe_reset(), and all have the time-out once
 *        more.
 *
 * Members in FAULT are recovered, parked ones woken, but for one in low power, which is
 * refused. Each member needs a driver with a reinit callback, unless it is the only one:
 * a function that nobody uses takes one that returns 0. If a hot reset of these functions
 * goes on already it is joined, as a reset of one device is; a reset of one member alone
 * is waited for.
 *
 * Return: 0: all are LIVE, one generation higher.
 *   Refused, nothing was touched:
 *   -EBUSY       as vfiosafe_set_of(); or a member has no reinit callback, or a pending
 *                release request
 *   -EOPNOTSUPP, -EINVAL, -ENODEV, -ENOMEM, -EDEADLK
 *   Called off, all are LIVE in the same generation (who was in FAULT is there again):
 *   -ETIMEDOUT   a section did not end, or the kernel had a lock in use (EAGAIN, EBUSY)
 *                until the deadline
 *   -ECANCELED   a quiesce callback vetoed, or a preparation failed
 *   -EBUSY       the kernel refused (EINVAL): a function is no longer as it was planned
 *   Otherwise:
 *   -EIO         at least one member is in FAULT; see vfiosafe_set_members()
 *   -ENODEV      a member was closed meanwhile
 * The text names the member.
 * Context: any thread, outside of sections and of callbacks of a member; one thread at a
 * time for the same @set; blocks. The members' callbacks run on this thread, and resume
 * callbacks in no order.
 */
VFIOSAFE_API VFIOSAFE_MUST_CHECK int
vfiosafe_set_reset(struct vfiosafe_set *set, const struct vfiosafe_reset_opts *opts);

VFIOSAFE_END_DECLS

#endif

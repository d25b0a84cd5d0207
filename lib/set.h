/* SPDX-License-Identifier: MIT */
/*
 * A set, and one hot reset of it.
 *
 * Each member has a window of its own, led by the one thread; what is special is only
 * that they wait for each other before the kernel's call, and that this is one call. They
 * are begun in the order of the addresses: two threads that want the same set meet at its
 * first member, and who comes second joins there. It cannot join the members one by one,
 * since the leader may not have begun all of them: it joins the round.
 */
#ifndef VSF_SET_H
#define VSF_SET_H

#include <vfiosafe/set.h>

#include "window.h"

struct vfio_pci_hot_reset;

/* One hot reset: shared by who leads it and who joined. Freed with the last of them. */
struct vsf_round {
	unsigned int refs; /* atomic */
	unsigned int count;
	bool over; /* published last; then the rest is constant */
	int result;
	char text[512]; /* why not */
	struct vsf_round_member {
		struct vfiosafe_device *dev;
		int result;
		char text[384];
	} member[];
};

struct vsf_member {
	struct vfiosafe_set_member pub; /* first: what the caller holds */
	int32_t group;			/* IOMMU group; -1 */
	struct vfiosafe_window win;	/* of the reset that goes on */
	bool drained;
};

struct vfiosafe_set {
	unsigned int count;
	struct vfiosafe_device *pf; /* reset by itself, its VFs with it; NULL: a hot reset */
	struct vfio_pci_hot_reset *arg; /* with room for a group fd for each member */

	/* Of the reset that goes on. */
	struct vsf_round *round;
	const struct vsf_member *blame; /* why it was called off; NULL: because of all */
	int err;			/* how; -errno; 0: it was not */
	char why[384];			/* its text */

	struct vsf_member member[]; /* in the order of their addresses */
};

/* With text: the errors of vfiosafe_set_new(), but not those of its check. */
int vsf_set_alloc(struct vfiosafe_set **out, struct vfiosafe_device *const *devs,
		  unsigned int count);

/* -EDEADLK, -ENODEV, -EPERM with a text: @call cannot have @dev in a set. */
int vsf_set_refuse_device(const struct vfiosafe_device *dev, const char *call);

/* The member at @address, or NULL. */
struct vsf_member *vsf_set_find(struct vfiosafe_set *set, const char *address);

/* By whose fd the kernel is asked: one that was opened here, if there is one. */
struct vfiosafe_device *vsf_set_caller(struct vfiosafe_set *set);

/* The fd of an IOMMU group that one of the members' containers has, or -1. */
int vsf_set_group_fd(struct vfiosafe_set *set, int32_t group);

/*
 * set_check.c: -EBUSY, ... with a text if anything stands in the way. Before a reset the
 * members' callbacks are looked at, too, but for those of @asked, who wants it itself.
 */
int vsf_set_check(struct vfiosafe_set *set);
int vsf_set_check_drivers(const struct vfiosafe_set *set,
			  const struct vfiosafe_device *asked);

/* set_pf.c: the same for a physical function and its virtual ones. */
int vsf_set_check_pf(struct vfiosafe_set *set);
/* Has @dev virtual functions in its IOMMU context? Then *@rc is of a reset of them all. */
bool vsf_set_reset_pf(struct vfiosafe_device *dev, const struct vfiosafe_reset_opts *opts,
		      int *rc);

/* "no hot reset", for texts. */
const char *vsf_set_no_reset(const struct vfiosafe_set *set);

/* set_ioctl.c: makes set->arg; then the kernel's call, retried until @deadline. */
void vsf_set_prepare_arg(struct vfiosafe_set *set);
int vsf_set_ioctl(struct vfiosafe_set *set, int64_t deadline);

/* set_run.c: the whole reset, with the windows' options read. */
int vsf_set_run(struct vfiosafe_set *set);

#define VSF_FOR_EACH(m, set)                                                             \
	for (struct vsf_member *m = (set)->member; m < (set)->member + (set)->count; m++)

/* Has its window been begun, and not ended? */
static inline bool vsf_set_is_open(const struct vsf_member *m)
{
	return m->win.run && m->win.run->phase != VSF_PHASE_OVER;
}

/* set_end.c: who is the reason, or NULL for all, with this thread's text; returns @rc */
int vsf_set_blame(struct vfiosafe_set *set, const struct vsf_member *m, int rc);
/* All members that are open, because of that. */
void vsf_set_call_off(struct vfiosafe_set *set);
/* The kernel's call failed with @rc: what that means for each. */
void vsf_set_reset_failed(struct vfiosafe_set *set, int rc);
/* It did not: each returns by itself; what fails is in FAULT, and holds nobody up. */
void vsf_set_come_back(struct vfiosafe_set *set);
/* The results of all members, and of the set; with a text. */
int vsf_set_total(struct vfiosafe_set *set);

/* set_round.c */
struct vsf_round *vsf_round_new(const struct vfiosafe_set *set);
void vsf_round_put(struct vsf_round *round);
/* @run, of the first member, leads it: others may join. */
void vsf_round_offer(struct vsf_round *round, struct vsf_run *run);
/* The round that is open at the first member, if it has the same members; or NULL. */
struct vsf_round *vsf_round_open(const struct vfiosafe_set *set);
/* The results of the members, and @result with this thread's text; wakes who joined. */
void vsf_round_over(struct vsf_round *round, const struct vfiosafe_set *set, int result);
/* Waits for it, and takes over what it says. */
int vsf_round_join(struct vsf_round *round, struct vfiosafe_set *set, int64_t deadline);

/* set_reset.c: vfiosafe_set_reset(), asked for by @asked or for all. */
int vsf_set_reset(struct vfiosafe_set *set, const struct vfiosafe_reset_opts *opts,
		  const struct vfiosafe_device *asked, const char *call);

/* set_fall_back.c: after a reset of @dev alone has ended with @rc. */
int vsf_set_fall_back(struct vfiosafe_device *dev, const struct vfiosafe_reset_opts *opts,
		      int rc);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * device.h - open a PCI function through VFIO, or adopt one that is open.
 */
#ifndef VFIOSAFE_DEVICE_H
#define VFIOSAFE_DEVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <vfiosafe/state.h>

VFIOSAFE_BEGIN_DECLS

struct vfiosafe_sys;

enum vfiosafe_door {
	VFIOSAFE_DOOR_AUTO = 0,	 /* cdev if this kernel has it, else group */
	VFIOSAFE_DOOR_CDEV = 1,	 /* /dev/vfio/devices/vfioN and /dev/iommu */
	VFIOSAFE_DOOR_GROUP = 2, /* /dev/vfio/N and /dev/vfio/vfio */
	VFIOSAFE_DOOR_FD = 3,	 /* adopted; never an option */
	VFIOSAFE_DOOR_SHARED = 4, /* joined (share.h); likewise */
};

/* Options; zeroed members (and members beyond @size) mean the default. */
struct vfiosafe_device_opts {
	size_t size; /* sizeof(struct vfiosafe_device_opts) */
	enum vfiosafe_door door;

	/* How long contention (EAGAIN) is retried at open; 0 = 10,000 ms. */
	uint32_t open_timeout_ms;

	/*
	 * Use the IOMMU context (iommufd and IOAS, or container and groups) of
	 * this open device. Needed for the second function of an IOMMU group,
	 * which can have one owner only.
	 */
	struct vfiosafe_device *iommu_of;

	/* vfiosafe_device_from_fd() only: the address, for messages. Copied. */
	const char *address;

	/*
	 * Leave bus mastering off after a reset; the driver turns it on itself.
	 * By default it comes back as it was before the window.
	 */
	bool keep_bus_master_off;

	/*
	 * The program's own grace period, asked beside the library's before a
	 * reset or a change of power: for readers that use no sections, guarded
	 * by rte_rcu or epochs of their own. 0: they have left; -EAGAIN: not yet,
	 * ask again (do not wait in here); another error: a veto. @window is
	 * another number for each window: when it changes, start anew. Runs on
	 * the thread that drives the window; may not access the device. In a
	 * reset by force that went on without it, it is asked again before the
	 * BARs come back. Not asked before vfiosafe_bar_unmap() and close.
	 */
	int (*drain)(void *ctx, uint64_t window, int64_t deadline_ns);
	void *drain_ctx;

	/*
	 * vfiosafe_device_from_fd() only: arm the kernel's error (AER) and release
	 * request eventfds for the events of event.h. The kernel has one of each for a
	 * device, so this takes them away from whoever armed them before (DPDK does,
	 * for its hot-unplug handling), and close disarms them. By default an adopted
	 * device keeps those of its owner, and AER and RELEASE do not come by events:
	 * the owner's handlers call vfiosafe_mark_lost() and vfiosafe_device_close().
	 * A device that the library opened always has them armed.
	 */
	bool arm_events;

	/*
	 * vfiosafe_device_open() only: a UUID of 16 bytes, for a virtual function whose
	 * physical function is a VFIO device, too, and was told it (vfiosafe_vf_token_set()).
	 * A secret between the two drivers. NULL: none. Not needed after the call.
	 */
	const uint8_t *vf_token;

	/* A vfiosafe_wait() that meets FAULT recovers the device itself. */
	bool recover_on_wait;

	/* The door to the kernel, see sys.h; NULL = the real one. Not copied:
	 * must outlive the device. */
	const struct vfiosafe_sys *sys;
};

/**
 * vfiosafe_device_open - open a PCI function by its address
 * @dev: written on success only; free with vfiosafe_device_close()
 * @address: "dddd:bb:dd.f" in hexadecimal, as lspci -D prints it
 * @opts: may be NULL
 *
 * Opening resets the device (the kernel does that at first open): it starts in
 * LIVE, generation 1, memory decode on, bus mastering off.
 *
 * Return: 0, or
 *   -EINVAL      malformed address or options
 *   -ENODEV      no such function, or no IOMMU behind it
 *   -ENXIO       bound to no driver, or to another one (the text says which)
 *   -EACCES      no permission (the text names the node)
 *   -EBUSY       somebody else has it open, by this door or the other; or the
 *                group is not viable (the text says who blocks)
 *   -EPERM       the kernel refuses: DMA owned elsewhere, interrupts not isolated
 *   -EOPNOTSUPP  the door that was asked for does not exist on this kernel
 *   -ETIMEDOUT   contention (EAGAIN) lasted longer than open_timeout_ms
 *   -EDEADLK     inside a section
 *   -ENOMEM and other errors of the kernel
 * Context: any thread, outside of sections; blocks (a reset takes 100 ms and
 * more).
 */
VFIOSAFE_API VFIOSAFE_MUST_CHECK int
vfiosafe_device_open(struct vfiosafe_device **dev, const char *address,
		     const struct vfiosafe_device_opts *opts);

/**
 * vfiosafe_device_from_fd - adopt a VFIO device that something else opened
 * @dev: written on success only; free with vfiosafe_device_close()
 * @device_fd: a VFIO device fd, ready for use (bound or attached). Duplicated:
 *             the caller keeps its own and may close it at any time.
 * @opts: may be NULL; door and iommu_of are not used
 *
 * Nothing is reset. Resets that the other holder of the fd makes by itself are
 * invisible here: it has to use the library too, or tell it by
 * vfiosafe_mark_lost().
 *
 * Return: 0; -EBADF; -EINVAL if @device_fd is not a VFIO PCI device, or is not
 * bound yet; -EDEADLK inside a section; -ENOMEM and other errors of the kernel.
 * Context: any thread, outside of sections.
 */
VFIOSAFE_API VFIOSAFE_MUST_CHECK int
vfiosafe_device_from_fd(struct vfiosafe_device **dev, int device_fd,
			const struct vfiosafe_device_opts *opts);

/**
 * vfiosafe_device_close - end the use of a device
 * @dev: may be NULL
 *
 * The device goes to GONE; then open sections are waited for, at most
 * @timeout_ms; then BARs are unmapped, fds closed and @dev freed, with its BAR
 * objects and views.
 *
 * The kernel, which may be waiting for the device (event.h, RELEASE), does not wait for
 * sections: if some have not ended after 50 ms, private memory takes the place of the
 * BARs (their addresses stay reserved), the device fd becomes a dead one under the
 * same number, and the sections run on over that; they end with -ENODEV. Adopted
 * mappings are replaced if that was permitted (VFIOSAFE_BAR_REPLACE), and stay private
 * memory; others keep the device in use until their maker unmaps them, as does an fd
 * that it was adopted from.
 *
 * Return: 0, @dev is freed. -EDEADLK inside a section or callback: nothing was
 * done. -EBUSY: a section (the text names its thread), a window or another call did
 * not end in time: the device is GONE and was given back to the kernel as said above,
 * @dev is still valid; call again, to free its memory.
 * Context: any thread, outside of sections; no other thread may use @dev, its
 * BARs or its views after this call returned 0; blocks. Waits for no lock of the kernel
 * that an unbind or a removal holds.
 */
VFIOSAFE_API VFIOSAFE_MUST_CHECK int
vfiosafe_device_close(struct vfiosafe_device *dev, uint32_t timeout_ms);

/**
 * vfiosafe_device_fd - the VFIO device fd, for ioctls the library does not wrap
 *
 * Return: an fd owned by the library: do not close it. It is a dead one, for which
 * calls fail, once the device was closed. Do not reset the device,
 * change its power state or memory decode through it: such a window is
 * invisible to the guard. -EPERM if @dev was joined.
 * Context: any.
 */
VFIOSAFE_API int vfiosafe_device_fd(const struct vfiosafe_device *dev);

/**
 * vfiosafe_vf_token_set - who is to be allowed to open the device's virtual functions
 * @pf: a physical function with SR-IOV
 * @token: a UUID of 16 bytes; opts.vf_token of who opens a virtual function
 *
 * The kernel gives a physical function a token of its own at open, that nobody knows:
 * without this call no virtual function of it can be opened by VFIO. It may be set again at
 * any time, and holds for later opens.
 *
 * Return: 0; -EOPNOTSUPP @pf has no SR-IOV that VFIO may turn on (the text says what to
 * look at); -EPERM @pf was joined; -ENODEV; or another error of the kernel.
 * Context: any thread, outside of sections.
 */
VFIOSAFE_API VFIOSAFE_MUST_CHECK int vfiosafe_vf_token_set(struct vfiosafe_device *pf,
							   const uint8_t token[16]);

/** vfiosafe_device_door - by which door the device was opened */
VFIOSAFE_API enum vfiosafe_door
vfiosafe_device_door(const struct vfiosafe_device *dev);

/** vfiosafe_device_address - "0000:01:00.0", or what opts.address said; owned by @dev */
VFIOSAFE_API const char *vfiosafe_device_address(const struct vfiosafe_device *dev);

/**
 * vfiosafe_device_fenced - does begin need a fence here?
 *
 * True if the kernel has no membarrier(2) for this process: every guarded access
 * then takes the slow path with a full fence. Correct, only slower.
 */
VFIOSAFE_API bool vfiosafe_device_fenced(const struct vfiosafe_device *dev);

VFIOSAFE_END_DECLS

#endif

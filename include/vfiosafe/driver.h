/* SPDX-License-Identifier: MIT */
/*
 * driver.h - what a driver does around a window.
 *
 * The callbacks run on the thread that drives the window (the caller of
 * vfiosafe_reset(), or of vfiosafe_window_poll() and _finish()), one at a time,
 * never concurrently for one device. No library lock is held. While one runs,
 * its thread, and only it, may use views and accessors of the device; other
 * threads join by vfiosafe_window_pass().
 *
 * Not allowed inside (-EDEADLK): vfiosafe_reset, _recover, _wait, _device_close,
 * _bar_unmap and the window steps of the same device, and what else says so.
 * vfiosafe_mark_lost() is allowed. Sections that a callback opens it also closes.
 *
 * Each is given the deadline of the window (vfiosafe_window_deadline()); one
 * that returns later than that counts as failed.
 */
#ifndef VFIOSAFE_DRIVER_H
#define VFIOSAFE_DRIVER_H

#include <stddef.h>
#include <vfiosafe/state.h>

VFIOSAFE_BEGIN_DECLS

struct vfiosafe_p2p;

struct vfiosafe_driver_ops {
	size_t size; /* sizeof(struct vfiosafe_driver_ops) */

	/*
	 * State QUIESCE, all sections have ended. Stop queues, park firmware.
	 * 0 to go on; a negative errno vetoes the window: it is called off.
	 * Not called when a device in FAULT is recovered.
	 */
	int (*quiesce)(struct vfiosafe_device *dev, void *ctx);

	/*
	 * The window was called off after quiesce had run; nothing was lost.
	 * Undo what quiesce did. Failure puts the device into FAULT.
	 */
	int (*resume)(struct vfiosafe_device *dev, void *ctx);

	/*
	 * State REINIT, the device answers config accesses again. 0: ready;
	 * -EAGAIN: not yet, ask again soon (do not sleep in here); another
	 * error: it will never be.
	 */
	int (*ready)(struct vfiosafe_device *dev, void *ctx);

	/*
	 * State REINIT, ready, COMMAND restored. Program the device as at first
	 * start, and renew the views. Failure puts the device into FAULT.
	 */
	int (*reinit)(struct vfiosafe_device *dev, void *ctx);

	/*
	 * The device went to FAULT. Runs on the thread that noticed; no access
	 * is possible. vfiosafe_recover() may not be called from in here.
	 */
	void (*lost)(struct vfiosafe_device *dev, void *ctx, enum vfiosafe_cause cause);

	/*
	 * This device imports @map from another one (p2p.h), which is about to be reset
	 * or put away: stop DMA through @map, and return 0 when none is under way any
	 * more. The state is LIVE: views and accessors work as always, in every thread.
	 * Runs on the thread that drives the other device's window, or closes it, with
	 * that one's deadline. A failure, or one that is late, breaks the map.
	 */
	int (*p2p_stop)(struct vfiosafe_device *dev, void *ctx, struct vfiosafe_p2p *map);

	/*
	 * @map is there again, at the same address: DMA may go on. After the other
	 * device's window in the state LIVE; after the resume or reinit callback of an
	 * own window in the state of that one.
	 */
	int (*p2p_start)(struct vfiosafe_device *dev, void *ctx, struct vfiosafe_p2p *map);
};

/**
 * vfiosafe_device_set_driver - say how the driver quiesces and comes back
 * @dev: device
 * @ops: copied; members may be NULL; NULL removes the callbacks
 * @ctx: handed to each
 *
 * Does not call reinit: at first start the driver does so itself.
 *
 * Return: 0; -EINVAL if @ops->size is 0 or larger than this library knows with
 * members set beyond; -EBUSY while a window is open; -EDEADLK in a section or callback;
 * -ENODEV in a forked child.
 * Context: any thread, outside of sections.
 */
VFIOSAFE_API VFIOSAFE_MUST_CHECK int
vfiosafe_device_set_driver(struct vfiosafe_device *dev,
			   const struct vfiosafe_driver_ops *ops, void *ctx);

VFIOSAFE_END_DECLS

#endif

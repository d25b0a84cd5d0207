/* SPDX-License-Identifier: MIT */
/*
 * power.h - put a device to sleep, or its memory decode off, and fetch it back.
 *
 * A device that sleeps cannot be accessed, so these are windows: sections end first,
 * the quiesce callback runs, bus mastering goes off. Then the window is over and the
 * device is parked: its state is RESETTING, accesses get -EAGAIN, vfiosafe_wait()
 * sleeps. It ends by the opposite call; or by vfiosafe_reset() or vfiosafe_recover(),
 * which wake the device and reset it, without another quiesce callback. A second way of
 * parking at the same time is refused. A parked device may be closed, its BARs mapped
 * and unmapped.
 *
 * vfiosafe_mark_lost() meanwhile ends the wake-up in FAULT, unless it is one in which the
 * device loses its state anyway (D3hot). So does SIGBUS in a BAR, unless the wake-up
 * brings the next generation.
 *
 *   D3hot         back in D0 the device has lost its state: next generation, ready
 *                 and reinit callbacks. If its PMCSR says No_Soft_Reset the state
 *                 was kept: same generation, resume callback. A sentinel (probe.h)
 *                 has to hold then, else FAULT; likewise with decode.
 *   low power     as above, always the next generation: the platform may have cut
 *                 the power (D3cold)
 *   decode off    same generation, resume callback
 *
 * With the state, bus mastering comes back as it was. With the next generation it does
 * as after a reset: not if opts.keep_bus_master_off was given.
 *
 * @opts bound the call as they do for vfiosafe_reset(); NULL for the defaults. The
 * policy must be ABORT: only a reset goes over open sections.
 *
 * Return of each, unless it says otherwise:
 *   0            done, or it was so already
 *   Called off, LIVE in the same generation:
 *   -ETIMEDOUT   a section, or opts.drain, did not end
 *   -ECANCELED   the quiesce callback or opts.drain vetoed, or a preparation failed
 *   -EOPNOTSUPP  the device or the kernel cannot
 *   -EBUSY       another holder of the fd has put it into low power
 *   Refused, nothing was touched:
 *   -EBUSY       parked in another way (the text says how to undo that); -EIO in
 *                FAULT; -ENODEV gone; -EDEADLK in a section or callback; -EINVAL;
 *                -EOPNOTSUPP D1, D2, no power management capability; -ENOMEM
 *   In FAULT:
 *   -EIO         the device did not come back, or does not say where it is; see
 *                vfiosafe_device_cause() and the text
 * Context of each: any thread, outside of sections and callbacks; blocks.
 */
#ifndef VFIOSAFE_POWER_H
#define VFIOSAFE_POWER_H

#include <stdbool.h>
#include <vfiosafe/state.h>

VFIOSAFE_BEGIN_DECLS

struct vfiosafe_reset_opts;

enum vfiosafe_power {
	VFIOSAFE_D0 = 0,
	VFIOSAFE_D1 = 1,
	VFIOSAFE_D2 = 2,
	VFIOSAFE_D3HOT = 3,
};

/**
 * vfiosafe_set_power - to D3hot, and back to D0
 *
 * D1 and D2 are -EOPNOTSUPP: the kernel leaves BARs mapped in them, so that a stray
 * access gets garbage instead of a fault.
 */
VFIOSAFE_API VFIOSAFE_MUST_CHECK int
vfiosafe_set_power(struct vfiosafe_device *dev, enum vfiosafe_power power,
		   const struct vfiosafe_reset_opts *opts);

/**
 * vfiosafe_low_power_enter - let the platform put the device into its lowest state
 * @wakeup: tell of a wake-up by a VFIOSAFE_EVENT_WAKEUP (event.h); the way back is
 *          vfiosafe_low_power_exit() all the same. If it is in low power already,
 *          without that: -EBUSY
 *
 * The device sleeps some time after the call returned. Every access to its fd wakes
 * it for a moment, also reads of its config space.
 */
VFIOSAFE_API VFIOSAFE_MUST_CHECK int
vfiosafe_low_power_enter(struct vfiosafe_device *dev, bool wakeup,
			 const struct vfiosafe_reset_opts *opts);

/** vfiosafe_low_power_exit - back from vfiosafe_low_power_enter() */
VFIOSAFE_API VFIOSAFE_MUST_CHECK int
vfiosafe_low_power_exit(struct vfiosafe_device *dev, const struct vfiosafe_reset_opts *opts);

/**
 * vfiosafe_set_decode - memory decode (COMMAND bit 1) off and on
 *
 * Off, bus mastering is off too; on, both are as they were.
 */
VFIOSAFE_API VFIOSAFE_MUST_CHECK int
vfiosafe_set_decode(struct vfiosafe_device *dev, bool on,
		    const struct vfiosafe_reset_opts *opts);

/**
 * vfiosafe_set_bus_master - let the device do DMA (COMMAND bit 2), or not
 *
 * No window: BARs stay accessible. What was set last is what a reset comes back to
 * (unless keep_bus_master_off), a recovery from FAULT too. Of a parked device it is
 * what the device wakes up to.
 *
 * Return: 0; -EAGAIN while a window is open, except in one of its callbacks (there
 * it takes effect at once); -EIO in FAULT; -ENODEV gone; -EDEADLK in a section;
 * other errors of the kernel.
 * Context: any thread, outside of sections, callbacks included.
 */
VFIOSAFE_API VFIOSAFE_MUST_CHECK int
vfiosafe_set_bus_master(struct vfiosafe_device *dev, bool on);

VFIOSAFE_END_DECLS

#endif

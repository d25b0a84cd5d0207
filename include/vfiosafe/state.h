/* SPDX-License-Identifier: MIT */
/*
 * state.h - where a device stands, and the deadline arithmetic that waiting for
 * a better place needs.
 *
 *   LIVE       views of this generation may touch the device
 *   QUIESCE    a window was announced; sections drain, nothing is lost yet
 *   RESETTING  the device is being reset; nobody touches it
 *   REINIT     reset over, generation one higher; the driver's reinit callback
 *              (and whom it admits) brings the device up again
 *   FAULT      state was lost or is unknown; vfiosafe_recover() leaves it
 *   GONE       terminal; also what a forked child sees
 */
#ifndef VFIOSAFE_STATE_H
#define VFIOSAFE_STATE_H

#include <stdint.h>
#include <vfiosafe/api.h>

VFIOSAFE_BEGIN_DECLS

struct vfiosafe_device;

enum vfiosafe_state {
	VFIOSAFE_GONE = 0, /* zero, so that memory wiped on fork reads "gone" */
	VFIOSAFE_LIVE = 1,
	VFIOSAFE_QUIESCE = 2,
	VFIOSAFE_RESETTING = 3,
	VFIOSAFE_REINIT = 4,
	VFIOSAFE_FAULT = 5,
};

/* Why a device left LIVE, or why its state cannot be trusted. */
enum vfiosafe_cause {
	VFIOSAFE_CAUSE_NONE = 0,
	VFIOSAFE_CAUSE_RESET,	    /* reset asked for through the library */
	VFIOSAFE_CAUSE_RECOVER,	    /* vfiosafe_recover() */
	VFIOSAFE_CAUSE_MARKED,	    /* vfiosafe_mark_lost() */
	VFIOSAFE_CAUSE_RESET_FAILED, /* the kernel's reset failed, outcome unknown */
	VFIOSAFE_CAUSE_NOT_READY,   /* did not answer before the deadline */
	VFIOSAFE_CAUSE_DRIVER,	    /* a callback failed, or returned too late */
	VFIOSAFE_CAUSE_ACCESS,	    /* the kernel refused an access (EIO) */
	VFIOSAFE_CAUSE_CLOSED,	    /* vfiosafe_device_close() */
	VFIOSAFE_CAUSE_STUCK,	    /* a section, or a client, outlived a forced reset */
	VFIOSAFE_CAUSE_FAULT,	    /* SIGBUS in a mapped BAR */
	VFIOSAFE_CAUSE_AER,	    /* a PCIe error that the kernel reported */
	VFIOSAFE_CAUSE_POWER,	    /* power.h; of windows only, never of FAULT */
	VFIOSAFE_CAUSE_DEAD,	    /* does not answer, decode off, or asleep (probe.h) */
	VFIOSAFE_CAUSE_SENTINEL,    /* reset behind the library, says the sentinel */
};

#define VFIOSAFE_FOREVER INT64_MAX

/**
 * vfiosafe_deadline_in_ms - the deadline @ms milliseconds from now
 *
 * Deadlines are nanoseconds of CLOCK_MONOTONIC.
 *
 * Context: any, signal handlers included.
 */
VFIOSAFE_API int64_t vfiosafe_deadline_in_ms(uint32_t ms);

/**
 * vfiosafe_device_state - state at this moment
 *
 * A snapshot for display and decisions; it says nothing about the next access.
 * Context: any thread, callbacks and sections included.
 */
VFIOSAFE_API enum vfiosafe_state
vfiosafe_device_state(const struct vfiosafe_device *dev);

/**
 * vfiosafe_device_generation - counts how often device state may have been lost
 *
 * Starts at 1, moves exactly when state may have been lost, never goes back.
 * Context: any thread, callbacks and sections included.
 */
VFIOSAFE_API uint64_t
vfiosafe_device_generation(const struct vfiosafe_device *dev);

/**
 * vfiosafe_device_cause - why the device is, or last was, in FAULT
 *
 * Context: any thread, callbacks and sections included.
 */
VFIOSAFE_API enum vfiosafe_cause
vfiosafe_device_cause(const struct vfiosafe_device *dev);

/** vfiosafe_state_name - "LIVE", "FAULT", ...; static, never NULL */
VFIOSAFE_API const char *vfiosafe_state_name(enum vfiosafe_state state);

/** vfiosafe_cause_name - a few words for a message; static, never NULL */
VFIOSAFE_API const char *vfiosafe_cause_name(enum vfiosafe_cause cause);

/**
 * vfiosafe_wait - sleep until the device is LIVE
 * @dev: device
 * @deadline_ns: CLOCK_MONOTONIC nanoseconds, or VFIOSAFE_FOREVER
 *
 * Return: 0 when LIVE was seen; -ETIMEDOUT; -EIO in FAULT; -ENODEV when gone;
 * -EBUSY instead of sleeping while a release request is pending (event.h): close the
 * device; -EDEADLK inside a section or a callback of this device's window.
 * Context: any thread, outside of sections; blocks.
 */
VFIOSAFE_API VFIOSAFE_MUST_CHECK int
vfiosafe_wait(struct vfiosafe_device *dev, int64_t deadline_ns);

VFIOSAFE_END_DECLS

#endif

/* SPDX-License-Identifier: MIT */
/*
 * event.h - what happened to a device, for an event loop.
 *
 *      struct vfiosafe_event event;
 *
 *      poll() says that vfiosafe_event_fd(dev) is readable:
 *      while (vfiosafe_event_read(dev, &event, 1, sizeof(event)) == 1)
 *              if (event.type == VFIOSAFE_EVENT_RELEASE)
 *                      stop using the device, then vfiosafe_device_close()
 *
 * No thread of the library looks at the device: what the kernel reports (AER, RELEASE)
 * takes effect when somebody reads events, waits, begins a window or probes. A program
 * that never reads events still finds its device in FAULT at those calls.
 *
 * Every event goes to one reader. The queue holds VFIOSAFE_EVENTS_MAX events; of AER,
 * RELEASE and WAKEUP at most one each, which counts how often it came. When it is full,
 * OVERFLOW stands in the place of what was lost and counts it: look at
 * vfiosafe_device_state() then. AER, RELEASE and WAKEUP are never lost.
 */
#ifndef VFIOSAFE_EVENT_H
#define VFIOSAFE_EVENT_H

#include <stddef.h>
#include <stdint.h>
#include <vfiosafe/state.h>

VFIOSAFE_BEGIN_DECLS

#define VFIOSAFE_EVENTS_MAX 64

enum vfiosafe_event_type {
	/* cause: RESET, RECOVER (the device was in FAULT) or POWER (power.h) */
	VFIOSAFE_EVENT_WINDOW_OPENED = 1,
	/* result: what the window's call returns; 0 also for a device that was parked */
	VFIOSAFE_EVENT_WINDOW_CLOSED = 2,
	/* The device is in FAULT; cause as vfiosafe_device_cause(). */
	VFIOSAFE_EVENT_FAULT = 3,
	/*
	 * The kernel reports an error (PCIe AER) of the device, or of another below
	 * the same port. Its state cannot be trusted: FAULT follows.
	 */
	VFIOSAFE_EVENT_AER = 4,
	/*
	 * The kernel wants the device back: its driver is being unbound, or it is
	 * being removed. Resets, recovery and vfiosafe_wait() get -EBUSY from now on;
	 * accesses work until the device is closed. The kernel repeats it every 10 s.
	 */
	VFIOSAFE_EVENT_RELEASE = 5,
	/* A wake-up from vfiosafe_low_power_enter(); call vfiosafe_low_power_exit(). */
	VFIOSAFE_EVENT_WAKEUP = 6,
	VFIOSAFE_EVENT_OVERFLOW = 7,
	/*
	 * A map that this device imports ended (p2p.h). result: why; -ENODEV the
	 * exporter was closed, -ESTALE it revoked the buffer, -ETIMEDOUT p2p_stop was
	 * late, else what p2p_stop or p2p_start returned. vfiosafe_p2p_state() says
	 * of which map.
	 */
	VFIOSAFE_EVENT_P2P = 8,
	/*
	 * A process that shares this device is no longer a client (share.h). result: 0 it
	 * left, -ESRCH it died or hung up, -EPROTO it said what the protocol does not
	 * know, -ETIMEDOUT it was late and a reset by force went on without it, -EPERM it
	 * was not let in. In a client: -EOWNERDEAD the owner has ended, or hung up.
	 */
	VFIOSAFE_EVENT_PEER = 9,
};

struct vfiosafe_event {
	uint32_t type;	     /* enum vfiosafe_event_type; skip those you do not know */
	int32_t result;	     /* of WINDOW_CLOSED, P2P and PEER; else 0 */
	uint64_t generation; /* the device's when the event was noticed */
	int64_t time_ns;     /* of CLOCK_MONOTONIC, then */
	uint32_t cause;	     /* enum vfiosafe_cause, where said above; else NONE */
	uint32_t count;	     /* how many this one stands for; at least 1 */
	uint64_t cookie;     /* of PEER, in an owner: of its grant (share.h); else 0 */
};

/**
 * vfiosafe_event_fd - an fd that is readable while there may be an event to read
 *
 * For poll(2), select(2), epoll(7). Do not read it: vfiosafe_event_read() does. What
 * vfiosafe_fault_fd() tells, it tells too.
 *
 * Return: an fd owned by @dev; do not close it.
 * Context: any.
 */
VFIOSAFE_API int vfiosafe_event_fd(const struct vfiosafe_device *dev);

/**
 * vfiosafe_event_read - take events out of the queue, oldest first; never blocks
 * @dev: device
 * @events: array of @count elements of @event_size bytes each
 * @count: at least 1
 * @event_size: sizeof(struct vfiosafe_event), as the caller was compiled
 *
 * What the kernel and the SIGBUS handler have reported is looked at first: the device
 * may go to FAULT in this call, and the lost callback run in it. Inside a section only
 * what is queued already is read.
 *
 * Return: the number of events read; -EAGAIN if there is none (now and then also when
 * the fd was readable: another thread has read it, or the cause was dealt with);
 * -ENODEV: none, and the device is gone; -EINVAL: @count is 0, or @event_size is
 * smaller than any version's struct.
 * Context: any thread, sections and callbacks included; not signal-safe.
 */
VFIOSAFE_API VFIOSAFE_MUST_CHECK int
vfiosafe_event_read(struct vfiosafe_device *dev, struct vfiosafe_event *events,
		    unsigned int count, size_t event_size);

VFIOSAFE_END_DECLS

#endif

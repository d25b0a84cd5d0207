/* SPDX-License-Identifier: MIT */
/*
 * window.h - take a device through a reset, in one call or step by step.
 *
 *   begin    word to QUIESCE: new accesses fail with -EAGAIN
 *   poll     until all sections ended; then the quiesce callback
 *   commit   the kernel call that resets, and sleeps
 *   poll     until the device answers and the ready callback says so
 *   finish   COMMAND restored, reinit callback, LIVE at the next generation
 *
 * If sections do not end before the deadline, the driver vetoes, or the kernel
 * refuses before anything was lost, the window is called off: the device is LIVE
 * again in the same generation and views stay valid. Whatever fails later leaves
 * the device in FAULT, from where vfiosafe_recover() tries again.
 */
#ifndef VFIOSAFE_WINDOW_H
#define VFIOSAFE_WINDOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <vfiosafe/plan.h>
#include <vfiosafe/state.h>

VFIOSAFE_BEGIN_DECLS

struct vfiosafe_window;

/* What to do when sections do not end before the deadline. */
enum vfiosafe_policy {
	VFIOSAFE_POLICY_ABORT = 0, /* call the window off; nothing is lost */
	/*
	 * Reset all the same. Private memory is put under the BARs first, so
	 * that sections which are still open touch that; they end with an
	 * error. The BARs come back, and the device becomes LIVE, when they
	 * have ended; if they do not within the time-out once more: FAULT.
	 * As ABORT if a mapping was adopted that may not be replaced.
	 *
	 * Of a device that is shared (share.h): a client that only calls and has not
	 * agreed is cut off. One that has the device mapped is killed if its grant says
	 * so; the device becomes LIVE when it has agreed or ended, else FAULT as above.
	 */
	VFIOSAFE_POLICY_FORCE = 1,
};

struct vfiosafe_reset_opts {
	size_t size; /* sizeof(struct vfiosafe_reset_opts) */

	/*
	 * Bounds drain, retries, readiness and polls together; 0 = 10,000 ms.
	 * It cannot bound a running callback, nor the one kernel call (a reset
	 * may sleep uninterruptibly for a minute).
	 */
	uint32_t timeout_ms;

	enum vfiosafe_policy policy;

	/*
	 * vfiosafe_reset() and _recover() only, the steps below do not look at it. If the
	 * function has no reset of its own, or that one was refused (-EOPNOTSUPP) or failed
	 * (VFIOSAFE_CAUSE_RESET_FAILED), a hot reset of its set (set.h) is tried, with
	 * timeout_ms once more. It takes down every function of the bus or slot: all have
	 * to be open in the IOMMU context of this one, and but for this one have a driver
	 * with a reinit callback; those callbacks run too, on this thread. One that does
	 * not come back is in FAULT; here it is -EIO, in whichever function it happened.
	 */
	bool allow_hot;
};

/**
 * vfiosafe_reset - reset the device; return when it is LIVE again, or is not
 * @dev: device
 * @opts: may be NULL
 *
 * A device in FAULT is recovered. If another thread's window is open, it is
 * joined: no second reset is made, and its result returned. If it was called
 * off, so was this.
 *
 * Return: 0: LIVE, one generation higher.
 *   Called off, LIVE in the same generation:
 *   -ETIMEDOUT   a section did not end (the text names the thread), a client did not
 *                agree (share.h; the text names it), or the device stayed locked
 *                (EAGAIN, EBUSY) until the deadline
 *   -ECANCELED   the quiesce callback or a client vetoed, or a preparation failed (the
 *                text says which)
 *   Refused, nothing was touched:
 *   -EOPNOTSUPP  the device has no reset method, or sysfs reset_method was emptied
 *                (the text says what else there is, see also vfiosafe_reset_plan());
 *                a device in FAULT stays there; -ENODEV gone;
 *   -EDEADLK     inside a section or a callback of this device; -EINVAL
 *   -EBUSY       a release request is pending (event.h): the kernel would refuse
 *                resets for good; close the device. Seen while the reset was being
 *                retried, the window is called off. With opts.allow_hot also: another
 *                function is in the way of a hot reset (the text names it).
 *   In FAULT:
 *   -EIO         see vfiosafe_device_cause() and the text
 * Context: any thread, outside of sections and callbacks; blocks.
 */
VFIOSAFE_API VFIOSAFE_MUST_CHECK int
vfiosafe_reset(struct vfiosafe_device *dev, const struct vfiosafe_reset_opts *opts);

/**
 * vfiosafe_reset_method - by what the device was reset last
 *
 * Of the resets that the library made through @dev, whoever asked for them. It tells
 * whether opts.allow_hot was used.
 *
 * Return: VFIOSAFE_METHOD_FUNCTION, VFIOSAFE_METHOD_HOT; VFIOSAFE_METHOD_NONE: none yet.
 * Context: any.
 */
VFIOSAFE_API enum vfiosafe_method
vfiosafe_reset_method(const struct vfiosafe_device *dev);

/**
 * vfiosafe_recover - bring a device in FAULT back, by a reset
 *
 * As vfiosafe_reset(), but does nothing and returns 0 if the device is LIVE.
 * If it fails the device is in FAULT again, and it may be tried again.
 *
 * Context: as vfiosafe_reset().
 */
VFIOSAFE_API VFIOSAFE_MUST_CHECK int
vfiosafe_recover(struct vfiosafe_device *dev, const struct vfiosafe_reset_opts *opts);

/**
 * vfiosafe_mark_lost - say that the device lost its state in another way
 * @dev: device
 * @why: for messages; copied
 *
 * For what the library cannot see: a reset by sysfs, firmware, another holder of
 * the fd. The device goes to FAULT at once; open sections report it at their
 * end. In a window that has not reset the device yet, the reset heals the loss;
 * later, the window ends in FAULT. For a parked device see power.h.
 *
 * Return: 0; -ENODEV if gone. Marking a device in FAULT again is no error.
 * Context: any thread, sections and callbacks included (the lost callback then
 * runs on this thread, unless it is in a section: there it is left out).
 */
VFIOSAFE_API VFIOSAFE_MUST_CHECK int
vfiosafe_mark_lost(struct vfiosafe_device *dev, const char *why);

/* What vfiosafe_window_poll() says may be done next. */
enum vfiosafe_step {
	VFIOSAFE_STEP_COMMIT = 1,
	VFIOSAFE_STEP_FINISH = 2,
	VFIOSAFE_STEP_DONE = 3, /* joined window, over and good */
};

/**
 * vfiosafe_window_begin - announce a reset; does not block
 * @win: written on success only; free with vfiosafe_window_end()
 * @dev: device
 * @opts: may be NULL
 *
 * From now on accesses get -EAGAIN. If a window is open already, @win joins it:
 * poll it until it says DONE or fails.
 *
 * Return: 0; -EOPNOTSUPP, -ENODEV, -EDEADLK, -EINVAL, -EBUSY as vfiosafe_reset();
 * -ENOMEM.
 * Context: any thread, outside of sections and callbacks; does not block.
 */
VFIOSAFE_API VFIOSAFE_MUST_CHECK int
vfiosafe_window_begin(struct vfiosafe_window **win, struct vfiosafe_device *dev,
		      const struct vfiosafe_reset_opts *opts);

/**
 * vfiosafe_window_poll - make what progress can be made without blocking
 *
 * Runs the quiesce callback once sections have ended, and the ready callback
 * after the reset, on this thread.
 *
 * Return: -EAGAIN: not yet, call again (vfiosafe_error_text() says nothing about it); an
 * enum vfiosafe_step; -EINVAL if the window is over, -EDEADLK in a section or callback;
 * any other error: the window is over, as vfiosafe_reset() would have returned.
 * Context: one thread at a time, outside of sections; does not sleep.
 */
VFIOSAFE_API VFIOSAFE_MUST_CHECK int vfiosafe_window_poll(struct vfiosafe_window *win);

/**
 * vfiosafe_window_commit - the kernel call that sleeps
 *
 * Only after poll returned VFIOSAFE_STEP_COMMIT. Any thread will do; other
 * steps must not be called until it returned. EAGAIN and EBUSY of the kernel are
 * retried until the deadline.
 *
 * Return: 0: go on polling; -EINVAL if it is not the time, -EDEADLK in a section or
 * callback; any other error: the window is over.
 * Context: any thread, outside of sections and callbacks; blocks.
 */
VFIOSAFE_API VFIOSAFE_MUST_CHECK int vfiosafe_window_commit(struct vfiosafe_window *win);

/**
 * vfiosafe_window_finish - restore, reinit, LIVE
 *
 * Only after poll returned VFIOSAFE_STEP_FINISH.
 *
 * Return: 0: LIVE at the next generation; -EIO: FAULT; -ENODEV closed meanwhile; -EINVAL,
 * -EDEADLK as vfiosafe_window_commit().
 * Context: any thread, outside of sections and callbacks; as long as a reinit callback.
 */
VFIOSAFE_API VFIOSAFE_MUST_CHECK int vfiosafe_window_finish(struct vfiosafe_window *win);

/**
 * vfiosafe_window_end - free the handle
 * @win: may be NULL
 *
 * A window that was not committed is called off; one that was committed but not
 * finished leaves the device in FAULT. A joined window goes on without @win.
 *
 * Context: any thread, outside of sections and callbacks: called in one it does nothing,
 * and @win stays. May run the resume or lost callback.
 */
VFIOSAFE_API void vfiosafe_window_end(struct vfiosafe_window *win);

/**
 * vfiosafe_window_pass - let this thread in beside the running callback
 * @dev: device
 * @admit: true on entry, false before the callback returns
 *
 * For a driver whose re-init uses several threads: the callback starts or wakes
 * them, each calls pass(true), works, calls pass(false), and the callback waits
 * for all of them. The pass ends by itself when the state changes.
 *
 * Return: 0; -EINVAL if no callback of this device runs; -EDEADLK inside a section.
 * Context: any thread but the callback's own, outside of sections.
 */
VFIOSAFE_API VFIOSAFE_MUST_CHECK int
vfiosafe_window_pass(struct vfiosafe_device *dev, bool admit);

/**
 * vfiosafe_window_deadline - until when the running callback should return
 *
 * Return: CLOCK_MONOTONIC nanoseconds; VFIOSAFE_FOREVER if no window is open.
 * Context: any thread, callbacks included.
 */
VFIOSAFE_API int64_t vfiosafe_window_deadline(const struct vfiosafe_device *dev);

VFIOSAFE_END_DECLS

#endif

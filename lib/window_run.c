/* SPDX-License-Identifier: MIT */
/* How a window begins, and the four ways in which it ends. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "dmabuf.h"
#include "epoch.h"
#include "error.h"
#include "log.h"
#include "p2p.h"
#include "park.h"
#include "share.h"
#include "window.h"

void vsf_run_put(struct vsf_run *run)
{
	/* Release ours, acquire the others' before the end. */
	if (run && __atomic_sub_fetch(&run->refs, 1, __ATOMIC_ACQ_REL) == 0)
		free(run);
}

/* A parked device stays RESETTING: nobody may access it anyway. */
static int claim_parked(const struct vfiosafe_device *dev, struct vsf_run *run)
{
	bool more = run->wish.wakeup && !dev->tells_wakeup;

	if (run->wish.kind == VSF_KIND_PARK)
		return run->wish.park == dev->parked && !more ? -EALREADY : -EXDEV;
	if (run->wish.kind == VSF_KIND_WAKE && run->wish.park != dev->parked)
		return -EXDEV;
	run->from_parked = true;
	return 0;
}

static int claim_state(struct vfiosafe_device *dev, struct vsf_run *run)
{
	bool live = vsf_device_state(dev) == VFIOSAFE_LIVE &&
		    vsf_gate_state(dev) == VFIOSAFE_LIVE;

	bool power = run->wish.kind == VSF_KIND_PARK || run->wish.kind == VSF_KIND_WAKE;

	switch (vsf_device_state(dev)) {
	case VFIOSAFE_GONE:
		return -ENODEV;
	case VFIOSAFE_FAULT:
		if (power)
			return -EIO;
		run->from_fault = true;
		break;
	case VFIOSAFE_RESETTING:
		return claim_parked(dev, run);
	default:
		/* A gate that a fault has closed is FAULT, noticed or not. */
		if (!live && power)
			return -EIO;
		if (live && (run->wish.kind == VSF_KIND_RECOVER || run->wish.kind == VSF_KIND_WAKE))
			return -EALREADY;
		/* close does not take the lock: GONE in between */
		if (vsf_words_move(dev->words, dev->sys, VFIOSAFE_LIVE,
				   VFIOSAFE_QUIESCE) < 0)
			return -ENODEV;
	}
	dev->lost_mark = false;
	return 0;
}

/* Under dev->lock. Takes the device for @run if its state allows. */
static int claim(struct vfiosafe_device *dev, struct vsf_run *run)
{
	int rc;

	/* One callback at a time: that one first. */
	if (dev->run || dev->losing || dev->configuring || dev->peer)
		return -EBUSY;
	rc = claim_state(dev, run);
	if (rc < 0)
		return rc;
	run->id = ++dev->windows;
	dev->run = run;
	return 0;
}

int vsf_run_start(struct vsf_run **out, struct vfiosafe_device *dev,
		  struct vsf_wish wish, int64_t deadline)
{
	struct vsf_run *run = calloc(1, sizeof(*run));
	int rc;

	if (!run)
		return vsf_fail(ENOMEM, "out of memory");
	run->dev = dev;
	run->wish = wish;
	run->deadline = deadline;
	run->refs = 2; /* the device's and the leader's */
	pthread_mutex_lock(&dev->lock);
	rc = claim(dev, run);
	pthread_mutex_unlock(&dev->lock);
	if (rc < 0) {
		free(run);
		return rc;
	}
	vsf_event_opened(run);
	*out = run;
	return 0;
}

int vsf_run_over(struct vsf_run *run, int result)
{
	struct vfiosafe_device *dev = run->dev;
	uint64_t id = run->id;

	run->phase = VSF_PHASE_OVER;
	run->result = result;
	vsf_event_closed(run);
	pthread_mutex_lock(&dev->lock);
	dev->run = NULL;
	dev->inside++; /* it is needed once more, below */
	/* Pairs with the acquire of who joined: result and text are there. */
	__atomic_store_n(&run->over, true, __ATOMIC_RELEASE);
	/* Under the lock: after it, a close may free the device. */
	vsf_words_ring(dev->words, dev->sys);
	pthread_mutex_unlock(&dev->lock);
	vsf_run_put(run);
	vsf_share_over(dev, id, result);
	vsf_p2p_start_imports(dev, NULL);
	vsf_count_inside(dev, -1);
	return result;
}

static void __attribute__((format(printf, 2, 0)))
set_text(struct vsf_run *run, const char *fmt, va_list ap)
{
	vsnprintf(run->text, sizeof(run->text), fmt, ap);
}

int vsf_run_gone(struct vsf_run *run)
{
	snprintf(run->text, sizeof(run->text), "%s was closed during the window",
		 run->dev->address);
	return vsf_run_over(run, vsf_fail(ENODEV, "%s", run->text));
}

/* With run->text set. */
static int into_fault(struct vsf_run *run, enum vfiosafe_cause cause)
{
	struct vfiosafe_device *dev = run->dev;
	bool gone;

	pthread_mutex_lock(&dev->lock);
	gone = vsf_device_state(dev) == VFIOSAFE_GONE;
	if (!gone) {
		(void)vsf_words_move_any(dev->words, dev->sys, VFIOSAFE_FAULT);
		__atomic_store_n(&dev->cause, cause, __ATOMIC_RELAXED);
		snprintf(dev->why, sizeof(dev->why), "%.127s", run->text);
	}
	pthread_mutex_unlock(&dev->lock);
	if (gone)
		return vsf_run_gone(run);
	vsf_event_put(dev, VFIOSAFE_EVENT_FAULT, 0, cause, 1);
	vsf_log(VFIOSAFE_LOG_ERROR, "%s: FAULT: %s", dev->address, run->text);
	vsf_callback_lost(dev, cause);
	return vsf_run_over(run, vsf_fail(EIO, "%s", run->text));
}

int vsf_run_fault(struct vsf_run *run, enum vfiosafe_cause cause, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	set_text(run, fmt, ap);
	va_end(ap);
	return into_fault(run, cause);
}

/*
 * A change of ours to a device in FAULT: it still is, and nobody need be told. Nor of
 * a device that was parked, and is.
 */
static bool stays_where_it_was(const struct vsf_run *run)
{
	if (run->from_parked)
		return run->dev->parked != VSF_AWAKE;
	return run->wish.kind == VSF_KIND_EXCLUSIVE && run->from_fault &&
	       vsf_device_state(run->dev) == VFIOSAFE_FAULT;
}

/* Back to LIVE, unless somebody said meanwhile that state was lost. */
static int back_to_live(struct vsf_run *run, int err)
{
	struct vfiosafe_device *dev = run->dev;
	enum vfiosafe_cause cause;
	bool lost, gone, fault;

	if (stays_where_it_was(run))
		return vsf_run_over(run, -err);
	pthread_mutex_lock(&dev->lock);
	cause = dev->cause ? dev->cause : VFIOSAFE_CAUSE_MARKED;
	fault = vsf_gate_state(dev) == VFIOSAFE_FAULT;
	if (fault)
		cause = VFIOSAFE_CAUSE_FAULT;
	lost = dev->lost_mark || run->from_fault || fault;
	gone = !lost && vsf_words_move(dev->words, dev->sys, vsf_device_state(dev),
				       VFIOSAFE_LIVE) < 0;
	if (lost && dev->lost_mark)
		snprintf(run->text, sizeof(run->text), "%.255s", dev->why);
	else if (fault)
		snprintf(run->text, sizeof(run->text), "%s: SIGBUS in a mapped BAR",
			 dev->address);
	pthread_mutex_unlock(&dev->lock);
	if (gone)
		return vsf_run_gone(run);
	if (lost)
		return into_fault(run, cause);
	/* Our own change is no failure of a call: its text stays what it was. */
	if (run->wish.kind == VSF_KIND_EXCLUSIVE || err == 0)
		return vsf_run_over(run, -err);
	return vsf_run_over(run, vsf_fail(err, "%s", run->text));
}

static bool comes_back(const struct vsf_run *run)
{
	return !stays_where_it_was(run) && !run->from_fault && !vsf_is_lost(run->dev);
}

/* With run->text set, unless @err is 0. */
static int undo(struct vsf_run *run, int err)
{
	int rc;

	if (vsf_run_command_back(run) < 0)
		return vsf_run_fault(run, VFIOSAFE_CAUSE_NOT_READY,
				     "COMMAND of %s could not be written back",
				     run->dev->address);
	if (run->quiesced) {
		rc = vsf_callback(run->dev, VSF_RESUME, VFIOSAFE_FOREVER);
		if (rc < 0)
			return vsf_run_fault(run, VFIOSAFE_CAUSE_DRIVER,
					     "the resume callback failed (%d)", rc);
	}
	/* Also where the kernel refused: it had taken the memory away before. */
	if (comes_back(run) && vsf_dmabuf_after(run) < 0)
		return vsf_run_fault(run, VFIOSAFE_CAUSE_NOT_READY, "%s",
				     vfiosafe_error_text());
	if (run->wish.kind != VSF_KIND_EXCLUSIVE && err)
		vsf_log(VFIOSAFE_LOG_WARN, "%s: window called off: %s", run->dev->address,
			run->text);
	return back_to_live(run, err);
}

int vsf_run_call_off(struct vsf_run *run, int err, const char *fmt, ...)
{
	va_list ap;

	if (vsf_device_state(run->dev) == VFIOSAFE_GONE)
		return vsf_run_gone(run);
	va_start(ap, fmt);
	set_text(run, fmt, ap);
	va_end(ap);
	return undo(run, err);
}

int vsf_run_unchanged(struct vsf_run *run)
{
	return undo(run, 0);
}

VFIOSAFE_API const char *vfiosafe_cause_name(enum vfiosafe_cause cause)
{
	static const char *const names[] = {
		[VFIOSAFE_CAUSE_NONE] = "none",
		[VFIOSAFE_CAUSE_RESET] = "reset",
		[VFIOSAFE_CAUSE_RECOVER] = "recovery",
		[VFIOSAFE_CAUSE_MARKED] = "marked lost by the program",
		[VFIOSAFE_CAUSE_RESET_FAILED] = "a reset failed",
		[VFIOSAFE_CAUSE_NOT_READY] = "the device did not become ready",
		[VFIOSAFE_CAUSE_DRIVER] = "a driver callback failed",
		[VFIOSAFE_CAUSE_ACCESS] = "the kernel refused an access",
		[VFIOSAFE_CAUSE_CLOSED] = "closed",
		[VFIOSAFE_CAUSE_STUCK] = "a section, or a client, outlived a forced reset",
		[VFIOSAFE_CAUSE_FAULT] = "SIGBUS in a BAR",
		[VFIOSAFE_CAUSE_AER] = "a PCIe error (AER)",
		[VFIOSAFE_CAUSE_POWER] = "a change of power or decode",
		[VFIOSAFE_CAUSE_DEAD] = "the device does not answer",
		[VFIOSAFE_CAUSE_SENTINEL] = "reset behind the library: the sentinel is lost",
	};

	return cause < sizeof(names) / sizeof(names[0]) ? names[cause] : "unknown";
}

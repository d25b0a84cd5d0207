/* SPDX-License-Identifier: MIT */
/* Between "everyone has left" and LIVE: the reset itself, and the way back. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "config.h"
#include "dmabuf.h"
#include "error.h"
#include "fault.h"
#include "park.h"
#include "plan.h"
#include "share.h"
#include "share_dma.h"
#include "uapi.h"
#include "window.h"

static bool is_gone(const struct vsf_run *run)
{
	return vsf_device_state(run->dev) == VFIOSAFE_GONE;
}

static bool is_late(const struct vsf_run *run)
{
	return vsf_now(run->dev->sys) >= run->deadline;
}

/* A reset method may need D0; and only from D0 a refusal loses nothing. */
static int power_up(struct vsf_run *run)
{
	int rc;

	/* A device that does not answer has no state to ask for: try the reset. */
	if (!vsf_config_answers(run->dev)) {
		run->unknown = true;
		return 0;
	}
	rc = vsf_config_power_state(run->dev);
	if (rc <= 0)
		return rc;
	run->unknown = true;
	return vsf_config_to_d0(run->dev);
}

int vsf_run_enter_resetting(struct vsf_run *run)
{
	struct vfiosafe_device *dev = run->dev;
	int rc = 0;

	pthread_mutex_lock(&dev->lock);
	if (!run->from_parked)
		rc = vsf_words_move_any(dev->words, dev->sys, VFIOSAFE_RESETTING);
	pthread_mutex_unlock(&dev->lock);
	return rc;
}

void vsf_heal_marks(struct vfiosafe_device *dev)
{
	pthread_mutex_lock(&dev->lock);
	dev->lost_mark = false;
	pthread_mutex_unlock(&dev->lock);
}

bool vsf_is_contention(int rc)
{
	return rc == -EAGAIN || rc == -EBUSY;
}

/* EAGAIN and EBUSY are normal contention: again, with back-off, until the deadline. */
static int reset_ioctl(const struct vsf_run *run)
{
	const struct vfiosafe_device *dev = run->dev;
	int64_t pause = 500000;
	int rc;

	for (;;) {
		rc = vsf_sys(dev->sys, ioctl, dev->fd, VFIO_DEVICE_RESET, NULL);
		if (!vsf_is_contention(rc) || is_late(run) || is_gone(run))
			return rc;
		/* An unbind that waits for us never ends: nor would this. */
		vsf_events_collect(run->dev);
		if (vsf_events_refuse(dev) < 0)
			return rc;
		vsf_pause(dev->sys, pause, run->deadline);
		if (pause < 20000000)
			pause *= 2;
	}
}

/* Nothing was lost if the kernel refused before it touched a device in D0. */
static int reset_failed(struct vsf_run *run, int rc)
{
	bool refused = vsf_is_contention(rc) || rc == -EINVAL;
	bool asked = vsf_is_contention(rc) && vsf_events_refuse(run->dev) < 0;
	int err = rc == -EINVAL ? EOPNOTSUPP : ETIMEDOUT;
	char hint[256];

	if (asked)
		snprintf(hint, sizeof(hint), "; %.250s", vfiosafe_error_text());
	if (!refused || run->unknown || run->from_fault)
		return vsf_run_fault(run, VFIOSAFE_CAUSE_RESET_FAILED,
				     "VFIO_DEVICE_RESET of %s failed: %s; what is left of its "
				     "state is unknown%s",
				     run->dev->address, strerror(-rc),
				     asked ? hint
					   : vsf_plan_hint(run->dev, hint, sizeof(hint)));
	if (asked)
		return vsf_run_call_off(run, EBUSY, "%s", vfiosafe_error_text());
	(void)vsf_plan_refuse(run->dev, err);
	return vsf_run_call_off(run, err, "%s", vfiosafe_error_text());
}

static int prepare_failed(struct vsf_run *run, int rc, const char *what)
{
	if (run->unknown || run->from_fault)
		return vsf_run_fault(run, VFIOSAFE_CAUSE_RESET_FAILED, "%s of %s failed: %s",
				     what, run->dev->address, strerror(-rc));
	/* The kernel's codes mean other things to our callers. */
	return vsf_run_call_off(run, ECANCELED, "%s of %s failed: %s", what,
				run->dev->address, strerror(-rc));
}

/* A device that was put to sleep through the kernel refuses BARs until it is told. */
static int leave_low_power(const struct vsf_run *run)
{
	int rc = vsf_low_power(run, VFIO_DEVICE_FEATURE_LOW_POWER_EXIT);

	/* A kernel, or a driver in it, without the feature cannot have entered it. */
	return rc == -ENOTTY || rc == -EINVAL ? 0 : rc;
}

int vsf_run_prepare(struct vsf_run *run)
{
	int rc;

	vsf_events_collect(run->dev);
	rc = vsf_dmabuf_before(run);
	if (rc < 0)
		return rc;
	/* Marked lost in a callback: a recovery from here on. */
	if (vsf_device_state(run->dev) == VFIOSAFE_FAULT)
		run->from_fault = true;
	/* The way back to where it was parked ends here. */
	if (run->from_parked) {
		run->unknown = true;
		vsf_set_parked(run->dev, VSF_AWAKE);
	}
	rc = vsf_run_stop_dma(run, 0);
	if (rc < 0)
		return prepare_failed(run, rc, "writing COMMAND");
	rc = power_up(run);
	if (rc < 0)
		return prepare_failed(run, rc, "the way to D0");
	if (vsf_run_enter_resetting(run) < 0)
		return vsf_run_gone(run);
	vsf_heal_marks(run->dev);
	vsf_irq_before_reset(run);
	if (run->forced && vsf_fault_poison(run->dev) < 0)
		return vsf_run_fault(run, VFIOSAFE_CAUSE_RESET_FAILED,
				     "no memory to put under the sections that are still in %s",
				     run->dev->address);
	vsf_share_before_reset(run->dev);
	return 0;
}

int vsf_run_committed(struct vsf_run *run)
{
	bool hot = run->wish.kind == VSF_KIND_HOT && !run->by_pf;
	int rc;

	if (is_gone(run))
		return vsf_run_gone(run);
	__atomic_store_n(&run->dev->reset_by,
			 hot ? VFIOSAFE_METHOD_HOT : VFIOSAFE_METHOD_FUNCTION,
			 __ATOMIC_RELAXED);
	run->settled = vsf_events_settled(run);
	vsf_share_after_reset(run->dev);
	/* Not before: from here no way leads back to LIVE in the same generation. */
	rc = leave_low_power(run);
	if (rc < 0)
		return vsf_run_fault(run, VFIOSAFE_CAUSE_NOT_READY,
				     "%s was reset, but does not leave low power: %s",
				     run->dev->address, strerror(-rc));
	run->command_off = false; /* now restored by finish, not by a call-off */
	if (vsf_words_move(run->dev->words, run->dev->sys, VFIOSAFE_RESETTING,
			   VFIOSAFE_REINIT) < 0)
		return vsf_run_gone(run);
	run->phase = VSF_PHASE_COMMITTED;
	return 0;
}

int vsf_run_commit(struct vsf_run *run)
{
	int rc = vsf_run_prepare(run);

	if (rc < 0)
		return rc;
	rc = reset_ioctl(run);
	if (is_gone(run))
		return vsf_run_gone(run);
	return rc < 0 ? reset_failed(run, rc) : vsf_run_committed(run);
}

/*
 * The BAR comes back only when who was passed over has left: threads in sections, and
 * the program's own readers.
 */
static int poll_stragglers(struct vsf_run *run)
{
	const char *address = run->dev->address;
	pid_t tid;
	int rc;

	if (!vsf_drained(run->dev, &tid))
		return is_late(run) ? vsf_run_fault(run, VFIOSAFE_CAUSE_STUCK,
						    "%s was reset by force, but thread %d is "
						    "still in a section: its BARs stay private "
						    "memory until vfiosafe_recover()",
						    address, (int)tid)
				    : -EAGAIN;
	rc = vsf_share_stragglers(run);
	if (rc < 0 && vsf_share_refuse(run, EBUSY) < 0)
		return is_late(run) ? vsf_run_fault(run, VFIOSAFE_CAUSE_STUCK,
						    "it was reset by force, but: %s; its BARs "
						    "stay private memory until vfiosafe_recover()",
						    vfiosafe_error_text())
				    : -EAGAIN;
	rc = vsf_callback_drain(run);
	if (rc == 0 || (rc == -EAGAIN && !is_late(run)))
		return rc;
	return vsf_run_fault(run, VFIOSAFE_CAUSE_STUCK,
			     "%s was reset by force, but the program's own drain (opts.drain) "
			     "%s: its BARs stay private memory until vfiosafe_recover()",
			     address, rc == -EAGAIN ? "is not over" : "refuses");
}

int vsf_run_poll_ready(struct vsf_run *run)
{
	const char *address = run->dev->address;
	int rc = -EAGAIN;

	if (is_gone(run))
		return vsf_run_gone(run);
	if (vsf_now(run->dev->sys) < run->settled && !is_late(run))
		return -EAGAIN;
	if (vsf_config_answers(run->dev))
		rc = vsf_callback(run->dev, VSF_READY, VFIOSAFE_FOREVER);
	if (rc < 0 && rc != -EAGAIN)
		return vsf_run_fault(run, VFIOSAFE_CAUSE_DRIVER,
				     "the ready callback of %s failed (%d)", address, rc);
	if (rc == 0 && run->forced) {
		rc = poll_stragglers(run);
		if (rc < 0)
			return rc;
	}
	if (is_late(run))
		return vsf_run_fault(run, VFIOSAFE_CAUSE_NOT_READY,
				     "%s was not ready at the deadline", address);
	if (rc == -EAGAIN)
		return rc;
	run->phase = VSF_PHASE_READY;
	return VFIOSAFE_STEP_FINISH;
}

static int enter_live(struct vsf_run *run)
{
	struct vfiosafe_device *dev = run->dev;
	enum vfiosafe_cause cause;
	char why[sizeof(dev->why)];
	bool lost;
	int rc = 0;

	pthread_mutex_lock(&dev->lock);
	lost = dev->lost_mark;
	cause = dev->cause ? dev->cause : VFIOSAFE_CAUSE_MARKED;
	memcpy(why, dev->why, sizeof(why));
	if (vsf_gate_state(dev) != VFIOSAFE_LIVE || vsf_fault_poisoned(dev)) {
		lost = true;
		cause = VFIOSAFE_CAUSE_FAULT;
		strcpy(why, "SIGBUS in a mapped BAR");
	}
	if (!lost) {
		rc = vsf_words_move(dev->words, dev->sys, VFIOSAFE_REINIT, VFIOSAFE_LIVE);
		dev->command = run->command;
	}
	pthread_mutex_unlock(&dev->lock);
	if (lost)
		return vsf_run_fault(run, cause,
				     "%s lost its state again while it came back: %s",
				     dev->address, why);
	return rc < 0 ? vsf_run_gone(run) : vsf_run_over(run, 0);
}

int vsf_run_finish(struct vsf_run *run)
{
	const char *address = run->dev->address;
	int rc;

	if (is_gone(run))
		return vsf_run_gone(run);
	rc = vsf_run_restore_command(run);
	if (rc < 0)
		return vsf_run_fault(run, VFIOSAFE_CAUSE_NOT_READY,
				     "COMMAND of %s does not hold what was there before: %s",
				     address, strerror(-rc));
	rc = vsf_fault_map_back(run->dev);
	if (rc == 0)
		rc = vsf_irq_after_reset(run->dev);
	if (rc < 0)
		return vsf_run_fault(run, VFIOSAFE_CAUSE_NOT_READY, "%s",
				     vfiosafe_error_text());
	rc = vsf_run_restore_master(run);
	if (rc < 0)
		return vsf_run_fault(run, VFIOSAFE_CAUSE_NOT_READY,
				     "bus mastering of %s could not be turned on again: %s",
				     address, strerror(-rc));
	rc = vsf_callback(run->dev, VSF_REINIT, run->deadline);
	if (is_gone(run))
		return vsf_run_gone(run);
	if (rc < 0)
		return vsf_run_fault(run, VFIOSAFE_CAUSE_DRIVER,
				     rc == -ETIME ? "reinit of %s was over only after the "
						    "deadline (%d)"
						  : "the reinit callback of %s failed (%d)",
				     address, rc);
	vsf_events_look_again(run);
	if (vsf_dmabuf_after(run) < 0 || vsf_sentinel_after_reinit(run->dev) < 0)
		return vsf_run_fault(run, VFIOSAFE_CAUSE_NOT_READY, "%s",
				     vfiosafe_error_text());
	return enter_live(run);
}

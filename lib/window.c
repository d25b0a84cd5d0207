/* SPDX-License-Identifier: MIT */
/* The steps of a window as the program calls them, and the calls that take all. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "epoch.h"
#include "error.h"
#include "fault.h"
#include "join.h"
#include "log.h"
#include "p2p.h"
#include "plan.h"
#include "share.h"
#include "window.h"

/* Is it a reset, and no less than what is wanted? Hot resets are joined as a whole. */
static bool may_join(enum vsf_kind kind, const struct vsf_run *run)
{
	return run && vsf_kind_resets(run->wish.kind) && vsf_kind_resets(kind) &&
	       kind != VSF_KIND_HOT;
}

/* Joins the open reset, if that is what is open, and wanted. */
static int join(struct vfiosafe_window *win)
{
	struct vfiosafe_device *dev = win->dev;
	int rc = -EAGAIN;

	pthread_mutex_lock(&dev->lock);
	if (may_join(win->wish.kind, dev->run)) {
		win->run = dev->run;
		__atomic_fetch_add(&win->run->refs, 1, __ATOMIC_RELAXED);
		rc = 0;
	}
	pthread_mutex_unlock(&dev->lock);
	return rc;
}

static int refuse_start(const struct vfiosafe_window *win, int rc)
{
	if (rc == -ENODEV)
		return vsf_state_error(0, 0);
	if (rc == -EIO)
		return vsf_fail(EIO, "%s is in FAULT; vfiosafe_recover() brings it back",
				win->dev->address);
	if (rc == -EXDEV)
		return vsf_fail(EBUSY, "%s is parked: %s; undo that first, or reset it",
				win->dev->address, vsf_park_name(vsf_parked(win->dev)));
	return rc;
}

int vsf_window_lead(struct vfiosafe_window *win)
{
	struct vfiosafe_device *dev = win->dev;
	int rc = vsf_window_refuse_now(dev, win->wish.kind);

	if (rc < 0)
		return rc;
	rc = vsf_run_start(&win->run, dev, win->wish, win->deadline);
	if (rc == -EBUSY)
		return join(win);
	if (rc < 0)
		return refuse_start(win, rc);
	win->leads = true;
	win->run->force = win->force;
	win->run->timeout = win->timeout;
	vsf_sigbus_check_disposition();
	/* (B) of epoch.h. */
	rc = vsf_epoch_barrier(dev->sys, dev->fenced);
	if (rc < 0)
		return vsf_run_call_off(win->run, ECANCELED, "membarrier failed: %s",
					strerror(-rc));
	vsf_share_prepare(win->run);
	return 0;
}

int vsf_window_begin(struct vfiosafe_window **out, struct vfiosafe_device *dev,
		     const struct vfiosafe_reset_opts *opts, struct vsf_wish wish,
		     const char *call)
{
	struct vfiosafe_window want = { .dev = dev, .wish = wish }, *win;
	int rc = vsf_refuse_inside(dev, call);

	if (rc < 0)
		return rc;
	if (vsf_words_forked(dev->words))
		return vsf_state_error(0, 0);
	rc = vsf_join_refuse(dev, call);
	if (rc == 0)
		rc = vsf_window_opts(&want, opts);
	if (rc < 0)
		return rc;
	if (vsf_kind_resets(wish.kind) && !dev->can_reset)
		return vsf_plan_refuse(dev, EOPNOTSUPP);
	win = calloc(1, sizeof(*win));
	if (!win)
		return vsf_fail(ENOMEM, "out of memory");
	*win = want;
	/* Until the window is there, for a close to wait for. */
	vsf_count_inside(dev, 1);
	vsf_fault_collect(dev);
	vsf_events_collect(dev);
	rc = vsf_window_refuse(dev, wish.kind);
	if (rc == 0)
		rc = vsf_window_lead(win);
	vsf_count_inside(dev, -1);
	if (rc < 0 && rc != -EAGAIN) {
		vsf_run_put(win->run);
		free(win);
		return rc;
	}
	*out = win;
	return 0;
}

VFIOSAFE_API int vfiosafe_window_begin(struct vfiosafe_window **win,
				       struct vfiosafe_device *dev,
				       const struct vfiosafe_reset_opts *opts)
{
	return vsf_window_begin(win, dev, opts, (struct vsf_wish){ .kind = VSF_KIND_RESET },
				"vfiosafe_window_begin");
}

static int poll_joined(const struct vfiosafe_window *win)
{
	const struct vsf_run *run = win->run;

	if (__atomic_load_n(&run->over, __ATOMIC_ACQUIRE)) {
		if (run->result == 0)
			return VFIOSAFE_STEP_DONE;
		return vsf_fail(-run->result, "%s", run->text);
	}
	if (vsf_now(win->dev->sys) < win->deadline)
		return -EAGAIN;
	return vsf_fail(ETIMEDOUT, "%s: the window that was joined is still open",
			win->dev->address);
}

/* What has become of the device meanwhile. */
static int look(struct vsf_run *run)
{
	if (vsf_device_state(run->dev) == VFIOSAFE_GONE)
		return vsf_run_gone(run);
	/* Marked lost while sections drained: what follows is a recovery. */
	if (vsf_device_state(run->dev) == VFIOSAFE_FAULT)
		run->from_fault = true;
	return 0;
}

int vsf_run_quiesce(struct vsf_run *run)
{
	int rc = look(run);
	bool working = !run->from_fault && !run->from_parked;

	if (rc < 0)
		return rc;
	rc = working ? vsf_callback(run->dev, VSF_QUIESCE, run->deadline) : 0;
	/* Late is late, but it has stopped the queues: resume has to run. */
	run->quiesced = working && (rc == 0 || rc == -ETIME);
	if (rc == -ETIME)
		return vsf_run_call_off(run, ETIMEDOUT, "quiesce of %s was over only "
							"after the deadline",
					run->dev->address);
	if (rc < 0)
		return vsf_run_call_off(run, ECANCELED, "the quiesce callback of %s vetoed "
							"(%d)",
					run->dev->address, rc);
	vsf_p2p_quiesced(run);
	run->phase = VSF_PHASE_QUIESCED;
	return 0;
}

/* Over open sections: no quiesce callback, it would meet them. */
static int go_on_by_force(struct vsf_run *run)
{
	vsf_log(VFIOSAFE_LOG_WARN, "%s: resetting by force over the sections of %u threads: %s",
		run->dev->address, vsf_epoch_count(run->dev->word),
		vfiosafe_error_text());
	run->forced = true;
	run->unknown = true;
	run->deadline = vsf_now(run->dev->sys) + run->timeout;
	vsf_p2p_quiesced(run);
	vsf_share_force(run);
	run->phase = VSF_PHASE_QUIESCED;
	return 0;
}

static int own_drain(struct vsf_run *run)
{
	int rc = vsf_callback_drain(run);

	return rc == 0 || rc == -EAGAIN ? rc
					: vsf_fail(ECANCELED, "opts.drain of %s refused (%d)",
						   run->dev->address, rc);
}

/* Ours, the clients', the program's own: 0, -EAGAIN, or a refusal, with a text. */
static int is_drained(struct vsf_run *run)
{
	pid_t tid;
	int rc;

	if (run->from_parked)
		return 0;
	if (!vsf_drained(run->dev, &tid))
		return -EAGAIN;
	rc = vsf_share_votes(run);
	return rc == 0 ? own_drain(run) : rc;
}

/* The text of who is in the way. */
static void say_who(struct vsf_run *run)
{
	const struct vfiosafe_device *dev = run->dev;
	pid_t tid;

	if (!vsf_drained(dev, &tid))
		(void)vsf_drain_refuse(dev, ETIMEDOUT, tid);
	else if (vsf_share_refuse(run, ETIMEDOUT) == 0)
		(void)vsf_fail(ETIMEDOUT, "%s: the program's own drain (opts.drain) was not "
					  "over at the deadline",
			       dev->address);
}

int vsf_run_poll_drain(struct vsf_run *run)
{
	int rc = look(run);

	if (rc < 0)
		return rc;
	rc = is_drained(run);
	if (rc == 0)
		return 0;
	if (rc != -EAGAIN)
		return vsf_run_call_off(run, ECANCELED, "%s", vfiosafe_error_text());
	if (vsf_now(run->dev->sys) < run->deadline)
		return -EAGAIN;
	say_who(run);
	if (run->force && vsf_fault_can_poison(run->dev))
		return go_on_by_force(run);
	return vsf_run_call_off(run, ETIMEDOUT, "%s", vfiosafe_error_text());
}

static int poll_drain(struct vsf_run *run)
{
	int rc = vsf_run_poll_drain(run);

	if (rc == 0 && !run->forced)
		rc = vsf_run_quiesce(run);
	return rc < 0 ? rc : VFIOSAFE_STEP_COMMIT;
}

VFIOSAFE_API int vfiosafe_window_poll(struct vfiosafe_window *win)
{
	int rc = vsf_refuse_inside(win->dev, "vfiosafe_window_poll");

	if (rc < 0)
		return rc;
	if (!win->run) {
		rc = vsf_window_lead(win);
		if (rc == -EAGAIN && vsf_now(win->dev->sys) >= win->deadline)
			return vsf_fail(ETIMEDOUT, "%s: another window did not end",
					win->dev->address);
		if (rc < 0)
			return rc;
	}
	if (!win->leads)
		return poll_joined(win);
	switch (win->run->phase) {
	case VSF_PHASE_DRAIN:
		return poll_drain(win->run);
	case VSF_PHASE_QUIESCED:
		return VFIOSAFE_STEP_COMMIT;
	case VSF_PHASE_COMMITTED:
		return vsf_run_poll_ready(win->run);
	case VSF_PHASE_READY:
		return VFIOSAFE_STEP_FINISH;
	case VSF_PHASE_OVER:
		break;
	}
	return vsf_fail(EINVAL, "this window is over");
}

static int check_phase(const struct vfiosafe_window *win, enum vsf_phase phase,
		       const char *call)
{
	int rc = vsf_refuse_inside(win->dev, call);

	if (rc == 0 && (!win->leads || win->run->phase != phase))
		rc = vsf_fail(EINVAL, "it is not the time for %s: do what "
				      "vfiosafe_window_poll() says",
			      call);
	return rc;
}

VFIOSAFE_API int vfiosafe_window_commit(struct vfiosafe_window *win)
{
	int rc = check_phase(win, VSF_PHASE_QUIESCED, "vfiosafe_window_commit");

	if (rc < 0)
		return rc;
	switch (win->run->wish.kind) {
	case VSF_KIND_PARK:
		return vsf_run_park(win->run);
	case VSF_KIND_WAKE:
		return vsf_run_wake(win->run);
	default:
		return vsf_run_commit(win->run);
	}
}

VFIOSAFE_API int vfiosafe_window_finish(struct vfiosafe_window *win)
{
	int rc = check_phase(win, VSF_PHASE_READY, "vfiosafe_window_finish");

	return rc < 0 ? rc : vsf_run_finish(win->run);
}

VFIOSAFE_API int64_t vfiosafe_window_deadline(const struct vfiosafe_device *cdev)
{
	struct vfiosafe_device *dev = (struct vfiosafe_device *)(uintptr_t)cdev;
	int64_t deadline = VFIOSAFE_FOREVER;

	if (vsf_words_forked(dev->words))
		return deadline;
	pthread_mutex_lock(&dev->lock);
	if (dev->run)
		deadline = dev->run->deadline;
	else if (dev->peer)
		deadline = dev->peer_deadline;
	else if (dev->join)
		deadline = vsf_join_deadline(dev);
	pthread_mutex_unlock(&dev->lock);
	return deadline;
}

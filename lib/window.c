/* SPDX-License-Identifier: MIT */
/* The steps of a window as the program calls them, and the calls that take all. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "epoch.h"
#include "error.h"
#include "fault.h"
#include "log.h"
#include "window.h"

#define RESET_TIMEOUT_MS 10000

struct vfiosafe_window {
	struct vfiosafe_device *dev;
	int64_t deadline;
	int64_t timeout;
	bool force;
	enum vsf_kind kind;
	struct vsf_run *run; /* NULL while it queues behind another kind of window */
	bool leads;
};

static int read_opts(struct vfiosafe_window *win, const struct vfiosafe_reset_opts *from)
{
	struct vfiosafe_reset_opts opts = { 0 };

	if (from) {
		int rc = vsf_copy_opts(&opts, sizeof(opts), from, from->size,
				       "opts.size", "struct vfiosafe_reset_opts");

		if (rc < 0)
			return rc;
	}
	if (opts.policy > VFIOSAFE_POLICY_FORCE)
		return vsf_fail(EINVAL, "opts.policy is %d; it may be ABORT or FORCE",
				(int)opts.policy);
	win->force = opts.policy == VFIOSAFE_POLICY_FORCE;
	win->timeout = (opts.timeout_ms ? opts.timeout_ms : RESET_TIMEOUT_MS) * INT64_C(1000000);
	win->deadline = vsf_now(win->dev->sys) + win->timeout;
	return 0;
}

/* Joins the open reset, if that is what is open. */
static int join(struct vfiosafe_window *win)
{
	struct vfiosafe_device *dev = win->dev;
	int rc = -EAGAIN;

	pthread_mutex_lock(&dev->lock);
	if (dev->run && dev->run->kind != VSF_KIND_EXCLUSIVE) {
		win->run = dev->run;
		__atomic_fetch_add(&win->run->refs, 1, __ATOMIC_RELAXED);
		rc = 0;
	}
	pthread_mutex_unlock(&dev->lock);
	return rc;
}

/* Leads a window, or joins one; -EAGAIN: in the queue, to be tried again. */
static int lead_or_join(struct vfiosafe_window *win)
{
	struct vfiosafe_device *dev = win->dev;
	int rc = vsf_run_start(&win->run, dev, win->kind, win->deadline);

	if (rc == -EBUSY)
		return join(win);
	if (rc == -ENODEV)
		return vsf_state_error(0, 0);
	if (rc < 0)
		return rc;
	win->leads = true;
	win->run->force = win->force;
	win->run->timeout = win->timeout;
	vsf_sigbus_check_disposition();
	/* (B) of epoch.h. */
	rc = vsf_epoch_barrier(dev->sys, dev->fenced);
	if (rc < 0)
		return vsf_run_call_off(win->run, ECANCELED, "membarrier failed: %s",
					strerror(-rc));
	return 0;
}

static int window_begin(struct vfiosafe_window **out, struct vfiosafe_device *dev,
			const struct vfiosafe_reset_opts *opts, enum vsf_kind kind,
			const char *call)
{
	struct vfiosafe_window want = { .dev = dev, .kind = kind }, *win;
	int rc = vsf_refuse_inside(dev, call);

	if (rc < 0)
		return rc;
	if (vsf_words_forked(dev->words))
		return vsf_state_error(0, 0);
	rc = read_opts(&want, opts);
	if (rc < 0)
		return rc;
	if (!dev->can_reset)
		return vsf_fail(EOPNOTSUPP, "%s has no reset method by itself "
					    "(VFIO_DEVICE_FLAGS_RESET is off)",
				dev->address);
	win = calloc(1, sizeof(*win));
	if (!win)
		return vsf_fail(ENOMEM, "out of memory");
	*win = want;
	vsf_fault_collect(dev);
	rc = lead_or_join(win);
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
	return window_begin(win, dev, opts, VSF_KIND_RESET, "vfiosafe_window_begin");
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

static int quiesce(struct vsf_run *run)
{
	int rc = run->from_fault ? 0
				 : vsf_callback(run->dev, VSF_QUIESCE, run->deadline);

	/* Late is late, but it has stopped the queues: resume has to run. */
	run->quiesced = !run->from_fault && (rc == 0 || rc == -ETIME);
	if (rc == -ETIME)
		return vsf_run_call_off(run, ETIMEDOUT, "the quiesce callback of %s returned "
							"after the deadline",
					run->dev->address);
	if (rc < 0)
		return vsf_run_call_off(run, ECANCELED, "the quiesce callback of %s vetoed "
							"(%d)",
					run->dev->address, rc);
	run->phase = VSF_PHASE_QUIESCED;
	return VFIOSAFE_STEP_COMMIT;
}

/* Over open sections: no quiesce callback, it would meet them. */
static int go_on_by_force(struct vsf_run *run)
{
	vsf_log(VFIOSAFE_LOG_WARN, "%s: resetting by force over the sections of %u threads: %s",
		run->dev->address, vsf_epoch_count(&run->dev->words->device),
		vfiosafe_error_text());
	run->forced = true;
	run->unknown = true;
	run->deadline = vsf_now(run->dev->sys) + run->timeout;
	run->phase = VSF_PHASE_QUIESCED;
	return VFIOSAFE_STEP_COMMIT;
}

static int poll_drain(struct vsf_run *run)
{
	pid_t tid;

	if (vsf_device_state(run->dev) == VFIOSAFE_GONE)
		return vsf_run_gone(run);
	/* Marked lost while sections drained: what follows is a recovery. */
	if (vsf_device_state(run->dev) == VFIOSAFE_FAULT)
		run->from_fault = true;
	if (vsf_drained(run->dev, &tid))
		return quiesce(run);
	if (vsf_now(run->dev->sys) < run->deadline)
		return -EAGAIN;
	(void)vsf_drain_refuse(run->dev, ETIMEDOUT, tid);
	if (run->force && vsf_fault_can_poison(run->dev))
		return go_on_by_force(run);
	return vsf_run_call_off(run, ETIMEDOUT, "%s", vfiosafe_error_text());
}

VFIOSAFE_API int vfiosafe_window_poll(struct vfiosafe_window *win)
{
	int rc = vsf_refuse_inside(win->dev, "vfiosafe_window_poll");

	if (rc < 0)
		return rc;
	if (!win->run) {
		rc = lead_or_join(win);
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

	return rc < 0 ? rc : vsf_run_commit(win->run);
}

VFIOSAFE_API int vfiosafe_window_finish(struct vfiosafe_window *win)
{
	int rc = check_phase(win, VSF_PHASE_READY, "vfiosafe_window_finish");

	return rc < 0 ? rc : vsf_run_finish(win->run);
}

VFIOSAFE_API void vfiosafe_window_end(struct vfiosafe_window *win)
{
	if (!win)
		return;
	if (win->leads && win->run->phase < VSF_PHASE_COMMITTED)
		(void)vsf_run_call_off(win->run, ECANCELED, "the window was ended");
	else if (win->leads && win->run->phase < VSF_PHASE_OVER)
		(void)vsf_run_fault(win->run, VFIOSAFE_CAUSE_DRIVER,
				    "the window was ended between commit and finish");
	vsf_run_put(win->run);
	free(win);
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
	pthread_mutex_unlock(&dev->lock);
	return deadline;
}

/* Between two polls: on other threads' sections, on the device, on the leader. */
static void pause_step(const struct vfiosafe_window *win, unsigned int round, uint32_t *seen)
{
	if (win->leads)
		vsf_drain_pause(win->dev, round);
	else
		(void)vsf_device_sleep(win->dev, seen, win->deadline);
}

static int drive(struct vfiosafe_window *win)
{
	uint32_t seen = vsf_device_bell(win->dev);
	unsigned int round = 0;
	int rc;

	for (;;) {
		rc = vfiosafe_window_poll(win);
		if (rc == -EAGAIN)
			pause_step(win, round++, &seen);
		else if (rc == VFIOSAFE_STEP_COMMIT)
			rc = vfiosafe_window_commit(win);
		else if (rc == VFIOSAFE_STEP_FINISH)
			return vfiosafe_window_finish(win);
		else
			return rc == VFIOSAFE_STEP_DONE ? 0 : rc;
		if (rc < 0 && rc != -EAGAIN)
			return rc;
	}
}

static int take_through(struct vfiosafe_device *dev, const struct vfiosafe_reset_opts *opts,
			enum vsf_kind kind, const char *call)
{
	struct vfiosafe_window *win;
	int rc = window_begin(&win, dev, opts, kind, call);

	if (rc < 0)
		return rc;
	vsf_count_inside(dev, 1);
	rc = drive(win);
	vfiosafe_window_end(win);
	vsf_count_inside(dev, -1);
	return rc;
}

VFIOSAFE_API int vfiosafe_reset(struct vfiosafe_device *dev,
				const struct vfiosafe_reset_opts *opts)
{
	return take_through(dev, opts, VSF_KIND_RESET, "vfiosafe_reset");
}

VFIOSAFE_API int vfiosafe_recover(struct vfiosafe_device *dev,
				  const struct vfiosafe_reset_opts *opts)
{
	int rc = take_through(dev, opts, VSF_KIND_RECOVER, "vfiosafe_recover");

	return rc == -EALREADY ? 0 : rc;
}

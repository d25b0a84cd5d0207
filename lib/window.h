/* SPDX-License-Identifier: MIT */
/* Windows from the inside: one run per device at a time, led by one thread. */
#ifndef VSF_WINDOW_H
#define VSF_WINDOW_H

#include <sys/types.h>

#include "device.h"

enum vsf_kind {
	VSF_KIND_EXCLUSIVE, /* drain, and back to LIVE: for changes of ours */
	VSF_KIND_RESET,
	VSF_KIND_RECOVER, /* a reset, if the device is in FAULT */
	VSF_KIND_HOT,	  /* a reset, of all functions of a set; see set.h */
	VSF_KIND_PARK,	  /* drain, and out of reach */
	VSF_KIND_WAKE,	  /* the way back */
};

/* What a window is for. */
struct vsf_wish {
	enum vsf_kind kind;
	enum vsf_park park; /* of PARK and WAKE: which */
	bool wakeup;	    /* of PARK to low power: tell of a wake-up */
};

/* Do two windows of these kinds have the same end? */
static inline bool vsf_kind_resets(enum vsf_kind kind)
{
	return kind == VSF_KIND_RESET || kind == VSF_KIND_RECOVER || kind == VSF_KIND_HOT;
}

enum vsf_phase {
	VSF_PHASE_DRAIN,     /* sections are ending */
	VSF_PHASE_QUIESCED,  /* the driver agrees: commit may come */
	VSF_PHASE_COMMITTED, /* reset; waiting for the device */
	VSF_PHASE_READY,     /* finish may come */
	VSF_PHASE_OVER,
};

/* A window that is open. Freed with the last handle that leads or joined it. */
struct vsf_run {
	struct vfiosafe_device *dev;
	struct vsf_wish wish;
	uint64_t id;	    /* counts the windows of a device */
	int64_t deadline;
	unsigned int refs; /* atomic */
	bool by_pf;	    /* of HOT: by a reset of the physical function */
	struct vsf_round *round; /* of HOT, under dev->lock: what others join; see set.h */

	/* The leader's. */
	enum vsf_phase phase;
	bool from_fault;  /* entered to recover */
	bool from_parked; /* the device was, and is until commit, out of reach */
	bool quiesced;	  /* the quiesce callback agreed */
	bool unknown;	  /* a failure now loses state: not in D0, or forced */
	bool force;	  /* at the deadline, go on over open sections */
	bool forced;	  /* that happened */
	int64_t timeout;  /* ns; a forced window gets it once more */
	bool command_off; /* we turned bits of COMMAND off */
	uint16_t command; /* to be restored */
	int64_t settled;  /* not ready before: vsf_events_settled() */

	/* Written before OVER is published under dev->lock; then constant. */
	bool over;
	int result;
	char text[384];
};

/* window_run.c: a run's life */

/*
 * Becomes leader of a new run. -EBUSY: one is open. -ENODEV: gone. -EALREADY: it is
 * as it is wanted: LIVE (RECOVER, WAKE), or parked like that (PARK). -EXDEV: it is
 * parked in another way. -EIO: in FAULT, and only a reset may begin.
 */
int vsf_run_start(struct vsf_run **out, struct vfiosafe_device *dev,
		  struct vsf_wish wish, int64_t deadline);
void vsf_run_put(struct vsf_run *run);

/* Ends the run with @result and this thread's text; wakes who joined. Returns it. */
int vsf_run_over(struct vsf_run *run, int result);

/* Back to LIVE, same generation: resume callback, unless state was lost. */
int vsf_run_call_off(struct vsf_run *run, int err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* As that without a failure: 0 if LIVE. */
int vsf_run_unchanged(struct vsf_run *run);

/* Into FAULT. */
int vsf_run_fault(struct vsf_run *run, enum vfiosafe_cause cause, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* The device went to GONE under us. */
int vsf_run_gone(struct vsf_run *run);

/*
 * window.c: the way to the commit, in two. Of the first 0: everyone has left, or is
 * passed over by force (then there is no second); -EAGAIN. Another error: it is over.
 */
int vsf_run_poll_drain(struct vsf_run *run);
int vsf_run_quiesce(struct vsf_run *run);

/* window_reset.c: the part between drained and LIVE */
int vsf_run_commit(struct vsf_run *run);
/* The same without the kernel's call in its middle. An error: it is over. */
int vsf_run_prepare(struct vsf_run *run);
int vsf_run_committed(struct vsf_run *run);
/* The kernel's errno: somebody else has a lock; try again. */
bool vsf_is_contention(int rc);
int vsf_run_poll_ready(struct vsf_run *run);
int vsf_run_finish(struct vsf_run *run);
/* What was marked as lost is healed by a reset that comes now. */
void vsf_heal_marks(struct vfiosafe_device *dev);
/* The word to RESETTING. -EAGAIN: gone. */
int vsf_run_enter_resetting(struct vsf_run *run);

/* window_command.c */

/* Notes COMMAND, and turns bus mastering and @also off. */
int vsf_run_stop_dma(struct vsf_run *run, uint16_t also);
/* COMMAND as it was, if commit changed it. */
int vsf_run_command_back(struct vsf_run *run);
/* After a reset: memory decode, seen to be on; then DMA, and with it MSI, as it was. */
int vsf_run_restore_command(const struct vsf_run *run);
int vsf_run_restore_master(const struct vsf_run *run);

/* park.c: the commits of PARK, which ends the run, and of WAKE */
int vsf_run_park(struct vsf_run *run);
int vsf_run_wake(struct vsf_run *run);
/* How it is parked, at this moment; what that is, and which call undoes it. */
enum vsf_park vsf_parked(struct vfiosafe_device *dev);
const char *vsf_park_name(enum vsf_park park);
/* From here on the device is no longer parked, or is. */
void vsf_set_parked(struct vfiosafe_device *dev, enum vsf_park park);

/* window.c: what a program holds of a window */
struct vfiosafe_window {
	struct vfiosafe_device *dev;
	int64_t deadline;
	int64_t timeout;
	bool force;
	struct vsf_wish wish;
	struct vsf_run *run; /* NULL while it queues behind another kind of window */
	bool leads;
};

/* Leads a window, or joins one; -EAGAIN: in the queue, to be tried again. */
int vsf_window_lead(struct vfiosafe_window *win);

/* vfiosafe_window_end(), also where a callback has left a section open; or NULL. */
void vsf_window_free(struct vfiosafe_window *win);

int vsf_window_begin(struct vfiosafe_window **out, struct vfiosafe_device *dev,
		     const struct vfiosafe_reset_opts *opts, struct vsf_wish wish,
		     const char *call);

/*
 * command.c: keeps windows from beginning, for a short change; one thread at a time.
 * -EAGAIN if one is open, unless @beside: in a callback of it.
 */
int vsf_windows_hold(struct vfiosafe_device *dev, bool beside);
void vsf_windows_let(struct vfiosafe_device *dev);

/* window_refuse.c: -EOPNOTSUPP for a reset that is known to fail for want of methods. */
int vsf_window_refuse(struct vfiosafe_device *dev, enum vsf_kind kind);
/* The same, of what changes while somebody waits for the window before it. */
int vsf_window_refuse_now(struct vfiosafe_device *dev, enum vsf_kind kind);
/* The rest of a window with dev and wish; its time begins. -EINVAL with a text. */
int vsf_window_opts(struct vfiosafe_window *win, const struct vfiosafe_reset_opts *from);

/* window_drive.c: what can be done now; true: over, with *@rc */
bool vsf_window_step(struct vfiosafe_window *win, int *rc);

/* a whole window in one call */
int vsf_window_take_through(struct vfiosafe_device *dev,
			    const struct vfiosafe_reset_opts *opts, struct vsf_wish wish,
			    const char *call);

/* driver.c */
enum vsf_callback { VSF_QUIESCE, VSF_RESUME, VSF_READY, VSF_REINIT };

/*
 * Runs a callback with this thread let through in the present state; 0 if there
 * is none. -ETIME if it returned after @deadline.
 */
int vsf_callback(struct vfiosafe_device *dev, enum vsf_callback which, int64_t deadline);
/* The same under @word, that of which it was decided to run it. */
int vsf_callback_under(struct vfiosafe_device *dev, enum vsf_callback which, uint64_t word,
		       int64_t deadline);

/* p2p_stop or p2p_start of an importer. */
struct vsf_p2p_call {
	struct vfiosafe_p2p *map;
	bool start;
	bool own; /* in a window of the importer itself */
	int64_t deadline;
	const uint64_t *leads; /* word of the exporter whose window, or close, this is */
};
int vsf_callback_p2p(struct vfiosafe_device *dev, const struct vsf_p2p_call *call);

/* Around other callbacks of @dev, in which it may not be accessed. */
struct vsf_callback_guard {
	struct vsf_thread *self;
	const uint64_t *word;
	uint64_t value, gate;
};
int vsf_callback_enter(struct vsf_callback_guard *guard, struct vfiosafe_device *dev);
/* With accesses under @word let through: for a callback that runs in another process. */
int vsf_callback_beside(struct vsf_callback_guard *guard, struct vfiosafe_device *dev,
			uint64_t word);
void vsf_callback_leave(const struct vsf_callback_guard *guard);

/* The program's own drain, beside ours: 0, -EAGAIN (not yet), or a refusal. */
int vsf_callback_drain(struct vsf_run *run);

/* The lost callback; not inside a section. */
void vsf_callback_lost(struct vfiosafe_device *dev, enum vfiosafe_cause cause);

/* drain.c */

/* Is no section open? Else *@tid is a thread that is in one. Never blocks. */
bool vsf_drained(const struct vfiosafe_device *dev, pid_t *tid);

/* Fails with @err, naming the thread. */
int vsf_drain_refuse(const struct vfiosafe_device *dev, int err, pid_t tid);

/* Waits until no section is open; the word keeps new ones out. -EBUSY. */
int vsf_drain(const struct vfiosafe_device *dev, int64_t deadline);

/* The back-off of those that wait for other threads' sections to end; not beyond it. */
void vsf_drain_pause(const struct vfiosafe_device *dev, unsigned int round,
		     int64_t deadline);

/*
 * A window that will be called off, for a change of ours between begin and end;
 * queues behind others. *@out is NULL if nobody may access the device anyway.
 * -EBUSY after @timeout_ms.
 */
int vsf_exclusive_begin(struct vsf_run **out, struct vfiosafe_device *dev,
			uint32_t timeout_ms);
void vsf_exclusive_end(struct vsf_run *run);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * reactor.c - everything in the loop of the one thread that makes the I/O: it opens the
 * windows itself and takes them on by a step whenever it comes by. Nothing in it waits for
 * the device but vfiosafe_window_finish(), which brings it up. The one call that sleeps in
 * the kernel, vfiosafe_window_commit(), is handed to a thread of its own.
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "job.h"

#define FAILURES_MAX 10

struct reactor {
	struct job *job;
	uint64_t random;
	int64_t next_ns;
	enum strike strike; /* under way, or the last */
	bool lost;	    /* by that one: to be recovered */
	unsigned int failures;

	struct vfiosafe_window *window; /* open; NULL: none */
	pthread_t committer;
	bool committing;
	int commit_rc;
	int committed; /* atomic: commit_rc is there */
};

static void plan_next(struct reactor *reactor)
{
	uint32_t ms = strike_gap_ms(reactor->job->options, &reactor->random);

	reactor->next_ns = vfiosafe_deadline_in_ms(ms);
	reactor->lost = false;
}

/* The device is LIVE, or was left as it was, or is in FAULT and will be found there. */
static int window_over(struct reactor *reactor, int rc)
{
	vfiosafe_window_end(reactor->window);
	reactor->window = NULL;
	if (rc == 0) {
		__atomic_fetch_add(&reactor->job->result->strikes[reactor->strike], 1,
				   __ATOMIC_RELAXED);
		plan_next(reactor);
		return 0;
	}
	return ++reactor->failures < FAILURES_MAX ? 0 : rc;
}

static void *commit(void *arg)
{
	struct reactor *reactor = arg;

	reactor->commit_rc = vfiosafe_window_commit(reactor->window);
	__atomic_store_n(&reactor->committed, 1, __ATOMIC_RELEASE);
	(void)!write(reactor->job->nvme.kick_fd, &(uint64_t){ 1 }, sizeof(uint64_t));
	return NULL;
}

static int hand_over(struct reactor *reactor)
{
	int rc;

	reactor->committed = 0;
	rc = pthread_create(&reactor->committer, NULL, commit, reactor);
	reactor->committing = rc == 0;
	return -rc;
}

/* One step, if it is time for one. */
static int advance(struct reactor *reactor)
{
	int rc;

	if (reactor->committing) {
		if (!__atomic_load_n(&reactor->committed, __ATOMIC_ACQUIRE))
			return 0;
		pthread_join(reactor->committer, NULL);
		reactor->committing = false;
		if (reactor->commit_rc < 0)
			return window_over(reactor, reactor->commit_rc);
	}
	rc = vfiosafe_window_poll(reactor->window);
	switch (rc) {
	case -EAGAIN:
		return 0;
	case VFIOSAFE_STEP_COMMIT:
		return hand_over(reactor);
	case VFIOSAFE_STEP_FINISH:
		return window_over(reactor, vfiosafe_window_finish(reactor->window));
	case VFIOSAFE_STEP_DONE:
		return window_over(reactor, 0);
	default:
		return window_over(reactor, rc);
	}
}

static int strike(struct reactor *reactor)
{
	struct job *job = reactor->job;

	do /* power.h has no steps */
		reactor->strike = strike_choose(job->options, &reactor->random);
	while (reactor->strike == STRIKE_D3HOT);
	if (reactor->strike == STRIKE_FLR)
		return vfiosafe_window_begin(&reactor->window, job->dev, NULL);
	reactor->lost = true; /* soon the driver finds out */
	return reactor->strike == STRIKE_DECODE ? behind_decode_off(job)
						: behind_reset(job);
}

static int turn(struct job *job, int rc)
{
	struct reactor *reactor = job->strikes;
	int step = 0;

	if (reactor->window)
		step = advance(reactor);
	else if (rc == -EIO) /* in FAULT: the same steps recover it */
		step = vfiosafe_window_begin(&reactor->window, job->dev, NULL);
	else if (!reactor->lost && vfiosafe_deadline_in_ms(0) > reactor->next_ns)
		step = strike(reactor);
	if (step == 0 && rc < 0 && rc != -EAGAIN && rc != -EIO && rc != -ESTALE)
		step = rc;
	if (step < 0)
		return job_fail(job, step, "%s", vfiosafe_error_text());
	if (rc <= 0) /* where a reactor would turn to its other devices */
		nvme_sleep(&job->nvme, 1);
	return 0;
}

int reactor_start(struct job *job)
{
	struct reactor *reactor = calloc(1, sizeof(*reactor));

	if (!reactor)
		return job_fail(job, -ENOMEM, "out of memory");
	reactor->job = job;
	reactor->random = job->options->seed;
	plan_next(reactor);
	job->strikes = reactor;
	job->turn = turn;
	return 0;
}

/* What is under way is brought to its end. */
void reactor_stop(struct job *job)
{
	struct reactor *reactor = job->strikes;
	int rc = 0;

	reactor->next_ns = INT64_MAX;
	while (rc == 0 && (reactor->window || reactor->lost)) {
		/* Without I/O it would not be touched. */
		if (!reactor->window && vfiosafe_probe(job->dev) == 0)
			break;
		rc = turn(job, nvme_poll(&job->nvme));
	}
	if (reactor->committing)
		pthread_join(reactor->committer, NULL);
	vfiosafe_window_end(reactor->window);
	free(reactor);
	job->strikes = NULL;
}

/* SPDX-License-Identifier: MIT */
/* strike.c - a thread that takes the device away, again and again. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "job.h"

#define NOTICE_MS 20000

struct strikes {
	struct job *job;
	pthread_t thread;
	uint64_t random;
	int stop_fd;
	char why[120]; /* it could not go on */
};

uint32_t strike_gap_ms(const struct job_options *options, uint64_t *random)
{
	uint32_t span = options->gap_ms[1] - options->gap_ms[0] + 1;

	return options->gap_ms[0] + (uint32_t)(random_next(random) % span);
}

enum strike strike_choose(const struct job_options *options, uint64_t *random)
{
	enum strike strike;

	do
		strike = (enum strike)(random_next(random) % STRIKES);
	while (!options->strikes[strike]);
	return strike;
}

static bool stopped(const struct strikes *strikes, uint32_t ms)
{
	struct pollfd fd = { .fd = strikes->stop_fd, .events = POLLIN };

	return poll(&fd, 1, (int)ms) > 0;
}

/* The driver may have found its controller lost meanwhile; a reset recovers it, too. */
static int sleep_and_wake(struct vfiosafe_device *dev)
{
	int rc = vfiosafe_set_power(dev, VFIOSAFE_D3HOT, NULL);

	if (rc == 0)
		rc = vfiosafe_set_power(dev, VFIOSAFE_D0, NULL);
	return rc == -EIO ? vfiosafe_recover(dev, NULL) : rc;
}

/*
 * The thread of the I/O finds out by itself: it touches the device, or misses an answer;
 * then it recovers the device. If it ends before, this thread does both.
 */
static int await_recovery(struct strikes *strikes, uint64_t generation)
{
	struct vfiosafe_device *dev = strikes->job->dev;
	int64_t deadline = vfiosafe_deadline_in_ms(NOTICE_MS);

	while (vfiosafe_device_generation(dev) == generation) {
		if (stopped(strikes, 1))
			return vfiosafe_probe(dev) == -EIO ? vfiosafe_recover(dev, NULL) : 0;
		if (vfiosafe_deadline_in_ms(0) > deadline)
			return -ETIMEDOUT;
	}
	return vfiosafe_wait(dev, deadline);
}

static int behind(struct strikes *strikes, enum strike strike)
{
	uint64_t generation = vfiosafe_device_generation(strikes->job->dev);
	int rc = strike == STRIKE_DECODE ? behind_decode_off(strikes->job)
					 : behind_reset(strikes->job);

	return rc < 0 ? rc : await_recovery(strikes, generation);
}

static int make(struct strikes *strikes, enum strike strike)
{
	switch (strike) {
	case STRIKE_FLR:
		return vfiosafe_reset(strikes->job->dev, NULL);
	case STRIKE_D3HOT:
		return sleep_and_wake(strikes->job->dev);
	default:
		return behind(strikes, strike);
	}
}

static void *run(void *arg)
{
	struct strikes *strikes = arg;
	struct job *job = strikes->job;

	while (!stopped(strikes, strike_gap_ms(job->options, &strikes->random))) {
		enum strike strike = strike_choose(job->options, &strikes->random);
		int rc = make(strikes, strike);

		if (rc < 0) {
			snprintf(strikes->why, sizeof(strikes->why), "strike %d: %.100s",
				 strike, vfiosafe_error_text());
			__atomic_store_n(&job->strikes_rc, rc, __ATOMIC_RELAXED);
			break;
		}
		__atomic_fetch_add(&job->result->strikes[strike], 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

int strikes_start(struct job *job)
{
	struct strikes *strikes = calloc(1, sizeof(*strikes));
	int rc;

	if (!strikes)
		return job_fail(job, -ENOMEM, "out of memory");
	strikes->job = job;
	strikes->random = job->options->seed;
	strikes->stop_fd = eventfd(0, EFD_CLOEXEC);
	rc = strikes->stop_fd < 0 ? errno
				  : pthread_create(&strikes->thread, NULL, run, strikes);
	if (rc) {
		free(strikes);
		return job_fail(job, -rc, "no thread");
	}
	job->strikes = strikes;
	return 0;
}

void strikes_stop(struct job *job)
{
	struct strikes *strikes = job->strikes;

	(void)!write(strikes->stop_fd, &(uint64_t){ 1 }, sizeof(uint64_t));
	pthread_join(strikes->thread, NULL);
	if (job->strikes_rc < 0)
		job_fail(job, job->strikes_rc, "%s", strikes->why);
	close(strikes->stop_fd);
	free(strikes);
	job->strikes = NULL;
}

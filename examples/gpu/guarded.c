/* SPDX-License-Identifier: MIT */
/*
 * guarded.c - the job: two processes draw all the time, the display is reset again and
 * again, and each time somebody looks at it.
 */
#include <errno.h>
#include <stdio.h>
#include <time.h>
#include "guarded.h"

/* Of drawing without resets, in seconds; an emulated processor is slow. */
#define ALONE_SIM 1
#define ALONE 3

static void count(uint64_t *at)
{
	__atomic_fetch_add(at, 1, __ATOMIC_RELAXED);
}

/* A display has no need of more; but who never rests is hit by each reset. */
static void rest(const struct job *job)
{
	uint32_t ms = job->options->pause_ms;
	const struct timespec pause = { ms / 1000, ms % 1000 * 1000000l };

	if (ms)
		nanosleep(&pause, NULL);
}

/* The data path: draws, and when it is refused, waits. */
static void *frames(void *arg)
{
	struct job *job = arg;

	while (job->error == 0 && !__atomic_load_n(&job->stop, __ATOMIC_RELAXED)) {
		int rc = display_draw(&job->display);

		if (rc == 0) {
			count(&job->frames);
			rest(job);
			continue;
		}
		count(&job->refused);
		job->error = display_wait(&job->display, rc);
		if (job->error < 0)
			fprintf(stderr, "gpu: frames: %s\n", vfiosafe_error_text());
	}
	return NULL;
}

static double rate(uint64_t n, int64_t ns)
{
	return ns > 0 ? (double)n * 1e9 / (double)ns : 0;
}

static uint64_t frames_of(const struct job *job)
{
	return __atomic_load_n(&job->frames, __ATOMIC_RELAXED);
}

/* Resets while both draw. */
static int run(struct job *job, const struct job_options *options)
{
	const struct timespec undisturbed = { job->bed->sim ? ALONE_SIM : ALONE, 0 };
	int64_t start = now_ns();
	uint64_t before;
	double alone;
	int rc = 0;

	nanosleep(&undisturbed, NULL);
	before = frames_of(job);
	alone = rate(before, now_ns() - start);
	start = now_ns();
	for (unsigned int i = 0; i < options->resets && rc == 0; i++)
		rc = job_round(job, i);
	/* In between somebody looks, too. */
	start = now_ns() - start;
	before = frames_of(job) - before;
	__atomic_store_n(&job->stop, true, __ATOMIC_RELAXED);
	pthread_join(job->thread, NULL);
	if (rc == 0)
		rc = painter_stop(&job->painter);
	if (job->engine.dev)
		engine_stop(&job->engine);
	job_report(job, alone, rate(before, start));
	return rc < 0 ? rc : job->error;
}

int job_guarded(struct bed *bed, const struct job_options *options)
{
	static struct job job; /* threads may outlive a failure */
	int rc;

	job.bed = bed;
	job.options = options;
	rc = display_start(&job.display, bed->dev, &bed->picture);

	if (rc == 0)
		rc = painter_start(&job.painter, &job.display, options->rights);
	if (rc == 0 && bed->engine)
		rc = engine_start(&job.engine, bed->engine, &job.display);
	if (rc < 0)
		return fprintf(stderr, "gpu: start: %s\n", vfiosafe_error_text()), rc;
	if (bed_shows(bed, "before") != 1)
		return fprintf(stderr, "gpu: there is no picture\n"), -EIO;
	if (pthread_create(&job.thread, NULL, frames, &job) != 0)
		return -EAGAIN;
	rc = run(&job, options);
	return rc < 0 ? rc : job_is_good(&job) ? 0 : -EIO;
}

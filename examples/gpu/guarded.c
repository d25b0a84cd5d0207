/* SPDX-License-Identifier: MIT */
/*
 * guarded.c - the job: two processes draw all the time, the display is reset again and
 * again, and each time somebody looks at it.
 *
 * Of four resets one is made step by step, with a look at the display in its middle; one by
 * somebody else, behind the library's back.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include "display.h"
#include "engine.h"
#include "job.h"
#include "painter.h"

#define ALONE_MS 1000 /* of drawing without resets */

struct job {
	struct bed *bed;
	const struct job_options *options;
	struct display display;
	struct painter painter;
	struct engine engine;
	pthread_t thread;
	bool stop;		  /* atomic, as the next two */
	uint64_t frames, refused; /* the owner's */
	int error;		  /* of its thread; read when that has ended */
	unsigned int same;   /* after so many resets the picture was there */
	unsigned int dark;   /* in so many looks within a reset it was not */
	unsigned int behind; /* so many resets were somebody else's */
	int64_t back_ns, longest_ns; /* from the call to the picture, in sum */
};

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

static int64_t now_ns(void)
{
	return vfiosafe_deadline_in_ms(0);
}

static int until(struct vfiosafe_window *win, int step)
{
	int rc;

	do {
		rc = vfiosafe_window_poll(win);
	} while (rc == -EAGAIN);
	return rc == step ? 0 : rc < 0 ? rc : -EPROTO;
}

/* With a look at the display when it is reset, and nobody has done anything about it. */
static int reset_and_look(struct job *job)
{
	struct vfiosafe_window *win;
	int rc = vfiosafe_window_begin(&win, job->display.dev, NULL);

	if (rc < 0)
		return rc;
	rc = until(win, VFIOSAFE_STEP_COMMIT);
	if (rc == 0)
		rc = vfiosafe_window_commit(win);
	if (rc == 0)
		job->dark += bed_shows(job->bed, "during") == 0;
	if (rc == 0)
		rc = until(win, VFIOSAFE_STEP_FINISH);
	if (rc == 0)
		rc = vfiosafe_window_finish(win);
	vfiosafe_window_end(win);
	return rc;
}

/* The thread that draws may notice it first, and bring the display back. */
static int reset_behind(struct job *job)
{
	uint64_t before = vfiosafe_device_generation(job->display.dev);
	int rc = bed_reset_behind(job->bed);

	job->behind++;
	if (rc < 0)
		return rc;
	rc = vfiosafe_probe(job->display.dev);
	if (rc == 0 && vfiosafe_device_generation(job->display.dev) == before) {
		fprintf(stderr, "gpu: a reset behind the library went unseen\n");
		return -EIO;
	}
	return vfiosafe_recover(job->display.dev, NULL);
}

static int reset(struct job *job, unsigned int round)
{
	/* If it has no reset of its own, all functions of its bus are reset with it. */
	const struct vfiosafe_reset_opts opts = { .size = sizeof(opts), .allow_hot = true };

	if (round % 4 == 0 && !job->bed->sibling)
		return reset_and_look(job);
	if (round % 4 == 2 && !job->bed->sibling)
		return reset_behind(job);
	return vfiosafe_reset(job->display.dev, &opts);
}

/* Is the dma-buf what it was: the display's frame buffer, of this generation? */
static int check_export(const struct display *display)
{
	uint64_t generation = 0;

	if (!display->export)
		return 0;
	if (vfiosafe_dmabuf_state(display->export, &generation) == VFIOSAFE_DMABUF_OK &&
	    generation == vfiosafe_device_generation(display->dev))
		return 0;
	fprintf(stderr, "gpu: the dma-buf did not come back\n");
	return -ESTALE;
}

static int round_trip(struct job *job, unsigned int round)
{
	char name[24];
	int64_t took, start = now_ns();
	int rc = reset(job, round);

	if (rc < 0)
		fprintf(stderr, "gpu: reset %u: %s\n", round, vfiosafe_error_text());
	if (rc == 0)
		rc = painter_wait(&job->painter, &job->display);
	if (rc == 0 && job->engine.dev)
		rc = engine_wait(&job->engine);
	took = now_ns() - start;
	job->back_ns += took;
	if (took > job->longest_ns)
		job->longest_ns = took;
	if (rc == 0)
		rc = check_export(&job->display);
	snprintf(name, sizeof(name), "after-%u", round + 1);
	if (rc == 0)
		job->same += bed_shows(job->bed, name) == 1;
	return rc;
}

static double rate(uint64_t n, int64_t ns)
{
	return ns > 0 ? (double)n * 1e9 / (double)ns : 0;
}

static unsigned int looks_within(const struct job *job, const struct job_options *options)
{
	return job->bed->sibling ? 0 : (options->resets + 3) / 4;
}

static void report(const struct job *job, const struct job_options *options, double alone,
		   double during)
{
	const struct painter_note *note = &job->painter.said;

	printf("guarded: %u resets, %u of them behind the library; mode lost in %u; picture "
	       "identical after %u, and gone in %u of %u looks within a reset\n",
	       options->resets, job->behind, job->display.found_off - 1, job->same, job->dark,
	       looks_within(job, options));
	printf("owner: %llu frames, %llu refused; %.1f frames/s without resets, %.1f with\n",
	       (unsigned long long)job->frames, (unsigned long long)job->refused, alone, during);
	printf("painter by %s: %llu frames, %llu refused, told to redraw %llu times\n",
	       !note->mapped				  ? "calls"
	       : options->rights & VFIOSAFE_GRANT_DEVICE_FD ? "the device fd"
							    : "a dma-buf",
	       (unsigned long long)note->frames, (unsigned long long)note->refused,
	       (unsigned long long)note->redraws - 1);
	if (job->engine.dev)
		printf("engine by the dma-buf: told to redraw %u times, of which it did %u\n",
		       job->engine.wanted - 1, job->engine.drawn - 1);
	printf("reset to picture: mean %.1f ms, longest %.1f ms; dma-buf %s\n",
	       options->resets ? (double)job->back_ns / 1e6 / options->resets : 0,
	       (double)job->longest_ns / 1e6,
	       job->display.export ? "back each time" : "not by this kernel");
}

static uint64_t frames_of(const struct job *job)
{
	return __atomic_load_n(&job->frames, __ATOMIC_RELAXED);
}

/* Resets while both draw. */
static int run(struct job *job, const struct job_options *options)
{
	const struct timespec second = { ALONE_MS / 1000, 0 };
	int64_t start = now_ns();
	uint64_t before;
	double alone;
	int rc = 0;

	nanosleep(&second, NULL);
	before = frames_of(job);
	alone = rate(before, now_ns() - start);
	start = now_ns();
	for (unsigned int i = 0; i < options->resets && rc == 0; i++)
		rc = round_trip(job, i);
	/* In between somebody looks, too. */
	start = now_ns() - start;
	before = frames_of(job) - before;
	__atomic_store_n(&job->stop, true, __ATOMIC_RELAXED);
	pthread_join(job->thread, NULL);
	if (rc == 0)
		rc = painter_stop(&job->painter);
	if (job->engine.dev)
		engine_stop(&job->engine);
	report(job, options, alone, rate(before, start));
	return rc < 0 ? rc : job->error;
}

static bool all_good(const struct job *job, const struct job_options *options)
{
	return job->same == options->resets && job->frames > 0 && job->painter.said.frames > 0 &&
	       job->painter.said.redraws >= options->resets &&
	       job->display.found_off == options->resets + 1 &&
	       (!job->engine.dev || job->engine.drawn == options->resets + 1) &&
	       job->dark == looks_within(job, options);
}

int job_guarded(struct bed *bed, const struct job_options *options)
{
	struct job job = { .bed = bed, .options = options };
	int rc = display_start(&job.display, bed->dev, &bed->picture);

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
	return rc < 0 ? rc : all_good(&job, options) ? 0 : -EIO;
}

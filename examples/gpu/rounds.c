/* SPDX-License-Identifier: MIT */
/*
 * rounds.c - one reset after the other.
 *
 * Of four resets one is made step by step, with a look at the display in its middle; one by
 * somebody else, behind the library's back.
 */
#include <errno.h>
#include <stdio.h>
#include "guarded.h"

#define LOOK_EVERY 4u

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
	job->looking_ns = now_ns();
	if (rc == 0)
		job->dark += bed_shows(job->bed, "during") == 0;
	job->looking_ns = now_ns() - job->looking_ns;
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

	if (round % LOOK_EVERY == 0 && !job->bed->sibling)
		return reset_and_look(job);
	if (round % LOOK_EVERY == 2 && !job->bed->sibling)
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

int job_round(struct job *job, unsigned int round)
{
	char name[24];
	int64_t took, start = now_ns();
	int rc;

	job->looking_ns = 0;
	rc = reset(job, round);
	job->hot += vfiosafe_reset_method(job->display.dev) == VFIOSAFE_METHOD_HOT;
	if (rc < 0)
		fprintf(stderr, "gpu: reset %u: %s\n", round, vfiosafe_error_text());
	if (rc == 0)
		rc = painter_wait(&job->painter, &job->display);
	if (rc == 0 && job->engine.dev)
		rc = engine_wait(&job->engine);
	took = now_ns() - start - job->looking_ns;
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

unsigned int job_looks_within(const struct job *job)
{
	return job->bed->sibling ? 0 : (job->options->resets + LOOK_EVERY - 1) / LOOK_EVERY;
}

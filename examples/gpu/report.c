/* SPDX-License-Identifier: MIT */
/* report.c - what was counted. */
#include <stdio.h>
#include "guarded.h"

void job_report(const struct job *job, double alone, double during)
{
	const struct job_options *options = job->options;
	const struct painter_note *note = &job->painter.said;

	printf("guarded: %u resets, %u of them behind the library, %u hot; mode lost in %u; picture "
	       "identical after %u, and gone in %u of %u looks within a reset\n",
	       options->resets, job->behind, job->hot, job->display.found_off - 1, job->same, job->dark,
	       job_looks_within(job));
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

bool job_is_good(const struct job *job)
{
	unsigned int resets = job->options->resets;

	return job->same == resets && job->frames > 0 && job->painter.said.frames > 0 &&
	       job->painter.said.redraws > resets &&
	       job->display.found_off == resets + 1 &&
	       (!job->engine.dev || job->engine.drawn == resets + 1) &&
	       job->hot == (job->bed->sibling ? resets : 0) &&
	       job->dark == job_looks_within(job);
}

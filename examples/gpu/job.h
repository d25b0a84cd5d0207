/* SPDX-License-Identifier: MIT */
/* job.h - the same job, guarded and by hand. */
#ifndef GPU_JOB_H
#define GPU_JOB_H

#include "bed.h"

struct job_options {
	unsigned int resets;
	bool trusted; /* the painter gets the device fd */
};

/* 0: the picture was there after each reset. */
int job_guarded(struct bed *bed, const struct job_options *options);
/* 0: it did what drivers without a guard do: the picture was lost, and nothing told of it. */
int job_raw(struct bed *bed);

#endif

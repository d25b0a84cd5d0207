/* SPDX-License-Identifier: MIT */
/* job.h - the same job, guarded and by hand. */
#ifndef GPU_JOB_H
#define GPU_JOB_H

#include "bed.h"

struct job_options {
	unsigned int resets;
	uint32_t pause_ms; /* between the owner's frames */
	/*
	 * How the second process gets at the picture: VFIOSAFE_GRANT_DEVICE_FD,
	 * VFIOSAFE_GRANT_CALLS_ONLY; 0: as the kernel can
	 */
	uint32_t rights;
};

/* 0: the picture was there after each reset. */
int job_guarded(struct bed *bed, const struct job_options *options);
/* 0: it did what drivers without a guard do: the picture was lost, and nothing told of it. */
int job_raw(struct bed *bed);

#endif

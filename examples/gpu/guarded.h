/* SPDX-License-Identifier: MIT */
/* guarded.h - what the files of the guarded job share. */
#ifndef GPU_GUARDED_H
#define GPU_GUARDED_H

#include <pthread.h>
#include "display.h"
#include "engine.h"
#include "job.h"
#include "painter.h"

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
	unsigned int hot;    /* so many took down all functions of the bus */
	int64_t looking_ns;	     /* of this round, spent on a look within the reset */
	int64_t back_ns, longest_ns; /* from the call to the picture without that, in sum */
};

/* rounds.c: one reset, and what has to be as it was after it */
int job_round(struct job *job, unsigned int round);
unsigned int job_looks_within(const struct job *job);

/* report.c: frames a second, without resets and with */
void job_report(const struct job *job, double alone, double during);
/* Everything as it should be? */
bool job_is_good(const struct job *job);

static inline int64_t now_ns(void)
{
	return vfiosafe_deadline_in_ms(0);
}

#endif

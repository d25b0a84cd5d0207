/* SPDX-License-Identifier: MIT */
/* crew.h - one thread, or two at the same time, doing the same work. */
#ifndef BENCH_CREW_H
#define BENCH_CREW_H

#include "case.h"

/* What is timed: @n times the shape @len of @way. */
struct bench_job {
	const struct bench_case *way;
	enum { BENCH_SHAPE_READ, BENCH_SHAPE_WRITE, BENCH_SHAPE_SECTION } shape;
	uint64_t len; /* accesses per section; 1 otherwise */
	uint64_t n;
};

struct bench_crew;

/* @threads: 1 or 2. Each runs @begin at its start and @end at its end. */
struct bench_crew *bench_crew_new(const struct bench_rig *rig, int threads,
				  void (*begin)(void), void (*end)(void));
void bench_crew_free(struct bench_crew *crew);

/* Runs @job on all threads; nanoseconds per access, the mean of the threads. */
double bench_crew_run(struct bench_crew *crew, const struct bench_job *job);

#endif

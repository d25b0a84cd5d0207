/* SPDX-License-Identifier: MIT */
#include <sched.h>
#include <stdlib.h>

#include "crew.h"

#define SPINS_BEFORE_YIELD 10000

/* One thread's own; padded, so that the threads share no cache line by accident. */
struct member {
	struct bench_rig rig;
	double ns;
} __attribute__((aligned(128)));

struct bench_crew {
	struct member member[2];
	int threads;
	pthread_t second;
	void (*begin)(void);
	void (*end)(void);
	const struct bench_job *job; /* NULL: the end */
	unsigned int arrived __attribute__((aligned(128)));
};

static double run(struct bench_rig *rig, const struct bench_job *job)
{
	int64_t start = bench_now_ns();

	switch (job->shape) {
	case BENCH_SHAPE_READ:
		job->way->read(rig, job->n);
		break;
	case BENCH_SHAPE_WRITE:
		job->way->write(rig, job->n);
		break;
	case BENCH_SHAPE_SECTION:
		job->way->section(rig, job->n, job->len);
		break;
	}
	return (double)(bench_now_ns() - start) / (double)(job->n * job->len);
}

/* Both threads are here: by spinning, for a sleeper would come late. */
static void meet(struct bench_crew *crew)
{
	unsigned int mine = __atomic_fetch_add(&crew->arrived, 1, __ATOMIC_ACQ_REL);
	unsigned int all = (mine | 1) + 1;
	unsigned int spins = 0;

	while ((int)(__atomic_load_n(&crew->arrived, __ATOMIC_ACQUIRE) - all) < 0) {
		if (++spins > SPINS_BEFORE_YIELD)
			sched_yield();
	}
}

static void *second(void *arg)
{
	struct bench_crew *crew = arg;
	struct member *self = &crew->member[1];

	bench_pin(1);
	crew->begin();
	for (;;) {
		meet(crew);
		if (!crew->job)
			break;
		self->ns = run(&self->rig, crew->job);
		meet(crew);
	}
	crew->end();
	return NULL;
}

struct bench_crew *bench_crew_new(const struct bench_rig *rig, int threads,
				  void (*begin)(void), void (*end)(void))
{
	struct bench_crew *crew = aligned_alloc(128, sizeof(*crew));

	if (!crew)
		bench_die("out of memory");
	crew->threads = threads;
	crew->begin = begin;
	crew->end = end;
	crew->arrived = 0;
	for (int i = 0; i < 2; i++)
		crew->member[i].rig = *rig;
	begin();
	if (threads == 2 && pthread_create(&crew->second, NULL, second, crew) != 0)
		bench_die("pthread_create failed");
	return crew;
}

double bench_crew_run(struct bench_crew *crew, const struct bench_job *job)
{
	struct member *self = &crew->member[0];

	if (crew->threads == 1)
		return run(&self->rig, job);
	crew->job = job;
	meet(crew);
	self->ns = run(&self->rig, job);
	meet(crew);
	return (self->ns + crew->member[1].ns) / 2;
}

void bench_crew_free(struct bench_crew *crew)
{
	if (crew->threads == 2) {
		crew->job = NULL;
		meet(crew);
		pthread_join(crew->second, NULL);
	}
	crew->end();
	free(crew);
}

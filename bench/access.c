/* SPDX-License-Identifier: MIT */
/*
 * bench-access THREADS: what an access costs, guarded in every way of case.h.
 *
 * Each round times every way once, so that whatever else the machine does meets
 * all of them. A ratio is the median of the ratios within the rounds. One line per
 * shape and way: threads, shape, way, ns per access, its ratio to the raw access,
 * and to the rwlock.
 */
#include <stdio.h>
#include <stdlib.h>

#include "crew.h"
#include "stats.h"

#define ROUNDS_MAX 601
#define SAMPLE_NS 40000

static const struct bench_case *const ways[] = {
	&bench_case_raw,	 &bench_case_rwlock,	&bench_case_guard,
	&bench_case_memb_inside, &bench_case_bp_inside, &bench_case_qsbr_inside,
	&bench_case_memb_inline, &bench_case_bp_inline, &bench_case_qsbr_inline,
	&bench_case_memb_call,	 &bench_case_bp_call,	&bench_case_qsbr_call,
	&bench_case_mutex,	 &bench_case_pread,
};
#define WAYS (sizeof(ways) / sizeof(ways[0]))
#define RAW 0
#define RWLOCK 1

static const struct {
	const char *name;
	struct bench_job job;
} shapes[] = {
	{ "read32", { .shape = BENCH_SHAPE_READ, .len = 1 } },
	{ "write32", { .shape = BENCH_SHAPE_WRITE, .len = 1 } },
	{ "section of 1", { .shape = BENCH_SHAPE_SECTION, .len = 1 } },
	{ "section of 8", { .shape = BENCH_SHAPE_SECTION, .len = 8 } },
	{ "section of 64", { .shape = BENCH_SHAPE_SECTION, .len = 64 } },
	{ "section of 1024", { .shape = BENCH_SHAPE_SECTION, .len = 1024 } },
};
#define SHAPES (sizeof(shapes) / sizeof(shapes[0]))

/* Two threads that contend take their time. */
static size_t rounds;
static struct bench_job jobs[SHAPES][WAYS];
static double samples[SHAPES][WAYS][ROUNDS_MAX];

static void register_thread(void)
{
	for (size_t i = 0; i < WAYS; i++)
		if (ways[i]->thread_begin)
			ways[i]->thread_begin();
}

static void unregister_thread(void)
{
	for (size_t i = 0; i < WAYS; i++)
		if (ways[i]->thread_end)
			ways[i]->thread_end();
}

/* Can this way do that? There is no guarded write in inside.h. */
static int can(const struct bench_job *job)
{
	return job->shape != BENCH_SHAPE_WRITE || job->way->write;
}

/* As many repetitions as take SAMPLE_NS: the clock's own time does not count. */
static void calibrate(struct bench_crew *crew, struct bench_job *job)
{
	double ns;

	job->n = 1;
	do {
		job->n *= 2;
		ns = bench_crew_run(crew, job) * (double)(job->n * job->len);
	} while (ns < SAMPLE_NS);
}

static void prepare(struct bench_crew *crew)
{
	for (size_t s = 0; s < SHAPES; s++) {
		for (size_t w = 0; w < WAYS; w++) {
			jobs[s][w] = shapes[s].job;
			jobs[s][w].way = ways[w];
			if (can(&jobs[s][w]))
				calibrate(crew, &jobs[s][w]);
		}
	}
}

static void measure(struct bench_crew *crew)
{
	for (size_t round = 0; round < rounds; round++)
		for (size_t s = 0; s < SHAPES; s++)
			for (size_t w = 0; w < WAYS; w++)
				if (can(&jobs[s][w]))
					samples[s][w][round] =
						bench_crew_run(crew, &jobs[s][w]);
}

static void report(int threads)
{
	double raw, rwlock;

	for (size_t s = 0; s < SHAPES; s++) {
		double ratio[WAYS][2];

		for (size_t w = 0; w < WAYS; w++) {
			raw = bench_ratio(samples[s][w], samples[s][RAW], rounds);
			rwlock = bench_ratio(samples[s][w], samples[s][RWLOCK], rounds);
			ratio[w][0] = raw;
			ratio[w][1] = rwlock;
		}
		/* Sorts the samples: after the ratios. */
		for (size_t w = 0; w < WAYS; w++)
			if (can(&jobs[s][w]))
				printf("%d\t%s\t%s\t%.3f\t%.3f\t%.3f\n", threads,
				       shapes[s].name, ways[w]->name,
				       bench_percentile(samples[s][w], rounds, 50),
				       ratio[w][0], ratio[w][1]);
	}
}

int main(int argc, char **argv)
{
	int threads = argc == 2 ? atoi(argv[1]) : 0;
	struct bench_crew *crew;
	struct bench_rig rig;

	if (threads != 1 && threads != 2)
		bench_die("usage: bench-access 1|2");
	if (threads > bench_cpus())
		bench_die("two threads need two CPUs");
	rounds = threads == 1 ? ROUNDS_MAX : ROUNDS_MAX / 6;
	bench_rig_open(&rig);
	crew = bench_crew_new(&rig, threads, register_thread, unregister_thread);
	prepare(crew);
	measure(crew);
	report(threads);
	bench_crew_free(crew);
	bench_rig_close(&rig);
	return 0;
}

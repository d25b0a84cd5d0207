/* SPDX-License-Identifier: MIT */
/*
 * bench-drain: how long whoever wants the device for himself waits for readers.
 *
 * With no reader, with one that is in one section after the other, and with 256
 * threads that once had a section and sleep. Each round times every domain once.
 * One line per situation and domain: situation, domain, median and 90th
 * percentile in microseconds, and the ratio of the library's to it.
 */
#include <stdio.h>

#include "reader.h"
#include "stats.h"

#define ROUNDS 201
#define IDLE_THREADS 256

static const struct bench_domain *const domains[] = {
	&bench_domain_guard,
	&bench_domain_memb,
	&bench_domain_bp,
	&bench_domain_qsbr,
};
#define DOMAINS (sizeof(domains) / sizeof(domains[0]))
#define GUARD 0

static double samples[DOMAINS][ROUNDS];

static double drain_us(struct bench_rig *rig, size_t i)
{
	return (double)domains[i]->drain(rig) / 1000;
}

static void measure_alone(struct bench_rig *rig)
{
	for (size_t round = 0; round < ROUNDS; round++)
		for (size_t i = 0; i < DOMAINS; i++)
			samples[i][round] = drain_us(rig, i);
}

static void measure_busy(struct bench_rig *rig)
{
	struct bench_reader *readers[DOMAINS];

	for (size_t i = 0; i < DOMAINS; i++)
		readers[i] = bench_reader_new(domains[i], rig);
	for (size_t round = 0; round < ROUNDS; round++) {
		for (size_t i = 0; i < DOMAINS; i++) {
			bench_reader_busy(readers[i]);
			samples[i][round] = drain_us(rig, i);
			bench_reader_rest(readers[i]);
		}
	}
	for (size_t i = 0; i < DOMAINS; i++)
		bench_reader_free(readers[i]);
}

static void measure_idle(struct bench_rig *rig)
{
	struct bench_idle *idle = bench_idle_new(domains, DOMAINS, rig, IDLE_THREADS);

	measure_alone(rig);
	bench_idle_free(idle);
}

static void report(const char *situation)
{
	double ratio[DOMAINS];

	for (size_t i = 0; i < DOMAINS; i++)
		ratio[i] = bench_ratio(samples[GUARD], samples[i], ROUNDS);
	for (size_t i = 0; i < DOMAINS; i++)
		printf("%s\t%s\t%.2f\t%.2f\t%.3f\n", situation, domains[i]->name,
		       bench_percentile(samples[i], ROUNDS, 50),
		       bench_percentile(samples[i], ROUNDS, 90), ratio[i]);
}

int main(void)
{
	struct bench_rig rig;

	bench_rig_open(&rig);
	measure_alone(&rig);
	report("no reader");
	measure_busy(&rig);
	report("1 busy reader");
	measure_idle(&rig);
	report("256 idle threads");
	bench_rig_close(&rig);
	return 0;
}

/* SPDX-License-Identifier: MIT */
#include <sched.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stdlib.h>

#include "reader.h"

/* So many sections and the reader is seen to be at work. */
#define WARM_SECTIONS 1000

struct bench_reader {
	const struct bench_domain *domain;
	struct bench_rig rig;
	pthread_t thread;
	sem_t go, rested;
	bool end;
	/* atomic */
	bool stop;
	uint64_t sections;
};

/* Until stop is set; rests outside of any section. */
static void work(struct bench_reader *reader)
{
	reader->domain->wake();
	while (!__atomic_load_n(&reader->stop, __ATOMIC_RELAXED)) {
		reader->domain->section(&reader->rig);
		__atomic_store_n(&reader->sections, reader->sections + 1,
				 __ATOMIC_RELAXED);
	}
	reader->domain->rest();
}

static void *reader_main(void *arg)
{
	struct bench_reader *reader = arg;

	bench_pin(1);
	reader->domain->thread_begin();
	reader->domain->rest();
	for (;;) {
		sem_wait(&reader->go);
		if (reader->end)
			break;
		work(reader);
		sem_post(&reader->rested);
	}
	reader->domain->wake();
	reader->domain->thread_end();
	return NULL;
}

struct bench_reader *bench_reader_new(const struct bench_domain *domain,
				      const struct bench_rig *rig)
{
	struct bench_reader *reader = calloc(1, sizeof(*reader));

	if (!reader)
		bench_die("out of memory");
	reader->domain = domain;
	reader->rig = *rig;
	sem_init(&reader->go, 0, 0);
	sem_init(&reader->rested, 0, 0);
	if (pthread_create(&reader->thread, NULL, reader_main, reader) != 0)
		bench_die("pthread_create failed");
	return reader;
}

void bench_reader_busy(struct bench_reader *reader)
{
	uint64_t target = reader->sections + WARM_SECTIONS;

	__atomic_store_n(&reader->stop, false, __ATOMIC_RELAXED);
	sem_post(&reader->go);
	while (__atomic_load_n(&reader->sections, __ATOMIC_RELAXED) < target)
		sched_yield();
}

void bench_reader_rest(struct bench_reader *reader)
{
	__atomic_store_n(&reader->stop, true, __ATOMIC_RELAXED);
	sem_wait(&reader->rested);
}

void bench_reader_free(struct bench_reader *reader)
{
	reader->end = true;
	sem_post(&reader->go);
	pthread_join(reader->thread, NULL);
	free(reader);
}

struct bench_idle {
	const struct bench_domain *const *domains;
	size_t count;
	const struct bench_rig *rig;
	sem_t ready, go;
	size_t threads;
	pthread_t thread[];
};

static void *idle_main(void *arg)
{
	struct bench_idle *idle = arg;
	struct bench_rig rig = *idle->rig;

	for (size_t i = 0; i < idle->count; i++) {
		idle->domains[i]->thread_begin();
		idle->domains[i]->section(&rig);
		idle->domains[i]->rest();
	}
	sem_post(&idle->ready);
	sem_wait(&idle->go);
	for (size_t i = 0; i < idle->count; i++) {
		idle->domains[i]->wake();
		idle->domains[i]->thread_end();
	}
	return NULL;
}

struct bench_idle *bench_idle_new(const struct bench_domain *const *domains, size_t count,
				  const struct bench_rig *rig, size_t threads)
{
	struct bench_idle *idle =
		calloc(1, sizeof(*idle) + threads * sizeof(idle->thread[0]));

	if (!idle)
		bench_die("out of memory");
	idle->domains = domains;
	idle->count = count;
	idle->rig = rig;
	idle->threads = threads;
	sem_init(&idle->ready, 0, 0);
	sem_init(&idle->go, 0, 0);
	for (size_t i = 0; i < threads; i++) {
		if (pthread_create(&idle->thread[i], NULL, idle_main, idle) != 0)
			bench_die("pthread_create failed");
		sem_wait(&idle->ready);
	}
	return idle;
}

void bench_idle_free(struct bench_idle *idle)
{
	for (size_t i = 0; i < idle->threads; i++)
		sem_post(&idle->go);
	for (size_t i = 0; i < idle->threads; i++)
		pthread_join(idle->thread[i], NULL);
	free(idle);
}

/* SPDX-License-Identifier: MIT */
/* reader.h - threads that are in sections when told to be. */
#ifndef BENCH_READER_H
#define BENCH_READER_H

#include "domain.h"

struct bench_reader;

/* A thread with one section after the other, between busy() and rest(). */
struct bench_reader *bench_reader_new(const struct bench_domain *domain,
				      const struct bench_rig *rig);
void bench_reader_busy(struct bench_reader *reader);
void bench_reader_rest(struct bench_reader *reader);
void bench_reader_free(struct bench_reader *reader);

/* Threads that had one section in each of @domains, and sleep. */
struct bench_idle;
struct bench_idle *bench_idle_new(const struct bench_domain *const *domains, size_t count,
				  const struct bench_rig *rig, size_t threads);
void bench_idle_free(struct bench_idle *idle);

#endif

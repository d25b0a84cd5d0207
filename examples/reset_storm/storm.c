/* SPDX-License-Identifier: MIT */
/*
 * storm.c - one storm: threads, pace, end.
 */
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include "storm.h"

struct worker {
	struct storm *storm;
	const struct storm_side *side;
	unsigned int index; /* 0 the writer, then readers */
	pthread_t thread;
};

int storm_fail(struct storm *storm, int rc, const char *fmt, ...)
{
	static pthread_mutex_t first = PTHREAD_MUTEX_INITIALIZER;
	struct storm_tally *tally = storm->tally;
	va_list ap;

	pthread_mutex_lock(&first);
	if (!tally->why[0]) {
		va_start(ap, fmt);
		vsnprintf(tally->why, sizeof(tally->why), fmt, ap);
		va_end(ap);
	}
	pthread_mutex_unlock(&first);
	__atomic_store_n(&storm->stop, true, __ATOMIC_RELAXED);
	return rc;
}

static long sleeps(void)
{
	struct rusage usage;

	return getrusage(RUSAGE_THREAD, &usage) < 0 ? 0 : usage.ru_nvcsw;
}

void storm_burst_begin(struct storm_burst *burst)
{
	burst->longest_ns = 0;
	burst->sleeps = sleeps();
}

void storm_burst_end(const struct storm_burst *burst, struct storm_hand *hand)
{
	if (burst->longest_ns > hand->longest_ns && sleeps() != burst->sleeps)
		__atomic_store_n(&hand->longest_ns, burst->longest_ns, __ATOMIC_RELAXED);
}

static uint64_t get(const uint64_t *counter)
{
	return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

static void add_hand(struct storm_hand *sum, const struct storm_hand *hand)
{
	int64_t longest_ns = __atomic_load_n(&hand->longest_ns, __ATOMIC_RELAXED);

	sum->reads += get(&hand->reads);
	sum->all_ones += get(&hand->all_ones);
	sum->stale += get(&hand->stale);
	sum->unannounced += get(&hand->unannounced);
	sum->refused += get(&hand->refused);
	sum->stores += get(&hand->stores);
	sum->foreign += get(&hand->foreign);
	if (longest_ns > sum->longest_ns)
		sum->longest_ns = longest_ns;
}

void storm_sum(const struct storm_tally *tally, struct storm_result *result)
{
	memset(result, 0, sizeof(*result));
	for (size_t i = 0; i < sizeof(tally->hand) / sizeof(tally->hand[0]); i++)
		add_hand(&result->sum, &tally->hand[i]);
	result->windows = get(&tally->windows);
	result->sigbus_windows = get(&tally->sigbus_windows);
	result->recovered = get(&tally->recovered);
	result->door = tally->door;
	memcpy(result->model, tally->model, sizeof(result->model));
}

static void *work(void *arg)
{
	struct worker *worker = arg;
	struct storm_hand *hand = &worker->storm->tally->hand[worker->index + 1];

	if (worker->index == 0)
		worker->side->write(worker->storm, hand);
	else
		worker->side->read(worker->storm, hand, worker->index - 1);
	return NULL;
}

/* Between two windows: from nothing to twice the gap, the same for each seed. */
static void pace(const struct storm_options *options, unsigned int *random)
{
	uint64_t ns = (uint64_t)rand_r(random) % (2000ull * options->gap_us + 1);
	struct timespec time = { .tv_sec = (time_t)(ns / 1000000000),
				 .tv_nsec = (long)(ns % 1000000000) };

	clock_nanosleep(CLOCK_MONOTONIC, 0, &time, NULL);
}

bool storm_is_enough(const struct storm_options *options, const struct storm_tally *tally)
{
	struct storm_result now;

	storm_sum(tally, &now);
	return now.windows >= options->windows && now.sum.reads >= options->reads;
}

/* What the device itself has noted since it was asked last. */
static void ask_device(struct storm *storm)
{
	struct vfiosafe_sim_counts counts;

	if (!storm->device.sim)
		return;
	vfiosafe_sim_counts(storm->device.sim, &counts);
	storm_count(&storm->tally->hand[0].foreign, counts.foreign_stores - storm->noted);
	storm->noted = counts.foreign_stores;
}

static bool takes_bar_away(const struct storm *storm)
{
	uint32_t every = storm->options->decode_every;

	return every && (storm->tally->windows + storm->options->seed) % every == 0;
}

static int one_window(struct storm *storm, const struct storm_side *side)
{
	if (!takes_bar_away(storm))
		return side->window(storm);
	/* First, as it may be the end of this process, and of its simulation. */
	ask_device(storm);
	storm_count(&storm->tally->sigbus_windows, 1);
	storm_count(&storm->tally->windows, 1);
	return side->fault(storm);
}

static void blow(struct storm *storm, const struct storm_side *side)
{
	while (!storm_stopped(storm) && !storm_is_enough(storm->options, storm->tally)) {
		pace(storm->options, &storm->tally->random);
		if (one_window(storm, side) < 0)
			break;
	}
	__atomic_store_n(&storm->stop, true, __ATOMIC_RELAXED);
}

static void run_threads(struct storm *storm, const struct storm_side *side)
{
	struct worker worker[STORM_READERS_MAX + 1];
	unsigned int started = 0;

	for (; started <= storm->options->readers; started++) {
		struct worker *one = &worker[started];
		int err;

		*one = (struct worker){ storm, side, started, 0 };
		err = pthread_create(&one->thread, NULL, work, one);
		if (err) {
			storm_fail(storm, -err, "cannot start a thread: %s",
				   strerror(err));
			break;
		}
	}
	blow(storm, side);
	for (unsigned int i = 0; i < started; i++)
		pthread_join(worker[i].thread, NULL);
}

void storm_run_here(const struct storm_options *options, const struct storm_side *side,
		    struct storm_tally *tally)
{
	struct storm storm = { .options = options, .tally = tally };

	if (storm_device_open(&storm) == 0) {
		if (side->start(&storm) == 0)
			run_threads(&storm, side);
		ask_device(&storm);
		side->finish(&storm);
	}
	storm_device_close(&storm.device);
}

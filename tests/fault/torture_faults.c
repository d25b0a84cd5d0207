/* SPDX-License-Identifier: MIT */
/*
 * Eight threads on a BAR that goes away again and again, with resets in between.
 * The first argument is the number of faults; 20,000 by default.
 */
#include "fault_rig.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "fault.h"

#define WORKERS 8
#define PAGES (BAR_LEN / PAGE)

static uint64_t want_faults = 20000;
static uint64_t faults; /* handled SIGBUS */

static void count_and_handle(int sig, siginfo_t *info, void *context)
{
	if (vfiosafe_sigbus_handle(sig, info, context))
		__atomic_fetch_add(&faults, 1, __ATOMIC_RELAXED);
	else
		signal(sig, SIG_DFL);
}

struct storm {
	struct rig rig;
	uint64_t resets, taken; /* atomic */
};

struct worker {
	struct storm *storm;
	uint32_t seed;
	uint64_t good, refused, wrong;
	unsigned int most_maps;
	int unexpected;
	uint8_t copy[BAR_LEN];
	pthread_t thread;
};

static bool enough(void)
{
	return __atomic_load_n(&faults, __ATOMIC_RELAXED) >= want_faults;
}

static uint32_t next_random(uint32_t *seed)
{
	return *seed = *seed * 1664525 + 1013904223, *seed >> 8;
}

/* Atomic, as the stores to LOG: the threads share it. */
static void touch(const struct rig *rig, uint32_t page)
{
	(void)__atomic_load_n(rig_reg32(rig, page * PAGE + 0x800), __ATOMIC_RELAXED);
}

/* Touches every page, in an order of its own; HOLD in the middle of it. */
static int read_section(struct worker *w)
{
	struct rig *rig = &w->storm->rig;
	uint32_t first = next_random(&w->seed) % PAGES, want, got;
	struct vfiosafe_section sec;
	int rc = vfiosafe_begin(&rig->view, &sec);

	if (rc < 0)
		return rc;
	want = rig->want;
	for (uint32_t i = 0; i < PAGES / 2; i++)
		touch(rig, (first + i) % PAGES);
	got = *rig_reg32(rig, VFIOSAFE_SIM_REG_HOLD);
	for (uint32_t i = PAGES / 2; i < PAGES; i++)
		touch(rig, (first + i) % PAGES);
	rc = vfiosafe_end(&sec);
	w->wrong += rc == 0 && got != want;
	return rc;
}

static int read_register(struct worker *w)
{
	struct rig *rig = &w->storm->rig;
	uint32_t value = 0;
	int rc = vfiosafe_read32(&rig->view, VFIOSAFE_SIM_REG_ID, &value);

	w->wrong += rc == 0 && value != VFIOSAFE_SIM_ID;
	return rc;
}

/* The device says which stores were of another generation. */
static int log_section(struct worker *w)
{
	struct rig *rig = &w->storm->rig;
	struct vfiosafe_section sec;
	int rc = vfiosafe_begin(&rig->view, &sec);

	if (rc < 0)
		return rc;
	for (int i = 0; i < 16; i++)
		__atomic_store_n(rig_log(rig, next_random(&w->seed)),
				 rig->generation << 32 | 1, __ATOMIC_RELAXED);
	return vfiosafe_end(&sec);
}

/* All but LOG, into which other threads store. */
static int copy_section(struct worker *w)
{
	const uint32_t low = VFIOSAFE_SIM_REG_LOG;
	const uint32_t high = low + 8 * VFIOSAFE_SIM_LOG_SLOTS;
	struct rig *rig = &w->storm->rig;
	struct vfiosafe_section sec;
	uint32_t want, got;
	uint8_t *bar;
	int rc = vfiosafe_begin(&rig->view, &sec);

	if (rc < 0)
		return rc;
	want = rig->want;
	bar = (uint8_t *)(uintptr_t)vfiosafe_ptr(&sec);
	memcpy(w->copy, bar, low);
	memcpy(w->copy + high, bar + high, BAR_LEN - high);
	rc = vfiosafe_end(&sec);
	memcpy(&got, w->copy + VFIOSAFE_SIM_REG_HOLD, sizeof(got));
	w->wrong += rc == 0 && got != want;
	return rc;
}

/*
 * Every third decode comes back on without that anybody recovers. The others not: a
 * device that slept may have lost its state, and no fault need tell of it.
 */
static int take_away(struct worker *w)
{
	enum way way = next_random(&w->seed) % WAYS;

	rig_away(&w->storm->rig, way);
	__atomic_fetch_add(&w->storm->taken, 1, __ATOMIC_RELAXED);
	if (way == DECODE_OFF && next_random(&w->seed) % 3 == 0)
		rig_back(&w->storm->rig, way);
	return 0;
}

static int reset(struct worker *w)
{
	int rc = vfiosafe_reset(w->storm->rig.dev, NULL);

	__atomic_fetch_add(&w->storm->resets, rc == 0, __ATOMIC_RELAXED);
	return rc;
}

/* Mappings do not grow, whatever is going on. */
static int look_at_maps(struct worker *w)
{
	unsigned int maps = count_maps(ONES_MAP);

	if (maps > w->most_maps)
		w->most_maps = maps;
	return 0;
}

static int one_step(struct worker *w)
{
	uint32_t random = next_random(&w->seed) % 256;

	if (random < 80)
		return read_section(w);
	if (random < 120)
		return read_register(w);
	if (random < 160)
		return log_section(w);
	if (random < 190)
		return copy_section(w);
	if (random < 250)
		return take_away(w);
	return random < 255 ? reset(w) : look_at_maps(w);
}

static void *work(void *arg)
{
	struct worker *w = arg;

	while (!enough() && w->unexpected == 0) {
		int rc = one_step(w);

		if (rc == 0) {
			w->good++;
			continue;
		}
		w->refused++;
		if (rc == -EIO || rc == -EAGAIN || rc == -ESTALE)
			rc = vfiosafe_wait(w->storm->rig.dev,
					   vfiosafe_deadline_in_ms(60000));
		/* A recovery in which the BAR went away once more: FAULT again. */
		if (rc < 0 && rc != -EIO)
			w->unexpected = rc;
	}
	return NULL;
}

static void recover_at_last(struct rig *rig)
{
	for (enum way way = 0; way < WAYS; way++)
		rig_back(rig, way);
	(void)*rig_reg32(rig, 0);
	assert_int_equal(vfiosafe_mark_lost(rig->dev, "the end"), 0);
	assert_int_equal(vfiosafe_recover(rig->dev, NULL), 0);
	rig_assert_live(rig);
}

static void judge(struct storm *storm, struct worker *worker)
{
	uint64_t good = 0, refused = 0;

	for (int i = 0; i < WORKERS; i++) {
		assert_int_equal(worker[i].unexpected, 0);
		assert_int_equal(worker[i].wrong, 0);
		assert_in_range(worker[i].most_maps, 0, PAGES);
		assert_true(worker[i].good > 0);
		assert_true(worker[i].refused > 0);
		good += worker[i].good;
		refused += worker[i].refused;
	}
	assert_true(storm->resets > 0);
	assert_int_equal(rig_counts(&storm->rig).foreign_stores, 0);
	assert_true(rig_counts(&storm->rig).stores > 0);
	print_message("%llu faults, %llu times away, %llu resets, generation %llu; "
		      "%llu good, %llu refused\n",
		      (unsigned long long)faults, (unsigned long long)storm->taken,
		      (unsigned long long)storm->resets,
		      (unsigned long long)vfiosafe_device_generation(storm->rig.dev),
		      (unsigned long long)good, (unsigned long long)refused);
}

static void no_fault_leaks_lies_or_hangs(void **state)
{
	struct sigaction action = { .sa_sigaction = count_and_handle,
				    .sa_flags = SA_SIGINFO };
	struct rig_opts opts = { .recover_on_wait = true, .window_us = 20 };
	static struct worker worker[WORKERS];
	static struct storm storm;
	struct sigaction before;
	unsigned int maps;

	(void)state;
	assert_int_equal(sigaction(SIGBUS, &action, &before), 0);
	rig_open(&storm.rig, &opts);
	maps = count_maps("vfiosafe-sim-bar");
	for (uint32_t i = 0; i < WORKERS; i++) {
		worker[i].storm = &storm;
		worker[i].seed = i * 77 + 1;
		assert_int_equal(
			pthread_create(&worker[i].thread, NULL, work, &worker[i]), 0);
	}
	for (int i = 0; i < WORKERS; i++)
		pthread_join(worker[i].thread, NULL);
	assert_int_equal(vsf_fault_inside, 0);
	recover_at_last(&storm.rig);
	judge(&storm, worker);
	assert_int_equal(count_maps(ONES_MAP), 0);
	assert_int_equal(count_maps("vfiosafe-sim-bar"), maps);
	rig_close(&storm.rig);
	assert_int_equal(sigaction(SIGBUS, &before, NULL), 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_fault_leaks_lies_or_hangs),
	};

	if (argc > 1)
		want_faults = strtoull(argv[1], NULL, 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

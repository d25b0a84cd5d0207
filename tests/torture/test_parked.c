/* SPDX-License-Identifier: MIT */
/*
 * Readers and a writer against a device that is put to sleep and woken. Nobody has a
 * SIGBUS handler here: one touch of the sleeping device ends the test.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>

#include "rig.h"

#define ROUNDS 400 /* for each kind of device */
#define READERS 2

struct parked {
	struct rig rig;
	uint32_t flags; /* of the simulated device */
	bool stop; /* atomic */
	uint64_t resumes, reinits;
};

struct worker {
	struct parked *parked;
	uint32_t slot;
	uint64_t good, refused, wrong;
	int unexpected; /* an error that no window explains */
	pthread_t thread;
};

/* Low power moves the generation, and leaves the device's registers: ask the device. */
static int reinit(struct vfiosafe_device *dev, void *ctx)
{
	struct parked *parked = ctx;
	struct vfiosafe_sim_counts counts;
	int rc = rig_reinit(dev, &parked->rig);

	vfiosafe_sim_counts(parked->rig.sim, &counts);
	parked->rig.generation = counts.resets;
	parked->reinits++;
	return rc;
}

static int resume(struct vfiosafe_device *dev, void *ctx)
{
	struct parked *parked = ctx;

	(void)dev;
	parked->resumes++;
	return 0;
}

static void parked_open(struct parked *parked, uint32_t flags)
{
	static const struct vfiosafe_driver_ops ops = {
		.size = sizeof(ops),
		.resume = resume,
		.reinit = reinit,
	};
	const struct vfiosafe_sim_opts fast = { .size = sizeof(fast),
						.window_us = 20,
						.flags = flags };

	memset(parked, 0, sizeof(*parked));
	parked->flags = flags;
	rig_open(&parked->rig, &fast);
	assert_int_equal(vfiosafe_device_set_driver(parked->rig.dev, &ops, parked), 0);
	assert_true(signal(SIGBUS, SIG_DFL) != SIG_ERR);
}

/* What reinit stored and what the register holds must agree; so must a single read. */
static int read_once(struct worker *w)
{
	struct rig *rig = &w->parked->rig;
	volatile uint8_t *regs;
	struct vfiosafe_section sec;
	uint32_t want, got, id;
	int rc = vfiosafe_begin(&rig->view, &sec);

	if (rc < 0)
		return rc;
	regs = vfiosafe_ptr(&sec);
	want = rig->want;
	got = *(volatile uint32_t *)(regs + VFIOSAFE_SIM_REG_HOLD);
	rc = vfiosafe_end(&sec);
	w->wrong += rc == 0 && got != want;
	if (rc == 0)
		rc = vfiosafe_read32(&rig->view, VFIOSAFE_SIM_REG_ID, &id);
	w->wrong += rc == 0 && id != VFIOSAFE_SIM_ID;
	return rc;
}

static int store_once(struct worker *w)
{
	struct rig *rig = &w->parked->rig;
	volatile uint64_t *slots;
	struct vfiosafe_section sec;
	int rc = vfiosafe_begin(&rig->view, &sec);

	if (rc < 0)
		return rc;
	slots = (volatile uint64_t *)((volatile uint8_t *)vfiosafe_ptr(&sec) +
				      VFIOSAFE_SIM_REG_LOG);
	slots[w->slot++ % VFIOSAFE_SIM_LOG_SLOTS] = rig->generation << 32 | 1;
	return vfiosafe_end(&sec);
}

static bool goes_on(struct worker *w, int rc)
{
	if (rc == 0) {
		__atomic_fetch_add(&w->good, 1, __ATOMIC_RELAXED);
		return true;
	}
	w->refused++;
	if (rc == -EAGAIN || rc == -ESTALE)
		rc = vfiosafe_wait(w->parked->rig.dev, vfiosafe_deadline_in_ms(30000));
	__atomic_store_n(&w->unexpected, rc, __ATOMIC_RELAXED);
	return rc == 0;
}

static void *work(void *arg)
{
	struct worker *w = arg;
	bool stores = w->slot > 0;

	while (!__atomic_load_n(&w->parked->stop, __ATOMIC_ACQUIRE) &&
	       goes_on(w, stores ? store_once(w) : read_once(w)))
		;
	return NULL;
}

enum way { D3HOT, LOW_POWER, DECODE, WAYS };

static int park(struct vfiosafe_device *dev, enum way way)
{
	if (way == D3HOT)
		return vfiosafe_set_power(dev, VFIOSAFE_D3HOT, NULL);
	return way == DECODE ? vfiosafe_set_decode(dev, false, NULL)
			     : vfiosafe_low_power_enter(dev, false, NULL);
}

static int wake(struct vfiosafe_device *dev, enum way way)
{
	if (way == D3HOT)
		return vfiosafe_set_power(dev, VFIOSAFE_D0, NULL);
	return way == DECODE ? vfiosafe_set_decode(dev, true, NULL)
			     : vfiosafe_low_power_exit(dev, NULL);
}

/* Until one of them has done something while the device was awake. */
static void let_work(const struct worker *w)
{
	uint64_t before = __atomic_load_n(&w->good, __ATOMIC_RELAXED);

	while (__atomic_load_n(&w->good, __ATOMIC_RELAXED) == before &&
	       __atomic_load_n(&w->unexpected, __ATOMIC_RELAXED) == 0)
		sched_yield();
}

/* Every 16th is not woken, but reset. */
static void park_and_wake(struct parked *parked, const struct worker *w)
{
	struct vfiosafe_device *dev = parked->rig.dev;

	for (unsigned int i = 0; i < ROUNDS; i++) {
		assert_int_equal(park(dev, i % WAYS), 0);
		assert_int_equal(vfiosafe_device_state(dev), VFIOSAFE_RESETTING);
		assert_int_equal(i % 16 == 15 ? vfiosafe_reset(dev, NULL)
					      : wake(dev, i % WAYS),
				 0);
		if (i % 8 == 0)
			let_work(&w[i / 8 % (READERS + 1)]);
	}
}

static bool keeps_state(const struct parked *parked, enum way way)
{
	return way == DECODE ||
	       (way == D3HOT && (parked->flags & VFIOSAFE_SIM_NO_SOFT_RESET));
}

/* What kept the state kept the generation, if it was not reset; all others moved it. */
static void count_windows(const struct parked *parked)
{
	unsigned int kept = 0;

	for (unsigned int i = 0; i < ROUNDS; i++)
		kept += keeps_state(parked, i % WAYS) && i % 16 != 15;
	assert_int_equal(parked->resumes, kept);
	assert_int_equal(parked->reinits, ROUNDS - kept);
	assert_int_equal(vfiosafe_device_generation(parked->rig.dev), 1 + ROUNDS - kept);
}

static void torture(uint32_t flags)
{
	static struct parked parked;
	struct worker w[READERS + 1] = { 0 };
	struct vfiosafe_sim_counts counts;

	parked_open(&parked, flags);
	for (unsigned int i = 0; i <= READERS; i++) {
		w[i].parked = &parked;
		w[i].slot = i == READERS;
		assert_int_equal(pthread_create(&w[i].thread, NULL, work, &w[i]), 0);
	}
	park_and_wake(&parked, w);
	__atomic_store_n(&parked.stop, true, __ATOMIC_RELEASE);
	for (unsigned int i = 0; i <= READERS; i++) {
		pthread_join(w[i].thread, NULL);
		assert_int_equal(w[i].unexpected, 0);
		assert_int_equal(w[i].wrong, 0);
	}
	count_windows(&parked);
	vfiosafe_sim_counts(parked.rig.sim, &counts);
	assert_true(counts.stores > 0);
	assert_int_equal(counts.foreign_stores, 0);
	assert_int_equal(counts.lost_stores, 0);
	rig_close(&parked.rig);
}

static void nobody_ever_touches_a_device_that_sleeps(void **state)
{
	(void)state;
	torture(0);
}

static void nor_one_that_keeps_its_state_in_d3hot(void **state)
{
	(void)state;
	torture(VFIOSAFE_SIM_NO_SOFT_RESET);
}

static void nor_one_that_loses_it_in_low_power(void **state)
{
	(void)state;
	torture(VFIOSAFE_SIM_D3COLD);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nobody_ever_touches_a_device_that_sleeps),
		cmocka_unit_test(nor_one_that_keeps_its_state_in_d3hot),
		cmocka_unit_test(nor_one_that_loses_it_in_low_power),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

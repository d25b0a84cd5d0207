/* SPDX-License-Identifier: MIT */
/*
 * Readers and a writer against resets that fail: a lock that is contended, no method, a
 * device that was reset before the kernel said it failed, a reinit that does not work.
 */
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>

#include "rig.h"

#define ROUNDS 300
#define WORKERS 3

static struct {
	struct rig rig;
	bool stop; /* atomic */
	unsigned int reinit_fails, lost, reinits;
} failing;

struct worker {
	bool stores;
	uint32_t slot;
	uint64_t good, refused, wrong;
	int unexpected;
	pthread_t thread;
};

static int reinit(struct vfiosafe_device *dev, void *ctx)
{
	struct vfiosafe_sim_counts counts;
	int rc = rig_reinit(dev, &failing.rig);

	(void)ctx;
	/* A reset that was called a failure counts for the device, not for the word. */
	vfiosafe_sim_counts(failing.rig.sim, &counts);
	failing.rig.generation = counts.resets;
	failing.reinits++;
	if (rc == 0 && failing.reinit_fails > 0) {
		failing.reinit_fails--;
		return -ENOMSG;
	}
	return rc;
}

static void lost(struct vfiosafe_device *dev, void *ctx, enum vfiosafe_cause cause)
{
	(void)dev;
	(void)ctx;
	(void)cause;
	failing.lost++;
}

static int touch(struct worker *w)
{
	const struct rig *rig = &failing.rig;
	volatile uint8_t *regs;
	struct vfiosafe_section sec;
	uint32_t want, got;
	int rc = vfiosafe_begin(&rig->view, &sec);

	if (rc < 0)
		return rc;
	regs = vfiosafe_ptr(&sec);
	want = rig->want;
	got = *(volatile uint32_t *)(regs + VFIOSAFE_SIM_REG_HOLD);
	if (w->stores)
		((volatile uint64_t *)(regs + VFIOSAFE_SIM_REG_LOG))
			[w->slot++ % VFIOSAFE_SIM_LOG_SLOTS] = rig->generation << 32 | 1;
	rc = vfiosafe_end(&sec);
	w->wrong += rc == 0 && got != want;
	return rc;
}

static void *work(void *arg)
{
	struct worker *w = arg;

	while (!__atomic_load_n(&failing.stop, __ATOMIC_ACQUIRE)) {
		int rc = touch(w);

		if (rc == 0) {
			__atomic_fetch_add(&w->good, 1, __ATOMIC_RELAXED);
		} else if (rc == -EAGAIN || rc == -ESTALE || rc == -EIO) {
			w->refused++;
			sched_yield();
		} else {
			__atomic_store_n(&w->unexpected, rc, __ATOMIC_RELAXED);
			return NULL;
		}
	}
	return NULL;
}

static void set(enum vfiosafe_sim_setting setting, uint64_t value)
{
	assert_int_equal(vfiosafe_sim_set(failing.rig.sim, setting, value), 0);
}

static int reset_ms(uint32_t ms)
{
	const struct vfiosafe_reset_opts opts = { .size = sizeof(opts), .timeout_ms = ms };

	return vfiosafe_reset(failing.rig.dev, &opts);
}

static void assert_state(enum vfiosafe_state state)
{
	assert_int_equal(vfiosafe_device_state(failing.rig.dev), state);
}

static uint64_t generation(void)
{
	return vfiosafe_device_generation(failing.rig.dev);
}

/* Most calls refused, as beside readers of sriov_numvfs: slow, and it works. */
static void contended(void)
{
	set(VFIOSAFE_SIM_SET_CONTENTION, 75);
	assert_int_equal(reset_ms(60000), 0);
	set(VFIOSAFE_SIM_SET_CONTENTION, 0);
}

/* All of them: called off, the views stay valid. */
static void locked(void)
{
	uint64_t before = generation();

	set(VFIOSAFE_SIM_SET_CONTENTION, 100);
	assert_int_equal(reset_ms(2), -ETIMEDOUT);
	set(VFIOSAFE_SIM_SET_CONTENTION, 0);
	assert_state(VFIOSAFE_LIVE);
	assert_true(generation() == before);
}

static void without_method(void)
{
	uint64_t before = generation();

	set(VFIOSAFE_SIM_SET_NO_RESET_METHOD, 1);
	assert_int_equal(reset_ms(10000), -EIO);
	assert_state(VFIOSAFE_FAULT);
	assert_int_equal(vfiosafe_recover(failing.rig.dev, NULL), -EIO);
	assert_state(VFIOSAFE_FAULT);
	set(VFIOSAFE_SIM_SET_NO_RESET_METHOD, 0);
	assert_true(generation() == before);
	assert_int_equal(vfiosafe_recover(failing.rig.dev, NULL), 0);
	assert_true(generation() == before + 1);
}

/* The link did not come up in time: ENOTTY, of a device that was reset. */
static void reset_all_the_same(void)
{
	vfiosafe_sim_fail(failing.rig.sim, VFIOSAFE_SIM_CALL_RESET_DONE, ENOTTY, 1);
	assert_int_equal(reset_ms(10000), -EIO);
	assert_state(VFIOSAFE_FAULT);
	assert_int_equal(vfiosafe_recover(failing.rig.dev, NULL), 0);
}

static void reinit_fails_twice(void)
{
	uint64_t before = generation();

	failing.reinit_fails = 2;
	assert_int_equal(reset_ms(10000), -EIO);
	assert_int_equal(vfiosafe_recover(failing.rig.dev, NULL), -EIO);
	assert_int_equal(vfiosafe_recover(failing.rig.dev, NULL), 0);
	assert_true(generation() == before + 3);
}

/* Until one of them, each in turn, has done something in this generation. */
static void let_work(const struct worker *w, unsigned int round)
{
	const struct worker *one = &w[round % WORKERS];
	uint64_t before = __atomic_load_n(&one->good, __ATOMIC_RELAXED);

	while (__atomic_load_n(&one->good, __ATOMIC_RELAXED) == before &&
	       __atomic_load_n(&one->unexpected, __ATOMIC_RELAXED) == 0)
		sched_yield();
}

static void failing_open(void)
{
	static const struct vfiosafe_sim_opts fast = { .size = sizeof(fast),
						       .window_us = 20 };
	static const struct vfiosafe_driver_ops ops = { .size = sizeof(ops),
							.reinit = reinit,
							.lost = lost };

	memset(&failing, 0, sizeof(failing));
	rig_open(&failing.rig, &fast);
	assert_int_equal(vfiosafe_device_set_driver(failing.rig.dev, &ops, NULL), 0);
}

static void whatever_fails_nobody_sees_a_wrong_value(void **state)
{
	static void (*const ways[])(void) = { contended, locked, without_method,
					      reset_all_the_same, reinit_fails_twice };
	const unsigned int n = sizeof(ways) / sizeof(ways[0]);
	struct worker w[WORKERS] = { { .stores = true } };
	struct vfiosafe_sim_counts counts;

	(void)state;
	failing_open();
	for (unsigned int i = 0; i < WORKERS; i++)
		assert_int_equal(pthread_create(&w[i].thread, NULL, work, &w[i]), 0);
	for (unsigned int i = 0; i < ROUNDS; i++) {
		ways[i % n]();
		assert_state(VFIOSAFE_LIVE);
		if (i % 8 == 0)
			let_work(w, i / 8);
	}
	__atomic_store_n(&failing.stop, true, __ATOMIC_RELEASE);
	for (unsigned int i = 0; i < WORKERS; i++) {
		pthread_join(w[i].thread, NULL);
		assert_int_equal(w[i].unexpected, 0);
		assert_int_equal(w[i].wrong, 0);
	}
	/* Each failed window told it once. */
	assert_int_equal(failing.lost, ROUNDS / n * 5);
	assert_int_equal(failing.reinits, ROUNDS / n * 6);
	vfiosafe_sim_counts(failing.rig.sim, &counts);
	assert_true(counts.stores > 0);
	assert_int_equal(counts.foreign_stores, 0);
	assert_int_equal(counts.lost_stores, 0);
	rig_close(&failing.rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whatever_fails_nobody_sees_a_wrong_value),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

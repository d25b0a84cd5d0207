/* SPDX-License-Identifier: MIT */
/* Parking on several threads: queued, waited for, closed; and in a forked child. */
#include <sys/wait.h>
#include <unistd.h>

#include "power_rig.h"
#include "uapi.h"
#include "unit_thread.h"

static enum way the_way;

static int park_it(void)
{
	return park_opts(the_way, NULL);
}

static int wake_it(void)
{
	return wake_opts(the_way, NULL);
}

static int reset_it(void)
{
	return vfiosafe_reset(bench.dev, NULL);
}

static int wait_for_it(void)
{
	return vfiosafe_wait(bench.dev, VFIOSAFE_FOREVER);
}

/* In the kernel's part of a park or a reset: starts @beside, goes on when it sleeps. */
static struct runner beside;
static int (*beside_fn)(void);

static void start_beside(struct fake *fake, enum fake_call call, uint64_t key)
{
	int (*fn)(void);
	unsigned int before;

	(void)fake;
	if (call != FAKE_PWRITE || key != FAKE_CONFIG + 4 || !beside_fn)
		return;
	before = times_called(FAKE_FUTEX_WAIT);
	fn = beside_fn;
	beside_fn = NULL;
	run_beside(&beside, fn);
	until(times_called(FAKE_FUTEX_WAIT) > before);
}

static void while_in_a_window(int (*fn)(void))
{
	bench.k.real_clock = true;
	beside_fn = fn;
	bench.k.hook = start_beside;
}

static void behind_reset(enum way way)
{
	the_way = way;
	while_in_a_window(park_it);
	assert_ok(reset_it());
	assert_ok(run_ended(&beside));
	assert_parked();
	assert_generation(2);
	assert_ok(wake(way));
}

static void a_park_queues_behind_a_reset(void **state)
{
	(void)state;
	each_way(behind_reset);
}

static void behind_park(enum way way)
{
	while_in_a_window(reset_it);
	assert_ok(park(way));
	assert_ok(run_ended(&beside));
	assert_state(LIVE);
	assert_generation(2);
	assert_int_equal(bench.fn->resets, 1);
	assert_int_equal(driver.count[QUIESCE], 1);
}

static void a_reset_queues_behind_a_park_and_takes_over(void **state)
{
	(void)state;
	each_way(behind_park);
}

static void woken_behind(enum way way)
{
	the_way = way;
	while_in_a_window(wake_it);
	assert_ok(park(way));
	assert_ok(run_ended(&beside));
	assert_awake(ways[way].keeps ? 1 : 2);
}

static void a_wake_up_queues_behind_a_park(void **state)
{
	(void)state;
	each_way(woken_behind);
}

static void both_park(enum way way)
{
	the_way = way;
	while_in_a_window(park_it);
	assert_ok(park(way));
	assert_ok(run_ended(&beside));
	assert_parked();
	assert_int_equal(driver.count[QUIESCE], 1);
	assert_ok(wake(way));
}

static void two_that_park_alike_both_succeed(void **state)
{
	(void)state;
	each_way(both_park);
}

static void park_differently(enum way way)
{
	the_way = way == DECODE ? LOW_POWER : DECODE;
	while_in_a_window(park_it);
	assert_ok(park(way));
	assert_int_equal(run_ended(&beside), -EBUSY);
	assert_parked();
	assert_ok(wake(way));
}

static void of_two_that_park_differently_the_second_is_refused(void **state)
{
	(void)state;
	each_way(park_differently);
}

static void park_after_fault(enum way way)
{
	the_way = way;
	while_in_a_window(park_it);
	driver.rc[REINIT] = -EIO;
	assert_int_equal(reset_it(), -EIO);
	assert_int_equal(run_ended(&beside), -EIO);
	assert_state(FAULT);
}

static void a_park_behind_a_reset_that_fails_fails(void **state)
{
	(void)state;
	each_way(park_after_fault);
}

static void waiters_sleep(struct runner *waiter)
{
	unsigned int before = times_called(FAKE_FUTEX_WAIT);

	bench.k.real_clock = true;
	run_beside(waiter, wait_for_it);
	until(times_called(FAKE_FUTEX_WAIT) > before);
}

static void waits(enum way way)
{
	struct runner waiter;

	assert_ok(park(way));
	waiters_sleep(&waiter);
	assert_ok(wake(way));
	assert_ok(run_ended(&waiter));
}

static void who_waits_is_woken_with_it(void **state)
{
	(void)state;
	each_way(waits);
}

static void waits_for_close(enum way way)
{
	struct runner waiter;

	assert_ok(park(way));
	waiters_sleep(&waiter);
	bench_close();
	assert_int_equal(run_ended(&waiter), -ENODEV);
}

static void who_waits_is_woken_by_a_close(void **state)
{
	(void)state;
	each_way(waits_for_close);
}

static void waits_for_fault(enum way way)
{
	struct runner waiter;

	assert_ok(park(way));
	waiters_sleep(&waiter);
	driver.rc[REINIT] = -EIO;
	assert_int_equal(reset_it(), -EIO);
	assert_int_equal(run_ended(&waiter), -EIO);
}

static void who_waits_is_woken_by_a_fault(void **state)
{
	(void)state;
	each_way(waits_for_fault);
}

#define STORM_THREADS 4
#define STORM_ROUNDS 40

/* All in the same way: each finds it done, or does it. */
static int storm(void)
{
	for (int i = 0; i < STORM_ROUNDS; i++) {
		int rc = i % 2 ? wake_it() : park_it();

		if (rc < 0)
			return rc;
		rc = i % 8 == 3 ? reset_it() : 0;
		if (rc < 0)
			return rc;
	}
	return 0;
}

static void storm_of(enum way way)
{
	struct runner runners[STORM_THREADS];

	the_way = way;
	if (way == D3HOT_LOST)
		return; /* the rig changes the device for it */
	bench.k.real_clock = true;
	assert_ok(vfiosafe_device_set_driver(bench.dev, NULL, NULL));
	for (int i = 0; i < STORM_THREADS; i++)
		run_beside(&runners[i], storm);
	for (int i = 0; i < STORM_THREADS; i++)
		assert_ok(run_ended(&runners[i]));
	assert_ok(wake_it());
	assert_state(LIVE);
	if (ways[way].keeps)
		assert_generation(bench.fn->resets + 1);
}

static void many_threads_may_park_and_wake_at_once(void **state)
{
	(void)state;
	each_way(storm_of);
}

/* What the child found wrong: a bit each. */
static int in_the_child(enum way way)
{
	int wrong = vfiosafe_device_state(bench.dev) != VFIOSAFE_GONE;
	uint8_t byte;

	wrong |= (park_opts(way == D3HOT_LOST ? D3HOT_KEPT : way, NULL) != -ENODEV) << 1;
	wrong |= (wake_opts(way, NULL) != -ENODEV) << 2;
	wrong |= (vfiosafe_set_bus_master(bench.dev, true) != -ENODEV) << 3;
	wrong |= (vfiosafe_config_read8(bench.dev, 0, &byte) != -ENODEV) << 4;
	wrong |= (vfiosafe_config_write8(bench.dev, 4, 2) != -ENODEV) << 5;
	wrong |= (vfiosafe_config_write8(bench.dev, 0x3c, 2) != -ENODEV) << 6;
	return wrong;
}

static void forked(enum way way)
{
	int status;
	pid_t pid;

	assert_ok(park(way));
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		_exit(in_the_child(way));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_parked();
	assert_ok(wake(way));
	assert_log(ways[way].wake);
}

static void a_forked_child_is_refused(void **state)
{
	(void)state;
	each_way(forked);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, driver_setup, bench_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_park_queues_behind_a_reset),
		TEST(a_reset_queues_behind_a_park_and_takes_over),
		TEST(a_wake_up_queues_behind_a_park),
		TEST(two_that_park_alike_both_succeed),
		TEST(of_two_that_park_differently_the_second_is_refused),
		TEST(a_park_behind_a_reset_that_fails_fails),
		TEST(who_waits_is_woken_with_it),
		TEST(who_waits_is_woken_by_a_close),
		TEST(who_waits_is_woken_by_a_fault),
		TEST(many_threads_may_park_and_wake_at_once),
		TEST(a_forked_child_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* Windows of several threads: joined, queued, waited for, passed into. */
#include "device.h"
#include "uapi.h"
#include "unit_driver.h"
#include "unit_thread.h"

static int reset_it(void)
{
	return vfiosafe_reset(bench.dev, NULL);
}

static int wait_for_it(void)
{
	return vfiosafe_wait(bench.dev, VFIOSAFE_FOREVER);
}

static bool waited; /* atomic */

/* What the SIGBUS handler does, in a thread that then waits. */
static int wait_after_a_fault(void)
{
	uint64_t gate = vsf_gate_word(bench.dev);
	int rc;

	__atomic_store_n(&bench.dev->words->gate,
			 vsf_word(vsf_word_generation(gate), VFIOSAFE_FAULT),
			 __ATOMIC_SEQ_CST);
	rc = wait_for_it();
	__atomic_store_n(&waited, true, __ATOMIC_RELEASE);
	return rc;
}

static int unmap_it(void)
{
	return vfiosafe_bar_unmap(bench.bar, 10000);
}

static int close_it(void)
{
	return vfiosafe_device_close(bench.dev, 10000);
}

/* In the reset: starts @beside, and goes on when that thread sleeps, or waits no more. */
static struct runner beside;
static int (*beside_fn)(void);

static void start_beside(struct fake *fake, enum fake_call call, uint64_t key)
{
	unsigned int before;

	if (call != FAKE_IOCTL || key != VFIO_DEVICE_RESET || !beside_fn)
		return;
	before = times_called(FAKE_FUTEX_WAIT);
	run_beside(&beside, beside_fn);
	beside_fn = NULL;
	until(times_called(FAKE_FUTEX_WAIT) > before ||
	      __atomic_load_n(&waited, __ATOMIC_ACQUIRE));
	(void)fake;
}

static void in_the_reset(int (*fn)(void))
{
	bench.k.real_clock = true;
	waited = false;
	beside_fn = fn;
	bench.k.hook = start_beside;
}

static void a_second_reset_joins_the_first(void **state)
{
	(void)state;
	in_the_reset(reset_it);
	assert_ok(vfiosafe_reset(bench.dev, NULL));
	assert_ok(run_ended(&beside));
	assert_int_equal(bench.fn->resets, 1);
	assert_generation(2);
}

static void a_second_reset_shares_the_failure_of_the_first(void **state)
{
	(void)state;
	driver.rc[REINIT] = -EIO;
	in_the_reset(reset_it);
	assert_int_equal(vfiosafe_reset(bench.dev, NULL), -EIO);
	assert_int_equal(run_ended(&beside), -EIO);
	assert_int_equal(bench.fn->resets, 1);
	assert_state(FAULT);
}

static void a_second_reset_of_a_window_called_off_is_called_off(void **state)
{
	(void)state;
	fake_fail(&bench.k, FAKE_IOCTL, VFIO_DEVICE_RESET, EINVAL, 1);
	in_the_reset(reset_it);
	assert_int_equal(vfiosafe_reset(bench.dev, NULL), -EOPNOTSUPP);
	assert_int_equal(run_ended(&beside), -EOPNOTSUPP);
	assert_generation(1);
}

static void who_waits_is_woken_by_live(void **state)
{
	(void)state;
	in_the_reset(wait_for_it);
	assert_ok(vfiosafe_reset(bench.dev, NULL));
	assert_ok(run_ended(&beside));
}

static void who_waits_is_woken_by_fault(void **state)
{
	(void)state;
	driver.rc[READY] = -EIO;
	in_the_reset(wait_for_it);
	assert_int_equal(vfiosafe_reset(bench.dev, NULL), -EIO);
	assert_int_equal(run_ended(&beside), -EIO);
}

/* The window that is open maps the BAR again, and opens the gate. */
static void who_waits_sleeps_through_a_fault_that_a_window_heals(void **state)
{
	(void)state;
	in_the_reset(wait_after_a_fault);
	assert_ok(vfiosafe_reset(bench.dev, NULL));
	assert_ok(run_ended(&beside));
	assert_state(LIVE);
	assert_generation(2);
}

static void an_unmap_queues_behind_the_reset(void **state)
{
	(void)state;
	in_the_reset(unmap_it);
	assert_ok(vfiosafe_reset(bench.dev, NULL));
	assert_ok(run_ended(&beside));
	assert_generation(2);
	assert_int_equal(fake_mapped(&bench.k), FAKE_PAGE);
}

static void a_close_ends_the_reset_and_frees_the_device(void **state)
{
	(void)state;
	in_the_reset(close_it);
	assert_int_equal(vfiosafe_reset(bench.dev, NULL), -ENODEV);
	assert_ok(run_ended(&beside));
	bench.dev = NULL;
	assert_int_equal(driver.count[REINIT], 0);
}

/* A change of ours (an unmap that drains) is not joined: a reset comes after it. */
static void a_reset_queues_behind_an_unmap(void **state)
{
	struct vfiosafe_window *win = NULL;
	struct holder holder = { 0 };
	struct runner unmap;
	int rc;

	(void)state;
	bench.k.real_clock = true;
	hold(&holder, &bench.view);
	run_beside(&unmap, unmap_it);
	until(vfiosafe_device_state(bench.dev) == VFIOSAFE_QUIESCE);
	assert_ok(vfiosafe_window_begin(&win, bench.dev, NULL));
	assert_int_equal(vfiosafe_window_poll(win), -EAGAIN);
	assert_int_equal(driver.count[QUIESCE], 0);
	assert_int_equal(vfiosafe_window_commit(win), -EINVAL);
	assert_ok(release(&holder));
	assert_ok(run_ended(&unmap));
	until((rc = vfiosafe_window_poll(win)) != -EAGAIN);
	assert_int_equal(rc, VFIOSAFE_STEP_COMMIT);
	vfiosafe_window_end(win);
	assert_generation(1);
}

static void a_window_that_queues_may_be_ended(void **state)
{
	struct vfiosafe_window *win = NULL;
	struct holder holder = { 0 };
	struct runner unmap;

	(void)state;
	bench.k.real_clock = true;
	hold(&holder, &bench.view);
	run_beside(&unmap, unmap_it);
	until(vfiosafe_device_state(bench.dev) == VFIOSAFE_QUIESCE);
	assert_ok(vfiosafe_window_begin(&win, bench.dev, NULL));
	vfiosafe_window_end(win);
	assert_ok(release(&holder));
	assert_ok(run_ended(&unmap));
	assert_state(LIVE);
}

/* Each window is driven by one thread; the others join or come after it. */
#define STORM_THREADS 4
#define STORM_RESETS 50

static int storm(void)
{
	for (int i = 0; i < STORM_RESETS; i++) {
		int rc = vfiosafe_reset(bench.dev, NULL);

		if (rc < 0)
			return rc;
	}
	return 0;
}

static void many_threads_may_reset_at_once(void **state)
{
	struct runner runners[STORM_THREADS];

	(void)state;
	bench.k.real_clock = true;
	assert_ok(vfiosafe_device_set_driver(bench.dev, NULL, NULL));
	for (int i = 0; i < STORM_THREADS; i++)
		run_beside(&runners[i], storm);
	for (int i = 0; i < STORM_THREADS; i++)
		assert_ok(run_ended(&runners[i]));
	assert_state(LIVE);
	assert_generation(bench.fn->resets + 1);
	assert_in_range(bench.fn->resets, STORM_RESETS, STORM_THREADS * STORM_RESETS);
}

/* Losses from one thread, windows from another, accesses from a third. */
static bool storm_over;

static int tell_of_losses(void)
{
	for (int i = 0; i < STORM_RESETS * STORM_THREADS; i++) {
		if (vfiosafe_mark_lost(bench.dev, i % 2 ? "one reason" : "another") < 0)
			return 1;
		sched_yield();
	}
	__atomic_store_n(&storm_over, true, __ATOMIC_RELEASE);
	return 0;
}

static int keep_reading(void)
{
	while (!__atomic_load_n(&storm_over, __ATOMIC_ACQUIRE)) {
		struct vfiosafe_view view;
		uint32_t value;
		int rc = vfiosafe_bar_view(bench.bar, &view);

		if (rc == 0)
			rc = vfiosafe_read32(&view, 0, &value);
		if (rc != 0 && rc != -EAGAIN && rc != -EIO && rc != -ESTALE)
			return rc;
	}
	return 0;
}

static void losses_and_windows_may_meet(void **state)
{
	struct runner losses, reader;

	(void)state;
	bench.k.real_clock = true;
	storm_over = false;
	assert_ok(vfiosafe_device_set_driver(bench.dev, NULL, NULL));
	run_beside(&reader, keep_reading);
	run_beside(&losses, tell_of_losses);
	while (!__atomic_load_n(&storm_over, __ATOMIC_ACQUIRE)) {
		int rc = vfiosafe_reset(bench.dev, NULL);

		assert_true(rc == 0 || rc == -EIO);
	}
	assert_ok(run_ended(&losses));
	assert_ok(run_ended(&reader));
	assert_ok(vfiosafe_recover(bench.dev, NULL));
	assert_state(LIVE);
	assert_generation(bench.fn->resets + 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, driver_setup, bench_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_second_reset_joins_the_first),
		TEST(a_second_reset_shares_the_failure_of_the_first),
		TEST(a_second_reset_of_a_window_called_off_is_called_off),
		TEST(who_waits_is_woken_by_live),
		TEST(who_waits_is_woken_by_fault),
		TEST(who_waits_sleeps_through_a_fault_that_a_window_heals),
		TEST(an_unmap_queues_behind_the_reset),
		TEST(a_close_ends_the_reset_and_frees_the_device),
		TEST(a_reset_queues_behind_an_unmap),
		TEST(a_window_that_queues_may_be_ended),
		TEST(many_threads_may_reset_at_once),
		TEST(losses_and_windows_may_meet),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

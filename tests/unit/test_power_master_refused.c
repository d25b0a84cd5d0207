/* SPDX-License-Identifier: MIT */
/* Bus mastering: when it cannot be set, and what waits while it is being set. */
#include "power_master_rig.h"
#include "unit_thread.h"

static int set_it(void)
{
	return set(true);
}

static void in_a_window_it_is_refused(void **state)
{
	struct vfiosafe_window *win = window_begin(1000);

	(void)state;
	assert_refused(set(true), EAGAIN, ADDRESS, "window", "vfiosafe_wait()");
	assert_int_equal(vfiosafe_window_poll(win), VFIOSAFE_STEP_COMMIT);
	assert_int_equal(on_another_thread(set_it), -EAGAIN);
	assert_false(is_master());
	vfiosafe_window_end(win);
	assert_ok(set(true));
}

static void in_fault_and_in_a_section_it_is_refused(void **state)
{
	struct vfiosafe_section sec;

	(void)state;
	assert_ok(vfiosafe_begin(&bench.view, &sec));
	assert_refused(set(true), EDEADLK, "vfiosafe_set_bus_master", "section");
	assert_ok(vfiosafe_end(&sec));
	assert_ok(vfiosafe_mark_lost(bench.dev, "by the test"));
	assert_refused(set(true), EIO, "FAULT");
	assert_log("lost");
}

/* By a link reset, say: writing COMMAND back as it is would make the kernel believe it. */
static void decode_that_was_lost_behind_us_is_fault(void **state)
{
	(void)state;
	fake_set_command(bench.fn, 0);
	assert_refused(set(true), EIO, ADDRESS, "memory decode");
	assert_log("lost");
	assert_state(FAULT);
	assert_int_equal(vfiosafe_device_cause(bench.dev), VFIOSAFE_CAUSE_DEAD);
	assert_int_equal(fake_command(bench.fn), 0);
}

static int close_soon(void)
{
	return vfiosafe_device_close(bench.dev, 1);
}

static void a_device_that_is_gone_is_left_alone(void **state)
{
	struct holder holder = { 0 };

	(void)state;
	hold(&holder, &bench.view);
	assert_int_equal(on_another_thread(close_soon), -EBUSY);
	assert_state(GONE);
	assert_refused(set(true), ENODEV, "gone");
	for (int way = 0; way < WAYS; way++) {
		assert_int_equal(park((enum way)way), -ENODEV);
		assert_int_equal(wake((enum way)way), -ENODEV);
	}
	assert_log("");
	assert_int_equal(release(&holder), -ENODEV);
}

static void a_parked_device_that_is_gone_is_left_alone(void **state)
{
	(void)state;
	assert_ok(park(DECODE));
	/* A close that does not end: sections cannot be waited for. */
	fake_fail(&bench.k, FAKE_MEMBARRIER, FAKE_ANY, EPERM, 2);
	assert_int_equal(vfiosafe_device_close(bench.dev, 0), -EBUSY);
	assert_state(GONE);
	assert_refused(set(true), ENODEV, "gone");
	assert_int_equal(wake(DECODE), -ENODEV);
}

static void a_kernel_that_refuses_is_named(void **state)
{
	(void)state;
	fake_fail(&bench.k, FAKE_PWRITE, FAKE_CONFIG + 4, EPERM, 1);
	assert_refused(set(true), EPERM, ADDRESS, "COMMAND", strerror(EPERM));
	fake_fail(&bench.k, FAKE_PREAD, FAKE_CONFIG + 4, EPERM, 1);
	assert_refused(set(true), EPERM, ADDRESS, "COMMAND");
	/* Nor is it what a reset comes back to. */
	assert_ok(reset_ms(1000));
	assert_false(is_master());
}

/* Between the read of COMMAND and the write no window begins, nor a second change. */
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

static int reset_it(void)
{
	return vfiosafe_reset(bench.dev, NULL);
}

static int close_it(void)
{
	return vfiosafe_device_close(bench.dev, 10000);
}

static void beside_a_change(int (*fn)(void))
{
	bench.k.real_clock = true;
	fake_log_clear(&bench.k);
	beside_fn = fn;
	bench.k.hook = start_beside;
}

static void a_window_queues_behind_a_change(void **state)
{
	(void)state;
	beside_a_change(reset_it);
	assert_ok(set(true));
	assert_ok(run_ended(&beside));
	assert_log("COMMAND=0006 quiesce COMMAND=0002 RESET ready COMMAND=0002 "
		   "COMMAND=0006 reinit");
}

static int clear_it(void)
{
	return set(false);
}

static void a_change_queues_behind_a_change(void **state)
{
	(void)state;
	beside_a_change(clear_it);
	assert_ok(set(true));
	assert_ok(run_ended(&beside));
	assert_log("COMMAND=0006 COMMAND=0002");
}

static void a_close_waits_for_a_change(void **state)
{
	(void)state;
	beside_a_change(close_it);
	(void)set(true);
	assert_ok(run_ended(&beside));
	bench.dev = NULL;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, driver_setup, bench_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(in_a_window_it_is_refused),
		TEST(in_fault_and_in_a_section_it_is_refused),
		TEST(decode_that_was_lost_behind_us_is_fault),
		TEST(a_device_that_is_gone_is_left_alone),
		TEST(a_parked_device_that_is_gone_is_left_alone),
		TEST(a_kernel_that_refuses_is_named),
		TEST(a_window_queues_behind_a_change),
		TEST(a_change_queues_behind_a_change),
		TEST(a_close_waits_for_a_change),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

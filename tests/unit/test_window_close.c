/* SPDX-License-Identifier: MIT */
/* Devices closed in the middle of a window, and what is left of them. */
#include "unit_driver.h"

/* Close while a window of the same thread is open, at each phase of it. */
static void closes_at(struct vfiosafe_window *win, int step)
{
	assert_refused(vfiosafe_device_close(bench.dev, 10), EBUSY, ADDRESS,
		       "window is open");
	assert_state(GONE);
	assert_int_equal(vfiosafe_wait(bench.dev, VFIOSAFE_FOREVER), -ENODEV);
	if (step)
		assert_int_equal(step == 1   ? vfiosafe_window_poll(win)
				 : step == 2 ? vfiosafe_window_commit(win)
					     : vfiosafe_window_finish(win),
				 -ENODEV);
	vfiosafe_window_end(win);
	assert_state(GONE);
	bench_close();
}

static void a_device_closed_while_it_drains_is_gone(void **state)
{
	(void)state;
	closes_at(window_begin(1000), 1);
}

static void a_device_closed_before_commit_is_gone(void **state)
{
	struct vfiosafe_window *win = window_begin(1000);

	(void)state;
	assert_int_equal(vfiosafe_window_poll(win), VFIOSAFE_STEP_COMMIT);
	closes_at(win, 2);
	assert_int_equal(bench.fn->resets, 0);
}

static void a_device_closed_before_it_is_ready_is_gone(void **state)
{
	(void)state;
	closes_at(window_committed(), 1);
}

static void a_device_closed_before_finish_is_gone(void **state)
{
	struct vfiosafe_window *win = window_committed();

	(void)state;
	assert_int_equal(vfiosafe_window_poll(win), VFIOSAFE_STEP_FINISH);
	closes_at(win, 3);
	assert_int_equal(driver.count[REINIT], 0);
}

static void a_device_closed_in_a_window_that_is_then_ended_is_gone(void **state)
{
	(void)state;
	closes_at(window_committed(), 0);
	assert_int_equal(driver.count[LOST], 0);
}

static void touch(struct vfiosafe_device *dev, enum callback which)
{
	uint32_t value;

	(void)dev;
	if (which == RESUME)
		assert_int_equal(vfiosafe_read32(&bench.view, 0, &value), -ENODEV);
}

static void nothing_touches_a_device_closed_after_quiesce(void **state)
{
	struct vfiosafe_window *win = window_begin(1000);

	(void)state;
	driver.inside = touch;
	assert_int_equal(vfiosafe_window_poll(win), VFIOSAFE_STEP_COMMIT);
	closes_at(win, 0);
}

static void a_device_closed_in_fault_is_gone(void **state)
{
	(void)state;
	assert_ok(vfiosafe_mark_lost(bench.dev, NULL));
	bench_close();
}

static void what_is_gone_stays_gone(void **state)
{
	struct vfiosafe_window *win = window_begin(1000), *other = NULL;
	struct vfiosafe_bar *bar = NULL;
	struct vfiosafe_view view;

	(void)state;
	assert_int_equal(vfiosafe_device_close(bench.dev, 0), -EBUSY);
	vfiosafe_window_end(win);
	assert_refused(vfiosafe_window_begin(&other, bench.dev, NULL), ENODEV, "gone");
	assert_refused(vfiosafe_reset(bench.dev, NULL), ENODEV, "gone");
	assert_refused(vfiosafe_recover(bench.dev, NULL), ENODEV, "gone");
	assert_refused(vfiosafe_mark_lost(bench.dev, "x"), ENODEV, "gone");
	assert_refused(vfiosafe_bar_view(bench.bar, &view), ENODEV, "gone");
	assert_refused(vfiosafe_bar_map(&bar, bench.dev, 0, 0, 0, 0), ENODEV, "gone");
	assert_null(bar);
	assert_null(other);
	assert_ok(vfiosafe_bar_unmap(bench.bar, 0));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, driver_setup, bench_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_device_closed_while_it_drains_is_gone),
		TEST(a_device_closed_before_commit_is_gone),
		TEST(a_device_closed_before_it_is_ready_is_gone),
		TEST(a_device_closed_before_finish_is_gone),
		TEST(a_device_closed_in_a_window_that_is_then_ended_is_gone),
		TEST(nothing_touches_a_device_closed_after_quiesce),
		TEST(a_device_closed_in_fault_is_gone),
		TEST(what_is_gone_stays_gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* A window step by step: the right order, the wrong order, and every early end. */
#include "uapi.h"
#include "unit_driver.h"

static void each_step_says_which_comes_next(void **state)
{
	struct vfiosafe_window *win = window_begin(1000);

	(void)state;
	assert_state(QUIESCE);
	assert_int_equal(driver.count[QUIESCE], 0);
	assert_int_equal(vfiosafe_window_poll(win), VFIOSAFE_STEP_COMMIT);
	assert_int_equal(vfiosafe_window_poll(win), VFIOSAFE_STEP_COMMIT);
	assert_int_equal(driver.count[QUIESCE], 1);
	assert_ok(vfiosafe_window_commit(win));
	assert_state(REINIT);
	assert_generation(2);
	assert_int_equal(vfiosafe_window_poll(win), VFIOSAFE_STEP_FINISH);
	assert_int_equal(vfiosafe_window_poll(win), VFIOSAFE_STEP_FINISH);
	assert_int_equal(driver.count[READY], 1);
	assert_ok(vfiosafe_window_finish(win));
	assert_state(LIVE);
	assert_refused(vfiosafe_window_poll(win), EINVAL, "over");
	vfiosafe_window_end(win);
	assert_state(LIVE);
	assert_generation(2);
}

static void poll_does_not_sleep(void **state)
{
	struct vfiosafe_window *win;

	(void)state;
	driver.rc[READY] = -EAGAIN;
	driver.times[READY] = 2;
	win = window_committed();
	assert_int_equal(vfiosafe_window_poll(win), -EAGAIN);
	assert_int_equal(vfiosafe_window_poll(win), -EAGAIN);
	assert_int_equal(vfiosafe_window_poll(win), VFIOSAFE_STEP_FINISH);
	assert_int_equal(bench.k.count[FAKE_SLEEP], 0);
	assert_int_equal(bench.k.count[FAKE_FUTEX_WAIT], 0);
	assert_ok(vfiosafe_window_finish(win));
	vfiosafe_window_end(win);
}

static void steps_at_the_wrong_time_are_refused(void **state)
{
	struct vfiosafe_window *win = window_begin(1000);

	(void)state;
	assert_refused(vfiosafe_window_commit(win), EINVAL, "vfiosafe_window_commit",
		       "vfiosafe_window_poll()");
	assert_refused(vfiosafe_window_finish(win), EINVAL, "vfiosafe_window_finish");
	assert_int_equal(vfiosafe_window_poll(win), VFIOSAFE_STEP_COMMIT);
	assert_refused(vfiosafe_window_finish(win), EINVAL, "vfiosafe_window_finish");
	assert_ok(vfiosafe_window_commit(win));
	assert_refused(vfiosafe_window_commit(win), EINVAL, "vfiosafe_window_commit");
	assert_refused(vfiosafe_window_finish(win), EINVAL, "vfiosafe_window_finish");
	assert_int_equal(vfiosafe_window_poll(win), VFIOSAFE_STEP_FINISH);
	assert_refused(vfiosafe_window_commit(win), EINVAL, "vfiosafe_window_commit");
	assert_ok(vfiosafe_window_finish(win));
	assert_refused(vfiosafe_window_commit(win), EINVAL, "vfiosafe_window_commit");
	assert_refused(vfiosafe_window_finish(win), EINVAL, "vfiosafe_window_finish");
	vfiosafe_window_end(win);
	assert_int_equal(bench.fn->resets, 1);
}

static void a_window_ended_before_the_drain_changes_nothing(void **state)
{
	(void)state;
	vfiosafe_window_end(window_begin(1000));
	assert_state(LIVE);
	assert_generation(1);
	assert_log("");
}

static void a_window_ended_before_commit_is_resumed(void **state)
{
	struct vfiosafe_window *win = window_begin(1000);

	(void)state;
	assert_int_equal(vfiosafe_window_poll(win), VFIOSAFE_STEP_COMMIT);
	vfiosafe_window_end(win);
	assert_log("quiesce resume");
	assert_state(LIVE);
	assert_generation(1);
}

static void a_window_ended_after_commit_is_a_fault(void **state)
{
	(void)state;
	vfiosafe_window_end(window_committed());
	assert_state(FAULT);
	assert_generation(2);
	assert_int_equal(vfiosafe_device_cause(bench.dev), VFIOSAFE_CAUSE_DRIVER);
	assert_int_equal(driver.count[LOST], 1);
	assert_ok(vfiosafe_recover(bench.dev, NULL));
	assert_generation(3);
}

static void a_window_ended_before_finish_is_a_fault(void **state)
{
	struct vfiosafe_window *win = window_committed();

	(void)state;
	assert_int_equal(vfiosafe_window_poll(win), VFIOSAFE_STEP_FINISH);
	vfiosafe_window_end(win);
	assert_state(FAULT);
}

static void a_recovery_ended_before_commit_stays_a_fault(void **state)
{
	(void)state;
	assert_ok(vfiosafe_mark_lost(bench.dev, "by the test"));
	vfiosafe_window_end(window_begin(1000));
	assert_state(FAULT);
	assert_generation(1);
	assert_int_equal(driver.count[RESUME], 0);
}

static void a_second_window_joins_the_first(void **state)
{
	struct vfiosafe_window *first = window_begin(1000), *second = window_begin(1000);

	(void)state;
	assert_int_equal(vfiosafe_window_poll(second), -EAGAIN);
	assert_refused(vfiosafe_window_commit(second), EINVAL, "vfiosafe_window_commit");
	assert_int_equal(vfiosafe_window_poll(first), VFIOSAFE_STEP_COMMIT);
	assert_int_equal(vfiosafe_window_poll(second), -EAGAIN);
	assert_ok(vfiosafe_window_commit(first));
	assert_int_equal(vfiosafe_window_poll(first), VFIOSAFE_STEP_FINISH);
	assert_int_equal(vfiosafe_window_poll(second), -EAGAIN);
	assert_ok(vfiosafe_window_finish(first));
	assert_int_equal(vfiosafe_window_poll(second), VFIOSAFE_STEP_DONE);
	vfiosafe_window_end(first);
	assert_int_equal(vfiosafe_window_poll(second), VFIOSAFE_STEP_DONE);
	vfiosafe_window_end(second);
	assert_int_equal(bench.fn->resets, 1);
	assert_generation(2);
}

static void who_joined_gets_the_failure_too(void **state)
{
	struct vfiosafe_window *first = window_begin(1000), *second = window_begin(1000);

	(void)state;
	driver.rc[QUIESCE] = -EPERM;
	assert_int_equal(vfiosafe_window_poll(first), -ECANCELED);
	vfiosafe_window_end(first);
	assert_refused(vfiosafe_window_poll(second), ECANCELED, "vetoed");
	vfiosafe_window_end(second);
}

static void who_joined_may_leave(void **state)
{
	struct vfiosafe_window *first = window_begin(1000);

	(void)state;
	vfiosafe_window_end(window_begin(1000));
	assert_state(QUIESCE);
	assert_int_equal(vfiosafe_window_poll(first), VFIOSAFE_STEP_COMMIT);
	assert_ok(vfiosafe_window_commit(first));
	assert_int_equal(vfiosafe_window_poll(first), VFIOSAFE_STEP_FINISH);
	assert_ok(vfiosafe_window_finish(first));
	vfiosafe_window_end(first);
	assert_generation(2);
}

static void who_joined_keeps_its_own_deadline(void **state)
{
	struct vfiosafe_window *first = window_begin(1000), *second = window_begin(10);

	(void)state;
	fake_advance_ms(&bench.k, 11);
	assert_refused(vfiosafe_window_poll(second), ETIMEDOUT, ADDRESS, "joined");
	vfiosafe_window_end(second);
	assert_int_equal(vfiosafe_window_poll(first), VFIOSAFE_STEP_COMMIT);
	vfiosafe_window_end(first);
	assert_state(LIVE);
}

static void the_deadline_can_be_read_while_a_window_is_open(void **state)
{
	struct vfiosafe_window *win;

	(void)state;
	assert_int_equal(vfiosafe_window_deadline(bench.dev), VFIOSAFE_FOREVER);
	win = window_begin(250);
	assert_int_equal(vfiosafe_window_deadline(bench.dev), bench.k.now + 250000000);
	vfiosafe_window_end(win);
	assert_int_equal(vfiosafe_window_deadline(bench.dev), VFIOSAFE_FOREVER);
}

static void the_driver_cannot_be_changed_in_a_window(void **state)
{
	struct vfiosafe_window *win = window_begin(1000);

	(void)state;
	assert_refused(vfiosafe_device_set_driver(bench.dev, NULL, NULL), EBUSY, ADDRESS,
		       "window is open");
	vfiosafe_window_end(win);
	assert_ok(vfiosafe_device_set_driver(bench.dev, NULL, NULL));
	assert_ok(vfiosafe_reset(bench.dev, NULL));
	assert_int_equal(driver.count[QUIESCE], 0);
}

static void driver_ops_of_another_size(void **state)
{
	struct {
		struct vfiosafe_driver_ops ops;
		uint64_t later;
	} newer = { .ops.size = sizeof(newer) };
	struct vfiosafe_driver_ops ops = { .size = 0 };

	(void)state;
	assert_refused(vfiosafe_device_set_driver(bench.dev, &ops, NULL), EINVAL,
		       "ops->size", "sizeof");
	newer.later = 1;
	assert_refused(vfiosafe_device_set_driver(bench.dev, &newer.ops, NULL), EINVAL,
		       "ops->size");
	newer.later = 0;
	assert_ok(vfiosafe_device_set_driver(bench.dev, &newer.ops, NULL));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, driver_setup, bench_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(each_step_says_which_comes_next),
		TEST(poll_does_not_sleep),
		TEST(steps_at_the_wrong_time_are_refused),
		TEST(a_window_ended_before_the_drain_changes_nothing),
		TEST(a_window_ended_before_commit_is_resumed),
		TEST(a_window_ended_after_commit_is_a_fault),
		TEST(a_window_ended_before_finish_is_a_fault),
		TEST(a_recovery_ended_before_commit_stays_a_fault),
		TEST(a_second_window_joins_the_first),
		TEST(who_joined_gets_the_failure_too),
		TEST(who_joined_may_leave),
		TEST(who_joined_keeps_its_own_deadline),
		TEST(the_deadline_can_be_read_while_a_window_is_open),
		TEST(the_driver_cannot_be_changed_in_a_window),
		TEST(driver_ops_of_another_size),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* opts.drain: a program's own grace period, beside the library's. */
#include "drain_rig.h"
#include "power_rig.h"
#include "unit_thread.h"

static void it_is_asked_before_quiesce(void **state)
{
	(void)state;
	assert_ok(reset_ms(1000));
	assert_log("drain quiesce COMMAND=0002 RESET ready COMMAND=0002 reinit");
	assert_int_equal(own.state, VFIOSAFE_QUIESCE);
	assert_live(2);
}

static void it_is_asked_again_until_it_is_over(void **state)
{
	(void)state;
	own.not_yet = 3;
	assert_ok(reset_ms(1000));
	assert_log("drain drain drain drain quiesce COMMAND=0002 RESET ready COMMAND=0002 "
		   "reinit");
}

static void each_window_has_another_number(void **state)
{
	(void)state;
	own.not_yet = 2;
	for (unsigned int i = 1; i <= 5; i++) {
		assert_ok(reset_ms(1000));
		assert_int_equal(own.windows, i);
		assert_int_equal(own.calls, 3);
	}
	driver.rc[QUIESCE] = -EPERM;
	assert_int_equal(reset_ms(1000), -ECANCELED);
	assert_int_equal(own.windows, 6);
}

static void it_is_told_the_deadline(void **state)
{
	int64_t from = bench.k.now;

	(void)state;
	assert_ok(reset_ms(1000));
	assert_int_equal(own.deadline, from + 1000000000);
}

static void a_veto_calls_the_window_off(void **state)
{
	(void)state;
	own.rc = -EPERM;
	assert_refused(reset_ms(1000), ECANCELED, ADDRESS, "opts.drain", "refused", "-1");
	assert_log("drain");
	assert_live(1);
	own.rc = 7;
	assert_refused(reset_ms(1000), ECANCELED, "opts.drain", "refused");
	assert_live(1);
}

static void a_veto_is_one_for_a_forced_reset_too(void **state)
{
	const struct vfiosafe_reset_opts force = { .size = sizeof(force),
						   .policy = VFIOSAFE_POLICY_FORCE };

	(void)state;
	own.rc = -EPERM;
	assert_refused(vfiosafe_reset(bench.dev, &force), ECANCELED, "opts.drain");
	assert_live(1);
	assert_int_equal(bench.fn->resets, 0);
}

static void one_that_never_ends_calls_the_window_off(void **state)
{
	int64_t from = bench.k.now;

	(void)state;
	own.rc = -EAGAIN;
	assert_refused(reset_ms(100), ETIMEDOUT, ADDRESS, "opts.drain", "deadline");
	assert_in_range(bench.k.now - from, 100000000, 110000000);
	assert_int_equal(driver.count[QUIESCE], 0);
	assert_live(1);
	own.rc = 0;
	assert_ok(reset_ms(100));
}

static void one_that_takes_too_long_calls_the_window_off(void **state)
{
	(void)state;
	own.takes_ms = 200;
	assert_refused(reset_ms(100), ETIMEDOUT, "deadline");
	assert_live(1);
	assert_int_equal(bench.fn->resets, 0);
}

static void sections_come_first(void **state)
{
	struct vfiosafe_window *win;
	struct holder holder = { 0 };

	(void)state;
	hold(&holder, &bench.view);
	win = window_begin(1000);
	assert_int_equal(vfiosafe_window_poll(win), -EAGAIN);
	assert_int_equal(own.calls, 0);
	assert_ok(release(&holder));
	own.not_yet = 1;
	assert_int_equal(vfiosafe_window_poll(win), -EAGAIN);
	assert_int_equal(own.calls, 1);
	assert_int_equal(vfiosafe_window_poll(win), VFIOSAFE_STEP_COMMIT);
	assert_int_equal(vfiosafe_window_poll(win), VFIOSAFE_STEP_COMMIT);
	assert_int_equal(own.calls, 2);
	vfiosafe_window_end(win);
	assert_live(1);
}

static void parking(enum way way)
{
	own.not_yet = 1;
	own.rc = -EPERM;
	assert_refused(park(way), ECANCELED, "opts.drain");
	assert_log("drain drain");
	own.rc = 0;
	assert_ok(park(way));
	assert_int_equal(own.windows, 2);
	/* Nobody is there who could be waited for. */
	own.rc = -EPERM;
	assert_ok(wake(way));
	assert_log(ways[way].wake);
	own.rc = 0;
	assert_ok(park(way));
	own.rc = -EPERM;
	assert_ok(vfiosafe_reset(bench.dev, NULL));
	assert_int_equal(own.windows, 3);
}

static void it_is_asked_before_parking_and_not_before_waking(void **state)
{
	(void)state;
	for (int way = 0; way < WAYS; way++) {
		void *again = &bench;

		parking((enum way)way);
		assert_ok(bench_teardown(&again));
		assert_ok(drain_setup(&again));
	}
}

static void it_is_asked_before_a_recovery(void **state)
{
	(void)state;
	assert_ok(vfiosafe_mark_lost(bench.dev, "by the test"));
	own.rc = -EPERM;
	fake_log_clear(&bench.k);
	assert_refused(vfiosafe_recover(bench.dev, NULL), EIO, "opts.drain");
	assert_state(FAULT);
	own.rc = 0;
	fake_log_clear(&bench.k);
	assert_ok(vfiosafe_recover(bench.dev, NULL));
	assert_log("drain COMMAND=0002 RESET ready COMMAND=0002 reinit");
	assert_live(2);
}

static void call_back(void)
{
	struct vfiosafe_section sec;
	uint32_t value;

	assert_refused(vfiosafe_reset(bench.dev, NULL), EDEADLK, "callback");
	assert_refused(vfiosafe_wait(bench.dev, 0), EDEADLK, "callback");
	assert_refused(vfiosafe_device_close(bench.dev, 0), EDEADLK, "callback");
	assert_refused(vfiosafe_set_decode(bench.dev, false, NULL), EDEADLK, "callback");
	assert_int_equal(vfiosafe_set_bus_master(bench.dev, true), -EAGAIN);
	assert_int_equal(vfiosafe_window_pass(bench.dev, true), -EINVAL);
	assert_int_equal(vfiosafe_read32(&bench.view, 0, &value), -EAGAIN);
	assert_int_equal(vfiosafe_begin(&bench.view, &sec), -EAGAIN);
}

static void it_may_not_access_the_device(void **state)
{
	(void)state;
	own.inside = call_back;
	assert_ok(reset_ms(1000));
	assert_live(2);
}

static void mark_lost(void)
{
	assert_ok(vfiosafe_mark_lost(bench.dev, "in the drain"));
}

static void a_loss_meanwhile_makes_it_a_recovery(void **state)
{
	(void)state;
	own.inside = mark_lost;
	own.not_yet = 2;
	assert_ok(reset_ms(1000));
	assert_live(2);
	assert_int_equal(driver.count[QUIESCE], 0);
	assert_refused(park(LOW_POWER), EIO, "in the drain");
	assert_state(FAULT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, drain_setup, bench_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(it_is_asked_before_quiesce),
		TEST(it_is_asked_again_until_it_is_over),
		TEST(each_window_has_another_number),
		TEST(it_is_told_the_deadline),
		TEST(a_veto_calls_the_window_off),
		TEST(a_veto_is_one_for_a_forced_reset_too),
		TEST(one_that_never_ends_calls_the_window_off),
		TEST(one_that_takes_too_long_calls_the_window_off),
		TEST(sections_come_first),
		TEST(it_is_asked_before_parking_and_not_before_waking),
		TEST(it_is_asked_before_a_recovery),
		TEST(it_may_not_access_the_device),
		TEST(a_loss_meanwhile_makes_it_a_recovery),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

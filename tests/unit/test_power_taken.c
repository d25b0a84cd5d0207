/* SPDX-License-Identifier: MIT */
/* What becomes of a parked device: resets that take it over, BARs, its end. */
#include "power_rig.h"
#include "uapi.h"

static const char *const taken[WAYS] = {
	[D3HOT_KEPT] = "COMMAND=0002 PMCSR=0008 RESET ready COMMAND=0002 COMMAND=0006 reinit",
	[D3HOT_LOST] = "COMMAND=0002 PMCSR=0000 RESET ready COMMAND=0002 COMMAND=0006 reinit",
	[LOW_POWER] = "COMMAND=0002 RESET AWAKE ready COMMAND=0002 COMMAND=0006 reinit",
	[WAKEUP] = "COMMAND=0002 RESET AWAKE ready COMMAND=0002 COMMAND=0006 reinit",
	[DECODE] = "COMMAND=0002 RESET ready COMMAND=0002 COMMAND=0006 reinit",
};

static void taken_over(enum way way)
{
	assert_log(taken[way]);
	assert_awake(2);
	assert_int_equal(fake_command(bench.fn), 0x0006);
	assert_int_equal(bench.fn->config[FAKE_PMCSR] & 3, 0);
	assert_false(bench.fn->low_power);
	assert_int_equal(driver.count[QUIESCE], 1);
	/* It is parked no longer: what wakes it has nothing to do. */
	assert_ok(wake(way));
	assert_log("");
}

static void by_reset(enum way way)
{
	parked(way);
	assert_ok(vfiosafe_reset(bench.dev, NULL));
	taken_over(way);
}

static void a_reset_takes_it_over(void **state)
{
	(void)state;
	each_way(by_reset);
}

static void by_recover(enum way way)
{
	parked(way);
	assert_ok(vfiosafe_recover(bench.dev, NULL));
	taken_over(way);
}

static void so_does_a_recovery(void **state)
{
	(void)state;
	each_way(by_recover);
}

static void by_steps(enum way way)
{
	struct vfiosafe_window *win;

	parked(way);
	win = window_begin(1000);
	assert_parked();
	assert_int_equal(vfiosafe_window_poll(win), VFIOSAFE_STEP_COMMIT);
	assert_log("");
	assert_ok(vfiosafe_window_commit(win));
	assert_int_equal(vfiosafe_window_poll(win), VFIOSAFE_STEP_FINISH);
	assert_ok(vfiosafe_window_finish(win));
	vfiosafe_window_end(win);
	taken_over(way);
}

static void so_does_one_step_by_step(void **state)
{
	(void)state;
	each_way(by_steps);
}

static void given_up(enum way way)
{
	struct vfiosafe_window *win;

	parked(way);
	vfiosafe_window_end(window_begin(1000));
	assert_parked();
	win = window_begin(1000);
	assert_int_equal(vfiosafe_window_poll(win), VFIOSAFE_STEP_COMMIT);
	vfiosafe_window_end(win);
	assert_log("");
	assert_parked();
	assert_ok(wake(way));
	assert_log(way == DECODE       ? "COMMAND=0006 resume"
		   : way == D3HOT_KEPT ? "PMCSR=0008 COMMAND=0006 resume"
		   : way == D3HOT_LOST ? "PMCSR=0000 ready COMMAND=0002 COMMAND=0006 reinit"
				       : "AWAKE ready COMMAND=0002 COMMAND=0006 reinit");
	assert_awake(ways[way].keeps ? 1 : 2);
}

static void a_window_that_is_given_up_leaves_it_parked(void **state)
{
	(void)state;
	each_way(given_up);
}

static void reset_fails(enum way way, int err)
{
	const struct vfiosafe_reset_opts opts = { .size = sizeof(opts), .timeout_ms = 50 };

	parked(way);
	fake_fail(&bench.k, FAKE_IOCTL, VFIO_DEVICE_RESET, err, 100000);
	assert_refused(vfiosafe_reset(bench.dev, &opts), EIO, ADDRESS, "unknown");
	assert_state(FAULT);
	assert_int_equal(driver.count[LOST], 1);
	assert_int_equal(driver.count[RESUME], 0);
	assert_refused(wake(way), EIO, "FAULT");
	assert_refused(park(way), EIO, "FAULT");
	memset(bench.k.rule, 0, sizeof(bench.k.rule));
	assert_ok(vfiosafe_recover(bench.dev, NULL));
	assert_awake(2);
	assert_int_equal(fake_command(bench.fn), 0x0006);
}

static void is_locked(enum way way)
{
	reset_fails(way, EAGAIN);
}

static void has_no_method(enum way way)
{
	reset_fails(way, ENOTTY);
}

/* Even what loses nothing of a device in D0: it was not in D0, or not for sure. */
static void a_reset_that_fails_then_is_a_fault(void **state)
{
	(void)state;
	each_way(is_locked);
	each_way(has_no_method);
}

static void bars(enum way way)
{
	struct vfiosafe_bar *bar = NULL;
	struct vfiosafe_view view;
	uint32_t value;

	assert_ok(park(way));
	assert_ok(vfiosafe_bar_map(&bar, bench.dev, 0, 0x1000, 0x1000, 0));
	assert_int_equal(vfiosafe_bar_view(bar, &view), -EAGAIN);
	assert_ok(vfiosafe_bar_unmap(bench.bar, 100));
	bench.bar = NULL;
	assert_state(RESETTING);
	assert_ok(wake(way));
	assert_log(ways[way].wake);
	assert_ok(vfiosafe_bar_view(bar, &view));
	assert_ok(vfiosafe_read32(&view, 0, &value));
}

static void bars_come_and_go_meanwhile(void **state)
{
	(void)state;
	each_way(bars);
}

static void marked_then_reset(enum way way)
{
	parked(way);
	assert_ok(vfiosafe_mark_lost(bench.dev, "while it slept"));
	assert_ok(vfiosafe_bar_unmap(bench_map(0, 0, 0, 0), 100));
	assert_ok(vfiosafe_reset(bench.dev, NULL));
	taken_over(way);
	assert_int_equal(driver.count[LOST], 0);
}

static void a_reset_heals_it(void **state)
{
	(void)state;
	each_way(marked_then_reset);
}

static void closed(enum way way)
{
	assert_ok(park(way));
	bench_close();
	assert_int_equal(driver.count[LOST] + driver.count[RESUME], 0);
}

static void it_may_be_closed_as_it_is(void **state)
{
	(void)state;
	each_way(closed);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, driver_setup, bench_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_reset_takes_it_over),
		TEST(so_does_a_recovery),
		TEST(so_does_one_step_by_step),
		TEST(a_window_that_is_given_up_leaves_it_parked),
		TEST(a_reset_that_fails_then_is_a_fault),
		TEST(bars_come_and_go_meanwhile),
		TEST(a_reset_heals_it),
		TEST(it_may_be_closed_as_it_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* Bus mastering: set without a window, kept across every one. */
#include "power_master_rig.h"
#include "uapi.h"

static void it_is_set_without_a_window(void **state)
{
	struct vfiosafe_view view = bench.view;
	uint32_t value;

	(void)state;
	fake_set_command(bench.fn, 0x0402);
	assert_ok(set(true));
	assert_log("COMMAND=0406");
	assert_ok(set(true));
	assert_ok(set(false));
	assert_log("COMMAND=0406 COMMAND=0406 COMMAND=0402");
	assert_state(LIVE);
	assert_generation(1);
	assert_ok(vfiosafe_read32(&view, 0, &value));
	assert_int_equal(driver.count[QUIESCE], 0);
}

/* What was set last, whatever the device, or a reset, made of COMMAND. */
static void a_reset_comes_back_to_it(void **state)
{
	(void)state;
	bench.fn->resets_command = true;
	assert_ok(set(true));
	assert_ok(reset_ms(1000));
	assert_true(is_master());
	assert_ok(set(false));
	assert_ok(reset_ms(1000));
	assert_false(is_master());
}

static void so_does_a_recovery(void **state)
{
	(void)state;
	assert_ok(set(true));
	assert_ok(vfiosafe_mark_lost(bench.dev, "by the test"));
	fake_set_command(bench.fn, 0);
	assert_ok(vfiosafe_recover(bench.dev, NULL));
	assert_int_equal(fake_command(bench.fn), 0x0006);
	assert_ok(set(false));
	assert_ok(vfiosafe_mark_lost(bench.dev, "by the test"));
	fake_set_command(bench.fn, 0);
	assert_ok(vfiosafe_recover(bench.dev, NULL));
	assert_int_equal(fake_command(bench.fn), 0x0002);
}

static void a_recovery_comes_back_to_what_the_last_window_found(void **state)
{
	(void)state;
	/* Set behind the library; seen by a window that then failed. */
	fake_set_command(bench.fn, 0x0006);
	fake_fail(&bench.k, FAKE_IOCTL, VFIO_DEVICE_RESET, EIO, 1);
	assert_int_equal(reset_ms(1000), -EIO);
	assert_int_equal(fake_command(bench.fn), 0x0002);
	assert_ok(vfiosafe_recover(bench.dev, NULL));
	assert_int_equal(fake_command(bench.fn), 0x0006);
}

static void wakes_up_to(enum way way)
{
	assert_ok(set(true));
	assert_ok(park(way));
	assert_false(is_master());
	assert_ok(wake(way));
	assert_true(is_master());
	/* Of a parked device: noted, and nothing else. */
	assert_ok(park(way));
	fake_log_clear(&bench.k);
	assert_ok(set(false));
	assert_log("");
	assert_parked();
	assert_ok(wake(way));
	assert_false(is_master());
	assert_ok(park(way));
	assert_ok(set(true));
	assert_ok(vfiosafe_reset(bench.dev, NULL));
	assert_true(is_master());
}

static void a_wake_up_comes_back_to_it(void **state)
{
	(void)state;
	each_way(wakes_up_to);
}

static void opted_out(enum way way)
{
	bench_close();
	bench.opts.keep_bus_master_off = true;
	bench_open();
	assert_ok(set(true));
	assert_ok(park(way));
	assert_ok(wake(way));
	/* Where the state was kept it was no reset, and the driver's state too. */
	assert_int_equal(is_master(), ways[way].keeps);
	assert_ok(set(true));
	assert_true(is_master());
	assert_ok(vfiosafe_reset(bench.dev, NULL));
	assert_false(is_master());
	assert_ok(set(true));
	assert_ok(vfiosafe_mark_lost(bench.dev, "by the test"));
	assert_ok(vfiosafe_recover(bench.dev, NULL));
	assert_false(is_master());
}

static void after_a_reset_it_stays_off_if_the_driver_wants_that(void **state)
{
	(void)state;
	each_way(opted_out);
}

static enum callback where;
static bool wanted;
static int set_rc;

static void set_there(struct vfiosafe_device *dev, enum callback which)
{
	if (which == where)
		set_rc = vfiosafe_set_bus_master(dev, wanted);
}

static void set_in(enum callback which, bool on)
{
	where = which;
	wanted = on;
	set_rc = 1;
	driver.inside = set_there;
}

static void a_callback_may_set_it(void **state)
{
	(void)state;
	set_in(REINIT, true);
	assert_ok(reset_ms(1000));
	assert_ok(set_rc);
	assert_log("quiesce COMMAND=0002 RESET ready COMMAND=0002 reinit COMMAND=0006");
	driver.inside = NULL;
	assert_ok(reset_ms(1000));
	assert_true(is_master());
	/* What quiesce turns off is off afterwards. */
	set_in(QUIESCE, false);
	assert_ok(reset_ms(1000));
	assert_ok(set_rc);
	assert_log("quiesce COMMAND=0002 COMMAND=0002 RESET ready COMMAND=0002 reinit");
}

static void resume_may_set_it(enum way way)
{
	if (!ways[way].keeps)
		return;
	assert_ok(park(way));
	set_in(RESUME, true);
	assert_ok(wake(way));
	assert_ok(set_rc);
	assert_true(is_master());
	driver.inside = NULL;
	assert_ok(reset_ms(1000));
	assert_true(is_master());
}

static void so_may_resume_at_a_wake_up(void **state)
{
	(void)state;
	each_way(resume_may_set_it);
}

static void lost_may_not(void **state)
{
	(void)state;
	set_in(LOST, true);
	assert_ok(vfiosafe_mark_lost(bench.dev, "by the test"));
	assert_int_equal(set_rc, -EIO);
	assert_false(is_master());
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, driver_setup, bench_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(it_is_set_without_a_window),
		TEST(a_reset_comes_back_to_it),
		TEST(so_does_a_recovery),
		TEST(a_recovery_comes_back_to_what_the_last_window_found),
		TEST(a_wake_up_comes_back_to_it),
		TEST(after_a_reset_it_stays_off_if_the_driver_wants_that),
		TEST(a_callback_may_set_it),
		TEST(so_may_resume_at_a_wake_up),
		TEST(lost_may_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

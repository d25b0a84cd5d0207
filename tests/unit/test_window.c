/* SPDX-License-Identifier: MIT */
/* vfiosafe_reset() from end to end: the order of things, and each way out of it. */
#include "uapi.h"
#include "unit_driver.h"

#define GOOD "quiesce COMMAND=0002 RESET ready COMMAND=0002 reinit"

static void still_live_in_the_same_generation(void)
{
	uint32_t value;

	assert_state(LIVE);
	assert_generation(1);
	assert_ok(vfiosafe_read32(&bench.view, 0, &value));
	assert_ok(vfiosafe_wait(bench.dev, 0));
}

static void a_reset_does_things_in_order(void **state)
{
	uint32_t value;

	(void)state;
	assert_ok(reset_ms(1000));
	assert_log(GOOD);
	assert_state(LIVE);
	assert_generation(2);
	assert_refused(vfiosafe_read32(&bench.view, 0, &value), ESTALE, "reset",
		       "re-synchronise", "renew");
}

static void bus_mastering_is_off_before_the_reset_and_back_before_reinit(void **state)
{
	(void)state;
	fake_set_command(bench.fn, 0x0406);
	assert_ok(reset_ms(1000));
	assert_log("quiesce COMMAND=0402 RESET ready COMMAND=0402 COMMAND=0406 reinit");
	assert_int_equal(fake_command(bench.fn), 0x0406);
}

static void bus_mastering_stays_off_if_the_driver_wants_that(void **state)
{
	(void)state;
	bench_close();
	bench.opts.keep_bus_master_off = true;
	bench_open();
	fake_set_command(bench.fn, 0x0006);
	assert_ok(reset_ms(1000));
	assert_log("COMMAND=0002 RESET COMMAND=0002");
	assert_int_equal(fake_command(bench.fn), 0x0002);
}

static void a_command_that_the_reset_lost_is_restored(void **state)
{
	(void)state;
	fake_set_command(bench.fn, 0x0006);
	bench.fn->resets_command = true;
	assert_ok(reset_ms(1000));
	assert_int_equal(fake_command(bench.fn), 0x0006);
}

static void a_locked_device_is_tried_again(void **state)
{
	(void)state;
	fake_fail(&bench.k, FAKE_IOCTL, VFIO_DEVICE_RESET, EAGAIN, 4);
	fake_fail_later(&bench.k, FAKE_IOCTL, VFIO_DEVICE_RESET, EBUSY, 4, 3);
	assert_ok(reset_ms(10000));
	assert_log(GOOD);
	assert_generation(2);
}

static void stays_locked(int err)
{
	int64_t from = bench.k.now;

	fake_set_command(bench.fn, 0x0006);
	fake_fail(&bench.k, FAKE_IOCTL, VFIO_DEVICE_RESET, err, 100000);
	assert_refused(reset_ms(500), ETIMEDOUT, ADDRESS, "locked", "deadline");
	assert_log("quiesce COMMAND=0002 COMMAND=0006 resume");
	assert_in_range(bench.k.now - from, 500000000, 600000000);
	still_live_in_the_same_generation();
	assert_int_equal(fake_command(bench.fn), 0x0006);
	assert_int_equal(driver.count[LOST], 0);
}

static void a_device_that_stays_locked_is_left_as_it_was(void **state)
{
	(void)state;
	stays_locked(EAGAIN);
}

static void a_device_that_stays_busy_is_left_as_it_was(void **state)
{
	(void)state;
	stays_locked(EBUSY);
}

static void a_reset_that_does_not_work_is_called_off(void **state)
{
	(void)state;
	fake_set_command(bench.fn, 0x0006);
	fake_fail(&bench.k, FAKE_IOCTL, VFIO_DEVICE_RESET, EINVAL, 1);
	assert_refused(reset_ms(1000), EOPNOTSUPP, ADDRESS, "no working reset method");
	assert_log("quiesce COMMAND=0002 COMMAND=0006 resume");
	still_live_in_the_same_generation();
}

static void a_device_without_reset_is_not_touched(void **state)
{
	(void)state;
	bench_close();
	bench.fn->no_reset = true;
	bench_open();
	assert_refused(vfiosafe_reset(bench.dev, NULL), EOPNOTSUPP, ADDRESS,
		       "no reset method");
	assert_log("");
	still_live_in_the_same_generation();
}

static void a_device_asleep_is_woken_first(void **state)
{
	(void)state;
	fake_set_power_state(bench.fn, 3);
	assert_ok(reset_ms(1000));
	assert_log("quiesce COMMAND=0002 PMCSR=0008 RESET ready COMMAND=0002 reinit");
}

static void a_veto_calls_it_off(void **state)
{
	(void)state;
	driver.rc[QUIESCE] = -EPERM;
	assert_refused(reset_ms(1000), ECANCELED, ADDRESS, "vetoed", "-1");
	assert_log("quiesce");
	still_live_in_the_same_generation();
}

static void a_late_quiesce_calls_it_off_and_is_resumed(void **state)
{
	(void)state;
	driver.takes_ms[QUIESCE] = 2000;
	assert_refused(reset_ms(1000), ETIMEDOUT, "quiesce", "after the deadline");
	assert_log("quiesce resume");
	still_live_in_the_same_generation();
}

static void ready_is_asked_until_it_agrees(void **state)
{
	(void)state;
	driver.rc[READY] = -EAGAIN;
	driver.times[READY] = 3;
	assert_ok(reset_ms(1000));
	assert_log(
		"quiesce COMMAND=0002 RESET ready ready ready ready COMMAND=0002 reinit");
}

static void a_device_that_does_not_answer_at_once_is_waited_for(void **state)
{
	int64_t from = bench.k.now;

	(void)state;
	bench.fn->silent_ns = 100 * 1000000;
	assert_ok(reset_ms(1000));
	assert_true(bench.k.now - from >= 100 * 1000000);
	assert_log(GOOD);
}

static void recover_of_a_live_device_does_nothing(void **state)
{
	(void)state;
	assert_ok(vfiosafe_recover(bench.dev, NULL));
	assert_log("");
	still_live_in_the_same_generation();
}

static void options_that_make_no_sense(void **state)
{
	/* What a program passes that was compiled with a later header. */
	struct {
		struct vfiosafe_reset_opts opts;
		uint64_t more;
	} newer = { .more = 1 };

	(void)state;
	assert_refused(vfiosafe_reset(bench.dev, &newer.opts), EINVAL, "opts.size",
		       "sizeof");
	newer.opts.size = sizeof(newer);
	assert_refused(vfiosafe_reset(bench.dev, &newer.opts), EINVAL, "opts.size");
	still_live_in_the_same_generation();
	newer.more = 0;
	assert_ok(vfiosafe_reset(bench.dev, &newer.opts));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, driver_setup, bench_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_reset_does_things_in_order),
		TEST(bus_mastering_is_off_before_the_reset_and_back_before_reinit),
		TEST(bus_mastering_stays_off_if_the_driver_wants_that),
		TEST(a_command_that_the_reset_lost_is_restored),
		TEST(a_locked_device_is_tried_again),
		TEST(a_device_that_stays_locked_is_left_as_it_was),
		TEST(a_device_that_stays_busy_is_left_as_it_was),
		TEST(a_reset_that_does_not_work_is_called_off),
		TEST(a_device_without_reset_is_not_touched),
		TEST(a_device_asleep_is_woken_first),
		TEST(a_veto_calls_it_off),
		TEST(a_late_quiesce_calls_it_off_and_is_resumed),
		TEST(ready_is_asked_until_it_agrees),
		TEST(a_device_that_does_not_answer_at_once_is_waited_for),
		TEST(recover_of_a_live_device_does_nothing),
		TEST(options_that_make_no_sense),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* Windows that end in FAULT, with the cause; and the way out of it. */
#include "uapi.h"
#include "unit_driver.h"

static void in_fault(enum vfiosafe_cause cause)
{
	uint32_t value = 0x55;

	assert_state(FAULT);
	assert_int_equal(vfiosafe_device_cause(bench.dev), cause);
	assert_int_equal(driver.count[LOST], 1);
	assert_int_equal(driver.cause, cause);
	assert_refused(vfiosafe_read32(&bench.view, 0, &value), EIO, "FAULT",
		       "vfiosafe_recover()");
	assert_int_equal(value, 0x55);
	assert_int_equal(vfiosafe_wait(bench.dev, VFIOSAFE_FOREVER), -EIO);
}

static void recovers_to(uint64_t generation)
{
	volatile void *before = vfiosafe_bar_address(bench.bar);
	uint32_t value;

	assert_ok(vfiosafe_recover(bench.dev, NULL));
	assert_state(LIVE);
	assert_generation(generation);
	assert_ptr_equal(vfiosafe_bar_address(bench.bar), before);
	assert_int_equal(vfiosafe_read32(&bench.view, 0, &value), -ESTALE);
	assert_ok(vfiosafe_bar_view(bench.bar, &bench.view));
	assert_ok(vfiosafe_read32(&bench.view, 0, &value));
}

static void decode_that_does_not_come_back_is_a_fault(void **state)
{
	(void)state;
	bench.fn->decode_stuck = true;
	assert_refused(reset_ms(1000), EIO, ADDRESS, "COMMAND");
	in_fault(VFIOSAFE_CAUSE_NOT_READY);
	assert_int_equal(driver.count[REINIT], 0);
}

static void fails_with(int err)
{
	fake_fail(&bench.k, FAKE_IOCTL, VFIO_DEVICE_RESET, err, 1);
	assert_refused(reset_ms(1000), EIO, ADDRESS, strerror(err), "unknown");
	assert_log("quiesce COMMAND=0002 lost");
	in_fault(VFIOSAFE_CAUSE_RESET_FAILED);
	recovers_to(2);
}

static void a_reset_that_fails_with_enotty_is_a_fault(void **state)
{
	(void)state;
	fails_with(ENOTTY);
}

static void a_reset_that_fails_with_eio_is_a_fault(void **state)
{
	(void)state;
	fails_with(EIO);
}

/* The way to D0 may already have lost its state: a refusal does not undo that. */
static void a_refusal_to_a_device_that_was_asleep_is_a_fault(void **state)
{
	(void)state;
	fake_set_power_state(bench.fn, 3);
	fake_fail(&bench.k, FAKE_IOCTL, VFIO_DEVICE_RESET, EAGAIN, 100000);
	assert_refused(reset_ms(200), EIO, ADDRESS, "unknown");
	in_fault(VFIOSAFE_CAUSE_RESET_FAILED);
}

static void a_device_that_does_not_wake_is_a_fault(void **state)
{
	(void)state;
	fake_set_power_state(bench.fn, 3);
	bench.fn->pm_stuck = true;
	assert_refused(reset_ms(200), EIO, ADDRESS, "D0");
	in_fault(VFIOSAFE_CAUSE_RESET_FAILED);
}

static void a_failing_resume_is_a_fault(void **state)
{
	(void)state;
	driver.rc[RESUME] = -EIO;
	fake_fail(&bench.k, FAKE_IOCTL, VFIO_DEVICE_RESET, EINVAL, 1);
	assert_refused(reset_ms(1000), EIO, "resume callback failed");
	in_fault(VFIOSAFE_CAUSE_DRIVER);
	recovers_to(2);
}

static void a_late_reinit_is_a_fault(void **state)
{
	(void)state;
	driver.takes_ms[REINIT] = 2000;
	assert_refused(reset_ms(1000), EIO, "reinit", "after the deadline");
	in_fault(VFIOSAFE_CAUSE_DRIVER);
}

static void a_late_ready_is_a_fault(void **state)
{
	(void)state;
	driver.takes_ms[READY] = 2000;
	assert_refused(reset_ms(1000), EIO, ADDRESS, "not ready at the deadline");
	in_fault(VFIOSAFE_CAUSE_NOT_READY);
}

static void a_reinit_that_fails_twice_works_by_recover(void **state)
{
	(void)state;
	driver.rc[REINIT] = -ENOMSG;
	driver.times[REINIT] = 2;
	assert_refused(reset_ms(1000), EIO, "reinit callback", "failed");
	in_fault(VFIOSAFE_CAUSE_DRIVER);
	assert_refused(vfiosafe_recover(bench.dev, NULL), EIO, "reinit callback");
	assert_state(FAULT);
	/* Three resets, three generations; quiesce is for live devices. */
	recovers_to(4);
	assert_int_equal(bench.fn->resets, 3);
	assert_int_equal(driver.count[QUIESCE], 1);
}

static void a_device_that_is_never_ready_is_a_fault(void **state)
{
	(void)state;
	driver.rc[READY] = -EAGAIN;
	assert_refused(reset_ms(50), EIO, ADDRESS, "not ready at the deadline");
	in_fault(VFIOSAFE_CAUSE_NOT_READY);
	assert_int_equal(driver.count[REINIT], 0);
}

static void ready_that_gives_up_is_a_fault(void **state)
{
	(void)state;
	driver.rc[READY] = -ENXIO;
	assert_refused(reset_ms(1000), EIO, "ready callback", "failed");
	in_fault(VFIOSAFE_CAUSE_DRIVER);
}

static void a_device_that_answers_all_ones_is_a_fault(void **state)
{
	(void)state;
	bench.fn->silent_ns = INT64_C(3600) * 1000000000;
	assert_refused(reset_ms(100), EIO, ADDRESS, "not ready at the deadline");
	in_fault(VFIOSAFE_CAUSE_NOT_READY);
	assert_int_equal(driver.count[READY], 0);
}

/* After AER-fatal COMMAND is 0, and a reset would preserve that. */
static void recover_writes_the_last_good_command(void **state)
{
	(void)state;
	fake_set_command(bench.fn, 0x0006);
	assert_ok(reset_ms(1000));
	assert_ok(vfiosafe_mark_lost(bench.dev, "by the test"));
	fake_set_command(bench.fn, 0x0000);
	fake_log_clear(&bench.k);
	recovers_to(3);
	assert_int_equal(fake_command(bench.fn), 0x0006);
	assert_log("COMMAND=0002 RESET ready COMMAND=0002 COMMAND=0006 reinit");
}

static void a_refused_recovery_stays_a_fault(void **state)
{
	(void)state;
	assert_ok(vfiosafe_mark_lost(bench.dev, "by the test"));
	fake_fail(&bench.k, FAKE_IOCTL, VFIO_DEVICE_RESET, EINVAL, 1);
	assert_int_equal(vfiosafe_recover(bench.dev, NULL), -EIO);
	assert_state(FAULT);
	assert_generation(1);
	recovers_to(2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, driver_setup, bench_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(decode_that_does_not_come_back_is_a_fault),
		TEST(a_reset_that_fails_with_enotty_is_a_fault),
		TEST(a_reset_that_fails_with_eio_is_a_fault),
		TEST(a_refusal_to_a_device_that_was_asleep_is_a_fault),
		TEST(a_device_that_does_not_wake_is_a_fault),
		TEST(a_failing_resume_is_a_fault),
		TEST(a_late_reinit_is_a_fault),
		TEST(a_late_ready_is_a_fault),
		TEST(a_reinit_that_fails_twice_works_by_recover),
		TEST(a_device_that_is_never_ready_is_a_fault),
		TEST(ready_that_gives_up_is_a_fault),
		TEST(a_device_that_answers_all_ones_is_a_fault),
		TEST(recover_writes_the_last_good_command),
		TEST(a_refused_recovery_stays_a_fault),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

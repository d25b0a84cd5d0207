/* SPDX-License-Identifier: MIT */
/* What the kernel asks for by REQ: its device back. */
#include "device.h"
#include "event_rig.h"
#include "uapi.h"
#include "unit_thread.h"

#define REASON "release request", "close the device"

static void asked(void)
{
	report(REQ_IRQ, 1);
	assert_event(RELEASE, 0, NONE, 1, 1);
}

static void a_request_is_an_event_and_accesses_go_on(void **state)
{
	uint32_t value;

	(void)state;
	asked();
	assert_no_event();
	assert_state(LIVE);
	assert_ok(vfiosafe_read32(&bench.view, 0, &value));
	assert_ok(vfiosafe_wait(bench.dev, VFIOSAFE_FOREVER));
	assert_int_equal(driver.count[LOST], 0);
	bench_close();
}

/* The kernel repeats it every 10 s. */
static void a_request_that_is_repeated_is_counted(void **state)
{
	(void)state;
	report(REQ_IRQ, 1);
	assert_ok(vfiosafe_wait(bench.dev, VFIOSAFE_FOREVER));
	report(REQ_IRQ, 2);
	assert_event(RELEASE, 0, NONE, 3, 1);
	assert_no_event();
	report(REQ_IRQ, 1);
	assert_true(readable());
	assert_event(RELEASE, 0, NONE, 1, 1);
}

static void resets_are_refused_and_touch_nothing(void **state)
{
	struct vfiosafe_window *win = NULL;

	(void)state;
	report(REQ_IRQ, 1);
	fake_log_clear(&bench.k);
	assert_refused(vfiosafe_reset(bench.dev, NULL), EBUSY, ADDRESS, REASON);
	assert_refused(vfiosafe_window_begin(&win, bench.dev, NULL), EBUSY, REASON);
	assert_null(win);
	assert_state(LIVE);
	assert_generation(1);
	assert_log("");
	assert_event(RELEASE, 0, NONE, 1, 1);
	assert_no_event();
	/* For good. */
	assert_refused(vfiosafe_reset(bench.dev, NULL), EBUSY, REASON);
}

/* Whose methods were emptied, too: there is more to do than to fill them. */
static void it_goes_before_a_want_of_methods(void **state)
{
	(void)state;
	fake_put(&bench.k, FAKE_TEXT, "",
		 "/sys/bus/pci/devices/" ADDRESS "/reset_method");
	report(REQ_IRQ, 1);
	assert_refused(vfiosafe_reset(bench.dev, NULL), EBUSY, REASON);
}

static void recovery_is_refused_and_the_device_stays_in_fault(void **state)
{
	(void)state;
	assert_ok(vfiosafe_mark_lost(bench.dev, NULL));
	report(REQ_IRQ, 1);
	assert_refused(vfiosafe_recover(bench.dev, NULL), EBUSY, REASON);
	assert_refused(vfiosafe_wait(bench.dev, VFIOSAFE_FOREVER), EIO, "FAULT");
	assert_state(FAULT);
	assert_int_equal(driver.count[LOST], 1);
}

static void a_wait_that_would_recover_is_refused(void **state)
{
	(void)state;
	bench_close();
	bench.opts.recover_on_wait = true;
	bench_open();
	assert_ok(vfiosafe_mark_lost(bench.dev, NULL));
	report(REQ_IRQ, 1);
	assert_refused(vfiosafe_wait(bench.dev, vsf_deadline(&bench.k.sys, 1000)), EBUSY,
		       REASON);
	assert_int_equal(bench.fn->resets, 0);
}

static void a_wait_that_would_sleep_is_refused(void **state)
{
	struct vfiosafe_window *win = window_begin(1000);

	(void)state;
	report(REQ_IRQ, 1);
	assert_refused(vfiosafe_wait(bench.dev, VFIOSAFE_FOREVER), EBUSY, REASON);
	vfiosafe_window_end(win);
	assert_ok(vfiosafe_wait(bench.dev, VFIOSAFE_FOREVER));
}

/* No reset, no lock of the kernel's: a driver may want to park its hardware. */
static void a_parked_device_can_still_be_woken(void **state)
{
	uint32_t value;

	(void)state;
	assert_ok(vfiosafe_set_decode(bench.dev, false, NULL));
	report(REQ_IRQ, 1);
	assert_refused(vfiosafe_wait(bench.dev, VFIOSAFE_FOREVER), EBUSY, REASON);
	assert_ok(vfiosafe_set_decode(bench.dev, true, NULL));
	assert_ok(vfiosafe_read32(&bench.view, 0, &value));
}

static unsigned int attempts, ask_at;

/* The unbind begins while the reset is being retried; it holds the device lock. */
static void unbind_at_attempt(struct fake *fake, enum fake_call call, uint64_t key)
{
	(void)fake;
	if (call == FAKE_IOCTL && key == VFIO_DEVICE_RESET && ++attempts == ask_at)
		report(REQ_IRQ, 1);
}

static void the_device_is_locked(unsigned int since)
{
	attempts = 0;
	ask_at = since;
	bench.k.hook = unbind_at_attempt;
	fake_fail(&bench.k, FAKE_IOCTL, VFIO_DEVICE_RESET, EAGAIN, 100000);
}

static void a_reset_that_is_being_retried_is_called_off(void **state)
{
	int64_t start = vsf_now(&bench.k.sys);

	(void)state;
	the_device_is_locked(5);
	assert_refused(reset_ms(60000), EBUSY, REASON);
	assert_int_equal(attempts, 5);
	assert_true(vsf_now(&bench.k.sys) - start < INT64_C(1000000000));
	assert_state(LIVE);
	assert_generation(1);
	assert_int_equal(driver.count[RESUME], 1);
	assert_event(WINDOW_OPENED, 0, RESET, 1, 1);
	assert_event(RELEASE, 0, NONE, 1, 1);
	assert_event(WINDOW_CLOSED, -EBUSY, NONE, 1, 1);
}

/* What was lost stays lost: FAULT, but at once, and it says why. */
static void a_recovery_that_is_being_retried_fails_at_once(void **state)
{
	(void)state;
	assert_ok(vfiosafe_mark_lost(bench.dev, NULL));
	the_device_is_locked(3);
	assert_refused(vfiosafe_recover(bench.dev, NULL), EIO, REASON);
	assert_int_equal(attempts, 3);
	assert_state(FAULT);
}

static void a_window_by_steps_is_called_off_too(void **state)
{
	struct vfiosafe_window *win = window_begin(60000);

	(void)state;
	the_device_is_locked(1);
	assert_int_equal(vfiosafe_window_poll(win), VFIOSAFE_STEP_COMMIT);
	assert_refused(vfiosafe_window_commit(win), EBUSY, REASON);
	vfiosafe_window_end(win);
	assert_state(LIVE);
}

/* Contention of another kind goes on as ever. */
static void without_a_request_it_is_retried_until_the_deadline(void **state)
{
	int64_t start = vsf_now(&bench.k.sys);

	(void)state;
	the_device_is_locked(0);
	assert_refused(reset_ms(1000), ETIMEDOUT, "stayed locked");
	assert_true(vsf_now(&bench.k.sys) - start >= INT64_C(1000000000));
	assert_true(attempts > 20);
}

static int wait_for_ever(void)
{
	return vfiosafe_wait(bench.dev, VFIOSAFE_FOREVER);
}

/* One thread reads events; the others, asleep, are told by it. */
static void a_thread_that_sleeps_is_woken(void **state)
{
	struct runner waiter;

	(void)state;
	bench.k.real_clock = true;
	assert_ok(vfiosafe_set_decode(bench.dev, false, NULL));
	run_beside(&waiter, wait_for_ever);
	until(times_called(FAKE_FUTEX_WAIT) > 0);
	report(REQ_IRQ, 1);
	while (read_one().type != VFIOSAFE_EVENT_RELEASE)
		;
	assert_int_equal(run_ended(&waiter), -EBUSY);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, driver_setup, bench_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_request_is_an_event_and_accesses_go_on),
		TEST(a_request_that_is_repeated_is_counted),
		TEST(resets_are_refused_and_touch_nothing),
		TEST(it_goes_before_a_want_of_methods),
		TEST(recovery_is_refused_and_the_device_stays_in_fault),
		TEST(a_wait_that_would_recover_is_refused),
		TEST(a_wait_that_would_sleep_is_refused),
		TEST(a_parked_device_can_still_be_woken),
		TEST(a_reset_that_is_being_retried_is_called_off),
		TEST(a_recovery_that_is_being_retried_fails_at_once),
		TEST(a_window_by_steps_is_called_off_too),
		TEST(without_a_request_it_is_retried_until_the_deadline),
		TEST(a_thread_that_sleeps_is_woken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* What the kernel reports by ERR (AER): who is told, and what becomes of the device. */
#include "device.h"
#include "event_rig.h"
#include "uapi.h"

#define SET_IRQS VFIO_DEVICE_SET_IRQS

static void reopen(void)
{
	bench_close();
	fake_log_clear(&bench.k);
	assert_ok(vfiosafe_device_open(&bench.dev, ADDRESS, &bench.opts));
}

static void each_door_arms_both_reports(void **state)
{
	(void)state;
	for (int door = VFIOSAFE_DOOR_CDEV; door <= VFIOSAFE_DOOR_GROUP; door++) {
		bench.opts.door = (enum vfiosafe_door)door;
		reopen();
		assert_log("IRQ3=on IRQ4=on");
		report(ERR_IRQ, 1);
		assert_true(readable());
	}
}

/* An old kernel, or a device without PCIe, has no ERR: that is no error. */
static void what_a_device_does_not_have_is_not_armed(void **state)
{
	(void)state;
	bench.fn->irqs[ERR_IRQ] = 0;
	reopen();
	assert_log("IRQ4=on");
	bench.fn->knows_no_events = true;
	reopen();
	assert_log("");
	fake_fail(&bench.k, FAKE_IOCTL, VFIO_DEVICE_GET_IRQ_INFO, ENOTTY, 2);
	bench.fn->knows_no_events = false;
	reopen();
	assert_log("");
	fake_fail(&bench.k, FAKE_IOCTL, SET_IRQS, ENOTTY, 2);
	bench.fn->irqs[ERR_IRQ] = 1;
	reopen();
	assert_log("");
	assert_no_event();
	assert_ok(vfiosafe_reset(bench.dev, NULL));
	assert_true(readable());
}

static void any_other_failure_to_arm_fails_the_open(void **state)
{
	(void)state;
	bench_close();
	for (unsigned int nth = 0; nth < 2; nth++) {
		fake_fail_later(&bench.k, FAKE_IOCTL, SET_IRQS, EIO, nth, 1);
		assert_refused(vfiosafe_device_open(&bench.dev, ADDRESS, &bench.opts),
			       EIO, "SET_IRQS", nth ? "REQ" : "ERR", ADDRESS);
		assert_null(bench.dev);
	}
	fake_fail(&bench.k, FAKE_IOCTL, VFIO_DEVICE_GET_IRQ_INFO, EIO, 1);
	assert_refused(vfiosafe_device_open(&bench.dev, ADDRESS, &bench.opts), EIO,
		       "GET_IRQ_INFO");
}

/* DPDK has armed them itself, and there is one of each for a device. */
static void an_adopted_device_keeps_its_owners_reports(void **state)
{
	int fd;

	(void)state;
	bench_close();
	fd = fake_device_fd(&bench.k, bench.fn);
	fake_log_clear(&bench.k);
	assert_ok(vfiosafe_device_from_fd(&bench.dev, fd, &bench.opts));
	assert_log("");
	assert_false(fake_signal(bench.fn, ERR_IRQ));
	assert_no_event();
	bench_close();
	assert_log("");
	bench.opts.arm_events = true;
	assert_ok(vfiosafe_device_from_fd(&bench.dev, fd, &bench.opts));
	assert_log("IRQ3=on IRQ4=on");
	report(ERR_IRQ, 1);
	assert_event(AER, 0, NONE, 1, 1);
	/* The owner still holds the device: the kernel must forget us. */
	bench_close();
	assert_log("IRQ3=on IRQ4=on IRQ3=off IRQ4=off");
	assert_false(fake_signal(bench.fn, ERR_IRQ));
	assert_ok(vsf_sys(&bench.k.sys, close, fd));
}

static void assert_lost(void)
{
	uint32_t value;

	assert_state(FAULT);
	assert_int_equal(vfiosafe_device_cause(bench.dev), VFIOSAFE_CAUSE_AER);
	assert_int_equal(driver.cause, VFIOSAFE_CAUSE_AER);
	assert_int_equal(vfiosafe_read32(&bench.view, 0, &value), -EIO);
}

static void an_error_is_an_event_and_a_fault(void **state)
{
	(void)state;
	report(ERR_IRQ, 3);
	assert_state(LIVE);
	assert_true(readable());
	assert_event(AER, 0, NONE, 3, 1);
	assert_lost();
	assert_event(FAULT, 0, AER, 1, 1);
	assert_no_event();
	assert_int_equal(driver.count[LOST], 1);
	assert_ok(vfiosafe_recover(bench.dev, NULL));
	assert_state(LIVE);
	assert_generation(2);
}

static void an_error_of_a_device_in_fault_is_told_only(void **state)
{
	(void)state;
	assert_ok(vfiosafe_mark_lost(bench.dev, "before"));
	report(ERR_IRQ, 1);
	assert_event(FAULT, 0, MARKED, 1, 1);
	assert_event(AER, 0, NONE, 1, 1);
	assert_no_event();
	assert_int_equal(driver.count[LOST], 1);
	assert_int_equal(vfiosafe_device_cause(bench.dev), VFIOSAFE_CAUSE_MARKED);
	assert_ok(vfiosafe_recover(bench.dev, NULL));
	assert_state(LIVE);
}

static void a_wait_meets_the_error(void **state)
{
	(void)state;
	report(ERR_IRQ, 1);
	assert_int_equal(vfiosafe_wait(bench.dev, VFIOSAFE_FOREVER), -EIO);
	assert_lost();
}

static void a_wait_that_recovers_does_so(void **state)
{
	(void)state;
	bench_close();
	bench.opts.recover_on_wait = true;
	bench_open();
	report(ERR_IRQ, 1);
	assert_ok(vfiosafe_wait(bench.dev, vsf_deadline(&bench.k.sys, 1000)));
	assert_generation(2);
	assert_int_equal(bench.fn->resets, 1);
}

static void a_refused_access_says_why(void **state)
{
	struct vfiosafe_bar *port = bench_map(4, 0, 0, 0);
	struct vfiosafe_view view = bench_view(port);
	uint32_t value;

	(void)state;
	report(ERR_IRQ, 1);
	fake_fail(&bench.k, FAKE_PREAD, FAKE_REGION(4), EIO, 1);
	assert_int_equal(vfiosafe_read32(&view, 0, &value), -EIO);
	assert_lost();
}

/* The driver is told, and the reset that was wanted anyway is a recovery. */
static void a_reset_begins_from_fault_and_heals_it(void **state)
{
	(void)state;
	report(ERR_IRQ, 1);
	assert_ok(reset_ms(1000));
	assert_int_equal(driver.count[LOST], 1);
	assert_int_equal(driver.count[QUIESCE], 0);
	assert_generation(2);
	assert_event(AER, 0, NONE, 1, 1);
	assert_event(FAULT, 0, AER, 1, 1);
	assert_event(WINDOW_OPENED, 0, RECOVER, 1, 1);
	assert_event(WINDOW_CLOSED, 0, NONE, 1, 2);
}

/*
 * After a fatal one COMMAND is 0, and a reset preserves that: so it is written before,
 * and looked at after. The window around it is test_window_fault's.
 */
static void a_fatal_error_leaves_command_to_be_written_first(void **state)
{
	(void)state;
	fake_set_command(bench.fn, 0);
	report(ERR_IRQ, 1);
	assert_int_equal(vfiosafe_wait(bench.dev, VFIOSAFE_FOREVER), -EIO);
	fake_log_clear(&bench.k);
	assert_ok(vfiosafe_recover(bench.dev, NULL));
	assert_log("COMMAND=0002 RESET ready COMMAND=0002 reinit");
	assert_int_equal(fake_command(bench.fn) & 2, 2);
}

static enum callback when;
static bool link_too;

static void report_inside(struct vfiosafe_device *dev, enum callback which)
{
	(void)dev;
	if (which != when)
		return;
	if (link_too)
		fake_set_command(bench.fn, 0);
	else
		report(ERR_IRQ, 1);
}

static void reports_in(enum callback which, bool link)
{
	when = which;
	link_too = link;
	driver.inside = report_inside;
}

static void an_error_before_the_reset_is_healed_by_it(void **state)
{
	(void)state;
	reports_in(QUIESCE, false);
	assert_ok(reset_ms(1000));
	assert_state(LIVE);
	assert_generation(2);
	/* From where the error came on, a recovery: COMMAND is the last good one. */
	assert_log("quiesce COMMAND=0002 RESET ready COMMAND=0002 reinit");
}

static void an_error_after_the_reset_is_a_fault(void **state)
{
	(void)state;
	reports_in(REINIT, false);
	assert_refused(reset_ms(1000), EIO, "AER");
	assert_lost();
	assert_int_equal(driver.count[LOST], 1);
	assert_generation(2);
	driver.inside = NULL;
	assert_ok(vfiosafe_recover(bench.dev, NULL));
}

static bool link_was_reset;

static void reset_link_in_a_pause(struct fake *fake, enum fake_call call, uint64_t key)
{
	(void)key;
	if (call != FAKE_SLEEP || bench.fn->resets == 0)
		return;
	fake->hook = NULL;
	link_was_reset = true;
	fake_set_command(bench.fn, 0);
}

/* The kernel was waiting for our reset to end, to reset the link. */
static void a_link_reset_just_after_ours_is_waited_for(void **state)
{
	(void)state;
	report(ERR_IRQ, 1);
	assert_int_equal(vfiosafe_wait(bench.dev, VFIOSAFE_FOREVER), -EIO);
	link_was_reset = false;
	bench.k.hook = reset_link_in_a_pause;
	assert_ok(vfiosafe_recover(bench.dev, NULL));
	assert_true(link_was_reset);
	assert_state(LIVE);
	assert_int_equal(fake_command(bench.fn) & 2, 2);
}

/* It came later still. */
static void a_link_reset_that_comes_late_is_a_fault_again(void **state)
{
	(void)state;
	report(ERR_IRQ, 1);
	assert_int_equal(vfiosafe_wait(bench.dev, VFIOSAFE_FOREVER), -EIO);
	reports_in(REINIT, true);
	assert_refused(vfiosafe_recover(bench.dev, NULL), EIO, "link was reset");
	assert_lost();
	driver.inside = NULL;
	assert_ok(vfiosafe_recover(bench.dev, NULL));
	assert_state(LIVE);
	assert_int_equal(fake_command(bench.fn) & 2, 2);
}

static void an_error_of_a_sleeping_device_is_met_when_it_wakes(void **state)
{
	(void)state;
	assert_ok(vfiosafe_set_decode(bench.dev, false, NULL));
	report(ERR_IRQ, 1);
	assert_int_equal(vfiosafe_set_decode(bench.dev, true, NULL), -EIO);
	assert_lost();
}

/* A second thread took the report at the same time, and comes late with it. */
static void a_report_that_was_dealt_with_does_not_strike_again(void **state)
{
	(void)state;
	report(ERR_IRQ, 1);
	assert_int_equal(vfiosafe_wait(bench.dev, VFIOSAFE_FOREVER), -EIO);
	assert_ok(vfiosafe_recover(bench.dev, NULL));
	vsf_device_fault(bench.dev, VFIOSAFE_CAUSE_AER, "late");
	assert_state(LIVE);
	assert_int_equal(driver.count[LOST], 1);
}

/* Taken off the fd, but not acted on yet: another thread acts on it. */
static void a_report_in_another_threads_hands_is_not_overlooked(void **state)
{
	(void)state;
	__atomic_store_n(&bench.dev->events.aer, true, __ATOMIC_RELEASE);
	assert_int_equal(vfiosafe_wait(bench.dev, VFIOSAFE_FOREVER), -EIO);
	assert_lost();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, driver_setup, bench_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(each_door_arms_both_reports),
		TEST(what_a_device_does_not_have_is_not_armed),
		TEST(any_other_failure_to_arm_fails_the_open),
		TEST(an_adopted_device_keeps_its_owners_reports),
		TEST(an_error_is_an_event_and_a_fault),
		TEST(an_error_of_a_device_in_fault_is_told_only),
		TEST(a_wait_meets_the_error),
		TEST(a_wait_that_recovers_does_so),
		TEST(a_refused_access_says_why),
		TEST(a_reset_begins_from_fault_and_heals_it),
		TEST(a_fatal_error_leaves_command_to_be_written_first),
		TEST(an_error_before_the_reset_is_healed_by_it),
		TEST(an_error_after_the_reset_is_a_fault),
		TEST(a_link_reset_just_after_ours_is_waited_for),
		TEST(a_link_reset_that_comes_late_is_a_fault_again),
		TEST(an_error_of_a_sleeping_device_is_met_when_it_wakes),
		TEST(a_report_that_was_dealt_with_does_not_strike_again),
		TEST(a_report_in_another_threads_hands_is_not_overlooked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

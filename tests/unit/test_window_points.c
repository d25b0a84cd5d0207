/* SPDX-License-Identifier: MIT */
/* Losses, faults and a close at every point of a reset and of a recovery. */
#include "unit_points.h"

static int reset_it(void)
{
	return vfiosafe_reset(bench.dev, NULL);
}

static int recover_it(void)
{
	return vfiosafe_recover(bench.dev, NULL);
}

static void begin(int (*run)(void))
{
	afresh();
	if (run != recover_it)
		return;
	assert_ok(vfiosafe_mark_lost(bench.dev, "at the start"));
	driver.count[LOST] = 0;
}

static void works_in(uint64_t generation)
{
	struct vfiosafe_view view;
	uint32_t value;

	assert_state(LIVE);
	assert_generation(generation);
	assert_int_equal(fake_command(bench.fn), 0x0006);
	assert_ok(vfiosafe_bar_view(bench.bar, &view));
	assert_ok(vfiosafe_read32(&view, 0, &value));
}

/*
 * What the reset came after is healed; what came after it is not. A loss that comes
 * before its window is told, as any.
 */
static unsigned int event_while(int (*run)(void), void (*event)(void),
				enum vfiosafe_cause cause)
{
	unsigned int n = 0;

	for (;;) {
		int rc;

		begin(run);
		rc = with_event_at(++n, event, run);
		if (!point.happened)
			return n - 1;
		if (rc == 0) {
			assert_true(cause == VFIOSAFE_CAUSE_FAULT || !point.in_reset);
			assert_int_equal(driver.count[LOST],
					 point.was_live && cause == VFIOSAFE_CAUSE_MARKED);
			works_in(2);
			continue;
		}
		assert_int_equal(rc, -EIO);
		assert_true(point.in_reset);
		assert_state(FAULT);
		assert_int_equal(driver.count[LOST], 1);
		assert_int_equal(driver.cause, cause);
		assert_ok(vfiosafe_recover(bench.dev, NULL));
		works_in(3);
	}
}

static void a_loss_at_any_point_is_healed_or_told(void **state)
{
	(void)state;
	assert_in_range(event_while(reset_it, mark, VFIOSAFE_CAUSE_MARKED), 10, 100);
	assert_in_range(event_while(recover_it, mark, VFIOSAFE_CAUSE_MARKED), 10, 100);
}

/* As long as the BARs are mapped back after it. */
static void so_is_a_fault(void **state)
{
	(void)state;
	assert_in_range(event_while(reset_it, close_the_gate, VFIOSAFE_CAUSE_FAULT), 10, 100);
	assert_in_range(event_while(recover_it, close_the_gate, VFIOSAFE_CAUSE_FAULT), 10,
			100);
}

static unsigned int closed_while(int (*run)(void))
{
	unsigned int n = 0;

	for (;;) {
		int rc;

		begin(run);
		prepare_close();
		rc = with_event_at(++n, close_beside, run);
		if (!point.happened)
			return n - 1;
		assert_closed(rc);
	}
}

static void a_close_at_any_point_ends_it(void **state)
{
	(void)state;
	assert_in_range(closed_while(reset_it), 10, 100);
	assert_in_range(closed_while(recover_it), 10, 100);
}

#define RESET FAKE_IOCTL, VFIO_DEVICE_RESET

static unsigned int resets_asked_for(void)
{
	return bench.k.count[FAKE_IOCTL];
}

/* Readers of sysfs hold the lock: 28 of 30 calls are refused. */
static void in_a_storm_of_refusals_every_reset_succeeds(void **state)
{
	(void)state;
	for (unsigned int i = 1; i <= 30; i++) {
		int64_t from = bench.k.now;

		fake_fail(&bench.k, RESET, i % 2 ? EAGAIN : EBUSY, i % 29);
		assert_ok(reset_it());
		assert_generation(i + 1);
		assert_true(bench.k.now - from < INT64_C(1000000000));
	}
	assert_int_equal(bench.fn->resets, 30);
}

/* One that lasts: not hammered at, and not one call beyond the deadline. */
static void a_storm_that_does_not_end_is_backed_off_from(void **state)
{
	const struct vfiosafe_reset_opts opts = { .size = sizeof(opts), .timeout_ms = 5000 };
	unsigned int before = resets_asked_for();
	int64_t from = bench.k.now;

	(void)state;
	fake_fail(&bench.k, RESET, EAGAIN, 100000);
	assert_refused(vfiosafe_reset(bench.dev, &opts), ETIMEDOUT, ADDRESS);
	assert_in_range(resets_asked_for() - before, 10, 400);
	assert_in_range(bench.k.now - from, 5000000000, 5050000000);
	assert_generation(1);
	assert_state(LIVE);
}

static void a_recovery_in_a_storm_may_be_tried_again(void **state)
{
	const struct vfiosafe_reset_opts soon = { .size = sizeof(soon), .timeout_ms = 50 };

	(void)state;
	mark();
	fake_fail(&bench.k, RESET, EAGAIN, 100000);
	for (int i = 0; i < 3; i++) {
		assert_refused(vfiosafe_recover(bench.dev, &soon), EIO, ADDRESS, "unknown");
		assert_state(FAULT);
		assert_generation(1);
	}
	memset(bench.k.rule, 0, sizeof(bench.k.rule));
	fake_fail(&bench.k, RESET, EAGAIN, 28);
	assert_ok(recover_it());
	assert_generation(2);
	assert_int_equal(driver.count[REINIT], 1);
}

/* reset_method emptied: the kernel answers ENOTTY until somebody fills it again. */
static void without_a_method_it_is_in_fault_until_there_is_one(void **state)
{
	(void)state;
	fake_fail(&bench.k, RESET, ENOTTY, 4);
	assert_refused(reset_it(), EIO, ADDRESS, strerror(ENOTTY), "unknown");
	for (int i = 0; i < 3; i++) {
		assert_state(FAULT);
		assert_refused(i == 1 ? reset_it() : recover_it(), EIO, strerror(ENOTTY));
	}
	assert_int_equal(driver.count[LOST], 4);
	assert_int_equal(driver.count[REINIT], 0);
	assert_ok(recover_it());
	assert_state(LIVE);
	assert_generation(2);
}

static void refuse_marks(struct vfiosafe_device *dev, enum callback which)
{
	(void)dev;
	if (which == REINIT && driver.count[REINIT] < 3)
		driver.rc[REINIT] = -ENOMSG;
	else
		driver.rc[REINIT] = 0;
}

static void a_waiter_recovers_what_fails_twice(void **state)
{
	(void)state;
	bench_close();
	bench.opts.recover_on_wait = true;
	bench_open();
	assert_ok(driver_set());
	driver.inside = refuse_marks;
	assert_int_equal(reset_it(), -EIO);
	assert_int_equal(vfiosafe_wait(bench.dev, bench.k.now + 1000000000), -EIO);
	assert_state(FAULT);
	assert_ok(vfiosafe_wait(bench.dev, bench.k.now + 1000000000));
	assert_int_equal(driver.count[REINIT], 3);
	assert_generation(4);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, driver_setup, bench_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_loss_at_any_point_is_healed_or_told),
		TEST(so_is_a_fault),
		TEST(a_close_at_any_point_ends_it),
		TEST(in_a_storm_of_refusals_every_reset_succeeds),
		TEST(a_storm_that_does_not_end_is_backed_off_from),
		TEST(a_recovery_in_a_storm_may_be_tried_again),
		TEST(without_a_method_it_is_in_fault_until_there_is_one),
		TEST(a_waiter_recovers_what_fails_twice),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

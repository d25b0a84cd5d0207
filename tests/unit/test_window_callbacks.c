/* SPDX-License-Identifier: MIT */
/* What callbacks may do, may not do, and do wrong. mark_lost() in every state. */
#include "uapi.h"
#include "unit_driver.h"

/* The callback in which the test's function runs, and how often it ran. */
static enum callback where;
static void (*what)(void);
static unsigned int ran;

static void only_where(struct vfiosafe_device *dev, enum callback which)
{
	(void)dev;
	if (which != where)
		return;
	ran++;
	what();
}

static void in(enum callback which, void (*fn)(void))
{
	where = which;
	what = fn;
	ran = 0;
	driver.inside = only_where;
}

/* A reset that meets each callback: @which runs at least once in it. */
static void run_one(enum callback which)
{
	if (which == RESUME)
		fake_fail(&bench.k, FAKE_IOCTL, VFIO_DEVICE_RESET, EINVAL, 1);
	if (which == LOST)
		fake_fail(&bench.k, FAKE_IOCTL, VFIO_DEVICE_RESET, EIO, 1);
	(void)!reset_ms(1000);
	assert_int_equal(ran, 1);
}

static void call_what_is_not_allowed(void)
{
	struct vfiosafe_window *win = NULL;
	struct vfiosafe_device *dev = bench.dev;

	assert_refused(vfiosafe_reset(dev, NULL), EDEADLK, "callback", ADDRESS);
	assert_refused(vfiosafe_recover(dev, NULL), EDEADLK, "vfiosafe_recover",
		       "callback");
	assert_refused(vfiosafe_wait(dev, VFIOSAFE_FOREVER), EDEADLK, "vfiosafe_wait",
		       "callback");
	assert_refused(vfiosafe_device_close(dev, 0), EDEADLK, "vfiosafe_device_close",
		       "callback");
	assert_refused(vfiosafe_bar_unmap(bench.bar, 0), EDEADLK, "vfiosafe_bar_unmap",
		       "callback");
	assert_refused(vfiosafe_window_begin(&win, dev, NULL), EDEADLK, "callback");
	assert_refused(vfiosafe_device_set_driver(dev, NULL, NULL), EDEADLK,
		       "vfiosafe_device_set_driver", "callback");
	assert_null(win);
}

static void calls_that_would_wait_for_themselves_are_refused(void **state)
{
	(void)state;
	for (int which = QUIESCE; which < CALLBACKS; which++) {
		in((enum callback)which, call_what_is_not_allowed);
		run_one((enum callback)which);
		assert_ok(vfiosafe_recover(bench.dev, NULL));
		assert_state(LIVE);
	}
}

static struct vfiosafe_window *the_window;

static void drive_the_window(void)
{
	assert_refused(vfiosafe_window_poll(the_window), EDEADLK, "vfiosafe_window_poll");
	assert_refused(vfiosafe_window_commit(the_window), EDEADLK,
		       "vfiosafe_window_commit");
	assert_refused(vfiosafe_window_finish(the_window), EDEADLK,
		       "vfiosafe_window_finish");
	vfiosafe_window_end(the_window);
}

static void the_steps_of_the_window_are_refused(void **state)
{
	(void)state;
	in(QUIESCE, drive_the_window);
	assert_ok(vfiosafe_window_begin(&the_window, bench.dev, NULL));
	assert_int_equal(vfiosafe_window_poll(the_window), VFIOSAFE_STEP_COMMIT);
	assert_int_equal(ran, 1);
	vfiosafe_window_end(the_window);
}

static void call_what_is_allowed(void)
{
	struct vfiosafe_bar *bar = NULL;
	struct vfiosafe_region region;

	assert_ok(vfiosafe_bar_map(&bar, bench.dev, 2, 0, 0, 0));
	assert_ok(vfiosafe_region_info(bench.dev, 0, &region));
	assert_true(vfiosafe_window_deadline(bench.dev) > bench.k.now);
	assert_true(vfiosafe_window_deadline(bench.dev) <= bench.k.now + 1000000000);
}

static void the_rest_is_allowed(void **state)
{
	(void)state;
	in(REINIT, call_what_is_allowed);
	assert_ok(reset_ms(1000));
	assert_int_equal(ran, 1);
}

static void use_the_old_view(void)
{
	struct vfiosafe_section sec;
	uint32_t value;

	assert_ok(vfiosafe_write32(&bench.view, 8, 0x1234));
	assert_ok(vfiosafe_read32(&bench.view, 8, &value));
	assert_int_equal(value, 0x1234);
	assert_ok(vfiosafe_begin(&bench.view, &sec));
	assert_ok(vfiosafe_check(&sec));
	assert_ok(vfiosafe_end(&sec));
}

static void quiesce_and_resume_may_use_the_device(void **state)
{
	(void)state;
	in(QUIESCE, use_the_old_view);
	run_one(QUIESCE);
	assert_ok(vfiosafe_bar_view(bench.bar, &bench.view));
	in(RESUME, use_the_old_view);
	run_one(RESUME);
	assert_generation(2);
}

static void renew_and_use(void)
{
	uint32_t value = 1;

	assert_refused(vfiosafe_read32(&bench.view, 8, &value), ESTALE, "renew");
	assert_ok(vfiosafe_bar_view(bench.bar, &bench.view));
	use_the_old_view();
}

static void a_view_taken_in_reinit_is_the_one_used_after_live(void **state)
{
	uint32_t value;

	(void)state;
	in(REINIT, renew_and_use);
	run_one(REINIT);
	assert_ok(vfiosafe_read32(&bench.view, 8, &value));
	assert_int_equal(value, 0x1234);
	in(READY, renew_and_use);
	run_one(READY);
}

static void try_to_touch(void)
{
	struct vfiosafe_view view;
	uint32_t value;

	assert_int_equal(vfiosafe_read32(&bench.view, 0, &value), -EIO);
	assert_int_equal(vfiosafe_bar_view(bench.bar, &view), -EIO);
}

static void lost_may_not_touch_the_device(void **state)
{
	(void)state;
	in(LOST, try_to_touch);
	run_one(LOST);
}

static struct vfiosafe_section left_open;

static void leave_a_section_open(void)
{
	assert_ok(vfiosafe_bar_view(bench.bar, &bench.view));
	assert_ok(vfiosafe_begin(&bench.view, &left_open));
}

static void a_quiesce_that_leaves_a_section_open_is_called_off(void **state)
{
	(void)state;
	in(QUIESCE, leave_a_section_open);
	assert_int_equal(reset_ms(1000), -ECANCELED);
	assert_state(LIVE);
	assert_generation(1);
	assert_int_equal(vfiosafe_reset(bench.dev, NULL), -EDEADLK);
	assert_ok(vfiosafe_end(&left_open));
	driver.inside = NULL;
	assert_ok(reset_ms(1000));
}

static void a_reinit_that_leaves_a_section_open_is_a_fault(void **state)
{
	(void)state;
	in(REINIT, leave_a_section_open);
	assert_refused(reset_ms(1000), EIO, "reinit");
	assert_state(FAULT);
	assert_int_equal(vfiosafe_end(&left_open), -EIO);
	driver.inside = NULL;
	assert_ok(vfiosafe_recover(bench.dev, NULL));
}

static void mark_lost(void)
{
	assert_ok(vfiosafe_mark_lost(bench.dev, "the test says so"));
}

static void a_loss_before_the_reset_is_healed_by_it(void **state)
{
	(void)state;
	in(QUIESCE, mark_lost);
	run_one(QUIESCE);
	assert_state(LIVE);
	assert_generation(2);
	assert_int_equal(driver.count[LOST], 0);
}

static void a_loss_in_a_window_that_is_called_off_is_a_fault(void **state)
{
	(void)state;
	in(QUIESCE, mark_lost);
	driver.rc[QUIESCE] = -EPERM;
	assert_refused(reset_ms(1000), EIO, "the test says so");
	assert_state(FAULT);
	assert_int_equal(vfiosafe_device_cause(bench.dev), VFIOSAFE_CAUSE_MARKED);
	assert_int_equal(driver.count[LOST], 1);
}

static void a_loss_in_resume_is_a_fault(void **state)
{
	(void)state;
	in(RESUME, mark_lost);
	run_one(RESUME);
	assert_state(FAULT);
	assert_int_equal(vfiosafe_device_cause(bench.dev), VFIOSAFE_CAUSE_MARKED);
}

static void mark_in_the_ioctl(struct fake *fake, enum fake_call call, uint64_t key)
{
	if (call != FAKE_IOCTL || key != VFIO_DEVICE_RESET)
		return;
	fake->hook = NULL;
	assert_state(RESETTING);
	mark_lost();
	ran++;
}

static void a_loss_while_the_device_is_being_reset_is_a_fault(void **state)
{
	(void)state;
	ran = 0;
	bench.k.hook = mark_in_the_ioctl;
	assert_refused(reset_ms(1000), EIO, "the test says so");
	assert_int_equal(ran, 1);
	assert_state(FAULT);
	assert_generation(2);
	assert_int_equal(driver.cause, VFIOSAFE_CAUSE_MARKED);
}

static void a_loss_after_the_reset_is_a_fault(void **state)
{
	static const enum callback in_which[] = { READY, REINIT };

	(void)state;
	for (unsigned int i = 0; i < 2; i++) {
		in(in_which[i], mark_lost);
		assert_refused(reset_ms(1000), EIO, "again", "the test says so");
		assert_int_equal(ran, 1);
		assert_state(FAULT);
		driver.inside = NULL;
		assert_ok(vfiosafe_recover(bench.dev, NULL));
	}
	assert_generation(5);
}

static void a_loss_in_live_is_a_fault_at_once(void **state)
{
	uint32_t value;

	(void)state;
	assert_ok(vfiosafe_mark_lost(bench.dev, NULL));
	assert_state(FAULT);
	assert_log("lost");
	assert_int_equal(driver.cause, VFIOSAFE_CAUSE_MARKED);
	assert_refused(vfiosafe_read32(&bench.view, 0, &value), EIO, "FAULT");
	/* Again is no error, and no second call of lost. */
	assert_ok(vfiosafe_mark_lost(bench.dev, "once more"));
	assert_log("lost");
	assert_ok(vfiosafe_recover(bench.dev, NULL));
	assert_generation(2);
}

static void a_loss_told_inside_a_section_calls_no_callback(void **state)
{
	struct vfiosafe_section sec;

	(void)state;
	assert_ok(vfiosafe_begin(&bench.view, &sec));
	mark_lost();
	assert_state(FAULT);
	assert_refused(vfiosafe_check(&sec), EIO, "FAULT");
	assert_refused(vfiosafe_end(&sec), EIO, "FAULT");
	assert_int_equal(driver.count[LOST], 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, driver_setup, bench_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(calls_that_would_wait_for_themselves_are_refused),
		TEST(the_steps_of_the_window_are_refused),
		TEST(the_rest_is_allowed),
		TEST(quiesce_and_resume_may_use_the_device),
		TEST(a_view_taken_in_reinit_is_the_one_used_after_live),
		TEST(lost_may_not_touch_the_device),
		TEST(a_quiesce_that_leaves_a_section_open_is_called_off),
		TEST(a_reinit_that_leaves_a_section_open_is_a_fault),
		TEST(a_loss_before_the_reset_is_healed_by_it),
		TEST(a_loss_in_a_window_that_is_called_off_is_a_fault),
		TEST(a_loss_in_resume_is_a_fault),
		TEST(a_loss_while_the_device_is_being_reset_is_a_fault),
		TEST(a_loss_after_the_reset_is_a_fault),
		TEST(a_loss_in_live_is_a_fault_at_once),
		TEST(a_loss_told_inside_a_section_calls_no_callback),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

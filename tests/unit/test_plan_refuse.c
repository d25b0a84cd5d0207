/* SPDX-License-Identifier: MIT */
/* A reset that is refused says what its plan says, and does not take long over it. */
#include "plan_rig.h"
#include "unit_driver.h"

/* Opens and resets, with nothing walked and nothing allocated for the text. */
static int refused_reset(void)
{
	unsigned int dirs;
	int64_t blocks;
	int rc;

	plan_open(VFIOSAFE_DOOR_CDEV);
	dirs = bench.k.count[FAKE_DIR_NAMES];
	blocks = heap_blocks();
	rc = vfiosafe_reset(bench.dev, NULL);
	assert_int_equal(bench.k.count[FAKE_DIR_NAMES], dirs);
	assert_true(heap_blocks() == blocks);
	return rc;
}

static void a_device_without_a_method(void **state)
{
	(void)state;
	bench.fn->no_reset = true;
	fake_remove(&bench.k, DEVICES "/" ADDRESS "/reset_method");
	assert_refused(refused_reset(), EOPNOTSUPP, ADDRESS, "no reset method by itself",
		       "vfiosafe_reset_plan()");
	assert_generation(1);
	assert_state(LIVE);
}

static void a_device_whose_first_reset_failed(void **state)
{
	(void)state;
	bench.fn->no_reset = true;
	assert_refused(refused_reset(), EOPNOTSUPP, ADDRESS, "was opened failed",
		       "open it again");
}

static void a_kernel_that_refuses_what_it_said_it_could(void **state)
{
	(void)state;
	fake_fail(&bench.k, FAKE_IOCTL, VFIO_DEVICE_RESET, EINVAL, 1);
	assert_refused(refused_reset(), EOPNOTSUPP, ADDRESS, "no working reset method",
		       "vfiosafe_reset_plan()");
	assert_state(LIVE);
}

static void a_device_that_stays_locked(void **state)
{
	static const int errors[] = { EAGAIN, EBUSY };

	(void)state;
	for (size_t i = 0; i < COUNT(errors); i++) {
		fake_fail(&bench.k, FAKE_IOCTL, VFIO_DEVICE_RESET, errors[i], 100000);
		assert_refused(refused_reset(), ETIMEDOUT, ADDRESS, "stayed locked",
			       "sriov_numvfs", "try again", "vfiosafe_reset_plan()");
		assert_state(LIVE);
		memset(bench.k.rule, 0, sizeof(bench.k.rule));
		bench_close();
	}
}

static void open_driven(void)
{
	memset(&driver, 0, sizeof(driver));
	plan_open(VFIOSAFE_DOOR_CDEV);
	assert_ok(driver_set());
}

/* Refused before anything was done: nobody was sent away, nothing was written. */
static void methods_that_were_taken_away(void **state)
{
	unsigned int ioctls, writes;

	(void)state;
	open_driven();
	put_methods("");
	ioctls = bench.k.count[FAKE_IOCTL];
	writes = bench.k.count[FAKE_PWRITE];
	assert_refused(vfiosafe_reset(bench.dev, NULL), EOPNOTSUPP,
		       "reset_method of " ADDRESS " was emptied",
		       "echo default > " DEVICES "/" ADDRESS "/reset_method");
	assert_state(LIVE);
	assert_generation(1);
	assert_int_equal(bench.k.count[FAKE_IOCTL], ioctls);
	assert_int_equal(bench.k.count[FAKE_PWRITE], writes);
	assert_int_equal(driver.count[QUIESCE] + driver.count[LOST], 0);
	assert_ok(vfiosafe_recover(bench.dev, NULL));
	put_methods("flr\n");
	assert_ok(vfiosafe_reset(bench.dev, NULL));
	assert_generation(2);
}

/* In FAULT it stays, and is told of no further loss. */
static void a_recovery_without_methods(void **state)
{
	(void)state;
	open_driven();
	assert_ok(vfiosafe_mark_lost(bench.dev, "by somebody"));
	put_methods("");
	assert_refused(vfiosafe_recover(bench.dev, NULL), EOPNOTSUPP, "was emptied");
	assert_refused(vfiosafe_reset(bench.dev, NULL), EOPNOTSUPP, "was emptied");
	assert_state(FAULT);
	assert_int_equal(driver.count[LOST], 1);
	put_methods("flr\n");
	assert_ok(vfiosafe_recover(bench.dev, NULL));
	assert_generation(2);
}

/* Who only waits for a reset that goes on already needs no method. */
static void a_window_is_joined_without_methods(void **state)
{
	struct vfiosafe_window *first, *second;

	(void)state;
	plan_open(VFIOSAFE_DOOR_CDEV);
	assert_ok(vfiosafe_window_begin(&first, bench.dev, NULL));
	put_methods("");
	assert_ok(vfiosafe_window_begin(&second, bench.dev, NULL));
	vfiosafe_window_end(second);
	vfiosafe_window_end(first);
	assert_state(LIVE);
}

static void methods_that_cannot_be_read(void **state)
{
	(void)state;
	plan_open(VFIOSAFE_DOOR_CDEV);
	fake_remove(&bench.k, DEVICES "/" ADDRESS "/reset_method");
	assert_ok(vfiosafe_reset(bench.dev, NULL));
	assert_generation(2);
}

static void take_methods(struct vfiosafe_device *dev, enum callback which)
{
	(void)dev;
	if (which == QUIESCE)
		put_methods("");
}

/* The reset fails in the middle: the text of the fault says what to mend. */
static void methods_that_are_taken_away_meanwhile(void **state)
{
	(void)state;
	open_driven();
	driver.inside = take_methods;
	fake_fail(&bench.k, FAKE_IOCTL, VFIO_DEVICE_RESET, ENOTTY, 1);
	assert_refused(vfiosafe_reset(bench.dev, NULL), EIO,
		       "VFIO_DEVICE_RESET of " ADDRESS,
		       "unknown; reset_method of " ADDRESS " was emptied",
		       "echo default > " DEVICES "/" ADDRESS "/reset_method");
	assert_state(FAULT);
	put_methods("flr\n");
	fake_fail(&bench.k, FAKE_IOCTL, VFIO_DEVICE_RESET, ENOTTY, 1);
	assert_refused(vfiosafe_recover(bench.dev, NULL), EIO, "state is unknown");
	assert_null(strstr(vfiosafe_error_text(), "emptied"));
}

/* Whatever fails below, the refusal stays the one that it is. */
static void the_text_may_fail_the_refusal_not(void **state)
{
	bool failed;
	unsigned int n = 0;

	(void)state;
	bench.fn->no_reset = true;
	plan_open(VFIOSAFE_DOOR_CDEV);
	do {
		bench.k.failed = false;
		bench.k.fail_err = EPROTO;
		bench.k.fail_nth = ++n;
		assert_int_equal(vfiosafe_reset(bench.dev, NULL), -EOPNOTSUPP);
		failed = bench.k.failed;
		bench.k.fail_nth = 0;
		assert_says(vfiosafe_error_text(), ADDRESS);
	} while (failed);
	assert_true(n > 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PLAN_TEST(a_device_without_a_method),
		PLAN_TEST(a_device_whose_first_reset_failed),
		PLAN_TEST(a_kernel_that_refuses_what_it_said_it_could),
		PLAN_TEST(a_device_that_stays_locked),
		PLAN_TEST(methods_that_were_taken_away),
		PLAN_TEST(a_recovery_without_methods),
		PLAN_TEST(a_window_is_joined_without_methods),
		PLAN_TEST(methods_that_cannot_be_read),
		PLAN_TEST(methods_that_are_taken_away_meanwhile),
		PLAN_TEST(the_text_may_fail_the_refusal_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

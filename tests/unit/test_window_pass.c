/* SPDX-License-Identifier: MIT */
/* vfiosafe_window_pass(): other threads beside the callback that runs. */
#include "unit_driver.h"
#include "unit_thread.h"

static int touch(void)
{
	uint32_t value;

	return vfiosafe_read32(&bench.view, 0, &value);
}

static int touch_with_a_pass(void)
{
	int rc = vfiosafe_window_pass(bench.dev, true);

	rc = rc ? rc : touch();
	return rc ? rc : vfiosafe_window_pass(bench.dev, false);
}

static void use_other_threads(struct vfiosafe_device *dev, enum callback which)
{
	(void)dev;
	if (which != REINIT)
		return;
	assert_ok(vfiosafe_bar_view(bench.bar, &bench.view));
	assert_int_equal(on_another_thread(touch), -EAGAIN);
	assert_ok(on_another_thread(touch_with_a_pass));
	assert_ok(touch());
}

static void a_pass_lets_a_thread_in_beside_reinit(void **state)
{
	(void)state;
	driver.inside = use_other_threads;
	assert_ok(vfiosafe_reset(bench.dev, NULL));
	assert_ok(touch());
}

static void there_is_no_pass_without_a_callback(void **state)
{
	struct vfiosafe_window *win = NULL;

	(void)state;
	assert_refused(vfiosafe_window_pass(bench.dev, true), EINVAL, ADDRESS,
		       "no callback runs");
	assert_ok(vfiosafe_window_begin(&win, bench.dev, NULL));
	assert_int_equal(vfiosafe_window_poll(win), VFIOSAFE_STEP_COMMIT);
	assert_int_equal(vfiosafe_window_pass(bench.dev, true), -EINVAL);
	vfiosafe_window_end(win);
	assert_ok(vfiosafe_window_pass(bench.dev, false));
}

/* Takes a pass, does not give it back, and goes on after the window. */
static struct runner beside;
static sem_t passed, go_on;

static int keep_the_pass(void)
{
	struct vfiosafe_section sec;
	int rc = vfiosafe_window_pass(bench.dev, true);

	sem_post(&passed);
	sem_wait(&go_on);
	if (rc)
		return rc;
	/* The pass ended with the state: a thread like any other. */
	rc = vfiosafe_wait(bench.dev, VFIOSAFE_FOREVER);
	rc = rc ? rc : vfiosafe_begin(&bench.view, &sec);
	rc = rc ? rc : vfiosafe_end(&sec);
	return rc ? rc : vfiosafe_reset(bench.dev, NULL);
}

static void let_one_keep_it(struct vfiosafe_device *dev, enum callback which)
{
	(void)dev;
	if (which != REINIT)
		return;
	driver.inside = NULL;
	assert_ok(vfiosafe_bar_view(bench.bar, &bench.view));
	run_beside(&beside, keep_the_pass);
	sem_wait(&passed);
}

static void a_pass_ends_with_the_state(void **state)
{
	(void)state;
	bench.k.real_clock = true;
	sem_init(&passed, 0, 0);
	sem_init(&go_on, 0, 0);
	driver.inside = let_one_keep_it;
	assert_ok(vfiosafe_reset(bench.dev, NULL));
	sem_post(&go_on);
	assert_ok(run_ended(&beside));
	assert_generation(3);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, driver_setup, bench_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_pass_lets_a_thread_in_beside_reinit),
		TEST(there_is_no_pass_without_a_callback),
		TEST(a_pass_ends_with_the_state),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

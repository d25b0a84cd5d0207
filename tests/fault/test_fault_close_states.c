/* SPDX-License-Identifier: MIT */
/* The kernel wants its device back in each state that it can be in. */
#include "fault_holding.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>

static void *reset(void *arg)
{
	struct rig *rig = arg;

	return (void *)(intptr_t)vfiosafe_reset(rig->dev, NULL);
}

/* The call that is under way holds the device until it returns, and no longer. */
static void a_reset_under_way_is_the_last(void **state)
{
	struct rig_opts opts = { .by_address = true, .window_us = 1000000 };
	struct holding before;
	pthread_t thread;
	struct rig rig;
	void *rc;

	(void)state;
	rig_install();
	sim_alone(&rig, &before);
	rig_open(&rig, &opts);
	assert_int_equal(pthread_create(&thread, NULL, reset, &rig), 0);
	until(rig_counts(&rig).windows == 1);
	assert_int_equal(vfiosafe_device_close(rig.dev, 10), -EBUSY);
	pthread_join(thread, &rc);
	assert_int_equal((intptr_t)rc, -ENODEV);
	assert_int_equal(rig_counts(&rig).resets, 1);
	assert_holds_nothing(&rig, &before);
	assert_int_equal(rig.reinits, 0);
	rig_close(&rig);
	rig_restore();
}

/* Pulled out in each state that a device can be in; how long it took to be closed. */
static int64_t unplugged_in(int which)
{
	struct rig_opts opts = { .by_address = true };
	struct vfiosafe_window *win = NULL;
	struct holding before;
	struct rig rig;
	int64_t begin;

	sim_alone(&rig, &before);
	rig_open(&rig, &opts);
	if (which == 1)
		assert_int_equal(vfiosafe_mark_lost(rig.dev, NULL), 0);
	if (which == 2)
		assert_int_equal(vfiosafe_set_decode(rig.dev, false, NULL), 0);
	if (which >= 3)
		assert_int_equal(vfiosafe_window_begin(&win, rig.dev, NULL), 0);
	if (which >= 4)
		until(vfiosafe_window_poll(win) == VFIOSAFE_STEP_COMMIT);
	if (which == 5)
		assert_int_equal(vfiosafe_window_commit(win), 0);
	vfiosafe_sim_unplug(rig.sim);
	if (which == 4)
		assert_int_not_equal(vfiosafe_window_commit(win), 0);
	begin = now_ms();
	wait_for_request(&rig);
	assert_int_equal(vfiosafe_reset(rig.dev, NULL), -EBUSY);
	vfiosafe_window_end(win);
	assert_int_equal(vfiosafe_device_close(rig.dev, 30000), 0);
	begin = now_ms() - begin;
	assert_holds_nothing(&rig, &before);
	vfiosafe_sim_close(rig.sim);
	return begin;
}

/* Within a second, on a machine that has a processor for it: one of a few times. */
static bool closes_in_time(int which)
{
	for (int i = 0; i < 5; i++)
		if (unplugged_in(which) < 1000)
			return true;
	return false;
}

static void a_device_that_was_pulled_out_is_closed_in_any_state(void **state)
{
	(void)state;
	rig_install();
	for (int which = 0; which <= 5; which++)
		assert_true(closes_in_time(which));
	rig_restore();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_reset_under_way_is_the_last),
		cmocka_unit_test(a_device_that_was_pulled_out_is_closed_in_any_state),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

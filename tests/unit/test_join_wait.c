/* SPDX-License-Identifier: MIT */
/* Calls of a client that wait for the owner, and several threads in them. */
#include "join_rig.h"
#include "unit_thread.h"

static int wait_live(void)
{
	return vfiosafe_wait(rig.dev, VFIOSAFE_FOREVER);
}

/* What the owner says to ASK, when that has come. */
static struct vsf_msg hear(void)
{
	struct vsf_msg msg;

	until((msg = rig_heard()).type);
	return msg;
}

static void a_waiter_goes_through_the_window_itself(void **state)
{
	struct runner runner;

	(void)state;
	rig_word(3, VFIOSAFE_QUIESCE);
	rig_prepare(RIG_WINDOW, 1000, 0);
	run_beside(&runner, wait_live);
	assert_int_equal(hear().type, VSF_MSG_READY);
	rig_word(4, VFIOSAFE_LIVE);
	rig_state(RIG_WINDOW, 0);
	assert_ok(run_ended(&runner));
	assert_driver(" quiesce reinit");
	assert_heard(BACK);
}

static void waiters_end_by_what_another_thread_dispatched(void **state)
{
	struct runner runner[3];

	(void)state;
	rig_word(3, VFIOSAFE_QUIESCE);
	rig_prepare(RIG_WINDOW, 1000, 0);
	for (int i = 0; i < 3; i++)
		run_beside(&runner[i], wait_live);
	assert_int_equal(hear().type, VSF_MSG_READY);
	rig_word(3, VFIOSAFE_LIVE);
	rig_state(RIG_WINDOW, -ECANCELED);
	/* Whoever is first; this thread may be. */
	until(vfiosafe_device_state(rig.dev) == VFIOSAFE_LIVE || dispatch() > 0);
	for (int i = 0; i < 3; i++)
		assert_ok(run_ended(&runner[i]));
	assert_driver(" quiesce resume");
}

static void a_wait_has_its_deadline(void **state)
{
	(void)state;
	rig.no_waits = true;
	rig_word(3, VFIOSAFE_RESETTING);
	assert_refused(vfiosafe_wait(rig.dev, rig.sys.now_ns(NULL) + 1000000000), ETIMEDOUT,
		       "RESETTING");
}

static void is_reset_under_it(const char *which)
{
	uint32_t value;

	if (strcmp(which, "reinit") != 0)
		return;
	assert_ok(vfiosafe_bar_view(rig.bar, &rig.view));
	rig_word(4, VFIOSAFE_RESETTING);
	assert_int_equal(vfiosafe_read32(&rig.view, 0, &value), -EAGAIN);
	rig.inside = NULL;
}

/* By force, over this process. It did what it could: it is not its driver that failed. */
static void reinit_runs_again_if_the_device_was_reset_under_it(void **state)
{
	(void)state;
	rig.inside = is_reset_under_it;
	rig.rc[RIG_REINIT] = -EAGAIN;
	rig_word(4, VFIOSAFE_LIVE);
	rig_state(RIG_WINDOW, 0);
	assert_ok(dispatch());
	assert_driver(" reinit");
	assert_heard_nothing();
	rig.rc[RIG_REINIT] = 0;
	rig_word(5, VFIOSAFE_LIVE);
	rig_state(RIG_WINDOW + 1, 0);
	assert_int_equal(rig_dispatch_until_heard().type, VSF_MSG_BACK);
	assert_driver(" reinit");
	assert_rig_state(LIVE);
}

static sem_t entered, leave;

static void stay(const char *which)
{
	(void)which;
	sem_post(&entered);
	sem_wait(&leave);
}

static void two_threads_do_not_dispatch_at_once(void **state)
{
	struct runner runner;

	(void)state;
	sem_init(&entered, 0, 0);
	sem_init(&leave, 0, 0);
	rig.inside = stay;
	rig_word(3, VFIOSAFE_QUIESCE);
	rig_prepare(RIG_WINDOW, 1000, 0);
	run_beside(&runner, dispatch);
	sem_wait(&entered);
	assert_refused(dispatch(), EAGAIN, "another thread");
	assert_refused(vfiosafe_device_set_driver(rig.dev, NULL, NULL), EBUSY, "window");
	assert_refused(vfiosafe_device_close(rig.dev, 0), EBUSY, "call");
	sem_post(&leave);
	assert_int_equal(run_ended(&runner), -ENODEV);
	rig.inside = NULL;
}

static void the_deadline_of_a_window_is_told(void **state)
{
	int64_t deadline;

	(void)state;
	assert_true(vfiosafe_window_deadline(rig.dev) == VFIOSAFE_FOREVER);
	rig_word(3, VFIOSAFE_QUIESCE);
	rig_prepare(RIG_WINDOW, 60000, 0);
	assert_int_equal(rig_dispatch_until_heard().type, VSF_MSG_READY);
	deadline = vfiosafe_window_deadline(rig.dev) - rig.sys.now_ns(NULL);
	assert_true(deadline > 0 && deadline <= 60000000000);
	rig_word(3, VFIOSAFE_LIVE);
	rig_state(RIG_WINDOW, 0);
	assert_int_equal(rig_dispatch_until_heard().type, VSF_MSG_BACK);
	assert_true(vfiosafe_window_deadline(rig.dev) == VFIOSAFE_FOREVER);
}

static void what_the_socket_has_no_room_for_is_said_later(void **state)
{
	(void)state;
	rig.fail_err[RIG_SEND] = EAGAIN;
	rig_word(3, VFIOSAFE_QUIESCE);
	rig_prepare(RIG_WINDOW, 1000, 0);
	for (int i = 0; i < 5; i++)
		assert_ok(dispatch());
	assert_heard_nothing();
	rig.fail_err[RIG_SEND] = 0;
	assert_int_equal(rig.sys.epoll_wait(NULL, vsf_join_fd(rig.dev), &(int){ 0 }, 1,
					    rig.sys.now_ns(NULL) + 5000000000),
			 1);
	assert_int_equal(rig_dispatch_until_heard().type, VSF_MSG_READY);
	assert_driver(" quiesce");
}

static void a_membarrier_that_fails_is_tried_again_before_ready(void **state)
{
	(void)state;
	rig.fail_err[RIG_MEMBARRIER] = ENOMEM;
	rig_word(3, VFIOSAFE_QUIESCE);
	rig_prepare(RIG_WINDOW, 1000, 0);
	for (int i = 0; i < 5; i++)
		assert_ok(dispatch());
	assert_heard_nothing();
	assert_driver("");
	rig.fail_err[RIG_MEMBARRIER] = 0;
	assert_int_equal(rig_dispatch_until_heard().type, VSF_MSG_READY);
}

static void a_client_of_a_parked_device_comes_in_when_it_wakes(void **state)
{
	(void)state;
	rig_word(3, VFIOSAFE_RESETTING);
	rig_welcome(1);
	rig_range(0, VSF_REACH_DMABUF, BOTH, 0, RIG_BAR);
	assert_ok(rig_join());
	assert_rig_state(RESETTING);
	assert_int_equal(vfiosafe_wait(rig.dev, 0), -ETIMEDOUT);
	rig_word(3, VFIOSAFE_LIVE);
	rig_state(1, 0);
	assert_ok(wait_live());
	rig_use();
	assert_driver("");
	assert_ok(vfiosafe_write32(&rig.view, 0, 1));
}

static void a_window_announced_in_the_handshake_is_answered(void **state)
{
	(void)state;
	rig_welcome(1);
	rig_word(3, VFIOSAFE_QUIESCE);
	rig_prepare(RIG_WINDOW, 1000, 0);
	rig_range(0, VSF_REACH_DMABUF, BOTH, 0, RIG_BAR);
	assert_ok(rig_join());
	assert_heard(HELLO);
	assert_heard(READY);
}

int main(void)
{
#define FRESH(test) cmocka_unit_test_setup_teardown(test, rig_setup, rig_teardown)
#define MAPPED(test) cmocka_unit_test_setup_teardown(test, rig_setup_mapped, rig_teardown)
	const struct CMUnitTest tests[] = {
		MAPPED(a_waiter_goes_through_the_window_itself),
		MAPPED(waiters_end_by_what_another_thread_dispatched),
		MAPPED(a_wait_has_its_deadline),
		MAPPED(reinit_runs_again_if_the_device_was_reset_under_it),
		MAPPED(two_threads_do_not_dispatch_at_once),
		MAPPED(the_deadline_of_a_window_is_told),
		MAPPED(what_the_socket_has_no_room_for_is_said_later),
		MAPPED(a_membarrier_that_fails_is_tried_again_before_ready),
		FRESH(a_client_of_a_parked_device_comes_in_when_it_wakes),
		FRESH(a_window_announced_in_the_handshake_is_answered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* Hundreds of clients of one owner, without a thread each. */
#include <sys/resource.h>

#include "share_rig.h"

#define MANY 300

static struct peer many[MANY];

/* Both ends are in this process: seven fds for each. */
static int many_setup(void **state)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return -1;
	if (limit.rlim_cur < 8 * MANY) {
		limit.rlim_cur = 8 * MANY;
		if (limit.rlim_max < limit.rlim_cur || setrlimit(RLIMIT_NOFILE, &limit) < 0)
			return -1;
	}
	driver_setup(state);
	for (int i = 0; i < MANY; i++)
		many[i] = joined_with(0);
	return 0;
}

static int many_teardown(void **state)
{
	for (int i = 0; i < MANY; i++)
		peer_close(&many[i]);
	return bench_teardown(state);
}

static void all_are_asked_and_told(void **state)
{
	struct vfiosafe_window *win;

	(void)state;
	assert_int_equal(vfiosafe_share_count(bench.dev), MANY);
	win = asking(1000, VFIOSAFE_POLICY_ABORT);
	for (int i = 0; i < MANY; i++) {
		assert_int_equal(poll_window(win), -EAGAIN);
		agree(&many[i]);
	}
	assert_ok(take_through(win));
	for (int i = 0; i < MANY; i++)
		assert_int_equal(hear(&many[i], VSF_MSG_STATE).word, vsf_word(2, VFIOSAFE_LIVE));
}

static void one_of_them_that_is_late_is_found(void **state)
{
	struct vfiosafe_window *win = asking(1000, VFIOSAFE_POLICY_FORCE);

	(void)state;
	for (int i = 0; i < MANY; i++)
		if (i != 123)
			agree(&many[i]);
	assert_int_equal(poll_window(win), -EAGAIN);
	fake_advance_ms(&bench.k, 1001);
	assert_ok(take_through(win));
	assert_int_equal(vfiosafe_share_count(bench.dev), MANY - 1);
	assert_true(is_hung_up(many[123].sock));
}

/* Calls of the kernel: of a window for all, one to each and one from each, or two. */
static void a_window_costs_each_client_the_same(void **state)
{
	struct vfiosafe_window *win;
	unsigned int sends, receives, waits;

	(void)state;
	sends = times_called(FAKE_SEND);
	receives = times_called(FAKE_RECEIVE);
	waits = times_called(FAKE_EPOLL_WAIT);
	win = asking(1000, VFIOSAFE_POLICY_ABORT);
	for (int i = 0; i < MANY; i++)
		agree(&many[i]);
	assert_ok(take_through(win));
	assert_int_equal(times_called(FAKE_SEND) - sends, 2 * MANY);
	assert_in_range(times_called(FAKE_RECEIVE) - receives, MANY, 2 * MANY + 16);
	assert_in_range(times_called(FAKE_EPOLL_WAIT) - waits, 1, MANY / 8);
}

static void all_leave_at_once(void **state)
{
	(void)state;
	for (int i = 0; i < MANY; i++)
		peer_close(&many[i]);
	for (int i = 0; i < 3; i++)
		look();
	assert_int_equal(vfiosafe_share_count(bench.dev), 0);
	assert_ok(reset_ms(100));
}

#define with_many(test) cmocka_unit_test_setup_teardown(test, many_setup, many_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_many(all_are_asked_and_told),
		with_many(one_of_them_that_is_late_is_found),
		with_many(a_window_costs_each_client_the_same),
		with_many(all_leave_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

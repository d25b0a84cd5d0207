/* SPDX-License-Identifier: MIT */
/* Every call of a join, and every allocation, fails in turn. */
#include "join_rig.h"

static void prepare(void)
{
	void *state;

	rig_setup(&state);
	rig_welcome(2);
	rig_range(0, VSF_REACH_DMABUF, BOTH, 0, RIG_PAGE);
	rig_range(1, VSF_REACH_CALLS, BOTH, RIG_PAGE, RIG_PAGE);
}

static int join_and_map(void)
{
	int rc = rig_join();

	return rc ? rc : vfiosafe_bar_map(&rig.bar, rig.dev, 0, 0, 0, 0);
}

/* After a failure: the socket is open; a device that was made can be closed. */
static void check(int rc, int err)
{
	char byte;

	if (rc == 0)
		return;
	assert_int_equal(rc, -err);
	assert_true(rig.dev ? rig.socket_fd < 0 : write(rig.socket_fd, "x", 1) == 1);
	(void)!read(rig.socket_fd, &byte, 0);
}

/* What a join can do without: membarrier, which is replaced by fences. */
static bool is_forgiven(enum rig_call call)
{
	return call == RIG_MEMBARRIER;
}

/* What a hostile file would answer, too. */
static int expected(enum rig_call call)
{
	return call == RIG_SEALED ? EPROTO : EDOM;
}

static void every_call_fails_in_turn(void **state)
{
	unsigned int n = 0;
	bool failed;
	int rc;

	(void)state;
	do {
		prepare();
		rig.fail_nth = ++n;
		rc = join_and_map();
		rig.fail_nth = 0;
		failed = rig.failed;
		if (failed)
			print_message("call %u (kind %d) fails: %d\n", n, rig.failed_call, rc);
		if (failed && !is_forgiven(rig.failed_call)) {
			/* The look at the calls socket asks for one answer only. */
			if (rc == -EPROTO)
				assert_true(rig.failed_call == RIG_SEALED ||
					    rig.failed_call == RIG_RECEIVE);
			else
				check(rc, expected(rig.failed_call));
			assert_int_not_equal(rc, 0);
		}
		rig_teardown(state);
	} while (failed);
	assert_ok(rc);
	assert_true(n > 20);
}

static void every_allocation_fails_in_turn(void **state)
{
	bool failed;
	int n = 0, rc;

	(void)state;
	do {
		prepare();
		heap_fail_nth(++n);
		rc = join_and_map();
		failed = heap_failed();
		heap_fail_nth(0);
		if (failed)
			check(rc, ENOMEM);
		rig_teardown(state);
	} while (failed);
	assert_ok(rc);
	assert_true(n > 2);
}

/* Else the owner would wait for a process that has nothing of the device. */
static void a_join_that_fails_after_the_welcome_says_BYE(void **state)
{
	rig_setup(state);
	rig_welcome(2);
	rig_range(0, VSF_REACH_DMABUF, BOTH, 0, RIG_PAGE);
	rig.no_waits = true;
	assert_int_equal(rig_join(), -ETIMEDOUT);
	assert_non_null(strstr(vfiosafe_error_text(), "did not answer in time"));
	assert_heard(HELLO);
	assert_heard(BYE);
	assert_int_equal(rig_heard().type, 0);
	rig_teardown(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_call_fails_in_turn),
		cmocka_unit_test(every_allocation_fails_in_turn),
		cmocka_unit_test(a_join_that_fails_after_the_welcome_says_BYE),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

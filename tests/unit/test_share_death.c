/* SPDX-License-Identifier: MIT */
/* Clients that die, at each point of their life: windows go on. */
#include "share_process.h"

/* Killed at @upto, of a window that another client takes part in. */
static void killed_at(enum upto upto, uint32_t rights, bool heir)
{
	struct vfiosafe_grant grant = grant_of(rights);
	struct process child = spawn(&grant, upto, heir);
	struct peer good = joined_with(0);
	struct vfiosafe_window *win;

	if (upto > SAYS_NOTHING)
		look_until_reached(&child, SAYS_HELLO);
	win = asking(1000, VFIOSAFE_POLICY_ABORT);
	if (upto > SAYS_HELLO)
		look_until_reached(&child, upto);
	kill_it(&child);
	agree(&good);
	assert_int_equal(poll_until_told(win), VFIOSAFE_STEP_COMMIT);
	assert_ok(take_through(win));
	hear(&good, VSF_MSG_STATE);
	/* Its zombie is not waited for, nor the child that has its socket. */
	while (upto > SAYS_NOTHING && vfiosafe_share_count(bench.dev) > 1)
		look();
	assert_int_equal(vfiosafe_share_count(bench.dev), 1);
	collect(&child);
	peer_close(&good);
}

static void a_client_dies_before_it_says_hello(void **state)
{
	(void)state;
	killed_at(SAYS_NOTHING, 0, false);
}

static void a_client_dies_when_it_has_joined(void **state)
{
	(void)state;
	killed_at(SAYS_HELLO, 0, false);
	killed_at(SAYS_HELLO, VFIOSAFE_GRANT_DEVICE_FD, false);
}

static void a_client_dies_when_it_is_asked(void **state)
{
	(void)state;
	killed_at(IS_ASKED, 0, false);
	killed_at(IS_ASKED, VFIOSAFE_GRANT_DEVICE_FD, false);
}

static void a_client_dies_when_it_is_READY(void **state)
{
	(void)state;
	killed_at(IS_READY, 0, false);
	killed_at(IS_READY, VFIOSAFE_GRANT_DEVICE_FD, false);
}

static void a_child_that_keeps_the_socket_does_not_hide_a_death(void **state)
{
	(void)state;
	killed_at(SAYS_HELLO, 0, true);
	killed_at(IS_ASKED, 0, true);
	killed_at(IS_ASKED, VFIOSAFE_GRANT_DEVICE_FD, true);
}

static void a_death_is_told_once(void **state)
{
	struct vfiosafe_grant grant = grant_of(VFIOSAFE_GRANT_DEVICE_FD);
	struct process child = spawn(&grant, SAYS_HELLO, false);

	(void)state;
	look_until_reached(&child, SAYS_HELLO);
	kill_it(&child);
	while (vfiosafe_share_count(bench.dev) > 0)
		look();
	look();
	assert_int_equal(next_peer_event(), -ESRCH);
	assert_int_equal(next_peer_event(), 1);
	collect(&child);
}

/* It may have the device mapped all the same, as long as it lives. */
static void a_hang_up_of_who_maps_the_device_is_not_its_end(void **state)
{
	struct vfiosafe_grant grant = grant_of(VFIOSAFE_GRANT_DEVICE_FD);
	struct process child = spawn(&grant, HANGS_UP, false);
	struct vfiosafe_window *win;

	(void)state;
	look_until_reached(&child, HANGS_UP);
	look();
	assert_int_equal(next_peer_event(), -ESRCH);
	assert_int_equal(vfiosafe_share_count(bench.dev), 0);
	win = asking(1000, VFIOSAFE_POLICY_ABORT);
	assert_int_equal(poll_window(win), -EAGAIN);
	fake_advance_ms(&bench.k, 1001);
	assert_refused(poll_window(win), ETIMEDOUT, "(child)", "has not ended");
	vfiosafe_window_end(win);
	assert_state(LIVE);
	win = asking(1000, VFIOSAFE_POLICY_ABORT);
	assert_int_equal(poll_window(win), -EAGAIN);
	kill_it(&child);
	assert_int_equal(clients_kept(), 1);
	assert_int_equal(poll_until_told(win), VFIOSAFE_STEP_COMMIT);
	assert_int_equal(clients_kept(), 0);
	assert_ok(take_through(win));
	assert_int_equal(next_peer_event(), 1);
	collect(&child);
}

/* What it had, it had through the owner. */
static void a_hang_up_of_who_only_calls_is_its_end(void **state)
{
	struct vfiosafe_grant grant = grant_of(0);
	struct process child = spawn(&grant, HANGS_UP, false);

	(void)state;
	look_until_reached(&child, HANGS_UP);
	look();
	assert_ok(reset_ms(100));
	collect(&child);
}

#define LATER 6

/*
 * All in one look: a client hangs up, others say hello, and get numbers for their pidfds
 * that were the first one's; and that one's death, under such a number.
 */
static void a_number_that_is_used_again_is_no_death(void **state)
{
	struct vfiosafe_grant grant = grant_of(0);
	struct process child = spawn(&grant, HANGS_UP, false);
	struct peer later[LATER];

	(void)state;
	do
		look();
	while (vfiosafe_share_count(bench.dev) == 0);
	for (int i = 0; i < LATER; i++)
		later[i] = serve(&grant);
	until(has_reached(&child, HANGS_UP));
	for (int i = 0; i < LATER; i++)
		say(&later[i], .type = VSF_MSG_HELLO, .text = "later");
	kill_it(&child);
	look();
	look();
	assert_int_equal(vfiosafe_share_count(bench.dev), LATER);
	assert_int_equal(next_peer_event(), -ESRCH);
	assert_int_equal(next_peer_event(), 1);
	for (int i = 0; i < LATER; i++) {
		hear_welcome(&later[i]);
		peer_close(&later[i]);
	}
	collect(&child);
}

#define with_device(test) cmocka_unit_test_setup_teardown(test, driver_setup, bench_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_device(a_client_dies_before_it_says_hello),
		with_device(a_client_dies_when_it_has_joined),
		with_device(a_client_dies_when_it_is_asked),
		with_device(a_client_dies_when_it_is_READY),
		with_device(a_child_that_keeps_the_socket_does_not_hide_a_death),
		with_device(a_death_is_told_once),
		with_device(a_hang_up_of_who_maps_the_device_is_not_its_end),
		with_device(a_hang_up_of_who_only_calls_is_its_end),
		with_device(a_number_that_is_used_again_is_no_death),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

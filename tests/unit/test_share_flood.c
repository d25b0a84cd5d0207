/* SPDX-License-Identifier: MIT */
/* Clients that say too much, or read nothing: the others and the owner go on. */
#include "share_rig.h"

static void fill(int fd)
{
	struct vsf_msg msg = { .type = VSF_MSG_BACK, .word = vsf_word(1, VFIOSAFE_LIVE) };

	while (say_on(fd, msg) == 0)
		;
}

/* Its answers wait in the owner behind all that it said before. */
static void a_flood_does_not_delay_the_votes_of_others(void **state)
{
	struct peer flood[3], good = joined_with(0);
	struct vfiosafe_window *win;
	unsigned int looks;

	(void)state;
	for (int i = 0; i < 3; i++)
		flood[i] = joined_with(0);
	win = asking(1000, VFIOSAFE_POLICY_ABORT);
	for (int i = 0; i < 3; i++) {
		struct vsf_msg msg = hear(&flood[i], VSF_MSG_PREPARE);

		say(&flood[i], .type = VSF_MSG_READY, .window = msg.window);
		fill(flood[i].sock);
	}
	agree(&good);
	looks = times_called(FAKE_RECEIVE);
	assert_int_equal(poll_window(win), VFIOSAFE_STEP_COMMIT);
	/* What is read of one in a round is bounded. */
	assert_true(times_called(FAKE_RECEIVE) - looks <= 4 * 17 * 2);
	for (int i = 0; i < 3; i++)
		fill(flood[i].sock);
	assert_ok(take_through(win));
	peer_close(&good);
	for (int i = 0; i < 3; i++)
		peer_close(&flood[i]);
}

static void a_round_ends_however_much_is_said(void **state)
{
	struct peer flood = joined_with(0);
	unsigned int looks;

	(void)state;
	fill(flood.sock);
	looks = times_called(FAKE_RECEIVE);
	look();
	assert_in_range(times_called(FAKE_RECEIVE) - looks, 1, 64);
	peer_close(&flood);
}

static unsigned int drain_all(struct peer *peer)
{
	struct vfiosafe_received with;
	struct vsf_msg msg;
	unsigned int n = 0;

	while (hear_on(peer->sock, VSF_FROM_OWNER, &msg, &with))
		n++;
	return n;
}

static void who_does_not_read_does_not_block_the_owner(void **state)
{
	struct peer deaf = joined_with(0), good = joined_with(0);
	struct vfiosafe_window *win;

	(void)state;
	/* Until there is no room for the next. */
	for (int i = 0; i < 2000; i++) {
		win = asking(1, VFIOSAFE_POLICY_ABORT);
		vfiosafe_window_end(win);
		drain_all(&good);
	}
	win = asking(100, VFIOSAFE_POLICY_ABORT);
	agree(&good);
	assert_int_equal(poll_window(win), -EAGAIN);
	fake_advance_ms(&bench.k, 101);
	assert_refused(poll_window(win), ETIMEDOUT, "does not read its socket");
	vfiosafe_window_end(win);
	assert_state(LIVE);
	assert_int_equal(vfiosafe_share_count(bench.dev), 2);
	peer_close(&deaf);
	peer_close(&good);
}

static void who_reads_again_is_told_where_the_device_stands(void **state)
{
	struct peer deaf = joined_with(0);
	struct vfiosafe_received with;
	struct vfiosafe_window *win;
	struct vsf_msg msg, last = { 0 };

	(void)state;
	for (int i = 0; i < 2000; i++) {
		win = asking(1, VFIOSAFE_POLICY_ABORT);
		vfiosafe_window_end(win);
	}
	assert_ok(vfiosafe_mark_lost(bench.dev, "for a test"));
	assert_true(drain_all(&deaf) < 2000);
	fake_advance_ms(&bench.k, 100);
	look();
	while (hear_on(deaf.sock, VSF_FROM_OWNER, &msg, &with))
		last = msg;
	assert_int_equal(last.type, VSF_MSG_STATE);
	assert_int_equal(vsf_word_state(last.word), VFIOSAFE_FAULT);
	peer_close(&deaf);
}

/* The agent comes back by itself to see whether there is room again. */
static void the_timer_looks_again_at_a_full_socket(void **state)
{
	struct peer deaf = joined_with(0);
	const struct vfiosafe_sys *sys = vfiosafe_sys_default();
	int ready, fd = vfiosafe_agent_fd(bench.dev);

	(void)state;
	for (int i = 0; i < 2000; i++)
		vfiosafe_window_end(asking(1, VFIOSAFE_POLICY_ABORT));
	look();
	assert_int_equal(vsf_sys(sys, epoll_wait, fd, &ready, 1, VFIOSAFE_FOREVER), 1);
	drain_all(&deaf);
	fake_advance_ms(&bench.k, 100);
	look();
	assert_int_equal(vsf_sys(sys, epoll_wait, fd, &ready, 1, 0), 0);
	assert_true(drain_all(&deaf) > 0);
	peer_close(&deaf);
}

/* One look for all of them must not forget whose turn comes later. */
static void full_sockets_are_looked_at_each_in_its_time(void **state)
{
	struct peer old = joined_with(0), fresh;
	struct vsf_msg any = { .type = VSF_MSG_STATE,
			       .word = vsf_word(1, VFIOSAFE_LIVE) };

	(void)state;
	for (int i = 0; i < 2000; i++)
		vfiosafe_window_end(asking(1, VFIOSAFE_POLICY_ABORT));
	fresh = joined_with(0);
	while (say_on(fresh.owner_end, any) == 0)
		;
	vfiosafe_window_end(asking(1, VFIOSAFE_POLICY_ABORT));
	drain_all(&old);
	drain_all(&fresh);
	fake_advance_ms(&bench.k, 2);
	look();
	assert_int_equal(drain_all(&fresh), 1);
	assert_int_equal(drain_all(&old), 0);
	fake_advance_ms(&bench.k, 100);
	look();
	assert_int_equal(drain_all(&old), 1);
	peer_close(&old);
	peer_close(&fresh);
}

static void a_flood_of_hellos_of_one_is_cut_off(void **state)
{
	struct vfiosafe_grant grant = grant_of(0);
	struct peer peer = serve(&grant);

	(void)state;
	while (say_on(peer.sock, (struct vsf_msg){ .type = VSF_MSG_HELLO }) == 0)
		;
	look();
	assert_true(is_hung_up(peer.sock));
	assert_int_equal(next_peer_event(), -EPROTO);
	peer_close(&peer);
}

static void who_asks_and_does_not_read_the_answers_is_let_go(void **state)
{
	struct peer peer = joined_with(VFIOSAFE_GRANT_RESET);

	(void)state;
	while (vfiosafe_share_count(bench.dev) > 0) {
		while (say_on(peer.sock, (struct vsf_msg){ .type = VSF_MSG_ASK,
							   .kind = VSF_ASK_RECOVER }) == 0)
			;
		look();
	}
	assert_int_equal(next_peer_event(), -EPROTO);
	peer_close(&peer);
}

#define with_device(test) cmocka_unit_test_setup_teardown(test, driver_setup, bench_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_device(a_flood_does_not_delay_the_votes_of_others),
		with_device(a_round_ends_however_much_is_said),
		with_device(who_does_not_read_does_not_block_the_owner),
		with_device(who_reads_again_is_told_where_the_device_stands),
		with_device(the_timer_looks_again_at_a_full_socket),
		with_device(full_sockets_are_looked_at_each_in_its_time),
		with_device(a_flood_of_hellos_of_one_is_cut_off),
		with_device(who_asks_and_does_not_read_the_answers_is_let_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* Resets that clients ask for, made in the owner by whoever dispatches. */
#include "share_rig.h"

static void ask(struct peer *peer, uint64_t id, enum vsf_ask kind, uint32_t ms)
{
	say(peer, .type = VSF_MSG_ASK, .id = id, .kind = kind, .ms = ms);
	look();
}

static struct vsf_msg answer_to(struct peer *peer, uint64_t id)
{
	struct vsf_msg msg = hear(peer, VSF_MSG_ANSWER);

	assert_int_equal(msg.id, id);
	return msg;
}

static void a_reset_is_made_for_who_may_ask(void **state)
{
	struct peer a = joined_with(VFIOSAFE_GRANT_RESET), b = joined_with(0);
	struct vsf_msg msg;

	(void)state;
	ask(&a, 7, VSF_ASK_RESET, 1000);
	agree(&a);
	agree(&b);
	while (vfiosafe_device_generation(bench.dev) == 1)
		look();
	look();
	msg = hear(&a, VSF_MSG_STATE);
	assert_int_equal(msg.word, vsf_word(2, VFIOSAFE_LIVE));
	assert_int_equal(answer_to(&a, 7).result, 0);
	hear(&b, VSF_MSG_STATE);
	assert_true(hears_nothing(&b));
	assert_int_equal(bench.fn->resets, 1);
	assert_int_equal(driver.count[REINIT], 1);
	peer_close(&a);
	peer_close(&b);
}

static void without_the_right_there_is_none(void **state)
{
	struct peer peer = joined_with(VFIOSAFE_GRANT_DEVICE_FD);
	struct vsf_msg msg;

	(void)state;
	ask(&peer, 1, VSF_ASK_RESET, 1000);
	msg = answer_to(&peer, 1);
	assert_int_equal(msg.result, -EPERM);
	assert_non_null(strstr(msg.text, "grant"));
	assert_state(LIVE);
	assert_true(hears_nothing(&peer));
	assert_int_equal(bench.fn->resets, 0);
	peer_close(&peer);
}

static void reset_for(struct peer *peer, uint64_t id)
{
	uint64_t before = vfiosafe_device_generation(bench.dev);

	ask(peer, id, VSF_ASK_RESET, 1000);
	agree(peer);
	while (vfiosafe_device_generation(bench.dev) == before)
		look();
	look();
	hear(peer, VSF_MSG_STATE);
	assert_int_equal(answer_to(peer, id).result, 0);
}

static void not_more_often_than_granted(void **state)
{
	struct vfiosafe_grant grant = grant_of(VFIOSAFE_GRANT_RESET);
	struct peer peer;
	struct vsf_msg msg;

	(void)state;
	grant.reset_interval_ms = 500;
	peer = joined(&grant);
	reset_for(&peer, 1);
	fake_advance_ms(&bench.k, 400);
	ask(&peer, 2, VSF_ASK_RESET, 1000);
	msg = answer_to(&peer, 2);
	assert_int_equal(msg.result, -EBUSY);
	assert_non_null(strstr(msg.text, " ms"));
	assert_int_equal(bench.fn->resets, 1);
	fake_advance_ms(&bench.k, 110);
	reset_for(&peer, 3);
	assert_int_equal(bench.fn->resets, 2);
	peer_close(&peer);
}

static void one_at_a_time(void **state)
{
	struct peer peer = joined_with(VFIOSAFE_GRANT_RESET);

	(void)state;
	ask(&peer, 1, VSF_ASK_RESET, 1000);
	hear(&peer, VSF_MSG_PREPARE);
	ask(&peer, 2, VSF_ASK_RESET, 1000);
	assert_int_equal(answer_to(&peer, 2).result, -EBUSY);
	fake_advance_ms(&bench.k, 1001);
	look();
	hear(&peer, VSF_MSG_STATE);
	assert_int_equal(answer_to(&peer, 1).result, -ETIMEDOUT);
	peer_close(&peer);
}

static void its_failure_is_the_answer(void **state)
{
	struct peer a = joined_with(VFIOSAFE_GRANT_RESET), b = joined_with(0);
	struct vsf_msg msg;

	(void)state;
	ask(&a, 1, VSF_ASK_RESET, 1000);
	agree(&a);
	msg = hear(&b, VSF_MSG_PREPARE);
	say(&b, .type = VSF_MSG_VETO, .window = msg.window, .result = -EBUSY, .text = "no");
	look();
	hear(&a, VSF_MSG_STATE);
	msg = answer_to(&a, 1);
	assert_int_equal(msg.result, -ECANCELED);
	assert_non_null(strstr(msg.text, "vetoed: no"));
	assert_generation(1);
	assert_state(LIVE);
	peer_close(&a);
	peer_close(&b);
}

static void two_that_ask_at_once_get_one_reset(void **state)
{
	struct peer a = joined_with(VFIOSAFE_GRANT_RESET);
	struct peer b = joined_with(VFIOSAFE_GRANT_RESET);

	(void)state;
	say(&a, .type = VSF_MSG_ASK, .id = 1, .kind = VSF_ASK_RESET, .ms = 1000);
	ask(&b, 2, VSF_ASK_RESET, 1000);
	agree(&a);
	agree(&b);
	while (vfiosafe_device_generation(bench.dev) == 1)
		look();
	look();
	look();
	hear(&a, VSF_MSG_STATE);
	hear(&b, VSF_MSG_STATE);
	assert_int_equal(answer_to(&a, 1).result, 0);
	assert_int_equal(answer_to(&b, 2).result, 0);
	assert_int_equal(bench.fn->resets, 1);
	peer_close(&a);
	peer_close(&b);
}

static void who_joins_a_reset_waits_as_long_as_it_said(void **state)
{
	struct peer a = joined_with(VFIOSAFE_GRANT_RESET);
	struct peer b = joined_with(VFIOSAFE_GRANT_RESET);

	(void)state;
	ask(&a, 1, VSF_ASK_RESET, 1000);
	ask(&b, 2, VSF_ASK_RESET, 100);
	hear(&a, VSF_MSG_PREPARE);
	hear(&b, VSF_MSG_PREPARE);
	fake_advance_ms(&bench.k, 101);
	look();
	assert_int_equal(answer_to(&b, 2).result, -ETIMEDOUT);
	assert_true(hears_nothing(&a));
	assert_state(QUIESCE);
	peer_close(&a);
	peer_close(&b);
}

static void a_recovery_of_a_device_that_is_LIVE_is_none(void **state)
{
	struct peer peer = joined_with(VFIOSAFE_GRANT_RESET);

	(void)state;
	ask(&peer, 1, VSF_ASK_RECOVER, 1000);
	assert_int_equal(answer_to(&peer, 1).result, 0);
	assert_int_equal(bench.fn->resets, 0);
	peer_close(&peer);
}

static void a_recovery(void **state)
{
	struct peer peer = joined_with(VFIOSAFE_GRANT_RESET);

	(void)state;
	assert_ok(vfiosafe_mark_lost(bench.dev, "for a test"));
	hear(&peer, VSF_MSG_STATE);
	ask(&peer, 1, VSF_ASK_RECOVER, 1000);
	agree(&peer);
	while (vfiosafe_device_generation(bench.dev) == 1)
		look();
	look();
	hear(&peer, VSF_MSG_STATE);
	assert_int_equal(answer_to(&peer, 1).result, 0);
	assert_state(LIVE);
	peer_close(&peer);
}

/* The window that it began goes on: others may have joined it. */
static void who_asks_and_leaves_gets_its_reset(void **state)
{
	struct peer a = joined_with(VFIOSAFE_GRANT_RESET), b = joined_with(0);

	(void)state;
	ask(&a, 1, VSF_ASK_RESET, 1000);
	peer_close(&a);
	look();
	agree(&b);
	while (vfiosafe_device_generation(bench.dev) == 1)
		look();
	assert_int_equal(vfiosafe_share_count(bench.dev), 1);
	for (int i = 0; i < 10; i++)
		look();
	assert_int_equal(clients_kept(), 1);
	peer_close(&b);
}

/* It is the only one who drives it. */
static void a_close_ends_what_is_driven_here(void **state)
{
	struct peer leads = joined_with(VFIOSAFE_GRANT_RESET);
	struct peer follows = joined_with(VFIOSAFE_GRANT_RESET);

	(void)state;
	ask(&leads, 1, VSF_ASK_RESET, 1000);
	ask(&follows, 1, VSF_ASK_RESET, 1000);
	assert_state(QUIESCE);
	bench_close();
	peer_close(&leads);
	peer_close(&follows);
}

static void the_timer_brings_the_next_step(void **state)
{
	struct peer peer = joined_with(VFIOSAFE_GRANT_RESET);
	int fd = vfiosafe_agent_fd(bench.dev), ready;
	const struct vfiosafe_sys *sys = vfiosafe_sys_default();

	(void)state;
	look();
	assert_int_equal(vsf_sys(sys, epoll_wait, fd, &ready, 1, 0), 0);
	ask(&peer, 1, VSF_ASK_RESET, 1000);
	assert_int_equal(vsf_sys(sys, epoll_wait, fd, &ready, 1, VFIOSAFE_FOREVER), 1);
	fake_advance_ms(&bench.k, 1001);
	look();
	look();
	assert_int_equal(vsf_sys(sys, epoll_wait, fd, &ready, 1, 0), 0);
	peer_close(&peer);
}

#define with_device(test) cmocka_unit_test_setup_teardown(test, driver_setup, bench_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_device(a_reset_is_made_for_who_may_ask),
		with_device(without_the_right_there_is_none),
		with_device(not_more_often_than_granted),
		with_device(one_at_a_time),
		with_device(its_failure_is_the_answer),
		with_device(two_that_ask_at_once_get_one_reset),
		with_device(who_joins_a_reset_waits_as_long_as_it_said),
		with_device(a_recovery_of_a_device_that_is_LIVE_is_none),
		with_device(a_recovery),
		with_device(who_asks_and_leaves_gets_its_reset),
		with_device(a_close_ends_what_is_driven_here),
		with_device(the_timer_brings_the_next_step),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* Windows of a device that has clients: asked before, told after. */
#include "share_rig.h"

/* At the moment in which PREPARE goes out. */
static struct {
	const struct peer *peer;
	enum vfiosafe_state state;
	unsigned int sends;
} seen;

static void look_at_send(struct fake *fake, enum fake_call call, uint64_t key)
{
	(void)fake;
	(void)key;
	if (call != FAKE_SEND || seen.sends++ > 0)
		return;
	seen.state = vsf_word_state(published(seen.peer));
}

static void the_word_keeps_everybody_out_before_anybody_is_asked(void **state)
{
	struct peer peer = joined_with(0);
	struct vfiosafe_window *win;

	(void)state;
	memset(&seen, 0, sizeof(seen));
	seen.peer = &peer;
	bench.k.hook = look_at_send;
	win = asking(1000, VFIOSAFE_POLICY_ABORT);
	bench.k.hook = NULL;
	assert_int_equal(seen.sends, 1);
	assert_int_equal(seen.state, VFIOSAFE_QUIESCE);
	agree(&peer);
	assert_ok(take_through(win));
	peer_close(&peer);
}

static void PREPARE_says_what_comes_and_when(void **state)
{
	struct peer peer = joined_with(0);
	struct vfiosafe_window *win = asking(1000, VFIOSAFE_POLICY_ABORT);
	struct vsf_msg msg = hear(&peer, VSF_MSG_PREPARE);

	(void)state;
	assert_int_equal(vsf_word_state(msg.word), VFIOSAFE_QUIESCE);
	assert_int_equal(msg.cause, VFIOSAFE_CAUSE_RESET);
	assert_int_equal(msg.ms, 1000);
	assert_int_equal(msg.flags, 0);
	vfiosafe_window_end(win);
	msg = hear(&peer, VSF_MSG_STATE);
	assert_int_equal(msg.result, -ECANCELED);
	assert_int_equal(vsf_word_state(msg.word), VFIOSAFE_LIVE);
	peer_close(&peer);
}

static void no_reset_before_each_client_is_ready(void **state)
{
	struct peer a = joined_with(0), b = joined_with(VFIOSAFE_GRANT_DEVICE_FD);
	struct vfiosafe_window *win = asking(1000, VFIOSAFE_POLICY_ABORT);

	(void)state;
	assert_int_equal(poll_window(win), -EAGAIN);
	agree(&a);
	assert_int_equal(poll_window(win), -EAGAIN);
	assert_int_equal(driver.count[QUIESCE], 0);
	agree(&b);
	assert_int_equal(poll_window(win), VFIOSAFE_STEP_COMMIT);
	assert_int_equal(driver.count[QUIESCE], 1);
	assert_int_equal(bench.fn->resets, 0);
	assert_ok(take_through(win));
	assert_int_equal(bench.fn->resets, 1);
	peer_close(&a);
	peer_close(&b);
}

static void afterwards_each_client_is_told(void **state)
{
	struct peer peer = joined_with(0);
	struct vfiosafe_window *win = asking(1000, VFIOSAFE_POLICY_ABORT);
	uint64_t window = agree(&peer);
	struct vsf_msg msg;

	(void)state;
	assert_ok(take_through(win));
	msg = hear(&peer, VSF_MSG_STATE);
	assert_int_equal(msg.word, vsf_word(2, VFIOSAFE_LIVE));
	assert_int_equal(msg.word, published(&peer));
	assert_int_equal(msg.window, window);
	assert_int_equal(msg.result, 0);
	say(&peer, .type = VSF_MSG_BACK, .word = msg.word);
	look();
	assert_int_equal(vfiosafe_share_count(bench.dev), 1);
	peer_close(&peer);
}

static void a_veto_calls_the_window_off_with_its_reason(void **state)
{
	struct peer a = joined_with(0), b = joined_with(0);
	struct vfiosafe_window *win = asking(1000, VFIOSAFE_POLICY_ABORT);
	struct vsf_msg msg = hear(&a, VSF_MSG_PREPARE);
	char pid[32];

	(void)state;
	agree(&b);
	snprintf(pid, sizeof(pid), "client %d (tester)", (int)getpid());
	say(&a, .type = VSF_MSG_VETO, .window = msg.window, .result = -EBUSY,
	    .text = "the printer is on fire");
	assert_refused(poll_window(win), ECANCELED, pid, "the printer is on fire", "busy");
	vfiosafe_window_end(win);
	assert_generation(1);
	assert_state(LIVE);
	assert_int_equal(bench.fn->resets, 0);
	for (struct peer *peer = &a; peer; peer = peer == &a ? &b : NULL) {
		msg = hear(peer, VSF_MSG_STATE);
		assert_int_equal(msg.word, vsf_word(1, VFIOSAFE_LIVE));
		assert_int_equal(msg.result, -ECANCELED);
	}
	peer_close(&a);
	peer_close(&b);
}

static void who_is_late_is_named_and_the_gate_opened_again(void **state)
{
	struct peer a = joined_with(0), b = joined_with(0);
	struct vfiosafe_window *win = asking(1000, VFIOSAFE_POLICY_ABORT);
	struct vsf_msg msg;

	(void)state;
	agree(&a);
	assert_int_equal(poll_window(win), -EAGAIN);
	fake_advance_ms(&bench.k, 1001);
	assert_refused(poll_window(win), ETIMEDOUT, "(tester)", "did not answer");
	vfiosafe_window_end(win);
	assert_generation(1);
	assert_state(LIVE);
	assert_int_equal(bench.fn->resets, 0);
	msg = hear(&a, VSF_MSG_STATE);
	assert_int_equal(msg.word, vsf_word(1, VFIOSAFE_LIVE));
	assert_int_equal(msg.result, -ETIMEDOUT);
	hear(&b, VSF_MSG_PREPARE);
	msg = hear(&b, VSF_MSG_STATE);
	assert_int_equal(msg.word, vsf_word(1, VFIOSAFE_LIVE));
	peer_close(&a);
	peer_close(&b);
}

static void a_READY_that_comes_late_is_ignored(void **state)
{
	struct peer peer = joined_with(0);
	struct vfiosafe_window *win = asking(10, VFIOSAFE_POLICY_ABORT);
	struct vsf_msg first = hear(&peer, VSF_MSG_PREPARE), second;

	(void)state;
	fake_advance_ms(&bench.k, 11);
	assert_int_equal(poll_window(win), -ETIMEDOUT);
	vfiosafe_window_end(win);
	win = asking(1000, VFIOSAFE_POLICY_ABORT);
	say(&peer, .type = VSF_MSG_READY, .window = first.window);
	assert_int_equal(poll_window(win), -EAGAIN);
	assert_int_equal(vfiosafe_share_count(bench.dev), 1);
	hear(&peer, VSF_MSG_STATE);
	second = hear(&peer, VSF_MSG_PREPARE);
	assert_true(second.window > first.window);
	say(&peer, .type = VSF_MSG_READY, .window = second.window);
	assert_ok(take_through(win));
	peer_close(&peer);
}

static void who_joins_during_a_window_is_answered_after_it(void **state)
{
	struct peer a = joined_with(0), b;
	struct vfiosafe_window *win = asking(1000, VFIOSAFE_POLICY_ABORT);
	struct vfiosafe_grant grant = grant_of(0);

	(void)state;
	b = serve(&grant);
	say(&b, .type = VSF_MSG_HELLO, .text = "late");
	look();
	assert_true(hears_nothing(&b));
	agree(&a);
	assert_ok(take_through(win));
	hear_welcome(&b);
	assert_int_equal(b.welcome.word, vsf_word(2, VFIOSAFE_LIVE));
	assert_true(hears_nothing(&b));
	peer_close(&a);
	peer_close(&b);
}

/* Its socket was served, and the word moved, before it said hello. */
static void a_device_in_FAULT_can_be_joined(void **state)
{
	struct peer peer;

	(void)state;
	assert_ok(vfiosafe_mark_lost(bench.dev, "for a test"));
	peer = joined_with(0);
	assert_int_equal(vsf_word_state(peer.welcome.word), VFIOSAFE_FAULT);
	peer_close(&peer);
}

static void a_loss_is_told(void **state)
{
	struct peer peer = joined_with(0);
	struct vfiosafe_window *win;
	struct vsf_msg msg;

	(void)state;
	assert_ok(vfiosafe_mark_lost(bench.dev, "for a test"));
	msg = hear(&peer, VSF_MSG_STATE);
	assert_int_equal(msg.word, vsf_word(1, VFIOSAFE_FAULT));
	assert_int_equal(msg.cause, VFIOSAFE_CAUSE_MARKED);
	/* The recovery asks too: they may be in sections. */
	win = asking(1000, VFIOSAFE_POLICY_ABORT);
	msg = hear(&peer, VSF_MSG_PREPARE);
	assert_int_equal(msg.flags, VSF_PREPARE_RECOVER);
	assert_int_equal(msg.cause, VFIOSAFE_CAUSE_RECOVER);
	assert_int_equal(poll_window(win), -EAGAIN);
	say(&peer, .type = VSF_MSG_READY, .window = msg.window);
	assert_ok(take_through(win));
	msg = hear(&peer, VSF_MSG_STATE);
	assert_int_equal(msg.word, vsf_word(2, VFIOSAFE_LIVE));
	peer_close(&peer);
}

static void a_window_that_ends_in_FAULT_is_told(void **state)
{
	struct peer peer = joined_with(0);
	struct vfiosafe_window *win = asking(1000, VFIOSAFE_POLICY_ABORT);
	struct vsf_msg msg;

	(void)state;
	agree(&peer);
	driver.rc[REINIT] = -EIO;
	assert_int_equal(take_through(win), -EIO);
	msg = hear(&peer, VSF_MSG_STATE);
	assert_int_equal(vsf_word_state(msg.word), VFIOSAFE_FAULT);
	assert_int_equal(msg.cause, VFIOSAFE_CAUSE_DRIVER);
	assert_int_equal(msg.result, -EIO);
	peer_close(&peer);
}

/* Nothing is made to the device: clients are not asked, but told that it is over. */
static void a_short_change_of_the_owner_asks_nobody(void **state)
{
	struct peer peer = joined_with(0);
	struct vfiosafe_bar *bar = bench_map(0, 0x1000, 0x1000, 0);

	(void)state;
	assert_ok(vfiosafe_bar_unmap(bar, 100));
	assert_int_equal(hear(&peer, VSF_MSG_STATE).word, vsf_word(1, VFIOSAFE_LIVE));
	peer_close(&peer);
}

static void parking_asks_and_waking_does_not(void **state)
{
	struct vfiosafe_reset_opts opts = { .size = sizeof(opts), .timeout_ms = 50 };
	struct peer peer = joined_with(0);

	(void)state;
	assert_int_equal(vfiosafe_set_power(bench.dev, VFIOSAFE_D3HOT, &opts), -ETIMEDOUT);
	assert_int_equal(hear(&peer, VSF_MSG_PREPARE).cause, VFIOSAFE_CAUSE_POWER);
	hear(&peer, VSF_MSG_STATE);
	say(&peer, .type = VSF_MSG_BYE);
	assert_ok(vfiosafe_set_power(bench.dev, VFIOSAFE_D3HOT, &opts));
	peer_close(&peer);
	/* While parked: at once. */
	peer = joined_with(0);
	assert_int_equal(vsf_word_state(peer.welcome.word), VFIOSAFE_RESETTING);
	assert_ok(vfiosafe_set_power(bench.dev, VFIOSAFE_D0, &opts));
	assert_int_equal(hear(&peer, VSF_MSG_STATE).word, vsf_word(1, VFIOSAFE_LIVE));
	peer_close(&peer);
}

static void the_owners_own_section_comes_first(void **state)
{
	struct peer peer = joined_with(0);
	struct holder holder = { 0 };
	struct vfiosafe_window *win;

	(void)state;
	hold(&holder, &bench.view);
	win = asking(1000, VFIOSAFE_POLICY_ABORT);
	agree(&peer);
	assert_int_equal(poll_window(win), -EAGAIN);
	assert_ok(release(&holder));
	assert_ok(take_through(win));
	peer_close(&peer);
}

#define with_device(test) cmocka_unit_test_setup_teardown(test, driver_setup, bench_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_device(the_word_keeps_everybody_out_before_anybody_is_asked),
		with_device(PREPARE_says_what_comes_and_when),
		with_device(no_reset_before_each_client_is_ready),
		with_device(afterwards_each_client_is_told),
		with_device(a_veto_calls_the_window_off_with_its_reason),
		with_device(who_is_late_is_named_and_the_gate_opened_again),
		with_device(a_READY_that_comes_late_is_ignored),
		with_device(who_joins_during_a_window_is_answered_after_it),
		with_device(a_device_in_FAULT_can_be_joined),
		with_device(a_loss_is_told),
		with_device(a_window_that_ends_in_FAULT_is_told),
		with_device(a_short_change_of_the_owner_asks_nobody),
		with_device(parking_asks_and_waking_does_not),
		with_device(the_owners_own_section_comes_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* Accesses that the owner makes for a client, within what it granted. */
#include "share_rig.h"

#define LIVE_1 vsf_word(1, VFIOSAFE_LIVE)

static struct peer client;

static int calls_setup(void **state)
{
	driver_setup(state);
	client = joined_with(0);
	return 0;
}

static int calls_teardown(void **state)
{
	peer_close(&client);
	return bench_teardown(state);
}

static volatile uint32_t *in_device(size_t at)
{
	return (volatile uint32_t *)(fake_bar(bench.fn, 0) + at);
}

static struct vsf_msg read_at(uint32_t index, uint64_t offset, uint32_t width, uint64_t word)
{
	return call_owner(&client, (struct vsf_msg){ .type = VSF_MSG_READ,
						     .index = index,
						     .offset = offset,
						     .width = width,
						     .word = word });
}

static int write_at(uint32_t index, uint64_t offset, uint64_t value, uint64_t word)
{
	return call_owner(&client, (struct vsf_msg){ .type = VSF_MSG_WRITE,
						     .index = index,
						     .offset = offset,
						     .width = 4,
						     .value = value,
						     .word = word })
		.result;
}

static void a_read_and_a_write_within_the_grant(void **state)
{
	struct vsf_msg msg;

	(void)state;
	*in_device(0x1008) = 0xcafe1234;
	msg = read_at(0, 0x1008, 4, LIVE_1);
	assert_int_equal(msg.result, 0);
	assert_int_equal(msg.value, 0xcafe1234);
	msg = read_at(0, 0x100a, 2, LIVE_1);
	assert_int_equal(msg.value, 0xcafe);
	msg = read_at(0, 0x1008, 1, LIVE_1);
	assert_int_equal(msg.value, 0x34);
	*in_device(0x100c) = 1;
	msg = read_at(0, 0x1008, 8, LIVE_1);
	assert_true(msg.value == UINT64_C(0x1cafe1234));
	assert_ok(write_at(0, 0x1ffc, 77, LIVE_1));
	assert_int_equal(*in_device(0x1ffc), 77);
}

static void outside_of_the_grant_nothing_happens(void **state)
{
	(void)state;
	*in_device(0xffc) = 1;
	*in_device(0x2000) = 2;
	assert_int_equal(read_at(0, 0xffc, 4, LIVE_1).result, -EPERM);
	assert_int_equal(read_at(0, 0x2000, 4, LIVE_1).result, -EPERM);
	assert_int_equal(read_at(0, 0xfffffffffffffff8, 8, LIVE_1).result, -EPERM);
	assert_int_equal(read_at(2, 0x1000, 4, LIVE_1).result, -EPERM);
	assert_int_equal(read_at(UINT32_MAX, 0x1000, 4, LIVE_1).result, -EPERM);
	assert_int_equal(write_at(0, 0xffc, 3, LIVE_1), -EPERM);
	assert_int_equal(write_at(0, 0x2000, 3, LIVE_1), -EPERM);
	/* Its second range is to be read only. */
	assert_ok(read_at(1, 0x2000, 4, LIVE_1).result);
	assert_int_equal(write_at(1, 0x2000, 3, LIVE_1), -EPERM);
	assert_int_equal(*in_device(0xffc), 1);
	assert_int_equal(*in_device(0x2000), 2);
	assert_int_equal(vfiosafe_share_count(bench.dev), 1);
}

static void a_refusal_is_explained(void **state)
{
	struct vsf_msg msg = read_at(0, 0x2000, 4, LIVE_1);

	(void)state;
	assert_non_null(strstr(msg.text, "0x2000"));
	assert_non_null(strstr(msg.text, "BAR 0"));
}

static void a_range_to_write_only_is_not_read(void **state)
{
	struct vfiosafe_grant_range range = { .bar = 0, .rights = VFIOSAFE_GRANT_WRITE };
	struct vfiosafe_grant grant = grant_of(0);

	(void)state;
	peer_close(&client);
	grant.ranges = &range;
	grant.range_count = 1;
	client = joined(&grant);
	assert_int_equal(read_at(0, 8, 4, LIVE_1).result, -EPERM);
	assert_ok(write_at(0, 8, 9, LIVE_1));
	assert_int_equal(*in_device(8), 9);
}

static void a_view_of_another_generation(void **state)
{
	struct vfiosafe_window *win = asking(100, VFIOSAFE_POLICY_ABORT);

	(void)state;
	agree(&client);
	assert_ok(take_through(win));
	assert_int_equal(read_at(0, 0x1000, 4, LIVE_1).result, -ESTALE);
	assert_int_equal(write_at(0, 0x1000, 5, LIVE_1), -ESTALE);
	assert_int_equal(write_at(0, 0x1000, 5, vsf_word(3, VFIOSAFE_LIVE)), -ESTALE);
	assert_int_equal(*in_device(0x1000), 0);
	assert_ok(write_at(0, 0x1000, 5, vsf_word(2, VFIOSAFE_LIVE)));
}

/* Its quiesce callback stops the device's queues. */
static void until_it_is_READY_a_client_that_was_asked_may_go_on(void **state)
{
	struct vfiosafe_window *win = asking(100, VFIOSAFE_POLICY_ABORT);

	(void)state;
	assert_int_equal(poll_window(win), -EAGAIN);
	assert_ok(write_at(0, 0x1000, 5, LIVE_1));
	assert_int_equal(write_at(0, 0x1000, 6, vsf_word(2, VFIOSAFE_LIVE)), -ESTALE);
	assert_int_equal(*in_device(0x1000), 5);
	agree(&client);
	look();
	assert_int_equal(write_at(0, 0x1000, 7, LIVE_1), -EAGAIN);
	assert_int_equal(read_at(0, 0x1000, 4, LIVE_1).result, -EAGAIN);
	assert_int_equal(poll_window(win), VFIOSAFE_STEP_COMMIT);
	assert_int_equal(write_at(0, 0x1000, 7, LIVE_1), -EAGAIN);
	assert_int_equal(*in_device(0x1000), 5);
	assert_ok(vfiosafe_window_commit(win));
	assert_int_equal(write_at(0, 0x1000, 7, LIVE_1), -EAGAIN);
	assert_int_equal(*in_device(0x1000), 0);
	assert_ok(take_through(win));
}

static void who_was_not_asked_gets_nothing_in_a_window(void **state)
{
	struct vfiosafe_window *win;

	(void)state;
	assert_ok(vfiosafe_mark_lost(bench.dev, "for a test"));
	assert_int_equal(read_at(0, 0x1000, 4, LIVE_1).result, -EIO);
	win = asking(100, VFIOSAFE_POLICY_ABORT);
	assert_int_equal(read_at(0, 0x1000, 4, LIVE_1).result, -EIO);
	vfiosafe_window_end(win);
}

/* All-ones is asked about, as in the owner itself. */
static void a_dead_device_is_found_by_a_clients_read(void **state)
{
	(void)state;
	memset((void *)(uintptr_t)in_device(0x1000), 0xff, 4);
	assert_int_equal(read_at(0, 0x1000, 4, LIVE_1).value, UINT32_MAX);
	memset(bench.fn->config, 0xff, sizeof(bench.fn->config));
	assert_int_equal(read_at(0, 0x1000, 4, LIVE_1).result, -EIO);
	assert_state(FAULT);
	assert_int_equal(vsf_word_state(hear(&client, VSF_MSG_STATE).word), VFIOSAFE_FAULT);
}

static int tell_of(enum vsf_msg_type type, uint64_t word)
{
	return call_owner(&client,
			  (struct vsf_msg){ .type = type, .word = word, .text = "it stinks" })
		.result;
}

static void PROBE_looks_at_the_device(void **state)
{
	(void)state;
	assert_ok(tell_of(VSF_MSG_PROBE, LIVE_1));
	memset(bench.fn->config, 0xff, sizeof(bench.fn->config));
	assert_int_equal(tell_of(VSF_MSG_PROBE, vsf_word(9, VFIOSAFE_LIVE)), -ESTALE);
	assert_int_equal(tell_of(VSF_MSG_PROBE, LIVE_1), -EIO);
	assert_state(FAULT);
}

/* Its quiesce callback may read ones, of a register that has them. */
static void until_it_is_READY_PROBE_looks_at_the_device(void **state)
{
	struct vfiosafe_window *win = asking(100, VFIOSAFE_POLICY_ABORT);

	(void)state;
	assert_int_equal(poll_window(win), -EAGAIN);
	assert_ok(tell_of(VSF_MSG_PROBE, LIVE_1));
	assert_int_equal(tell_of(VSF_MSG_PROBE, vsf_word(2, VFIOSAFE_LIVE)), -ESTALE);
	memset(bench.fn->config, 0xff, sizeof(bench.fn->config));
	assert_int_equal(tell_of(VSF_MSG_PROBE, LIVE_1), -EIO);
	agree(&client);
	look();
	assert_int_equal(tell_of(VSF_MSG_PROBE, LIVE_1), -EIO);
	vfiosafe_window_end(win);
}

static void after_READY_there_is_no_PROBE(void **state)
{
	struct vfiosafe_window *win = asking(100, VFIOSAFE_POLICY_ABORT);

	(void)state;
	agree(&client);
	look();
	assert_int_equal(tell_of(VSF_MSG_PROBE, LIVE_1), -EAGAIN);
	assert_ok(take_through(win));
}

/* A hint must not be able to cause resets. */
static void without_the_right_LOST_is_a_hint_to_look(void **state)
{
	(void)state;
	assert_ok(tell_of(VSF_MSG_LOST, LIVE_1));
	assert_state(LIVE);
}

static void with_the_right_LOST_is_believed(void **state)
{
	(void)state;
	peer_close(&client);
	client = joined_with(VFIOSAFE_GRANT_RESET);
	assert_int_equal(tell_of(VSF_MSG_LOST, LIVE_1), -EIO);
	assert_state(FAULT);
	assert_int_equal(driver.cause, VFIOSAFE_CAUSE_MARKED);
}

/* One reset, and the agreement of the client to it. */
static void one_reset(void)
{
	struct vfiosafe_window *win = asking(100, VFIOSAFE_POLICY_ABORT);

	agree(&client);
	assert_ok(take_through(win));
	hear(&client, VSF_MSG_STATE);
}

/* But not more often than it could ask for a reset. */
static void a_storm_of_LOST_is_no_storm_of_resets(void **state)
{
	(void)state;
	peer_close(&client);
	client = joined_with(VFIOSAFE_GRANT_RESET);
	assert_int_equal(tell_of(VSF_MSG_LOST, LIVE_1), -EIO);
	hear(&client, VSF_MSG_STATE);
	for (uint64_t generation = 2; generation < 6; generation++) {
		one_reset();
		assert_int_equal(tell_of(VSF_MSG_LOST, LIVE_1), -ESTALE);
		assert_ok(tell_of(VSF_MSG_LOST, vsf_word(generation, VFIOSAFE_LIVE)));
		assert_state(LIVE);
	}
	fake_advance_ms(&bench.k, 1001);
	assert_int_equal(tell_of(VSF_MSG_LOST, vsf_word(5, VFIOSAFE_LIVE)), -EIO);
	assert_state(FAULT);
}

/* Many in a row, each answered, in order. */
static void calls_are_answered_in_their_order(void **state)
{
	struct vfiosafe_received with;
	struct vsf_msg msg;

	(void)state;
	for (uint64_t i = 0; i < 40; i++)
		assert_ok(say_on(client.calls, (struct vsf_msg){ .type = VSF_MSG_WRITE,
								 .offset = 0x1000 + 4 * i,
								 .width = 4,
								 .value = i,
								 .word = LIVE_1 }));
	for (uint64_t i = 0; i < 40; i++) {
		while (!hear_on(client.calls, VSF_RESULT, &msg, &with))
			look();
		assert_int_equal(msg.result, 0);
		assert_int_equal(*in_device(0x1000 + 4 * i), i);
	}
}

static void who_calls_and_does_not_read_the_answers_is_let_go(void **state)
{
	struct vsf_msg msg = {
		.type = VSF_MSG_READ, .offset = 0x1000, .width = 4, .word = LIVE_1
	};

	(void)state;
	while (vfiosafe_share_count(bench.dev) > 0) {
		while (say_on(client.calls, msg) == 0)
			;
		look();
	}
	assert_int_equal(next_peer_event(), -EPROTO);
}

#define with_calls(test) cmocka_unit_test_setup_teardown(test, calls_setup, calls_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_calls(a_read_and_a_write_within_the_grant),
		with_calls(outside_of_the_grant_nothing_happens),
		with_calls(a_refusal_is_explained),
		with_calls(a_range_to_write_only_is_not_read),
		with_calls(a_view_of_another_generation),
		with_calls(until_it_is_READY_a_client_that_was_asked_may_go_on),
		with_calls(who_was_not_asked_gets_nothing_in_a_window),
		with_calls(a_dead_device_is_found_by_a_clients_read),
		with_calls(PROBE_looks_at_the_device),
		with_calls(until_it_is_READY_PROBE_looks_at_the_device),
		with_calls(after_READY_there_is_no_PROBE),
		with_calls(without_the_right_LOST_is_a_hint_to_look),
		with_calls(with_the_right_LOST_is_believed),
		with_calls(a_storm_of_LOST_is_no_storm_of_resets),
		with_calls(calls_are_answered_in_their_order),
		with_calls(who_calls_and_does_not_read_the_answers_is_let_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

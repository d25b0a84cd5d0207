/* SPDX-License-Identifier: MIT */
/*
 * Each system call and each allocation fails in turn: of serve, of the handshake, of a
 * window with clients, of a call. Nothing is leaked (the teardown counts), nobody gets
 * in the way of the next reset, and the next client is welcome.
 */
#include "each_fails.h"
#include "share_rig.h"

static struct peer client;
static uint32_t rights;

static void client_gone(void)
{
	if (client.sock > 0)
		peer_close(&client);
	memset(&client, 0, sizeof(client));
}

/* What was refused is the caller's still. */
static int serve_now(void)
{
	struct vfiosafe_grant grant = grant_of(rights);
	int rc;

	client = peer_new();
	fake_adopt(&bench.k, client.owner_end);
	rc = vfiosafe_share_serve(bench.dev, client.owner_end, &grant);
	if (rc < 0) {
		assert_int_equal(close(client.owner_end), 0);
		fake_disown(&bench.k);
	}
	return rc;
}

static int hello_now(void)
{
	say(&client, .type = VSF_MSG_HELLO, .text = "tester");
	return vfiosafe_agent_dispatch(bench.dev);
}

static int serve_and_hello(void)
{
	int rc = serve_now();

	return rc < 0 ? rc : hello_now();
}

/* It answers what it hears, if it hears it. */
static void answer_all(struct peer *peer)
{
	struct vfiosafe_received with;
	struct vsf_msg msg;
	uint8_t buf[VSF_WIRE_LEN_MAX];
	ssize_t n;

	for (;;) {
		n = vsf_sys(vfiosafe_sys_default(), receive, peer->sock, buf, sizeof(buf), &with);
		if (n <= 0)
			return;
		for (unsigned int i = 0; i < with.count; i++)
			close(with.fd[i]);
		assert_ok(vsf_wire_parse(&msg, buf, (size_t)n, VSF_FROM_OWNER, with.count));
		if (msg.type == VSF_MSG_PREPARE)
			(void)say_on(peer->sock, (struct vsf_msg){ .type = VSF_MSG_READY,
								   .window = msg.window });
	}
}

/* The device is what it was: another client joins, and a reset works with it. */
static void goes_on(int rc)
{
	struct vfiosafe_window *win;
	struct peer other;

	(void)rc;
	bench.k.fail_nth = 0;
	fake_advance_ms(&bench.k, 1000);
	if (vfiosafe_device_state(bench.dev) == VFIOSAFE_FAULT)
		client_gone();
	other = joined_with(rights);
	win = asking(1000, VFIOSAFE_POLICY_ABORT);
	/* Nor is the first in the way, if only it answers. */
	for (int i = 0; i < 3; i++) {
		if (client.sock > 0)
			answer_all(&client);
		fake_advance_ms(&bench.k, 100);
		look();
	}
	agree(&other);
	/* Cut off when it had a file of the device already: this process lives on. */
	if (poll_window(win) == -EAGAIN && rights != VFIOSAFE_GRANT_CALLS_ONLY) {
		fake_advance_ms(&bench.k, 1000);
		assert_refused(poll_window(win), ETIMEDOUT, "has left without giving");
		vfiosafe_window_end(win);
	} else {
		assert_ok(take_through(win));
	}
	client_gone();
	peer_close(&other);
	look();
}

static int setup(void **state)
{
	rights = VFIOSAFE_GRANT_CALLS_ONLY;
	memset(&client, 0, sizeof(client));
	return driver_setup(state);
}

static int setup_dmabuf(void **state)
{
	setup(state);
	rights = 0;
	bench.k.dmabuf_mmap = true;
	return 0;
}

static int setup_device_fd(void **state)
{
	setup(state);
	rights = VFIOSAFE_GRANT_DEVICE_FD;
	return 0;
}

static int setup_joined(void **state)
{
	setup(state);
	client = joined_with(rights);
	return 0;
}

static void each_call_of_serve_fails(void **state)
{
	const struct failing f = { .setup = setup, .run = serve_now, .check = goes_on };
	const struct failing g = { .setup = setup_dmabuf, .run = serve_now, .check = goes_on };

	(void)state;
	assert_in_range(each_call_fails(&f), 15, 60);
	assert_in_range(each_call_fails(&g), 18, 60);
}

static void each_allocation_of_serve_fails(void **state)
{
	const struct failing f = { .setup = setup, .run = serve_now, .check = goes_on };

	(void)state;
	assert_in_range(each_allocation_fails(&f), 4, 20);
}

static void each_call_of_the_handshake_fails(void **state)
{
	const struct failing f = { .setup = setup, .run = serve_and_hello, .check = goes_on };
	const struct failing g = { .setup = setup_dmabuf,
				   .run = serve_and_hello,
				   .check = goes_on };
	const struct failing h = { .setup = setup_device_fd,
				   .run = serve_and_hello,
				   .check = goes_on };

	(void)state;
	assert_in_range(each_call_fails(&f), 25, 90);
	assert_in_range(each_call_fails(&g), 25, 90);
	assert_in_range(each_call_fails(&h), 25, 90);
}

static int window_now(void)
{
	struct vfiosafe_reset_opts opts = { .size = sizeof(opts), .timeout_ms = 1000 };
	struct vfiosafe_window *win;
	int rc = vfiosafe_window_begin(&win, bench.dev, &opts);

	if (rc < 0)
		return rc;
	answer_all(&client);
	rc = take_through(win);
	answer_all(&client);
	return rc;
}

/* A reset that is refused is no reset; after one that failed half-way, a recovery is. */
static void each_call_of_a_window_fails(void **state)
{
	const struct failing f = { .setup = setup_joined, .run = window_now, .check = goes_on };

	(void)state;
	assert_in_range(each_call_fails(&f), 15, 90);
}

static int call_now(void)
{
	struct vsf_msg msg = { .type = VSF_MSG_WRITE,
			       .offset = 0x1000,
			       .width = 4,
			       .word = vsf_word(1, VFIOSAFE_LIVE) };
	struct vfiosafe_received with;

	uint8_t buf[VSF_WIRE_LEN_MAX];
	ssize_t n;

	(void)say_on(client.calls, msg);
	look();
	n = vsf_sys(vfiosafe_sys_default(), receive, client.calls, buf, sizeof(buf), &with);
	if (n <= 0)
		return n < 0 ? (int)n : -EPIPE;
	assert_ok(vsf_wire_parse(&msg, buf, (size_t)n, VSF_RESULT, with.count));
	return msg.result;
}

static void each_call_of_an_access_fails(void **state)
{
	const struct failing f = { .setup = setup_joined, .run = call_now, .check = goes_on };

	(void)state;
	assert_in_range(each_call_fails(&f), 4, 30);
}

static int close_now(void)
{
	int rc = vfiosafe_device_close(bench.dev, 1000);

	if (rc == 0)
		bench.dev = NULL;
	return rc;
}

static void closed_or_not(int rc)
{
	bench.k.fail_nth = 0;
	if (rc < 0)
		bench_close();
	client_gone();
}

static void each_call_of_a_close_fails(void **state)
{
	const struct failing f = { .setup = setup_joined,
				   .run = close_now,
				   .check = closed_or_not };

	(void)state;
	assert_in_range(each_call_fails(&f), 10, 90);
}

static int start_now(void)
{
	int rc = vfiosafe_agent_start(bench.dev);

	/* On the real clock from here on: the thread waits. */
	return rc;
}

static int setup_real_clock(void **state)
{
	setup_joined(state);
	bench.k.real_clock = true;
	return 0;
}

static void started_or_not(int rc)
{
	bench.k.fail_nth = 0;
	if (rc < 0)
		assert_ok(vfiosafe_agent_start(bench.dev));
	client_gone();
	bench_close();
}

static void each_call_of_starting_the_agent_fails(void **state)
{
	const struct failing f = { .setup = setup_real_clock,
				   .run = start_now,
				   .check = started_or_not };

	(void)state;
	for (unsigned int n = 1; n <= 4; n++) {
		failing_start(&f);
		bench.k.fail_err = ERR;
		bench.k.fail_nth = n;
		assert_int_equal(start_now(), -ERR);
		f.check(-ERR);
		failing_stop(&f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_call_of_serve_fails),
		cmocka_unit_test(each_allocation_of_serve_fails),
		cmocka_unit_test(each_call_of_the_handshake_fails),
		cmocka_unit_test(each_call_of_a_window_fails),
		cmocka_unit_test(each_call_of_an_access_fails),
		cmocka_unit_test(each_call_of_a_close_fails),
		cmocka_unit_test(each_call_of_starting_the_agent_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

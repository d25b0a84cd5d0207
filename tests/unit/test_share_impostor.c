/* SPDX-License-Identifier: MIT */
/* Processes that speak on the sockets of a client and are not it. */
#include "share_hostile.h"

/* A process that inherited the socket is not the one that was let in. */
static void another_process_on_the_socket(void **state)
{
	struct peer peer = joined_with(0);
	struct vfiosafe_window *win = asking(1000, VFIOSAFE_POLICY_ABORT);
	struct vsf_msg msg = hear(&peer, VSF_MSG_PREPARE);
	pid_t child = fork();
	int status;

	(void)state;
	if (child == 0)
		_exit(say_on(peer.sock, (struct vsf_msg){ .type = VSF_MSG_READY,
							  .window = msg.window }) != 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	agree(&good);
	/* It is let go; in no window's way, as it has nothing mapped. */
	assert_ok(take_through(win));
	hear(&good, VSF_MSG_STATE);
	let_go(&peer, -EPROTO);
}

static void another_process_on_the_calls_socket(void **state)
{
	struct peer peer = joined_with(0);
	pid_t child = fork();
	int status;

	(void)state;
	if (child == 0)
		_exit(say_on(peer.calls, (struct vsf_msg){ .type = VSF_MSG_WRITE,
							   .offset = 0x1000,
							   .width = 4,
							   .value = 0x666,
							   .word = vsf_word(1, VFIOSAFE_LIVE) }));
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	let_go(&peer, -EPROTO);
	assert_int_equal(*(volatile uint32_t *)(fake_bar(bench.fn, 0) + 0x1000), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		hostile(another_process_on_the_socket),
		hostile(another_process_on_the_calls_socket),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

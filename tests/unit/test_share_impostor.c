/* SPDX-License-Identifier: MIT */
/* Processes that speak on the sockets of a client and are not it. */
#include <poll.h>
#include <stdio.h>
#include <sys/utsname.h>

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

/* Does the kernel say itself of which process a message is? */
static bool kernel_tells(void)
{
	unsigned int major = 0, minor = 0;
	struct utsname name;

	assert_int_equal(uname(&name), 0);
	assert_int_equal(sscanf(name.release, "%u.%u", &major, &minor), 2);
	return major > 6 || (major == 6 && minor >= 5);
}

/* Says HELLO, and has ended, and been collected. */
static void child_says_hello(int fd)
{
	pid_t child = fork();
	int status;

	if (child == 0)
		_exit(say_on(fd, (struct vsf_msg){ .type = VSF_MSG_HELLO }) != 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

/* Its number may be another's by now: of one that would be killed in its place, say. */
static void who_has_ended_is_not_looked_for_by_its_number(void **state)
{
	struct vfiosafe_grant grant = grant_of(VFIOSAFE_GRANT_DEVICE_FD | VFIOSAFE_GRANT_KILL);
	unsigned int asked = times_called(FAKE_PIDFD);
	struct peer peer = serve(&grant);

	(void)state;
	child_says_hello(peer.sock);
	look();
	look();
	assert_int_equal(times_called(FAKE_PIDFD) - asked, kernel_tells() ? 0 : 1);
	assert_int_equal(vfiosafe_share_count(bench.dev), 1);
	assert_true(next_peer_event() < 0);
	peer_close(&peer);
}

static ssize_t receive_hello(int fd, int *pidfd)
{
	struct vfiosafe_received with;
	uint8_t buf[VSF_WIRE_LEN_MAX];

	return vsf_sys(vfiosafe_sys_default(), receive_no_fds, fd, buf, sizeof(buf), &with,
		       pidfd);
}

static void a_message_tells_of_which_process_it_is(void **state)
{
	struct peer peer = peer_new();
	struct pollfd ended = { .events = POLLIN };

	(void)state;
	assert_int_equal(receive_hello(peer.sock, &ended.fd), -EAGAIN);
	assert_int_equal(ended.fd, -EOPNOTSUPP);
	say_on(peer.owner_end, (struct vsf_msg){ .type = VSF_MSG_HELLO });
	assert_int_equal(receive_hello(peer.sock, &ended.fd), VSF_WIRE_LEN);
	assert_int_equal(ended.fd >= 0, kernel_tells());
	if (ended.fd >= 0) {
		assert_int_equal(poll(&ended, 1, 0), 0);
		close(ended.fd);
	}
	child_says_hello(peer.owner_end);
	assert_int_equal(receive_hello(peer.sock, &ended.fd), VSF_WIRE_LEN);
	if (ended.fd >= 0) {
		assert_int_equal(poll(&ended, 1, 0), 1);
		close(ended.fd);
	}
	close(peer.owner_end);
	peer_close(&peer);
}

static int lowest_fd(void)
{
	int fd = dup(STDERR_FILENO);

	close(fd);
	return fd;
}

/* Not one, though there is room for something: to close a stranger's may block. */
static void no_fd_is_taken_beside_a_pidfd(void **state)
{
	const int fds[2] = { STDERR_FILENO, STDERR_FILENO };
	struct peer peer = peer_new();
	int pidfd, before = lowest_fd();

	(void)state;
	for (unsigned int n = 1; n <= 2; n++) {
		assert_ok(vsf_sys(vfiosafe_sys_default(), send, peer.owner_end, "x", 1, fds, n));
		assert_int_equal(receive_hello(peer.sock, &pidfd), -EMSGSIZE);
		assert_int_equal(pidfd, -EOPNOTSUPP);
		assert_int_equal(lowest_fd(), before);
	}
	assert_int_equal(receive_hello(peer.sock, &pidfd), -EAGAIN);
	close(peer.owner_end);
	peer_close(&peer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		hostile(another_process_on_the_socket),
		hostile(another_process_on_the_calls_socket),
		hostile(who_has_ended_is_not_looked_for_by_its_number),
		cmocka_unit_test(a_message_tells_of_which_process_it_is),
		cmocka_unit_test(no_fd_is_taken_beside_a_pidfd),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

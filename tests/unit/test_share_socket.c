/* SPDX-License-Identifier: MIT */
/* What vfiosafe_share_serve() takes for a client's socket. */
#include <sys/mman.h>
#include <sys/socket.h>

#include "share_rig.h"

static void what_is_no_socket_is_refused(void **state)
{
	struct vfiosafe_grant grant = grant_of(0);
	int fd = memfd_create("no-socket", MFD_CLOEXEC);

	(void)state;
	assert_refused(vfiosafe_share_serve(bench.dev, fd, &grant), EINVAL, "socket");
	assert_int_equal(close(fd), 0);
	assert_refused(vfiosafe_share_serve(bench.dev, -1, &grant), EINVAL, "socket");
}

/* Messages would run into each other. */
static void a_stream_is_refused(void **state)
{
	struct vfiosafe_grant grant = grant_of(0);
	int fds[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	assert_refused(vfiosafe_share_serve(bench.dev, fds[0], &grant), EINVAL,
		       "SOCK_SEQPACKET");
	assert_int_equal(close(fds[0]), 0);
	assert_int_equal(close(fds[1]), 0);
}

static void a_socket_is_served_once(void **state)
{
	struct vfiosafe_grant grant = grant_of(0);
	struct peer peer = serve(&grant);

	(void)state;
	assert_refused(vfiosafe_share_serve(bench.dev, peer.owner_end, &grant), EINVAL,
		       "shared already");
	peer_close(&peer);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, driver_setup, bench_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_is_no_socket_is_refused),
		TEST(a_stream_is_refused),
		TEST(a_socket_is_served_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

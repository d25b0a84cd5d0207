/* SPDX-License-Identifier: MIT */
/* Clients that send as memory what is none: each is let go, alone, and nothing is kept. */
#include <sys/eventfd.h>

#include "share_dma_rig.h"
#include "share_hostile.h"

static unsigned int strangers(void)
{
	return bench.k.count[FAKE_CLOSE_STRANGER];
}

/* The teardown counts fds that were kept. */
static void is_let_go(struct peer *peer, unsigned int closed)
{
	look();
	assert_int_equal(strangers(), closed);
	assert_true(is_hung_up(peer->calls));
	let_go(peer, -EPROTO);
	assert_int_equal(fake_dmas(&bench.k), 0);
}

static void say_map(struct peer *peer, const int *fds, unsigned int count)
{
	struct vsf_msg msg = { .type = VSF_MSG_MAP, .len = PAGE };

	assert_ok(say_with_fds(peer->calls, msg, fds, count));
}

static void with_file(int fd)
{
	struct peer peer = joined_dma();
	unsigned int before = strangers();

	assert_true(fd >= 0);
	say_map(&peer, &fd, 1);
	close(fd);
	is_let_go(&peer, before + 1);
}

static void a_file_that_is_no_memfd(void **state)
{
	(void)state;
	with_file(open("/dev/zero", O_RDWR | O_CLOEXEC));
	with_file(eventfd(0, EFD_CLOEXEC));
	with_file(open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
}

static void a_socket(void **state)
{
	int fds[2];

	(void)state;
	assert_ok(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds));
	with_file(fds[0]);
	close(fds[1]);
}

static void more_files_than_one(void **state)
{
	struct peer peer = joined_dma();
	int fds[VFIOSAFE_RECEIVED_FDS];

	(void)state;
	for (int i = 0; i < VFIOSAFE_RECEIVED_FDS; i++)
		fds[i] = memory(1, F_SEAL_SHRINK);
	say_map(&peer, fds, VFIOSAFE_RECEIVED_FDS);
	for (int i = 0; i < VFIOSAFE_RECEIVED_FDS; i++)
		close(fds[i]);
	is_let_go(&peer, VFIOSAFE_RECEIVED_FDS);
}

static void a_file_with_another_call(void **state)
{
	static const enum vsf_msg_type types[] = { VSF_MSG_READ, VSF_MSG_UNMAP, VSF_MSG_PROBE };
	int fd = memory(1, F_SEAL_SHRINK);

	(void)state;
	for (unsigned int i = 0; i < 3; i++) {
		struct peer peer = joined_dma();
		struct vsf_msg msg = { .type = types[i],
				       .word = vsf_word(1, VFIOSAFE_LIVE),
				       .width = 4,
				       .len = PAGE };

		assert_ok(say_with_fds(peer.calls, msg, &fd, 1));
		is_let_go(&peer, i + 1);
	}
	close(fd);
}

static void a_file_with_garbage(void **state)
{
	struct peer peer = joined_dma();
	int fd = memory(1, F_SEAL_SHRINK);

	(void)state;
	assert_ok(vsf_sys(vfiosafe_sys_default(), send, peer.calls, "garbage", 7, &fd, 1));
	close(fd);
	is_let_go(&peer, 1);
}

/* A type of a minor version to come, that brings a file: skipped, the file closed. */
static void a_file_with_what_is_not_known_yet(void **state)
{
	struct peer peer = joined_dma();
	int fd = memory(1, F_SEAL_SHRINK);
	uint8_t buf[VSF_WIRE_LEN];

	(void)state;
	vsf_wire_encode(&(struct vsf_msg){ .type = VSF_MSG_MAP }, buf);
	buf[6] = VSF_WIRE_MINOR + 1;
	buf[8] = 99;
	assert_ok(vsf_sys(vfiosafe_sys_default(), send, peer.calls, buf, sizeof(buf), &fd, 1));
	close(fd);
	look();
	assert_int_equal(strangers(), 1);
	assert_int_equal(vfiosafe_share_count(bench.dev), 2);
	mapped(&peer, 1);
	say(&peer, .type = VSF_MSG_BYE);
	look();
	peer_close(&peer);
}

/* Files are for the calls socket, of those that were granted memory. */
static void a_file_where_none_is_taken(void **state)
{
	struct peer peer = joined_dma(), poor = joined_with(0);
	int fd = memory(1, F_SEAL_SHRINK);

	(void)state;
	assert_ok(say_with_fds(peer.sock, (struct vsf_msg){ .type = VSF_MSG_MAP, .len = PAGE },
			       &fd, 1));
	is_let_go(&peer, 0);
	say_map(&poor, &fd, 1);
	is_let_go(&poor, 0);
	close(fd);
}

static void a_MAP_without_a_file_is_refused(void **state)
{
	struct peer peer = joined_dma();

	(void)state;
	assert_int_equal(map_file(&peer, -1, 0, PAGE).result, -EINVAL);
	say(&peer, .type = VSF_MSG_BYE);
	look();
	peer_close(&peer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		hostile(a_file_that_is_no_memfd),
		hostile(a_socket),
		hostile(more_files_than_one),
		hostile(a_file_with_another_call),
		hostile(a_file_with_garbage),
		hostile(a_file_with_what_is_not_known_yet),
		hostile(a_file_where_none_is_taken),
		hostile(a_MAP_without_a_file_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

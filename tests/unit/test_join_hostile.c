/* SPDX-License-Identifier: MIT */
/*
 * Owners that are none: the join fails with a text, the socket is the caller's again, and
 * nothing of what they sent stays open.
 */
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "join_rig.h"

static int fds_before;

static int setup(void **state)
{
	rig_setup(state);
	fds_before = rig_open_fds();
	return 0;
}

/* The socket works as before. */
static void is_ours_again(void)
{
	char byte = 0;

	assert_null(rig.dev);
	assert_int_equal(rig_open_fds(), fds_before);
	while (recv(rig.socket_fd, &byte, 1, MSG_DONTWAIT) > 0)
		;
	while (recv(rig.sock, &byte, 1, MSG_DONTWAIT) > 0)
		;
	assert_int_equal(send(rig.socket_fd, "x", 1, 0), 1);
	assert_int_equal(recv(rig.sock, &byte, 1, 0), 1);
	assert_int_equal(byte, 'x');
}

#define assert_turned_away(err, ...)                      \
	do {                                              \
		assert_refused(rig_join(), err, __VA_ARGS__); \
		is_ours_again();                          \
	} while (0)

static void welcome_with(int control, int calls, int third, unsigned int count, uint32_t flags,
			 uint64_t ranges)
{
	const int fds[3] = { control, calls, third };
	const struct vsf_msg msg = { .type = VSF_MSG_WELCOME,
				     .word = vsf_word(3, VFIOSAFE_LIVE),
				     .flags = flags,
				     .value = ranges };

	rig_send(&msg, fds, count);
}

static void one_that_never_answers_is_given_up(void **state)
{
	(void)state;
	assert_turned_away(ETIMEDOUT, "in time");
	/* Nor one that stops in the middle. */
	rig_welcome(1);
	assert_turned_away(ETIMEDOUT, "in time");
}

static void one_that_hangs_up_is_no_owner(void **state)
{
	(void)state;
	assert_ok(shutdown(rig.sock, SHUT_WR));
	assert_refused(rig_join(), EOWNERDEAD, "hung up");
	assert_int_equal(rig_open_fds(), fds_before);
}

static void one_that_refuses_is_quoted(void **state)
{
	const struct vsf_msg msg = { .type = VSF_MSG_REFUSED,
				     .result = -EPERM,
				     .text = "not you" };

	(void)state;
	rig_send(&msg, NULL, 0);
	assert_turned_away(EPERM, "refuses", "not you");
}

static void one_of_another_version_is_refused(void **state)
{
	struct vsf_msg msg = { .type = VSF_MSG_STATE, .word = vsf_word(3, VFIOSAFE_LIVE) };
	uint8_t buf[VSF_WIRE_LEN];

	(void)state;
	vsf_wire_encode(&msg, buf);
	buf[4] = 2;
	rig_send_raw(buf, sizeof(buf), NULL, 0);
	assert_turned_away(EPROTONOSUPPORT, "version 2");
}

static void what_is_no_message_is_refused(void **state)
{
	uint8_t buf[VSF_WIRE_LEN_MAX + 1] = { 0 };
	const int fd = rig.memory_fd;

	(void)state;
	rig_send_raw("hello", 5, &fd, 1);
	assert_turned_away(EPROTO, "no message");
	rig_send_raw(buf, sizeof(buf), &fd, 1);
	assert_turned_away(EPROTO, "too long");
}

static void a_welcome_with_a_wrong_number_of_fds_is_refused(void **state)
{
	int many[20];

	(void)state;
	welcome_with(rig.control_fd, 0, 0, 1, 0, 0);
	assert_turned_away(EPROTO, "file descriptors");
	welcome_with(rig.control_fd, rig.calls_fd, rig.memory_fd, 3, 0, 0);
	assert_turned_away(EPROTO, "WELCOME");
	welcome_with(rig.control_fd, rig.calls_fd, 0, 2, VSF_WELCOME_DEVICE_FD, 0);
	assert_turned_away(EPROTO, "WELCOME");
	for (int i = 0; i < 20; i++)
		many[i] = rig.memory_fd;
	rig_send(&(struct vsf_msg){ .type = VSF_MSG_WELCOME, .word = rig.page->word }, many, 20);
	assert_turned_away(EPROTO, "file descriptors");
}

static int plain_memory(off_t len, unsigned int seals)
{
	int fd = memfd_create("page", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	assert_true(fd >= 0);
	assert_ok(ftruncate(fd, len));
	assert_int_equal(pwrite(fd, rig.page, sizeof(*rig.page), 0), sizeof(*rig.page));
	if (seals)
		assert_ok(fcntl(fd, F_ADD_SEALS, seals));
	return fd;
}

static void a_control_page_that_is_not_one_is_refused(void **state)
{
	const unsigned int all = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW;
	int bad[] = {
		plain_memory(RIG_PAGE, 0),	     /* not sealed */
		plain_memory(RIG_PAGE, all),	     /* writable */
		plain_memory(512, all | F_SEAL_WRITE), /* too small */
		open("/dev/null", O_RDONLY | O_CLOEXEC),
		open("/proc/self/exe", O_RDONLY | O_CLOEXEC),
	};

	(void)state;
	fds_before = rig_open_fds();
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		welcome_with(bad[i], rig.calls_fd, 0, 2, 0, 0);
		assert_turned_away(EPROTO, "control page");
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		close(bad[i]);
}

static void sealed_memory_with_something_else_in_it_is_refused(void **state)
{
	uint32_t magic = rig.page->magic;

	(void)state;
	rig.page->magic = 1;
	rig_welcome(0);
	assert_turned_away(EPROTO, "something else");
	rig.page->magic = magic;
	rig.page->version++;
	rig_welcome(0);
	assert_turned_away(EPROTO, "something else");
}

static void a_socket_for_calls_that_is_none_is_refused(void **state)
{
	(void)state;
	welcome_with(rig.control_fd, rig.memory_fd, 0, 2, 0, 0);
	assert_turned_away(EPROTO, "calls");
	/* Nor one that has something in it already. */
	rig_result(0, 0);
	rig_welcome(0);
	assert_turned_away(EPROTO, "calls");
}

static void a_range_that_makes_no_sense_is_refused(void **state)
{
	static const struct vsf_msg bad[] = {
		{ .index = 1, .kind = VSF_REACH_CALLS, .flags = BOTH, .len = 8 },
		{ .bar = 6, .kind = VSF_REACH_CALLS, .flags = BOTH, .len = 8 },
		{ .kind = VSF_REACH_CALLS, .flags = 0, .len = 8 },
		{ .kind = VSF_REACH_CALLS, .flags = 8, .len = 8 },
		{ .kind = VSF_REACH_CALLS, .flags = BOTH, .len = 0 },
		{ .kind = 9, .flags = BOTH, .len = 8 },
		{ .kind = VSF_REACH_CALLS, .flags = BOTH, .offset = UINT64_MAX - 4, .len = 8 },
		{ .kind = VSF_REACH_CALLS, .flags = BOTH, .offset = INT64_MAX, .len = 8 },
		{ .kind = VSF_REACH_DMABUF, .flags = BOTH, .len = 8 },	/* no fd */
		{ .kind = VSF_REACH_DEVICE, .flags = BOTH, .len = 8 },	/* no device fd */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct vsf_msg msg = bad[i];

		msg.type = VSF_MSG_RANGE;
		rig_welcome(1);
		rig_send(&msg, NULL, 0);
		assert_turned_away(EPROTO, "RANGE");
	}
}

static void a_range_that_cannot_be_mapped_where_it_is_is_refused(void **state)
{
	struct vsf_msg msg = { .type = VSF_MSG_RANGE,
			       .kind = VSF_REACH_DMABUF,
			       .flags = BOTH,
			       .len = RIG_PAGE,
			       .value = 8 };

	(void)state;
	rig_welcome(1);
	rig_send(&msg, &rig.memory_fd, 1);
	assert_turned_away(EPROTO, "RANGE");
	/* An fd where none belongs. */
	msg.kind = VSF_REACH_CALLS;
	rig_welcome(1);
	rig_send(&msg, &rig.memory_fd, 1);
	assert_turned_away(EPROTO, "RANGE");
}

static void more_ranges_than_there_may_be_are_refused(void **state)
{
	(void)state;
	rig_welcome(VFIOSAFE_GRANT_RANGES + 1);
	assert_turned_away(EPROTO, "WELCOME");
	rig_welcome(UINT64_MAX);
	assert_turned_away(EPROTO, "WELCOME");
}

static void messages_out_of_turn_are_refused(void **state)
{
	(void)state;
	rig_range(0, VSF_REACH_DMABUF, BOTH, 0, RIG_PAGE);
	assert_turned_away(EPROTO, "RANGE");
	rig_state(1, 0);
	assert_turned_away(EPROTO, "before");
	rig_welcome(1);
	rig_welcome(1);
	assert_turned_away(EPROTO, "WELCOME");
	rig_send(&(struct vsf_msg){ .type = VSF_MSG_HELLO }, NULL, 0);
	assert_turned_away(EPROTO, "wrong side");
}

static void what_comes_in_a_newer_minor_version_is_skipped(void **state)
{
	struct vsf_msg msg = { .type = VSF_MSG_STATE, .word = vsf_word(3, VFIOSAFE_LIVE) };
	uint8_t buf[VSF_WIRE_LEN + 8] = { 0 };

	(void)state;
	vsf_wire_encode(&msg, buf);
	buf[6] = VSF_WIRE_MINOR + 1;
	buf[8] = 99;
	rig_send_raw(buf, sizeof(buf), &rig.memory_fd, 1);
	rig_welcome(0);
	assert_ok(rig_join());
	/* The library's own fds are known: what came with it is not among them. */
	assert_ok(dispatch());
	rig_send_raw(buf, sizeof(buf), &rig.memory_fd, 1);
	fds_before = rig_open_fds();
	assert_ok(dispatch());
	assert_int_equal(rig_open_fds(), fds_before);
}

static void an_owner_that_breaks_the_protocol_later_is_left(void **state)
{
	struct vsf_msg welcome = { .type = VSF_MSG_WELCOME, .word = vsf_word(3, VFIOSAFE_LIVE) };
	const int fds[2] = { rig.memory_fd, rig.memory_fd };

	(void)state;
	rig_welcome(0);
	assert_ok(rig_join());
	fds_before = rig_open_fds();
	rig_send(&welcome, fds, 2);
	assert_refused(dispatch(), EOWNERDEAD, "ended");
	assert_int_equal(rig_open_fds(), fds_before);
	assert_rig_state(GONE);
}

static void what_is_no_socket_is_refused(void **state)
{
	struct vfiosafe_join_opts opts = { .size = sizeof(opts), .sys = &rig.sys };

	(void)state;
	assert_true(vfiosafe_join(&rig.dev, rig.memory_fd, &opts) < 0);
	assert_true(vfiosafe_join(&rig.dev, -1, &opts) < 0);
	opts.size = 3;
	assert_refused(vfiosafe_join(&rig.dev, rig.socket_fd, &opts), EINVAL, "opts.size");
	is_ours_again();
}

int main(void)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, rig_teardown)
	const struct CMUnitTest tests[] = {
		TEST(one_that_never_answers_is_given_up),
		TEST(one_that_hangs_up_is_no_owner),
		TEST(one_that_refuses_is_quoted),
		TEST(one_of_another_version_is_refused),
		TEST(what_is_no_message_is_refused),
		TEST(a_welcome_with_a_wrong_number_of_fds_is_refused),
		TEST(a_control_page_that_is_not_one_is_refused),
		TEST(sealed_memory_with_something_else_in_it_is_refused),
		TEST(a_socket_for_calls_that_is_none_is_refused),
		TEST(a_range_that_makes_no_sense_is_refused),
		TEST(a_range_that_cannot_be_mapped_where_it_is_is_refused),
		TEST(more_ranges_than_there_may_be_are_refused),
		TEST(messages_out_of_turn_are_refused),
		TEST(what_comes_in_a_newer_minor_version_is_skipped),
		TEST(an_owner_that_breaks_the_protocol_later_is_left),
		TEST(what_is_no_socket_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* Clients that say what the protocol does not know: they are let go, and nobody else. */
#include "share_hostile.h"

/* On a client that has joined, and on one that has not said a word. */
static void both(void (*say_it)(struct peer *peer))
{
	struct vfiosafe_grant grant = grant_of(0);
	struct peer peer = joined_with(0);

	say_it(&peer);
	let_go(&peer, -EPROTO);
	peer = serve(&grant);
	say_it(&peer);
	let_go(&peer, -EPROTO);
}

static void encoded(uint8_t *buf, enum vsf_msg_type type)
{
	struct vsf_msg msg = { .type = type };

	vsf_wire_encode(&msg, buf);
}

static void say_truncated(struct peer *peer)
{
	uint8_t buf[VSF_WIRE_LEN];

	encoded(buf, VSF_MSG_HELLO);
	assert_ok(say_bytes(peer->sock, buf, VSF_WIRE_LEN - 1));
}

static void a_message_that_is_cut(void **state)
{
	(void)state;
	both(say_truncated);
}

static void say_one_byte(struct peer *peer)
{
	assert_ok(say_bytes(peer->sock, "x", 1));
}

static void a_message_of_one_byte(void **state)
{
	(void)state;
	both(say_one_byte);
}

static void say_long(struct peer *peer)
{
	uint8_t buf[VSF_WIRE_LEN + 1] = { 0 };

	encoded(buf, VSF_MSG_HELLO);
	assert_ok(say_bytes(peer->sock, buf, sizeof(buf)));
}

static void a_message_that_is_longer_than_its_version_has(void **state)
{
	(void)state;
	both(say_long);
}

static void say_huge(struct peer *peer)
{
	static const uint8_t buf[8000];

	assert_ok(say_bytes(peer->sock, buf, sizeof(buf)));
}

static void a_message_that_no_version_has(void **state)
{
	(void)state;
	both(say_huge);
}

static void say_magic(struct peer *peer)
{
	uint8_t buf[VSF_WIRE_LEN];

	encoded(buf, VSF_MSG_HELLO);
	buf[0] ^= 1;
	assert_ok(say_bytes(peer->sock, buf, sizeof(buf)));
}

static void a_message_of_something_else(void **state)
{
	(void)state;
	both(say_magic);
}

static void say_unknown(struct peer *peer)
{
	uint8_t buf[VSF_WIRE_LEN];

	encoded(buf, VSF_MSG_HELLO);
	buf[8] = 99;
	assert_ok(say_bytes(peer->sock, buf, sizeof(buf)));
}

static void a_type_that_is_not_known(void **state)
{
	(void)state;
	both(say_unknown);
}

static void say_as_owner(struct peer *peer)
{
	say(peer, .type = VSF_MSG_PREPARE, .word = vsf_word(1, VFIOSAFE_LIVE));
}

static void a_type_that_only_owners_say(void **state)
{
	(void)state;
	both(say_as_owner);
}

static void say_with_fds(struct peer *peer, unsigned int count)
{
	const struct vfiosafe_sys *sys = vfiosafe_sys_default();
	uint8_t buf[VSF_WIRE_LEN];
	int fds[VFIOSAFE_RECEIVED_FDS];

	encoded(buf, VSF_MSG_HELLO);
	for (unsigned int i = 0; i < count; i++)
		fds[i] = peer->sock;
	assert_ok(vsf_sys(sys, send, peer->sock, buf, sizeof(buf), fds, count));
}

static void say_with_fd(struct peer *peer)
{
	say_with_fds(peer, 1);
}

/* The bench's teardown counts what is left of them. */
static void fds_that_nobody_asked_for(void **state)
{
	(void)state;
	both(say_with_fd);
}

static void say_with_many_fds(struct peer *peer)
{
	say_with_fds(peer, VFIOSAFE_RECEIVED_FDS);
}

static void more_fds_than_there_is_room_for(void **state)
{
	(void)state;
	both(say_with_many_fds);
}

static void say_minor(struct peer *peer, size_t len)
{
	uint8_t buf[VSF_WIRE_LEN_MAX] = { 0 };

	encoded(buf, VSF_MSG_HELLO);
	buf[6] = VSF_WIRE_MINOR + 1;
	buf[8] = 99;
	assert_ok(say_bytes(peer->sock, buf, len));
}

static void a_newer_minor_version_is_listened_to(void **state)
{
	struct peer peer = joined_with(0);

	(void)state;
	say_minor(&peer, VSF_WIRE_LEN);
	say_minor(&peer, VSF_WIRE_LEN_MAX);
	look();
	assert_int_equal(vfiosafe_share_count(bench.dev), 2);
	say(&peer, .type = VSF_MSG_BYE);
	look();
	peer_close(&peer);
}

static void another_major_version_is_refused_in_words(void **state)
{
	struct vfiosafe_grant grant = grant_of(0);
	struct peer peer = serve(&grant);
	uint8_t buf[VSF_WIRE_LEN];
	struct vsf_msg msg;

	(void)state;
	encoded(buf, VSF_MSG_HELLO);
	buf[4] = 9;
	assert_ok(say_bytes(peer.sock, buf, sizeof(buf)));
	look();
	msg = hear(&peer, VSF_MSG_REFUSED);
	assert_int_equal(msg.result, -EPROTONOSUPPORT);
	assert_non_null(strstr(msg.text, "version 9"));
	let_go(&peer, -EPROTO);
}

static void who_does_not_say_hello_first(void **state)
{
	struct vfiosafe_grant grant = grant_of(VFIOSAFE_GRANT_RESET);
	struct peer peer = serve(&grant);

	(void)state;
	say(&peer, .type = VSF_MSG_ASK, .kind = VSF_ASK_RESET, .ms = 1);
	let_go(&peer, -EPROTO);
	assert_generation(1);
}

static void who_says_hello_twice(void **state)
{
	struct peer peer = joined_with(0);

	(void)state;
	say(&peer, .type = VSF_MSG_HELLO, .text = "again");
	let_go(&peer, -EPROTO);
}

static void a_READY_that_was_never_asked_for(void **state)
{
	struct peer peer = joined_with(0);

	(void)state;
	say(&peer, .type = VSF_MSG_READY, .window = 1);
	let_go(&peer, -EPROTO);
}

/* Of the next window, in advance; and once more than asked. */
static void a_READY_that_is_forged(void **state)
{
	struct peer peer = joined_with(0), other = joined_with(0);
	struct vfiosafe_window *win = asking(1000, VFIOSAFE_POLICY_ABORT);
	struct vsf_msg msg = hear(&peer, VSF_MSG_PREPARE);

	(void)state;
	say(&peer, .type = VSF_MSG_READY, .window = msg.window + 1);
	agree(&good);
	assert_int_equal(poll_window(win), -EAGAIN);
	let_go(&peer, -EPROTO);
	agree(&other);
	say(&other, .type = VSF_MSG_READY, .window = msg.window);
	assert_int_equal(poll_window(win), VFIOSAFE_STEP_COMMIT);
	let_go(&other, -EPROTO);
	assert_ok(take_through(win));
	hear(&good, VSF_MSG_STATE);
}

static void READY_does_not_count_for_another_client(void **state)
{
	struct peer peer = joined_with(0);
	struct vfiosafe_window *win = asking(1000, VFIOSAFE_POLICY_ABORT);
	struct vsf_msg msg = hear(&peer, VSF_MSG_PREPARE);

	(void)state;
	for (int i = 0; i < 2; i++)
		say(&peer, .type = VSF_MSG_READY, .window = msg.window);
	assert_int_equal(poll_window(win), -EAGAIN);
	agree(&good);
	assert_ok(take_through(win));
	hear(&good, VSF_MSG_STATE);
	let_go(&peer, -EPROTO);
}

static void a_word_that_is_none(void **state)
{
	struct peer peer = joined_with(0);

	(void)state;
	say(&peer, .type = VSF_MSG_BACK, .word = 0x77);
	let_go(&peer, -EPROTO);
}

static void garbage_on_the_calls_socket(void **state)
{
	struct peer peer = joined_with(0);

	(void)state;
	assert_ok(say_bytes(peer.calls, "garbage", 7));
	let_go(&peer, -EPROTO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		hostile(a_message_that_is_cut),
		hostile(a_message_of_one_byte),
		hostile(a_message_that_is_longer_than_its_version_has),
		hostile(a_message_that_no_version_has),
		hostile(a_message_of_something_else),
		hostile(a_type_that_is_not_known),
		hostile(a_type_that_only_owners_say),
		hostile(fds_that_nobody_asked_for),
		hostile(more_fds_than_there_is_room_for),
		hostile(a_newer_minor_version_is_listened_to),
		hostile(another_major_version_is_refused_in_words),
		hostile(who_does_not_say_hello_first),
		hostile(who_says_hello_twice),
		hostile(a_READY_that_was_never_asked_for),
		hostile(a_READY_that_is_forged),
		hostile(READY_does_not_count_for_another_client),
		hostile(a_word_that_is_none),
		hostile(garbage_on_the_calls_socket),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

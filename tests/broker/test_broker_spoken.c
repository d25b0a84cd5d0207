/* SPDX-License-Identifier: MIT */
/* A client that says what is not for clients to say: the connection is closed. */
#include "raw.h"

/* What may be said, here and by it: the answers to that are looked at above. */
static bool is_spoken(bool on_calls, unsigned int type)
{
	if (on_calls)
		return type == VSF_MSG_READ || type == VSF_MSG_WRITE || type == VSF_MSG_PROBE ||
		       type == VSF_MSG_LOST || type == VSF_MSG_MAP || type == VSF_MSG_UNMAP;
	return type == VSF_MSG_ASK || type == VSF_MSG_BACK;
}

#define TYPES 64

/* A well-formed message of each type there is, and of those there are not. */
static void says_every_type(struct guest *guest, bool on_calls, unsigned int type, int fds)
{
	struct ends ends = joins_raw(guest);
	int fd = on_calls ? ends.calls : ends.sock, with[2] = { ends.page, ends.page };
	struct vsf_msg msg = { .type = (enum vsf_msg_type)type,
			       .window = 1,
			       .kind = VSF_ASK_RESET,
			       .offset = PAGE,
			       .len = 0x1000,
			       .width = 4,
			       .word = live(2) };
	uint8_t buf[VSF_WIRE_LEN];

	vsf_wire_encode(&msg, buf);
	say_bytes(fd, buf, sizeof(buf), with, (unsigned int)fds);
	must(is_cut_off(ends.sock, VSF_FROM_OWNER));
	must(is_cut_off(ends.calls, VSF_RESULT));
	leaves(&ends);
}

static void says_what_it_must_not(struct guest *guest)
{
	for (unsigned int type = 0; type < TYPES; type++)
		for (int fds = 0; fds <= 2; fds++)
			for (int on_calls = 0; on_calls < 2; on_calls++)
				if (fds > 0 || !is_spoken(on_calls, type))
					says_every_type(guest, on_calls, type, fds);
}

/* Every type but HELLO as the first word; and what is no message. */
static void says_no_hello(struct guest *guest)
{
	for (unsigned int type = 0; type < TYPES; type++) {
		int sock = guest_connects(guest, "sim:reg:a");

		if (type != VSF_MSG_HELLO)
			say(sock, .type = (enum vsf_msg_type)type, .word = live(2), .width = 4,
			    .kind = VSF_ASK_RESET, .offset = PAGE, .len = 4);
		else
			say_bytes(sock, "HELLO", 5, NULL, 0);
		must(is_cut_off(sock, VSF_FROM_OWNER));
		close(sock);
	}
}

static void what_is_not_for_clients_to_say_ends_the_connection(void **state)
{
	(void)state;
	hostile(says_what_it_must_not);
}

static void who_does_not_say_hello_is_not_listened_to(void **state)
{
	(void)state;
	hostile(says_no_hello);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_broker(what_is_not_for_clients_to_say_ends_the_connection),
		with_broker(who_does_not_say_hello_is_not_listened_to),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* Messages between the processes that share a device. */
#include <errno.h>
#include <string.h>

#include "unit.h"
#include "wire.h"

static const struct vsf_msg sample = {
	.type = VSF_MSG_RANGE,
	.kind = VSF_REACH_DMABUF,
	.flags = 3,
	.cause = 5,
	.index = 6,
	.bar = 7,
	.width = 8,
	.ms = 9,
	.result = -11,
	.id = UINT64_C(0x1122334455667788),
	.window = 13,
	.word = 0x1405,
	.offset = 0x1000,
	.len = 0x2000,
	.value = UINT64_MAX,
	.text = "a text",
};

static int parse(const uint8_t *buf, size_t len, enum vsf_side side, unsigned int fds)
{
	struct vsf_msg msg;

	return vsf_wire_parse(&msg, buf, len, side, fds);
}

static void what_was_encoded_is_parsed(void **state)
{
	uint8_t buf[VSF_WIRE_LEN];
	struct vsf_msg msg;

	(void)state;
	vsf_wire_encode(&sample, buf);
	assert_int_equal(vsf_wire_parse(&msg, buf, sizeof(buf), VSF_FROM_OWNER, 1), 0);
	assert_memory_equal(&msg, &sample, sizeof(msg));
}

/* Two builds of the library speak to each other: no byte may move. */
static void a_message_lies_in_memory_as_always(void **state)
{
	static const uint8_t head[20] = { 'v', 'f', 's', 'f', 1, 0, 1, 0, 17, 0,
					  0,   0,   0,	 0,   0, 0, 2, 0, 0,  0 };
	uint8_t buf[VSF_WIRE_LEN];

	(void)state;
	vsf_wire_encode(&sample, buf);
	assert_memory_equal(buf, head, sizeof(head));
	assert_int_equal(buf[44], 0xf5); /* result */
	assert_int_equal(buf[48], 0x88); /* id */
	assert_int_equal(buf[64], 0x05); /* word */
	assert_int_equal(buf[72], 0x00); /* offset */
	assert_int_equal(buf[73], 0x10);
	assert_int_equal(buf[88], 0xff); /* value */
	assert_string_equal((const char *)buf + 96, "a text");
}

static void what_is_no_message_is_refused(void **state)
{
	static const struct {
		size_t at;
		uint8_t value;
		int rc;
	} cases[] = {
		{ 0, 'w', -EPROTO },	     /* magic */
		{ 4, 2, -EPROTONOSUPPORT },  /* major */
		{ 8, 99, -EPROTO },	     /* type */
		{ 8, VSF_MSG_READY, -EPROTO }, /* the other side's */
		{ 16, 9, -EPROTO },	     /* kind */
		{ 44, 1, -EPROTO },	     /* result above 0 - 4096 */
		{ 96, 7, -EPROTO },	     /* a bell in the text */
	};
	uint8_t buf[VSF_WIRE_LEN];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		vsf_wire_encode(&sample, buf);
		buf[cases[i].at] = cases[i].value;
		if (cases[i].at == 44)
			memset(buf + 44, 0x7f, 4);
		assert_int_equal(parse(buf, sizeof(buf), VSF_FROM_OWNER, 1), cases[i].rc);
	}
}

static void a_text_without_an_end_is_refused(void **state)
{
	uint8_t buf[VSF_WIRE_LEN];

	(void)state;
	vsf_wire_encode(&sample, buf);
	memset(buf + 96, 'a', VSF_WIRE_TEXT);
	assert_int_equal(parse(buf, sizeof(buf), VSF_FROM_OWNER, 1), -EPROTO);
}

static void each_length_but_one_is_refused(void **state)
{
	uint8_t buf[VSF_WIRE_LEN_MAX] = { 0 };

	(void)state;
	vsf_wire_encode(&sample, buf);
	for (size_t len = 0; len <= sizeof(buf); len++)
		assert_int_equal(parse(buf, len, VSF_FROM_OWNER, 1),
				 len == VSF_WIRE_LEN ? 0 : -EPROTO);
}

static void file_descriptors_are_counted(void **state)
{
	uint8_t buf[VSF_WIRE_LEN];
	struct vsf_msg welcome = sample;

	(void)state;
	vsf_wire_encode(&sample, buf);
	assert_int_equal(parse(buf, sizeof(buf), VSF_FROM_OWNER, 2), -EPROTO);
	welcome.type = VSF_MSG_WELCOME;
	vsf_wire_encode(&welcome, buf);
	assert_int_equal(parse(buf, sizeof(buf), VSF_FROM_OWNER, 1), -EPROTO);
	assert_int_equal(parse(buf, sizeof(buf), VSF_FROM_OWNER, 2), 0);
	assert_int_equal(parse(buf, sizeof(buf), VSF_FROM_OWNER, 3), 0);
}

static void a_newer_minor_version_is_tolerated(void **state)
{
	uint8_t buf[VSF_WIRE_LEN_MAX] = { 0 };

	(void)state;
	vsf_wire_encode(&sample, buf);
	buf[6] = VSF_WIRE_MINOR + 1;
	assert_int_equal(parse(buf, sizeof(buf), VSF_FROM_OWNER, 1), 0);
	buf[8] = 99;
	assert_int_equal(parse(buf, sizeof(buf), VSF_FROM_OWNER, 1), 1);
}

static void members_that_are_computed_with_are_in_range(void **state)
{
	struct vsf_msg msg = { .type = VSF_MSG_READ, .word = 0x101, .width = 4, .offset = 8 };
	uint8_t buf[VSF_WIRE_LEN];

	(void)state;
	vsf_wire_encode(&msg, buf);
	assert_int_equal(parse(buf, sizeof(buf), VSF_CALL, 0), 0);
	msg.offset = 6;
	vsf_wire_encode(&msg, buf);
	assert_int_equal(parse(buf, sizeof(buf), VSF_CALL, 0), -EPROTO);
	msg.offset = 8;
	msg.width = 3;
	vsf_wire_encode(&msg, buf);
	assert_int_equal(parse(buf, sizeof(buf), VSF_CALL, 0), -EPROTO);
	msg.width = 4;
	msg.word = 1; /* generation 0 */
	vsf_wire_encode(&msg, buf);
	assert_int_equal(parse(buf, sizeof(buf), VSF_CALL, 0), -EPROTO);
	msg = sample;
	msg.offset = UINT64_MAX - 10;
	vsf_wire_encode(&msg, buf);
	assert_int_equal(parse(buf, sizeof(buf), VSF_FROM_OWNER, 1), -EPROTO);
}

static void a_MAP_brings_at_most_one_file(void **state)
{
	struct vsf_msg msg = { .type = VSF_MSG_MAP, .len = 0x1000 };
	uint8_t buf[VSF_WIRE_LEN];

	(void)state;
	vsf_wire_encode(&msg, buf);
	assert_int_equal(parse(buf, sizeof(buf), VSF_CALL, 0), 0);
	assert_int_equal(parse(buf, sizeof(buf), VSF_CALL, 1), 0);
	assert_int_equal(parse(buf, sizeof(buf), VSF_CALL, 2), -EPROTO);
	assert_int_equal(parse(buf, sizeof(buf), VSF_FROM_CLIENT, 1), -EPROTO);
	msg.type = VSF_MSG_UNMAP;
	vsf_wire_encode(&msg, buf);
	assert_int_equal(parse(buf, sizeof(buf), VSF_CALL, 0), 0);
	assert_int_equal(parse(buf, sizeof(buf), VSF_CALL, 1), -EPROTO);
}

static void addresses_of_memory_do_not_wrap(void **state)
{
	struct vsf_msg msg = { .type = VSF_MSG_MAP };
	uint8_t buf[VSF_WIRE_LEN];

	(void)state;
	vsf_wire_encode(&msg, buf);
	assert_int_equal(parse(buf, sizeof(buf), VSF_CALL, 1), -EPROTO);
	msg.len = 0x1000;
	msg.offset = UINT64_MAX - 0xfff;
	vsf_wire_encode(&msg, buf);
	assert_int_equal(parse(buf, sizeof(buf), VSF_CALL, 1), -EPROTO);
	msg.offset = 0;
	msg.flags = 4;
	vsf_wire_encode(&msg, buf);
	assert_int_equal(parse(buf, sizeof(buf), VSF_CALL, 1), -EPROTO);
	msg = (struct vsf_msg){ .type = VSF_MSG_UNMAP, .value = UINT64_MAX - 0xfff };
	vsf_wire_encode(&msg, buf);
	assert_int_equal(parse(buf, sizeof(buf), VSF_CALL, 0), -EPROTO);
	msg.len = 0x1000;
	vsf_wire_encode(&msg, buf);
	assert_int_equal(parse(buf, sizeof(buf), VSF_CALL, 0), 0);
	msg.len = 0x1001;
	vsf_wire_encode(&msg, buf);
	assert_int_equal(parse(buf, sizeof(buf), VSF_CALL, 0), -EPROTO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_encoded_is_parsed),
		cmocka_unit_test(a_message_lies_in_memory_as_always),
		cmocka_unit_test(what_is_no_message_is_refused),
		cmocka_unit_test(a_text_without_an_end_is_refused),
		cmocka_unit_test(each_length_but_one_is_refused),
		cmocka_unit_test(file_descriptors_are_counted),
		cmocka_unit_test(a_newer_minor_version_is_tolerated),
		cmocka_unit_test(members_that_are_computed_with_are_in_range),
		cmocka_unit_test(a_MAP_brings_at_most_one_file),
		cmocka_unit_test(addresses_of_memory_do_not_wrap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

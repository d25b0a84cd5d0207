/* SPDX-License-Identifier: MIT */
/*
 * The parser of messages: the first byte says from which side the rest comes, the second
 * with how many fds. What it lets through must be in range, and mean the same after it
 * was encoded and parsed again.
 */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "wire.h"

#define CHECK(condition)                                                                 \
	do {                                                                             \
		if (!(condition))                                                        \
			abort();                                                         \
	} while (0)

static void check_members(const struct vsf_msg *msg)
{
	CHECK(memchr(msg->text, 0, sizeof(msg->text)));
	CHECK(msg->result <= 0 && msg->result > -4096);
	if (msg->type == VSF_MSG_READ || msg->type == VSF_MSG_WRITE)
		CHECK(msg->width && msg->width <= 8 && !(msg->width & (msg->width - 1)) &&
		      msg->offset % msg->width == 0);
	if (msg->type == VSF_MSG_RANGE)
		CHECK(msg->len && msg->offset + msg->len > msg->offset);
	if (msg->type == VSF_MSG_MAP)
		CHECK(msg->len && msg->offset + msg->len > msg->offset && msg->flags < 4);
	if (msg->type == VSF_MSG_UNMAP)
		CHECK(msg->len && msg->value + (msg->len - 1) >= msg->value);
}

static void check_again(const struct vsf_msg *msg, enum vsf_side side, unsigned int fds)
{
	uint8_t buf[VSF_WIRE_LEN], twice[VSF_WIRE_LEN];
	struct vsf_msg again;

	vsf_wire_encode(msg, buf);
	CHECK(vsf_wire_parse(&again, buf, sizeof(buf), side, fds) == 0);
	vsf_wire_encode(&again, twice);
	CHECK(memcmp(buf, twice, sizeof(buf)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	enum vsf_side side;
	unsigned int fds;
	struct vsf_msg msg;
	uint8_t *copy;
	int rc;

	if (len < 2)
		return -1;
	side = (enum vsf_side)(data[0] % 4);
	fds = data[1] % 8;
	len -= 2;
	/* Of its very length, for the address sanitizer. */
	copy = malloc(len ? len : 1);
	CHECK(copy);
	memcpy(copy, data + 2, len);
	rc = vsf_wire_parse(&msg, copy, len, side, fds);
	if (rc == 0) {
		check_members(&msg);
		check_again(&msg, side, fds);
	}
	free(copy);
	return rc == 0 ? 0 : -1;
}

/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>

#include "fuzz_messages.h"

static uint64_t state = 1;

void fuzz_seed(uint64_t seed)
{
	state = seed * UINT64_C(0x9e3779b97f4a7c15) | 1;
}

uint64_t chance(uint64_t n)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state % n;
}

static const uint16_t types[] = { VSF_MSG_HELLO,  VSF_MSG_READY,   VSF_MSG_VETO,
				  VSF_MSG_BACK,	  VSF_MSG_ASK,	   VSF_MSG_WELCOME,
				  VSF_MSG_RANGE,  VSF_MSG_REFUSED, VSF_MSG_PREPARE,
				  VSF_MSG_STATE,  VSF_MSG_ANSWER,  VSF_MSG_READ,
				  VSF_MSG_WRITE,  VSF_MSG_PROBE,   VSF_MSG_LOST,
				  VSF_MSG_RESULT, VSF_MSG_BYE,	   VSF_MSG_MAP,
				  VSF_MSG_UNMAP };

void rightly(uint8_t *head, enum vsf_msg_type type)
{
	head[0] = type < VSF_MSG_WELCOME  ? VSF_FROM_CLIENT
		  : type < VSF_MSG_READ	  ? VSF_FROM_OWNER
		  : type < VSF_MSG_RESULT ? VSF_CALL
					  : VSF_RESULT;
	head[1] = type == VSF_MSG_WELCOME ? 2 : type == VSF_MSG_MAP;
}

static uint64_t odd_number(void)
{
	static const uint64_t odd[] = { 0,	    1,		0x101,
					0x201,	    UINT32_MAX, INT32_MAX,
					UINT64_MAX, INT64_MAX,	UINT64_MAX - 7 };

	return chance(2) ? odd[chance(sizeof(odd) / sizeof(odd[0]))] : chance(5000);
}

void valid(struct vsf_msg *msg)
{
	memset(msg, 0, sizeof(*msg));
	msg->type = types[chance(sizeof(types) / sizeof(types[0]))];
	msg->kind = (uint32_t)(1 + chance(3));
	msg->width = 1u << chance(4);
	msg->offset = chance(1000) * 8;
	msg->len = 1 + odd_number() / 2;
	msg->word = 0x101 + chance(5);
	msg->result = -(int32_t)chance(4096);
	msg->window = odd_number();
	msg->index = (uint32_t)odd_number();
	msg->flags = (uint32_t)chance(5);
	msg->value = odd_number();
	snprintf(msg->text, sizeof(msg->text), "%.*s", (int)chance(VSF_WIRE_TEXT - 1),
		 "a text of a message that is nearly as long as the place that it has in "
		 "the "
		 "message, and a bit");
}

size_t mutate(uint8_t *buf, size_t len)
{
	uint64_t number;

	for (uint64_t n = chance(4); n > 0; n--)
		buf[chance(len)] = (uint8_t)chance(256);
	if (chance(3) == 0) {
		number = odd_number();
		memcpy(buf + chance(len / 8) * 8, &number, sizeof(number));
	}
	return chance(4) ? len : chance(VSF_WIRE_LEN_MAX);
}

/* SPDX-License-Identifier: MIT */
#include <ctype.h>
#include <endian.h>
#include <errno.h>
#include <string.h>
#include <vfiosafe/dma.h>

#include "error.h"
#include "generation.h"
#include "wire.h"

/* magic, u16 major and minor, u16 type and 0; the members below; the text to the end. */
enum { AT_MAJOR = 4, AT_MINOR = 6, AT_TYPE = 8, AT_MEMBERS = 16, AT_TEXT = 96 };
_Static_assert(AT_TEXT + VSF_WIRE_TEXT == VSF_WIRE_LEN, "the text ends the message");

#define MEMBER(name) { offsetof(struct vsf_msg, name), sizeof(((struct vsf_msg *)0)->name) }

static const struct member {
	size_t at;
	size_t width;
} members[] = {
	MEMBER(kind),	MEMBER(flags),	MEMBER(cause), MEMBER(index),  MEMBER(bar),
	MEMBER(width),	MEMBER(ms),	MEMBER(result), MEMBER(id),    MEMBER(window),
	MEMBER(word),	MEMBER(offset), MEMBER(len),	MEMBER(value),
};

#define MEMBERS (sizeof(members) / sizeof(members[0]))

static void put(uint8_t *to, uint64_t value, size_t width)
{
	value = htole64(value);
	memcpy(to, &value, width);
}

static uint64_t get(const uint8_t *from, size_t width)
{
	uint64_t value = 0;

	memcpy(&value, from, width);
	return le64toh(value);
}

static uint64_t load(const struct vsf_msg *msg, const struct member *member)
{
	const uint8_t *at = (const uint8_t *)msg + member->at;
	uint32_t narrow;
	uint64_t wide;

	if (member->width == sizeof(narrow)) {
		memcpy(&narrow, at, sizeof(narrow));
		return narrow;
	}
	memcpy(&wide, at, sizeof(wide));
	return wide;
}

static void store(struct vsf_msg *msg, const struct member *member, uint64_t value)
{
	uint8_t *at = (uint8_t *)msg + member->at;
	uint32_t narrow = (uint32_t)value;

	if (member->width == sizeof(narrow))
		memcpy(at, &narrow, sizeof(narrow));
	else
		memcpy(at, &value, sizeof(value));
}

void vsf_wire_encode(const struct vsf_msg *msg, uint8_t buf[VSF_WIRE_LEN])
{
	uint8_t *to = buf + AT_MEMBERS;

	memset(buf, 0, VSF_WIRE_LEN);
	put(buf, VSF_WIRE_MAGIC, 4);
	put(buf + AT_MAJOR, VSF_WIRE_MAJOR, 2);
	put(buf + AT_MINOR, VSF_WIRE_MINOR, 2);
	put(buf + AT_TYPE, msg->type, 2);
	for (size_t i = 0; i < MEMBERS; i++) {
		put(to, load(msg, &members[i]), members[i].width);
		to += members[i].width;
	}
	memcpy(buf + AT_TEXT, msg->text, strnlen(msg->text, VSF_WIRE_TEXT - 1));
}

/* What each type is: whose, and how many fds go with it. */
static const struct type {
	enum vsf_msg_type type;
	enum vsf_side side;
	unsigned int fds_min, fds_max;
	const char *name;
} types[] = {
	{ VSF_MSG_HELLO, VSF_FROM_CLIENT, 0, 0, "HELLO" },
	{ VSF_MSG_READY, VSF_FROM_CLIENT, 0, 0, "READY" },
	{ VSF_MSG_VETO, VSF_FROM_CLIENT, 0, 0, "VETO" },
	{ VSF_MSG_BACK, VSF_FROM_CLIENT, 0, 0, "BACK" },
	{ VSF_MSG_ASK, VSF_FROM_CLIENT, 0, 0, "ASK" },
	{ VSF_MSG_BYE, VSF_FROM_CLIENT, 0, 0, "BYE" },
	{ VSF_MSG_WELCOME, VSF_FROM_OWNER, 2, 3, "WELCOME" },
	{ VSF_MSG_RANGE, VSF_FROM_OWNER, 0, 1, "RANGE" },
	{ VSF_MSG_REFUSED, VSF_FROM_OWNER, 0, 0, "REFUSED" },
	{ VSF_MSG_PREPARE, VSF_FROM_OWNER, 0, 0, "PREPARE" },
	{ VSF_MSG_STATE, VSF_FROM_OWNER, 0, 0, "STATE" },
	{ VSF_MSG_ANSWER, VSF_FROM_OWNER, 0, 0, "ANSWER" },
	{ VSF_MSG_READ, VSF_CALL, 0, 0, "READ" },
	{ VSF_MSG_WRITE, VSF_CALL, 0, 0, "WRITE" },
	{ VSF_MSG_PROBE, VSF_CALL, 0, 0, "PROBE" },
	{ VSF_MSG_LOST, VSF_CALL, 0, 0, "LOST" },
	{ VSF_MSG_MAP, VSF_CALL, 0, 1, "MAP" },
	{ VSF_MSG_UNMAP, VSF_CALL, 0, 0, "UNMAP" },
	{ VSF_MSG_RESULT, VSF_RESULT, 0, 0, "RESULT" },
};

static const struct type *type_of(uint64_t number)
{
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if ((uint64_t)types[i].type == number)
			return &types[i];
	return NULL;
}

const char *vsf_wire_name(enum vsf_msg_type type)
{
	const struct type *known = type_of(type);

	return known ? known->name : "unknown";
}

/* 0, 1 (skip it), or what is wrong with everything before the members. */
static int check_head(const uint8_t *buf, size_t len, const struct type **type)
{
	uint64_t major, minor;

	if (len < AT_MEMBERS || get(buf, 4) != VSF_WIRE_MAGIC)
		return vsf_fail(EPROTO, "%zu bytes that are no message of libvfiosafe", len);
	major = get(buf + AT_MAJOR, 2);
	minor = get(buf + AT_MINOR, 2);
	if (major != VSF_WIRE_MAJOR)
		return vsf_fail(EPROTONOSUPPORT, "the other process speaks version %u of the "
						 "protocol, this one version %u",
				(unsigned int)major, VSF_WIRE_MAJOR);
	if (len < VSF_WIRE_LEN || (len > VSF_WIRE_LEN && minor <= VSF_WIRE_MINOR))
		return vsf_fail(EPROTO, "a message of %zu bytes instead of %u", len,
				VSF_WIRE_LEN);
	*type = type_of(get(buf + AT_TYPE, 2));
	if (*type)
		return 0;
	if (minor > VSF_WIRE_MINOR)
		return 1;
	return vsf_fail(EPROTO, "a message of unknown type %u",
			(unsigned int)get(buf + AT_TYPE, 2));
}

static bool is_text(const uint8_t *text)
{
	const uint8_t *end = memchr(text, 0, VSF_WIRE_TEXT);

	for (; end && text < end; text++)
		if (!isprint(*text))
			return false;
	return end != NULL;
}

static bool is_state(uint64_t word)
{
	return vsf_word_state(word) <= VFIOSAFE_FAULT && vsf_word_generation(word) > 0;
}

/* Members that a receiver computes with. */
static int check_members(const struct vsf_msg *msg, const char *name)
{
	bool good = true;

	switch (msg->type) {
	case VSF_MSG_READ:
	case VSF_MSG_WRITE:
		good = (msg->width == 1 || msg->width == 2 || msg->width == 4 ||
			msg->width == 8) &&
		       msg->offset % msg->width == 0 && is_state(msg->word);
		break;
	case VSF_MSG_RANGE:
		good = msg->len > 0 && msg->offset + msg->len > msg->offset &&
		       msg->kind >= VSF_REACH_CALLS && msg->kind <= VSF_REACH_DEVICE;
		break;
	case VSF_MSG_ASK:
		good = msg->kind == VSF_ASK_RESET || msg->kind == VSF_ASK_RECOVER;
		break;
	case VSF_MSG_MAP:
		good = msg->len > 0 && msg->offset + msg->len > msg->offset &&
		       !(msg->flags & ~(VFIOSAFE_DMA_READ | VFIOSAFE_DMA_WRITE));
		break;
	case VSF_MSG_UNMAP:
		good = msg->len > 0 && msg->value + (msg->len - 1) >= msg->value;
		break;
	case VSF_MSG_BACK:
	case VSF_MSG_PROBE:
	case VSF_MSG_LOST:
	case VSF_MSG_WELCOME:
	case VSF_MSG_PREPARE:
	case VSF_MSG_STATE:
		good = is_state(msg->word);
		break;
	default:
		break;
	}
	if (good && msg->result > -4096 && msg->result <= 0)
		return 0;
	return vsf_fail(EPROTO, "a %s whose members are out of range", name);
}

int vsf_wire_parse(struct vsf_msg *msg, const uint8_t *buf, size_t len, enum vsf_side side,
		   unsigned int fds)
{
	const uint8_t *from = buf + AT_MEMBERS;
	const struct type *type;
	int rc = check_head(buf, len, &type);

	if (rc != 0)
		return rc;
	if (type->side != side)
		return vsf_fail(EPROTO, "a %s from the wrong side", type->name);
	if (fds < type->fds_min || fds > type->fds_max)
		return vsf_fail(EPROTO, "a %s with %u file descriptors", type->name, fds);
	if (!is_text(buf + AT_TEXT))
		return vsf_fail(EPROTO, "a %s whose text is not printable", type->name);
	memset(msg, 0, sizeof(*msg));
	msg->type = type->type;
	for (size_t i = 0; i < MEMBERS; i++) {
		store(msg, &members[i], get(from, members[i].width));
		from += members[i].width;
	}
	memcpy(msg->text, buf + AT_TEXT, VSF_WIRE_TEXT);
	return check_members(msg, type->name);
}

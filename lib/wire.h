/* SPDX-License-Identifier: MIT */
/*
 * What the processes that share a device say to each other. Every message has the same
 * fixed size and the same members, little-endian; the type says which of them count.
 * There is one encoder and one parser, and what the parser lets through is in range.
 *
 *      main socket                                     calls socket
 *      client               owner                      client            owner
 *      HELLO          ->                               READ, WRITE  ->
 *                     <-  WELCOME, RANGE...            PROBE, LOST  ->
 *                     <-  REFUSED, and the end      MAP, UNMAP  ->
 *                     <-  PREPARE                                   <-   RESULT
 *      READY or VETO  ->
 *                     <-  STATE
 *      BACK           ->
 *      ASK            ->
 *                     <-  ANSWER
 *      BYE            ->
 *
 * A minor version that is newer may have messages that are longer, and types that are
 * unknown: what is known of them is used. Another major version is refused.
 */
#ifndef VSF_WIRE_H
#define VSF_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VSF_WIRE_MAGIC UINT32_C(0x66736676) /* "vfsf" */
#define VSF_WIRE_MAJOR 1
#define VSF_WIRE_MINOR 1
#define VSF_WIRE_LEN 192
#define VSF_WIRE_LEN_MAX 512 /* of a minor version to come */
#define VSF_WIRE_TEXT 96

enum vsf_msg_type {
	/* Client to owner, main socket. */
	VSF_MSG_HELLO = 1, /* text: the client's name */
	VSF_MSG_READY = 2, /* window: that it agrees to; nobody of it is in a section */
	VSF_MSG_VETO = 3,  /* window, result: -errno, text: why */
	VSF_MSG_BACK = 4,  /* word: what it is back in; result: 0, or why it is not */
	VSF_MSG_ASK = 5,   /* id, kind: enum vsf_ask, ms: to be done in */
	VSF_MSG_BYE = 6,   /* it leaves; nothing of the device is mapped any more */

	/* Owner to client, main socket. */
	VSF_MSG_WELCOME = 16, /* word, id: the owner's pid, value: ranges that follow,
				 flags: VSF_WELCOME_..., text: the address */
	VSF_MSG_RANGE = 17,   /* index, bar, offset, len, flags: rights, kind: enum vsf_reach,
				 value: where it begins in the fd */
	VSF_MSG_REFUSED = 18, /* result, text; the owner hangs up then */
	VSF_MSG_PREPARE = 19, /* window, word, cause, ms: time left, flags: VSF_PREPARE_... */
	VSF_MSG_STATE = 20,   /* word, cause, window: the last one that is over; result: how */
	VSF_MSG_ANSWER = 21,  /* id, result, text */

	/* Calls socket: one question, one answer. */
	VSF_MSG_READ = 32,   /* index: of the RANGE, offset: in the BAR, width,
				word: of the view */
	VSF_MSG_WRITE = 33,  /* also value */
	VSF_MSG_PROBE = 34,  /* word: of the view; is the device alive? */
	VSF_MSG_LOST = 35,   /* word; text: why the client thinks so */
	VSF_MSG_MAP = 36,    /* offset, len: of the memfd that comes with it; flags:
				VFIOSAFE_DMA_..., id: opts.align, value: opts.below */
	VSF_MSG_UNMAP = 37,  /* value: the IOVA, len */
	VSF_MSG_RESULT = 48, /* result, value: what was read, or the IOVA of a MAP */
};

/* How a client reaches the registers of a range. */
enum vsf_reach {
	VSF_REACH_CALLS = 1,  /* the owner reads and writes for it */
	VSF_REACH_DMABUF = 2, /* by mapping a dma-buf, which comes with the message */
	VSF_REACH_DEVICE = 3, /* by mapping the device fd, which came with WELCOME */
};

enum vsf_ask { VSF_ASK_RESET = 1, VSF_ASK_RECOVER = 2 };

#define VSF_WELCOME_DEVICE_FD (1u << 0) /* a third fd is the device's */
#define VSF_WELCOME_DMA (1u << 1)	/* from minor 1 on: MAP and UNMAP are for it */
#define VSF_PREPARE_RECOVER (1u << 0)	/* the device is in FAULT: no quiesce */

struct vsf_msg {
	enum vsf_msg_type type;
	uint32_t kind, flags, cause, index, bar, width, ms;
	int32_t result;
	uint64_t id, window, word, offset, len, value;
	char text[VSF_WIRE_TEXT]; /* printable, NUL-terminated */
};

void vsf_wire_encode(const struct vsf_msg *msg, uint8_t buf[VSF_WIRE_LEN]);

/* Who sends a message of a type, on which socket. */
enum vsf_side { VSF_FROM_CLIENT, VSF_FROM_OWNER, VSF_CALL, VSF_RESULT };

/*
 * 0 and *@msg; 1 to skip it: a type of a newer minor version. -EPROTONOSUPPORT: another
 * major version. -EPROTO with a text: not a message that @side may send, or with more or
 * fewer fds than go with it (@fds came).
 */
int vsf_wire_parse(struct vsf_msg *msg, const uint8_t *buf, size_t len, enum vsf_side side,
		   unsigned int fds);

/* "PREPARE", ...; static, never NULL */
const char *vsf_wire_name(enum vsf_msg_type type);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * raw.h - a client that speaks over the raw sockets, and may read one page; beside it a
 * good one, that notices nothing of it.
 */
#ifndef BROKER_RAW_H
#define BROKER_RAW_H

#include <unistd.h>

#include "generation.h"
#include "guests.h"
#include "sys.h"
#include "wire.h"

#define PAGE_POLICY                                                                            \
	"device sim:reg:a dma_shared mode=0666\n"                                         \
	"client user=40001 device=sim:reg:a bar=0 offset=0 length=0x1000 "                \
	"rights=read,write,reset reset-interval-ms=1\n"                                   \
	"client user=40002 device=sim:reg:a bar=0 offset=0x9000 length=0x1000 rights=read\n"

#define PAGE 0x9000u

/* The raw ends of a connection. */
struct ends {
	int sock, calls, page;
	int range; /* a dma-buf; -1: by calls */
};

static inline void say_bytes(int fd, const void *buf, size_t len, const int *fds, unsigned int count)
{
	must(vsf_sys(vfiosafe_sys_default(), send, fd, buf, len, fds, count) == 0);
}

static inline void say_on(int fd, struct vsf_msg msg)
{
	uint8_t buf[VSF_WIRE_LEN];

	vsf_wire_encode(&msg, buf);
	say_bytes(fd, buf, sizeof(buf), NULL, 0);
}

#define say(fd, ...) say_on(fd, (struct vsf_msg){ __VA_ARGS__ })

/* What comes next, waited for; false: it was hung up. */
static inline bool hear(int fd, enum vsf_side side, struct vsf_msg *msg,
		 struct vfiosafe_received *with)
{
	const struct vfiosafe_sys *sys = vfiosafe_sys_default();
	uint8_t buf[VSF_WIRE_LEN_MAX];
	int epoll_fd = vsf_sys(sys, epoll), ready;
	ssize_t n;

	must(epoll_fd >= 0 && vsf_sys(sys, epoll_add, epoll_fd, fd) == 0);
	while ((n = vsf_sys(sys, receive, fd, buf, sizeof(buf), with)) == -EAGAIN)
		must(vsf_sys(sys, epoll_wait, epoll_fd, &ready, 1, VFIOSAFE_FOREVER) >= 0);
	close(epoll_fd);
	if (n <= 0)
		return false;
	must(vsf_wire_parse(msg, buf, (size_t)n, side, with->count) == 0);
	return true;
}

/* The answer to an ASK; what the owner tells of the device comes before it, or does not. */
static inline bool hear_answer(int fd, struct vsf_msg *msg)
{
	struct vfiosafe_received with;

	do
		if (!hear(fd, VSF_FROM_OWNER, msg, &with))
			return false;
	while (msg->type == VSF_MSG_STATE || msg->type == VSF_MSG_PREPARE);
	return true;
}

static inline struct ends joins_raw(const struct guest *guest)
{
	struct ends ends = { .sock = guest_connects(guest, "sim:reg:a") };
	struct vfiosafe_received with;
	struct vsf_msg msg;

	must(ends.sock >= 0);
	say(ends.sock, .type = VSF_MSG_HELLO, .text = "hostile");
	must(hear(ends.sock, VSF_FROM_OWNER, &msg, &with) && msg.type == VSF_MSG_WELCOME);
	must(with.count == 2);
	must(!(msg.flags & VSF_WELCOME_DEVICE_FD));
	ends.page = with.fd[0];
	ends.calls = with.fd[1];
	must(msg.value == 1);
	must(hear(ends.sock, VSF_FROM_OWNER, &msg, &with) && msg.type == VSF_MSG_RANGE);
	must(with.count == (msg.kind == VSF_REACH_DMABUF));
	ends.range = with.count ? with.fd[0] : -1;
	return ends;
}

static inline void leaves(const struct ends *ends)
{
	close(ends->sock);
	close(ends->calls);
	close(ends->page);
}

static inline uint64_t live(uint64_t generation)
{
	return vsf_word(generation, VFIOSAFE_LIVE);
}

static inline int call(const struct ends *ends, struct vsf_msg msg, uint64_t *value)
{
	struct vfiosafe_received with;

	say_on(ends->calls, msg);
	must(hear(ends->calls, VSF_RESULT, &msg, &with));
	*value = msg.value;
	return msg.result;
}

static inline bool is_cut_off(int fd, enum vsf_side side)
{
	struct vfiosafe_received with;
	struct vsf_msg msg;

	return !hear(fd, side, &msg, &with);
}

/* It has what nobody has taken from it, in the generation in which it came. */
static inline void is_good(struct guest *guest)
{
	struct vfiosafe_device *dev = guest_joins(guest, "sim:reg:a");
	struct vfiosafe_view view = guest_maps(dev, 0, 0x1000);

	must(vfiosafe_device_generation(dev) == 2);
	must(vfiosafe_write32(&view, HOLD, 0x900d) == 0);
	guest_is_there(guest);
	guest_waits(guest);
	must(read_at(&view, HOLD) == 0x900d);
	must(vfiosafe_device_generation(dev) == 2);
}

static inline void hostile(void (*run)(struct guest *guest))
{
	struct client_process good, bad;
	unsigned int before;

	broker_start(&broker, PAGE_POLICY);
	good = client_start(&broker, ALICE, is_good, 0);
	client_is_there(&good);
	before = broker_fds(&broker);
	bad = client_start(&broker, BOB, run, 0);
	client_ends_well(&bad);
	broker_says(&broker, "clients=1");
	while (broker_fds(&broker) != before)
		broker_says(&broker, "clients=1");
	client_goes_on(&good);
	client_ends_well(&good);
}

#endif

/* SPDX-License-Identifier: MIT */
/* Messages to and from the owner, and the end of it. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "device.h"
#include "epoch.h"
#include "error.h"
#include "join_inside.h"
#include "log.h"

static void drop_fds(const struct vfiosafe_device *dev, struct vfiosafe_received *with)
{
	while (with->count > 0)
		vsf_sys(dev->sys, close, with->fd[--with->count]);
}

static bool is_hang_up(ssize_t n)
{
	return n == 0 || n == -ECONNRESET || n == -EPIPE || n == -ENOTCONN;
}

static int one_message(struct vfiosafe_device *dev, int fd, enum vsf_side side,
		       struct vsf_msg *msg, struct vfiosafe_received *with)
{
	uint8_t buf[VSF_WIRE_LEN_MAX];
	ssize_t n = vsf_sys(dev->sys, receive, fd, buf, sizeof(buf), with);

	/* It went, and left something unread: told once, before what it had said. */
	if (n == -ECONNRESET)
		n = vsf_sys(dev->sys, receive, fd, buf, sizeof(buf), with);
	if (n == -EAGAIN)
		return -EAGAIN;
	if (is_hang_up(n))
		return vsf_fail(EOWNERDEAD, "the owner of %s hung up", dev->address);
	if (n == -EMSGSIZE)
		return vsf_fail(EPROTO, "a message that is too long, or has too many fds");
	if (n < 0)
		return vsf_fail((int)-n, "cannot read the owner's socket: %s", strerror((int)-n));
	return vsf_wire_parse(msg, buf, (size_t)n, side, with->count);
}

int vsf_join_receive(struct vfiosafe_device *dev, int fd, enum vsf_side side,
		     struct vsf_msg *msg, struct vfiosafe_received *with)
{
	int rc;

	do {
		with->count = 0;
		rc = one_message(dev, fd, side, msg, with);
		if (rc != 0)
			drop_fds(dev, with);
	} while (rc > 0);
	return rc;
}

int vsf_join_send_with(struct vfiosafe_device *dev, int fd, const struct vsf_msg *msg,
		       int with)
{
	uint8_t buf[VSF_WIRE_LEN];
	int rc;

	vsf_wire_encode(msg, buf);
	rc = vsf_sys(dev->sys, send, fd, buf, sizeof(buf), &with, with >= 0);
	if (rc == -EAGAIN)
		return rc;
	if (rc < 0 && is_hang_up(rc))
		return vsf_fail(EOWNERDEAD, "the owner of %s hung up", dev->address);
	return rc < 0 ? vsf_fail(-rc, "cannot send a %s: %s", vsf_wire_name(msg->type),
				 strerror(-rc))
		      : 0;
}

int vsf_join_send(struct vfiosafe_device *dev, int fd, const struct vsf_msg *msg)
{
	return vsf_join_send_with(dev, fd, msg, -1);
}

void vsf_join_text(char *to, size_t len, const char *from)
{
	size_t n = 0;

	for (; from[n] && n + 1 < len; n++)
		to[n] = isprint((unsigned char)from[n]) ? from[n] : '?';
	to[n] = '\0';
}

void vsf_join_wake(struct vfiosafe_device *dev)
{
	vsf_words_ring(dev->words, dev->sys);
	/* After the change that is told: see sleep_for_news() in join_wait.c. */
	if (__atomic_load_n(&dev->join->pumping, __ATOMIC_SEQ_CST))
		(void)vsf_sys(dev->sys, event_write, dev->join->wake_fd);
}

void vsf_join_cut(struct vfiosafe_device *dev, const char *why)
{
	if (vsf_gate_end(dev->words, dev->sys, VSF_GATE_OWNER_DEAD) < 0)
		return;
	/* In a section no code of the program may run. */
	if (vsf_depth() == 0)
		vsf_log(VFIOSAFE_LOG_ERROR, "%s: process %llu, its owner, is no more: %s",
			dev->address, (unsigned long long)dev->join->owner, why);
	vsf_event_put(dev, VFIOSAFE_EVENT_PEER, -EOWNERDEAD, VFIOSAFE_CAUSE_NONE, 1);
	vsf_join_wake(dev);
}

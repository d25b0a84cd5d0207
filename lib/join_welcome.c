/* SPDX-License-Identifier: MIT */
/* What the owner sends to a client that said hello: looked at before it is used. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "device.h"
#include "error.h"
#include "join_inside.h"

struct welcome {
	struct vfiosafe_device *dev;
	int64_t deadline;
	bool came; /* WELCOME itself */
	uint64_t ranges; /* that it announced */
	struct vfiosafe_received with; /* of the last message; -1: taken */
	struct vsf_msg msg;
};

static void drop_fds(struct welcome *w)
{
	for (unsigned int i = 0; i < w->with.count; i++)
		if (w->with.fd[i] >= 0)
			vsf_sys(w->dev->sys, close, w->with.fd[i]);
	w->with.count = 0;
}

static int take_fd(struct welcome *w, unsigned int i)
{
	int fd = w->with.fd[i];

	w->with.fd[i] = -1;
	return fd;
}

/* It must be a socket with nothing in it. */
static int take_calls(struct welcome *w)
{
	struct vfiosafe_device *dev = w->dev;
	struct vsf_join *join = dev->join;
	struct vfiosafe_received with = { 0 };
	uint8_t byte;
	ssize_t n;
	int rc;

	join->calls = take_fd(w, 1);
	n = vsf_sys(dev->sys, receive, join->calls, &byte, sizeof(byte), &with);
	while (with.count > 0)
		vsf_sys(dev->sys, close, with.fd[--with.count]);
	if (n != -EAGAIN)
		return vsf_fail(EPROTO, "what came as the socket for calls is none");
	rc = vsf_sys(dev->sys, epoll_add, join->calls_epoll, join->calls);
	return rc < 0 ? vsf_fail(-rc, "cannot wait for the owner's answers: %s", strerror(-rc))
		      : 0;
}

/*
 * The kernel's word for who the owner is, and its end, whoever keeps its socket open. A
 * process that cannot be seen from here has only the socket.
 */
static int watch_owner(struct welcome *w)
{
	const struct vfiosafe_sys *sys = w->dev->sys;
	struct vsf_join *join = w->dev->join;
	int rc;

	join->owner = w->with.pid > 0 ? (uint64_t)w->with.pid : w->msg.id;
	if (w->with.pid <= 0)
		return 0;
	rc = vsf_sys(sys, pidfd, w->with.pid);
	if (rc == -ESRCH)
		return vsf_fail(EOWNERDEAD, "process %d, the owner, has ended", (int)w->with.pid);
	if (rc < 0)
		return vsf_fail(-rc, "cannot watch process %d, the owner: %s", (int)w->with.pid,
				strerror(-rc));
	join->pidfd = rc;
	rc = vsf_sys(sys, epoll_add, join->epoll_fd, join->pidfd);
	if (rc == 0)
		rc = vsf_sys(sys, epoll_add, join->calls_epoll, join->pidfd);
	return rc < 0 ? vsf_fail(-rc, "cannot watch the owner: %s", strerror(-rc)) : 0;
}

/* From here on the word is the owner's. Not LIVE: there is nothing to be quiesced. */
static void take_word(struct vfiosafe_device *dev)
{
	struct vsf_join *join = dev->join;
	uint64_t word;

	dev->word = &join->page->word;
	word = vsf_device_word(dev);
	join->synced = vsf_word_generation(word);
	join->lost_word = word;
	if (vsf_word_state(word) == VFIOSAFE_LIVE)
		return;
	(void)vsf_gate_move(dev->words, dev->sys, VFIOSAFE_LIVE, VFIOSAFE_QUIESCE);
	join->phase = VSF_JOIN_CLOSED;
	join->busy = true;
}

static int welcome(struct welcome *w)
{
	struct vfiosafe_device *dev = w->dev;
	bool device_fd = w->msg.flags & VSF_WELCOME_DEVICE_FD;
	int rc;

	if (w->came || device_fd != (w->with.count == 3) ||
	    w->msg.value > VFIOSAFE_GRANT_RANGES)
		return vsf_fail(EPROTO, "a WELCOME that is the second one, or says what it has "
					"not");
	w->came = true;
	w->ranges = w->msg.value;
	if (w->msg.text[0])
		snprintf(dev->address, sizeof(dev->address), "%.31s", w->msg.text);
	rc = vsf_control_map(dev->sys, &dev->join->page, w->with.fd[0]);
	if (rc == 0)
		rc = take_calls(w);
	if (rc == 0)
		rc = watch_owner(w);
	if (rc < 0)
		return rc;
	if (device_fd)
		dev->fd = take_fd(w, 2);
	dev->join->dma = w->msg.flags & VSF_WELCOME_DMA;
	take_word(dev);
	return 0;
}

/* What is mapped begins a page in the BAR where it begins one in the file. */
static bool is_sound(const struct welcome *w, const struct vsf_join_range *range)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);

	if (!w->came || w->msg.index != w->dev->join->range_count ||
	    w->msg.index >= w->ranges || range->bar >= VSF_BARS ||
	    range->rights == 0 ||
	    (range->rights & ~(VFIOSAFE_GRANT_READ | VFIOSAFE_GRANT_WRITE)) ||
	    range->offset > INT64_MAX || range->len > INT64_MAX - range->offset)
		return false;
	if (w->with.count != (range->reach == VSF_REACH_DMABUF))
		return false;
	if (range->reach == VSF_REACH_CALLS)
		return true;
	return (range->reach != VSF_REACH_DEVICE || w->dev->fd >= 0) &&
	       (range->at - range->offset) % page == 0 && range->at <= INT64_MAX &&
	       range->len <= INT64_MAX - range->at;
}

/* For display, and for who looks how far a BAR goes: as far as this process knows. */
static void note_region(struct vfiosafe_region *region, const struct vsf_join_range *range)
{
	if (region->len < range->offset + range->len)
		region->len = range->offset + range->len;
	region->readable |= range->rights & VFIOSAFE_GRANT_READ;
	region->writable |= (range->rights & VFIOSAFE_GRANT_WRITE) != 0;
}

static int take_range(struct welcome *w)
{
	struct vfiosafe_device *dev = w->dev;
	struct vsf_join *join = dev->join;
	struct vsf_join_range range = { .bar = w->msg.bar,
					.rights = w->msg.flags,
					.reach = (enum vsf_reach)w->msg.kind,
					.offset = w->msg.offset,
					.len = w->msg.len,
					.at = w->msg.value,
					.fd = -1 };

	if (!is_sound(w, &range))
		return vsf_fail(EPROTO, "a RANGE that makes no sense");
	if (w->with.count > 0)
		range.fd = take_fd(w, 0);
	join->range[join->range_count++] = range;
	note_region(&dev->region[range.bar].info, &range);
	return 0;
}

static int take(struct welcome *w)
{
	switch (w->msg.type) {
	case VSF_MSG_WELCOME:
		return welcome(w);
	case VSF_MSG_RANGE:
		return take_range(w);
	case VSF_MSG_REFUSED:
		return vsf_fail(w->msg.result < 0 ? -w->msg.result : EPERM,
				"the owner refuses: %s", w->msg.text);
	case VSF_MSG_PREPARE:
	case VSF_MSG_STATE:
		if (w->came) {
			vsf_join_handle(w->dev, &w->msg);
			return 0;
		}
		break;
	default:
		break;
	}
	return vsf_fail(EPROTO, "a %s before the welcome was over", vsf_wire_name(w->msg.type));
}

/* One message, or the deadline. */
static int next(struct welcome *w)
{
	struct vfiosafe_device *dev = w->dev;
	int rc, ready[4];

	while ((rc = vsf_join_receive(dev, dev->join->sock, VSF_FROM_OWNER, &w->msg,
				      &w->with)) == -EAGAIN) {
		if (vsf_now(dev->sys) >= w->deadline)
			return vsf_fail(ETIMEDOUT, "the owner did not answer in time");
		rc = vsf_sys(dev->sys, epoll_wait, dev->join->epoll_fd, ready, 4, w->deadline);
		if (rc < 0)
			return vsf_fail(-rc, "cannot wait for the owner: %s", strerror(-rc));
	}
	if (rc < 0)
		return rc;
	rc = take(w);
	drop_fds(w);
	return rc;
}

int vsf_join_welcome(struct vfiosafe_device *dev, int64_t deadline)
{
	struct welcome w = { .dev = dev, .deadline = deadline };
	int rc = 0;

	while (rc == 0 && (!w.came || dev->join->range_count < w.ranges))
		rc = next(&w);
	/* A window that was announced meanwhile: nobody is in a section yet. */
	if (rc == 0)
		vsf_join_step(dev);
	return rc;
}

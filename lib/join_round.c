/* SPDX-License-Identifier: MIT */
/* One look at what the owner says, and at what can be done about it. */
#include <errno.h>
#include <string.h>

#include "epoch.h"
#include "error.h"
#include "fault.h"
#include "join_inside.h"
#include "window.h"

#define MESSAGES 32 /* in one round */

/* Nothing more comes from them: the epoll fd would be readable for ever. */
static void turn_deaf(struct vfiosafe_device *dev)
{
	struct vsf_join *join = dev->join;

	if (join->deaf)
		return;
	join->deaf = true;
	(void)vsf_sys(dev->sys, epoll_del, join->epoll_fd, join->sock);
	if (join->pidfd >= 0)
		(void)vsf_sys(dev->sys, epoll_del, join->epoll_fd, join->pidfd);
}

/* What is not a message. True if the owner's process has ended. */
static bool look_around(struct vfiosafe_device *dev)
{
	struct vsf_join *join = dev->join;
	int ready[8], n = vsf_sys(dev->sys, epoll_wait, join->epoll_fd, ready, 8, 0);
	bool ended = false;
	uint64_t count;

	for (int i = 0; i < n; i++) {
		if (ready[i] == join->timer_fd)
			(void)vsf_sys(dev->sys, timer_set, join->timer_fd, VFIOSAFE_FOREVER);
		if (ready[i] == dev->fault_event_fd)
			(void)vsf_sys(dev->sys, event_read, dev->fault_event_fd, &count);
		ended |= ready[i] == join->pidfd;
	}
	return ended;
}

/* 0: all, or as many as is fair, were taken. */
static int take_messages(struct vfiosafe_device *dev)
{
	struct vfiosafe_received with;
	struct vsf_msg msg;
	int rc = 0;

	for (int n = 0; n < MESSAGES && rc == 0 && !vsf_is_gone(dev); n++) {
		rc = vsf_join_receive(dev, dev->join->sock, VSF_FROM_OWNER, &msg, &with);
		if (rc < 0)
			break;
		while (with.count > 0)
			vsf_sys(dev->sys, close, with.fd[--with.count]);
		vsf_join_handle(dev, &msg);
		vsf_join_step(dev);
	}
	return rc == -EAGAIN ? 0 : rc;
}

static bool is_owners_end(int rc)
{
	return rc == -EOWNERDEAD || rc == -EPROTO || rc == -EPROTONOSUPPORT;
}

static int round_locked(struct vfiosafe_device *dev)
{
	bool ended = look_around(dev);
	int rc = take_messages(dev);

	if (is_owners_end(rc))
		vsf_join_cut(dev, vfiosafe_error_text());
	else if (ended)
		vsf_join_cut(dev, "it has ended");
	vsf_join_step(dev);
	if (!vsf_is_gone(dev))
		return rc;
	turn_deaf(dev);
	return vsf_gone_error(dev);
}

int vsf_join_round(struct vfiosafe_device *dev)
{
	int rc;

	if (!vsf_join_trylock(dev))
		return vsf_fail_static(EAGAIN, "another thread dispatches");
	rc = round_locked(dev);
	vsf_join_unlock(dev);
	return rc;
}

int vsf_join_fd(const struct vfiosafe_device *dev)
{
	return dev->join ? dev->join->epoll_fd : -EINVAL;
}

int vsf_join_dispatch(struct vfiosafe_device *dev)
{
	int rc = vsf_refuse_inside(dev, "vfiosafe_agent_dispatch");

	if (rc < 0)
		return rc;
	if (vsf_words_forked(dev->words))
		return vsf_state_error(0, 0);
	vsf_count_inside(dev, 1);
	rc = vsf_join_round(dev);
	vsf_count_inside(dev, -1);
	return rc;
}

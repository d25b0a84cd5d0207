/* SPDX-License-Identifier: MIT */
/* The first words: who it is, whether it may, and what it gets. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "error.h"
#include "share_parts.h"

/* With this thread's text. It may not have room for it: then it only sees the end. */
void vsf_client_refuse(struct vsf_client *client, int err)
{
	struct vsf_msg msg = { .type = VSF_MSG_REFUSED, .result = err };
	char text[256];

	snprintf(text, sizeof(text), "%.255s", vfiosafe_error_text());
	snprintf(msg.text, sizeof(msg.text), "%.*s", (int)sizeof(msg.text) - 1, text);
	(void)vsf_client_send(client, client->sock, &msg, NULL, 0);
	vsf_client_cut(client, err == -EPROTONOSUPPORT ? -EPROTO : -EPERM, text);
}

static int check_who(const struct vsf_client *client, const struct vfiosafe_received *who)
{
	if (!who->pid)
		return vsf_fail(EPERM, "the kernel does not say which process this is (another "
				       "pid namespace?)");
	if (client->want_pid && client->want_pid != who->pid)
		return vsf_fail(EPERM, "the grant is for process %d, not %d",
				(int)client->want_pid, (int)who->pid);
	if (client->check_uid && client->want_uid != who->uid)
		return vsf_fail(EPERM, "the grant is for user %u, not %u",
				(unsigned int)client->want_uid, (unsigned int)who->uid);
	return 0;
}

/* What tells its end, whoever keeps its socket open. */
static int open_pidfd(struct vsf_client *client, pid_t pid)
{
	struct vsf_share *share = client->share;
	int rc, fd = client->told;

	client->told = -EOPNOTSUPP;
	/* By its number: where the kernel does not say more than that. */
	if (fd == -EOPNOTSUPP)
		fd = vsf_sys(share->dev->sys, pidfd, pid);
	if (fd < 0)
		return vsf_fail(EPERM, "no pidfd of process %d: %s", (int)pid, strerror(-fd));
	rc = vsf_share_add_fd(share, client, share->votes_fd, fd);
	if (rc < 0) {
		vsf_sys(share->dev->sys, close, fd);
		return vsf_fail(EPERM, "the pidfd of process %d: %s", (int)pid, strerror(-rc));
	}
	client->pidfd = fd;
	return 0;
}

static bool can_hold(const struct vsf_client *client)
{
	bool holds = client->rights & VFIOSAFE_GRANT_DEVICE_FD;

	for (uint32_t i = 0; i < client->count; i++)
		holds |= client->granted[i].reach != VSF_REACH_CALLS;
	return holds;
}

/* Who gets an fd of the device is in the ledger before it does. */
static int note_client(struct vsf_client *client, pid_t pid)
{
	struct vsf_share *share = client->share;
	int slot;

	if (!can_hold(client))
		return 0;
	slot = vsf_ledger_add(share->dev->sys, &share->ledger, pid);
	if (slot >= 0)
		client->ledger_slot = slot;
	return slot < 0 ? slot : 0;
}

void vsf_client_hello(struct vsf_client *client, const struct vsf_msg *msg,
		      const struct vfiosafe_received *who)
{
	int rc;

	if (msg->type != VSF_MSG_HELLO) {
		vsf_client_cut(client, -EPROTO, "it did not say hello");
		return;
	}
	rc = check_who(client, who);
	if (rc == 0)
		rc = open_pidfd(client, who->pid);
	if (rc == 0)
		rc = note_client(client, who->pid);
	if (rc < 0) {
		vsf_client_refuse(client, rc);
		return;
	}
	client->pid = who->pid;
	client->uid = who->uid;
	snprintf(client->name, sizeof(client->name), "%.31s", msg->text[0] ? msg->text : "?");
	client->state = client->share->window ? VSF_CLIENT_WAITING : VSF_CLIENT_JOINED;
}

static int send_welcome(struct vsf_client *client)
{
	const struct vsf_share *share = client->share;
	const struct vfiosafe_device *dev = share->dev;
	bool device = client->rights & VFIOSAFE_GRANT_DEVICE_FD;
	int fds[3] = { share->control_fd, client->calls_out, dev->fd };
	struct vsf_msg msg = {
		.type = VSF_MSG_WELCOME,
		.word = vsf_device_word(dev),
		.id = (uint64_t)getpid(),
		.value = client->count,
		.flags = (device ? VSF_WELCOME_DEVICE_FD : 0) |
			 (client->rights & VFIOSAFE_GRANT_DMA ? VSF_WELCOME_DMA : 0),
	};
	int rc;

	snprintf(msg.text, sizeof(msg.text), "%s", dev->address);
	rc = vsf_client_send(client, client->sock, &msg, fds, device ? 3 : 2);
	if (rc < 0)
		return rc;
	vsf_sys(dev->sys, close, client->calls_out);
	client->calls_out = -1;
	client->may_map = device;
	return 0;
}

/* A dma-buf that is gone meanwhile is no reason to turn a client away. */
static int send_range(struct vsf_client *client, uint32_t index)
{
	const struct vsf_granted *granted = &client->granted[index];
	const struct vfiosafe_grant_range *range = &granted->range;
	const struct vfiosafe_device *dev = client->share->dev;
	int fd = granted->reach == VSF_REACH_DMABUF ? vfiosafe_dmabuf_fd(granted->buf) : -1;
	struct vsf_msg msg = {
		.type = VSF_MSG_RANGE,
		.index = index,
		.bar = range->bar,
		.offset = range->offset,
		.len = range->len,
		.flags = range->rights,
		.kind = VSF_REACH_CALLS,
	};
	int rc;

	if (granted->reach == VSF_REACH_DEVICE) {
		msg.kind = VSF_REACH_DEVICE;
		msg.value = dev->region[range->bar].fd_offset + range->offset;
	} else if (fd >= 0) {
		msg.kind = VSF_REACH_DMABUF;
	}
	rc = vsf_client_send(client, client->sock, &msg, &fd, fd >= 0 ? 1 : 0);
	if (rc == 0 && fd >= 0)
		client->may_map = true;
	return rc;
}

int vsf_client_welcome(struct vsf_client *client)
{
	int rc = 0;

	while (rc == 0 && client->greeted <= client->count) {
		rc = client->greeted == 0 ? send_welcome(client)
					  : send_range(client, client->greeted - 1);
		if (rc == 0)
			client->greeted++;
	}
	return rc;
}

/* SPDX-License-Identifier: MIT */
/* One client of an owner: what it says, what it is told, its end. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "error.h"
#include "share_dma.h"
#include "share_parts.h"

/* Between two looks at a socket that is full. */
#define RETRY_MIN_NS INT64_C(500000)
#define RETRY_MAX_NS INT64_C(64000000)

const char *vsf_client_name(const struct vsf_client *client, char *buf, size_t len)
{
	if (client->pid)
		snprintf(buf, len, "client %d (%s)", (int)client->pid, client->name);
	else
		snprintf(buf, len, "a client that has not said who it is");
	return buf;
}

/* Its ends of the sockets see that, whatever becomes of it here. */
static void hang_up(struct vsf_client *client)
{
	struct vsf_share *share = client->share;

	vsf_share_del_fd(share, share->votes_fd, client->sock);
	vsf_share_del_fd(share, share->calls_fd, client->calls);
	if (client->calls_out >= 0)
		vsf_sys(share->dev->sys, close, client->calls_out);
	client->sock = client->calls = client->calls_out = -1;
	client->owes_prepare = client->owes_state = false;
	client->retry_at = 0;
}

void vsf_client_drop_pidfd(struct vsf_client *client)
{
	if (client->told >= 0)
		vsf_sys(client->share->dev->sys, close, client->told);
	client->told = -EOPNOTSUPP;
}

static void end(struct vsf_client *client)
{
	vsf_share_del_fd(client->share, client->share->votes_fd, client->pidfd);
	client->pidfd = -1;
	vsf_client_drop_pidfd(client);
	client->state = VSF_CLIENT_OVER;
	if (client->ledger_slot >= 0)
		vsf_ledger_remove(client->share->dev->sys, &client->share->ledger,
				  client->ledger_slot);
	client->ledger_slot = -1;
	vsf_share_hold(client);
	vsf_client_untidy(client);
}

static bool is_known(const struct vsf_client *client)
{
	return client->state != VSF_CLIENT_LEFT && client->state != VSF_CLIENT_OVER;
}

void vsf_client_cut(struct vsf_client *client, int why, const char *text)
{
	char name[64];

	if (!is_known(client))
		return;
	snprintf(client->farewell, sizeof(client->farewell), "%s: %s",
		 vsf_client_name(client, name, sizeof(name)), text);
	vsf_client_untidy(client);
	hang_up(client);
	/* A process that lives on may have it mapped, whatever it says. */
	if (client->may_map && why != 0)
		client->state = VSF_CLIENT_LEFT;
	else
		end(client);
	vsf_event_put_peer(client->share->dev, why, client->cookie);
}

/* No memory of a dead process is mapped: it has agreed to everything. */
void vsf_client_died(struct vsf_client *client)
{
	bool known = is_known(client);

	client->may_map = false;
	vsf_client_cut(client, -ESRCH, "it has died");
	if (!known)
		end(client);
}

/* The kernel has no room for the message now, or for the fds with it. */
static bool is_full(int rc)
{
	return rc == -EAGAIN || rc == -ETOOMANYREFS || rc == -ENOBUFS || rc == -ENOMEM;
}

int vsf_client_send(struct vsf_client *client, int fd, const struct vsf_msg *msg,
		    const int *fds, unsigned int count)
{
	uint8_t buf[VSF_WIRE_LEN];
	int rc;

	vsf_wire_encode(msg, buf);
	rc = vsf_sys(client->share->dev->sys, send, fd, buf, sizeof(buf), fds, count);
	if (rc == 0 || is_full(rc))
		return rc == 0 ? 0 : -EAGAIN;
	/* What it said before it went is read first: the hang-up comes with that. */
	if (rc != -EPIPE && rc != -ECONNRESET)
		vsf_client_cut(client, -ESRCH, strerror(-rc));
	return rc;
}

static int send_prepare(struct vsf_client *client)
{
	const struct vsf_share *share = client->share;
	const struct vfiosafe_device *dev = share->dev;
	int64_t left = (share->deadline - vsf_now(dev->sys)) / 1000000;
	struct vsf_msg msg = {
		.type = VSF_MSG_PREPARE,
		.window = share->window,
		.word = vsf_device_word(dev),
		.cause = share->cause,
		.flags = share->flags,
		.ms = left < 0 ? 0 : left < UINT32_MAX ? (uint32_t)left : UINT32_MAX,
	};
	int rc = vsf_client_send(client, client->sock, &msg, NULL, 0);

	if (rc < 0)
		return rc;
	client->owes_prepare = false;
	client->last_question = share->window;
	client->open_questions++;
	return 0;
}

static int send_state(struct vsf_client *client)
{
	const struct vsf_share *share = client->share;
	const struct vfiosafe_device *dev = share->dev;
	struct vsf_msg msg = {
		.type = VSF_MSG_STATE,
		.window = share->last_window,
		.word = vsf_device_word(dev),
		.cause = vfiosafe_device_cause(dev),
		.result = share->last_result,
	};
	int rc = vsf_client_send(client, client->sock, &msg, NULL, 0);

	if (rc == 0)
		client->owes_state = false;
	return rc;
}

static int send_owed(struct vsf_client *client)
{
	int rc = vsf_client_welcome(client);

	if (rc == 0 && client->owes_state)
		rc = send_state(client);
	if (rc == 0 && client->owes_prepare)
		rc = send_prepare(client);
	if (rc == 0)
		rc = vsf_client_answer(client);
	return rc;
}

void vsf_client_flush(struct vsf_client *client)
{
	int64_t now;

	if (client->state != VSF_CLIENT_JOINED)
		return;
	if (send_owed(client) != -EAGAIN) {
		client->retry_at = client->retry_ns = 0;
		return;
	}
	now = vsf_now(client->share->dev->sys);
	client->retry_ns *= 2;
	if (client->retry_ns < RETRY_MIN_NS)
		client->retry_ns = RETRY_MIN_NS;
	if (client->retry_ns > RETRY_MAX_NS)
		client->retry_ns = RETRY_MAX_NS;
	client->retry_at = now + client->retry_ns;
	if (client->retry_at < client->share->retry_at)
		client->share->retry_at = client->retry_at;
	vsf_share_wake(client->share, client->retry_at);
}

/* A process that inherited the socket, or was sent it, does not speak for the client. */
static int check_sender(const struct vsf_client *client, const struct vfiosafe_received *who)
{
	if (!client->pid || who->pid == client->pid)
		return 0;
	return vsf_fail(EPROTO, "process %d spoke in its place", (int)who->pid);
}

static int parse(struct vsf_client *client, enum vsf_side side, const uint8_t *buf, ssize_t n,
		 struct vsf_msg *msg, const struct vfiosafe_received *with)
{
	int rc;

	if (n == -EMSGSIZE)
		return vsf_fail(EPROTO, "a message that is too long, or has too many file "
					"descriptors");
	rc = check_sender(client, with);
	return rc < 0 ? rc : vsf_wire_parse(msg, buf, (size_t)n, side, with->count);
}

/* @rc: 0, or why nothing can be read of it. */
static void hung_up(struct vsf_client *client, int fd, int rc)
{
	struct vsf_share *share = client->share;

	if (fd == client->sock || (rc < 0 && rc != -ECONNRESET)) {
		vsf_client_cut(client, -ESRCH, rc ? strerror(-rc) : "it has hung up");
		return;
	}
	/* It wants to call no more. */
	vsf_share_del_fd(share, share->calls_fd, client->calls);
	client->calls = -1;
}

/*
 * Fds are taken only from who may send memory, and where it does. Of who says HELLO the
 * kernel is asked for the process itself: its number may be another's by now.
 */
static ssize_t receive(struct vsf_client *client, int fd, uint8_t *buf,
		       struct vfiosafe_received *with)
{
	const struct vfiosafe_sys *sys = client->share->dev->sys;

	if ((client->rights & VFIOSAFE_GRANT_DMA) && fd == client->calls)
		return vsf_sys(sys, receive, fd, buf, VSF_WIRE_LEN_MAX, with);
	vsf_client_drop_pidfd(client);
	return vsf_sys(sys, receive_no_fds, fd, buf, VSF_WIRE_LEN_MAX, with,
		       client->state == VSF_CLIENT_GREETING ? &client->told : NULL);
}

static void drop_fds(const struct vsf_client *client, struct vfiosafe_received *with)
{
	while (with->count > 0)
		vsf_sys(client->share->dev->sys, close_stranger, with->fd[--with->count]);
}

int vsf_client_receive(struct vsf_client *client, int fd, enum vsf_side side,
		       struct vsf_msg *msg, struct vfiosafe_received *with)
{
	uint8_t buf[VSF_WIRE_LEN_MAX];
	ssize_t n = receive(client, fd, buf, with);
	int rc;

	/* It went, and left something unread: told once, before what it had said. */
	if (n == -ECONNRESET)
		n = receive(client, fd, buf, with);
	if (n == -EAGAIN)
		return 0;
	if (n <= 0 && n != -EMSGSIZE) {
		hung_up(client, fd, (int)n);
		return 0;
	}
	rc = parse(client, side, buf, n, msg, with);
	if (rc != 0)
		drop_fds(client, with);
	if (rc == -EPROTONOSUPPORT && client->state == VSF_CLIENT_GREETING)
		vsf_client_refuse(client, rc);
	else if (rc < 0)
		vsf_client_cut(client, -EPROTO, vfiosafe_error_text());
	if (rc == 1)
		msg->type = 0;
	return rc >= 0;
}

static void note_back(struct vsf_client *client, const struct vsf_msg *msg)
{
	if (msg->result >= 0)
		return;
	snprintf(client->farewell, sizeof(client->farewell),
		 "client %d (%s) did not come back: %.96s", (int)client->pid, client->name,
		 msg->text);
	vsf_client_untidy(client);
}

static int take(struct vsf_client *client, const struct vsf_msg *msg)
{
	switch ((unsigned int)msg->type) {
	case 0: /* of a minor version to come */
		return 0;
	case VSF_MSG_READY:
	case VSF_MSG_VETO:
		return vsf_share_vote(client, msg);
	case VSF_MSG_ASK:
		return vsf_share_ask(client, msg);
	case VSF_MSG_BACK:
		note_back(client, msg);
		return 0;
	case VSF_MSG_BYE:
		vsf_client_cut(client, 0, "it has left");
		return 0;
	default:
		return vsf_fail(EPROTO, "a second %s", vsf_wire_name(msg->type));
	}
}

void vsf_client_read(struct vsf_client *client)
{
	struct vfiosafe_received with;
	struct vsf_msg msg;

	for (int i = 0; i < VSF_SHARE_BURST && client->sock >= 0; i++) {
		if (!vsf_client_receive(client, client->sock, VSF_FROM_CLIENT, &msg, &with))
			break;
		if (client->state == VSF_CLIENT_GREETING && msg.type)
			vsf_client_hello(client, &msg, &with);
		else if (take(client, &msg) < 0)
			vsf_client_cut(client, -EPROTO, vfiosafe_error_text());
	}
	vsf_client_flush(client);
}

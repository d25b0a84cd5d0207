/* SPDX-License-Identifier: MIT */
/* What the owner does for its clients: accesses, maps; and what they say of the device. */
#include <errno.h>
#include <stdio.h>

#include "access.h"
#include "error.h"
#include "share_dma.h"
#include "share_parts.h"
#include "window.h"

typedef unsigned long long ull;

/* A call, taken off its socket. */
struct call {
	struct vsf_client *client; /* stays while calls_open counts it */
	struct vsf_msg msg;
	uint64_t beside; /* the word under which a client's quiesce callback runs, or 0 */
	bool trusted; /* what it says of the device is taken for true */
	int fd;	      /* that came with it, or -1 */
};

static int check_granted(const struct vsf_client *client, const struct vsf_msg *msg)
{
	const struct vfiosafe_grant_range *range;
	uint32_t right = msg->type == VSF_MSG_WRITE ? VFIOSAFE_GRANT_WRITE
						    : VFIOSAFE_GRANT_READ;

	if (msg->index >= client->count)
		return vsf_fail(EPERM, "no range %u was granted", msg->index);
	range = &client->granted[msg->index].range;
	if (!(range->rights & right))
		return vsf_fail(EPERM, "a %s in a range that was not granted for that",
				vsf_wire_name(msg->type));
	if (msg->offset < range->offset || msg->offset - range->offset >= range->len ||
	    range->len - (msg->offset - range->offset) < msg->width)
		return vsf_fail(EPERM, "offset 0x%llx + %u of BAR %u was not granted",
				(ull)msg->offset, msg->width, range->bar);
	return 0;
}

static int check_generation(const struct vfiosafe_device *dev, uint64_t word)
{
	if (vsf_word_generation(word) == vsf_word_generation(vsf_device_word(dev)))
		return 0;
	return vsf_fail_static(ESTALE, "the device was reset since this view was taken");
}

static uint64_t read_value(const struct vfiosafe_view *view, const struct vsf_msg *msg, int *rc)
{
	uint8_t v8 = 0;
	uint16_t v16 = 0;
	uint32_t v32 = 0;
	uint64_t v64 = 0;

	switch (msg->width) {
	case 1:
		*rc = vsf_read_slow(view, msg->offset, &v8, 1);
		return v8;
	case 2:
		*rc = vsf_read_slow(view, msg->offset, &v16, 2);
		return v16;
	case 4:
		*rc = vsf_read_slow(view, msg->offset, &v32, 4);
		return v32;
	default:
		*rc = vsf_read_slow(view, msg->offset, &v64, 8);
		return v64;
	}
}

/* In a section of this thread, as an access of the owner's own. */
static int access_bar(const struct call *call, uint64_t *value)
{
	struct vsf_share *share = call->client->share;
	uint32_t bar = call->client->granted[call->msg.index].range.bar;
	struct vfiosafe_view view = { 0 };
	int rc = vsf_device_view(share->dev, &view);

	if (rc == 0)
		rc = check_generation(share->dev, call->msg.word);
	if (rc < 0)
		return rc;
	view.bar = __atomic_load_n(&share->bar[bar], __ATOMIC_ACQUIRE);
	if (call->msg.type == VSF_MSG_WRITE)
		return vsf_write_slow(&view, call->msg.offset, call->msg.value, call->msg.width);
	*value = read_value(&view, &call->msg, &rc);
	return rc;
}

static int access_for(const struct call *call, uint64_t *value)
{
	struct vfiosafe_device *dev = call->client->share->dev;
	struct vsf_callback_guard guard;
	int rc = check_granted(call->client, &call->msg);

	if (rc < 0 || !call->beside)
		return rc < 0 ? rc : access_bar(call, value);
	rc = vsf_callback_beside(&guard, dev, call->beside);
	if (rc < 0)
		return rc;
	rc = access_bar(call, value);
	vsf_callback_leave(&guard);
	return rc;
}

/* Its quiesce callback may have read ones: that they are real, it is told as ever. */
static int probe_beside(const struct call *call)
{
	struct vfiosafe_device *dev = call->client->share->dev;
	struct vsf_callback_guard guard;
	int rc = check_generation(dev, call->msg.word);

	if (rc == 0)
		rc = vsf_callback_beside(&guard, dev, call->beside);
	if (rc < 0)
		return rc;
	rc = vfiosafe_probe(dev);
	vsf_callback_leave(&guard);
	return rc;
}

/*
 * A hint from another process: the owner looks for itself. Who may ask for resets is
 * believed, no more often than that.
 */
static int look(const struct call *call)
{
	const struct vsf_client *client = call->client;
	struct vfiosafe_device *dev = client->share->dev;
	char why[160], name[64];
	int rc = vsf_state_error(vsf_device_word(dev), vsf_gate_word(dev));

	if (rc == 0)
		rc = check_generation(dev, call->msg.word);
	if (rc < 0)
		return rc;
	if (!call->trusted)
		return vfiosafe_probe(dev);
	snprintf(why, sizeof(why), "%s: %.90s", vsf_client_name(client, name, sizeof(name)),
		 call->msg.text);
	rc = vfiosafe_mark_lost(dev, why);
	return rc < 0 ? rc : vsf_fail(EIO, "marked lost");
}

static void answer(struct call *call, int result, uint64_t value)
{
	struct vsf_msg msg = { .type = VSF_MSG_RESULT, .result = result, .value = value };
	struct vsf_client *client = call->client;

	if (result < 0)
		snprintf(msg.text, sizeof(msg.text), "%.95s", vfiosafe_error_text());
	pthread_mutex_lock(&client->share->lock);
	client->calls_open--;
	if (client->state == VSF_CLIENT_OVER)
		vsf_client_untidy(client);
	if (client->calls >= 0 && vsf_client_send(client, client->calls, &msg, NULL, 0) == -EAGAIN)
		vsf_client_cut(client, -EPROTO, "it calls, and does not read the answers");
	pthread_mutex_unlock(&client->share->lock);
}

static void carry_out(struct call *call)
{
	uint64_t value = 0;
	int rc;

	switch ((unsigned int)call->msg.type) {
	case VSF_MSG_READ:
	case VSF_MSG_WRITE:
		rc = access_for(call, &value);
		break;
	case VSF_MSG_MAP:
		rc = vsf_share_map(call->client, &call->msg, call->fd, &value);
		break;
	case VSF_MSG_UNMAP:
		rc = vsf_share_unmap(call->client, &call->msg);
		break;
	case VSF_MSG_PROBE:
		rc = call->beside ? probe_beside(call) : look(call);
		break;
	default:
		rc = look(call);
		break;
	}
	answer(call, rc > -4096 && rc <= 0 ? rc : -EIO, rc == 0 ? value : 0);
}

/*
 * Who has been asked, and has not agreed yet, runs its quiesce callback: its accesses are
 * let through. That it is READY does not count before the last of them has ended. The word
 * that it runs under, or 0. With the lock.
 */
static uint64_t may_go_on(const struct vsf_client *client)
{
	const struct vsf_share *share = client->share;
	uint64_t word = vsf_device_word(share->dev);

	if (!share->window || client->vote != VSF_VOTE_ASKED || client->owes_prepare)
		return 0;
	return vsf_word_state(word) == VFIOSAFE_QUIESCE ? word : 0;
}

static bool take(struct vsf_share *share, int fd, struct call *call)
{
	struct vfiosafe_received with;
	struct vsf_client *client;
	bool got;

	pthread_mutex_lock(&share->lock);
	client = (size_t)fd < share->by_fd_len ? share->by_fd[fd] : NULL;
	got = client && client->calls == fd &&
	      vsf_client_receive(client, fd, VSF_CALL, &call->msg, &with) && call->msg.type;
	if (got) {
		client->calls_open++;
		call->client = client;
		call->fd = with.count ? with.fd[0] : -1;
		call->beside = may_go_on(client);
		call->trusted = call->msg.type == VSF_MSG_LOST &&
				(client->rights & VFIOSAFE_GRANT_RESET) &&
				vsf_client_in_turn(client);
	}
	pthread_mutex_unlock(&share->lock);
	return got;
}

/* Of one client, until it is others' turn: pinning memory takes long enough. */
static void serve_one(struct vsf_share *share, int fd)
{
	struct call call;

	for (int i = 0; i < VSF_SHARE_BURST && take(share, fd, &call); i++) {
		carry_out(&call);
		if (call.msg.type == VSF_MSG_MAP)
			break;
	}
}

/* So that each that is ready gets its turn. */
static unsigned int rounds(struct vsf_share *share)
{
	unsigned int n;

	pthread_mutex_lock(&share->lock);
	n = share->fds / 16 + 1;
	pthread_mutex_unlock(&share->lock);
	return n;
}

void vsf_share_calls(struct vsf_share *share)
{
	int ready[16], n;

	for (unsigned int left = rounds(share); left > 0; left--) {
		n = vsf_sys(share->dev->sys, epoll_wait, share->calls_fd, ready, 16, 0);
		for (int i = 0; i < n; i++)
			serve_one(share, ready[i]);
		if (n < 16)
			break;
	}
	vsf_clients_reap(share);
}

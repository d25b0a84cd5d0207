/* SPDX-License-Identifier: MIT */
/* One round of the owner's agent. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "log.h"
#include "share.h"
#include "share_parts.h"

/* Between two steps of a reset that a client asked for. */
#define STEP_NS 200000

static void read_one(const struct vsf_share *share, int fd)
{
	struct vsf_client *client = (size_t)fd < share->by_fd_len ? share->by_fd[fd] : NULL;

	if (client && fd == client->pidfd)
		vsf_client_died(client);
	else if (client && fd == client->sock)
		vsf_client_read(client);
}

/*
 * The epoll goes round: who was ready is last in the row then, so that all that are get
 * their turn. An fd that was closed in this round may be another's by now; what is still
 * to come in it is asked for again.
 */
void vsf_clients_read(struct vsf_share *share)
{
	unsigned int left = share->fds / 16 + 1;
	int ready[16], n;

	do {
		unsigned int closed = share->closed;

		n = vsf_sys(share->dev->sys, epoll_wait, share->votes_fd, ready, 16, 0);
		for (int i = 0; i < n && share->closed == closed; i++)
			read_one(share, ready[i]);
		if (share->closed == closed)
			left--;
	} while (n > 0 && left > 0);
}

/* Nobody is at it, and no window is driven for it. */
static bool is_idle(const struct vsf_client *client)
{
	return client->calls_open == 0 && (!client->asked.kind || client->asked.done);
}

void vsf_client_untidy(struct vsf_client *client)
{
	if (cds_list_empty(&client->untidy))
		cds_list_add_tail(&client->untidy, &client->share->untidy);
}

static struct vsf_client *next_untidy(struct vsf_share *share)
{
	struct vsf_client *client;

	if (cds_list_empty(&share->untidy))
		return NULL;
	client = cds_list_first_entry(&share->untidy, struct vsf_client, untidy);
	cds_list_del_init(&client->untidy);
	return client;
}

void vsf_client_free(struct vsf_client *client)
{
	struct vsf_share *share = client->share;

	cds_list_del(&client->all);
	cds_list_del(&client->untidy);
	cds_list_del(&client->asking);
	vsf_share_del_fd(share, share->votes_fd, client->sock);
	vsf_share_del_fd(share, share->calls_fd, client->calls);
	vsf_share_del_fd(share, share->votes_fd, client->pidfd);
	vsf_client_drop_pidfd(client);
	if (client->calls_out >= 0)
		vsf_sys(share->dev->sys, close, client->calls_out);
	free(client);
}

/* The program's log callback runs without a lock. */
void vsf_clients_reap(struct vsf_share *share)
{
	struct vsf_client *client;
	char text[sizeof(client->farewell)];
	bool more = true;

	while (more) {
		text[0] = '\0';
		pthread_mutex_lock(&share->lock);
		client = next_untidy(share);
		more = client != NULL;
		if (more) {
			memcpy(text, client->farewell, sizeof(text));
			client->farewell[0] = '\0';
			if (client->state == VSF_CLIENT_OVER && is_idle(client))
				vsf_client_free(client);
		}
		pthread_mutex_unlock(&share->lock);
		if (text[0])
			vsf_log(VFIOSAFE_LOG_INFO, "%s: %s", share->dev->address, text);
	}
}

static void retry(struct vsf_share *share, int64_t now)
{
	struct vsf_client *client;

	share->retry_at = VFIOSAFE_FOREVER;
	cds_list_for_each_entry(client, &share->clients, all) {
		if (client->retry_at && client->retry_at <= now)
			vsf_client_flush(client);
		if (client->retry_at && client->retry_at < share->retry_at)
			share->retry_at = client->retry_at;
	}
}

/* What no fd tells: sockets that were full. */
static void look(struct vsf_share *share)
{
	int64_t now = vsf_now(share->dev->sys);

	pthread_mutex_lock(&share->lock);
	vsf_clients_read(share);
	if (share->retry_at <= now)
		retry(share, now);
	pthread_mutex_unlock(&share->lock);
	vsf_clients_reap(share);
}

static void set_timer(struct vsf_share *share, int64_t at)
{
	share->timer_at = at;
	(void)vsf_sys(share->dev->sys, timer_set, share->timer_fd, at);
}

void vsf_share_wake(struct vsf_share *share, int64_t at)
{
	if (at < share->timer_at)
		set_timer(share, at);
}

/* When there is something to do again that no fd tells; with the lock. */
static int64_t next_look(struct vsf_share *share)
{
	int64_t next = share->retry_at;

	if (share->follow_at < next)
		next = share->follow_at;
	if (!cds_list_empty(&share->asking) && vsf_now(share->dev->sys) + STEP_NS < next)
		next = vsf_now(share->dev->sys) + STEP_NS;
	return next;
}

/* One that has fired is readable until it is set again. */
static void rearm(struct vsf_share *share)
{
	int64_t next;

	pthread_mutex_lock(&share->lock);
	next = next_look(share);
	if (next != VFIOSAFE_FOREVER || share->timer_at != next)
		set_timer(share, next);
	pthread_mutex_unlock(&share->lock);
}

static void dispatch(struct vsf_share *share)
{
	look(share);
	vsf_share_calls(share);
	vsf_share_drive(share);
	rearm(share);
}

/*
 * Called by the close, and by who dispatched while it came: whichever finds nobody at it
 * ends the windows that are driven here, for the close to go on.
 */
void vsf_share_gone(struct vfiosafe_device *dev)
{
	struct vsf_share *share = vsf_share_of(dev);

	if (!share || pthread_mutex_trylock(&share->dispatch_lock) != 0)
		return;
	vsf_share_drop(share);
	pthread_mutex_unlock(&share->dispatch_lock);
}

/*
 * With the lock, which a close takes between GONE and its look at who dispatches: either
 * it is seen here, or the close finds nobody at it.
 */
static bool is_gone(struct vsf_share *share)
{
	bool gone;

	pthread_mutex_lock(&share->lock);
	gone = vsf_device_state(share->dev) == VFIOSAFE_GONE;
	pthread_mutex_unlock(&share->lock);
	return gone;
}

int vsf_share_dispatch(struct vfiosafe_device *dev)
{
	struct vsf_share *share = vsf_share_of(dev);

	if (!share)
		return vsf_fail(EINVAL, "%s is not shared", dev->address);
	if (pthread_mutex_trylock(&share->dispatch_lock) != 0)
		return vsf_fail_static(EAGAIN, "another thread dispatches");
	if (vsf_device_state(dev) != VFIOSAFE_GONE)
		dispatch(share);
	pthread_mutex_unlock(&share->dispatch_lock);
	if (!is_gone(share))
		return 0;
	vsf_share_gone(dev);
	return vsf_state_error(0, 0);
}

/* SPDX-License-Identifier: MIT */
/* What an owner keeps for its clients: its making and its end. See share_parts.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control.h"
#include "error.h"
#include "share.h"
#include "share_parts.h"

struct vsf_share *vsf_share_of(const struct vfiosafe_device *dev)
{
	/* Pairs with the release of vsf_share_get(): what it points to is there. */
	return __atomic_load_n(&dev->share, __ATOMIC_ACQUIRE);
}

static void close_fd(const struct vfiosafe_sys *sys, int fd)
{
	if (fd >= 0)
		vsf_sys(sys, close, fd);
}

static int make_room(struct vsf_share *share, size_t fd)
{
	size_t len = share->by_fd_len ? share->by_fd_len : 64;
	struct vsf_client **more;

	if (fd < share->by_fd_len)
		return 0;
	while (len <= fd)
		len *= 2;
	more = calloc(len, sizeof(struct vsf_client *));
	if (!more)
		return -ENOMEM;
	if (share->by_fd_len)
		memcpy(more, share->by_fd, share->by_fd_len * sizeof(struct vsf_client *));
	free(share->by_fd);
	share->by_fd = more;
	share->by_fd_len = len;
	return 0;
}

int vsf_share_add_fd(struct vsf_share *share, struct vsf_client *client, int epoll_fd, int fd)
{
	int rc = make_room(share, (size_t)fd);

	if (rc == 0)
		rc = vsf_sys(share->dev->sys, epoll_add, epoll_fd, fd);
	if (rc < 0)
		return rc;
	share->by_fd[fd] = client;
	share->fds++;
	return 0;
}

/* In a forked child the fd is a copy: the parent's epoll keeps its own. */
void vsf_share_del_fd(struct vsf_share *share, int epoll_fd, int fd)
{
	if (fd < 0)
		return;
	if (!vsf_words_forked(share->dev->words))
		vsf_sys(share->dev->sys, epoll_del, epoll_fd, fd);
	share->by_fd[fd] = NULL;
	share->fds--;
	share->closed++;
	vsf_sys(share->dev->sys, close, fd);
}

static void share_free(struct vsf_share *share)
{
	const struct vfiosafe_sys *sys = share->dev->sys;

	if (share->control)
		vsf_control_free(sys, share->control);
	close_fd(sys, share->control_fd);
	vsf_ledger_free(sys, &share->ledger);
	close_fd(sys, share->timer_fd);
	close_fd(sys, share->calls_fd);
	close_fd(sys, share->votes_fd);
	close_fd(sys, share->epoll_fd);
	pthread_mutex_destroy(&share->lock);
	pthread_mutex_destroy(&share->serve_lock);
	pthread_mutex_destroy(&share->dispatch_lock);
	vsf_share_bufs_free(share);
	free(share->by_fd);
	free(share);
}

static int open_fds(struct vsf_share *share)
{
	const struct vfiosafe_sys *sys = share->dev->sys;
	int rc = share->epoll_fd = vsf_sys(sys, epoll);

	if (rc >= 0)
		rc = share->votes_fd = vsf_sys(sys, epoll);
	if (rc >= 0)
		rc = share->calls_fd = vsf_sys(sys, epoll);
	if (rc >= 0)
		rc = share->timer_fd = vsf_sys(sys, timer);
	if (rc >= 0)
		rc = vsf_sys(sys, epoll_add, share->epoll_fd, share->votes_fd);
	if (rc >= 0)
		rc = vsf_sys(sys, epoll_add, share->epoll_fd, share->calls_fd);
	if (rc >= 0)
		rc = vsf_sys(sys, epoll_add, share->epoll_fd, share->timer_fd);
	return rc < 0 ? vsf_fail(-rc, "no file descriptors to share %s: %s",
				 share->dev->address, strerror(-rc))
		      : 0;
}

static int share_new(struct vsf_share **out, struct vfiosafe_device *dev)
{
	struct vsf_share *share = calloc(1, sizeof(*share));
	int rc;

	if (!share)
		return vsf_fail(ENOMEM, "out of memory");
	share->dev = dev;
	share->epoll_fd = share->votes_fd = share->calls_fd = -1;
	share->timer_fd = share->control_fd = share->ledger.fd = -1;
	share->timer_at = share->retry_at = share->follow_at = VFIOSAFE_FOREVER;
	CDS_INIT_LIST_HEAD(&share->clients);
	CDS_INIT_LIST_HEAD(&share->untidy);
	CDS_INIT_LIST_HEAD(&share->asking);
	CDS_INIT_LIST_HEAD(&share->following);
	pthread_mutex_init(&share->lock, NULL);
	pthread_mutex_init(&share->serve_lock, NULL);
	pthread_mutex_init(&share->dispatch_lock, NULL);
	rc = open_fds(share);
	if (rc == 0)
		rc = vsf_control_new(dev->sys, &share->control, &share->control_fd);
	if (rc == 0)
		rc = vsf_ledger_new(dev->sys, &share->ledger,
				    vsf_word_generation(vsf_device_word(dev)));
	if (rc < 0)
		share_free(share);
	else
		*out = share;
	return rc;
}

int vsf_share_get(struct vsf_share **out, struct vfiosafe_device *dev)
{
	struct vsf_share *share = NULL;
	int rc;

	*out = vsf_share_of(dev);
	if (*out)
		return 0;
	rc = share_new(&share, dev);
	if (rc < 0)
		return rc;
	pthread_mutex_lock(&dev->lock);
	*out = dev->share;
	if (!*out) {
		vsf_words_publish(dev->words, &share->control->word);
		__atomic_store_n(&dev->share, share, __ATOMIC_RELEASE);
		*out = share;
	}
	pthread_mutex_unlock(&dev->lock);
	if (*out != share)
		share_free(share);
	return 0;
}

VFIOSAFE_API unsigned int vfiosafe_share_count(const struct vfiosafe_device *dev)
{
	struct vsf_share *share = vsf_share_of(dev);
	const struct vsf_client *client;
	unsigned int n = 0;

	if (!share || vsf_words_forked(dev->words))
		return 0;
	pthread_mutex_lock(&share->lock);
	cds_list_for_each_entry(client, &share->clients, all)
		n += client->state == VSF_CLIENT_JOINED;
	pthread_mutex_unlock(&share->lock);
	return n;
}

VFIOSAFE_API int vfiosafe_share_ledger_fd(const struct vfiosafe_device *dev)
{
	const struct vsf_share *share = vsf_words_forked(dev->words) ? NULL : vsf_share_of(dev);

	return share ? share->ledger.fd
		     : vsf_fail(EINVAL, "this process serves %s to nobody: it has no ledger",
				dev->address);
}

int vsf_share_fd(const struct vfiosafe_device *dev)
{
	const struct vsf_share *share = vsf_share_of(dev);

	return share ? share->epoll_fd : -EINVAL;
}

/* Nobody else is at the device. In a forked child: our copies only. */
void vsf_share_end(struct vfiosafe_device *dev)
{
	struct vsf_share *share = vsf_share_of(dev);
	struct vsf_client *client, *next;

	if (!share)
		return;
	if (!vsf_words_forked(dev->words))
		vsf_words_publish(dev->words, NULL);
	cds_list_for_each_entry_safe(client, next, &share->clients, all)
		vsf_client_free(client);
	share_free(share);
}

/* SPDX-License-Identifier: MIT */
/* One client more: its grant is checked and copied, its sockets are made. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "share_parts.h"

#define RIGHTS (VFIOSAFE_GRANT_RESET | VFIOSAFE_GRANT_DEVICE_FD | VFIOSAFE_GRANT_KILL | \
		VFIOSAFE_GRANT_CALLS_ONLY | VFIOSAFE_GRANT_DMA)
#define INTERVAL_MS 1000

typedef unsigned long long ull;

/* The BAR through which calls go; mapped once, and freed with the device. */
static int get_bar(struct vsf_share *share, uint32_t index)
{
	struct vfiosafe_bar *bar;
	int rc;

	if (share->bar[index])
		return 0;
	rc = vfiosafe_bar_map(&bar, share->dev, index, 0, 0, 0);
	if (rc == 0)
		__atomic_store_n(&share->bar[index], bar, __ATOMIC_RELEASE);
	return rc;
}

static int check_range(const struct vfiosafe_device *dev, struct vfiosafe_grant_range *range)
{
	uint64_t len;

	if (range->bar >= VSF_BARS || (len = dev->region[range->bar].info.len) == 0)
		return vsf_fail(EINVAL, "a grant of BAR %u, which %s does not have", range->bar,
				dev->address);
	if (range->rights == 0 ||
	    range->rights & ~(VFIOSAFE_GRANT_READ | VFIOSAFE_GRANT_WRITE))
		return vsf_fail(EINVAL, "the rights of a granted range are 0x%x: "
					"VFIOSAFE_GRANT_READ, _WRITE or both",
				range->rights);
	if (range->offset >= len || range->len > len - range->offset)
		return vsf_fail(ERANGE, "a grant of 0x%llx + 0x%llx is beyond the end of BAR %u, "
					"which has 0x%llx bytes",
				(ull)range->offset, (ull)range->len, range->bar, (ull)len);
	if (range->len == 0)
		range->len = len - range->offset;
	return 0;
}

static int check_dma(const struct vfiosafe_device *dev, const struct vfiosafe_grant *grant)
{
	bool dma = grant->rights & VFIOSAFE_GRANT_DMA;

	if (dma != (grant->dma_limit > 0))
		return vsf_fail(EINVAL, "VFIOSAFE_GRANT_DMA goes with a dma_limit of more than 0, "
					"and that with it");
	if (dma && !dev->iommu)
		return vsf_fail(EOPNOTSUPP, "%s was adopted from an fd: its IOMMU context belongs "
					    "to whoever opened it, and no memory of clients can "
					    "be mapped",
				dev->address);
	return 0;
}

static int check_grant(const struct vfiosafe_grant *grant)
{
	if (grant->rights & ~RIGHTS)
		return vsf_fail(EINVAL, "grant->rights has bits 0x%x, which this version of the "
					"library does not know",
				grant->rights & ~RIGHTS);
	if ((grant->rights & VFIOSAFE_GRANT_CALLS_ONLY) &&
	    (grant->rights & VFIOSAFE_GRANT_DEVICE_FD))
		return vsf_fail(EINVAL, "VFIOSAFE_GRANT_CALLS_ONLY and the device fd exclude each "
					"other");
	if (grant->range_count > VFIOSAFE_GRANT_RANGES)
		return vsf_fail(EINVAL, "a grant of %u ranges: at most %u", grant->range_count,
				VFIOSAFE_GRANT_RANGES);
	if (grant->range_count && !grant->ranges)
		return vsf_fail(EINVAL, "grant->ranges is NULL");
	return 0;
}

static int copy_grant(struct vsf_client *client, const struct vfiosafe_grant *user)
{
	struct vfiosafe_device *dev = client->share->dev;
	struct vfiosafe_grant grant;
	int rc;

	rc = vsf_copy_opts(&grant, sizeof(grant), user, user->size, "grant->size",
			   "struct vfiosafe_grant");
	if (rc == 0)
		rc = check_grant(&grant);
	if (rc == 0)
		rc = check_dma(dev, &grant);
	if (rc < 0)
		return rc;
	client->rights = grant.rights;
	client->dma_limit = grant.dma_limit;
	client->want_pid = grant.pid;
	client->check_uid = grant.check_uid;
	client->want_uid = grant.uid;
	client->interval = INT64_C(1000000) *
			   (grant.reset_interval_ms ? grant.reset_interval_ms : INTERVAL_MS);
	client->cookie = grant.cookie;
	client->count = grant.range_count;
	for (uint32_t i = 0; i < grant.range_count && rc == 0; i++) {
		client->granted[i].range = grant.ranges[i];
		rc = check_range(dev, &client->granted[i].range);
		if (rc == 0)
			rc = get_bar(client->share, grant.ranges[i].bar);
		if (rc == 0)
			vsf_client_reach(client, &client->granted[i]);
	}
	return rc;
}

static struct vsf_client *client_new(struct vsf_share *share)
{
	struct vsf_client *client = calloc(1, sizeof(*client));

	if (!client) {
		vsf_fail(ENOMEM, "out of memory");
		return NULL;
	}
	client->share = share;
	CDS_INIT_LIST_HEAD(&client->all);
	CDS_INIT_LIST_HEAD(&client->untidy);
	CDS_INIT_LIST_HEAD(&client->asking);
	client->sock = client->calls = client->calls_out = client->pidfd = -1;
	client->told = -EOPNOTSUPP;
	client->ledger_slot = -1;
	return client;
}

/* Our end tells who sends, as the main socket does. */
static int open_calls(struct vsf_client *client)
{
	const struct vfiosafe_sys *sys = client->share->dev->sys;
	int fds[2], rc;

	rc = vsf_sys(sys, socketpair, fds);
	if (rc < 0)
		return vsf_fail(-rc, "no sockets for a client's calls: %s", strerror(-rc));
	client->calls_out = fds[1];
	rc = vsf_sys(sys, credentials, fds[0]);
	if (rc == 0) {
		pthread_mutex_lock(&client->share->lock);
		rc = vsf_share_add_fd(client->share, client, client->share->calls_fd, fds[0]);
		pthread_mutex_unlock(&client->share->lock);
	}
	if (rc < 0) {
		vsf_sys(sys, close, fds[0]);
		return vsf_fail(-rc, "the socket for a client's calls: %s", strerror(-rc));
	}
	client->calls = fds[0];
	return 0;
}

/* The last step: from here on the socket is ours, and read. On failure @client is freed. */
static int link_client(struct vsf_client *client, int sock)
{
	struct vsf_share *share = client->share;
	int rc = vsf_sys(share->dev->sys, credentials, sock);

	pthread_mutex_lock(&share->lock);
	if (rc == 0)
		rc = vsf_share_add_fd(share, client, share->votes_fd, sock);
	if (rc == 0) {
		client->sock = sock;
		cds_list_add(&client->all, &share->clients);
	} else {
		vsf_client_free(client);
	}
	pthread_mutex_unlock(&share->lock);
	if (rc == 0)
		return 0;
	return vsf_socket_error(rc, sock);
}

static int serve(struct vfiosafe_device *dev, int sock, const struct vfiosafe_grant *grant)
{
	struct vsf_client *client;
	struct vsf_share *share;
	int rc = vsf_share_get(&share, dev);

	if (rc < 0)
		return rc;
	client = client_new(share);
	if (!client)
		return -ENOMEM;
	pthread_mutex_lock(&share->serve_lock);
	rc = copy_grant(client, grant);
	pthread_mutex_unlock(&share->serve_lock);
	if (rc == 0)
		rc = open_calls(client);
	if (rc == 0)
		return link_client(client, sock);
	pthread_mutex_lock(&share->lock);
	vsf_client_free(client);
	pthread_mutex_unlock(&share->lock);
	return rc;
}

VFIOSAFE_API int vfiosafe_share_serve(struct vfiosafe_device *dev, int socket_fd,
				      const struct vfiosafe_grant *grant)
{
	int rc = vsf_refuse_inside(dev, "vfiosafe_share_serve");

	if (rc < 0)
		return rc;
	if (dev->join)
		return vsf_fail(EPERM, "%s belongs to another process: only that may serve "
				       "others",
				dev->address);
	if (!grant)
		return vsf_fail(EINVAL, "grant is NULL");
	if (vsf_words_forked(dev->words) || vsf_device_state(dev) == VFIOSAFE_GONE)
		return vsf_state_error(0, 0);
	vsf_count_inside(dev, 1);
	rc = serve(dev, socket_fd, grant);
	vsf_count_inside(dev, -1);
	return rc;
}

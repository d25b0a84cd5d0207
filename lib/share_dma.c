/* SPDX-License-Identifier: MIT */
/* Memory of clients: mapped for them, and held after their end. See share_dma.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <vfiosafe/dma.h>

#include "door.h"
#include "error.h"
#include "log.h"
#include "memfd.h"
#include "share_dma.h"
#include "share_parts.h"

typedef unsigned long long ull;

static int check_right(const struct vsf_client *client)
{
	if (client->rights & VFIOSAFE_GRANT_DMA)
		return 0;
	return vsf_fail(EPERM, "the grant does not allow DMA memory");
}

/* Something that is no memory is no mistake: the client's side has looked before. */
static int look(struct vsf_client *client, int fd, struct vfiosafe_memfd *memfd)
{
	struct vsf_share *share = client->share;
	int rc = vsf_sys(share->dev->sys, memfd_look, fd, memfd);

	if (rc == 0)
		return 0;
	pthread_mutex_lock(&share->lock);
	vsf_client_cut(client, -EPROTO, "it sent a file for DMA that is no memfd");
	pthread_mutex_unlock(&share->lock);
	vsf_sys(share->dev->sys, close_stranger, fd);
	return vsf_fail(EPROTO, "the file is no memfd");
}

/* With the lock. Who has ended meanwhile gets nothing that nobody would take back. */
static int check_limit(const struct vsf_client *client, uint64_t len)
{
	if (client->state != VSF_CLIENT_JOINED)
		return vsf_fail(EPIPE, "the client has ended");
	if (len > client->dma_limit - client->lent)
		return vsf_fail(EDQUOT, "the grant allows 0x%llx bytes of DMA memory, 0x%llx are "
					"mapped",
				(ull)client->dma_limit, (ull)client->lent);
	if (client->mappings >= VFIOSAFE_GRANT_MAPPINGS)
		return vsf_fail(ENOSPC, "a client has at most %u mappings",
				VFIOSAFE_GRANT_MAPPINGS);
	return 0;
}

/* Its place in the books, before the kernel is asked. */
static int enter(struct vsf_client *client, uint64_t len, struct vsf_lent **out)
{
	struct vfiosafe_device *dev = client->share->dev;
	struct vsf_lent *lent = calloc(1, sizeof(*lent));
	int rc;

	if (!lent)
		return vsf_fail(ENOMEM, "the owner is out of memory");
	pthread_mutex_lock(&client->share->lock);
	rc = check_limit(client, len);
	if (rc == 0) {
		*lent = (struct vsf_lent){
			.next = dev->lent, .client = client, .len = len, .busy = true
		};
		dev->lent = lent;
		client->lent += len;
		client->mappings++;
	}
	pthread_mutex_unlock(&client->share->lock);
	if (rc < 0)
		free(lent);
	else
		*out = lent;
	return rc;
}

/* The kernel has answered: it is there, or is not. The client may be over meanwhile. */
static void settle(struct vfiosafe_device *dev, struct vsf_lent *lent, bool there)
{
	struct vsf_share *share = vsf_share_of(dev);
	struct vsf_lent **at = &dev->lent;

	pthread_mutex_lock(&share->lock);
	lent->busy = false;
	if (!there) {
		while (*at != lent)
			at = &(*at)->next;
		*at = lent->next;
		if (lent->client) {
			lent->client->lent -= lent->len;
			lent->client->mappings--;
		}
		free(lent);
	}
	pthread_mutex_unlock(&share->lock);
}

static int map(struct vsf_client *client, const struct vsf_msg *msg, int fd, uint64_t *iova)
{
	struct vfiosafe_device *dev = client->share->dev;
	struct vfiosafe_iommu_opts opts = { .size = sizeof(opts),
					    .prot = msg->flags,
					    .align = msg->id,
					    .below = msg->value };
	struct vsf_dma_request req = { .fd = fd, .offset = msg->offset, .len = msg->len };
	struct vsf_lent *lent = NULL;
	int rc = enter(client, msg->len, &lent);

	if (rc < 0)
		return rc;
	*iova = 0;
	rc = vsf_dma_map(dev, &req, VSF_MAPPING_LENT, &opts, iova);
	lent->iova = *iova;
	settle(dev, lent, rc == 0);
	return rc;
}

int vsf_share_map(struct vsf_client *client, const struct vsf_msg *msg, int fd,
		  uint64_t *iova)
{
	const uint32_t both = VFIOSAFE_DMA_READ | VFIOSAFE_DMA_WRITE;
	struct vfiosafe_memfd memfd;
	int rc = check_right(client);

	if (rc == 0 && fd < 0)
		rc = vsf_fail(EINVAL, "a MAP without a memfd");
	if (rc < 0)
		return rc;
	rc = look(client, fd, &memfd);
	if (rc < 0)
		return rc;
	rc = vsf_memfd_check(&memfd, msg->offset, msg->len, msg->flags ? msg->flags : both);
	if (rc == 0)
		rc = map(client, msg, fd, iova);
	vsf_sys(client->share->dev->sys, close, fd);
	return rc;
}

/* What is not its own it is not told of. */
static struct vsf_lent *claim(struct vsf_client *client, const struct vsf_msg *msg)
{
	struct vsf_lent *lent;

	pthread_mutex_lock(&client->share->lock);
	lent = client->share->dev->lent;
	while (lent && (lent->busy || lent->client != client || lent->iova != msg->value ||
			lent->len != msg->len))
		lent = lent->next;
	if (lent)
		lent->busy = true;
	pthread_mutex_unlock(&client->share->lock);
	return lent;
}

int vsf_share_unmap(struct vsf_client *client, const struct vsf_msg *msg)
{
	struct vfiosafe_device *dev = client->share->dev;
	int rc = check_right(client);
	struct vsf_lent *lent;

	if (rc < 0)
		return rc;
	lent = claim(client, msg);
	if (!lent)
		return vsf_fail(ENOENT, "this client has nothing at 0x%llx + 0x%llx",
				(ull)msg->value, (ull)msg->len);
	rc = vsf_dma_unmap(dev, lent->iova, lent->len, VSF_MAPPING_LENT);
	settle(dev, lent, rc < 0);
	return rc;
}

void vsf_share_hold(struct vsf_client *client)
{
	for (struct vsf_lent *lent = client->share->dev->lent; lent; lent = lent->next)
		if (lent->client == client)
			lent->client = NULL;
}

static struct vsf_share *share_of(const struct vfiosafe_device *dev)
{
	return vsf_words_forked(dev->words) ? NULL : vsf_share_of(dev);
}

void vsf_share_before_reset(struct vfiosafe_device *dev)
{
	struct vsf_share *share = share_of(dev);

	if (!share)
		return;
	pthread_mutex_lock(&share->lock);
	for (struct vsf_lent *lent = dev->lent; lent; lent = lent->next)
		lent->past = lent->past || (!lent->client && !lent->busy);
	pthread_mutex_unlock(&share->lock);
}

static struct vsf_lent *take_past(struct vsf_share *share)
{
	struct vsf_lent *lent;

	pthread_mutex_lock(&share->lock);
	lent = share->dev->lent;
	while (lent && !lent->past)
		lent = lent->next;
	if (lent) {
		lent->past = false;
		lent->busy = true;
	}
	pthread_mutex_unlock(&share->lock);
	return lent;
}

/* What cannot be unmapped stays held, until the next reset tries again. */
void vsf_share_after_reset(struct vfiosafe_device *dev)
{
	struct vsf_share *share = share_of(dev);
	struct vsf_lent *lent;

	while (share && (lent = take_past(share)) != NULL) {
		int rc = vsf_dma_unmap(dev, lent->iova, lent->len, VSF_MAPPING_LENT);

		if (rc < 0)
			vsf_log(VFIOSAFE_LOG_WARN, "%s: memory of a client that has ended: %s",
				dev->address, vfiosafe_error_text());
		settle(dev, lent, rc < 0);
	}
}

/* In a context that ends with the device there is nothing to be undone one by one. */
void vsf_share_return(struct vfiosafe_device *dev)
{
	bool shared = !vsf_words_forked(dev->words) && dev->iommu &&
		      __atomic_load_n(&dev->iommu->refs, __ATOMIC_ACQUIRE) > 1;

	while (dev->lent) {
		struct vsf_lent *lent = dev->lent;

		dev->lent = lent->next;
		if (shared)
			(void)vsf_dma_unmap(dev, lent->iova, lent->len, VSF_MAPPING_LENT);
		free(lent);
	}
}

/* Of one that left, but may have the device mapped, too. */
static bool is_held(const struct vsf_lent *lent)
{
	return !lent->client || lent->client->state == VSF_CLIENT_LEFT;
}

VFIOSAFE_API uint64_t vfiosafe_share_held(const struct vfiosafe_device *dev)
{
	struct vsf_share *share = share_of(dev);
	uint64_t bytes = 0;

	if (!share)
		return 0;
	pthread_mutex_lock(&share->lock);
	for (const struct vsf_lent *lent = dev->lent; lent; lent = lent->next)
		bytes += is_held(lent) ? lent->len : 0;
	pthread_mutex_unlock(&share->lock);
	return bytes;
}

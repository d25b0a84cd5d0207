/* SPDX-License-Identifier: MIT */
/*
 * Memory that an owner has mapped for its clients.
 *
 *      of a client    it may unmap it
 *      held           the client is over; the device may still do DMA that it was told
 *      past           held since before a reset was begun: unmapped when that was made
 *
 * What is held keeps its address: in the books of the IOMMU context it is a mapping as any
 * other, so no other client, and no one else, is given that meanwhile.
 */
#ifndef VSF_SHARE_DMA_H
#define VSF_SHARE_DMA_H

#include <stdbool.h>
#include <stdint.h>

struct vfiosafe_device;
struct vsf_client;
struct vsf_msg;

/* One mapping; in dev->lent, under share->lock. */
struct vsf_lent {
	struct vsf_lent *next;
	struct vsf_client *client; /* NULL: it is over */
	uint64_t iova, len;
	bool busy; /* a thread is in the kernel to make or undo it */
	bool past;
};

/* MAP and UNMAP, by the dispatcher, no lock. @fd is closed. 0 or -errno with a text. */
int vsf_share_map(struct vsf_client *client, const struct vsf_msg *msg, int fd,
		  uint64_t *iova);
int vsf_share_unmap(struct vsf_client *client, const struct vsf_msg *msg);

/* With the lock: @client is over. */
void vsf_share_hold(struct vsf_client *client);

/*
 * Of a window: no client that is over now can tell the device to do DMA any more; and it
 * was reset since, so it has forgotten what they told it.
 */
void vsf_share_before_reset(struct vfiosafe_device *dev);
void vsf_share_after_reset(struct vfiosafe_device *dev);

/* The fd of the device is closed, nobody is at it: the rest. */
void vsf_share_return(struct vfiosafe_device *dev);

#endif

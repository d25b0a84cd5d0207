/* SPDX-License-Identifier: MIT */
/* How a client may get at a range: which needs no trust in it, or what it is trusted with. */
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "dmabuf.h"
#include "share_parts.h"

/*
 * A dma-buf of a range, for all clients that are granted the same. Never taken back while
 * the device is open: no kernel can take it from who has it (dmabuf.h).
 */
struct vsf_share_buf {
	struct vsf_share_buf *next;
	struct vfiosafe_dmabuf *buf; /* the device's, that frees it */
	uint32_t bar;
	uint64_t offset, len;
};

void vsf_share_bufs_free(struct vsf_share *share)
{
	while (share->bufs) {
		struct vsf_share_buf *buf = share->bufs;

		share->bufs = buf->next;
		free(buf);
	}
}

/* Is all of it mappable, by the device fd? */
static bool is_mappable(const struct vfiosafe_region *region,
			const struct vfiosafe_grant_range *range)
{
	for (uint32_t i = 0; i < region->area_count; i++) {
		const struct vfiosafe_area *area = &region->area[i];

		if (range->offset >= area->offset &&
		    range->offset - area->offset < area->len &&
		    range->len <= area->len - (range->offset - area->offset))
			return true;
	}
	return false;
}

static struct vfiosafe_dmabuf *find(const struct vsf_share *share,
				    const struct vfiosafe_grant_range *range)
{
	for (const struct vsf_share_buf *buf = share->bufs; buf; buf = buf->next)
		if (buf->bar == range->bar && buf->offset == range->offset &&
		    buf->len == range->len)
			return buf->buf;
	return NULL;
}

/*
 * Only trying tells whether this kernel maps them. While it has taken them away, for a
 * reset, it says what it says if it maps none: so no window may open meanwhile.
 */
static int try_map(const struct vsf_share *share, struct vfiosafe_dmabuf *buf)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	void *at;
	int rc = vsf_dmabuf_hold(share->dev, "vfiosafe_share_serve");

	if (rc < 0)
		return -EAGAIN;
	rc = vfiosafe_dmabuf_mmap(buf, 0, page, &at);
	if (rc == 0)
		vsf_sys(share->dev->sys, munmap, at, page);
	vsf_dmabuf_let_go(share->dev);
	return rc;
}

/* NULL: by calls then. A window that is open may be why; the next client tries again. */
static struct vfiosafe_dmabuf *export(struct vsf_share *share,
				      const struct vfiosafe_grant_range *range)
{
	struct vfiosafe_area area = { range->offset, range->len };
	struct vsf_share_buf *entry = calloc(1, sizeof(*entry));
	int rc;

	if (!entry)
		return NULL;
	rc = vfiosafe_dmabuf_export(&entry->buf, share->bar[range->bar], &area, 1, 0);
	if (rc == 0) {
		rc = try_map(share, entry->buf);
		share->no_dmabuf = rc == -EOPNOTSUPP;
		/* What a window keeps from being freed is freed with the device. */
		if (rc < 0 && vfiosafe_dmabuf_free(entry->buf) < 0)
			rc = -EAGAIN;
	}
	if (rc < 0) {
		free(entry);
		return NULL;
	}
	entry->bar = range->bar;
	entry->offset = range->offset;
	entry->len = range->len;
	entry->next = share->bufs;
	share->bufs = entry;
	return entry->buf;
}

void vsf_client_reach(const struct vsf_client *client, struct vsf_granted *granted)
{
	const struct vfiosafe_grant_range *range = &granted->range;
	struct vsf_share *share = client->share;
	const struct vfiosafe_region *region = &share->dev->region[range->bar].info;

	granted->reach = VSF_REACH_CALLS;
	if (!is_mappable(region, range) || (client->rights & VFIOSAFE_GRANT_CALLS_ONLY))
		return;
	if (client->rights & VFIOSAFE_GRANT_DEVICE_FD) {
		granted->reach = VSF_REACH_DEVICE;
		return;
	}
	/* It gives both rights, to whole pages. */
	if (range->rights != (VFIOSAFE_GRANT_READ | VFIOSAFE_GRANT_WRITE) || share->no_dmabuf ||
	    (range->offset | range->len) & ((uint64_t)sysconf(_SC_PAGESIZE) - 1))
		return;
	granted->buf = find(share, range);
	if (!granted->buf)
		granted->buf = export(share, range);
	if (granted->buf)
		granted->reach = VSF_REACH_DMABUF;
}

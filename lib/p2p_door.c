/* SPDX-License-Identifier: MIT */
/*
 * A buffer in the address space of another device, by either door. iommufd takes the
 * dma-buf, one range at a time. type1 takes addresses of this process: the pages of the
 * BAR are mapped for a moment, so that no section of ours, and no memory that SIGBUS
 * put in their place, has to do with it.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "device.h"
#include "dmabuf.h"
#include "door.h"
#include "error.h"
#include "p2p.h"

typedef unsigned long long ull;

static int map_dmabuf(const struct vfiosafe_p2p *map, const struct vfiosafe_dmabuf *buf,
		      uint32_t i, struct vsf_dma_request *req)
{
	req->fd = vsf_dmabuf_part_fd(buf, i);
	return map->iommu->dma->map_file(map->iommu, req);
}

/* Not once the device is given back: what would be mapped then is another's. */
static int map_bar(struct vfiosafe_device *dev, uint64_t offset, uint64_t len, void **at)
{
	int rc = -ENODEV;

	*at = NULL;
	pthread_mutex_lock(&dev->map_lock);
	if (vsf_device_state(dev) != VFIOSAFE_GONE)
		rc = vsf_sys(dev->sys, mmap, at, len, PROT_READ | PROT_WRITE, MAP_SHARED,
			     dev->fd, offset);
	if (rc == 0) {
		rc = vsf_sys(dev->sys, madvise, *at, len, MADV_DONTFORK);
		if (rc < 0)
			vsf_sys(dev->sys, munmap, *at, len);
	}
	pthread_mutex_unlock(&dev->map_lock);
	return rc;
}

static int map_pages(const struct vfiosafe_p2p *map, const struct vfiosafe_dmabuf *buf,
		     uint32_t i, struct vsf_dma_request *req)
{
	struct vfiosafe_device *dev = buf->dev;
	int rc = map_bar(dev, dev->region[buf->index].fd_offset + buf->part[i].area.offset,
			 req->len, &req->vaddr);

	if (rc < 0)
		return rc;
	rc = map->iommu->dma->map(map->iommu, req);
	vsf_sys(dev->sys, munmap, req->vaddr, req->len);
	return rc;
}

int vsf_p2p_door_map(struct vfiosafe_p2p *map, struct vfiosafe_dmabuf *buf)
{
	bool file = map->iommu->dma->map_file;
	struct vsf_dma_request req = { .fd = -1, .iova = map->iova, .prot = map->prot };
	uint64_t done = 0;
	int rc = 0;

	for (uint32_t i = 0; i < buf->count && rc == 0; i++) {
		req.len = buf->part[i].area.len;
		req.iova = map->iova + done;
		rc = file ? map_dmabuf(map, buf, i, &req) : map_pages(map, buf, i, &req);
		if (rc == 0)
			done += req.len;
	}
	if (rc < 0 && done > 0)
		(void)map->iommu->dma->unmap(map->iommu, map->iova, done);
	return rc;
}

/* All ranges in one call: both doors unmap what lies in the given addresses. */
int vsf_p2p_door_unmap(const struct vfiosafe_p2p *map)
{
	int rc = map->iommu->dma->unmap(map->iommu, map->iova, map->len);

	return rc == -ENOENT ? 0 : rc;
}

int vsf_p2p_door_refused(const struct vfiosafe_p2p *map, const struct vfiosafe_dmabuf *buf,
			 int err)
{
	bool file = map->iommu->dma->map_file;

	switch (err) {
	case -ENOTTY:
	case -EOPNOTSUPP:
	case -EINVAL:
		if (!file)
			break;
		return vsf_fail(EOPNOTSUPP, "this kernel's iommufd does not map a dma-buf of a "
					    "BAR for another device (%s); the group door may "
					    "(vfiosafe_device_opts.door)",
				strerror(-err));
	case -EFAULT:
		return vsf_fail(EOPNOTSUPP, "type1 does not map BAR %u of %s for %s: this kernel "
					    "cannot, or the BAR is not accessible",
				buf->index, buf->dev->address, map->importer);
	case -ENODEV:
		return vsf_fail(ENODEV, "the kernel says that BAR %u of %s is revoked",
				buf->index, buf->dev->address);
	default:
		break;
	}
	return vsf_fail(-err, "mapping BAR %u of %s at IOVA 0x%llx of %s failed: %s",
			buf->index, buf->dev->address, (ull)map->iova, map->importer,
			strerror(-err));
}

/* SPDX-License-Identifier: MIT */
/*
 * Making and undoing mappings. The place in the books is taken first, and the kernel
 * asked without a lock: pinning gigabytes takes seconds.
 */
#include <errno.h>
#include <linux/dma-buf.h>
#include <string.h>
#include <sys/mman.h>
#include <vfiosafe/dma.h>

#include "device.h"
#include "dma.h"
#include "door.h"
#include "epoch.h"
#include "error.h"
#include "join.h"

typedef unsigned long long ull;

int vsf_dma_refuse(const struct vfiosafe_device *dev, const char *call)
{
	if (vsf_words_forked(dev->words))
		return vsf_state_error(0, 0);
	if (vsf_depth() > 0)
		return vsf_fail(EDEADLK, "%s inside a section: it may block for seconds",
				call);
	if (dev->join)
		return vsf_join_refuse(dev, call);
	if (!dev->iommu)
		return vsf_fail(EOPNOTSUPP,
				"%s was adopted from an fd: its IOMMU context "
				"belongs to whoever opened it; map the memory there",
				dev->address);
	return 0;
}

void vsf_dma_settle(struct vsf_iommu *iommu, uint64_t iova, void *own, bool there)
{
	struct vsf_mapping *map;

	pthread_mutex_lock(&iommu->maps.lock);
	map = &iommu->maps.at[vsf_mappings_find(&iommu->maps, iova)];
	map->busy = false;
	map->own = own;
	if (!there)
		vsf_mappings_remove(&iommu->maps, iova);
	pthread_mutex_unlock(&iommu->maps.lock);
}

/* For a kernel that takes addresses only: the file, in our address space. */
static int map_through_us(const struct vsf_iommu *iommu, struct vsf_dma_request *req,
			  void **own)
{
	int prot = (req->prot & VFIOSAFE_DMA_WRITE ? PROT_READ | PROT_WRITE : PROT_READ);
	int rc = vsf_sys(iommu->sys, mmap, own, req->len, prot, MAP_SHARED, req->fd,
			 req->offset);

	if (rc < 0) {
		*own = NULL;
		/* No file to be mapped; ENODEV is what a dma-buf is that was revoked. */
		return rc == -ENODEV ? -EINVAL : rc;
	}
	req->vaddr = *own;
	rc = vsf_sys(iommu->sys, madvise, *own, req->len, MADV_DONTFORK);
	if (rc == 0)
		rc = iommu->dma->map(iommu, req);
	if (rc < 0) {
		vsf_sys(iommu->sys, munmap, *own, req->len);
		*own = NULL;
	}
	return rc;
}

/* Only those know this request; it is refused for want of a direction. */
static bool is_dmabuf(const struct vsf_iommu *iommu, int fd)
{
	struct dma_buf_sync sync = { 0 };

	return vsf_sys(iommu->sys, ioctl, fd, DMA_BUF_IOCTL_SYNC, &sync) == -EINVAL;
}

static int ask_kernel(const struct vsf_iommu *iommu, struct vsf_dma_request *req,
		      void **own)
{
	int rc;

	if (req->vaddr)
		return iommu->dma->map(iommu, req);
	rc = iommu->dma->map_file ? iommu->dma->map_file(iommu, req) : -ENOTTY;
	/* EOPNOTSUPP: a dma-buf that iommufd does not know. Perhaps it can be pinned. */
	if (rc != -ENOTTY && rc != -EOPNOTSUPP)
		return rc;
	rc = map_through_us(iommu, req, own);
	if ((rc == -EFAULT || rc == -EINVAL) && is_dmabuf(iommu, req->fd))
		return -EOPNOTSUPP;
	return rc;
}

int vsf_dma_map(struct vfiosafe_device *dev, struct vsf_dma_request *req,
		enum vsf_mapping_of of, const struct vfiosafe_iommu_opts *opts,
		uint64_t *iova)
{
	void *own = of == VSF_MAPPING_ALLOC ? req->vaddr : NULL;
	int rc;

	req->iova = *iova;
	rc = vsf_dma_reserve(dev->iommu, req, of, opts);
	if (rc < 0)
		return rc;
	rc = ask_kernel(dev->iommu, req, &own);
	vsf_dma_settle(dev->iommu, req->iova, own, rc == 0);
	if (rc < 0)
		return vsf_dma_map_failed(dev->iommu, req, rc);
	*iova = req->iova;
	return 0;
}

/* Marks the mapping as busy, so that nobody else takes it back too. */
static int claim(struct vsf_mappings *maps, uint64_t iova, uint64_t len, bool alloc,
		 void **own)
{
	uint32_t i = vsf_mappings_find(maps, iova);
	struct vsf_mapping *map = i < maps->count ? &maps->at[i] : NULL;

	if (!map || map->iova != iova || map->len != len)
		return vsf_dma_refuse_unmap(maps, iova, len);
	if (map->busy)
		return vsf_fail(EBUSY,
				"another thread is mapping or unmapping 0x%llx + 0x%llx",
				(ull)iova, (ull)len);
	if (map->of == VSF_MAPPING_P2P)
		return vsf_fail(EINVAL, "0x%llx + 0x%llx is a map of another device's BAR: "
					"vfiosafe_p2p_unmap() takes it back",
				(ull)iova, (ull)len);
	if ((map->of == VSF_MAPPING_ALLOC) != alloc)
		return vsf_fail(EINVAL, "0x%llx + 0x%llx is %s", (ull)iova, (ull)len,
				alloc ? "not memory of vfiosafe_dma_alloc()"
				      : "memory of vfiosafe_dma_alloc(): "
					"vfiosafe_dma_free() takes it back");
	map->busy = true;
	*own = map->own;
	return 0;
}

int vsf_dma_unmap(struct vfiosafe_device *dev, uint64_t iova, uint64_t len, bool alloc)
{
	struct vsf_iommu *iommu = dev->iommu;
	void *own = NULL;
	int rc;

	pthread_mutex_lock(&iommu->maps.lock);
	rc = claim(&iommu->maps, iova, len, alloc, &own);
	pthread_mutex_unlock(&iommu->maps.lock);
	if (rc < 0)
		return rc;
	rc = iommu->dma->unmap(iommu, iova, len);
	vsf_dma_settle(iommu, iova, own, rc < 0);
	if (rc < 0)
		return vsf_fail(-rc,
				"unmapping IOVA 0x%llx + 0x%llx failed: %s; it is still "
				"mapped",
				(ull)iova, (ull)len, strerror(-rc));
	if (own)
		vsf_sys(iommu->sys, munmap, own, len);
	return 0;
}

static int map_public(struct vfiosafe_device *dev, struct vsf_dma_request *req,
		      enum vsf_mapping_of of, const struct vfiosafe_iommu_opts *opts,
		      uint64_t *iova, const char *call)
{
	int rc = vsf_dma_refuse(dev, call);

	if (rc == 0 && vsf_device_state(dev) == VFIOSAFE_GONE)
		rc = vsf_state_error(0, 0);
	if (rc < 0)
		return rc;
	vsf_count_inside(dev, 1);
	rc = vsf_dma_map(dev, req, of, opts, iova);
	vsf_count_inside(dev, -1);
	return rc;
}

VFIOSAFE_API int vfiosafe_iommu_map(struct vfiosafe_device *dev, void *vaddr,
				    uint64_t len, const struct vfiosafe_iommu_opts *opts,
				    uint64_t *iova)
{
	struct vsf_dma_request req = { .vaddr = vaddr, .fd = -1, .len = len };

	if (!vaddr)
		return vsf_fail(EINVAL, "vaddr is NULL");
	return map_public(dev, &req, VSF_MAPPING_CALLER, opts, iova,
			  "vfiosafe_iommu_map");
}

VFIOSAFE_API int vfiosafe_iommu_map_file(struct vfiosafe_device *dev, int fd,
					 uint64_t offset, uint64_t len,
					 const struct vfiosafe_iommu_opts *opts,
					 uint64_t *iova)
{
	struct vsf_dma_request req = { .fd = fd, .offset = offset, .len = len };

	return map_public(dev, &req, VSF_MAPPING_FILE, opts, iova,
			  "vfiosafe_iommu_map_file");
}

VFIOSAFE_API int vfiosafe_iommu_unmap(struct vfiosafe_device *dev, uint64_t iova,
				      uint64_t len)
{
	int rc = vsf_dma_refuse(dev, "vfiosafe_iommu_unmap");

	if (rc < 0)
		return rc;
	vsf_count_inside(dev, 1);
	rc = vsf_dma_unmap(dev, iova, len, false);
	vsf_count_inside(dev, -1);
	return rc;
}

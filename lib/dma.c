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

static int refuse(const struct vfiosafe_device *dev, const char *call, bool shared)
{
	if (vsf_words_forked(dev->words))
		return vsf_state_error(0, 0);
	if (vsf_depth() > 0)
		return vsf_fail(EDEADLK, "%s inside a section: it may block for seconds",
				call);
	if (dev->join)
		return shared ? vsf_join_dma_refuse(dev, call) : vsf_join_refuse(dev, call);
	if (!dev->iommu)
		return vsf_fail(EOPNOTSUPP,
				"%s was adopted from an fd: its IOMMU context "
				"belongs to whoever opened it; map the memory there",
				dev->address);
	return 0;
}

int vsf_dma_refuse(const struct vfiosafe_device *dev, const char *call)
{
	return refuse(dev, call, false);
}

int vsf_dma_refuse_shared(const struct vfiosafe_device *dev, const char *call)
{
	return refuse(dev, call, true);
}

void vsf_dma_settle(struct vsf_iommu *iommu, uint64_t iova, void *own, bool there)
{
	vsf_mappings_settle(&iommu->maps, iova, own, there);
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

int vsf_dma_unmap(struct vfiosafe_device *dev, uint64_t iova, uint64_t len,
		  enum vsf_mapping_of as)
{
	struct vsf_iommu *iommu = dev->iommu;
	void *own = NULL;
	int rc = vsf_mappings_claim(&iommu->maps, iova, len, as, &own);

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
	int rc = vsf_dma_refuse_shared(dev, call);

	if (rc == 0 && vsf_is_gone(dev))
		rc = vsf_gone_error(dev);
	if (rc < 0)
		return rc;
	vsf_count_inside(dev, 1);
	rc = dev->join ? vsf_join_map(dev, req, of, opts, iova)
		       : vsf_dma_map(dev, req, of, opts, iova);
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
	if (dev->join)
		return vsf_fail(EPERM, "vfiosafe_iommu_map: the device belongs to another "
				       "process, which cannot pin plain memory of this one: use "
				       "vfiosafe_dma_alloc() or vfiosafe_iommu_map_file()");
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
	int rc = vsf_dma_refuse_shared(dev, "vfiosafe_iommu_unmap");

	if (rc < 0)
		return rc;
	vsf_count_inside(dev, 1);
	rc = dev->join ? vsf_join_unmap(dev, iova, len, VSF_MAPPING_CALLER)
		       : vsf_dma_unmap(dev, iova, len, VSF_MAPPING_CALLER);
	vsf_count_inside(dev, -1);
	return rc;
}

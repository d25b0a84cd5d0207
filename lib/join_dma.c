/* SPDX-License-Identifier: MIT */
/* Memory of a client, mapped by the owner. The books are as those of an IOMMU context. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <vfiosafe/dma.h>

#include "device.h"
#include "error.h"
#include "join_inside.h"
#include "memfd.h"

/* Pinning gigabytes takes seconds. */
#define DMA_MS 10000

typedef unsigned long long ull;

int vsf_join_dma_refuse(const struct vfiosafe_device *dev, const char *call)
{
	if (dev->join->dma)
		return 0;
	return vsf_fail(EPERM, "%s: process %llu, the owner of %s, did not grant DMA memory "
			       "(VFIOSAFE_GRANT_DMA)",
			call, (ull)dev->join->owner, dev->address);
}

/* The owner refuses the same, and some of it by hanging up. */
static int check_file(const struct vfiosafe_device *dev, const struct vsf_dma_request *req,
		      uint32_t prot)
{
	struct vfiosafe_memfd memfd;
	int rc = vsf_sys(dev->sys, memfd_look, req->fd, &memfd);

	if (rc < 0)
		return vsf_fail(rc == -EBADF ? EBADF : EINVAL,
				"fd %d is no memfd (%s): an owner maps nothing else for its "
				"clients",
				req->fd, strerror(-rc));
	return vsf_memfd_check(&memfd, req->offset, req->len, prot);
}

static int unmap(struct vfiosafe_device *dev, uint64_t iova, uint64_t len)
{
	struct vsf_msg msg = { .type = VSF_MSG_UNMAP, .value = iova, .len = len };
	int rc = vsf_join_question(dev, &msg, -1, DMA_MS);

	/* What was answered too late last time was done. */
	return rc == -ENOENT ? 0 : rc;
}

static int note(struct vfiosafe_device *dev, const struct vsf_mapping *map)
{
	struct vsf_mappings *maps = &dev->join->maps;
	int rc;

	pthread_mutex_lock(&maps->lock);
	rc = vsf_mappings_overlap(maps, map->iova, map->len)
		     ? vsf_fail(EPROTO, "the owner gave the same address twice")
		     : vsf_mappings_add(maps, map);
	pthread_mutex_unlock(&maps->lock);
	return rc;
}

static int map(struct vfiosafe_device *dev, const struct vsf_dma_request *req,
	       const struct vfiosafe_iommu_opts *opts, uint64_t *iova)
{
	struct vsf_msg msg = { .type = VSF_MSG_MAP,
			       .offset = req->offset,
			       .len = req->len,
			       .flags = opts->prot,
			       .id = opts->align,
			       .value = opts->below };
	int rc = vsf_join_question(dev, &msg, req->fd, DMA_MS);

	if (rc == 0 && msg.value + (req->len - 1) < msg.value)
		rc = vsf_fail(EPROTO, "the owner gave an address that is none");
	if (rc == 0)
		*iova = msg.value;
	return rc;
}

int vsf_join_map(struct vfiosafe_device *dev, const struct vsf_dma_request *req,
		 enum vsf_mapping_of of, const struct vfiosafe_iommu_opts *user_opts,
		 uint64_t *iova)
{
	struct vsf_mapping mapping = { .len = req->len, .own = req->vaddr, .of = of };
	struct vfiosafe_iommu_opts opts;
	int rc = vsf_dma_read_opts(&opts, user_opts);

	if (rc == 0 && opts.fixed)
		rc = vsf_fail(EPERM, "opts.fixed: the owner of %s chooses addresses",
			      dev->address);
	if (rc == 0)
		rc = check_file(dev, req, opts.prot);
	if (rc == 0)
		rc = map(dev, req, &opts, &mapping.iova);
	if (rc < 0)
		return rc;
	rc = note(dev, &mapping);
	if (rc < 0) {
		/* Else it ends with this client. */
		(void)unmap(dev, mapping.iova, mapping.len);
		return rc;
	}
	*iova = mapping.iova;
	return 0;
}

int vsf_join_unmap(struct vfiosafe_device *dev, uint64_t iova, uint64_t len,
		   enum vsf_mapping_of as)
{
	struct vsf_mappings *maps = &dev->join->maps;
	void *own = NULL;
	int rc = vsf_mappings_claim(maps, iova, len, as, &own);

	if (rc < 0)
		return rc;
	rc = unmap(dev, iova, len);
	vsf_mappings_settle(maps, iova, own, rc < 0);
	if (rc == 0 && own)
		vsf_sys(dev->sys, munmap, own, len);
	return rc;
}

/* A memfd that stays as long as it is, and its mapping, which no fork copies. */
static int make(const struct vfiosafe_sys *sys, uint64_t len, int *fd, void **addr)
{
	int rc;

	*fd = vsf_sys(sys, sealable, "vfiosafe-dma", len);
	if (*fd < 0)
		return vsf_fail(-*fd, "no memory of 0x%llx bytes: %s", (ull)len,
				strerror(-*fd));
	rc = vsf_sys(sys, seal, *fd, F_SEAL_SHRINK | F_SEAL_GROW);
	if (rc == 0)
		rc = vsf_sys(sys, mmap, addr, len, PROT_READ | PROT_WRITE, MAP_SHARED, *fd, 0);
	if (rc < 0)
		goto err;
	rc = vsf_sys(sys, madvise, *addr, len, MADV_DONTFORK);
	if (rc == 0)
		return 0;
	vsf_sys(sys, munmap, *addr, len);
err:
	vsf_sys(sys, close, *fd);
	return vsf_fail(-rc, "no memory of 0x%llx bytes for DMA: %s", (ull)len, strerror(-rc));
}

int vsf_join_alloc(struct vfiosafe_dma_memory *mem, uint32_t flags)
{
	const struct vfiosafe_sys *sys = mem->dev->sys;
	struct vsf_dma_request req = { .len = mem->len };
	int rc;

	if (flags & VFIOSAFE_DMA_HUGE_2M)
		return vsf_fail(EOPNOTSUPP, "VFIOSAFE_DMA_HUGE_2M for a device of another "
					    "process: make a memfd with MFD_HUGETLB, and map it "
					    "with vfiosafe_iommu_map_file()");
	rc = make(sys, mem->len, &req.fd, &req.vaddr);
	if (rc < 0)
		return rc;
	rc = vsf_join_map(mem->dev, &req, VSF_MAPPING_ALLOC, NULL, &mem->iova);
	if (rc < 0)
		vsf_sys(sys, munmap, req.vaddr, mem->len);
	mem->addr = req.vaddr;
	vsf_sys(sys, close, req.fd);
	return rc;
}

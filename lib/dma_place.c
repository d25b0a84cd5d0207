/* SPDX-License-Identifier: MIT */
/* Where a mapping goes: what was asked for, what the IOMMU takes, what is free. */
#include <errno.h>
#include <string.h>
#include <unistd.h>
#include <vfiosafe/dma.h>

#include "dma.h"
#include "door.h"
#include "error.h"
#include "fault.h"

#define HUGE_2M (UINT64_C(2) << 20)
#define HUGE_1G (UINT64_C(1) << 30)

typedef unsigned long long ull;

int vsf_dma_read_opts(struct vfiosafe_iommu_opts *to, const struct vfiosafe_iommu_opts *from)
{
	const uint32_t both = VFIOSAFE_DMA_READ | VFIOSAFE_DMA_WRITE;

	memset(to, 0, sizeof(*to));
	if (from) {
		int rc = vsf_copy_opts(to, sizeof(*to), from, from->size, "opts.size",
				       "struct vfiosafe_iommu_opts");

		if (rc < 0)
			return rc;
	}
	if (to->prot & ~both)
		return vsf_fail(EINVAL, "unknown bits in opts.prot: 0x%x", to->prot);
	if (to->align & (to->align - 1))
		return vsf_fail(EINVAL, "opts.align is 0x%llx, no power of two",
				(ull)to->align);
	if (to->fixed && (to->align || to->below))
		return vsf_fail(EINVAL,
				"opts.fixed says where: opts.align and opts.below are "
				"for when the library chooses");
	to->prot = to->prot ? to->prot : both;
	return 0;
}

/* A page of ours, or of the IOMMU if that is larger. */
static uint64_t granule_of(const struct vsf_iova_space *space)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);

	return space->align > page ? space->align : page;
}

static int check_request(const struct vsf_dma_request *req, uint64_t granule)
{
	uint64_t at = req->vaddr ? (uintptr_t)req->vaddr : req->offset;
	const char *what = req->vaddr ? "address" : "offset";

	if (req->len == 0 || (at | req->len) & (granule - 1))
		return vsf_fail(EINVAL,
				"%s 0x%llx and length 0x%llx have to be multiples of "
				"0x%llx, and not empty",
				what, (ull)at, (ull)req->len, (ull)granule);
	if (at + (req->len - 1) < at)
		return vsf_fail(EINVAL, "%s 0x%llx + 0x%llx ends beyond all addresses",
				what, (ull)at, (ull)req->len);
	/* type1 would take it, and nothing stop that DMA during a reset. */
	if (req->vaddr && vsf_fault_overlaps((uintptr_t)at, req->len))
		return vsf_fail(EINVAL, "0x%llx + 0x%llx is a mapped BAR, no memory",
				(ull)at, (ull)req->len);
	return 0;
}

/* opts.fixed: may it be there? With the lock held. */
static int check_fixed(struct vsf_iommu *iommu, const struct vsf_iova_space *space,
		       const struct vsf_dma_request *req)
{
	uint64_t granule = granule_of(space), last = req->iova + (req->len - 1);
	const struct vsf_mapping *other;

	if (req->iova & (granule - 1))
		return vsf_fail(EINVAL, "IOVA 0x%llx has to be a multiple of 0x%llx",
				(ull)req->iova, (ull)granule);
	if (last < req->iova || !vsf_iova_inside(space, req->iova, last))
		return vsf_dma_refuse_range(space, req->iova, req->len);
	other = vsf_mappings_overlap(&iommu->maps, req->iova, req->len);
	if (other)
		return vsf_fail(EEXIST,
				"IOVA 0x%llx + 0x%llx overlaps the mapping 0x%llx + "
				"0x%llx",
				(ull)req->iova, (ull)req->len, (ull)other->iova,
				(ull)other->len);
	return 0;
}

/* Memory that starts a large page gets addresses that do; if there are none, others. */
static uint64_t large_page_of(const struct vsf_dma_request *req)
{
	uint64_t at = req->vaddr ? (uintptr_t)req->vaddr : req->offset;

	if (req->len >= HUGE_1G && at % HUGE_1G == 0)
		return HUGE_1G;
	return req->len >= HUGE_2M && at % HUGE_2M == 0 ? HUGE_2M : 0;
}

/* With the lock held. */
static int choose(struct vsf_iommu *iommu, const struct vsf_iova_space *space,
		  struct vsf_dma_request *req, const struct vfiosafe_iommu_opts *opts)
{
	uint64_t granule = granule_of(space), large = large_page_of(req);
	uint64_t align = opts->align > granule ? opts->align : granule;
	uint64_t last = opts->below - 1; /* 0 = none: all addresses */
	int rc = -ENOSPC;

	if (large > align)
		rc = vsf_iova_find(space, &iommu->maps, req->len, large, last,
				   &req->iova);
	if (rc == -ENOSPC)
		rc = vsf_iova_find(space, &iommu->maps, req->len, align, last,
				   &req->iova);
	if (rc == -ENOSPC)
		return vsf_dma_refuse_space(space, &iommu->maps, req->len, align, last);
	return rc;
}

int vsf_dma_reserve(struct vsf_iommu *iommu, struct vsf_dma_request *req,
		    enum vsf_mapping_of of, const struct vfiosafe_iommu_opts *user_opts)
{
	struct vfiosafe_iommu_opts opts;
	struct vsf_iova_space space = { 0 };
	struct vsf_mapping map = { .len = req->len, .of = of, .busy = true };
	int rc = vsf_dma_read_opts(&opts, user_opts);

	if (rc < 0)
		return rc;
	req->prot = opts.prot;
	rc = iommu->dma->space(iommu, &space);
	if (rc == 0)
		rc = check_request(req, granule_of(&space));
	if (rc == 0) {
		pthread_mutex_lock(&iommu->maps.lock);
		rc = opts.fixed ? check_fixed(iommu, &space, req)
				: choose(iommu, &space, req, &opts);
		map.iova = req->iova;
		if (rc == 0)
			rc = vsf_mappings_add(&iommu->maps, &map);
		pthread_mutex_unlock(&iommu->maps.lock);
	}
	vsf_iova_free(&space);
	return rc;
}

/* SPDX-License-Identifier: MIT */
/* Why a mapping cannot be made or undone, in words. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <vfiosafe/dma.h>

#include "dma.h"
#include "door.h"
#include "error.h"

typedef unsigned long long ull;

int vsf_dma_refuse_range(const struct vsf_iova_space *space, uint64_t iova, uint64_t len)
{
	char text[256] = "";
	size_t used = 0;

	for (uint32_t i = 0; i < space->count && used < sizeof(text); i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used,
					 "%s0x%llx-0x%llx", i ? ", " : "",
					 (ull)space->range[i].start,
					 (ull)space->range[i].last);
	return vsf_fail(ERANGE,
			"the IOMMU does not take IOVA 0x%llx + 0x%llx; it takes %s",
			(ull)iova, (ull)len, text);
}

int vsf_dma_refuse_space(const struct vsf_iova_space *space,
			 const struct vsf_mappings *maps, uint64_t len, uint64_t align,
			 uint64_t last)
{
	char below[48] = "";

	if (last != UINT64_MAX)
		snprintf(below, sizeof(below), " below 0x%llx", (ull)(last + 1));
	return vsf_fail(ENOSPC,
			"no free IOVA range of 0x%llx bytes, aligned to 0x%llx%s: the "
			"IOMMU takes %u ranges, and %u mappings are in them",
			(ull)len, (ull)align, below, space->count, maps->count);
}

int vsf_dma_refuse_unmap(struct vsf_mappings *maps, uint64_t iova, uint64_t len)
{
	const struct vsf_mapping *other = vsf_mappings_overlap(maps, iova, len ? len : 1);

	if (other)
		return vsf_fail(ENOENT,
				"0x%llx + 0x%llx is no mapping; 0x%llx + 0x%llx is one, "
				"and is unmapped as a whole",
				(ull)iova, (ull)len, (ull)other->iova, (ull)other->len);
	return vsf_fail(ENOENT, "nothing is mapped at IOVA 0x%llx", (ull)iova);
}

/* What is mapped already: not the one that is being made. */
static uint32_t count_mapped(struct vsf_mappings *maps, uint64_t *bytes)
{
	uint32_t n = 0;

	*bytes = 0;
	pthread_mutex_lock(&maps->lock);
	for (uint32_t i = 0; i < maps->count; i++) {
		if (maps->at[i].busy || maps->at[i].of == VSF_MAPPING_P2P)
			continue;
		*bytes += maps->at[i].len;
		n++;
	}
	pthread_mutex_unlock(&maps->lock);
	return n;
}

static int no_memory(struct vsf_iommu *iommu, const struct vsf_dma_request *req)
{
	uint64_t limit, mapped;

	(void)count_mapped(&iommu->maps, &mapped);
	if (vsf_sys(iommu->sys, memlock_limit, &limit) < 0 || limit == UINT64_MAX)
		return vsf_fail(ENOMEM,
				"mapping 0x%llx bytes for DMA failed: the kernel is out "
				"of memory",
				(ull)req->len);
	return vsf_fail(
		ENOMEM,
		"mapping 0x%llx bytes for DMA failed: RLIMIT_MEMLOCK is 0x%llx "
		"bytes, and this IOMMU context has 0x%llx mapped; raise it "
		"(ulimit -l, LimitMEMLOCK= of a systemd unit) or give the process "
		"CAP_IPC_LOCK",
		(ull)req->len, (ull)limit, (ull)mapped);
}

static int bad_file(const struct vsf_dma_request *req, int err)
{
	switch (err) {
	case -EBADF:
		return vsf_fail(EBADF, "fd %d is not open", req->fd);
	case -EACCES:
	case -EPERM:
		return vsf_fail(EACCES,
				"fd %d is not open for what opts.prot needs (the device "
				"writes by default), or is sealed",
				req->fd);
	case -ENODEV:
		return vsf_fail(ENODEV,
				"fd %d is a dma-buf that was revoked: its device was closed, "
				"is being reset, or sleeps",
				req->fd);
	case -EOPNOTSUPP:
		return vsf_fail(EOPNOTSUPP,
				"fd %d is a dma-buf that this kernel does not map: iommufd "
				"takes those of one range of a BAR, and the memory of others "
				"cannot be pinned. For udmabuf map the memfd that it was made "
				"of",
				req->fd);
	default:
		return vsf_fail(EINVAL,
				"the kernel cannot pin 0x%llx + 0x%llx of fd %d (%s): it "
				"has to be all of a memfd or a file of hugetlbfs",
				(ull)req->offset, (ull)req->len, req->fd, strerror(-err));
	}
}

int vsf_dma_map_failed(struct vsf_iommu *iommu, const struct vsf_dma_request *req,
		       int err)
{
	uint64_t bytes;

	switch (err) {
	case -ENOMEM:
		return no_memory(iommu, req);
	case -ENOSPC:
		return vsf_fail(ENOSPC,
				"the kernel takes no more mappings (%u are there): see "
				"the parameter dma_entry_limit of vfio_iommu_type1",
				count_mapped(&iommu->maps, &bytes));
	case -EBADF:
	case -EACCES:
	case -EPERM:
	case -EINVAL:
	case -ENODEV:
	case -EOPNOTSUPP:
	case -EFAULT:
		if (req->fd >= 0 || err == -EBADF)
			return bad_file(req, err);
		if (err != -EFAULT)
			break;
		return vsf_fail(
			EFAULT, "not all of %p + 0x%llx is memory that can be pinned%s",
			req->vaddr, (ull)req->len,
			req->prot & VFIOSAFE_DMA_WRITE ? " and written (see opts.prot)"
						       : "");
	default:
		break;
	}
	return vsf_fail(-err, "mapping 0x%llx bytes at IOVA 0x%llx failed: %s",
			(ull)req->len, (ull)req->iova, strerror(-err));
}

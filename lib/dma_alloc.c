/* SPDX-License-Identifier: MIT */
/* Memory for the program and the device. */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <vfiosafe/dma.h>

#include "device.h"
#include "dma.h"
#include "error.h"
#include "join.h"

#define HUGE_2M (UINT64_C(2) << 20)
#define FLAG_HUGE_2M (21 << 26) /* MAP_HUGE_2MB, which needs a kernel header */

static int page_up(uint64_t *len, uint32_t flags)
{
	uint64_t page =
		flags & VFIOSAFE_DMA_HUGE_2M ? HUGE_2M : (uint64_t)sysconf(_SC_PAGESIZE);
	uint64_t up = (*len + (page - 1)) & ~(page - 1);

	if (*len == 0 || up < *len)
		return vsf_fail(EINVAL, "0x%llx bytes cannot be allocated",
				(unsigned long long)*len);
	*len = up;
	return 0;
}

static int no_pages(uint64_t len, uint32_t flags, int err)
{
	if (flags & VFIOSAFE_DMA_HUGE_2M)
		return vsf_fail(-err,
				"no huge pages of 2 MiB for 0x%llx bytes (%s): set more "
				"aside in /sys/kernel/mm/hugepages/hugepages-2048kB/"
				"nr_hugepages, or go without VFIOSAFE_DMA_HUGE_2M",
				(unsigned long long)len, strerror(-err));
	return vsf_fail(-err, "no memory of 0x%llx bytes: %s", (unsigned long long)len,
			strerror(-err));
}

static int allocate(const struct vfiosafe_sys *sys, uint64_t len, uint32_t flags,
		    void **addr)
{
	int map = MAP_PRIVATE | MAP_ANONYMOUS;
	int rc;

	if (flags & VFIOSAFE_DMA_HUGE_2M)
		map |= MAP_HUGETLB | FLAG_HUGE_2M;
	rc = vsf_sys(sys, mmap, addr, len, PROT_READ | PROT_WRITE, map, -1, 0);
	if (rc < 0)
		return no_pages(len, flags, rc);
	/* After a fork the first write would part us from the page the device has. */
	rc = vsf_sys(sys, madvise, *addr, len, MADV_DONTFORK);
	if (rc < 0) {
		vsf_sys(sys, munmap, *addr, len);
		return vsf_fail(-rc, "MADV_DONTFORK failed: %s", strerror(-rc));
	}
	return 0;
}

static int alloc_and_map(struct vfiosafe_dma_memory *mem, uint32_t flags)
{
	const struct vfiosafe_sys *sys = mem->dev->sys;
	struct vsf_dma_request req = { .fd = -1 };
	int rc = page_up(&mem->len, flags);

	if (rc == 0 && mem->dev->join)
		return vsf_join_alloc(mem, flags);
	if (rc == 0)
		rc = allocate(sys, mem->len, flags, &mem->addr);
	if (rc < 0)
		return rc;
	req.vaddr = mem->addr;
	req.len = mem->len;
	rc = vsf_dma_map(mem->dev, &req, VSF_MAPPING_ALLOC, NULL, &mem->iova);
	if (rc < 0)
		vsf_sys(sys, munmap, mem->addr, mem->len);
	return rc;
}

VFIOSAFE_API int vfiosafe_dma_alloc(struct vfiosafe_dma_memory *out,
				    struct vfiosafe_device *dev, uint64_t len,
				    uint32_t flags)
{
	struct vfiosafe_dma_memory mem = { .dev = dev, .len = len };
	int rc = vsf_dma_refuse_shared(dev, "vfiosafe_dma_alloc");

	if (rc == 0 && vsf_is_gone(dev))
		rc = vsf_gone_error(dev);
	if (rc == 0 && (flags & ~VFIOSAFE_DMA_HUGE_2M))
		rc = vsf_fail(EINVAL, "unknown flags 0x%x", flags);
	if (rc < 0)
		return rc;
	vsf_count_inside(dev, 1);
	rc = alloc_and_map(&mem, flags);
	vsf_count_inside(dev, -1);
	if (rc == 0)
		*out = mem;
	return rc;
}

VFIOSAFE_API int vfiosafe_dma_free(struct vfiosafe_dma_memory *mem)
{
	int rc;

	if (!mem->dev)
		return 0;
	rc = vsf_dma_refuse_shared(mem->dev, "vfiosafe_dma_free");
	if (rc < 0)
		return rc;
	vsf_count_inside(mem->dev, 1);
	rc = mem->dev->join ? vsf_join_unmap(mem->dev, mem->iova, mem->len, VSF_MAPPING_ALLOC)
			    : vsf_dma_unmap(mem->dev, mem->iova, mem->len, VSF_MAPPING_ALLOC);
	vsf_count_inside(mem->dev, -1);
	if (rc == 0)
		memset(mem, 0, sizeof(*mem));
	return rc;
}

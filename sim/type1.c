/* SPDX-License-Identifier: MIT */
/*
 * type1.c - the IOMMU of a container, by the rules of the kernel's type1, version 2.
 */
#include <errno.h>
#include <uapi.h>
#include <stddef.h>
#include <string.h>
#include "dmabuf.h"
#include "internal.h"

#define END_OF(type, member) (offsetof(type, member) + sizeof(((type *)0)->member))
#define MOST_MAPS 65535u /* as the kernel's dma_entry_limit */

/* What follows the info, in the kernel's order. */
struct caps {
	struct vfio_iommu_type1_info_cap_migration migration;
	struct vfio_iommu_type1_info_dma_avail avail;
	uint32_t pad; /* what is next is of 64-bit words */
	struct {
		struct vfio_info_cap_header header;
		uint32_t nr_iovas;
		uint32_t reserved;
		struct vfio_iova_range range[2];
	} iova;
};

static struct caps make_caps(const struct vfiosafe_sim *sim)
{
	uint32_t at = sizeof(struct vfio_iommu_type1_info);

	return (struct caps){
		.migration = {
			.header = { VFIO_IOMMU_TYPE1_INFO_CAP_MIGRATION, 1,
				    at + (uint32_t)offsetof(struct caps, avail) },
			.pgsize_bitmap = VSIM_PAGE,
			.max_dirty_bitmap_size = 1u << 28,
		},
		.avail = {
			.header = { VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL, 1,
				    at + (uint32_t)offsetof(struct caps, iova) },
			.avail = MOST_MAPS - (uint32_t)vsim_iovas(sim),
		},
		.iova = {
			.header = { VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE, 1, 0 },
			.nr_iovas = 2,
			.range = { { 0, VSIM_MSI_WINDOW - 1 },
				   { VSIM_MSI_WINDOW_END, VSIM_IOVA_END - 1 } },
		},
	};
}

static int get_info(const struct vfiosafe_sim *sim, struct vfio_iommu_type1_info *arg)
{
	struct vfio_iommu_type1_info info = {
		.argsz = arg->argsz,
		.flags = VFIO_IOMMU_INFO_PGSIZES | VFIO_IOMMU_INFO_CAPS,
		.iova_pgsizes = VSIM_PAGE | 1u << 21 | 1u << 30,
	};
	struct caps caps = make_caps(sim);

	if (arg->argsz < END_OF(struct vfio_iommu_type1_info, iova_pgsizes))
		return -EINVAL;
	if (arg->argsz < sizeof(info) + sizeof(caps)) {
		info.argsz = sizeof(info) + sizeof(caps);
	} else {
		info.cap_offset = sizeof(info);
		memcpy(arg + 1, &caps, sizeof(caps));
	}
	memcpy(arg, &info, arg->argsz < sizeof(info) ? arg->argsz : sizeof(info));
	return 0;
}

static int check_map(const struct vfio_iommu_type1_dma_map *arg)
{
	uint32_t known = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE;

	if (arg->argsz < END_OF(struct vfio_iommu_type1_dma_map, size) ||
	    arg->flags & ~known || arg->size == 0)
		return -EINVAL;
	if (arg->iova + arg->size - 1 < arg->iova ||
	    arg->vaddr + arg->size - 1 < arg->vaddr)
		return -EOVERFLOW;
	if (!arg->flags || (arg->size | arg->iova | arg->vaddr) % VSIM_PAGE)
		return -EINVAL;
	return 0;
}

static int map(struct vfiosafe_sim *sim, struct vsim_file *file,
	       const struct vfio_iommu_type1_dma_map *arg)
{
	struct vsim_dma dma = {
		.iova = arg->iova,
		.len = arg->size,
		.addr = (uint8_t *)(uintptr_t)arg->vaddr,
		.prot = (arg->flags & VFIO_DMA_MAP_FLAG_READ ? VSIM_DMA_READ : 0) |
			(arg->flags & VFIO_DMA_MAP_FLAG_WRITE ? VSIM_DMA_WRITE : 0),
	};
	int rc = check_map(arg);

	if (rc == 0)
		rc = vsim_peer_pages(&dma);
	if (rc == 0)
		rc = vsim_dma_pin(&dma);
	if (rc < 0)
		return rc;
	pthread_mutex_lock(&sim->lock);
	rc = vsim_fail_once(sim, VFIOSAFE_SIM_CALL_MAP);
	if (rc == 0 && vsim_iovas(sim) >= MOST_MAPS)
		rc = -ENOSPC;
	if (rc == 0)
		rc = vsim_ioas_map(sim, file->ioas, &dma);
	pthread_mutex_unlock(&sim->lock);
	if (rc < 0 && dma.peer)
		vsim_peer_put(dma.peer, dma.peer_epoch);
	return rc;
}

static int check_unmap(const struct vfio_iommu_type1_dma_unmap *arg)
{
	bool all = arg->flags & VFIO_DMA_UNMAP_FLAG_ALL;

	if (arg->argsz < END_OF(struct vfio_iommu_type1_dma_unmap, size) ||
	    arg->flags & ~VFIO_DMA_UNMAP_FLAG_ALL || arg->iova % VSIM_PAGE)
		return -EINVAL;
	if (all)
		return arg->iova || arg->size ? -EINVAL : 0;
	if (arg->size == 0 || arg->size % VSIM_PAGE)
		return -EINVAL;
	return arg->iova + arg->size - 1 < arg->iova ? -EOVERFLOW : 0;
}

/* Nothing there is no error, half of something is. */
static int unmap(struct vfiosafe_sim *sim, struct vsim_file *file,
		 struct vfio_iommu_type1_dma_unmap *arg)
{
	bool all = arg->flags & VFIO_DMA_UNMAP_FLAG_ALL;
	uint64_t last = all ? UINT64_MAX : arg->iova + arg->size - 1;
	uint64_t len = 0;
	int rc = check_unmap(arg);

	if (rc < 0)
		return rc;
	pthread_mutex_lock(&sim->lock);
	rc = vsim_fail_once(sim, VFIOSAFE_SIM_CALL_UNMAP);
	if (rc == 0 && vsim_ioas_splits(file->ioas, arg->iova, last))
		rc = -EINVAL;
	if (rc == 0)
		rc = vsim_ioas_unmap(file->ioas, arg->iova, last, &len);
	pthread_mutex_unlock(&sim->lock);
	if (rc == 0)
		arg->size = len;
	return rc;
}

int vsim_type1_ioctl(struct vfiosafe_sim *sim, struct vsim_file *file,
		     unsigned long request, void *arg)
{
	int rc;

	if (request != VFIO_IOMMU_GET_INFO && request != VFIO_IOMMU_MAP_DMA &&
	    request != VFIO_IOMMU_UNMAP_DMA)
		return -ENOTTY;
	if (!arg)
		return -EFAULT;
	if (request == VFIO_IOMMU_MAP_DMA)
		return map(sim, file, arg);
	if (request == VFIO_IOMMU_UNMAP_DMA)
		return unmap(sim, file, arg);
	pthread_mutex_lock(&sim->lock);
	rc = get_info(sim, arg);
	pthread_mutex_unlock(&sim->lock);
	return rc;
}

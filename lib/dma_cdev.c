/* SPDX-License-Identifier: MIT */
/* Mappings of the cdev door: an IOAS of an iommufd. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <vfiosafe/dma.h>

#include "dma.h"
#include "door.h"
#include "error.h"
#include "uapi.h"

/* Between two questions a device may be attached, and a range fall into two. */
#define ATTEMPTS 4

static int ask_ranges(const struct vsf_iommu *iommu, struct iommu_iova_range *ranges,
		      uint32_t *count, uint64_t *align)
{
	struct iommu_ioas_iova_ranges ask = {
		.size = sizeof(ask),
		.ioas_id = iommu->ioas_id,
		.num_iovas = *count,
		.allowed_iovas = (uintptr_t)ranges,
	};
	int rc = vsf_sys(iommu->sys, ioctl, iommu->fd, IOMMU_IOAS_IOVA_RANGES, &ask);

	*count = ask.num_iovas;
	*align = ask.out_iova_alignment;
	return rc;
}

static int fill(struct vsf_iova_space *space, const struct iommu_iova_range *ranges,
		uint32_t count)
{
	int rc = 0;

	for (uint32_t i = 0; i < count && rc == 0; i++)
		rc = vsf_iova_add(space, ranges[i].start, ranges[i].last);
	return rc;
}

static int cdev_space(const struct vsf_iommu *iommu, struct vsf_iova_space *space)
{
	uint32_t room = 16, count;
	int rc = -EMSGSIZE;

	for (int attempt = 0; attempt < ATTEMPTS && rc == -EMSGSIZE; attempt++) {
		struct iommu_iova_range *ranges = calloc(room, sizeof(*ranges));

		if (!ranges)
			return vsf_fail(ENOMEM, "out of memory");
		count = room;
		rc = ask_ranges(iommu, ranges, &count, &space->align);
		if (rc == 0)
			rc = fill(space, ranges, count < room ? count : room);
		else if (rc != -EMSGSIZE || count <= room)
			rc = vsf_fail(-rc, "IOMMU_IOAS_IOVA_RANGES failed: %s",
				      strerror(-rc));
		else
			room = count;
		free(ranges);
	}
	return rc == -EMSGSIZE
		       ? vsf_fail(EBUSY,
				  "its IOVA ranges changed each time they were asked for")
		       : rc;
}

/* The uapi names what the device may do from the memory's side. */
static uint32_t flags_of(const struct vsf_dma_request *req)
{
	return IOMMU_IOAS_MAP_FIXED_IOVA |
	       (req->prot & VFIOSAFE_DMA_READ ? IOMMU_IOAS_MAP_READABLE : 0u) |
	       (req->prot & VFIOSAFE_DMA_WRITE ? IOMMU_IOAS_MAP_WRITEABLE : 0u);
}

static int cdev_map(const struct vsf_iommu *iommu, const struct vsf_dma_request *req)
{
	struct iommu_ioas_map map = {
		.size = sizeof(map),
		.flags = flags_of(req),
		.ioas_id = iommu->ioas_id,
		.user_va = (uintptr_t)req->vaddr,
		.length = req->len,
		.iova = req->iova,
	};

	return vsf_sys(iommu->sys, ioctl, iommu->fd, IOMMU_IOAS_MAP, &map);
}

/*
 * The kernel does not look how a memfd is open, or sealed, before a device writes it (seen
 * on Linux 7.3). What is no memfd it judges by itself.
 */
static bool is_for_readers(const struct vsf_iommu *iommu, const struct vsf_dma_request *req)
{
	struct vfiosafe_memfd memfd;

	if (!(req->prot & VFIOSAFE_DMA_WRITE) ||
	    vsf_sys(iommu->sys, memfd_look, req->fd, &memfd) < 0)
		return false;
	return memfd.mode != O_RDWR || (memfd.seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE));
}

static int cdev_map_file(const struct vsf_iommu *iommu, const struct vsf_dma_request *req)
{
	struct iommu_ioas_map_file map = {
		.size = sizeof(map),
		.flags = flags_of(req),
		.ioas_id = iommu->ioas_id,
		.fd = req->fd,
		.start = req->offset,
		.length = req->len,
		.iova = req->iova,
	};

	if (is_for_readers(iommu, req))
		return -EACCES;
	return vsf_sys(iommu->sys, ioctl, iommu->fd, IOMMU_IOAS_MAP_FILE, &map);
}

static int cdev_unmap(const struct vsf_iommu *iommu, uint64_t iova, uint64_t len)
{
	struct iommu_ioas_unmap unmap = {
		.size = sizeof(unmap),
		.ioas_id = iommu->ioas_id,
		.iova = iova,
		.length = len,
	};

	return vsf_sys(iommu->sys, ioctl, iommu->fd, IOMMU_IOAS_UNMAP, &unmap);
}

const struct vsf_dma_door vsf_dma_cdev = {
	.space = cdev_space,
	.map = cdev_map,
	.map_file = cdev_map_file,
	.unmap = cdev_unmap,
};

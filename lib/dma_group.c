/* SPDX-License-Identifier: MIT */
/* Mappings of the group door: a type1 container. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <vfiosafe/dma.h>

#include "dma.h"
#include "door.h"
#include "error.h"
#include "uapi.h"

/* More than any kernel sends; a bound on what we allocate for it. */
#define INFO_MAX (64u << 10)

/* Of kernels that do not say (before Linux 5.4): what every IOMMU has. */
#define FALLBACK_LAST ((UINT64_C(1) << 39) - 1)

static int bad(const char *what)
{
	return vsf_fail(EBADMSG, "the kernel's IOMMU info makes no sense: %s", what);
}

static int parse_ranges(const uint8_t *cap, size_t left, struct vsf_iova_space *space)
{
	struct vfio_iommu_type1_info_cap_iova_range head;
	struct vfio_iova_range range;
	int rc = 0;

	if (left < sizeof(head))
		return bad("a capability of IOVA ranges is cut short");
	memcpy(&head, cap, sizeof(head));
	if (head.nr_iovas > (left - sizeof(head)) / sizeof(range))
		return bad("a capability names more IOVA ranges than it holds");
	for (uint32_t i = 0; i < head.nr_iovas && rc == 0; i++) {
		memcpy(&range, cap + sizeof(head) + i * sizeof(range), sizeof(range));
		rc = vsf_iova_add(space, range.start, range.end);
	}
	return rc;
}

static int parse_chain(const uint8_t *buf, size_t len, size_t at,
		       struct vsf_iova_space *space)
{
	struct vfio_info_cap_header cap;
	size_t before = sizeof(struct vfio_iommu_type1_info) - 1;
	int rc = 0;

	/* The kernel chains forward: backward is a loop. Before Linux 6.6 not aligned. */
	for (; at != 0 && rc == 0; at = cap.next) {
		if (at <= before)
			return bad("the capability chain does not go forward");
		if (at > len || len - at < sizeof(cap))
			return bad("a capability lies outside of the answer");
		memcpy(&cap, buf + at, sizeof(cap));
		if (cap.id == VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE)
			rc = parse_ranges(buf + at, len - at, space);
		before = at;
	}
	return rc;
}

int vsf_iova_parse_group(const void *buf, size_t len, struct vsf_iova_space *space)
{
	struct vfio_iommu_type1_info info;
	int rc = 0;

	if (len < sizeof(info))
		return bad("it is too short");
	memcpy(&info, buf, sizeof(info));
	if (!(info.flags & VFIO_IOMMU_INFO_PGSIZES) || info.iova_pgsizes == 0)
		return bad("it has no page sizes");
	space->align = info.iova_pgsizes & -info.iova_pgsizes;
	if (info.flags & VFIO_IOMMU_INFO_CAPS)
		rc = parse_chain(buf, len, info.cap_offset, space);
	if (rc == 0 && space->count == 0)
		rc = vsf_iova_add(space, 0, FALLBACK_LAST);
	return rc;
}

/* Asks again if the answer says that it needs more room. */
static int group_space(const struct vsf_iommu *iommu, struct vsf_iova_space *space)
{
	uint32_t argsz = 512;
	int rc = -EMSGSIZE;

	for (int attempt = 0; attempt < 4 && rc == -EMSGSIZE; attempt++) {
		struct vfio_iommu_type1_info *info = calloc(1, argsz);

		if (!info)
			return vsf_fail(ENOMEM, "out of memory");
		info->argsz = argsz;
		rc = vsf_sys(iommu->sys, ioctl, iommu->fd, VFIO_IOMMU_GET_INFO, info);
		if (rc < 0)
			rc = vsf_fail(-rc, "VFIO_IOMMU_GET_INFO failed: %s",
				      strerror(-rc));
		else if (info->argsz <= argsz)
			rc = vsf_iova_parse_group(info, argsz, space);
		else if (info->argsz > INFO_MAX)
			rc = bad("it wants more than 64 KiB");
		else
			rc = -EMSGSIZE;
		argsz = info->argsz;
		free(info);
	}
	return rc == -EMSGSIZE
		       ? vsf_fail(EBUSY,
				  "its IOVA ranges changed each time they were asked for")
		       : rc;
}

static int group_map(const struct vsf_iommu *iommu, const struct vsf_dma_request *req)
{
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map),
		.flags = (req->prot & VFIOSAFE_DMA_READ ? VFIO_DMA_MAP_FLAG_READ : 0u) |
			 (req->prot & VFIOSAFE_DMA_WRITE ? VFIO_DMA_MAP_FLAG_WRITE : 0u),
		.vaddr = (uintptr_t)req->vaddr,
		.iova = req->iova,
		.size = req->len,
	};

	return vsf_sys(iommu->sys, ioctl, iommu->fd, VFIO_IOMMU_MAP_DMA, &map);
}

/* It succeeds, with a size of 0, if there was nothing. */
static int group_unmap(const struct vsf_iommu *iommu, uint64_t iova, uint64_t len)
{
	struct vfio_iommu_type1_dma_unmap unmap = {
		.argsz = sizeof(unmap),
		.iova = iova,
		.size = len,
	};
	int rc = vsf_sys(iommu->sys, ioctl, iommu->fd, VFIO_IOMMU_UNMAP_DMA, &unmap);

	return rc == 0 && unmap.size != len ? -ENOENT : rc;
}

const struct vsf_dma_door vsf_dma_group = {
	.space = group_space,
	.map = group_map,
	.unmap = group_unmap,
};

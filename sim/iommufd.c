/* SPDX-License-Identifier: MIT */
/*
 * iommufd.c - the ioctls of /dev/iommu that map memory, by the rules of the kernel.
 */
#include <errno.h>
#include <fcntl.h>
#include <uapi.h>
#include <string.h>
#include <sys/mman.h>
#include "dmabuf.h"
#include "internal.h"

#define MAP_FLAGS                                                                        \
	(IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_WRITEABLE)

static int alloc_ioas(struct vfiosafe_sim *sim, struct vsim_file *file,
		      struct iommu_ioas_alloc *arg)
{
	struct vsim_ioas *ioas;

	if (arg->flags)
		return -EOPNOTSUPP;
	ioas = vsim_ioas_new(sim, file);
	if (!ioas)
		return -ENOMEM;
	arg->out_ioas_id = ioas->id;
	return 0;
}

static int destroy(struct vfiosafe_sim *sim, struct vsim_file *file,
		   const struct iommu_destroy *arg)
{
	struct vsim_ioas *ioas = vsim_ioas_by_id(sim, file, arg->id);

	if (!ioas)
		return -ENOENT;
	if (sim->ioas == ioas)
		return -EBUSY;
	vsim_ioas_end(sim, ioas);
	return 0;
}

/* As long as no device is attached, everything is allowed. */
static int iova_ranges(struct vfiosafe_sim *sim, struct vsim_file *file,
		       struct iommu_ioas_iova_ranges *arg)
{
	static const struct iommu_iova_range any[] = { { 0, UINT64_MAX } };
	static const struct iommu_iova_range usable[] = {
		{ 0, VSIM_MSI_WINDOW - 1 },
		{ VSIM_MSI_WINDOW_END, VSIM_IOVA_END - 1 },
	};
	struct vsim_ioas *ioas = vsim_ioas_by_id(sim, file, arg->ioas_id);
	uint32_t room = arg->num_iovas;

	if (arg->__reserved)
		return -EOPNOTSUPP;
	if (!ioas)
		return -ENOENT;
	arg->num_iovas = ioas->attached ? 2 : 1;
	arg->out_iova_alignment = ioas->attached ? VSIM_PAGE : 1;
	memcpy((void *)(uintptr_t)arg->allowed_iovas, ioas->attached ? usable : any,
	       (room < arg->num_iovas ? room : arg->num_iovas) * sizeof(any[0]));
	return room < arg->num_iovas ? -EMSGSIZE : 0;
}

/* @iova: where, or (not fixed) out. */
static int map(struct vfiosafe_sim *sim, struct vsim_file *file, uint32_t ioas_id,
	       struct vsim_dma *dma, bool fixed)
{
	struct vsim_ioas *ioas = vsim_ioas_by_id(sim, file, ioas_id);
	uint64_t mask;
	int rc;

	if (!ioas)
		return -ENOENT;
	mask = ioas->attached ? VSIM_PAGE - 1 : 0;
	if (dma->len & mask || (uintptr_t)dma->addr & mask)
		return -EINVAL;
	if (!fixed) {
		rc = vsim_ioas_place(ioas, dma->len, &dma->iova);
		if (rc < 0)
			return rc;
	}
	if (dma->iova & mask)
		return -EINVAL;
	if (dma->iova + dma->len - 1 < dma->iova)
		return -EOVERFLOW;
	return vsim_ioas_map(sim, ioas, dma);
}

static int check_map(uint32_t flags, uint64_t iova, uint64_t len)
{
	if (flags & ~MAP_FLAGS)
		return -EOPNOTSUPP;
	if (iova == UINT64_MAX || len == UINT64_MAX)
		return -EOVERFLOW;
	if (!(flags & (IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_WRITEABLE)) || len == 0)
		return -EINVAL;
	return 0;
}

static uint32_t prot_of(uint32_t flags)
{
	return (flags & IOMMU_IOAS_MAP_READABLE ? VSIM_DMA_READ : 0) |
	       (flags & IOMMU_IOAS_MAP_WRITEABLE ? VSIM_DMA_WRITE : 0);
}

static int finish(struct vfiosafe_sim *sim, struct vsim_file *file, uint32_t ioas_id,
		  uint32_t flags, struct vsim_dma *dma)
{
	int rc = dma->peer ? 0 : vsim_dma_pin(dma);

	if (rc < 0)
		return rc;
	pthread_mutex_lock(&sim->lock);
	rc = vsim_fail_once(sim, VFIOSAFE_SIM_CALL_MAP);
	if (rc == 0)
		rc = map(sim, file, ioas_id, dma, flags & IOMMU_IOAS_MAP_FIXED_IOVA);
	pthread_mutex_unlock(&sim->lock);
	return rc;
}

static int map_memory(struct vfiosafe_sim *sim, struct vsim_file *file,
		      struct iommu_ioas_map *arg)
{
	struct vsim_dma dma = {
		.iova = arg->iova,
		.len = arg->length,
		.addr = (uint8_t *)(uintptr_t)arg->user_va,
		.prot = prot_of(arg->flags),
	};
	int rc = arg->__reserved ? -EOPNOTSUPP
				 : check_map(arg->flags, arg->iova, arg->length);

	if (rc == 0 && arg->user_va + arg->length < arg->user_va)
		rc = -EOVERFLOW;
	if (rc == 0)
		rc = finish(sim, file, arg->ioas_id, arg->flags, &dma);
	if (rc == 0)
		arg->iova = dma.iova;
	return rc;
}

/* A dma-buf of one of our devices, or memory. */
static int use_file(struct vsim_dma *dma, int fd, uint64_t start)
{
	int prot = PROT_READ | (dma->prot & VSIM_DMA_WRITE ? PROT_WRITE : 0);
	int rc = vsim_peer_file(fd, start, dma);

	if (rc != 0)
		return rc;
	dma->addr = mmap(NULL, dma->len, prot, MAP_SHARED, fd, (off_t)start);
	if (dma->addr == MAP_FAILED)
		return errno == EACCES ? -EPERM : -EINVAL;
	return 0;
}

static int map_file(struct vfiosafe_sim *sim, struct vsim_file *file,
		    struct iommu_ioas_map_file *arg)
{
	struct vsim_dma dma = {
		.iova = arg->iova,
		.len = arg->length,
		.file = true,
		.prot = prot_of(arg->flags),
	};
	int rc = check_map(arg->flags, arg->iova, arg->length);

	if (rc < 0)
		return rc;
	if (arg->start % VSIM_PAGE || arg->length % VSIM_PAGE)
		return -EINVAL;
	if (fcntl(arg->fd, F_GETFD) < 0)
		return -EBADF;
	rc = use_file(&dma, arg->fd, arg->start);
	if (rc < 0)
		return rc;
	rc = finish(sim, file, arg->ioas_id, arg->flags, &dma);
	if (rc == 0)
		arg->iova = dma.iova;
	else if (dma.peer)
		vsim_peer_put(dma.peer, dma.peer_epoch);
	else
		munmap(dma.addr, arg->length);
	return rc;
}

static int unmap(struct vfiosafe_sim *sim, struct vsim_file *file,
		 struct iommu_ioas_unmap *arg)
{
	struct vsim_ioas *ioas = vsim_ioas_by_id(sim, file, arg->ioas_id);
	bool all = arg->iova == 0 && arg->length == UINT64_MAX;
	uint64_t last = all ? UINT64_MAX : arg->iova + arg->length - 1;
	uint64_t len;
	int rc = vsim_fail_once(sim, VFIOSAFE_SIM_CALL_UNMAP);

	if (rc < 0)
		return rc;
	if (!ioas)
		return -ENOENT;
	if (arg->length == 0)
		return -EINVAL;
	if (last < arg->iova || (!all && arg->length == UINT64_MAX))
		return -EOVERFLOW;
	rc = vsim_ioas_unmap(ioas, arg->iova, last, &len);
	if (rc < 0)
		return rc;
	if (len == 0 && !all)
		return -ENOENT;
	arg->length = len;
	return 0;
}

static int locked(struct vfiosafe_sim *sim, struct vsim_file *file, unsigned long request,
		  void *arg)
{
	int rc;

	pthread_mutex_lock(&sim->lock);
	if (request == IOMMU_IOAS_ALLOC)
		rc = alloc_ioas(sim, file, arg);
	else if (request == IOMMU_DESTROY)
		rc = destroy(sim, file, arg);
	else if (request == IOMMU_IOAS_IOVA_RANGES)
		rc = iova_ranges(sim, file, arg);
	else
		rc = unmap(sim, file, arg);
	pthread_mutex_unlock(&sim->lock);
	return rc;
}

/* All of them begin with their size. */
static uint32_t least_size(unsigned long request)
{
	switch (request) {
	case IOMMU_IOAS_ALLOC:
		return sizeof(struct iommu_ioas_alloc);
	case IOMMU_DESTROY:
		return sizeof(struct iommu_destroy);
	case IOMMU_IOAS_IOVA_RANGES:
		return sizeof(struct iommu_ioas_iova_ranges);
	case IOMMU_IOAS_MAP:
		return sizeof(struct iommu_ioas_map);
	case IOMMU_IOAS_MAP_FILE:
		return sizeof(struct iommu_ioas_map_file);
	case IOMMU_IOAS_UNMAP:
		return sizeof(struct iommu_ioas_unmap);
	default:
		return 0;
	}
}

int vsim_iommufd_ioctl(struct vfiosafe_sim *sim, struct vsim_file *file,
		       unsigned long request, void *arg)
{
	uint32_t size;

	if (least_size(request) == 0)
		return -ENOTTY;
	if (!arg)
		return -EFAULT;
	memcpy(&size, arg, sizeof(size));
	if (size < least_size(request))
		return -EINVAL;
	if (request == IOMMU_IOAS_MAP)
		return map_memory(sim, file, arg);
	if (request == IOMMU_IOAS_MAP_FILE)
		return map_file(sim, file, arg);
	return locked(sim, file, request, arg);
}

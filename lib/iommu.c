/* SPDX-License-Identifier: MIT */
/* The IOMMU context of one or several devices: who holds it, and when it ends. */
#include <errno.h>
#include <stdlib.h>

#include "device.h"
#include "door.h"
#include "error.h"

struct vsf_iommu *vsf_iommu_new(const struct vfiosafe_sys *sys, enum vfiosafe_door door)
{
	struct vsf_iommu *iommu = calloc(1, sizeof(*iommu));

	if (!iommu) {
		vsf_fail(ENOMEM, "out of memory");
		return NULL;
	}
	iommu->sys = sys;
	iommu->door = door;
	iommu->refs = 1;
	iommu->fd = -1;
	iommu->dma = door == VFIOSAFE_DOOR_CDEV ? &vsf_dma_cdev : &vsf_dma_group;
	pthread_mutex_init(&iommu->lock, NULL);
	vsf_mappings_init(&iommu->maps);
	return iommu;
}

void vsf_iommu_get(struct vsf_iommu *iommu)
{
	__atomic_fetch_add(&iommu->refs, 1, __ATOMIC_RELAXED);
}

void vsf_iommu_add(struct vsf_iommu *iommu, struct vfiosafe_device *dev)
{
	dev->iommu = iommu;
	pthread_mutex_lock(&iommu->lock);
	dev->next_in_iommu = iommu->devices;
	iommu->devices = dev;
	pthread_mutex_unlock(&iommu->lock);
}

void vsf_iommu_remove(struct vfiosafe_device *dev)
{
	struct vsf_iommu *iommu = dev->iommu;
	struct vfiosafe_device **at;

	if (!iommu)
		return;
	pthread_mutex_lock(&iommu->lock);
	at = &iommu->devices;
	while (*at != dev)
		at = &(*at)->next_in_iommu;
	*at = dev->next_in_iommu;
	pthread_mutex_unlock(&iommu->lock);
}

void vsf_iommu_put(struct vsf_iommu *iommu)
{
	/* Release ours, acquire the others' before the end. */
	if (!iommu || __atomic_sub_fetch(&iommu->refs, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	while (iommu->groups) {
		struct vsf_group *group = iommu->groups;

		iommu->groups = group->next;
		vsf_sys(iommu->sys, close, group->fd);
		free(group);
	}
	if (iommu->fd >= 0)
		vsf_sys(iommu->sys, close, iommu->fd);
	/* The kernel has let go of the memory: now it may go. */
	vsf_mappings_free(&iommu->maps, iommu->sys);
	pthread_mutex_destroy(&iommu->lock);
	free(iommu);
}

void vsf_iommu_forget(struct vsf_iommu *iommu)
{
	if (iommu)
		vsf_mappings_forget(&iommu->maps);
}

int vsf_open_ioctl(const struct vsf_open *req, int fd, unsigned long request, void *arg)
{
	int64_t pause = 1000000;
	int rc;

	while ((rc = vsf_sys(req->sys, ioctl, fd, request, arg)) == -EAGAIN) {
		if (vsf_now(req->sys) >= req->deadline)
			return -ETIMEDOUT;
		vsf_pause(req->sys, pause, req->deadline);
		if (pause < 50000000)
			pause *= 2;
	}
	return rc;
}

/* SPDX-License-Identifier: MIT */
/*
 * ioctl.c - the VFIO device ioctls that the device answers.
 */
#include <errno.h>
#include <uapi.h>
#include <stddef.h>
#include <string.h>
#include "internal.h"

#define END_OF(type, member) (offsetof(type, member) + sizeof(((type *)0)->member))

static int get_info(struct vfio_device_info *arg)
{
	struct vfio_device_info info = {
		.flags = VFIO_DEVICE_FLAGS_PCI | VFIO_DEVICE_FLAGS_RESET,
		.num_regions = VFIO_PCI_NUM_REGIONS,
		.num_irqs = VFIO_PCI_NUM_IRQS,
	};

	if (arg->argsz < END_OF(struct vfio_device_info, num_irqs))
		return -EINVAL;
	info.argsz = arg->argsz;
	memcpy(arg, &info, info.argsz < sizeof(info) ? info.argsz : sizeof(info));
	return 0;
}

static void bar_info(const struct vsim_bar_kind *kind, struct vfio_region_info *arg)
{
	arg->size = kind->len;
	arg->flags = 0;
	if (kind->len)
		arg->flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
	if (kind->mappable)
		arg->flags |= VFIO_REGION_INFO_FLAG_MMAP;
}

/* The BAR with the MSI-X table: all of it may be mapped. */
static void add_msix_mappable(struct vfio_region_info *arg)
{
	struct vfio_info_cap_header cap = {
		.id = VFIO_REGION_INFO_CAP_MSIX_MAPPABLE,
		.version = 1,
	};

	arg->flags |= VFIO_REGION_INFO_FLAG_CAPS;
	if (arg->argsz < sizeof(*arg) + sizeof(cap)) {
		arg->argsz = sizeof(*arg) + sizeof(cap);
		return;
	}
	arg->cap_offset = sizeof(*arg);
	memcpy((char *)arg + sizeof(*arg), &cap, sizeof(cap));
}

static int get_region_info(const struct vfiosafe_sim *sim, struct vfio_region_info *arg)
{
	static const struct vsim_bar_kind config = { .len = VSIM_CONFIG_LEN };
	static const struct vsim_bar_kind absent;

	if (arg->argsz < END_OF(struct vfio_region_info, offset))
		return -EINVAL;
	if (arg->index < VSIM_BARS)
		bar_info(&sim->model->bar[arg->index], arg);
	else if (arg->index == VFIO_PCI_ROM_REGION_INDEX)
		bar_info(&absent, arg);
	else if (arg->index == VFIO_PCI_CONFIG_REGION_INDEX)
		bar_info(&config, arg);
	else
		return -EINVAL;
	arg->offset = (uint64_t)arg->index << VSIM_REGION_SHIFT;
	arg->cap_offset = 0;
	if (arg->index == sim->model->msix_bar)
		add_msix_mappable(arg);
	return 0;
}

static int dispatch(struct vfiosafe_sim *sim, unsigned long request, void *arg)
{
	switch (request) {
	case VFIO_DEVICE_GET_INFO:
		return get_info(arg);
	case VFIO_DEVICE_GET_REGION_INFO:
		return get_region_info(sim, arg);
	case VFIO_DEVICE_GET_IRQ_INFO:
		return vsim_get_irq_info(sim, arg);
	case VFIO_DEVICE_SET_IRQS:
		return vsim_set_irqs(sim, arg);
	default:
		return vsim_device_feature(sim, arg);
	}
}

int vsim_ioctl(struct vfiosafe_sim *sim, unsigned long request, void *arg)
{
	pthread_mutex_lock(&sim->lock);
	vsim_resume(sim);
	pthread_mutex_unlock(&sim->lock);
	if (request == VFIO_DEVICE_RESET)
		return vsim_reset(sim);
	/* On a root bus, nothing but the function itself can be reset. */
	if (request == VFIO_DEVICE_GET_PCI_HOT_RESET_INFO ||
	    request == VFIO_DEVICE_PCI_HOT_RESET)
		return -ENODEV;
	if (request != VFIO_DEVICE_GET_INFO && request != VFIO_DEVICE_GET_REGION_INFO &&
	    request != VFIO_DEVICE_GET_IRQ_INFO && request != VFIO_DEVICE_SET_IRQS &&
	    request != VFIO_DEVICE_FEATURE)
		return -ENOTTY;
	return arg ? dispatch(sim, request, arg) : -EFAULT;
}

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
	return 0;
}

/* No interrupt line, no MSI; the two that VFIO itself makes. */
static int get_irq_info(struct vfio_irq_info *arg)
{
	if (arg->argsz < END_OF(struct vfio_irq_info, count))
		return -EINVAL;
	if (arg->index >= VFIO_PCI_NUM_IRQS)
		return -EINVAL;
	arg->flags = VFIO_IRQ_INFO_EVENTFD;
	if (arg->index == VFIO_PCI_INTX_IRQ_INDEX)
		arg->flags |= VFIO_IRQ_INFO_MASKABLE | VFIO_IRQ_INFO_AUTOMASKED;
	else
		arg->flags |= VFIO_IRQ_INFO_NORESIZE;
	arg->count = arg->index >= VFIO_PCI_ERR_IRQ_INDEX;
	return 0;
}

int vsim_ioctl(struct vfiosafe_sim *sim, unsigned long request, void *arg)
{
	if (request == VFIO_DEVICE_RESET)
		return vsim_reset(sim);
	if (request != VFIO_DEVICE_GET_INFO && request != VFIO_DEVICE_GET_REGION_INFO &&
	    request != VFIO_DEVICE_GET_IRQ_INFO)
		return -ENOTTY;
	if (!arg)
		return -EFAULT;
	if (request == VFIO_DEVICE_GET_INFO)
		return get_info(arg);
	if (request == VFIO_DEVICE_GET_REGION_INFO)
		return get_region_info(sim, arg);
	return get_irq_info(arg);
}

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

/* 0 to go on, with the rules of the kernel; 1 if only asked whether it exists. */
static int check_feature(const struct vfio_device_feature *arg)
{
	uint32_t ops = VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_SET;
	uint32_t known = VFIO_DEVICE_FEATURE_MASK | VFIO_DEVICE_FEATURE_PROBE | ops;
	bool probe = arg->flags & VFIO_DEVICE_FEATURE_PROBE;
	uint32_t feature = arg->flags & VFIO_DEVICE_FEATURE_MASK;

	if (arg->argsz < sizeof(*arg) || (arg->flags & ~known))
		return -EINVAL;
	if (!probe && (arg->flags & ops) == ops)
		return -EINVAL;
	if (feature != VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY &&
	    feature != VFIO_DEVICE_FEATURE_LOW_POWER_EXIT)
		return -ENOTTY;
	if (arg->flags & VFIO_DEVICE_FEATURE_GET)
		return -EINVAL;
	if (probe)
		return 1;
	return arg->flags & VFIO_DEVICE_FEATURE_SET ? 0 : -EINVAL;
}

/* Entering loses a D3hot that the program had asked for; leaving is idempotent. */
static int set_low_power(struct vfiosafe_sim *sim, bool enter)
{
	int rc = 0;

	pthread_mutex_lock(&sim->lock);
	while (sim->memory_locked)
		pthread_cond_wait(&sim->changed, &sim->lock);
	if (enter && sim->low_power) {
		rc = -EINVAL;
	} else {
		sim->low_power = enter;
		if (enter)
			vsim_config_to_d0(sim);
		vsim_bars_update(sim);
	}
	pthread_mutex_unlock(&sim->lock);
	return rc;
}

static int device_feature(struct vfiosafe_sim *sim, const struct vfio_device_feature *arg)
{
	uint32_t feature = arg->flags & VFIO_DEVICE_FEATURE_MASK;
	int rc = check_feature(arg);

	if (rc != 0)
		return rc < 0 ? rc : 0;
	return set_low_power(sim, feature == VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY);
}

int vsim_ioctl(struct vfiosafe_sim *sim, unsigned long request, void *arg)
{
	if (request == VFIO_DEVICE_RESET)
		return vsim_reset(sim);
	if (request != VFIO_DEVICE_GET_INFO && request != VFIO_DEVICE_GET_REGION_INFO &&
	    request != VFIO_DEVICE_GET_IRQ_INFO && request != VFIO_DEVICE_FEATURE)
		return -ENOTTY;
	if (!arg)
		return -EFAULT;
	if (request == VFIO_DEVICE_GET_INFO)
		return get_info(arg);
	if (request == VFIO_DEVICE_GET_REGION_INFO)
		return get_region_info(sim, arg);
	if (request == VFIO_DEVICE_FEATURE)
		return device_feature(sim, arg);
	return get_irq_info(arg);
}

/* SPDX-License-Identifier: MIT */
/*
 * feature.c - VFIO_DEVICE_FEATURE: which there are, and what may be done with each.
 */
#include <errno.h>
#include <uapi.h>
#include "dmabuf.h"
#include "internal.h"

#define OPS (VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_SET)

/* 0: there is no such. */
static uint32_t ops_of(uint32_t feature)
{
	switch (feature) {
	case VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY:
	case VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY_WITH_WAKEUP:
	case VFIO_DEVICE_FEATURE_LOW_POWER_EXIT:
		return VFIO_DEVICE_FEATURE_SET;
	case VFIO_DEVICE_FEATURE_DMA_BUF:
		return VFIO_DEVICE_FEATURE_GET;
	default:
		return 0;
	}
}

/* 0 to go on, with the rules of the kernel; 1 if only asked whether it exists. */
static int check(const struct vfio_device_feature *arg)
{
	uint32_t known = VFIO_DEVICE_FEATURE_MASK | VFIO_DEVICE_FEATURE_PROBE | OPS;
	uint32_t ops = ops_of(arg->flags & VFIO_DEVICE_FEATURE_MASK);
	bool probe = arg->flags & VFIO_DEVICE_FEATURE_PROBE;

	if (arg->argsz < sizeof(*arg) || (arg->flags & ~known))
		return -EINVAL;
	if (!probe && (arg->flags & OPS) == OPS)
		return -EINVAL;
	if (ops == 0)
		return -ENOTTY;
	if (arg->flags & OPS & ~ops)
		return -EINVAL;
	if (probe)
		return 1;
	return arg->flags & ops ? 0 : -EINVAL;
}

int vsim_device_feature(struct vfiosafe_sim *sim, const struct vfio_device_feature *arg)
{
	int rc = check(arg);

	if (rc != 0)
		return rc < 0 ? rc : 0;
	if ((arg->flags & VFIO_DEVICE_FEATURE_MASK) == VFIO_DEVICE_FEATURE_DMA_BUF)
		return vsim_export(sim, arg);
	return vsim_low_power(sim, arg);
}

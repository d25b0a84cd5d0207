/* SPDX-License-Identifier: MIT */
/* What the kernel says of interrupts, and VFIO_DEVICE_SET_IRQS. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "device.h"
#include "error.h"
#include "irq.h"
#include "uapi.h"

int vsf_irq_info(struct vfiosafe_device *dev, uint32_t kind,
		 const struct vsf_irq_info **out)
{
	struct vsf_irq_info *info = &dev->irqs.info[kind];
	struct vfio_irq_info ask = { .argsz = sizeof(ask), .index = kind };
	int rc;

	*out = info;
	if (info->known)
		return 0;
	rc = vsf_sys(dev->sys, ioctl, dev->fd, VFIO_DEVICE_GET_IRQ_INFO, &ask);
	if (rc < 0)
		return vsf_fail(-rc, "VFIO_DEVICE_GET_IRQ_INFO(%s) of %s failed: %s",
				vsf_irq_name(kind), dev->address, strerror(-rc));
	info->count = ask.flags & VFIO_IRQ_INFO_EVENTFD ? ask.count : 0;
	info->maskable = ask.flags & VFIO_IRQ_INFO_MASKABLE;
	info->grows = !(ask.flags & VFIO_IRQ_INFO_NORESIZE);
	info->known = true;
	return 0;
}

struct vfio_irq_set *vsf_irq_set_new(uint32_t kind, uint32_t vectors)
{
	uint32_t argsz =
		(uint32_t)(sizeof(struct vfio_irq_set) + vectors * sizeof(int32_t));
	struct vfio_irq_set *set = calloc(1, argsz);

	if (!set) {
		vsf_fail(ENOMEM, "out of memory");
		return NULL;
	}
	set->argsz = argsz;
	set->flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER;
	set->index = kind;
	set->count = vectors;
	for (uint32_t i = 0; i < vectors; i++)
		vsf_irq_fds(set)[i] = -1;
	return set;
}

int32_t *vsf_irq_fds(const struct vfio_irq_set *set)
{
	return (int32_t *)(uintptr_t)set->data;
}

int vsf_irq_arm(const struct vfiosafe_device *dev, struct vfio_irq_set *set)
{
	return vsf_sys(dev->sys, ioctl, dev->fd, VFIO_DEVICE_SET_IRQS, set);
}

int vsf_irq_arm_one(const struct vfiosafe_device *dev, uint32_t kind, uint32_t vector,
		    int32_t fd)
{
	_Alignas(struct vfio_irq_set)
		uint8_t arg[sizeof(struct vfio_irq_set) + sizeof(fd)];
	struct vfio_irq_set *set = (struct vfio_irq_set *)arg;

	*set = (struct vfio_irq_set){
		.argsz = sizeof(arg),
		.flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER,
		.index = kind,
		.start = vector,
		.count = 1,
	};
	memcpy(set->data, &fd, sizeof(fd));
	return vsf_irq_arm(dev, set);
}

static int without_data(const struct vfiosafe_device *dev, uint32_t kind, uint32_t start,
			uint32_t count, uint32_t action)
{
	struct vfio_irq_set set = {
		.argsz = sizeof(set),
		.flags = VFIO_IRQ_SET_DATA_NONE | action,
		.index = kind,
		.start = start,
		.count = count,
	};

	return vsf_irq_arm(dev, &set);
}

int vsf_irq_off(const struct vfiosafe_device *dev, uint32_t kind)
{
	return without_data(dev, kind, 0, 0, VFIO_IRQ_SET_ACTION_TRIGGER);
}

int vsf_irq_act(const struct vfiosafe_device *dev, uint32_t kind, uint32_t vector,
		uint32_t action)
{
	return without_data(dev, kind, vector, 1, action);
}

int vsf_irq_arm_failed(const struct vfiosafe_device *dev, const struct vfio_irq_set *set,
		       int rc)
{
	const char *name = vsf_irq_name(set->index);

	/* As many as there are: the kernel has enabled nothing. */
	if (rc > 0)
		return vsf_fail(ENOSPC,
				"%s: %u vectors of %s were asked for, the kernel has %d: "
				"nothing is enabled",
				dev->address, set->count, name, rc);
	if (rc == -ENODEV)
		return vsf_fail(EOPNOTSUPP, "%s: its %s is not connected to anything",
				dev->address, name);
	if (rc == -EINVAL)
		return vsf_fail(
			EINVAL,
			"%s: the kernel refuses to enable %s: an fd is no eventfd, "
			"or another holder of the device has enabled interrupts",
			dev->address, name);
	return vsf_fail(-rc, "enabling %s of %s failed: %s", name, dev->address,
			strerror(-rc));
}

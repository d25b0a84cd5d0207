/* SPDX-License-Identifier: MIT */
/* One vector of those that are enabled. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "device.h"
#include "error.h"
#include "uapi.h"

static int check_enabled(const struct vfiosafe_device *dev, uint32_t kind)
{
	const struct vfio_irq_set *set = dev->irqs.set;
	int rc = vsf_irq_refuse(dev);

	if (rc == 0 && (!set || set->index != kind || dev->irqs.off))
		rc = vsf_fail(EINVAL, "%s: %s is not enabled", dev->address,
			      vsf_irq_name(kind));
	return rc;
}

/* Room for @vector: the same request, longer. *@out is the one there is if it fits. */
static int grow(struct vfiosafe_device *dev, uint32_t vector, struct vfio_irq_set **out)
{
	const struct vfio_irq_set *set = dev->irqs.set;
	const struct vsf_irq_info *info;
	int rc = vsf_irq_info(dev, set->index, &info);

	*out = dev->irqs.set;
	if (rc < 0 || vector < set->count)
		return rc;
	if (vector >= info->count)
		return vsf_irq_refuse_vector(dev, set->index, info->count);
	if (!info->grows)
		return vsf_fail(EOPNOTSUPP,
				"%s: %s was enabled with %u vectors, and the kernel "
				"cannot add any: vfiosafe_irq_disable(), and enable "
				"%u",
				dev->address, vsf_irq_name(set->index), set->count,
				vector + 1);
	*out = vsf_irq_set_new(set->index, vector + 1);
	if (!*out)
		return -ENOMEM;
	memcpy(vsf_irq_fds(*out), vsf_irq_fds(set), set->count * sizeof(int32_t));
	return 0;
}

/*
 * The kernel lets go of the former eventfd first: if it does not take the new one it
 * has to be told the former again. If it does not take that either, there is none.
 */
static int arm_other(const struct vfiosafe_device *dev, const struct vfio_irq_set *set,
		     uint32_t vector, int32_t fd)
{
	int32_t *old = &vsf_irq_fds(set)[vector];
	int rc = vsf_irq_arm_one(dev, set->index, vector, fd);

	if (rc == 0)
		return 0;
	if (vsf_irq_arm_one(dev, set->index, vector, *old) != 0 && *old >= 0) {
		vsf_sys(dev->sys, close, *old);
		*old = -1;
	}
	return vsf_fail(rc < 0 ? -rc : ENOSPC,
			"%s vector %u of %s cannot be changed: %s%s%s",
			vsf_irq_name(set->index), vector, dev->address,
			rc < 0 ? strerror(-rc) : "no more vectors",
			rc == -EINVAL ? " (is the fd an eventfd?)" : "",
			*old < 0 ? "; it has no eventfd now" : "");
}

/* @set is the request there is, or a longer one that takes its place. */
static void replace_set(struct vfiosafe_device *dev, struct vfio_irq_set *set)
{
	if (set == dev->irqs.set)
		return;
	free(dev->irqs.set);
	dev->irqs.set = set;
}

static int set_fd(struct vfiosafe_device *dev, uint32_t vector, int eventfd)
{
	struct vfio_irq_set *set;
	int32_t own = -1, old;
	int rc = grow(dev, vector, &set);

	if (rc < 0)
		return rc;
	rc = vsf_irq_duplicate(dev, eventfd, vector, &own);
	if (rc == 0)
		rc = arm_other(dev, set, vector, own);
	if (rc < 0) {
		if (own >= 0)
			vsf_sys(dev->sys, close, own);
		if (set != dev->irqs.set)
			free(set);
		return rc;
	}
	old = vsf_irq_fds(set)[vector];
	vsf_irq_fds(set)[vector] = own;
	if (old >= 0)
		vsf_sys(dev->sys, close, old);
	replace_set(dev, set);
	return 0;
}

VFIOSAFE_API int vfiosafe_irq_set_fd(struct vfiosafe_device *dev,
				     enum vfiosafe_irq_kind kind, uint32_t vector,
				     int eventfd)
{
	int rc = vsf_irq_enter(dev, kind, "vfiosafe_irq_set_fd");

	if (rc < 0)
		return rc;
	rc = check_enabled(dev, kind);
	if (rc == 0)
		rc = set_fd(dev, vector, eventfd);
	return vsf_irq_leave(dev, rc);
}

static int check_vector(const struct vfiosafe_device *dev, uint32_t kind, uint32_t vector)
{
	int rc = check_enabled(dev, kind);

	if (rc == 0 && vector >= dev->irqs.set->count)
		rc = vsf_fail(
			ERANGE, "%s: vector %u is none of the %u of %s that are enabled",
			dev->address, vector, dev->irqs.set->count, vsf_irq_name(kind));
	return rc;
}

static int mask(struct vfiosafe_device *dev, uint32_t kind, uint32_t vector, bool masked)
{
	const struct vsf_irq_info *info;
	int rc = vsf_irq_info(dev, kind, &info);

	if (rc == 0 && !info->maskable)
		return vsf_fail(EOPNOTSUPP,
				"this kernel cannot mask %s: mask it in the device",
				vsf_irq_name(kind));
	if (rc == 0)
		rc = vsf_irq_act(dev, kind, vector,
				 masked ? VFIO_IRQ_SET_ACTION_MASK
					: VFIO_IRQ_SET_ACTION_UNMASK);
	if (rc < 0)
		return vsf_fail(-rc, "%s of %s cannot be %smasked: %s",
				vsf_irq_name(kind), dev->address, masked ? "" : "un",
				strerror(-rc));
	dev->irqs.masked = masked;
	return 0;
}

VFIOSAFE_API int vfiosafe_irq_mask(struct vfiosafe_device *dev,
				   enum vfiosafe_irq_kind kind, uint32_t vector,
				   bool masked)
{
	int rc = vsf_irq_enter(dev, kind, NULL);

	if (rc < 0)
		return rc;
	rc = check_vector(dev, kind, vector);
	if (rc == 0)
		rc = mask(dev, kind, vector, masked);
	return vsf_irq_leave(dev, rc);
}

VFIOSAFE_API int vfiosafe_irq_trigger(struct vfiosafe_device *dev,
				      enum vfiosafe_irq_kind kind, uint32_t vector)
{
	int rc = vsf_irq_enter(dev, kind, NULL);

	if (rc < 0)
		return rc;
	rc = check_vector(dev, kind, vector);
	if (rc == 0 && vsf_irq_fds(dev->irqs.set)[vector] < 0)
		rc = vsf_fail(EINVAL, "%s: vector %u of %s has no eventfd", dev->address,
			      vector, vsf_irq_name(kind));
	if (rc == 0) {
		rc = vsf_irq_act(dev, kind, vector, VFIO_IRQ_SET_ACTION_TRIGGER);
		if (rc < 0)
			rc = vsf_fail(-rc, "%s vector %u of %s cannot be triggered: %s",
				      vsf_irq_name(kind), vector, dev->address,
				      strerror(-rc));
	}
	return vsf_irq_leave(dev, rc);
}

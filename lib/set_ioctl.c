/* SPDX-License-Identifier: MIT */
/* The kernel's call that resets a set. */
#include <errno.h>

#include "error.h"
#include "set.h"
#include "uapi.h"

/* By cdev no fds: one iommufd is the proof. By groups one for each member, if twice. */
void vsf_set_prepare_arg(struct vfiosafe_set *set)
{
	bool groups = vsf_set_caller(set)->door == VFIOSAFE_DOOR_GROUP;
	struct vfio_pci_hot_reset *arg = set->arg;

	arg->count = groups ? set->count : 0;
	arg->argsz = (uint32_t)(sizeof(*arg) + arg->count * sizeof(arg->group_fds[0]));
	for (unsigned int i = 0; i < arg->count; i++)
		arg->group_fds[i] = vsf_set_group_fd(set, set->member[i].group);
}

/* Is it of no use to go on? A member is gone, or wanted back by the kernel. */
static bool is_hopeless(const struct vfiosafe_set *set)
{
	for (unsigned int i = 0; i < set->count; i++) {
		struct vfiosafe_device *dev = set->member[i].pub.dev;

		vsf_events_collect(dev);
		if (vsf_device_state(dev) == VFIOSAFE_GONE || vsf_events_refuse(dev) < 0)
			return true;
	}
	return false;
}

/* EAGAIN and EBUSY are normal contention, EBUSY even by a pread of a member. */
int vsf_set_ioctl(struct vfiosafe_set *set, int64_t deadline)
{
	const struct vfiosafe_device *dev = set->pf ? set->pf : vsf_set_caller(set);
	unsigned long request = set->pf ? VFIO_DEVICE_RESET : VFIO_DEVICE_PCI_HOT_RESET;
	int64_t pause = 500000;
	int rc;

	for (;;) {
		rc = vsf_sys(dev->sys, ioctl, dev->fd, request, set->pf ? NULL : set->arg);
		if (!vsf_is_contention(rc) || vsf_now(dev->sys) >= deadline ||
		    is_hopeless(set))
			return rc;
		vsf_pause(dev->sys, pause, deadline);
		if (pause < 20000000)
			pause *= 2;
	}
}

/* SPDX-License-Identifier: MIT */
/* What the kernel says about resets of a function, without being made to touch it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "door.h"
#include "plan.h"
#include "uapi.h"

/* More functions than there can be on the buses of a domain are no answer. */
#define HOT_MOST 65536u
#define HOT_TRIES 16

/* Of an adopted fd: the kernel's word first, then the program's. */
void vsf_plan_ask_address(struct vsf_plan *plan)
{
	const struct vfiosafe_device *dev = plan->dev;
	char *address = plan->pub.address, fd[16];
	size_t len = sizeof(plan->pub.address);

	snprintf(fd, sizeof(fd), "%d", dev->fd);
	if (dev->door == VFIOSAFE_DOOR_FD &&
	    vsf_proc_address(dev->sys, "self", fd, address, len) == 0)
		return;
	if (!vsf_address_canonical(dev->address, address, len))
		address[0] = '\0';
}

void vsf_plan_ask_methods(struct vsf_plan *plan)
{
	struct vfiosafe_plan *pub = &plan->pub;
	char path[PATH_MAX];
	int rc;

	pub->function_reset = plan->dev->can_reset;
	if (!pub->address[0]) {
		vsf_plan_unknown(plan,
				 "the address behind the adopted fd, and so its reset "
				 "methods (opts.address tells it)");
		return;
	}
	snprintf(path, sizeof(path), VSF_SYSFS_DEVICES "/%s/reset_method", pub->address);
	rc = vsf_sysfs_read(plan->dev->sys, path, pub->methods, sizeof(pub->methods));
	pub->methods_known = rc >= 0;
	if (rc >= 0)
		return;
	pub->methods[0] = '\0';
	if (rc != -ENOENT)
		vsf_plan_unknown(plan, "reset methods (%s: %s)", path, strerror(-rc));
}

bool vsf_plan_function_resets(const struct vsf_plan *plan)
{
	const struct vfiosafe_plan *pub = &plan->pub;

	return pub->function_reset && !(pub->methods_known && !pub->methods[0]);
}

/* One question, with room for @room functions. */
static int ask_hot(struct vsf_plan *plan, uint32_t room)
{
	size_t len = sizeof(*plan->hot) + room * sizeof(plan->hot->devices[0]);
	int rc;

	free(plan->hot);
	plan->hot = calloc(1, len);
	if (!plan->hot)
		return -ENOMEM;
	plan->hot->argsz = (uint32_t)len;
	rc = vsf_sys(plan->dev->sys, ioctl, plan->dev->fd,
		     VFIO_DEVICE_GET_PCI_HOT_RESET_INFO, plan->hot);
	/* Only a lack of memory of ours ends the plan. */
	if (rc == -ENOMEM)
		return -ENOBUFS;
	if (rc == 0 && (plan->hot->count == 0 || plan->hot->count > room))
		return -EBADMSG;
	if (rc == -ENOSPC && (plan->hot->count <= room || plan->hot->count > HOT_MOST))
		return -EBADMSG;
	return rc;
}

/* Again with more room, or when a function came or went while it counted. */
static int ask_hot_again(struct vsf_plan *plan)
{
	uint32_t room = 8;
	int rc = -EAGAIN;

	for (int i = 0; i < HOT_TRIES && (rc == -EAGAIN || rc == -ENOSPC); i++) {
		rc = ask_hot(plan, room);
		if (rc == -ENOSPC)
			room = plan->hot->count;
	}
	return rc;
}

bool vsf_plan_by_devid(const struct vsf_plan *plan)
{
	return plan->hot && (plan->hot->flags & VFIO_PCI_HOT_RESET_FLAG_DEV_ID);
}

/* Every ioctl wakes a device in low power. */
static bool is_asleep(struct vfiosafe_device *dev)
{
	bool asleep;

	pthread_mutex_lock(&dev->lock);
	asleep = dev->parked == VSF_PARK_LOW_POWER;
	pthread_mutex_unlock(&dev->lock);
	return asleep;
}

int vsf_plan_ask_hot(struct vsf_plan *plan)
{
	if (is_asleep(plan->dev)) {
		plan->hot_rc = VSF_PLAN_ASLEEP;
		vsf_plan_unknown(plan,
				 "what a hot reset would hit (asking would wake the "
				 "device)");
		return 0;
	}
	plan->hot_rc = ask_hot_again(plan);
	plan->pub.hot_reset = plan->hot_rc == 0;
	if (plan->hot_rc == 0)
		return 0;
	free(plan->hot);
	plan->hot = NULL;
	if (plan->hot_rc == -ENOMEM)
		return -ENOMEM;
	if (plan->hot_rc != -ENODEV && plan->hot_rc != -ENOTTY)
		vsf_plan_unknown(plan, "what a hot reset would hit (%s)",
				 strerror(-plan->hot_rc));
	return 0;
}

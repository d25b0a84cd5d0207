/* SPDX-License-Identifier: MIT */
/* Which devices are a set. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "door.h"
#include "epoch.h"
#include "error.h"
#include "join.h"
#include "plan.h"
#include "set.h"
#include "uapi.h"

static int by_address(const void *a, const void *b)
{
	const struct vsf_member *one = a, *other = b;

	return strcmp(one->pub.address, other->pub.address);
}

/* By the group door the fd of each member's group is wanted. */
static int ask_group(struct vsf_member *m)
{
	const struct vfiosafe_device *dev = m->pub.dev;
	char group[VSF_NAME_LEN];
	unsigned int id = 0;
	int rc = vsf_function_group(dev->sys, m->pub.address, group, sizeof(group));

	if (rc == 0)
		rc = vsf_group_number(group, &id);
	m->group = rc == 0 ? (int32_t)id : -1;
	if (rc < 0 && dev->door != VFIOSAFE_DOOR_CDEV)
		return vsf_fail(-rc, "cannot read " VSF_SYSFS_DEVICES "/%s/iommu_group: %s",
				m->pub.address, strerror(-rc));
	return 0;
}

static int name_member(struct vsf_member *m, struct vfiosafe_device *dev)
{
	struct vsf_plan plan = { .dev = dev };

	m->pub.dev = dev;
	vsf_plan_ask_address(&plan);
	if (!plan.pub.address[0])
		return vsf_fail(EINVAL, "%s was adopted, and the kernel does not say its address: "
					"tell it by opts.address",
				dev->address);
	memcpy(m->pub.address, plan.pub.address, sizeof(m->pub.address));
	return ask_group(m);
}

static int refuse_twice(const struct vfiosafe_set *set)
{
	for (unsigned int i = 1; i < set->count; i++)
		if (by_address(&set->member[i - 1], &set->member[i]) == 0)
			return vsf_fail(EINVAL, "%s is listed twice",
					set->member[i].pub.address);
	return 0;
}

static int fill(struct vfiosafe_set *set, struct vfiosafe_device *const *devs)
{
	int rc = 0;

	for (unsigned int i = 0; i < set->count && rc == 0; i++)
		rc = name_member(&set->member[i], devs[i]);
	if (rc < 0)
		return rc;
	qsort(set->member, set->count, sizeof(set->member[0]), by_address);
	for (unsigned int i = 1; i < set->count; i++)
		set->member[i - 1].pub.next = &set->member[i].pub;
	return refuse_twice(set);
}

int vsf_set_alloc(struct vfiosafe_set **out, struct vfiosafe_device *const *devs,
		  unsigned int count)
{
	struct vfiosafe_set *set = calloc(1, sizeof(*set) + count * sizeof(set->member[0]));
	int rc = 0;

	if (set)
		set->arg = calloc(1, sizeof(*set->arg) + count * sizeof(set->arg->group_fds[0]));
	if (!set || !set->arg) {
		rc = vsf_fail(ENOMEM, "out of memory");
	} else {
		set->count = count;
		rc = fill(set, devs);
	}
	if (rc < 0)
		vfiosafe_set_free(set);
	else
		*out = set;
	return rc;
}

struct vsf_member *vsf_set_find(struct vfiosafe_set *set, const char *address)
{
	for (unsigned int i = 0; i < set->count; i++)
		if (strcmp(set->member[i].pub.address, address) == 0)
			return &set->member[i];
	return NULL;
}

struct vfiosafe_device *vsf_set_caller(struct vfiosafe_set *set)
{
	for (unsigned int i = 0; i < set->count; i++)
		if (set->member[i].pub.dev->iommu)
			return set->member[i].pub.dev;
	return set->member[0].pub.dev;
}

static int group_fd_in(struct vsf_iommu *iommu, int32_t id)
{
	int fd = -1;

	pthread_mutex_lock(&iommu->lock);
	for (const struct vsf_group *group = iommu->groups; group; group = group->next)
		if ((int32_t)group->id == id)
			fd = group->fd;
	pthread_mutex_unlock(&iommu->lock);
	return fd;
}

int vsf_set_group_fd(struct vfiosafe_set *set, int32_t group)
{
	int fd = -1;

	for (unsigned int i = 0; i < set->count && fd < 0; i++)
		if (set->member[i].pub.dev->iommu)
			fd = group_fd_in(set->member[i].pub.dev->iommu, group);
	return fd;
}

int vsf_set_refuse_device(const struct vfiosafe_device *dev, const char *call)
{
	if (vsf_depth() > 0)
		return vsf_fail(EDEADLK, "%s inside a section: it blocks", call);
	if (vsf_words_forked(dev->words) || vsf_device_state(dev) == VFIOSAFE_GONE)
		return vsf_state_error(0, 0);
	return vsf_join_refuse(dev, call);
}

VFIOSAFE_API int vfiosafe_set_new(struct vfiosafe_set **out,
				  struct vfiosafe_device *const *devs, unsigned int count)
{
	struct vfiosafe_set *set;
	int rc = 0;

	if (count == 0)
		return vsf_fail(EINVAL, "a set has at least one device");
	for (unsigned int i = 0; i < count && rc == 0; i++)
		rc = vsf_set_refuse_device(devs[i], "vfiosafe_set_new");
	if (rc == 0)
		rc = vsf_set_alloc(&set, devs, count);
	if (rc < 0)
		return rc;
	rc = vsf_set_check(set);
	if (rc < 0)
		vfiosafe_set_free(set);
	else
		*out = set;
	return rc;
}

/* Does the kernel list it among those that @dev is reset with? */
static bool is_listed(const struct vsf_plan *plan, const struct vfiosafe_device *dev)
{
	for (const struct vsf_plan_function *f = plan->functions; f; f = f->next)
		if (f->listed && strcmp(f->pub.address, dev->address) == 0)
			return true;
	return false;
}

/* @dev, and what else of its context is in @plan, into @devs; their number. */
static unsigned int collect(const struct vsf_plan *plan, struct vfiosafe_device *dev,
			    struct vfiosafe_device **devs, unsigned int room)
{
	unsigned int count = 0;

	devs[count++] = dev;
	if (!dev->iommu)
		return count;
	pthread_mutex_lock(&dev->iommu->lock);
	for (struct vfiosafe_device *d = dev->iommu->devices; d && count < room;
	     d = d->next_in_iommu)
		if (d != dev && vsf_device_state(d) != VFIOSAFE_GONE && is_listed(plan, d))
			devs[count++] = d;
	pthread_mutex_unlock(&dev->iommu->lock);
	return count;
}

VFIOSAFE_API int vfiosafe_set_of(struct vfiosafe_set **out, struct vfiosafe_device *dev)
{
	struct vfiosafe_device **devs;
	struct vfiosafe_plan *plan;
	unsigned int room;
	int rc = vsf_set_refuse_device(dev, "vfiosafe_set_of");

	if (rc == 0)
		rc = vfiosafe_reset_plan(&plan, dev, VFIOSAFE_METHOD_HOT);
	if (rc < 0)
		return rc;
	room = plan->function_count + 1;
	devs = calloc(room, sizeof(struct vfiosafe_device *));
	rc = devs ? vfiosafe_set_new(out, devs,
				     collect((struct vsf_plan *)plan, dev, devs, room))
		  : vsf_fail(ENOMEM, "out of memory");
	free(devs);
	vfiosafe_plan_free(plan);
	return rc;
}

VFIOSAFE_API void vfiosafe_set_free(struct vfiosafe_set *set)
{
	if (set)
		free(set->arg);
	free(set);
}

VFIOSAFE_API const struct vfiosafe_set_member *
vfiosafe_set_members(const struct vfiosafe_set *set)
{
	return &set->member[0].pub;
}

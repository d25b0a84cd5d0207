/* SPDX-License-Identifier: MIT */
/* The making of a plan: which functions, what sysfs says of each. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "door.h"
#include "epoch.h"
#include "error.h"
#include "join.h"
#include "plan.h"
#include "uapi.h"

#define NAME_OF(entry, buf)                                                              \
	snprintf(buf, sizeof(buf), "%04x:%02x:%02x.%x", (entry)->segment, (entry)->bus,  \
		 (entry)->devfn >> 3, (entry)->devfn & 7)

void vsf_plan_unknown(struct vsf_plan *plan, const char *fmt, ...)
{
	char *text = plan->pub.unknown;
	size_t used = strlen(text), len = sizeof(plan->pub.unknown);
	va_list ap;

	if (used > 0)
		used += (size_t)snprintf(text + used, len - used, "; ");
	if (used >= len)
		return;
	va_start(ap, fmt);
	vsnprintf(text + used, len - used, fmt, ap);
	va_end(ap);
}

static struct vsf_plan_function *find(const struct vsf_plan *plan, const char *address)
{
	struct vsf_plan_function *f = plan->functions;

	while (f && strcmp(f->pub.address, address) != 0)
		f = f->next;
	return f;
}

/* The one with that address, added if it is new; NULL: no memory. */
static struct vsf_plan_function *add(struct vsf_plan *plan, const char *address,
				     enum vfiosafe_plan_role role)
{
	struct vsf_plan_function *f = find(plan, address);

	if (f)
		return f;
	f = calloc(1, sizeof(*f));
	if (!f)
		return NULL;
	snprintf(f->pub.address, sizeof(f->pub.address), "%s", address);
	f->pub.role = role;
	f->pub.group = -1;
	*plan->functions_end = f;
	plan->functions_end = &f->next;
	plan->pub.function_count++;
	return f;
}

/* Those that the kernel listed, in its order, behind the one asked about. */
static int add_listed(struct vsf_plan *plan)
{
	bool by_devid = vsf_plan_by_devid(plan);
	char address[24];

	for (uint32_t i = 0; i < plan->hot->count; i++) {
		const struct vfio_pci_dependent_device *entry = &plan->hot->devices[i];
		struct vsf_plan_function *f;

		NAME_OF(entry, address);
		f = add(plan, address, VFIOSAFE_ROLE_SIBLING);
		if (!f)
			return -ENOMEM;
		f->listed = true;
		if (by_devid)
			f->ours = (int32_t)entry->devid != VFIO_PCI_DEVID_NOT_OWNED;
		else
			f->pub.group = (int32_t)entry->group_id;
	}
	return 0;
}

/* The virtual functions of @pf; they may be listed already, behind it or before. */
static int add_vfs(struct vsf_plan *plan, const struct vsf_plan_function *pf)
{
	const struct vfiosafe_sys *sys = plan->dev->sys;
	char path[PATH_MAX], address[24];
	int rc;

	for (unsigned int i = 0;; i++) {
		struct vsf_plan_function *f;

		snprintf(path, sizeof(path), VSF_SYSFS_DEVICES "/%s/virtfn%u",
			 pf->pub.address, i);
		rc = vsf_sysfs_link(sys, path, address, sizeof(address));
		if (rc < 0)
			break;
		f = add(plan, address, VFIOSAFE_ROLE_VF);
		if (!f)
			return -ENOMEM;
		if (f->pub.role == VFIOSAFE_ROLE_SIBLING)
			f->pub.role = VFIOSAFE_ROLE_VF;
		memcpy(f->pf, pf->pub.address, sizeof(f->pf));
	}
	if (rc != -ENOENT)
		vsf_plan_unknown(plan, "virtual functions of %s (%s)", pf->pub.address,
				 strerror(-rc));
	return 0;
}

static int add_functions(struct vsf_plan *plan)
{
	bool hot = plan->pub.method == VFIOSAFE_METHOD_HOT && plan->hot;
	int rc = 0;

	/* Without an address it is one of the listed, nobody knows which. */
	if ((!hot || plan->pub.address[0]) &&
	    !add(plan, plan->pub.address, VFIOSAFE_ROLE_SELF))
		return -ENOMEM;
	if (hot)
		rc = add_listed(plan);
	for (struct vsf_plan_function *f = plan->functions; f && rc == 0; f = f->next)
		if (f->pub.address[0] && f->pub.role != VFIOSAFE_ROLE_VF)
			rc = add_vfs(plan, f);
	return rc;
}

/* What cannot be read is not taken for absent. */
static void look_up_driver(struct vsf_plan *plan, struct vsf_plan_function *f)
{
	int rc = vsf_function_driver(plan->dev->sys, f->pub.address, f->pub.driver,
				     sizeof(f->pub.driver));

	if (rc < 0)
		snprintf(f->pub.driver, sizeof(f->pub.driver), "%s",
			 rc == -ENOENT ? "" : "?");
	if (rc < 0 && rc != -ENOENT)
		vsf_plan_unknown(plan, "driver of %s (%s)", f->pub.address,
				 strerror(-rc));
}

/* Group and node: without them, who has the function open is not found in /proc. */
static void look_up_names(struct vsf_plan *plan, struct vsf_plan_function *f)
{
	const struct vfiosafe_sys *sys = plan->dev->sys;
	const char *address = f->pub.address;
	char group[VSF_NAME_LEN];
	unsigned int id;
	int rc = vsf_function_group(sys, address, group, sizeof(group));

	if (rc == 0)
		rc = vsf_group_number(group, &id);
	if (rc == 0)
		f->pub.group = (int32_t)id;
	if (rc < 0 && rc != -ENOENT) {
		plan->hidden = true;
		vsf_plan_unknown(plan, "IOMMU group of %s (%s)", address, strerror(-rc));
	}
	rc = vsf_function_node(sys, address, f->node, sizeof(f->node));
	if (rc < 0)
		f->node[0] = '\0';
	/* A kernel without the cdev door has none. */
	if (rc < 0 && rc != -ENOENT) {
		plan->hidden = true;
		vsf_plan_unknown(plan, "VFIO node of %s (%s)", address, strerror(-rc));
	}
}

/* By the group door, what is in a group of our container is ours. */
static void mark_own_groups(struct vsf_plan *plan)
{
	struct vsf_iommu *iommu = plan->dev->iommu;

	if (plan->dev->door != VFIOSAFE_DOOR_GROUP)
		return;
	pthread_mutex_lock(&iommu->lock);
	for (struct vsf_plan_function *f = plan->functions; f; f = f->next)
		for (const struct vsf_group *group = iommu->groups; group;
		     group = group->next)
			f->ours |= f->pub.group == (int32_t)group->id;
	pthread_mutex_unlock(&iommu->lock);
}

static void look_up_all(struct vsf_plan *plan)
{
	for (struct vsf_plan_function *f = plan->functions; f; f = f->next) {
		if (!f->pub.address[0]) {
			strcpy(f->pub.driver, "?");
			continue;
		}
		look_up_driver(plan, f);
		look_up_names(plan, f);
	}
	mark_own_groups(plan);
	vsf_plan_ask_owners(plan);
}

/* The only function of its bus is the one whose fd we have. */
static void take_address_from_list(struct vsf_plan *plan)
{
	if (!plan->pub.address[0] && plan->hot && plan->hot->count == 1)
		NAME_OF(&plan->hot->devices[0], plan->pub.address);
}

static void choose(struct vfiosafe_plan *pub, bool function, enum vfiosafe_method method)
{
	pub->smallest = function	 ? VFIOSAFE_METHOD_FUNCTION
			: pub->hot_reset ? VFIOSAFE_METHOD_HOT
					 : VFIOSAFE_METHOD_NONE;
	pub->method = method == VFIOSAFE_METHOD_AUTO ? pub->smallest : method;
}

static int fill(struct vsf_plan *plan, enum vfiosafe_method method)
{
	int rc;

	vsf_plan_ask_address(plan);
	rc = vsf_plan_ask_hot(plan);
	if (rc < 0)
		return rc;
	take_address_from_list(plan);
	vsf_plan_ask_methods(plan);
	choose(&plan->pub, vsf_plan_function_resets(plan), method);
	rc = add_functions(plan);
	if (rc < 0)
		return rc;
	look_up_all(plan);
	return vsf_plan_conclude(plan);
}

/* The links that the caller follows. */
static void publish(struct vsf_plan *plan)
{
	plan->pub.functions = plan->functions ? &plan->functions->pub : NULL;
	plan->pub.blocks = plan->blocks ? &plan->blocks->pub : NULL;
	for (struct vsf_plan_function *f = plan->functions; f && f->next; f = f->next)
		f->pub.next = &f->next->pub;
	for (struct vsf_plan_block *b = plan->blocks; b && b->next; b = b->next)
		b->pub.next = &b->next->pub;
	plan->pub.possible = !plan->blocks;
}

VFIOSAFE_API void vfiosafe_plan_free(struct vfiosafe_plan *pub)
{
	struct vsf_plan *plan = (struct vsf_plan *)pub;

	if (!plan)
		return;
	while (plan->functions) {
		struct vsf_plan_function *f = plan->functions;

		plan->functions = f->next;
		free(f);
	}
	while (plan->blocks) {
		struct vsf_plan_block *b = plan->blocks;

		plan->blocks = b->next;
		free(b);
	}
	free(plan->hot);
	free(plan);
}

void vsf_plan_init(struct vsf_plan *plan, struct vfiosafe_device *dev)
{
	plan->dev = dev;
	plan->functions_end = &plan->functions;
	plan->blocks_end = &plan->blocks;
}

VFIOSAFE_API int vfiosafe_reset_plan(struct vfiosafe_plan **out,
				     struct vfiosafe_device *dev,
				     enum vfiosafe_method method)
{
	struct vsf_plan *plan;
	int rc;

	if (vsf_depth() > 0)
		return vsf_fail(EDEADLK,
				"vfiosafe_reset_plan inside a section: it blocks");
	if (vsf_words_forked(dev->words) || vsf_device_state(dev) == VFIOSAFE_GONE)
		return vsf_state_error(0, 0);
	rc = vsf_join_refuse(dev, "vfiosafe_reset_plan");
	if (rc < 0)
		return rc;
	if (method > VFIOSAFE_METHOD_HOT)
		return vsf_fail(EINVAL, "method is %d; it may be AUTO, FUNCTION or HOT",
				(int)method);
	plan = calloc(1, sizeof(*plan));
	if (!plan)
		return vsf_fail(ENOMEM, "out of memory");
	vsf_plan_init(plan, dev);
	vsf_count_inside(dev, 1);
	rc = fill(plan, method);
	vsf_count_inside(dev, -1);
	if (rc < 0) {
		vfiosafe_plan_free(&plan->pub);
		return vsf_fail(-rc, "out of memory");
	}
	publish(plan);
	*out = &plan->pub;
	return 0;
}

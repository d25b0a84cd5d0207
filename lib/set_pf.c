/* SPDX-License-Identifier: MIT */
/*
 * A physical function and its virtual functions: a reset of the one takes the others
 * down, which see nothing of it but wrong values. So they are a set, too; its reset is
 * that of the physical function.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "door.h"
#include "epoch.h"
#include "error.h"
#include "join.h"
#include "plan.h"
#include "set.h"

const char *vsf_set_no_reset(const struct vfiosafe_set *set)
{
	return set->pf ? "no reset of a physical function" : "no hot reset";
}

static const struct vsf_plan_function *find_vf(const struct vsf_plan *plan,
					       const char *address)
{
	const struct vsf_plan_function *f = plan->functions;

	while (f &&
	       !(f->pub.role == VFIOSAFE_ROLE_VF && strcmp(f->pub.address, address) == 0))
		f = f->next;
	return f;
}

static int check_members(const struct vfiosafe_set *set, const struct vsf_plan *plan)
{
	for (unsigned int i = 0; i < set->count; i++) {
		const struct vsf_member *m = &set->member[i];

		if (m->pub.dev != set->pf && !find_vf(plan, m->pub.address))
			return vsf_fail(EINVAL, "%s is no virtual function of %s",
					m->pub.address, set->pf->address);
	}
	return 0;
}

/* Open by another handle of this process; its group may be so for the PF's sake. */
static bool is_open_here(const struct vsf_plan *plan, const struct vsf_plan_function *f)
{
	return f->here && (plan->dev->door != VFIOSAFE_DOOR_GROUP ||
			   f->pub.group != plan->functions->pub.group);
}

/* A virtual function that somebody uses, and that is not told. */
static int check_others(struct vfiosafe_set *set, const struct vsf_plan *plan)
{
	for (const struct vsf_plan_function *f = plan->functions; f; f = f->next) {
		const struct vfiosafe_plan_function *pub = &f->pub;
		char who[48];

		if (pub->role != VFIOSAFE_ROLE_VF || vsf_set_find(set, pub->address))
			continue;
		if (pub->driver[0] && !vsf_is_vfio_driver(pub->driver))
			return vsf_fail(
				EBUSY,
				"%s: its virtual function %s belongs to the driver "
				"%s, which would go on over the reset; unbind it",
				vsf_set_no_reset(set), pub->address, pub->driver);
		if (pub->holders > 0 || is_open_here(plan, f))
			return vsf_fail(EBUSY,
					"%s: its virtual function %s is open (%s) and no "
					"member of the set; let this process open it, or "
					"close it",
					vsf_set_no_reset(set), pub->address,
					pub->holders > 0
						? vsf_plan_owner(pub, who, sizeof(who))
						: "in this process");
	}
	return 0;
}

static int check_blocks(const struct vfiosafe_set *set, const struct vfiosafe_plan *plan)
{
	const struct vfiosafe_plan_block *b = plan->blocks;

	if (!b)
		return 0;
	return vsf_fail(b->reason == VFIOSAFE_BLOCK_NO_METHOD ? EOPNOTSUPP : EBUSY,
			"%s: %s; %s", vsf_set_no_reset(set), b->text, b->remedy);
}

int vsf_set_check_pf(struct vfiosafe_set *set)
{
	struct vfiosafe_plan *plan;
	int rc = vfiosafe_reset_plan(&plan, set->pf, VFIOSAFE_METHOD_FUNCTION);

	if (rc < 0)
		return rc;
	rc = check_members(set, (struct vsf_plan *)plan);
	if (rc == 0)
		rc = check_blocks(set, plan);
	if (rc == 0)
		rc = check_others(set, (struct vsf_plan *)plan);
	vfiosafe_plan_free(plan);
	return rc;
}

static bool is_vf_of(const struct vfiosafe_device *vf, const struct vfiosafe_device *pf)
{
	char path[PATH_MAX], address[24];

	snprintf(path, sizeof(path), VSF_SYSFS_DEVICES "/%s/physfn", vf->address);
	return vsf_sysfs_link(vf->sys, path, address, sizeof(address)) >= 0 &&
	       strcmp(address, pf->address) == 0;
}

/* @pf and those of its context, into @devs, or only counted; their number. */
static unsigned int collect(struct vfiosafe_device *pf, struct vfiosafe_device **devs,
			    unsigned int room)
{
	unsigned int count = 1;

	if (devs)
		devs[0] = pf;
	pthread_mutex_lock(&pf->iommu->lock);
	for (struct vfiosafe_device *d = pf->iommu->devices; d; d = d->next_in_iommu) {
		if (d == pf || vsf_device_state(d) == VFIOSAFE_GONE || !is_vf_of(d, pf))
			continue;
		if (devs && count < room)
			devs[count] = d;
		count++;
	}
	pthread_mutex_unlock(&pf->iommu->lock);
	return devs && count > room ? room : count;
}

static int reset_all(struct vfiosafe_device *pf, const struct vfiosafe_reset_opts *opts,
		     struct vfiosafe_device **devs, unsigned int count)
{
	struct vfiosafe_set *set;
	int rc = vsf_set_alloc(&set, devs, count);

	if (rc < 0)
		return rc;
	set->pf = pf;
	rc = vsf_set_reset(set, opts, pf, "vfiosafe_reset");
	vfiosafe_set_free(set);
	return rc;
}

bool vsf_set_reset_pf(struct vfiosafe_device *dev, const struct vfiosafe_reset_opts *opts,
		      int *rc)
{
	struct vfiosafe_device **devs;
	unsigned int count;

	if (!dev->iommu || vsf_words_forked(dev->words) || vsf_depth() > 0)
		return false;
	count = collect(dev, NULL, 0);
	if (count == 1)
		return false;
	devs = calloc(count, sizeof(struct vfiosafe_device *));
	if (devs)
		*rc = reset_all(dev, opts, devs, collect(dev, devs, count));
	else
		*rc = vsf_fail(ENOMEM, "out of memory");
	free(devs);
	return true;
}

VFIOSAFE_API int vfiosafe_set_of_pf(struct vfiosafe_set **out, struct vfiosafe_device *pf,
				    struct vfiosafe_device *const *vfs,
				    unsigned int count)
{
	struct vfiosafe_device **devs =
		calloc(count + 1, sizeof(struct vfiosafe_device *));
	struct vfiosafe_set *set = NULL;
	int rc = devs ? vsf_set_refuse_device(pf, "vfiosafe_set_of_pf")
		      : vsf_fail(ENOMEM, "out of memory");

	for (unsigned int i = 0; i < count && rc == 0; i++) {
		devs[i + 1] = vfs[i];
		rc = vsf_set_refuse_device(vfs[i], "vfiosafe_set_of_pf");
	}
	if (rc == 0) {
		devs[0] = pf;
		rc = vsf_set_alloc(&set, devs, count + 1);
	}
	free(devs);
	if (rc < 0)
		return rc;
	set->pf = pf;
	rc = vsf_set_check(set);
	if (rc < 0)
		vfiosafe_set_free(set);
	else
		*out = set;
	return rc;
}

/* SPDX-License-Identifier: MIT */
/* What stands in the way of a hot reset of a set: the plan's words, and some of its own. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "error.h"
#include "plan.h"
#include "set.h"

/* The first that is in the way in full, the others by their addresses. */
struct refusal {
	int err;
	char text[300], remedy[200];
	char also[128];
};

static void refuse(struct refusal *r, const char *address, const char *remedy,
		   const char *fmt, ...) __attribute__((format(printf, 4, 5)));

static void refuse(struct refusal *r, const char *address, const char *remedy,
		   const char *fmt, ...)
{
	size_t used = strlen(r->also);
	va_list ap;

	if (r->err) {
		if (used < sizeof(r->also) && address[0])
			snprintf(r->also + used, sizeof(r->also) - used, "%s%s",
				 used ? ", " : " (in the way too: ", address);
		return;
	}
	r->err = EBUSY;
	snprintf(r->remedy, sizeof(r->remedy), "%s", remedy);
	va_start(ap, fmt);
	vsnprintf(r->text, sizeof(r->text), fmt, ap);
	va_end(ap);
}

/* By the group door other containers do: their groups' fds are the proof. */
static bool is_proven(struct vfiosafe_set *set, const struct vfiosafe_plan_block *b)
{
	return b->reason == VFIOSAFE_BLOCK_NOT_OWNED && b->function &&
	       vsf_set_find(set, b->function->address) &&
	       vsf_set_caller(set)->door == VFIOSAFE_DOOR_GROUP &&
	       vsf_set_group_fd(set, b->function->group) >= 0;
}

static void check_blocks(struct vfiosafe_set *set, const struct vfiosafe_plan *plan,
			 struct refusal *r)
{
	for (const struct vfiosafe_plan_block *b = plan->blocks; b; b = b->next) {
		bool first = !r->err;

		if (is_proven(set, b))
			continue;
		refuse(r, b->function ? b->function->address : "", b->remedy, "%s", b->text);
		if (first && b->reason == VFIOSAFE_BLOCK_NO_METHOD)
			r->err = EOPNOTSUPP;
	}
}

static bool is_blocked(const struct vfiosafe_plan *plan,
		       const struct vfiosafe_plan_function *f)
{
	const struct vfiosafe_plan_block *b = plan->blocks;

	while (b && b->function != f)
		b = b->next;
	return b;
}

/* A function that the kernel takes along, and that nobody here would be told of. */
static void check_missing(struct vfiosafe_set *set, const struct vsf_plan *plan,
			  struct refusal *r)
{
	const char *caller = vsf_set_caller(set)->address;

	for (const struct vsf_plan_function *f = plan->functions; f; f = f->next) {
		const char *address = f->pub.address;

		if (!f->listed || vsf_set_find(set, address) ||
		    is_blocked(&plan->pub, &f->pub))
			continue;
		/* By the group door we have all functions of the group open, too. */
		if (f->pub.holders > 0)
			refuse(r, address,
			       "one process has to open all of them: end that one, then open "
			       "it with opts.iommu_of",
			       "%s is reset together with %s, but is no member of the set, and "
			       "process %d (%s) has it open",
			       address, caller, (int)f->pub.pid, f->pub.comm);
		else
			refuse(r, address,
			       "open it with opts.iommu_of set to that device, give it a "
			       "driver, and make the set anew",
			       "%s is reset together with %s, but is no member of the set",
			       address, caller);
	}
}

/* A member that the kernel does not take along. */
static int check_strangers(const struct vfiosafe_set *set, const struct vsf_plan *plan)
{
	for (unsigned int i = 0; i < set->count; i++) {
		const struct vsf_plan_function *f = plan->functions;

		while (f && !(f->listed && strcmp(f->pub.address,
						  set->member[i].pub.address) == 0))
			f = f->next;
		if (!f)
			return vsf_fail(EINVAL, "%s is on another bus or slot than the set",
					set->member[i].pub.address);
	}
	return 0;
}

static int check(struct vfiosafe_set *set, const struct vsf_plan *plan)
{
	struct refusal r = { 0 };

	check_blocks(set, &plan->pub, &r);
	if (!r.err && check_strangers(set, plan) < 0)
		return -EINVAL;
	check_missing(set, plan, &r);
	if (!r.err)
		return 0;
	return vsf_fail(r.err, "%s: %s%s%s; %s", vsf_set_no_reset(set), r.text, r.also,
			r.also[0] ? ")" : "", r.remedy);
}

int vsf_set_check(struct vfiosafe_set *set)
{
	struct vfiosafe_plan *plan;
	int rc;

	if (set->pf)
		return vsf_set_check_pf(set);
	rc = vfiosafe_reset_plan(&plan, vsf_set_caller(set), VFIOSAFE_METHOD_HOT);
	if (rc < 0)
		return rc;
	rc = check(set, (struct vsf_plan *)plan);
	vfiosafe_plan_free(plan);
	return rc;
}

static bool has_reinit(struct vfiosafe_device *dev)
{
	bool has;

	pthread_mutex_lock(&dev->lock);
	has = dev->ops.reinit != NULL;
	pthread_mutex_unlock(&dev->lock);
	return has;
}

/* It would be reset for others, and nobody would program it afterwards. */
int vsf_set_check_drivers(const struct vfiosafe_set *set,
			  const struct vfiosafe_device *asked)
{
	struct refusal r = { 0 };

	for (unsigned int i = 0; i < set->count && set->count > 1; i++) {
		const struct vsf_member *m = &set->member[i];

		if (m->pub.dev != asked && !has_reinit(m->pub.dev))
			refuse(&r, m->pub.address,
			       "vfiosafe_device_set_driver() says how it comes back; for a "
			       "function that nobody uses, by a reinit that returns 0",
			       "%s has no driver with a reinit callback", m->pub.address);
	}
	if (!r.err)
		return 0;
	return vsf_fail(r.err, "%s: %s%s%s; %s", vsf_set_no_reset(set), r.text, r.also,
			r.also[0] ? ")" : "", r.remedy);
}

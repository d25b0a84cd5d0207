/* SPDX-License-Identifier: MIT */
/* What only an open device tells: its BARs, its resets, and what its fd would reach. */
#include <errno.h>
#include <string.h>

#include "broker.h"

typedef unsigned long long ull;

static int fits_range(struct policy *policy, const struct device *device,
		      const struct policy_client *client)
{
	const struct vfiosafe_grant_range *range = &client->range;
	struct vfiosafe_region region;
	int rc = vfiosafe_region_info(device->dev, range->bar, &region);

	if (rc < 0 || region.len == 0)
		return policy_fail(policy, client->line, "%s has no BAR %u",
				   device->policy->name, range->bar);
	if (range->offset >= region.len || range->len > region.len - range->offset)
		return policy_fail(policy, client->line,
				   "0x%llx + 0x%llx is beyond the end of BAR %u of %s, which has "
				   "0x%llx bytes",
				   (ull)range->offset, (ull)range->len, range->bar,
				   device->policy->name, (ull)region.len);
	return 0;
}

/* The kernel does not say what a hot reset would hit. */
static bool is_unknown(const struct vfiosafe_plan *plan)
{
	const struct vfiosafe_plan_block *block;

	for (block = plan->blocks; block; block = block->next)
		if (block->reason == VFIOSAFE_BLOCK_UNKNOWN)
			return true;
	return false;
}

/* By the cdev door it resets all that is reset together, and attaches other spaces. */
static int fits_fd(struct broker *broker, const struct device *device,
		   const struct policy_client *client, const struct vfiosafe_plan *plan)
{
	struct policy *policy = &broker->policy;

	if (vfiosafe_device_door(device->dev) == VFIOSAFE_DOOR_GROUP)
		return 0;
	if (is_unknown(plan) || (plan->hot_reset && plan->function_count > 1))
		return policy_fail(policy, client->line,
				   "whoever has the device fd of %s can reset other functions "
				   "with it (%u functions): say door=group in line %u",
				   device->policy->name, plan->function_count,
				   device->policy->line);
	for (unsigned int i = 0; i < policy->devices; i++)
		if (&broker->device[i] != device && broker->device[i].dev &&
		    broker->device[i].context == device->context)
			return policy_fail(policy, client->line,
					   "%s shares its IOMMU context with %s: its device fd "
					   "cannot be given away",
					   device->policy->name, policy->device[i].name);
	return 0;
}

/* The smallest reset that there is; a hot one needs the whole set. */
static int fits_reset(struct policy *policy, const struct device *device)
{
	const char *why = "it has none";
	struct vfiosafe_plan *plan;
	int rc = vfiosafe_reset_plan(&plan, device->dev, VFIOSAFE_METHOD_AUTO);

	if (rc < 0)
		return policy_fail(policy, device->policy->line, "%s", vfiosafe_error_text());
	if (plan->blocks)
		why = plan->blocks->text;
	if (plan->method == VFIOSAFE_METHOD_NONE ||
	    (plan->method == VFIOSAFE_METHOD_HOT && !plan->possible))
		rc = policy_fail(policy, device->policy->line,
				 "%s cannot be reset (%s): a client would find in it what the "
				 "last one left",
				 device->policy->name, why);
	vfiosafe_plan_free(plan);
	return rc;
}

static int fits_plan(struct broker *broker, const struct device *device,
		     const struct policy_client *client)
{
	struct vfiosafe_plan *plan;
	int rc = vfiosafe_reset_plan(&plan, device->dev, VFIOSAFE_METHOD_HOT);

	if (rc < 0)
		return policy_fail(&broker->policy, client->line, "%s", vfiosafe_error_text());
	rc = fits_fd(broker, device, client, plan);
	vfiosafe_plan_free(plan);
	return rc;
}

int device_fits(struct broker *broker, const struct device *device)
{
	struct policy *policy = &broker->policy;
	int rc = fits_reset(policy, device);

	for (unsigned int i = 0; i < policy->clients && rc == 0; i++) {
		const struct policy_client *client = &policy->client[i];

		if (client->device != device->index)
			continue;
		if (client->has_range)
			rc = fits_range(policy, device, client);
		if (rc == 0 && client->rights & VFIOSAFE_GRANT_DEVICE_FD)
			rc = fits_plan(broker, device, client);
	}
	return rc;
}

bool device_takes_down(const struct device *device, const char *address)
{
	const struct vfiosafe_plan_function *f;
	struct vfiosafe_plan *plan;
	bool found = false;

	if (vfiosafe_reset_plan(&plan, device->dev, VFIOSAFE_METHOD_HOT) < 0)
		return false;
	for (f = plan->hot_reset ? plan->functions : NULL; f; f = f->next)
		found |= f->role == VFIOSAFE_ROLE_SIBLING && strcmp(f->address, address) == 0;
	vfiosafe_plan_free(plan);
	return found;
}

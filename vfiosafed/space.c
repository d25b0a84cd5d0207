/* SPDX-License-Identifier: MIT */
/* Functions of one IOMMU group have one address space, whoever drives them. */
#include <stdio.h>
#include <string.h>
#include <vfiosafe/sys.h>

#include "broker.h"

/* "../../../kernel/iommu_groups/7"; false: the kernel shows none. */
static bool group_of(const struct vfiosafe_sys *sys, const char *name, char *link, size_t len)
{
	char path[128];

	if (strncmp(name, "sim:", 4) == 0)
		return false;
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/iommu_group", name);
	return sys->readlink(sys->ctx, path, link, len) >= 0;
}

bool spaces_joined(const struct policy *policy, const struct vfiosafe_sys *sys,
		   unsigned int a, unsigned int b)
{
	char of_a[256], of_b[256];

	return group_of(sys, policy->device[a].name, of_a, sizeof(of_a)) &&
	       group_of(sys, policy->device[b].name, of_b, sizeof(of_b)) &&
	       strcmp(of_a, of_b) == 0;
}

int spaces_check(struct policy *policy, const struct vfiosafe_sys *sys)
{
	int rc = 0;

	for (unsigned int b = 0; b < policy->devices; b++)
		for (unsigned int a = 0; a < b && rc == 0; a++)
			if (spaces_joined(policy, sys, a, b))
				rc = policy_check_space(policy, a, b, "are in one IOMMU group");
	return rc;
}

bool context_may_have(const struct broker *broker, unsigned int context, unsigned int index)
{
	for (unsigned int i = 0; i < index; i++)
		if (broker->device[i].context == context &&
		    !policy_may_share(&broker->policy, i, index))
			return false;
	return true;
}

/* Each with each: that a and b may share one, and b and c, says nothing of a and c. */
int contexts_check(struct broker *broker)
{
	int rc = 0;

	for (unsigned int b = 0; b < broker->policy.devices; b++)
		for (unsigned int a = 0; a < b && rc == 0; a++)
			if (broker->device[a].context == broker->device[b].context)
				rc = policy_check_space(&broker->policy, a, b,
							"are opened into one IOMMU context");
	return rc;
}

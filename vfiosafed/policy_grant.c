/* SPDX-License-Identifier: MIT */
/* What all lines of one user on one device add up to. */
#include <string.h>

#include "policy.h"

static void add(struct policy_grant *grant, const struct policy_client *client)
{
	grant->user = client->user;
	grant->rights |= client->rights;
	grant->interval += client->interval; /* of one line at most, and so is dma */
	grant->dma += client->dma;
	if (client->has_range)
		grant->range[grant->count++] = client->range;
	grant->writes |= client->range.rights & VFIOSAFE_GRANT_WRITE || client->dma ||
			 client->rights & VFIOSAFE_GRANT_DEVICE_FD;
}

bool policy_grant(const struct policy *policy, unsigned int device, uid_t uid,
		  struct policy_grant *grant)
{
	memset(grant, 0, sizeof(*grant));
	for (unsigned int i = 0; i < policy->clients; i++)
		if (policy->client[i].device == device && policy->client[i].uid == uid)
			add(grant, &policy->client[i]);
	return grant->user != NULL;
}

uid_t policy_only_user(const struct policy *policy, unsigned int device)
{
	uid_t only = (uid_t)-1;

	for (unsigned int i = 0; i < policy->clients; i++) {
		if (policy->client[i].device != device)
			continue;
		if (only != (uid_t)-1 && only != policy->client[i].uid)
			return (uid_t)-1;
		only = policy->client[i].uid;
	}
	return only;
}

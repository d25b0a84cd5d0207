/* SPDX-License-Identifier: MIT */
/* What lines say together: who would be in whose way. */
#include <string.h>

#include "policy.h"

typedef unsigned long long ull;

static const char *name_of(const struct policy *policy, const struct policy_client *client)
{
	return policy->device[client->device].name;
}

/* A length of 0 goes to the end of the BAR, wherever that is. */
static bool ends_before(const struct vfiosafe_grant_range *a,
			const struct vfiosafe_grant_range *b)
{
	return a->len != 0 && a->offset + a->len <= b->offset;
}

static bool overlap(const struct policy_client *a, const struct policy_client *b)
{
	return a->has_range && b->has_range && a->range.bar == b->range.bar &&
	       !ends_before(&a->range, &b->range) && !ends_before(&b->range, &a->range);
}

static int check_users(struct policy *policy, const struct policy_client *a,
		       const struct policy_client *b)
{
	const struct policy_device *device = &policy->device[b->device];

	if ((a->rights | b->rights) & VFIOSAFE_GRANT_DEVICE_FD)
		return policy_fail(policy, b->line,
				   "the device fd of %s gives everything in it: %s (line %u) and "
				   "%s cannot both be its clients",
				   device->name, a->user, a->line, b->user);
	if (overlap(a, b))
		return policy_fail(policy, b->line,
				   "0x%llx + 0x%llx of BAR %u of %s overlaps what line %u grants "
				   "to %s",
				   (ull)b->range.offset, (ull)b->range.len, b->range.bar,
				   device->name, a->line, a->user);
	if (!device->dma_shared)
		return policy_fail(policy, b->line,
				   "%s and %s (line %u) would share the DMA address space of %s: "
				   "whoever may write its registers may reach the memory of "
				   "both. Say dma_shared in line %u if that is meant",
				   b->user, a->user, a->line, device->name, device->line);
	if (device->mode == (mode_t)-1 && device->group == (gid_t)-1)
		return policy_fail(policy, device->line,
				   "%s has several users: say who may connect to its socket "
				   "(group= and mode=)",
				   device->name);
	return 0;
}

static int check_pair(struct policy *policy, const struct policy_client *a,
		      const struct policy_client *b)
{
	if (a->device != b->device)
		return 0;
	if (a->uid != b->uid)
		return check_users(policy, a, b);
	if (a->interval && b->interval)
		return policy_fail(policy, b->line,
				   "line %u has said reset-interval-ms of %s on %s", a->line,
				   b->user, name_of(policy, b));
	if (a->dma && b->dma)
		return policy_fail(policy, b->line, "line %u has said dma of %s on %s", a->line,
				   b->user, name_of(policy, b));
	if ((a->rights | b->rights) & VFIOSAFE_GRANT_DEVICE_FD &&
	    (a->rights | b->rights) & VFIOSAFE_GRANT_CALLS_ONLY)
		return policy_fail(policy, b->line,
				   "device-fd and calls-only of %s on %s exclude each other",
				   b->user, name_of(policy, b));
	return 0;
}

static unsigned int ranges_before(const struct policy *policy, unsigned int at)
{
	const struct policy_client *client = &policy->client[at];
	unsigned int n = 0;

	for (unsigned int i = 0; i < at; i++)
		n += policy->client[i].has_range && policy->client[i].uid == client->uid &&
		     policy->client[i].device == client->device;
	return n;
}

static int check_client(struct policy *policy, unsigned int at)
{
	const struct policy_client *client = &policy->client[at];
	int rc = 0;

	for (unsigned int i = 0; i < at && rc == 0; i++)
		rc = check_pair(policy, &policy->client[i], client);
	if (rc < 0)
		return rc;
	if (client->rights & VFIOSAFE_GRANT_DEVICE_FD &&
	    client->rights & VFIOSAFE_GRANT_CALLS_ONLY)
		return policy_fail(policy, client->line,
				   "device-fd and calls-only exclude each other");
	if (client->has_range && ranges_before(policy, at) >= VFIOSAFE_GRANT_RANGES)
		return policy_fail(policy, client->line, "more than %d ranges of %s on %s",
				   VFIOSAFE_GRANT_RANGES, client->user, name_of(policy, client));
	return 0;
}

int policy_check(struct policy *policy)
{
	int rc = 0;

	for (unsigned int i = 0; i < policy->clients && rc == 0; i++)
		rc = check_client(policy, i);
	return rc;
}

/* Users of @a and of @b that differ, or NULL. */
static const struct policy_client *stranger(const struct policy *policy, unsigned int a,
					    unsigned int b, const struct policy_client **other)
{
	for (unsigned int i = 0; i < policy->clients; i++)
		for (unsigned int k = 0; k < policy->clients; k++) {
			if (policy->client[i].device != a || policy->client[k].device != b ||
			    policy->client[i].uid == policy->client[k].uid)
				continue;
			*other = &policy->client[i];
			return &policy->client[k];
		}
	return NULL;
}

bool policy_may_share(const struct policy *policy, unsigned int a, unsigned int b)
{
	const struct policy_client *other;

	return (policy->device[a].dma_shared && policy->device[b].dma_shared) ||
	       !stranger(policy, a, b, &other);
}

int policy_check_space(struct policy *policy, unsigned int a, unsigned int b, const char *why)
{
	const struct policy_client *other, *client;

	if (policy_may_share(policy, a, b))
		return 0;
	client = stranger(policy, a, b, &other);
	return policy_fail(policy, client->line,
			   "%s and %s %s: their DMA reaches the same memory, and %s is not %s "
			   "(line %u). Say dma_shared in lines %u and %u if that is meant",
			   policy->device[a].name, policy->device[b].name, why, client->user,
			   other->user, other->line, policy->device[a].line,
			   policy->device[b].line);
}

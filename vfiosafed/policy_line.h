/* SPDX-License-Identifier: MIT */
/* What the files that read one line of a policy need of each other. */
#ifndef VFIOSAFED_POLICY_LINE_H
#define VFIOSAFED_POLICY_LINE_H

#include "policy.h"

struct line {
	struct policy *policy;
	unsigned int number;
	struct policy_device *device; /* one of these two */
	struct policy_client *client;
	uint32_t keys; /* those that came, a bit for each */
	bool has_rights, has_user, has_device, has_place;
};

#define line_fail(line, ...) policy_fail((line)->policy, (line)->number, __VA_ARGS__)

/* policy_value.c: decimal, 0x or 0 in front, and k, M or G behind. */
int line_number(const struct line *line, const char *key, const char *text, uint64_t max,
		uint64_t *value);
int line_user(const struct line *line, const char *key, const char *text, uid_t *uid);
int line_group(const struct line *line, const char *text, gid_t *gid);
/* Comma-separated; into line->client. Written to. */
int line_rights(struct line *line, char *text);
/* Is it the name that a device can have? */
bool line_is_device(const char *name);

#endif

/* SPDX-License-Identifier: MIT */
/* The file, line by line. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy.h"

int policy_fail(struct policy *policy, unsigned int line, const char *fmt, ...)
{
	size_t len = sizeof(policy->error);
	va_list args;
	int n;

	n = snprintf(policy->error, len, "%s:%u: ", policy->file, line);
	if (n < 0 || (size_t)n >= len)
		return -EINVAL;
	va_start(args, fmt);
	vsnprintf(policy->error + n, len - (size_t)n, fmt, args);
	va_end(args);
	return -EINVAL;
}

static int read_lines(struct policy *policy, FILE *in)
{
	char *text = NULL;
	unsigned int line = 0;
	size_t room = 0;
	int rc = 0;

	while (rc == 0 && getline(&text, &room, in) >= 0)
		rc = policy_line(policy, ++line, text);
	free(text);
	if (rc == 0 && ferror(in))
		rc = policy_fail(policy, line + 1, "cannot be read");
	if (rc == 0 && policy->devices == 0)
		rc = policy_fail(policy, line + 1, "no device line: there is nothing to serve");
	return rc;
}

int policy_read(struct policy *policy, const char *file)
{
	FILE *in;
	int rc;

	memset(policy, 0, sizeof(*policy));
	policy->file = file;
	in = fopen(file, "re");
	if (!in) {
		rc = -errno;
		snprintf(policy->error, sizeof(policy->error), "%s: %s", file, strerror(-rc));
		return rc;
	}
	policy->device = calloc(POLICY_MAX, sizeof(*policy->device));
	policy->client = calloc(POLICY_MAX, sizeof(*policy->client));
	if (policy->device && policy->client)
		rc = read_lines(policy, in);
	else
		rc = policy_fail(policy, 1, "out of memory");
	fclose(in);
	return rc < 0 ? rc : policy_check(policy);
}

void policy_free(struct policy *policy)
{
	free(policy->device);
	free(policy->client);
	policy->device = NULL;
	policy->client = NULL;
}

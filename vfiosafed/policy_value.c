/* SPDX-License-Identifier: MIT */
/* The values that a line of a policy has. */
#include <ctype.h>
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>

#include "policy_line.h"

/* 0 to 30 bits, and *@end moves on; it must be the end of the text then. */
static unsigned int unit(const char **end)
{
	static const char units[] = "kMG";
	const char *found = **end ? strchr(units, **end) : NULL;

	if (!found)
		return 0;
	(*end)++;
	return 10 * (unsigned int)(found - units + 1);
}

int line_number(const struct line *line, const char *key, const char *text, uint64_t max,
		uint64_t *value)
{
	bool hex = text[0] == '0' && text[1] == 'x' && isxdigit((unsigned char)text[2]);
	const char *end = text;
	unsigned int shift;
	char *after;

	errno = 0;
	if (hex || isdigit((unsigned char)*text)) {
		*value = strtoull(text, &after, hex ? 16 : 10);
		end = after;
	}
	shift = unit(&end);
	if (end == text || *end)
		return line_fail(line, "%s=%s is not a number (123, 0x1000, 64M)", key, text);
	if (errno != 0 || *value > max >> shift)
		return line_fail(line, "%s=%s is more than 0x%llx", key, text,
				 (unsigned long long)max);
	*value <<= shift;
	return 0;
}

int line_user(const struct line *line, const char *key, const char *text, uid_t *uid)
{
	const struct passwd *known = getpwnam(text);
	uint64_t value;
	int rc;

	if (known) {
		*uid = known->pw_uid;
		return 0;
	}
	if (!isdigit((unsigned char)*text))
		return line_fail(line, "there is no user %s", text);
	rc = line_number(line, key, text, UINT32_MAX - 1, &value);
	*uid = (uid_t)value;
	return rc;
}

int line_group(const struct line *line, const char *text, gid_t *gid)
{
	const struct group *known = getgrnam(text);
	uint64_t value;
	int rc;

	if (known) {
		*gid = known->gr_gid;
		return 0;
	}
	if (!isdigit((unsigned char)*text))
		return line_fail(line, "there is no group %s", text);
	rc = line_number(line, "group", text, UINT32_MAX - 1, &value);
	*gid = (gid_t)value;
	return rc;
}

static int right(struct line *line, const char *name)
{
	static const struct {
		const char *name;
		uint32_t range, client;
	} rights[] = {
		{ "read", VFIOSAFE_GRANT_READ, 0 },
		{ "write", VFIOSAFE_GRANT_WRITE, 0 },
		{ "reset", 0, VFIOSAFE_GRANT_RESET },
		{ "kill", 0, VFIOSAFE_GRANT_KILL },
		{ "calls-only", 0, VFIOSAFE_GRANT_CALLS_ONLY },
		{ "device-fd", 0, VFIOSAFE_GRANT_DEVICE_FD },
	};

	for (size_t i = 0; i < sizeof(rights) / sizeof(rights[0]); i++)
		if (strcmp(rights[i].name, name) == 0) {
			line->client->range.rights |= rights[i].range;
			line->client->rights |= rights[i].client;
			return 0;
		}
	return line_fail(line, "there is no right %s; there are read, write, reset, kill, "
			  "calls-only and device-fd",
		    name);
}

int line_rights(struct line *line, char *text)
{
	char *save, *name = strtok_r(text, ",", &save);
	int rc = name ? 0 : line_fail(line, "rights= says none");

	for (; name && rc == 0; name = strtok_r(NULL, ",", &save))
		rc = right(line, name);
	return rc;
}

static bool is_address(const char *name)
{
	static const char form[] = "hhhh:hh:hh.d";
	size_t i;

	for (i = 0; form[i] && name[i]; i++)
		if (form[i] == 'h'   ? !isxdigit((unsigned char)name[i])
		    : form[i] == 'd' ? name[i] < '0' || name[i] > '7'
				     : name[i] != form[i])
			return false;
	return !form[i] && !name[i];
}

/* It becomes the name of a file. */
static bool is_simulated(const char *name)
{
	return strncmp(name, "sim:", 4) == 0 && !strchr(name, '/') &&
	       strlen(name) < POLICY_NAME;
}

bool line_is_device(const char *name)
{
	return is_address(name) || is_simulated(name);
}

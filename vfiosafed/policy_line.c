/* SPDX-License-Identifier: MIT */
/* One line of a policy: device or client, and key=value for each thing that it says. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "policy_line.h"

#define BLANKS " \t\r\n"

static int find_device(const struct line *line, const char *name)
{
	const struct policy *policy = line->policy;

	for (unsigned int i = 0; i < policy->devices; i++)
		if (strcasecmp(policy->device[i].name, name) == 0)
			return (int)i;
	return -1;
}

static int device_name(struct line *line, char *name)
{
	if (!line_is_device(name))
		return line_fail(line, "%s is not a PCI address (0000:01:00.0), nor a simulated "
				  "device (sim:reg, sim:nvme)",
			    name);
	if (find_device(line, name) >= 0)
		return line_fail(line, "device %s is said twice", name);
	/* As the kernel writes it. */
	for (char *c = name; *c; c++)
		*c = (char)tolower((unsigned char)*c);
	snprintf(line->device->name, POLICY_NAME, "%s", name);
	return 0;
}

static int door(struct line *line, const char *text)
{
	if (strcmp(text, "cdev") == 0)
		line->device->door = VFIOSAFE_DOOR_CDEV;
	else if (strcmp(text, "group") == 0)
		line->device->door = VFIOSAFE_DOOR_GROUP;
	else
		return line_fail(line, "door=%s: there are cdev and group", text);
	return 0;
}

static int mode(struct line *line, const char *text)
{
	char *end;
	unsigned long bits = strtoul(text, &end, 8);

	if (!isdigit((unsigned char)*text) || *end || bits > 0666)
		return line_fail(line, "mode=%s is not an octal mode of a socket (0600, 0660)", text);
	line->device->mode = (mode_t)bits;
	return 0;
}

static int of_device(struct line *line, const char *key, const char *value)
{
	struct policy_device *device = line->device;
	uint64_t n = 0;
	int rc;

	if (strcmp(key, "door") == 0)
		return door(line, value);
	if (strcmp(key, "mode") == 0)
		return mode(line, value);
	if (strcmp(key, "owner") == 0)
		return line_user(line, key, value, &device->owner);
	if (strcmp(key, "group") == 0)
		return line_group(line, value, &device->group);
	if (strcmp(key, "clients") == 0) {
		rc = line_number(line, key, value, POLICY_CLIENTS, &n);
		device->clients = (uint32_t)n;
	} else if (strcmp(key, "reset-timeout-ms") == 0) {
		rc = line_number(line, key, value, 600000, &n);
		device->timeout_ms = (uint32_t)n;
	} else {
		return line_fail(line, "a device has no %s", key);
	}
	return rc == 0 && n == 0 ? line_fail(line, "%s=0 makes no sense", key) : rc;
}

static int named_device(struct line *line, const char *name)
{
	int at = find_device(line, name);

	if (at < 0)
		return line_fail(line, "no line above says 'device %s'", name);
	line->client->device = (unsigned int)at;
	return 0;
}

static int of_client(struct line *line, const char *key, char *value)
{
	struct policy_client *client = line->client;
	uint64_t n = 0;
	int rc = 0;

	if (strcmp(key, "user") == 0) {
		line->has_user = true;
		snprintf(client->user, sizeof(client->user), "%s", value);
		return line_user(line, key, value, &client->uid);
	}
	if (strcmp(key, "device") == 0) {
		line->has_device = true;
		return named_device(line, value);
	}
	if (strcmp(key, "rights") == 0) {
		line->has_rights = true;
		return line_rights(line, value);
	}
	if (strcmp(key, "bar") == 0) {
		client->has_range = true;
		rc = line_number(line, key, value, 5, &n);
		client->range.bar = (uint32_t)n;
	} else if (strcmp(key, "offset") == 0 || strcmp(key, "length") == 0) {
		line->has_place = true;
		rc = line_number(line, key, value, INT64_MAX, &n);
		*(*key == 'o' ? &client->range.offset : &client->range.len) = n;
	} else if (strcmp(key, "reset-interval-ms") == 0) {
		rc = line_number(line, key, value, UINT32_MAX, &n);
		client->interval = (uint32_t)n;
	} else if (strcmp(key, "dma") == 0) {
		rc = line_number(line, key, value, INT64_MAX, &client->dma);
		n = client->dma;
	} else {
		return line_fail(line, "a client has no %s", key);
	}
	if (rc == 0 && n == 0 && *key != 'b' && *key != 'o')
		return line_fail(line, "%s=0 makes no sense: leave it out", key);
	return rc;
}

static const char *const keys[] = {
	"door",	  "mode", "owner",  "group",  "clients",	   "reset-timeout-ms", "user",
	"device", "bar",  "offset", "length", "reset-interval-ms", "rights",	       "dma",
};

/* One that there is not is told of by who looks for it. */
static int once(struct line *line, const char *key)
{
	for (unsigned int i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		if (strcmp(keys[i], key) != 0)
			continue;
		if (line->keys & 1u << i)
			return line_fail(line, "%s= is said twice", key);
		line->keys |= 1u << i;
	}
	return 0;
}

static int word(struct line *line, char *text)
{
	char *value = strchr(text, '=');
	int rc;

	if (line->device && !line->device->name[0])
		return device_name(line, text);
	if (line->device && strcmp(text, "dma_shared") == 0) {
		line->device->dma_shared = true;
		return 0;
	}
	if (!value)
		return line_fail(line, "'%s' is not key=value", text);
	*value++ = '\0';
	rc = once(line, text);
	if (rc < 0)
		return rc;
	return line->device ? of_device(line, text, value) : of_client(line, text, value);
}

static int whole(const struct line *line)
{
	const struct policy_client *client = line->client;

	if (line->device)
		return line->device->name[0] ? 0 : line_fail(line, "device: which?");
	if (!line->has_user || !line->has_device || !line->has_rights)
		return line_fail(line, "a client needs user=, device= and rights=");
	if (client->range.rights && !client->has_range)
		return line_fail(line, "the right to read or write needs bar=");
	if (!client->range.rights && client->has_range)
		return line_fail(line, "bar= needs the right to read or to write");
	if (line->has_place && !client->has_range)
		return line_fail(line, "offset= and length= need bar=");
	if (client->range.offset > INT64_MAX - client->range.len)
		return line_fail(line, "offset and length overflow");
	return 0;
}

static int start(struct line *line, const char *what)
{
	struct policy *policy = line->policy;

	if (strcmp(what, "device") == 0 && policy->devices < POLICY_MAX) {
		line->device = &policy->device[policy->devices];
		*line->device = (struct policy_device){ .line = line->number,
							.clients = POLICY_CLIENTS / 2,
							.timeout_ms = 2000,
							.owner = (uid_t)-1,
							.group = (gid_t)-1,
							.mode = (mode_t)-1 };
		return 0;
	}
	if (strcmp(what, "client") == 0 && policy->clients < POLICY_MAX) {
		line->client = &policy->client[policy->clients];
		*line->client = (struct policy_client){ .line = line->number };
		return 0;
	}
	if (policy->devices == POLICY_MAX || policy->clients == POLICY_MAX)
		return line_fail(line, "more than %d devices or clients", POLICY_MAX);
	return line_fail(line, "'%s': a line begins with device or client", what);
}

int policy_line(struct policy *policy, unsigned int number, char *text)
{
	struct line line = { .policy = policy, .number = number };
	char *save, *next;
	int rc;

	text[strcspn(text, "#")] = '\0';
	next = strtok_r(text, BLANKS, &save);
	if (!next)
		return 0;
	rc = start(&line, next);
	while (rc == 0 && (next = strtok_r(NULL, BLANKS, &save)) != NULL)
		rc = word(&line, next);
	if (rc == 0)
		rc = whole(&line);
	if (rc == 0) {
		policy->devices += line.device != NULL;
		policy->clients += line.client != NULL;
	}
	return rc;
}

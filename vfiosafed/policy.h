/* SPDX-License-Identifier: MIT */
/*
 * policy.h - who may have what: a file that is read once, at start. docs/broker.md is
 * its reference.
 */
#ifndef VFIOSAFED_POLICY_H
#define VFIOSAFED_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <vfiosafe/vfiosafe.h>

#define POLICY_NAME 32
#define POLICY_MAX 256 /* devices, and clients, of one file */
#define POLICY_CLIENTS 32 /* of one device at a time: see device_events() */

struct policy_device {
	char name[POLICY_NAME]; /* "0000:01:00.0", "sim:reg", "sim:reg:label" */
	unsigned int line;
	enum vfiosafe_door door;
	bool dma_shared;
	uint32_t clients;    /* of one user, at a time */
	uint32_t timeout_ms; /* of a reset that the broker makes */
	/* Of its socket; (uid_t)-1, (gid_t)-1, (mode_t)-1: not said. */
	uid_t owner;
	gid_t group;
	mode_t mode;
};

struct policy_client {
	unsigned int line;
	char user[POLICY_NAME];
	uid_t uid;
	unsigned int device; /* index */
	bool has_range;
	struct vfiosafe_grant_range range;
	uint32_t rights;   /* VFIOSAFE_GRANT_RESET ... */
	uint32_t interval; /* ms; 0: not said */
	uint64_t dma;	   /* bytes; 0: none */
};

struct policy {
	const char *file;
	struct policy_device *device;
	unsigned int devices;
	struct policy_client *client;
	unsigned int clients;
	char error[1024]; /* "FILE:LINE: reason" */
};

/* What all lines of one user on one device add up to. */
struct policy_grant {
	const char *user;
	uint32_t rights;
	uint32_t interval;
	uint64_t dma;
	bool writes; /* it can leave something in the device */
	uint32_t count;
	struct vfiosafe_grant_range range[VFIOSAFE_GRANT_RANGES];
};

/*
 * Reads and checks all that can be checked without the devices. -EINVAL with @error, or
 * another -errno, also with a text. policy_free() in any case.
 */
int policy_read(struct policy *policy, const char *file);
void policy_free(struct policy *policy);

/* -EINVAL, with "FILE:LINE: ..." in policy->error. */
int policy_fail(struct policy *policy, unsigned int line, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* policy_line.c: one line, that is written to. */
int policy_line(struct policy *policy, unsigned int line, char *text);

/* policy_check.c: what lines say together. */
int policy_check(struct policy *policy);
/*
 * Two devices with one address space for DMA, because of @why: users of both have to be
 * the same, or both lines to say dma_shared.
 */
int policy_check_space(struct policy *policy, unsigned int a, unsigned int b,
		       const char *why);
bool policy_may_share(const struct policy *policy, unsigned int a, unsigned int b);

/* policy_grant.c: false: @uid has no line for @device. */
bool policy_grant(const struct policy *policy, unsigned int device, uid_t uid,
		  struct policy_grant *grant);
/* The one user of a device; (uid_t)-1: none, or several. */
uid_t policy_only_user(const struct policy *policy, unsigned int device);

#endif

/* SPDX-License-Identifier: MIT */
/* policy_rig.h - policies out of strings. */
#ifndef BROKER_POLICY_RIG_H
#define BROKER_POLICY_RIG_H

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "rig.h"
#include <vfiosafe/sys.h>

#include "broker.h"

static struct policy policy;

static inline int read_text(const char *text)
{
	int fd = memfd_create("policy", MFD_CLOEXEC), rc;
	static char path[64];

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	rc = policy_read(&policy, path);
	close(fd);
	return rc;
}

static inline int drop_policy(void **state)
{
	(void)state;
	policy_free(&policy);
	return 0;
}

static inline void good(const char *text)
{
	if (read_text(text) < 0)
		fail_msg("%s", policy.error);
}

#define A "device 0000:01:00.0\n"
#define B "device 0000:02:00.0\n"
#define ON_A "device=0000:01:00.0"
#define ON_B "device=0000:02:00.0"

#define reads(test) cmocka_unit_test_teardown(test, drop_policy)

#endif

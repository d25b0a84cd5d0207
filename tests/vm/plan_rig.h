/* SPDX-License-Identifier: MIT */
/* What vm_plan asks, and how it looks at what the kernel does. */
#ifndef VM_PLAN_RIG_H
#define VM_PLAN_RIG_H

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "check.h"
#include "uapi.h"

#define SYSFS "/sys/bus/pci/devices/"

static struct vfiosafe_device_opts opts = { .size = sizeof(opts) };
static struct vfiosafe_device *dev;
static struct vfiosafe_plan *plan;

static inline int64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

static inline bool put(const char *address, const char *file, const char *text)
{
	char path[128];
	bool good;
	int fd;

	snprintf(path, sizeof(path), SYSFS "%s/%s", address, file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	good = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
	if (!good)
		printf("# %s: %s\n", path, strerror(errno));
	close(fd);
	return good;
}

static inline bool open_device(const char *model, const char *address)
{
	snprintf(check_prefix, sizeof(check_prefix), "%s by %s ", model,
		 opts.door == VFIOSAFE_DOOR_CDEV ? "cdev" : "group");
	return check(vfiosafe_device_open(&dev, address, &opts) == 0, "opens");
}

static inline void close_device(void)
{
	vfiosafe_plan_free(plan);
	plan = NULL;
	check(vfiosafe_device_close(dev, 1000) == 0, "closes");
}

static inline bool ask(enum vfiosafe_method method)
{
	static char text[8192];
	int64_t start = now_us();
	int rc;

	vfiosafe_plan_free(plan);
	plan = NULL;
	rc = vfiosafe_reset_plan(&plan, dev, method);
	if (!check(rc == 0, "has a plan of %s", vfiosafe_method_name(method)))
		return false;
	vfiosafe_plan_text(plan, text, sizeof(text));
	printf("# in %lld us: %s", (long long)(now_us() - start), text);
	return true;
}

static inline const struct vfiosafe_plan_function *function(const char *address)
{
	const struct vfiosafe_plan_function *f = plan->functions;

	while (f && strcmp(f->address, address) != 0)
		f = f->next;
	return f;
}

static inline bool blocked_by(enum vfiosafe_block_reason reason)
{
	const struct vfiosafe_plan_block *b = plan->blocks;

	while (b && b->reason != reason)
		b = b->next;
	return b && !plan->possible;
}

/* The fds of the groups that the library has open; group door. */
static inline uint32_t group_fds(int *fds)
{
	char path[64], target[PATH_MAX];
	uint32_t n = 0;

	for (int fd = 3; fd < 64; fd++) {
		unsigned int group;
		ssize_t len;

		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		len = readlink(path, target, sizeof(target) - 1);
		if (len < 0)
			continue;
		target[len] = '\0';
		if (sscanf(target, "/dev/vfio/%u", &group) == 1)
			fds[n++] = fd;
	}
	return n;
}

/* The hot reset itself, made behind the library; 0 or -errno. */
static inline int hot_reset(void)
{
	union {
		struct vfio_pci_hot_reset arg;
		int32_t room[3 + 64];
	} u = { .arg = { .argsz = sizeof(u) } };
	int rc;

	if (opts.door == VFIOSAFE_DOOR_GROUP)
		u.arg.count = group_fds(u.arg.group_fds);
	rc = ioctl(vfiosafe_device_fd(dev), VFIO_DEVICE_PCI_HOT_RESET, &u) < 0 ? -errno
									       : 0;
	if (rc == 0)
		check(vfiosafe_mark_lost(dev, "a hot reset by this test") == 0 &&
			      vfiosafe_recover(dev, NULL) == 0,
		      "recovers");
	return rc;
}

/* Of the kernel's power management: "active", "suspended". */
static inline void runtime_status(const char *address, char *text, size_t len)
{
	char path[128];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), SYSFS "%s/power/runtime_status", address);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? 0 : read(fd, text, len - 1);
	text[n > 0 ? n : 0] = '\0';
	text[strcspn(text, "\n")] = '\0';
	close(fd);
}

/* In a child: what it inherited would keep the device open. */
static inline void close_all_but(int one, int other)
{
	for (int fd = 3; fd < 64; fd++)
		if (fd != one && fd != other)
			close(fd);
}

/* A process that opens @path, or keeps what it inherited, until it is ended. */
static inline pid_t holder(const char *path, int keep)
{
	int ready[2];
	pid_t pid;
	char c;

	if (pipe2(ready, O_CLOEXEC) < 0)
		return -1;
	pid = fork();
	if (pid == 0) {
		close_all_but(ready[1], keep);
		if (path && open(path, O_RDWR | O_CLOEXEC) < 0)
			_exit(1);
		(void)!write(ready[1], "x", 1);
		for (;;)
			pause();
	}
	close(ready[1]);
	if (read(ready[0], &c, 1) != 1)
		pid = -1;
	close(ready[0]);
	return pid;
}

static inline void end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* "vfio3", where this kernel has it. */
static inline bool node_of(const char *address, char *path, size_t len)
{
	char name[32], command[160];
	FILE *out;
	bool good;

	snprintf(command, sizeof(command), "ls " SYSFS "%s/vfio-dev", address);
	out = popen(command, "r");
	good = out && fscanf(out, "%31s", name) == 1;
	if (out)
		pclose(out);
	snprintf(path, len, "/dev/vfio/devices/%s", good ? name : "");
	return good && access(path, F_OK) == 0;
}

#endif

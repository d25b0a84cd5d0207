/* SPDX-License-Identifier: MIT */
/* Who has a function open, as far as the links in /proc say. */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "door.h"
#include "plan.h"

#define GROUP_NODE "/dev/vfio/"
#define CDEV_NODE "/dev/vfio/devices/"
#define DEVICE_FILE "anon_inode:[vfio-device]" /* got out of a group */
#define PROC_PATH 64 /* "/proc/PID/fdinfo/FD", and room */
#define SYSPATH "\nvfio-device-syspath:"

struct scan {
	struct vsf_plan *plan;
	const struct vfiosafe_sys *sys;
	char self[16];		 /* this process, as /proc names it */
	unsigned int unreadable; /* processes */
	unsigned int nameless;	 /* processes with a device of which nobody says which */
	bool all;		 /* process 1 was seen: nothing is hidden from us */

	/* The process that is looked at. */
	const char *pid;
	bool has_group, has_nameless, refused;
};

/* A process that ends while it is looked at has nothing open. */
static bool is_vanished(int rc)
{
	return rc == -ENOENT || rc == -ESRCH;
}

static int read_fdinfo(const struct vfiosafe_sys *sys, const char *path, char *buf,
		       size_t len)
{
	int fd = vsf_sys(sys, open, path, O_RDONLY);
	ssize_t n;

	if (fd < 0)
		return fd;
	n = vsf_sys(sys, pread, fd, buf, len - 1, 0);
	vsf_sys(sys, close, fd);
	if (n < 0)
		return (int)n;
	buf[n] = '\0';
	return 0;
}

int vsf_proc_address(const struct vfiosafe_sys *sys, const char *pid, const char *fd,
		     char *buf, size_t len)
{
	char path[PROC_PATH], info[1024], *line, *end;
	int rc;

	snprintf(path, sizeof(path), "/proc/%s/fdinfo/%s", pid, fd);
	rc = read_fdinfo(sys, path, info, sizeof(info));
	if (rc < 0)
		return rc;
	line = strstr(info, SYSPATH);
	end = line ? strchr(line + 1, '\n') : NULL;
	if (!end)
		return -ENODATA;
	*end = '\0';
	line = strrchr(line, '/');
	return line && vsf_address_canonical(line + 1, buf, len) ? 0 : -ENXIO;
}

static void note(const struct scan *scan, struct vsf_plan_function *f)
{
	char path[PROC_PATH];
	int32_t pid;

	if (strcmp(scan->pid, scan->self) == 0) {
		f->here = true;
		return;
	}
	pid = (int32_t)strtol(scan->pid, NULL, 10);
	if (f->latest == pid)
		return;
	f->latest = pid;
	if (f->pub.holders++ > 0)
		return;
	f->pub.pid = pid;
	snprintf(path, sizeof(path), "/proc/%s/comm", scan->pid);
	if (vsf_sysfs_read(scan->sys, path, f->pub.comm, sizeof(f->pub.comm)) < 0)
		f->pub.comm[0] = '\0';
}

/* An open group is all functions of the group; an open node is one function. */
static void note_node(struct scan *scan, const char *target)
{
	const char *node = NULL;
	unsigned int group = 0;

	if (strncmp(target, CDEV_NODE, strlen(CDEV_NODE)) == 0)
		node = target + strlen(CDEV_NODE);
	else if (vsf_group_number(target + strlen(GROUP_NODE), &group) < 0)
		return;
	scan->has_group |= !node;
	for (struct vsf_plan_function *f = scan->plan->functions; f; f = f->next)
		if (node ? strcmp(f->node, node) == 0 : f->pub.group == (int32_t)group)
			note(scan, f);
}

static void note_device(struct scan *scan, const char *fd)
{
	char address[24];
	int rc = vsf_proc_address(scan->sys, scan->pid, fd, address, sizeof(address));

	if (rc == -ENODATA)
		scan->has_nameless = true;
	else if (rc < 0 && rc != -ENXIO) /* that is no PCI function */
		scan->refused |= !is_vanished(rc);
	for (struct vsf_plan_function *f = scan->plan->functions; f && rc == 0;
	     f = f->next)
		if (strcmp(f->pub.address, address) == 0)
			note(scan, f);
}

static void scan_fd(struct scan *scan, const char *fd)
{
	char path[PROC_PATH], target[64];
	int rc;

	snprintf(path, sizeof(path), "/proc/%s/fd/%s", scan->pid, fd);
	rc = vsf_sys(scan->sys, readlink, path, target, sizeof(target));
	if (rc < 0) /* one that is too long is none of ours */
		scan->refused |= !is_vanished(rc) && rc != -ENAMETOOLONG;
	else if (strncmp(target, GROUP_NODE, strlen(GROUP_NODE)) == 0)
		note_node(scan, target);
	else if (strcmp(target, DEVICE_FILE) == 0)
		note_device(scan, fd);
}

static void scan_process(struct scan *scan, const char *pid)
{
	char path[PROC_PATH];
	struct vsf_dir dir = { .sys = scan->sys, .path = path };
	const char *fd;
	int rc;

	scan->pid = pid;
	scan->has_group = scan->has_nameless = scan->refused = false;
	snprintf(path, sizeof(path), "/proc/%s/fd", pid);
	while ((rc = vsf_dir_next(&dir, &fd)) == 1)
		scan_fd(scan, fd);
	if (scan->refused || (rc < 0 && !is_vanished(rc)))
		scan->unreadable++;
	/* Who keeps the group open has its devices out of it: those are told. */
	if (scan->has_nameless && !scan->has_group && strcmp(pid, scan->self) != 0)
		scan->nameless++;
}

static int scan_all(struct scan *scan)
{
	struct vsf_dir dir = { .sys = scan->sys, .path = "/proc" };
	const char *pid;
	int rc = vsf_sysfs_link(scan->sys, "/proc/self", scan->self, sizeof(scan->self));

	if (rc < 0)
		return rc;
	while ((rc = vsf_dir_next(&dir, &pid)) == 1) {
		if (!isdigit((unsigned char)pid[0]))
			continue;
		scan->all |= strcmp(pid, "1") == 0;
		scan_process(scan, pid);
	}
	return rc;
}

/* What the scan could not see, in words. */
static void say_hidden(struct vsf_plan *plan, const struct scan *scan, int rc)
{
	if (rc == 0 && scan->all && scan->unreadable == 0 && scan->nameless == 0)
		return;
	plan->hidden = true;
	if (rc < 0)
		vsf_plan_unknown(plan, "who has what open (/proc: %s)", strerror(-rc));
	else if (!scan->all)
		vsf_plan_unknown(plan,
				 "what processes of others have open (/proc is mounted "
				 "with hidepid)");
	if (scan->unreadable > 0)
		vsf_plan_unknown(plan,
				 "what %u process%s may have open (looking needs "
				 "CAP_SYS_PTRACE)",
				 scan->unreadable, scan->unreadable == 1 ? "" : "es");
	if (scan->nameless > 0)
		vsf_plan_unknown(plan,
				 "which devices %u process%s may have open (this kernel's "
				 "fdinfo does not say)",
				 scan->nameless, scan->nameless == 1 ? "" : "es");
}

static enum vfiosafe_owner owner_of(const struct vsf_plan *plan,
				    const struct vsf_plan_function *f)
{
	if (f->pub.role == VFIOSAFE_ROLE_SELF)
		return VFIOSAFE_OWNER_THIS;
	if (f->pub.driver[0] == '\0')
		return VFIOSAFE_OWNER_UNBOUND;
	if (f->pub.driver[0] == '?')
		return VFIOSAFE_OWNER_UNKNOWN;
	if (!vsf_is_vfio_driver(f->pub.driver))
		return VFIOSAFE_OWNER_KERNEL;
	if (f->ours)
		return VFIOSAFE_OWNER_OURS;
	if (f->pub.holders > 0 || f->here)
		return VFIOSAFE_OWNER_PROCESS;
	return plan->hidden ? VFIOSAFE_OWNER_UNKNOWN : VFIOSAFE_OWNER_FREE;
}

void vsf_plan_ask_owners(struct vsf_plan *plan)
{
	struct scan scan = { .plan = plan, .sys = plan->dev->sys };
	int rc = scan_all(&scan);

	say_hidden(plan, &scan, rc);
	for (struct vsf_plan_function *f = plan->functions; f; f = f->next) {
		f->pub.owner = owner_of(plan, f);
		/* This process, by means that this handle knows nothing of. */
		if (f->pub.owner == VFIOSAFE_OWNER_PROCESS && f->pub.holders == 0)
			f->pub.pid = (int32_t)strtol(scan.self, NULL, 10);
	}
}

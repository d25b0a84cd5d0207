/* SPDX-License-Identifier: MIT */
/*
 * bed_machine.c - a real kernel in QEMU, which does by vm-host what a guest cannot.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rig.h"

struct order {
	uint8_t deed;
	uint8_t undo;
};

static void device_path(const struct rig *rig, const char *name, char *path, size_t len)
{
	snprintf(path, len, "/sys/bus/pci/devices/%s%s", rig->address, name);
}

/* The device's folder is in that of the port above it. */
static int find_port(struct rig *rig)
{
	char path[96], target[256], *slash;
	ssize_t n;

	device_path(rig, "", path, sizeof(path));
	n = readlink(path, target, sizeof(target) - 1);
	if (n < 0)
		return -errno;
	target[n] = '\0';
	slash = strrchr(target, '/');
	if (!slash)
		return -EINVAL;
	*slash = '\0';
	slash = strrchr(target, '/');
	snprintf(rig->at.port, sizeof(rig->at.port), "%.31s", slash ? slash + 1 : "");
	return 0;
}

static int machine_start(struct rig *rig)
{
	rig->sys = vfiosafe_sys_default();
	rig->at.other = -1;
	return find_port(rig);
}

static void machine_stop(struct rig *rig)
{
	(void)rig;
}

static int reset_by_sysfs(const struct rig *rig)
{
	char path[96];
	int fd, rc = 0;

	device_path(rig, "/reset", path, sizeof(path));
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (write(fd, "1", 1) != 1)
		rc = -errno;
	close(fd);
	return rc;
}

static void other_process(const struct rig *rig, int fd, int sock)
{
	struct order order;
	int rc;

	while (read(sock, &order, sizeof(order)) == sizeof(order)) {
		rc = order.deed == DEED_SYSFS
			     ? reset_by_sysfs(rig)
			     : behind(rig->sys, fd, (enum deed)order.deed, order.undo);
		if (write(sock, &rc, sizeof(rc)) != sizeof(rc))
			break;
	}
	_exit(0);
}

static int machine_other_start(struct rig *rig)
{
	int pair[2], fd = fcntl(vfiosafe_device_fd(rig->dev), F_DUPFD_CLOEXEC, 0);

	if (fd < 0 || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	rig->at.other_pid = fork();
	if (rig->at.other_pid == 0) {
		close(pair[0]);
		other_process(rig, fd, pair[1]);
	}
	close(pair[1]);
	close(fd);
	rig->at.other = pair[0];
	return rig->at.other_pid < 0 ? -EAGAIN : 0;
}

static void machine_other_stop(struct rig *rig)
{
	if (rig->at.other < 0)
		return;
	close(rig->at.other);
	waitpid(rig->at.other_pid, NULL, 0);
	rig->at.other = -1;
}

static int machine_other_order(struct rig *rig, enum deed deed, bool undo)
{
	struct order order = { .deed = (uint8_t)deed, .undo = undo };

	return write(rig->at.other, &order, sizeof(order)) == sizeof(order) ? 0 : -EPIPE;
}

static int machine_other_done(struct rig *rig)
{
	struct pollfd fd = { .fd = rig->at.other, .events = POLLIN };
	int rc;

	if (poll(&fd, 1, PATIENCE_MS) != 1)
		return -ETIMEDOUT;
	return read(rig->at.other, &rc, sizeof(rc)) == sizeof(rc) ? rc : -EPIPE;
}

/* Runs a program of the guest. */
static int run(const char *program, const char *first, const char *second,
	       const char *third)
{
	char line[160];

	snprintf(line, sizeof(line), "%s %s %s %s", program, first, second, third);
	return system(line) == 0 ? 0 : -EIO;
}

static int machine_error(struct rig *rig, bool fatal)
{
	return run("vm-host", "aer", rig->port_id, fatal ? "DLP" : "COMP_TIME");
}

static int machine_remove(struct rig *rig, bool surprise)
{
	return surprise ? slot_pull_out(rig->at.port)
			: run("vm-host", "remove", rig->id, "");
}

static int machine_await_gone(struct rig *rig)
{
	int64_t deadline = vfiosafe_deadline_in_ms(PATIENCE_MS);
	char path[96];

	device_path(rig, "/vendor", path, sizeof(path));
	while (access(path, F_OK) == 0) {
		if (now_ns() > deadline)
			return -ETIMEDOUT;
		take_a_breath();
	}
	return 0;
}

static int machine_put_back(struct rig *rig)
{
	int rc = slot_await_off(rig->at.port);

	if (rc == 0)
		rc = run("vm-host", "add", rig->id, "");
	return rc < 0 ? rc : run("vm-bind", rig->address, "", "");
}

const struct bed bed_machine = {
	.start = machine_start,
	.stop = machine_stop,
	.other_start = machine_other_start,
	.other_stop = machine_other_stop,
	.other_order = machine_other_order,
	.other_done = machine_other_done,
	.error = machine_error,
	.remove = machine_remove,
	.await_gone = machine_await_gone,
	.put_back = machine_put_back,
};

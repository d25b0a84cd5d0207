/* SPDX-License-Identifier: MIT */
/* What the parts of vm_dmabuf share: devices, one of their BARs, what the kernel says. */
#ifndef VM_DMABUF_RIG_H
#define VM_DMABUF_RIG_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "check.h"

#define PAGE UINT64_C(4096)

/* For what does come, sooner or later. */
#define SOON_MS 20000

/* A device that is open, one of its BARs, and a buffer of that. */
struct device {
	const char *address;
	struct vfiosafe_device *dev;
	struct vfiosafe_bar *bar;
	struct vfiosafe_view view;
	struct vfiosafe_dmabuf *buf;
};

static inline bool device_open(struct device *d, enum vfiosafe_door door, uint32_t bar)
{
	const struct vfiosafe_device_opts opts = { .size = sizeof(opts), .door = door };
	int rc = vfiosafe_device_open(&d->dev, d->address, &opts);

	if (rc == 0)
		rc = vfiosafe_bar_map(&d->bar, d->dev, bar, 0, 0, 0);
	if (rc == 0)
		rc = vfiosafe_bar_view(d->bar, &d->view);
	return rc == 0 || check(false, "%s opens, BAR %u is mapped", d->address, bar);
}

static inline void device_close(struct device *d)
{
	if (vfiosafe_device_close(d->dev, 1000) < 0)
		check(false, "%s closes", d->address);
	d->dev = NULL;
}

static inline int export(struct device *d, uint64_t offset, uint64_t len)
{
	const struct vfiosafe_area range = { offset, len };

	return vfiosafe_dmabuf_export(&d->buf, d->bar, &range, 1, 0);
}

/* An empty line: none; "default": as at boot. */
static inline bool set_reset_method(const struct device *d, const char *line)
{
	char path[128];
	bool good;
	int fd;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/reset_method", d->address);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	good = write(fd, line, strlen(line)) == (ssize_t)strlen(line);
	close(fd);
	return good;
}

static inline unsigned int open_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned int n = 0;

	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

/* From now on: what the kernel writes into its log. */
static inline int kernel_log(void)
{
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	lseek(fd, 0, SEEK_END);
	return fd;
}

/* Interrupts that are pending somewhere are served before this thread runs there. */
static inline void visit_processors(void)
{
	cpu_set_t all, one;

	sched_getaffinity(0, sizeof(all), &all);
	for (int i = 0; i < CPU_SETSIZE; i++) {
		if (!CPU_ISSET(i, &all))
			continue;
		CPU_ZERO(&one);
		CPU_SET(i, &one);
		sched_setaffinity(0, sizeof(one), &one);
	}
	sched_setaffinity(0, sizeof(all), &all);
}

/* How often the IOMMU stopped something since the last call. */
static inline unsigned int iommu_faults(int log)
{
	unsigned int n = 0;
	char line[1024];
	ssize_t len;

	visit_processors();
	while ((len = read(log, line, sizeof(line) - 1)) > 0 || errno == EPIPE) {
		line[len > 0 ? len : 0] = '\0';
		n += strstr(line, "DMAR:") && strstr(line, "fault addr");
	}
	return n;
}

/* Bytes that depend on where they are, and on @seed; never a word of all-ones. */
static inline void pattern(uint8_t *at, unsigned int seed)
{
	for (unsigned int i = 0; i < PAGE; i++)
		at[i] = (uint8_t)(seed * 29 + i * 7 + (i >> 8)) & 0x7f;
}

/* Reads a page of a BAR by its own device's guard. Bytes that differ, or -errno. */
static inline int differs(const struct vfiosafe_view *view, uint64_t offset,
			  const uint8_t *want)
{
	uint64_t seen[PAGE / 8];
	int rc = vfiosafe_copy_from(view, offset, seen, PAGE, 8), n = 0;

	for (unsigned int i = 0; i < PAGE && rc == 0; i++)
		n += ((const uint8_t *)seen)[i] != want[i];
	return rc < 0 ? rc : n;
}

static inline const char *door_name(enum vfiosafe_door door)
{
	return door == VFIOSAFE_DOOR_CDEV ? "cdev" : "group";
}

/* Each part: 0 if all of its checks were good. */
int dmabuf_absent(char **addresses, enum vfiosafe_door door);
int dmabuf_models(char **addresses, enum vfiosafe_door door);
int dmabuf_kernel(char **addresses, enum vfiosafe_door door);
int dmabuf_engines(char **addresses, enum vfiosafe_door door);
int dmabuf_windows(char **addresses, enum vfiosafe_door door);
int dmabuf_ends(char **addresses, enum vfiosafe_door door);
int dmabuf_foreign(char **addresses, enum vfiosafe_door door);
int dmabuf_import(char **addresses, enum vfiosafe_door door);

#endif

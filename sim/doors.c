/* SPDX-License-Identifier: MIT */
/*
 * doors.c - the paths by which a program finds the device, by either door. What
 * else is below these folders does not exist; every other path is the real one.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "internal.h"

#define SYSFS_DEVICES "/sys/bus/pci/devices/"

/* What follows @prefix, or NULL. */
static const char *after(const char *path, const char *prefix)
{
	size_t len = strlen(prefix);

	return strncmp(path, prefix, len) == 0 ? path + len : NULL;
}

/* What follows the device's folder in sysfs and a slash, or NULL. */
static const char *in_sysfs(const struct vfiosafe_sim *sim, const char *path)
{
	path = after(path, SYSFS_DEVICES);
	path = path ? after(path, sim->address) : NULL;
	return path && *path == '/' ? path + 1 : NULL;
}

static int config16(const struct vfiosafe_sim *sim, unsigned int at)
{
	return sim->config[at] | sim->config[at + 1] << 8;
}

/* The text of a file; false: there is none of this name. */
static bool sysfs_text(const struct vfiosafe_sim *sim, const char *name, char *text,
		       size_t len)
{
	char dev[64];

	snprintf(dev, sizeof(dev), "vfio-dev/vfio%u/dev", sim->number);
	if (strcmp(name, "vendor") == 0)
		snprintf(text, len, "0x%04x\n", config16(sim, 0));
	else if (strcmp(name, "device") == 0)
		snprintf(text, len, "0x%04x\n", config16(sim, 2));
	else if (strcmp(name, "class") == 0)
		snprintf(text, len, "0x%06x\n", sim->model->class_revision >> 8);
	else if (strcmp(name, "reset_method") == 0)
		snprintf(text, len, "%s\n", sim->no_reset_method ? "" : "flr pm");
	else if (strcmp(name, dev) == 0 && !sim->releasing)
		snprintf(text, len, "%u:%u\n", VSIM_MAJOR, sim->number);
	else
		return false;
	return true;
}

static int open_text(const char *text)
{
	int fd = memfd_create("vfiosafe-sim-sysfs", MFD_CLOEXEC);
	size_t len = strlen(text);

	if (fd < 0)
		return -errno;
	if (write(fd, text, len) == (ssize_t)len)
		return fd;
	close(fd);
	return -EIO;
}

static int open_sysfs(struct vfiosafe_sim *sim, const char *name)
{
	char text[64];
	bool found;

	pthread_mutex_lock(&sim->lock);
	found = sysfs_text(sim, name, text, sizeof(text));
	pthread_mutex_unlock(&sim->lock);
	return found ? open_text(text) : -ENOENT;
}

static bool is_node(const char *path, const char *format, unsigned int number)
{
	char node[64];

	snprintf(node, sizeof(node), "%s%u", format, number);
	return strcmp(path, node) == 0;
}

static enum vsim_file_kind kind_of(const struct vfiosafe_sim *sim, const char *path)
{
	if (strcmp(path, "/dev/iommu") == 0)
		return VSIM_FILE_IOMMUFD;
	if (strcmp(path, "/dev/vfio/vfio") == 0)
		return VSIM_FILE_CONTAINER;
	if (is_node(path, "/dev/vfio/devices/vfio", sim->number))
		return VSIM_FILE_DEVICE;
	if (is_node(path, "/dev/vfio/", sim->number))
		return VSIM_FILE_GROUP;
	return VSIM_FILE_NONE;
}

/* One open of a group in all, and none beside a device that was bound. */
static int open_node(struct vfiosafe_sim *sim, enum vsim_file_kind kind)
{
	struct vsim_file *file;

	vsim_files_reap(sim);
	if (kind == VSIM_FILE_DEVICE && sim->releasing)
		return -ENOENT;
	if (kind == VSIM_FILE_GROUP && (vsim_file_in_use(sim, VSIM_FILE_GROUP) ||
					vsim_file_in_use(sim, VSIM_FILE_DEVICE)))
		return -EBUSY;
	return vsim_file_new(sim, kind, &file);
}

int vsim_door_open(struct vfiosafe_sim *sim, const char *path)
{
	const char *name = in_sysfs(sim, path);
	enum vsim_file_kind kind = kind_of(sim, path);
	int rc;

	if (name)
		return open_sysfs(sim, name);
	if (kind == VSIM_FILE_NONE)
		return -ENOSYS;
	pthread_mutex_lock(&sim->lock);
	rc = open_node(sim, kind);
	pthread_mutex_unlock(&sim->lock);
	return rc;
}

static int answer(char *buf, size_t len, const char *text)
{
	return (size_t)snprintf(buf, len, "%s", text) < len ? 0 : -ENAMETOOLONG;
}

int vsim_door_readlink(struct vfiosafe_sim *sim, const char *path, char *buf, size_t len)
{
	const char *name = in_sysfs(sim, path);
	char link[64];

	if (!name)
		return -ENOSYS;
	if (strcmp(name, "driver") == 0)
		return answer(buf, len, "../../../bus/pci/drivers/vfio-pci");
	if (strcmp(name, "iommu_group") != 0)
		return -ENOENT;
	snprintf(link, sizeof(link), "../../../kernel/iommu_groups/%u", sim->number);
	return answer(buf, len, link);
}

static bool is_group_folder(const struct vfiosafe_sim *sim, const char *path)
{
	char folder[64];

	snprintf(folder, sizeof(folder), "/sys/kernel/iommu_groups/%u/devices",
		 sim->number);
	return strcmp(path, folder) == 0;
}

/* One name, or none any more. */
static int only_name(uint64_t *position, char *buf, size_t len, const char *name)
{
	int rc;

	if (*position > 0)
		return 0;
	rc = answer(buf, len, name);
	if (rc < 0)
		return rc;
	*position = 1;
	return 1;
}

int vsim_door_names(struct vfiosafe_sim *sim, const char *path, uint64_t *position,
		    char *buf, size_t len)
{
	const char *name = in_sysfs(sim, path);
	char node[32];
	bool wanted;

	if (is_group_folder(sim, path))
		name = "iommu_group/devices";
	if (!name)
		return -ENOSYS;
	pthread_mutex_lock(&sim->lock);
	wanted = sim->releasing;
	pthread_mutex_unlock(&sim->lock);
	snprintf(node, sizeof(node), "vfio%u", sim->number);
	if (strcmp(name, "vfio-dev") == 0 && !wanted)
		return only_name(position, buf, len, node);
	if (strcmp(name, "iommu_group/devices") == 0)
		return only_name(position, buf, len, sim->address);
	return -ENOENT;
}

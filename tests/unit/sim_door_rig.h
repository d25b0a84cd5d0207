/* SPDX-License-Identifier: MIT */
/*
 * sim_door_rig.h - a program's way to a simulated device by its address, through the
 * table: the device node and an iommufd, or group and container.
 */
#ifndef SIM_DOOR_RIG_H
#define SIM_DOOR_RIG_H

#include <uapi.h> /* first: the system's may be too old */

#include "sim_irq_rig.h"

struct door {
	struct rig rig; /* its fd is the program's; no BAR is mapped */
	int iommu;	/* iommufd or container */
	int group;	/* or -1 */
	uint32_t ioas;
};

static inline int door_open(const struct rig *rig, const char *path)
{
	return rig->sys->open(rig->sys->ctx, path, O_RDWR);
}

static inline int door_ioctl(const struct rig *rig, int fd, unsigned long request,
			     void *arg)
{
	return rig->sys->ioctl(rig->sys->ctx, fd, request, arg);
}

static inline int door_close(const struct rig *rig, int fd)
{
	return rig->sys->close(rig->sys->ctx, fd);
}

static inline struct vfiosafe_sim_held door_held(const struct rig *rig)
{
	struct vfiosafe_sim_held held;

	vfiosafe_sim_held(rig->sim, &held);
	return held;
}

/* The first line of a file below the device's folder in sysfs. */
static inline int door_text(const struct rig *rig, const char *name, char *text,
			    size_t len)
{
	char path[128];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/%s",
		 vfiosafe_sim_address(rig->sim), name);
	fd = door_open(rig, path);
	if (fd < 0)
		return fd;
	n = rig->sys->pread(rig->sys->ctx, fd, text, len - 1, 0);
	assert_true(n >= 0);
	text[n] = '\0';
	text[strcspn(text, "\n")] = '\0';
	return door_close(rig, fd);
}

/* The first name in a folder. */
static inline int door_name(const struct rig *rig, const char *path, char *name,
			    size_t len)
{
	uint64_t position = 0;

	return rig->sys->dir_names(rig->sys->ctx, path, &position, name, len);
}

/* "vfio5001" and "5001". */
static inline void door_names(const struct rig *rig, char *node, char *group, size_t len)
{
	char path[128];
	char link[128];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/vfio-dev",
		 vfiosafe_sim_address(rig->sim));
	assert_int_equal(door_name(rig, path, node, len), 1);
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/iommu_group",
		 vfiosafe_sim_address(rig->sim));
	assert_int_equal(rig->sys->readlink(rig->sys->ctx, path, link, sizeof(link)), 0);
	snprintf(group, len, "%.16s", strrchr(link, '/') + 1);
}

static inline int door_open_node(const struct rig *rig)
{
	char node[32], group[32], path[64];

	door_names(rig, node, group, sizeof(node));
	snprintf(path, sizeof(path), "/dev/vfio/devices/%s", node);
	return door_open(rig, path);
}

static inline int door_open_group(const struct rig *rig)
{
	char node[32], group[32], path[64];

	door_names(rig, node, group, sizeof(node));
	snprintf(path, sizeof(path), "/dev/vfio/%s", group);
	return door_open(rig, path);
}

static inline int door_ioas_alloc(const struct rig *rig, int iommu, uint32_t *id)
{
	struct iommu_ioas_alloc alloc = { .size = sizeof(alloc) };
	int rc = door_ioctl(rig, iommu, IOMMU_IOAS_ALLOC, &alloc);

	*id = alloc.out_ioas_id;
	return rc;
}

static inline int door_bind(const struct rig *rig, int fd, int iommu)
{
	struct vfio_device_bind_iommufd bind = { .argsz = sizeof(bind),
						 .iommufd = iommu };

	return door_ioctl(rig, fd, VFIO_DEVICE_BIND_IOMMUFD, &bind);
}

static inline int door_attach(const struct rig *rig, int fd, uint32_t ioas)
{
	struct vfio_device_attach_iommufd_pt attach = { .argsz = sizeof(attach),
							.pt_id = ioas };

	return door_ioctl(rig, fd, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &attach);
}

/* Opened, bound and attached to an address space of its own. */
static inline void door_by_node(struct door *door, struct vfiosafe_sim *sim)
{
	struct rig *rig = &door->rig;

	*rig = (struct rig){ .sim = sim, .sys = vfiosafe_sim_sys(sim) };
	rig->fd = door_open_node(rig);
	door->iommu = door_open(rig, "/dev/iommu");
	door->group = -1;
	assert_true(rig->fd >= 0 && door->iommu >= 0);
	assert_int_equal(door_ioas_alloc(rig, door->iommu, &door->ioas), 0);
	assert_int_equal(door_bind(rig, rig->fd, door->iommu), 0);
	assert_int_equal(door_attach(rig, rig->fd, door->ioas), 0);
}

static inline void door_by_group(struct door *door, struct vfiosafe_sim *sim)
{
	struct rig *rig = &door->rig;
	char address[32];

	*rig = (struct rig){ .sim = sim, .sys = vfiosafe_sim_sys(sim) };
	door->iommu = door_open(rig, "/dev/vfio/vfio");
	door->group = door_open_group(rig);
	assert_true(door->group >= 0 && door->iommu >= 0);
	assert_int_equal(
		door_ioctl(rig, door->group, VFIO_GROUP_SET_CONTAINER, &door->iommu), 0);
	assert_int_equal(door_ioctl(rig, door->iommu, VFIO_SET_IOMMU,
				    (void *)(uintptr_t)VFIO_TYPE1v2_IOMMU),
			 0);
	snprintf(address, sizeof(address), "%s", vfiosafe_sim_address(sim));
	rig->fd = door_ioctl(rig, door->group, VFIO_GROUP_GET_DEVICE_FD, address);
	assert_true(rig->fd >= 0);
}

/* Gives everything back. */
static inline void door_leave(struct door *door)
{
	assert_int_equal(door_close(&door->rig, door->rig.fd), 0);
	if (door->group >= 0)
		assert_int_equal(door_close(&door->rig, door->group), 0);
	assert_int_equal(door_close(&door->rig, door->iommu), 0);
}

#endif

/* SPDX-License-Identifier: MIT */
/*
 * group.c - the older door: a group, put into a container, from which it gives
 * device fds. No iommufd in the place of the container.
 */
#include <errno.h>
#include <fcntl.h>
#include <uapi.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>
#include "internal.h"

static int get_status(const struct vsim_file *group, struct vfio_group_status *arg)
{
	if (!arg)
		return -EFAULT;
	if (arg->argsz < sizeof(*arg))
		return -EINVAL;
	arg->flags = VFIO_GROUP_FLAGS_VIABLE;
	if (group->via)
		arg->flags |= VFIO_GROUP_FLAGS_CONTAINER_SET;
	return 0;
}

static int attach_container(struct vfiosafe_sim *sim, struct vsim_file *container)
{
	return container->ioas ? vsim_ioas_attach(sim, container->ioas) : 0;
}

static int set_container(struct vfiosafe_sim *sim, struct vsim_file *group,
			 const int32_t *fd)
{
	struct vsim_file *container;
	int rc;

	if (!fd)
		return -EFAULT;
	if (fcntl(*fd, F_GETFD) < 0)
		return -EBADF;
	if (group->via)
		return -EINVAL;
	container = vsim_file_of(sim, *fd);
	if (!container || container->kind != VSIM_FILE_CONTAINER)
		return -EBADFD;
	rc = attach_container(sim, container);
	if (rc == 0)
		group->via = container;
	return rc;
}

/* Without a group, a container has no type. */
static void leave_container(struct vfiosafe_sim *sim, struct vsim_file *group)
{
	struct vsim_file *container = group->via;

	group->via = NULL;
	if (container && container->ioas)
		vsim_ioas_end(sim, container->ioas);
	if (container)
		container->ioas = NULL;
}

void vsim_group_closed(struct vfiosafe_sim *sim, struct vsim_file *group)
{
	leave_container(sim, group);
}

static int unset_container(struct vfiosafe_sim *sim, struct vsim_file *group)
{
	if (!group->via)
		return -EINVAL;
	if (vsim_file_in_use(sim, VSIM_FILE_DEVICE))
		return -EBUSY;
	leave_container(sim, group);
	return 0;
}

static int get_device(struct vfiosafe_sim *sim, struct vsim_file *group, const char *name)
{
	struct vsim_file *file;
	int fd, rc;

	if (!name)
		return -EFAULT;
	if (strcmp(name, sim->address) != 0 || sim->releasing)
		return -ENODEV;
	if (!group->via || !group->via->ioas)
		return -EINVAL;
	fd = vsim_file_new(sim, VSIM_FILE_DEVICE, &file);
	if (fd < 0)
		return fd;
	rc = vsim_device_grant(sim, file, group);
	if (rc < 0) {
		close(fd);
		vsim_files_reap(sim);
		return rc;
	}
	return fd;
}

int vsim_group_ioctl(struct vfiosafe_sim *sim, struct vsim_file *group,
		     unsigned long request, void *arg)
{
	int rc = -ENOTTY;

	pthread_mutex_lock(&sim->lock);
	vsim_files_reap(sim);
	if (request == VFIO_GROUP_GET_STATUS)
		rc = get_status(group, arg);
	else if (request == VFIO_GROUP_SET_CONTAINER)
		rc = set_container(sim, group, arg);
	else if (request == VFIO_GROUP_UNSET_CONTAINER)
		rc = unset_container(sim, group);
	else if (request == VFIO_GROUP_GET_DEVICE_FD)
		rc = get_device(sim, group, arg);
	pthread_mutex_unlock(&sim->lock);
	return rc;
}

static int check_extension(uintptr_t which)
{
	return which == VFIO_TYPE1_IOMMU || which == VFIO_TYPE1v2_IOMMU ||
	       which == VFIO_UNMAP_ALL;
}

static bool has_group(const struct vfiosafe_sim *sim, const struct vsim_file *container)
{
	for (unsigned int i = 0; i < VSIM_FILES; i++)
		if (sim->file[i].kind == VSIM_FILE_GROUP && sim->file[i].via == container)
			return true;
	return false;
}

static int set_iommu(struct vfiosafe_sim *sim, struct vsim_file *container,
		     uintptr_t which)
{
	if (!has_group(sim, container) || container->ioas)
		return -EINVAL;
	if (which != VFIO_TYPE1_IOMMU && which != VFIO_TYPE1v2_IOMMU)
		return -ENODEV;
	container->ioas = vsim_ioas_new(sim, container);
	if (!container->ioas)
		return -ENOMEM;
	return vsim_ioas_attach(sim, container->ioas);
}

int vsim_container_ioctl(struct vfiosafe_sim *sim, struct vsim_file *container,
			 unsigned long request, void *arg)
{
	bool has_type;
	int rc = 0;

	if (request == VFIO_GET_API_VERSION)
		return VFIO_API_VERSION;
	if (request == VFIO_CHECK_EXTENSION)
		return check_extension((uintptr_t)arg);
	pthread_mutex_lock(&sim->lock);
	vsim_files_reap(sim);
	if (request == VFIO_SET_IOMMU)
		rc = set_iommu(sim, container, (uintptr_t)arg);
	has_type = container->ioas;
	pthread_mutex_unlock(&sim->lock);
	if (request == VFIO_SET_IOMMU)
		return rc;
	return has_type ? vsim_type1_ioctl(sim, container, request, arg) : -EINVAL;
}

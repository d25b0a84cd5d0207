/* SPDX-License-Identifier: MIT */
/* The group door: /dev/vfio/N in a type1 container. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "door.h"
#include "error.h"
#include "uapi.h"

static int group_id(const struct vsf_open *req, unsigned int *id)
{
	char name[32];
	int rc = vsf_function_group(req->sys, req->address, name, sizeof(name));

	if (rc == -ENOENT)
		return vsf_fail(ENODEV, "%s has no IOMMU group: there is no IOMMU, or it is "
					"off; turn it on in firmware and kernel "
					"(intel_iommu=on)",
				req->address);
	if (rc < 0)
		return vsf_fail(-rc, "cannot read " VSF_SYSFS_DEVICES "/%s/iommu_group: %s",
				req->address, strerror(-rc));
	if (vsf_group_number(name, id) < 0)
		return vsf_fail(EBADMSG, VSF_SYSFS_DEVICES "/%s/iommu_group leads to \"%s\", "
					 "which is no group number",
				req->address, name);
	return 0;
}

static int container_new(struct vsf_open *req)
{
	struct vsf_iommu *iommu = vsf_iommu_new(req->sys, VFIOSAFE_DOOR_GROUP);
	int rc;

	if (!iommu)
		return -ENOMEM;
	rc = vsf_sys(req->sys, open, "/dev/vfio/vfio", O_RDWR);
	if (rc == -ENOENT || rc == -ENODEV) {
		rc = vsf_fail(EOPNOTSUPP, "there is no /dev/vfio/vfio: this kernel was built "
					  "without CONFIG_VFIO_CONTAINER, or the module is not "
					  "loaded (modprobe vfio)");
		goto err;
	}
	if (rc < 0) {
		rc = vsf_refuse_node(rc, "/dev/vfio/vfio", "is the vfio module loaded?");
		goto err;
	}
	iommu->fd = rc;
	rc = vsf_sys(req->sys, ioctl, iommu->fd, VFIO_GET_API_VERSION, NULL);
	if (rc != VFIO_API_VERSION) {
		rc = rc < 0 ? vsf_fail(-rc, "VFIO_GET_API_VERSION failed: %s", strerror(-rc))
			    : vsf_fail(EOPNOTSUPP, "this kernel speaks VFIO API version %d, "
						   "we %d",
				       rc, VFIO_API_VERSION);
		goto err;
	}
	rc = vsf_sys(req->sys, ioctl, iommu->fd, VFIO_CHECK_EXTENSION,
		     (void *)(uintptr_t)VFIO_TYPE1v2_IOMMU);
	if (rc != 1) {
		rc = rc < 0 ? vsf_fail(-rc, "VFIO_CHECK_EXTENSION failed: %s", strerror(-rc))
			    : vsf_fail(EOPNOTSUPP, "this kernel's VFIO has no type1v2 IOMMU "
						   "(modprobe vfio_iommu_type1)");
		goto err;
	}
	req->iommu = iommu;
	return 0;
err:
	vsf_iommu_put(iommu);
	return rc;
}

static int not_viable(const struct vsf_open *req, unsigned int id)
{
	char who[256];

	if (vsf_group_blockers(req, who, sizeof(who)))
		return vsf_fail(EBUSY, "IOMMU group %u of %s is not viable: %s must be bound "
				       "to vfio-pci, or to no driver",
				id, req->address, who);
	return vsf_fail(EBUSY, "IOMMU group %u of %s is not viable: its DMA is owned by "
			       "somebody else (another VFIO user, or iommufd)",
			id, req->address);
}

static int open_group_node(const struct vsf_open *req, unsigned int id, int *fd)
{
	struct vfio_group_status status = { .argsz = sizeof(status) };
	char node[64];
	int rc;

	snprintf(node, sizeof(node), "/dev/vfio/%u", id);
	rc = vsf_sys(req->sys, open, node, O_RDWR);
	if (rc == -EBUSY)
		return vsf_fail(EBUSY, "%s is open already: another process uses this group, "
				       "or a device of it through the cdev door (in this "
				       "process, open the second function with iommu_of)",
				node);
	if (rc == -ENOENT)
		return vsf_fail(EOPNOTSUPP, "%s does not exist: this kernel was built without "
					    "CONFIG_VFIO_GROUP; use the cdev door",
				node);
	if (rc < 0)
		return vsf_refuse_node(rc, node, "is the device being unbound?");
	*fd = rc;
	rc = vsf_sys(req->sys, ioctl, *fd, VFIO_GROUP_GET_STATUS, &status);
	if (rc < 0)
		rc = vsf_fail(-rc, "VFIO_GROUP_GET_STATUS failed: %s", strerror(-rc));
	else if (!(status.flags & VFIO_GROUP_FLAGS_VIABLE))
		rc = not_viable(req, id);
	if (rc < 0)
		vsf_sys(req->sys, close, *fd);
	return rc;
}

/* Puts the group into the container; the first one decides the IOMMU type. */
static int attach_group(const struct vsf_open *req, unsigned int id, int fd)
{
	struct vsf_iommu *iommu = req->iommu;
	int rc = vsf_sys(req->sys, ioctl, fd, VFIO_GROUP_SET_CONTAINER, &iommu->fd);

	if (rc == -EPERM || rc == -EBUSY)
		return not_viable(req, id);
	if (rc < 0)
		return vsf_fail(-rc, "VFIO_GROUP_SET_CONTAINER of group %u failed: %s", id,
				strerror(-rc));
	if (iommu->groups)
		return 0;
	rc = vsf_sys(req->sys, ioctl, iommu->fd, VFIO_SET_IOMMU,
		     (void *)(uintptr_t)VFIO_TYPE1v2_IOMMU);
	if (rc < 0)
		return vsf_fail(-rc, "VFIO_SET_IOMMU failed: %s%s", strerror(-rc),
				rc == -EPERM ? " (interrupts are not isolated)" : "");
	return 0;
}

static int add_group(const struct vsf_open *req, unsigned int id, struct vsf_group **out)
{
	struct vsf_group *group = calloc(1, sizeof(*group));
	int rc;

	if (!group)
		return vsf_fail(ENOMEM, "out of memory");
	rc = open_group_node(req, id, &group->fd);
	if (rc < 0) {
		free(group);
		return rc;
	}
	rc = attach_group(req, id, group->fd);
	if (rc < 0) {
		vsf_sys(req->sys, close, group->fd);
		free(group);
		return rc;
	}
	group->id = id;
	group->next = req->iommu->groups;
	req->iommu->groups = group;
	*out = group;
	return 0;
}

static int get_device(const struct vsf_open *req, const struct vsf_group *group)
{
	char name[VSF_TOKEN_NAME_LEN];
	int rc = vsf_open_ioctl(req, group->fd, VFIO_GROUP_GET_DEVICE_FD,
				(void *)(uintptr_t)vsf_token_name(req, name));

	if (rc >= 0)
		return rc;
	switch (rc) {
	case -ETIMEDOUT:
		return vsf_fail(ETIMEDOUT, "%s stayed locked (EAGAIN): a reset, an unbind or "
					   "sriov_numvfs holds it",
				req->address);
	case -EINVAL:
		return vsf_fail(EINVAL, "VFIO_GROUP_GET_DEVICE_FD(%s) was refused%s", req->address,
				req->vf_token ? ": does it want a VF token?" : "");
	case -ENODEV:
		return vsf_fail(ENODEV, "%s is not in its group any more: it is being unbound",
				req->address);
	case -EACCES:
		return vsf_refuse_token(req);
	default:
		return vsf_fail(-rc, "VFIO_GROUP_GET_DEVICE_FD(%s) failed: %s", req->address,
				strerror(-rc));
	}
}

/* With req->iommu set: finds or adds the group, and gets the device out of it. */
static int open_in_container(struct vsf_open *req, unsigned int id)
{
	struct vsf_iommu *iommu = req->iommu;
	struct vsf_group *group;
	bool added = false;
	int rc = 0;

	pthread_mutex_lock(&iommu->lock);
	for (group = iommu->groups; group && group->id != id;)
		group = group->next;
	if (!group) {
		rc = add_group(req, id, &group);
		added = rc == 0;
	}
	if (rc == 0)
		rc = get_device(req, group);
	if (rc >= 0) {
		req->fd = rc;
		rc = 0;
	} else if (added) {
		iommu->groups = group->next;
		vsf_sys(req->sys, close, group->fd);
		free(group);
	}
	pthread_mutex_unlock(&iommu->lock);
	return rc;
}

int vsf_open_group(struct vsf_open *req)
{
	struct vsf_iommu *shared = req->iommu;
	unsigned int id;
	int rc = group_id(req, &id);

	if (rc < 0)
		return rc;
	if (shared)
		vsf_iommu_get(shared);
	else
		rc = container_new(req);
	if (rc < 0)
		return rc;
	rc = open_in_container(req, id);
	if (rc < 0) {
		vsf_iommu_put(req->iommu);
		req->iommu = shared;
	}
	return rc;
}

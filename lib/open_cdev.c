/* SPDX-License-Identifier: MIT */
/* The cdev door: /dev/vfio/devices/vfioN, bound to an iommufd. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "door.h"
#include "error.h"
#include "uapi.h"

/* Name of the device's VFIO node, "vfio3". */
static int cdev_name(const struct vsf_open *req, char *name, size_t len)
{
	int rc = vsf_function_node(req->sys, req->address, name, len);

	if (rc == 0)
		return 0;
	if (rc != -ENOENT)
		return vsf_fail(-rc, "cannot read " VSF_SYSFS_DEVICES "/%s/vfio-dev: %s",
				req->address, strerror(-rc));
	return vsf_fail(EOPNOTSUPP, "%s has no VFIO device node: this kernel has no cdev "
				    "door; use the group door",
			req->address);
}

/* The node must be the one that sysfs means: /dev may be stale, or somebody's. */
static int check_rdev(const struct vsf_open *req, int fd, const char *name,
		      const char *node)
{
	char path[PATH_MAX], text[32], want[32];
	uint64_t rdev;
	int rc;

	snprintf(path, sizeof(path), VSF_SYSFS_DEVICES "/%s/vfio-dev/%s/dev", req->address,
		 name);
	rc = vsf_sysfs_read(req->sys, path, text, sizeof(text));
	if (rc == -ENOENT)
		return vsf_fail(EOPNOTSUPP, "%s has no character device: this kernel was "
					    "built without CONFIG_VFIO_DEVICE_CDEV; use the "
					    "group door",
				req->address);
	if (rc >= 0)
		rc = vsf_sys(req->sys, rdev, fd, &rdev);
	if (rc < 0)
		return vsf_fail(-rc, "cannot identify %s: %s", node, strerror(-rc));
	snprintf(want, sizeof(want), "%u:%u", major(rdev), minor(rdev));
	if (strcmp(want, text) != 0)
		return vsf_fail(ENODEV, "%s is device %s, but %s is %s: /dev is not "
					"maintained by devtmpfs or udev",
				node, want, req->address, text);
	return 0;
}

static int open_node(const struct vsf_open *req, int *fd)
{
	char name[64], node[128];
	int rc = cdev_name(req, name, sizeof(name));

	if (rc < 0)
		return rc;
	snprintf(node, sizeof(node), "/dev/vfio/devices/%s", name);
	rc = vsf_sys(req->sys, open, node, O_RDWR);
	if (rc == -ENOENT)
		return vsf_fail(EOPNOTSUPP, "%s does not exist: this kernel was built without "
					    "CONFIG_VFIO_DEVICE_CDEV; use the group door",
				node);
	if (rc < 0)
		return vsf_refuse_node(rc, node, "is the device being unbound?");
	*fd = rc;
	rc = check_rdev(req, *fd, name, node);
	if (rc < 0)
		vsf_sys(req->sys, close, *fd);
	return rc;
}

static int iommufd_new(struct vsf_open *req)
{
	struct iommu_ioas_alloc alloc = { .size = sizeof(alloc) };
	struct vsf_iommu *iommu = vsf_iommu_new(req->sys, VFIOSAFE_DOOR_CDEV);
	int rc;

	if (!iommu)
		return -ENOMEM;
	rc = vsf_sys(req->sys, open, "/dev/iommu", O_RDWR);
	if (rc == -ENOENT || rc == -ENODEV) {
		rc = vsf_fail(EOPNOTSUPP, "there is no /dev/iommu: this kernel was built "
					  "without CONFIG_IOMMUFD, or the module is not loaded "
					  "(modprobe iommufd); use the group door");
	} else if (rc < 0) {
		rc = vsf_refuse_node(rc, "/dev/iommu", "is iommufd loaded?");
	} else {
		iommu->fd = rc;
		rc = vsf_sys(req->sys, ioctl, iommu->fd, IOMMU_IOAS_ALLOC, &alloc);
		if (rc < 0)
			rc = vsf_fail(-rc, "IOMMU_IOAS_ALLOC failed: %s", strerror(-rc));
	}
	if (rc < 0) {
		vsf_iommu_put(iommu);
		return rc;
	}
	iommu->ioas_id = alloc.out_ioas_id;
	req->iommu = iommu;
	return 0;
}

static int refuse_bind(const struct vsf_open *req, int err)
{
	char who[256];

	switch (err) {
	case -ETIMEDOUT:
		return vsf_fail(ETIMEDOUT, "%s stayed locked (EAGAIN): a reset, an unbind or "
					   "sriov_numvfs holds it",
				req->address);
	case -EBUSY:
		return vsf_fail(EBUSY, "%s is open through its group (/dev/vfio/N), or its "
				       "group is in use by another domain; close that, or "
				       "share its process",
				req->address);
	case -EINVAL:
		if (req->vf_token)
			return vsf_fail(EINVAL, "%s is open already, or wants no VF token, or "
						"this kernel takes none by the cdev door",
					req->address);
		return vsf_fail(EBUSY, "%s is already open through another fd of its VFIO "
				       "node: a device has one owner (pass the fd instead, "
				       "vfiosafe_device_from_fd())",
				req->address);
	case -EPERM:
		if (vsf_group_blockers(req, who, sizeof(who)))
			return vsf_fail(EPERM, "DMA of %s's IOMMU group is owned by other "
					       "drivers: %s; bind them to vfio-pci too",
					req->address, who);
		return vsf_fail(EPERM, "DMA of %s's IOMMU group is owned by another iommufd "
				       "(open its sibling functions with iommu_of), or its "
				       "interrupts are not isolated",
				req->address);
	case -EACCES:
		return vsf_refuse_token(req);
	case -ENODEV:
		return vsf_fail(ENODEV, "%s has no IOMMU behind it; turn it on in firmware "
					"and kernel (intel_iommu=on)",
				req->address);
	default:
		return vsf_fail(-err, "binding %s to an iommufd failed: %s", req->address,
				strerror(-err));
	}
}

static int bind_and_attach(const struct vsf_open *req, int fd)
{
	struct vfio_device_bind_iommufd bind = {
		.argsz = sizeof(bind),
		.iommufd = req->iommu->fd,
	};
	struct vfio_device_attach_iommufd_pt attach = {
		.argsz = sizeof(attach),
		.pt_id = req->iommu->ioas_id,
	};
	int rc;

	if (req->vf_token) {
		bind.flags = VFIO_DEVICE_BIND_FLAG_TOKEN;
		bind.token_uuid_ptr = (uintptr_t)req->vf_token;
	}
	rc = vsf_open_ioctl(req, fd, VFIO_DEVICE_BIND_IOMMUFD, &bind);
	if (rc == -ENOTTY)
		return vsf_fail(EOPNOTSUPP, "this kernel cannot bind a device to an iommufd; "
					    "use the group door");
	if (rc < 0)
		return refuse_bind(req, rc);
	rc = vsf_open_ioctl(req, fd, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &attach);
	if (rc < 0)
		return vsf_fail(-rc, "attaching %s to its address space failed: %s%s",
				req->address, strerror(-rc),
				rc == -EINVAL ? " (a sibling of its IOMMU group is attached "
						"elsewhere: open both with iommu_of)"
					      : "");
	return 0;
}

int vsf_open_cdev(struct vsf_open *req)
{
	struct vsf_iommu *shared = req->iommu;
	int fd = -1;
	int rc = open_node(req, &fd);

	if (rc < 0)
		return rc;
	if (shared)
		vsf_iommu_get(shared);
	else
		rc = iommufd_new(req);
	if (rc == 0) {
		rc = bind_and_attach(req, fd);
		if (rc < 0) {
			vsf_iommu_put(req->iommu);
			req->iommu = shared;
		}
	}
	if (rc < 0)
		vsf_sys(req->sys, close, fd);
	else
		req->fd = fd;
	return rc;
}

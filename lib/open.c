/* SPDX-License-Identifier: MIT */
/* From an address, or an fd, to a device that can be used. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "door.h"
#include "epoch.h"
#include "error.h"
#include "region.h"
#include "uapi.h"

#define OPEN_TIMEOUT_MS 10000

/* The caller's options, as far as it knows them; the rest are zero. */
static int read_opts(struct vfiosafe_device_opts *to, const struct vfiosafe_device_opts *from)
{
	memset(to, 0, sizeof(*to));
	if (from) {
		int rc = vsf_copy_opts(to, sizeof(*to), from, from->size,
				       "opts.size", "struct vfiosafe_device_opts");

		if (rc < 0)
			return rc;
	}
	if (!to->sys)
		to->sys = vfiosafe_sys_default();
	if (to->sys->size < sizeof(struct vfiosafe_sys))
		return vsf_fail(EINVAL, "opts.sys was built for another version of sys.h");
	if (to->open_timeout_ms == 0)
		to->open_timeout_ms = OPEN_TIMEOUT_MS;
	return 0;
}

/* What must be known of a device fd before it can be used. Fills @dev. */
static int learn(struct vfiosafe_device *dev)
{
	struct vfio_device_info info = { .argsz = sizeof(info) };
	int rc = vsf_sys(dev->sys, ioctl, dev->fd, VFIO_DEVICE_GET_INFO, &info);

	if (rc == -ENOTTY || (rc == 0 && !(info.flags & VFIO_DEVICE_FLAGS_PCI)))
		return vsf_fail(EINVAL, "%s is not a VFIO PCI device", dev->address);
	if (rc == -EINVAL)
		return vsf_fail(EINVAL, "%s is not a VFIO device, or not bound to an iommufd "
					"yet",
				dev->address);
	if (rc < 0)
		return vsf_fail(-rc, "VFIO_DEVICE_GET_INFO failed: %s", strerror(-rc));
	dev->can_reset = info.flags & VFIO_DEVICE_FLAGS_RESET;
	rc = vsf_regions_read(dev);
	if (rc < 0)
		return rc;
	rc = vsf_config_read16(dev, VSF_PCI_COMMAND, &dev->command);
	if (rc < 0)
		return vsf_fail(-rc, "cannot read the config space of %s: %s", dev->address,
				strerror(-rc));
	rc = vsf_config_learn(dev);
	if (rc < 0)
		return vsf_fail(-rc, "cannot read the capabilities of %s: %s", dev->address,
				strerror(-rc));
	return vsf_probe_learn(dev);
}

/* Makes the handle around @fd. On failure, @fd is still the caller's. */
static int device_new(struct vfiosafe_device **out, int fd, const char *address,
		      const struct vfiosafe_device_opts *opts)
{
	struct vfiosafe_device *dev = calloc(1, sizeof(*dev));
	int rc;

	if (!dev)
		return vsf_fail(ENOMEM, "out of memory");
	dev->sys = opts->sys;
	dev->fd = fd;
	dev->keep_bus_master_off = opts->keep_bus_master_off;
	dev->recover_on_wait = opts->recover_on_wait;
	dev->door = opts->door;
	dev->ones_fd = -1;
	dev->reset_by = VFIOSAFE_METHOD_NONE;
	dev->drain = opts->drain;
	dev->drain_ctx = opts->drain_ctx;
	snprintf(dev->address, sizeof(dev->address), "%s", address);
	pthread_mutex_init(&dev->lock, NULL);
	pthread_mutex_init(&dev->map_lock, NULL);
	vsf_irqs_init(dev);
	rc = vsf_epoch_init(dev->sys, &dev->fenced);
	if (rc == 0)
		rc = learn(dev);
	if (rc == 0) {
		rc = vsf_words_new(&dev->words, dev->sys, 1);
		if (rc < 0)
			rc = vsf_fail(-rc, "no page for the device word: %s", strerror(-rc));
	}
	if (rc < 0)
		goto err;
	dev->words->dev = dev;
	dev->word = &dev->words->device;
	/* An adopted device has them armed already, perhaps: see device.h. */
	rc = vsf_events_open(dev, dev->door != VFIOSAFE_DOOR_FD || opts->arm_events);
	if (rc < 0)
		goto err_words;
	*out = dev;
	return 0;
err_words:
	vsf_words_free(dev->words, dev->sys);
err:
	vsf_irqs_free(dev);
	pthread_mutex_destroy(&dev->map_lock);
	pthread_mutex_destroy(&dev->lock);
	free(dev);
	return rc;
}

/* By the door that was asked for, or cdev first and group if there is no cdev. */
static int open_door(struct vsf_open *req, enum vfiosafe_door *door)
{
	int rc;

	if (req->iommu)
		*door = req->iommu->door;
	if (*door == VFIOSAFE_DOOR_GROUP)
		return vsf_open_group(req);
	rc = vsf_open_cdev(req);
	if (rc == -EOPNOTSUPP && *door == VFIOSAFE_DOOR_AUTO) {
		*door = VFIOSAFE_DOOR_GROUP;
		return vsf_open_group(req);
	}
	*door = VFIOSAFE_DOOR_CDEV;
	return rc;
}

static int check_door(const struct vfiosafe_device_opts *opts)
{
	if (opts->door > VFIOSAFE_DOOR_GROUP)
		return vsf_fail(EINVAL, "opts.door is %d; it may be AUTO, CDEV or GROUP",
				opts->door);
	if (!opts->iommu_of)
		return 0;
	if (!opts->iommu_of->iommu)
		return vsf_fail(EINVAL, "opts.iommu_of was adopted from an fd: its IOMMU "
					"context belongs to whoever opened it");
	if (opts->door && opts->door != opts->iommu_of->door)
		return vsf_fail(EINVAL, "opts.iommu_of was opened by the other door");
	return 0;
}

VFIOSAFE_API int vfiosafe_device_open(struct vfiosafe_device **out, const char *address,
				      const struct vfiosafe_device_opts *user_opts)
{
	struct vfiosafe_device_opts opts;
	struct vsf_open req = { .fd = -1 };
	char canonical[32];
	int rc;

	if (vsf_depth() > 0)
		return vsf_fail(EDEADLK, "vfiosafe_device_open inside a section");
	rc = read_opts(&opts, user_opts);
	if (rc == 0)
		rc = check_door(&opts);
	if (rc == 0)
		rc = vsf_address_parse(address, canonical, sizeof(canonical));
	if (rc < 0)
		return rc;
	req.sys = opts.sys;
	req.address = canonical;
	req.deadline = vsf_deadline(opts.sys, opts.open_timeout_ms);
	req.iommu = opts.iommu_of ? opts.iommu_of->iommu : NULL;
	req.vf_token = opts.vf_token;
	rc = vsf_check_bound(&req);
	if (rc == 0)
		rc = open_door(&req, &opts.door);
	if (rc < 0)
		return rc;
	rc = device_new(out, req.fd, canonical, &opts);
	if (rc < 0) {
		vsf_sys(req.sys, close, req.fd);
		vsf_iommu_put(req.iommu);
		return rc;
	}
	vsf_iommu_add(req.iommu, *out);
	return 0;
}

VFIOSAFE_API int vfiosafe_device_from_fd(struct vfiosafe_device **out, int device_fd,
					 const struct vfiosafe_device_opts *user_opts)
{
	struct vfiosafe_device_opts opts;
	char name[24];
	int fd, rc;

	if (vsf_depth() > 0)
		return vsf_fail(EDEADLK, "vfiosafe_device_from_fd inside a section");
	rc = read_opts(&opts, user_opts);
	if (rc < 0)
		return rc;
	fd = vsf_sys(opts.sys, dup, device_fd);
	if (fd < 0)
		return vsf_fail(-fd, "cannot duplicate fd %d: %s", device_fd, strerror(-fd));
	opts.door = VFIOSAFE_DOOR_FD;
	snprintf(name, sizeof(name), "fd %d", device_fd);
	rc = device_new(out, fd, opts.address ? opts.address : name, &opts);
	if (rc < 0) {
		vsf_sys(opts.sys, close, fd);
		return rc;
	}
	return 0;
}

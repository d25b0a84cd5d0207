/* SPDX-License-Identifier: MIT */
/* Why a device cannot be opened, and what to do about it, read from sysfs. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "door.h"
#include "error.h"

#define NAME_LEN 64

static int driver_of(const struct vfiosafe_sys *sys, const char *address, char *buf,
		     size_t len)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), VSF_SYSFS_DEVICES "/%s/driver", address);
	return vsf_sysfs_link(sys, path, buf, len);
}

/* vfio-pci and its variants: mlx5_vfio_pci, nvgrace_gpu_vfio_pci, ... */
static bool is_vfio_driver(const char *driver)
{
	return strstr(driver, "vfio") != NULL;
}

int vsf_check_bound(const struct vsf_open *req)
{
	char driver[NAME_LEN], vendor[NAME_LEN], path[PATH_MAX];
	int rc;

	snprintf(path, sizeof(path), VSF_SYSFS_DEVICES "/%s/vendor", req->address);
	rc = vsf_sysfs_read(req->sys, path, vendor, sizeof(vendor));
	if (rc == -ENOENT)
		return vsf_fail(ENODEV, "there is no PCI function %s; lspci -D lists those "
					"that exist",
				req->address);
	if (rc < 0)
		return vsf_fail(-rc, "cannot read %s: %s", path, strerror(-rc));
	rc = driver_of(req->sys, req->address, driver, sizeof(driver));
	if (rc == 0 && is_vfio_driver(driver))
		return 0;
	if (rc < 0 && rc != -ENOENT)
		return vsf_fail(-rc, "cannot tell the driver of %s: %s", req->address,
				strerror(-rc));
	return vsf_fail(ENXIO,
			"%s is bound to %s; to bind it to vfio-pci: echo vfio-pci > "
			VSF_SYSFS_DEVICES "/%s/driver_override%s; echo %s > "
			"/sys/bus/pci/drivers_probe",
			req->address, rc < 0 ? "no driver" : driver, req->address,
			rc < 0 ? "; modprobe vfio-pci" : ", unbind it there", req->address);
}

int vsf_refuse_node(int err, const char *node, const char *hint)
{
	if (err == -EACCES || err == -EPERM)
		return vsf_fail(EACCES, "no permission to open %s: give it to this user "
					"(chown, or a udev rule)",
				node);
	return vsf_fail(-err, "cannot open %s: %s; %s", node, strerror(-err), hint);
}

/* Bridges carry no DMA of their own; pcieport does not stand in the way. */
static bool blocks(const char *driver)
{
	return !is_vfio_driver(driver) && strcmp(driver, "pcieport") != 0 &&
	       strcmp(driver, "pci-stub") != 0;
}

bool vsf_group_blockers(const struct vsf_open *req, char *buf, size_t len)
{
	char path[PATH_MAX], sibling[NAME_LEN], driver[NAME_LEN];
	size_t used = 0;

	buf[0] = '\0';
	snprintf(path, sizeof(path), VSF_SYSFS_DEVICES "/%s/iommu_group/devices",
		 req->address);
	for (unsigned int i = 0;
	     vsf_sys(req->sys, dir_entry, path, i, sibling, sizeof(sibling)) == 1; i++) {
		if (driver_of(req->sys, sibling, driver, sizeof(driver)) < 0 ||
		    !blocks(driver) || used >= len)
			continue;
		used += (size_t)snprintf(buf + used, len - used, "%s%s (%s)",
					 used ? ", " : "", sibling, driver);
	}
	return used > 0;
}

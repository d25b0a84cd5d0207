/* SPDX-License-Identifier: MIT */
/* Why a device cannot be opened, and what to do about it, read from sysfs. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "door.h"
#include "error.h"

int vsf_check_bound(const struct vsf_open *req)
{
	char driver[VSF_NAME_LEN], vendor[VSF_NAME_LEN], path[PATH_MAX];
	int rc;

	snprintf(path, sizeof(path), VSF_SYSFS_DEVICES "/%s/vendor", req->address);
	rc = vsf_sysfs_read(req->sys, path, vendor, sizeof(vendor));
	if (rc == -ENOENT)
		return vsf_fail(ENODEV, "there is no PCI function %s; lspci -D lists those "
					"that exist",
				req->address);
	if (rc < 0)
		return vsf_fail(-rc, "cannot read %s: %s", path, strerror(-rc));
	rc = vsf_function_driver(req->sys, req->address, driver, sizeof(driver));
	if (rc == 0 && vsf_is_vfio_driver(driver))
		return 0;
	if (rc < 0 && rc != -ENOENT)
		return vsf_fail(-rc, "cannot tell the driver of %s: %s", req->address,
				strerror(-rc));
	vsf_bind_advice(req->address, rc == 0, path, sizeof(path));
	return vsf_fail(ENXIO, "%s is bound to %s; to bind it to vfio-pci: %s", req->address,
			rc < 0 ? "no driver" : driver, path);
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
	return !vsf_is_vfio_driver(driver) && strcmp(driver, "pcieport") != 0 &&
	       strcmp(driver, "pci-stub") != 0;
}

bool vsf_group_blockers(const struct vsf_open *req, char *buf, size_t len)
{
	char path[PATH_MAX], driver[VSF_NAME_LEN];
	struct vsf_dir dir = { .sys = req->sys, .path = path };
	const char *sibling;
	size_t used = 0;

	buf[0] = '\0';
	snprintf(path, sizeof(path), VSF_SYSFS_DEVICES "/%s/iommu_group/devices",
		 req->address);
	while (vsf_dir_next(&dir, &sibling) == 1) {
		if (vsf_function_driver(req->sys, sibling, driver, sizeof(driver)) < 0 ||
		    !blocks(driver) || used >= len)
			continue;
		used += (size_t)snprintf(buf + used, len - used, "%s%s (%s)",
					 used ? ", " : "", sibling, driver);
	}
	return used > 0;
}

/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "function.h"

static int link_of(const struct vfiosafe_sys *sys, const char *address, const char *link,
		   char *buf, size_t len)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), VSF_SYSFS_DEVICES "/%s/%s", address, link);
	return vsf_sysfs_link(sys, path, buf, len);
}

int vsf_function_driver(const struct vfiosafe_sys *sys, const char *address, char *buf,
			size_t len)
{
	return link_of(sys, address, "driver", buf, len);
}

bool vsf_is_vfio_driver(const char *driver)
{
	return strstr(driver, "vfio") != NULL;
}

int vsf_function_group(const struct vfiosafe_sys *sys, const char *address, char *buf,
		       size_t len)
{
	return link_of(sys, address, "iommu_group", buf, len);
}

int vsf_group_number(const char *name, unsigned int *id)
{
	char *end;

	*id = (unsigned int)strtoul(name, &end, 10);
	return end == name || *end ? -EBADMSG : 0;
}

int vsf_function_node(const struct vfiosafe_sys *sys, const char *address, char *buf,
		      size_t len)
{
	char path[PATH_MAX];
	struct vsf_dir dir = { .sys = sys, .path = path };
	const char *name;
	int rc;

	snprintf(path, sizeof(path), VSF_SYSFS_DEVICES "/%s/vfio-dev", address);
	rc = vsf_dir_next(&dir, &name);
	if (rc <= 0)
		return rc < 0 ? rc : -ENOENT;
	return (size_t)snprintf(buf, len, "%s", name) < len ? 0 : -ENAMETOOLONG;
}

void vsf_bind_advice(const char *address, bool bound, char *buf, size_t len)
{
	char unbind[96] = "modprobe vfio-pci";

	if (bound)
		snprintf(unbind, sizeof(unbind), "echo %s > " VSF_SYSFS_DEVICES "/%s/driver/unbind",
			 address, address);
	snprintf(buf, len,
		 "echo vfio-pci > " VSF_SYSFS_DEVICES "/%s/driver_override; %s; echo %s > "
		 "/sys/bus/pci/drivers_probe",
		 address, unbind, address);
}

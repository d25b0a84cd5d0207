/* SPDX-License-Identifier: MIT */
/*
 * adopt.c - hand a device that DPDK has open to the library, by DPDK's public interface.
 *
 * The fd: DPDK tells the one of the IOMMU group, and a group gives as many fds of a
 * device as are asked for. Where the PMD has mapped the registers DPDK does not tell; the
 * kernel does. There the mappings of one device look like those of another one: so a
 * device is adopted before the next one is probed.
 */
#include <errno.h>
#include <inttypes.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <rte_vfio.h>
#include "port.h"

int port_device_fd(const char *address)
{
	int group, fd = -1;

	/* 1: there is one */
	if (rte_vfio_get_group_num("/sys/bus/pci/devices", address, &group) == 1)
		fd = rte_vfio_get_group_fd(group);
	fd = fd < 0 ? -1 : ioctl(fd, VFIO_GROUP_GET_DEVICE_FD, address);
	return fd < 0 ? -errno : fd;
}

static void *adopted[RTE_MAX_ETHPORTS];
static unsigned int adopted_n;

static bool is_adopted(const void *address)
{
	for (unsigned int i = 0; i < adopted_n; i++)
		if (adopted[i] == address)
			return true;
	return false;
}

/* Where that range of a VFIO device is mapped that was not adopted yet; NULL: nowhere. */
static void *find_mapping(const struct vfio_region_info *region)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	unsigned long long offset;
	uintptr_t start, end;
	void *found = NULL;
	char line[512];

	while (maps && !found && fgets(line, sizeof(line), maps))
		if (strstr(line, "vfio-device") &&
		    sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %*s %llx", &start, &end,
			   &offset) == 3 &&
		    offset == region->offset && end - start == region->size &&
		    !is_adopted((void *)start))
			found = (void *)start;
	if (maps)
		fclose(maps);
	return found;
}

/* The library's errors; it says why. */
static int hand_over(struct port *port, void *mapping, uint64_t len)
{
	struct vfiosafe_device_opts opts = { .size = sizeof(opts),
					     .address = port->address };
	int rc = vfiosafe_device_from_fd(&port->dev, port->fd, &opts);

	if (rc == 0)
		rc = vfiosafe_bar_adopt(&port->bar, port->dev, PORT_REGS, 0, mapping, len,
					VFIOSAFE_BAR_REPLACE);
	if (rc == 0)
		rc = vfiosafe_bar_view(port->bar, &port->regs);
	return rc < 0 ? rc : port_survive_resets(port);
}

int port_adopt(struct port *port)
{
	struct vfio_region_info region = { .argsz = sizeof(region), .index = PORT_REGS };
	void *mapping;
	int rc;

	if (ioctl(port->fd, VFIO_DEVICE_GET_REGION_INFO, &region) < 0)
		return port_fail(port->address, "no registers", -errno);
	mapping = find_mapping(&region);
	if (!mapping || adopted_n == RTE_MAX_ETHPORTS)
		return port_fail(port->address, "registers mapped nowhere", -ENXIO);
	rc = hand_over(port, mapping, region.size);
	if (rc < 0)
		return port_fail(port->address, vfiosafe_error_text(), rc);
	adopted[adopted_n++] = mapping;
	return 0;
}

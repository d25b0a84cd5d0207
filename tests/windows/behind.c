/* SPDX-License-Identifier: MIT */
/* behind.c - plain ioctls and config writes on a device fd. */
#include <endian.h>
#include <errno.h>
#include <linux/pci_regs.h>

#include "bed.h"
#include "rig.h"
#include "uapi.h"

static uint64_t config_offset(void)
{
	return (uint64_t)VFIO_PCI_CONFIG_REGION_INDEX << 40;
}

static int config_get(const struct vfiosafe_sys *sys, int fd, uint16_t at, uint16_t *value)
{
	uint16_t raw = 0;
	ssize_t n = sys->pread(sys->ctx, fd, &raw, sizeof(raw), config_offset() + at);

	*value = le16toh(raw);
	return n < 0 ? (int)n : n == sizeof(raw) ? 0 : -EIO;
}

static int config_change(const struct vfiosafe_sys *sys, int fd, uint16_t at,
			 uint16_t clear, uint16_t set)
{
	uint16_t value = 0;
	int rc = config_get(sys, fd, at, &value);
	ssize_t n;

	if (rc < 0)
		return rc;
	value = htole16((uint16_t)((value & ~clear) | set));
	n = sys->pwrite(sys->ctx, fd, &value, sizeof(value), config_offset() + at);
	return n < 0 ? (int)n : n == sizeof(value) ? 0 : -EIO;
}

static uint16_t capability(const struct vfiosafe_sys *sys, int fd, uint8_t id)
{
	uint16_t at = 0, link = 0;
	int rc = config_get(sys, fd, PCI_CAPABILITY_LIST, &at);

	for (at &= 0xfc; rc == 0 && at; at = link >> 8 & 0xfc) {
		rc = config_get(sys, fd, at, &link);
		if (rc == 0 && (link & 0xff) == id)
			return at;
	}
	return 0;
}

/* Somebody who opens the device, or reads certain files of it, has its lock. */
static int reset(const struct vfiosafe_sys *sys, int fd)
{
	int64_t deadline = vfiosafe_deadline_in_ms(PATIENCE_MS);
	int rc;

	do
		rc = sys->ioctl(sys->ctx, fd, VFIO_DEVICE_RESET, NULL);
	while (rc == -EAGAIN && now_ns() < deadline);
	return rc;
}

static int low_power(const struct vfiosafe_sys *sys, int fd, bool enter)
{
	struct vfio_device_feature feature = {
		.argsz = sizeof(feature),
		.flags = VFIO_DEVICE_FEATURE_SET |
			 (enter ? VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY
				: VFIO_DEVICE_FEATURE_LOW_POWER_EXIT),
	};

	return sys->ioctl(sys->ctx, fd, VFIO_DEVICE_FEATURE, &feature);
}

int behind(const struct vfiosafe_sys *sys, int fd, enum deed deed, bool undo)
{
	uint16_t at;

	switch (deed) {
	case DEED_RESET:
		return reset(sys, fd);
	case DEED_FLR:
		at = capability(sys, fd, PCI_CAP_ID_EXP);
		return !at ? -ENOENT
			   : config_change(sys, fd, (uint16_t)(at + PCI_EXP_DEVCTL), 0,
					   PCI_EXP_DEVCTL_BCR_FLR);
	case DEED_SLEEP:
		at = capability(sys, fd, PCI_CAP_ID_PM);
		return !at ? -ENOENT
			   : config_change(sys, fd, (uint16_t)(at + PCI_PM_CTRL),
					   PCI_PM_CTRL_STATE_MASK, undo ? 0 : 3);
	case DEED_LOW_POWER:
		return low_power(sys, fd, !undo);
	case DEED_DECODE:
		return config_change(sys, fd, PCI_COMMAND, PCI_COMMAND_MEMORY,
				     undo ? PCI_COMMAND_MEMORY : 0);
	default:
		return -EINVAL;
	}
}

/* SPDX-License-Identifier: MIT */
/* Making a BAR go away behind the library, by plain config writes and ioctls. */
#ifndef VM_GO_AWAY_H
#define VM_GO_AWAY_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "uapi.h"

#define CONFIG_OFFSET ((off_t)VFIO_PCI_CONFIG_REGION_INDEX << 40)

enum way { DECODE_OFF, D3HOT, LOW_POWER, WAYS };
static const char *const way_names[] = { "decode off", "D3hot", "low power" };

static int config16(int fd, uint16_t at, uint16_t clear, uint16_t set)
{
	uint16_t value;

	if (pread(fd, &value, 2, CONFIG_OFFSET + at) != 2)
		return -errno;
	value = (uint16_t)((value & ~clear) | set);
	return pwrite(fd, &value, 2, CONFIG_OFFSET + at) == 2 ? 0 : -errno;
}

static uint16_t pmcsr(int fd)
{
	uint8_t at = 0, link[2];

	if (pread(fd, &at, 1, CONFIG_OFFSET + 0x34) != 1)
		return 0;
	while (at && pread(fd, link, 2, CONFIG_OFFSET + at) == 2 && link[0] != 1)
		at = link[1];
	return (uint16_t)(at + 4);
}

static int feature(int fd, uint32_t number)
{
	struct vfio_device_feature f = { .argsz = sizeof(f),
					 .flags = VFIO_DEVICE_FEATURE_SET | number };

	return ioctl(fd, VFIO_DEVICE_FEATURE, &f) < 0 ? -errno : 0;
}

static int go_away(int fd, enum way way, bool away)
{
	switch (way) {
	case DECODE_OFF:
		return config16(fd, 0x04, 0x2, away ? 0 : 0x2);
	case D3HOT:
		return config16(fd, pmcsr(fd), 0x3, away ? 0x3 : 0);
	case LOW_POWER:
		return feature(fd, away ? VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY
					: VFIO_DEVICE_FEATURE_LOW_POWER_EXIT);
	default:
		return -EINVAL;
	}
}

#endif

/* SPDX-License-Identifier: MIT */
/* behind.c - plain system calls on a duplicate of the device's fd. */
#include <endian.h>
#include <errno.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>

#include "job.h"

#define CONFIG ((uint64_t)VFIO_PCI_CONFIG_REGION_INDEX << 40)
#define PATIENCE_MS 10000

static int config_get(const struct job *job, uint16_t at, uint16_t *value)
{
	uint16_t raw = 0;
	ssize_t n = job->sys->pread(job->sys->ctx, job->other_fd, &raw, sizeof(raw),
				    CONFIG + at);

	*value = le16toh(raw);
	return n < 0 ? (int)n : n == sizeof(raw) ? 0 : -EIO;
}

static int config_change(const struct job *job, uint16_t at, uint16_t clear, uint16_t set)
{
	uint16_t value = 0;
	int rc = config_get(job, at, &value);
	ssize_t n;

	if (rc < 0)
		return rc;
	value = htole16((uint16_t)((value & ~clear) | set));
	n = job->sys->pwrite(job->sys->ctx, job->other_fd, &value, sizeof(value),
			     CONFIG + at);
	return n < 0 ? (int)n : n == sizeof(value) ? 0 : -EIO;
}

/* Who opens the device, or reads certain files of it, has its lock for a moment. */
int behind_reset(const struct job *job)
{
	int64_t deadline = vfiosafe_deadline_in_ms(PATIENCE_MS);
	int rc;

	do
		rc = job->sys->ioctl(job->sys->ctx, job->other_fd, VFIO_DEVICE_RESET, NULL);
	while (rc == -EAGAIN && vfiosafe_deadline_in_ms(0) < deadline);
	return rc;
}

int behind_decode_off(const struct job *job)
{
	return config_change(job, PCI_COMMAND, PCI_COMMAND_MEMORY, 0);
}

int behind_power(const struct job *job, enum vfiosafe_power power)
{
	uint16_t at = 0, link = 0;
	int rc = config_get(job, PCI_CAPABILITY_LIST, &at);

	for (at &= 0xfc; rc == 0 && at; at = link >> 8 & 0xfc) {
		rc = config_get(job, at, &link);
		if (rc == 0 && (link & 0xff) == PCI_CAP_ID_PM)
			return config_change(job, (uint16_t)(at + PCI_PM_CTRL),
					     PCI_PM_CTRL_STATE_MASK, (uint16_t)power);
	}
	return rc < 0 ? rc : -ENOENT;
}

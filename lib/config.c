/* SPDX-License-Identifier: MIT */
#include <endian.h>
#include <errno.h>

#include "config.h"

int vsf_config_read(const struct vfiosafe_device *dev, uint16_t at, void *buf, size_t len)
{
	ssize_t n;

	if (at + len > dev->config_len)
		return -EINVAL;
	n = vsf_sys(dev->sys, pread, dev->fd, buf, len, dev->config_offset + at);
	if (n < 0)
		return (int)n;
	return (size_t)n == len ? 0 : -EIO;
}

int vsf_config_read16(const struct vfiosafe_device *dev, uint16_t at, uint16_t *value)
{
	uint16_t raw = 0;
	int rc = vsf_config_read(dev, at, &raw, sizeof(raw));

	*value = le16toh(raw);
	return rc;
}

int vsf_config_write16(const struct vfiosafe_device *dev, uint16_t at, uint16_t value)
{
	uint16_t raw = htole16(value);
	ssize_t n = vsf_sys(dev->sys, pwrite, dev->fd, &raw, sizeof(raw),
			    dev->config_offset + at);

	if (n < 0)
		return (int)n;
	return n == sizeof(raw) ? 0 : -EIO;
}

int vsf_config_find_cap(const struct vfiosafe_device *dev, uint8_t id)
{
	uint8_t at = 0, link[2] = { 0 };
	uint16_t status;
	int rc = vsf_config_read16(dev, 0x06, &status);

	if (rc < 0 || !(status & 0x10))
		return rc;
	rc = vsf_config_read(dev, 0x34, &at, 1);
	/* A broken chain may loop: 48 is what fits. */
	for (int i = 0; i < 48 && rc == 0 && (at &= 0xfc) >= 0x40; i++) {
		rc = vsf_config_read(dev, at, link, 2);
		if (rc == 0 && link[0] == id)
			return at;
		at = link[1];
	}
	return rc;
}

bool vsf_config_answers(const struct vfiosafe_device *dev)
{
	uint32_t dword;

	/* INTx disable is VFIO's own: of a device that is gone it reads as it was set. */
	return vsf_config_read(dev, VSF_PCI_COMMAND, &dword, sizeof(dword)) == 0 &&
	       (le32toh(dword) | VSF_PCI_COMMAND_INTX_OFF) != UINT32_MAX;
}

int vsf_config_power_state(const struct vfiosafe_device *dev)
{
	uint16_t pmcsr;
	int rc;

	if (!dev->pm_cap)
		return 0;
	rc = vsf_config_read16(dev, (uint16_t)(dev->pm_cap + 4), &pmcsr);
	return rc < 0 ? rc : pmcsr & VSF_PCI_PM_STATE;
}

int vsf_config_to_d0(const struct vfiosafe_device *dev)
{
	uint16_t at = (uint16_t)(dev->pm_cap + 4), pmcsr;
	int rc = vsf_config_read16(dev, at, &pmcsr);

	if (rc < 0)
		return rc;
	rc = vsf_config_write16(dev, at, pmcsr & (uint16_t)~VSF_PCI_PM_STATE);
	if (rc < 0)
		return rc;
	/* The write never reports failure: look. */
	rc = vsf_config_power_state(dev);
	return rc > 0 ? -EIO : rc;
}

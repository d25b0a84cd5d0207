/* SPDX-License-Identifier: MIT */
#include <endian.h>
#include <errno.h>

#include "config.h"

#define EXP_DEVCAP 0x04
#define EXP_DEVCAP_FLR 0x10000000u
#define EXP_DEVCTL 0x08
#define AF_CAP_TP_FLR 0x03000000u /* of the capability's first four bytes */
#define AF_CTRL 0x04

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

/* Where the kernel resets the device for the bit, as it does if these say it can. */
static int find_flr(struct vfiosafe_device *dev)
{
	int exp = vsf_config_find_cap(dev, VSF_PCI_CAP_EXP);
	int af = exp < 0 ? exp : vsf_config_find_cap(dev, VSF_PCI_CAP_AF);
	uint32_t can = 0;
	int rc = af < 0 ? af : 0;

	if (rc == 0 && exp)
		rc = vsf_config_read(dev, (uint16_t)(exp + EXP_DEVCAP), &can, sizeof(can));
	if (rc == 0 && exp && (le32toh(can) & EXP_DEVCAP_FLR))
		dev->devctl = (uint16_t)(exp + EXP_DEVCTL);
	if (rc == 0 && af)
		rc = vsf_config_read(dev, (uint16_t)af, &can, sizeof(can));
	if (rc == 0 && af && (le32toh(can) & AF_CAP_TP_FLR) == AF_CAP_TP_FLR)
		dev->af_ctrl = (uint16_t)(af + AF_CTRL);
	return rc;
}

int vsf_config_learn(struct vfiosafe_device *dev)
{
	int rc = vsf_config_find_cap(dev, VSF_PCI_CAP_PM);

	if (rc < 0)
		return rc;
	dev->pm_cap = (uint8_t)rc;
	return find_flr(dev);
}

bool vsf_config_answers(const struct vfiosafe_device *dev)
{
	uint32_t dword;

	/* INTx disable is VFIO's own: of a device that is gone it reads as it was set. */
	return vsf_config_read(dev, VSF_PCI_COMMAND, &dword, sizeof(dword)) == 0 &&
	       (le32toh(dword) | VSF_PCI_COMMAND_INTX_OFF) != UINT32_MAX;
}

int vsf_config_pmcsr(const struct vfiosafe_device *dev, uint16_t *pmcsr)
{
	int rc = vsf_config_read16(dev, (uint16_t)(dev->pm_cap + 4), pmcsr);

	return rc == 0 && *pmcsr == UINT16_MAX ? -ENXIO : rc;
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

/* SPDX-License-Identifier: MIT */
/* Config space as programs see it: guarded, and no way around a window. */
#include <endian.h>
#include <errno.h>
#include <string.h>

#include "config.h"
#include "epoch.h"
#include "error.h"
#include "section.h"
#include <vfiosafe/config.h>
#include <vfiosafe/power.h>

#define EXP_DEVCTL 0x08
#define EXP_DEVCTL_FLR 0x8000
#define AF_CTRL 0x04
#define AF_CTRL_FLR 0x01

static int check_range(const struct vfiosafe_device *dev, uint16_t at, unsigned int width)
{
	if (at % width)
		return vsf_fail(EINVAL, "config offset 0x%x is not a multiple of %u", at, width);
	if (at + width > dev->config_len)
		return vsf_fail(ERANGE, "config offset 0x%x + %u is beyond the %u bytes of %s",
				at, width, dev->config_len, dev->address);
	return 0;
}

static int transfer(const struct vfiosafe_device *dev, uint16_t at, uint32_t *raw,
		    unsigned int width, bool write)
{
	uint64_t where = dev->config_offset + at;
	ssize_t n = write ? vsf_sys(dev->sys, pwrite, dev->fd, raw, width, where)
			  : vsf_sys(dev->sys, pread, dev->fd, raw, width, where);
	int rc = n == (ssize_t)width ? 0 : n < 0 ? (int)n : -EIO;

	return rc < 0 ? vsf_fail(-rc, "config access at 0x%x of %s failed: %s", at,
				 dev->address, strerror(-rc))
		      : 0;
}

/* One access, in a section of its own: a reset waits for it, or it does not start. */
static int guarded(struct vfiosafe_device *dev, uint16_t at, uint32_t *value,
		   unsigned int width, bool write)
{
	struct vfiosafe_section sec;
	struct vfiosafe_view view = { 0 };
	uint32_t raw = htole32(*value);
	int rc = check_range(dev, at, width), end;

	if (rc == 0)
		rc = vsf_device_view(dev, &view);
	if (rc == 0)
		rc = vsf_begin_access(&view, &sec);
	if (rc < 0)
		return rc;
	rc = transfer(dev, at, &raw, width, write);
	end = vfiosafe_end(&sec);
	if (rc == 0)
		rc = end;
	if (rc == 0)
		*value = le32toh(raw);
	return rc;
}

/* What of @value goes to the @len bytes of a register at @reg, and which bits those are. */
static uint32_t part(uint16_t at, unsigned int width, uint32_t value, unsigned int reg,
		     uint32_t *bits)
{
	uint64_t mask = (UINT64_C(1) << width * 8) - 1, v = value & mask;

	if (at + width <= reg || at >= reg + 2u) {
		*bits = 0;
		return 0;
	}
	*bits = (uint32_t)(at >= reg ? mask << (at - reg) * 8 : mask >> (reg - at) * 8) & 0xffff;
	return (uint32_t)(at >= reg ? v << (at - reg) * 8 : v >> (reg - at) * 8) & *bits;
}

/* Does the write set a bit that resets? */
static int asks_for_flr(const struct vfiosafe_device *dev, uint16_t at, unsigned int width,
			uint32_t value)
{
	uint32_t bits;
	int exp = vsf_config_find_cap(dev, VSF_PCI_CAP_EXP);
	int af = exp < 0 ? exp : vsf_config_find_cap(dev, VSF_PCI_CAP_AF);

	if (af < 0)
		return af;
	if (exp && (part(at, width, value, (unsigned int)exp + EXP_DEVCTL, &bits) &
		    EXP_DEVCTL_FLR))
		return 1;
	return af && (part(at, width, value, (unsigned int)af + AF_CTRL, &bits) & AF_CTRL_FLR);
}

/* COMMAND: kept for after resets; memory decode by its window. */
static int write_command(struct vfiosafe_device *dev, uint16_t at, unsigned int width,
			 uint32_t value)
{
	uint32_t bits, to = part(at, width, value, VSF_PCI_COMMAND, &bits);
	uint32_t rest = bits & ~(uint32_t)VSF_PCI_COMMAND_MEMORY;
	int rc = check_range(dev, at, width);

	if (rc == 0)
		rc = vsf_command_change(dev, (uint16_t)rest, (uint16_t)(to & rest));
	if (rc == 0 && (bits & VSF_PCI_COMMAND_MEMORY))
		rc = vfiosafe_set_decode(dev, to & VSF_PCI_COMMAND_MEMORY, NULL);
	return rc;
}

/* PMCSR: the state by its window. Its other bits are status and PME. */
static int write_power(struct vfiosafe_device *dev, uint32_t state)
{
	return vfiosafe_set_power(dev, (enum vfiosafe_power)(state & VSF_PCI_PM_STATE), NULL);
}

static bool changes_power(struct vfiosafe_device *dev, uint32_t state)
{
	bool parked;

	pthread_mutex_lock(&dev->lock);
	parked = dev->parked != VSF_AWAKE;
	pthread_mutex_unlock(&dev->lock);
	return parked || (state & VSF_PCI_PM_STATE) != VFIOSAFE_D0;
}

static int config_write(struct vfiosafe_device *dev, uint16_t at, uint32_t value,
			unsigned int width)
{
	uint32_t bits, state;
	int rc;

	if (vsf_words_forked(dev->words))
		return vsf_state_error(0, 0);
	(void)part(at, width, value, VSF_PCI_COMMAND, &bits);
	if (bits)
		return write_command(dev, at, width, value);
	state = part(at, width, value, dev->pm_cap + 4u, &bits);
	if (dev->pm_cap && (bits & VSF_PCI_PM_STATE) && changes_power(dev, state))
		return write_power(dev, state);
	rc = at < 0x40 ? 0 : asks_for_flr(dev, at, width, value);
	if (rc > 0)
		return vfiosafe_reset(dev, NULL);
	return rc < 0 ? vsf_fail(-rc, "cannot read the capabilities of %s: %s", dev->address,
				 strerror(-rc))
		      : guarded(dev, at, &value, width, true);
}

#define DEFINE(bits)                                                                     \
	VFIOSAFE_API int vfiosafe_config_read##bits(struct vfiosafe_device *dev,         \
						    uint16_t at, uint##bits##_t *value)  \
	{                                                                                \
		uint32_t got = 0;                                                        \
		int rc = guarded(dev, at, &got, bits / 8, false);                        \
                                                                                         \
		if (rc == 0)                                                             \
			*value = (uint##bits##_t)got;                                    \
		return rc;                                                               \
	}                                                                                \
	VFIOSAFE_API int vfiosafe_config_write##bits(struct vfiosafe_device *dev,        \
						     uint16_t at, uint##bits##_t value)  \
	{                                                                                \
		return config_write(dev, at, value, bits / 8);                           \
	}

DEFINE(8)
DEFINE(16)
DEFINE(32)

VFIOSAFE_API int vfiosafe_config_find(struct vfiosafe_device *dev, uint8_t id, uint16_t *at)
{
	struct vfiosafe_view view;
	int rc = vsf_device_view(dev, &view);

	if (rc < 0)
		return rc;
	rc = vsf_config_find_cap(dev, id);
	if (rc < 0)
		return vsf_fail(-rc, "cannot read the capabilities of %s: %s", dev->address,
				strerror(-rc));
	if (rc == 0)
		return vsf_fail(ENOENT, "%s has no capability 0x%x", dev->address, id);
	*at = (uint16_t)rc;
	return 0;
}

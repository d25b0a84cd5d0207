/* SPDX-License-Identifier: MIT */
/* Config space as programs see it: guarded, and no way around a window. */
#include <endian.h>
#include <errno.h>
#include <string.h>

#include "config.h"
#include "epoch.h"
#include "error.h"
#include "join.h"
#include "section.h"
#include "window.h"
#include <vfiosafe/config.h>
#include <vfiosafe/power.h>

#define EXP_DEVCTL_FLR 0x8000
#define AF_CTRL_FLR 0x01

static int check_range(const struct vfiosafe_device *dev, uint16_t at, unsigned int width)
{
	int rc = vsf_join_refuse(dev, "config space");

	if (rc < 0)
		return rc;
	if (at % width)
		return vsf_fail(EINVAL, "config offset 0x%x is not a multiple of %u", at, width);
	if (at + width > dev->config_len)
		return vsf_fail(ERANGE, "config offset 0x%x + %u is beyond the %u bytes of %s",
				at, width, dev->config_len, dev->address);
	return 0;
}

/* A section without a BAR: a reset waits for what is done in it, or it does not begin. */
static int section_begin(struct vfiosafe_device *dev, struct vfiosafe_section *sec)
{
	struct vfiosafe_view view = { 0 };
	int rc = vsf_device_view(dev, &view);

	return rc < 0 ? rc : vsf_begin_access(&view, sec);
}

/* The kernel answered with @kernel, an error, in @sec; to @what. */
static int end_refused(struct vfiosafe_device *dev, struct vfiosafe_section *sec, int kernel,
		       const char *what)
{
	int rc;

	/* With the section still open: from here on a close waits for this call. */
	vsf_count_inside(dev, 1);
	rc = vfiosafe_end(sec);
	if (rc == 0 && kernel == -EIO)
		vsf_device_fault(dev, VFIOSAFE_CAUSE_ACCESS,
				 "the kernel refused a config access (EIO): the device does "
				 "not wake up");
	if (rc == 0)
		rc = vsf_fail(-kernel, "%s of %s failed: %s", what, dev->address,
			      strerror(-kernel));
	vsf_count_inside(dev, -1);
	return rc;
}

static int transfer(const struct vfiosafe_device *dev, uint16_t at, uint32_t *raw,
		    unsigned int width, bool write)
{
	uint64_t where = dev->config_offset + at;
	ssize_t n = write ? vsf_sys(dev->sys, pwrite, dev->fd, raw, width, where)
			  : vsf_sys(dev->sys, pread, dev->fd, raw, width, where);

	return n == (ssize_t)width ? 0 : n < 0 ? (int)n : -EIO;
}

static int guarded(struct vfiosafe_device *dev, uint16_t at, uint32_t *value,
		   unsigned int width, bool write)
{
	struct vfiosafe_section sec;
	uint32_t raw = htole32(*value);
	int rc = section_begin(dev, &sec);

	if (rc < 0)
		return rc;
	rc = transfer(dev, at, &raw, width, write);
	if (rc < 0)
		return end_refused(dev, &sec, rc, write ? "a config write" : "a config read");
	rc = vfiosafe_end(&sec);
	if (rc == 0)
		*value = le32toh(raw);
	return rc;
}

static int config_read(struct vfiosafe_device *dev, uint16_t at, uint32_t *value,
		       unsigned int width)
{
	int rc = check_range(dev, at, width);

	return rc < 0 ? rc : guarded(dev, at, value, width, false);
}

struct write {
	uint16_t at;
	unsigned int width;
	uint32_t value;
};

/* What of the write goes to the 16 bits of a register at @reg; *@bits: which those are. */
static uint32_t part(const struct write *w, unsigned int reg, uint32_t *bits)
{
	uint64_t mask = (UINT64_C(1) << w->width * 8) - 1, value = w->value & mask;
	unsigned int shift = w->at >= reg ? (w->at - reg) * 8 : (reg - w->at) * 8;

	*bits = 0;
	if (w->at + w->width <= reg || w->at >= reg + 2u)
		return 0;
	*bits = (uint32_t)(w->at >= reg ? mask << shift : mask >> shift) & 0xffff;
	return (uint32_t)(w->at >= reg ? value << shift : value >> shift) & *bits;
}

/* COMMAND: kept for after resets; memory decode by its window. */
static int write_command(struct vfiosafe_device *dev, uint32_t to, uint32_t bits)
{
	uint32_t rest = bits & ~(uint32_t)VSF_PCI_COMMAND_MEMORY;
	enum vsf_park park = vsf_parked(dev);
	bool on = to & VSF_PCI_COMMAND_MEMORY;
	bool turns = (bits & VSF_PCI_COMMAND_MEMORY) && on != (park != VSF_PARK_DECODE);
	int rc = turns ? vsf_refuse_inside(dev, "changing memory decode") : 0;

	/* Asleep: as any other access. */
	if (rc == 0 && park != VSF_AWAKE && park != VSF_PARK_DECODE)
		rc = vsf_state_error(vsf_device_word(dev), vsf_gate_word(dev));
	if (rc == 0)
		rc = vsf_command_change(dev, (uint16_t)rest, (uint16_t)(to & rest));
	if (rc == 0 && turns)
		rc = vfiosafe_set_decode(dev, on, NULL);
	return rc;
}

/* Does it change the state? PMCSR's other bits are status and PME. */
static bool changes_power(struct vfiosafe_device *dev, const struct write *w, uint32_t *state)
{
	uint32_t bits, to = part(w, dev->pm_cap + 4u, &bits);

	*state = to & VSF_PCI_PM_STATE;
	return dev->pm_cap && (bits & VSF_PCI_PM_STATE) &&
	       (*state != VFIOSAFE_D0 || vsf_parked(dev) == VSF_PARK_D3HOT);
}

/* Does it set a bit that resets? */
static bool asks_for_flr(const struct vfiosafe_device *dev, const struct write *w)
{
	uint32_t bits;

	return (dev->devctl && (part(w, dev->devctl, &bits) & EXP_DEVCTL_FLR)) ||
	       (dev->af_ctrl && (part(w, dev->af_ctrl, &bits) & AF_CTRL_FLR));
}

static int config_write(struct vfiosafe_device *dev, struct write w)
{
	uint32_t to, bits, state;
	int rc = check_range(dev, w.at, w.width);

	if (rc < 0)
		return rc;
	if (vsf_words_forked(dev->words))
		return vsf_state_error(0, 0);
	to = part(&w, VSF_PCI_COMMAND, &bits);
	if (bits)
		return write_command(dev, to, bits);
	if (changes_power(dev, &w, &state))
		return vfiosafe_set_power(dev, (enum vfiosafe_power)state, NULL);
	if (asks_for_flr(dev, &w))
		return vfiosafe_reset(dev, NULL);
	return guarded(dev, w.at, &w.value, w.width, true);
}

#define DEFINE(bits)                                                                     \
	VFIOSAFE_API int vfiosafe_config_read##bits(struct vfiosafe_device *dev,         \
						    uint16_t at, uint##bits##_t *value)  \
	{                                                                                \
		uint32_t got = 0;                                                        \
		int rc = config_read(dev, at, &got, bits / 8);                           \
                                                                                         \
		if (rc == 0)                                                             \
			*value = (uint##bits##_t)got;                                    \
		return rc;                                                               \
	}                                                                                \
	VFIOSAFE_API int vfiosafe_config_write##bits(struct vfiosafe_device *dev,        \
						     uint16_t at, uint##bits##_t value)  \
	{                                                                                \
		return config_write(dev, (struct write){ at, bits / 8, value });         \
	}

DEFINE(8)
DEFINE(16)
DEFINE(32)

VFIOSAFE_API int vfiosafe_config_find(struct vfiosafe_device *dev, uint8_t id, uint16_t *at)
{
	struct vfiosafe_section sec;
	int rc = vsf_join_refuse(dev, "vfiosafe_config_find"), found;

	if (rc == 0)
		rc = section_begin(dev, &sec);
	if (rc < 0)
		return rc;
	found = vsf_config_find_cap(dev, id);
	if (found < 0)
		return end_refused(dev, &sec, found, "reading the capabilities");
	rc = vfiosafe_end(&sec);
	if (rc == 0 && found == 0)
		rc = vsf_fail(ENOENT, "%s has no capability 0x%x", dev->address, id);
	if (rc == 0)
		*at = (uint16_t)found;
	return rc;
}

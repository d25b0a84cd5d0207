/* SPDX-License-Identifier: MIT */
/*
 * config.c - configuration space: a header, power management, PCI Express.
 *
 * Accesses wait while the device is being reset, by whomever. A reset keeps
 * COMMAND (the kernel saves and restores it) and ends in D0.
 */
#include <errno.h>
#include <linux/pci_regs.h>
#include <string.h>
#include "internal.h"

#define CAP_PM 0x40
#define CAP_EXP 0x50
#define PMCSR (CAP_PM + PCI_PM_CTRL)
#define D0 0u
#define D3HOT 3u

#define VENDOR_ID 0x1af4 /* of virtual devices */
#define DEVICE_ID 0x5afe
#define DEVCAP_FLR (1u << 28)

static void put16(uint8_t *config, unsigned int at, unsigned int value)
{
	config[at] = (uint8_t)value;
	config[at + 1] = (uint8_t)(value >> 8);
}

static void put32(uint8_t *config, unsigned int at, uint32_t value)
{
	put16(config, at, value & 0xffff);
	put16(config, at + 2, value >> 16);
}

void vsim_config_init(struct vfiosafe_sim *sim)
{
	uint8_t *config = sim->config;

	put16(config, PCI_VENDOR_ID, VENDOR_ID);
	put16(config, PCI_DEVICE_ID, DEVICE_ID);
	put16(config, PCI_SUBSYSTEM_VENDOR_ID, VENDOR_ID);
	put16(config, PCI_SUBSYSTEM_ID, DEVICE_ID);
	/* As VFIO leaves it at open: decodes on, bus master off. */
	put16(config, PCI_COMMAND, PCI_COMMAND_IO | PCI_COMMAND_MEMORY);
	put16(config, PCI_STATUS, PCI_STATUS_CAP_LIST);
	put32(config, PCI_CLASS_REVISION, 0xff000001);
	put32(config, PCI_BASE_ADDRESS_0, 0xfebf0000);
	put32(config, PCI_BASE_ADDRESS_2, 0xfebe0000);
	put32(config, PCI_BASE_ADDRESS_4, 0xc000 | PCI_BASE_ADDRESS_SPACE_IO);
	config[PCI_CAPABILITY_LIST] = CAP_PM;

	config[CAP_PM] = PCI_CAP_ID_PM;
	config[CAP_PM + PCI_CAP_LIST_NEXT] = CAP_EXP;
	put16(config, CAP_PM + PCI_PM_PMC, 3); /* version 3; neither D1 nor D2 */
	/* PMCSR is 0: D0, and no NoSoftRst, so leaving D3hot loses the state. */

	config[CAP_EXP] = PCI_CAP_ID_EXP;
	put16(config, CAP_EXP + PCI_EXP_FLAGS, 2); /* version 2, endpoint */
	put32(config, CAP_EXP + PCI_EXP_DEVCAP, DEVCAP_FLR);
}

static unsigned int power_state(const struct vfiosafe_sim *sim)
{
	return sim->config[PMCSR] & PCI_PM_CTRL_STATE_MASK;
}

void vsim_config_to_d0(struct vfiosafe_sim *sim)
{
	if (power_state(sim) == D0)
		return;
	sim->config[PMCSR] &= (uint8_t)~PCI_PM_CTRL_STATE_MASK;
	vsim_lose_state(sim);
}

bool vsim_config_memory_on(const struct vfiosafe_sim *sim)
{
	return (sim->config[PCI_COMMAND] & PCI_COMMAND_MEMORY) && power_state(sim) == D0;
}

bool vsim_config_ports_on(const struct vfiosafe_sim *sim)
{
	return (sim->config[PCI_COMMAND] & PCI_COMMAND_IO) && power_state(sim) == D0;
}

/* Bits of this byte that a write changes. */
static uint8_t writable_bits(uint64_t pos)
{
	switch (pos) {
	case PCI_COMMAND:
		return PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER |
		       PCI_COMMAND_PARITY;
	case PCI_COMMAND + 1:
		return (PCI_COMMAND_SERR | PCI_COMMAND_INTX_DISABLE) >> 8;
	case PMCSR:
		return PCI_PM_CTRL_STATE_MASK;
	case PCI_INTERRUPT_LINE:
		return 0xff;
	default:
		return 0;
	}
}

static void write_byte(struct vfiosafe_sim *sim, uint64_t pos, uint8_t value)
{
	uint8_t bits = writable_bits(pos);
	unsigned int state = value & PCI_PM_CTRL_STATE_MASK;

	/* States that the device does not have are written in vain. */
	if (pos == PMCSR && state != D0 && state != D3HOT)
		return;
	if (pos == PMCSR && state == D0)
		vsim_config_to_d0(sim);
	sim->config[pos] = (uint8_t)((sim->config[pos] & ~bits) | (value & bits));
}

/* At most four bytes, aligned: what the kernel makes one access of. */
static size_t unit_len(uint64_t pos, size_t left)
{
	size_t len = 4 - pos % 4;

	return len < left ? len : left;
}

static void lock_config(struct vfiosafe_sim *sim)
{
	pthread_mutex_lock(&sim->lock);
	while (sim->config_locked)
		pthread_cond_wait(&sim->changed, &sim->lock);
}

ssize_t vsim_config_read(struct vfiosafe_sim *sim, uint8_t *buf, size_t len, uint64_t pos)
{
	if (pos >= VSIM_CONFIG_LEN || len > VSIM_CONFIG_LEN - pos)
		return -EFAULT;
	for (size_t done = 0; done < len;) {
		size_t unit = unit_len(pos + done, len - done);
		uint8_t bytes[4];

		lock_config(sim);
		memcpy(bytes, &sim->config[pos + done], unit);
		pthread_mutex_unlock(&sim->lock);
		memcpy(buf + done, bytes, unit);
		done += unit;
	}
	return (ssize_t)len;
}

ssize_t vsim_config_write(struct vfiosafe_sim *sim, const uint8_t *buf, size_t len,
			  uint64_t pos)
{
	if (pos >= VSIM_CONFIG_LEN || len > VSIM_CONFIG_LEN - pos)
		return -EFAULT;
	for (size_t done = 0; done < len;) {
		size_t unit = unit_len(pos + done, len - done);
		uint8_t bytes[4];

		memcpy(bytes, buf + done, unit);
		lock_config(sim);
		for (size_t i = 0; i < unit; i++)
			write_byte(sim, pos + done + i, bytes[i]);
		vsim_bars_update(sim);
		pthread_mutex_unlock(&sim->lock);
		done += unit;
	}
	return (ssize_t)len;
}

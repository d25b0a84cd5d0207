/* SPDX-License-Identifier: MIT */
/*
 * config.c - accesses to configuration space.
 *
 * They wait while the device is being reset, by whomever. What is read is what
 * the hardware has, but for a few bytes that VFIO makes up; those a device still
 * shows that is gone.
 */
#include <errno.h>
#include <linux/pci_regs.h>
#include <string.h>
#include <uapi.h>
#include "dmabuf.h"
#include "internal.h"

#define PMCSR (VSIM_PM + PCI_PM_CTRL)
#define DEVCTL (VSIM_EXP + PCI_EXP_DEVCTL)
#define D0 0u
#define D3HOT 3u

/* Bits of the shadow. */
#define DECODES (PCI_COMMAND_IO | PCI_COMMAND_MEMORY)
#define INTX_DISABLE (PCI_COMMAND_INTX_DISABLE >> 8) /* in its byte */

unsigned int vsim_power_state(const struct vfiosafe_sim *sim)
{
	return sim->config[PMCSR] & PCI_PM_CTRL_STATE_MASK;
}

void vsim_config_to_d0(struct vfiosafe_sim *sim)
{
	if (vsim_power_state(sim) == D0)
		return;
	sim->config[PMCSR] &= (uint8_t)~PCI_PM_CTRL_STATE_MASK;
	if (!(sim->opts.flags & VFIOSAFE_SIM_NO_SOFT_RESET))
		vsim_lose_state(sim);
}

bool vsim_config_memory_on(const struct vfiosafe_sim *sim)
{
	return (sim->shadow & PCI_COMMAND_MEMORY) && vsim_power_state(sim) == D0;
}

bool vsim_config_ports_on(const struct vfiosafe_sim *sim)
{
	return (sim->config[PCI_COMMAND] & PCI_COMMAND_IO) && vsim_power_state(sim) == D0;
}

/* Bits of this byte that a write changes in the hardware. */
static uint8_t writable_bits(uint64_t pos)
{
	switch (pos) {
	case PCI_COMMAND:
		return DECODES | PCI_COMMAND_MASTER | PCI_COMMAND_PARITY;
	case PCI_COMMAND + 1:
		return PCI_COMMAND_SERR >> 8;
	case PMCSR:
		return PCI_PM_CTRL_STATE_MASK;
	case DEVCTL:
		return 0xff;
	case DEVCTL + 1:
		return (uint8_t)(0xff & ~(PCI_EXP_DEVCTL_BCR_FLR >> 8));
	case PCI_INTERRUPT_LINE:
		return 0xff;
	default:
		return 0;
	}
}

/* VFIO remembers what it was told, also of a device that does not listen. */
static void write_shadow(struct vfiosafe_sim *sim, uint64_t pos, uint8_t value)
{
	uint16_t bits = pos == PCI_COMMAND ? DECODES : PCI_COMMAND_INTX_DISABLE;
	uint16_t told = pos == PCI_COMMAND ? value : (uint16_t)(value << 8);
	uint16_t changes = (sim->shadow ^ told) & bits;

	sim->shadow = (uint16_t)((sim->shadow & ~bits) | (told & bits));
	if (pos != PCI_COMMAND) {
		/* Said again it is nothing new: a line that is masked stays so. */
		if (changes)
			vsim_intx_disable_bit(sim);
	} else if (sim->deaf && (value & PCI_COMMAND_MEMORY)) {
		/* VFIO sees the decode off that it thinks is on: restores BARs. */
		sim->deaf = false;
		vsim_settle(sim, false);
	}
}

/* States that the device does not have, or may not enter, are written in vain. */
static bool refuses_state(const struct vfiosafe_sim *sim, unsigned int state)
{
	return state != D0 && (state != D3HOT || sim->refuse_d3hot);
}

/* Does VFIO take the memory away, before it knows how this ends? */
static bool takes_memory(uint64_t pos, uint8_t value)
{
	if (pos == PCI_COMMAND)
		return !(value & PCI_COMMAND_MEMORY);
	return pos == PMCSR && (value & PCI_PM_CTRL_STATE_MASK) == D3HOT;
}

static void write_byte(struct vfiosafe_sim *sim, uint64_t pos, uint8_t value)
{
	uint8_t bits = writable_bits(pos);
	unsigned int state = value & PCI_PM_CTRL_STATE_MASK;

	if (takes_memory(pos, value))
		vsim_dmabufs_revoke(sim);
	if (pos == PMCSR && refuses_state(sim, state))
		return;
	if (pos == PMCSR && state == D0 && !sim->gone)
		vsim_config_to_d0(sim);
	if (!sim->gone)
		sim->config[pos] = (uint8_t)((sim->config[pos] & ~bits) | (value & bits));
	if (pos == PCI_COMMAND || pos == PCI_COMMAND + 1)
		write_shadow(sim, pos, value);
}

/* Made up by VFIO: IDs, BARs, links to capabilities, the interrupt line. */
static bool is_virtual(uint64_t pos)
{
	return pos < PCI_COMMAND ||
	       (pos >= PCI_BASE_ADDRESS_0 && pos < PCI_CARDBUS_CIS) ||
	       pos == PCI_CAPABILITY_LIST || pos == PCI_INTERRUPT_LINE ||
	       pos == PCI_INTERRUPT_PIN || pos == VSIM_PM + PCI_CAP_LIST_NEXT ||
	       pos == VSIM_EXP + PCI_CAP_LIST_NEXT ||
	       (pos >= VSIM_MSI && pos < VSIM_MSI + PCI_MSI_MASK_64) ||
	       pos == VSIM_MSIX + PCI_CAP_LIST_NEXT;
}

static uint8_t read_byte(const struct vfiosafe_sim *sim, uint64_t pos)
{
	const struct vsim_irqs *irqs = &sim->irqs;
	uint8_t value = sim->gone && !is_virtual(pos) ? 0xff : sim->config[pos];

	if (pos == PCI_COMMAND + 1)
		value = (uint8_t)((value & ~INTX_DISABLE) | (sim->shadow >> 8 & INTX_DISABLE));
	if (pos == VSIM_MSIX + PCI_MSIX_FLAGS + 1 && irqs->enabled &&
	    irqs->kind == VFIO_PCI_MSIX_IRQ_INDEX)
		value |= PCI_MSIX_FLAGS_ENABLE >> 8;
	return value;
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
		for (size_t i = 0; i < unit; i++)
			bytes[i] = read_byte(sim, pos + done + i);
		pthread_mutex_unlock(&sim->lock);
		memcpy(buf + done, bytes, unit);
		done += unit;
	}
	return (ssize_t)len;
}

static void write_unit(struct vfiosafe_sim *sim, const uint8_t *bytes, size_t len,
		       uint64_t pos)
{
	bool resets = false, gives = false;

	lock_config(sim);
	for (size_t i = 0; i < len; i++) {
		write_byte(sim, pos + i, bytes[i]);
		gives = gives || pos + i == PCI_COMMAND || pos + i == PMCSR;
		if (pos + i == DEVCTL + 1)
			resets = bytes[i] & (PCI_EXP_DEVCTL_BCR_FLR >> 8);
	}
	vsim_bars_update(sim);
	if (gives)
		vsim_dmabufs_allow(sim);
	pthread_mutex_unlock(&sim->lock);
	/* Nobody is told how it went. */
	if (resets)
		vsim_config_reset(sim);
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
		write_unit(sim, bytes, unit, pos + done);
		done += unit;
	}
	return (ssize_t)len;
}

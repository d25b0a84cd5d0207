/* SPDX-License-Identifier: MIT */
/*
 * caps.c - configuration space as a device has it that VFIO just opened: a header,
 * power management, PCI Express, MSI, MSI-X.
 */
#include <linux/pci_regs.h>
#include "internal.h"

#define VENDOR_ID 0x1af4 /* of virtual devices */
#define DEVCAP_FLR (1u << 28)
#define MSI_4_VECTORS (2u << 1) /* as a power of two */

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

static void put_cap(uint8_t *config, unsigned int at, uint8_t id, uint8_t next)
{
	config[at] = id;
	config[at + PCI_CAP_LIST_NEXT] = next;
}

static void init_header(uint8_t *config, const struct vsim_model *model)
{
	put16(config, PCI_VENDOR_ID, VENDOR_ID);
	put16(config, PCI_DEVICE_ID, model->device_id);
	put16(config, PCI_SUBSYSTEM_VENDOR_ID, VENDOR_ID);
	put16(config, PCI_SUBSYSTEM_ID, model->device_id);
	put16(config, PCI_STATUS, PCI_STATUS_CAP_LIST);
	put32(config, PCI_CLASS_REVISION, model->class_revision);
	for (unsigned int i = 0; i < VSIM_BARS; i++) {
		if (model->bar[i].ports)
			put32(config, PCI_BASE_ADDRESS_0 + 4 * i,
			      0xc000 | PCI_BASE_ADDRESS_SPACE_IO);
		else if (model->bar[i].len)
			put32(config, PCI_BASE_ADDRESS_0 + 4 * i,
			      0xfebf0000 - i * 0x10000);
	}
	config[PCI_CAPABILITY_LIST] = VSIM_PM;
	config[PCI_INTERRUPT_PIN] = 1;
}

static void init_interrupts(struct vfiosafe_sim *sim)
{
	const struct vsim_model *model = sim->model;

	put_cap(sim->config, VSIM_MSI, PCI_CAP_ID_MSI, VSIM_MSIX);
	put16(sim->config, VSIM_MSI + PCI_MSI_FLAGS, MSI_4_VECTORS | PCI_MSI_FLAGS_64BIT);
	put_cap(sim->config, VSIM_MSIX, PCI_CAP_ID_MSIX, 0);
	put16(sim->config, VSIM_MSIX + PCI_MSIX_FLAGS, sim->opts.vectors - 1);
	put32(sim->config, VSIM_MSIX + PCI_MSIX_TABLE,
	      model->msix_table | model->msix_bar);
	put32(sim->config, VSIM_MSIX + PCI_MSIX_PBA, model->msix_pba | model->msix_bar);
}

void vsim_caps_init(struct vfiosafe_sim *sim)
{
	uint8_t *config = sim->config;

	init_header(config, sim->model);
	/* As VFIO leaves it at open: decodes on, bus master off. */
	put16(config, PCI_COMMAND, PCI_COMMAND_IO | PCI_COMMAND_MEMORY);
	sim->shadow = PCI_COMMAND_IO | PCI_COMMAND_MEMORY;
	put_cap(config, VSIM_PM, PCI_CAP_ID_PM, VSIM_EXP);
	put16(config, VSIM_PM + PCI_PM_PMC, 3); /* version 3; neither D1 nor D2 */
	if (sim->opts.flags & VFIOSAFE_SIM_NO_SOFT_RESET)
		put16(config, VSIM_PM + PCI_PM_CTRL, PCI_PM_CTRL_NO_SOFT_RESET);
	put_cap(config, VSIM_EXP, PCI_CAP_ID_EXP, VSIM_MSI);
	put16(config, VSIM_EXP + PCI_EXP_FLAGS, 2); /* version 2, endpoint */
	put32(config, VSIM_EXP + PCI_EXP_DEVCAP, DEVCAP_FLR);
	init_interrupts(sim);
}

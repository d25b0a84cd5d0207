/* SPDX-License-Identifier: MIT */
/* The devices that the storm knows. */
#include <linux/pci_regs.h>
#include <string.h>
#include <vfiosafe/sim.h>

#include "xproc.h"

static const struct model models[] = {
	{
		.name = "reg",
		.vendor = 0x1af4,
		.device = 0x5afe,
		.hold = VFIOSAFE_SIM_REG_HOLD,
		.store = VFIOSAFE_SIM_REG_LOG,
		.log = true,
	},
	{
		/* A reset loads the first receive address from the EEPROM. */
		.name = "igb",
		.vendor = 0x8086,
		.device = 0x10c9,
		.hold = 0x5400,	 /* RAL0 */
		.store = 0x5408, /* RAL1 */
		.store_mask = UINT32_MAX,
	},
	{
		.name = "e1000e",
		.vendor = 0x8086,
		.device = 0x10d3,
		.hold = 0x5400,
		.store = 0x5408,
		.store_mask = UINT32_MAX,
	},
	{
		/* The mask of interrupts is set in one register, cleared in another. */
		.name = "nvme",
		.vendor = 0x1b36,
		.device = 0x0010,
		.hold = 0x0c,	    /* INTMS */
		.hold_clear = 0x10, /* INTMC */
		.store = 0x28,	    /* ASQ, lower half: with the controller disabled */
		.store_mask = 0xfffff000,
	},
};

#define MODELS (sizeof(models) / sizeof(models[0]))

const struct model *model_named(const char *name)
{
	for (size_t i = 0; i < MODELS; i++)
		if (strcmp(models[i].name, name) == 0)
			return &models[i];
	return NULL;
}

const struct model *model_of(struct vfiosafe_device *dev)
{
	uint16_t vendor, device;

	if (vfiosafe_config_read16(dev, PCI_VENDOR_ID, &vendor) < 0 ||
	    vfiosafe_config_read16(dev, PCI_DEVICE_ID, &device) < 0)
		return NULL;
	for (size_t i = 0; i < MODELS; i++)
		if (models[i].vendor == vendor && models[i].device == device)
			return &models[i];
	return NULL;
}

/* SPDX-License-Identifier: MIT */
/*
 * device.c - the devices that the storm knows, and how one is opened.
 *
 * Of each it needs two registers that hold what is written and lose it in a reset:
 * one that readers read, one that the writer stores to.
 */
#include <endian.h>
#include <errno.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <string.h>
#include "storm.h"

static const struct storm_model models[] = {
	{
		.name = "register file",
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
	},
	{
		.name = "e1000e",
		.vendor = 0x8086,
		.device = 0x10d3,
		.hold = 0x5400,
		.store = 0x5408,
	},
	{
		/* The mask of interrupts is set in one register, cleared in another. */
		.name = "nvme",
		.vendor = 0x1b36,
		.device = 0x0010,
		.hold = 0x0c,	    /* INTMS */
		.hold_clear = 0x10, /* INTMC */
		.store = 0x14,	    /* CC: entry sizes, with the controller disabled */
		.store_shift = 16,
	},
};

/*
 * Registers are shared by nature: several threads touch them without a lock, and
 * what is mapped there changes under them. A thread sanitizer is told so.
 */
#define HARDWARE __attribute__((no_sanitize("thread")))

HARDWARE uint32_t storm_load32(const volatile uint8_t *regs, uint32_t offset)
{
	return le32toh(*(const volatile uint32_t *)(regs + offset));
}

HARDWARE void storm_store32(volatile uint8_t *regs, uint32_t offset, uint32_t value)
{
	*(volatile uint32_t *)(regs + offset) = htole32(value);
}

HARDWARE void storm_store64(volatile uint8_t *regs, uint32_t offset, uint64_t value)
{
	*(volatile uint64_t *)(regs + offset) = htole64(value);
}

int storm_region(const struct storm_device *device, uint32_t index, uint64_t *offset,
		 uint64_t *len)
{
	struct vfio_region_info info = { .argsz = sizeof(info), .index = index };
	int rc = device->sys->ioctl(device->sys->ctx, vfiosafe_device_fd(device->dev),
				    VFIO_DEVICE_GET_REGION_INFO, &info);

	if (rc < 0)
		return rc;
	*offset = info.offset;
	*len = info.size;
	return 0;
}

int storm_decode(const struct storm_device *device, int fd, bool on)
{
	const struct vfiosafe_sys *sys = device->sys;
	uint64_t offset, len;
	uint16_t command;
	int rc = storm_region(device, VFIO_PCI_CONFIG_REGION_INDEX, &offset, &len);

	if (rc < 0)
		return rc;
	offset += PCI_COMMAND;
	if (sys->pread(sys->ctx, fd, &command, sizeof(command), offset) !=
	    sizeof(command))
		return -EIO;
	command &= (uint16_t)~htole16(PCI_COMMAND_MEMORY);
	if (on)
		command |= htole16(PCI_COMMAND_MEMORY);
	if (sys->pwrite(sys->ctx, fd, &command, sizeof(command), offset) !=
	    sizeof(command))
		return -EIO;
	return 0;
}

static int find_model(struct storm *storm)
{
	struct storm_device *device = &storm->device;
	uint64_t offset, len;
	uint16_t id[2];
	ssize_t n;
	int rc = storm_region(device, VFIO_PCI_CONFIG_REGION_INDEX, &offset, &len);

	if (rc < 0)
		return storm_fail(storm, rc, "no config space: %s", strerror(-rc));
	n = device->sys->pread(device->sys->ctx, vfiosafe_device_fd(device->dev), id,
			       sizeof(id), offset);
	if (n != sizeof(id))
		return storm_fail(storm, -EIO, "cannot read the config space");
	id[0] = le16toh(id[0]);
	id[1] = le16toh(id[1]);
	for (size_t i = 0; i < sizeof(models) / sizeof(models[0]); i++)
		if (models[i].vendor == id[0] && models[i].device == id[1])
			device->model = &models[i];
	if (!device->model)
		return storm_fail(storm, -ENODEV,
				  "%04x:%04x is unknown here: add its registers to the "
				  "table in device.c",
				  id[0], id[1]);
	snprintf(storm->tally->model, sizeof(storm->tally->model), "%s",
		 device->model->name);
	storm->tally->door = vfiosafe_device_door(device->dev);
	return 0;
}

static int open_sim(struct storm *storm)
{
	const struct storm_options *options = storm->options;
	struct vfiosafe_sim_opts sim_opts = {
		.size = sizeof(sim_opts),
		.window = options->sim_window,
		.window_us = options->window_us,
	};
	struct vfiosafe_device_opts opts = { .size = sizeof(opts),
					     .address = options->device };
	struct storm_device *device = &storm->device;
	int rc = vfiosafe_sim_open(&device->sim, options->device, &sim_opts);

	if (rc == -EPERM)
		return storm_fail(storm, rc,
				  "userfaultfd is not allowed here: try "
				  "--sim-window all-ones");
	if (rc < 0)
		return storm_fail(storm, rc, "%s: %s", options->device, strerror(-rc));
	device->sys = vfiosafe_sim_sys(device->sim);
	opts.sys = device->sys;
	rc = vfiosafe_device_from_fd(&device->dev, vfiosafe_sim_device_fd(device->sim),
				     &opts);
	if (rc < 0)
		return storm_fail(storm, rc, "%s", vfiosafe_error_text());
	return 0;
}

static int open_real(struct storm *storm)
{
	struct vfiosafe_device_opts opts = { .size = sizeof(opts),
					     .door = storm->options->door };
	int rc;

	storm->device.sys = vfiosafe_sys_default();
	rc = vfiosafe_device_open(&storm->device.dev, storm->options->device, &opts);
	if (rc < 0)
		return storm_fail(storm, rc, "%s", vfiosafe_error_text());
	return 0;
}

int storm_device_open(struct storm *storm)
{
	int rc = storm->options->sim ? open_sim(storm) : open_real(storm);

	return rc < 0 ? rc : find_model(storm);
}

void storm_device_close(struct storm_device *device)
{
	if (device->dev && vfiosafe_device_close(device->dev, 1000) < 0)
		fprintf(stderr, "reset_storm: close: %s\n", vfiosafe_error_text());
	vfiosafe_sim_close(device->sim);
}

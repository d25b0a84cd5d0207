/* SPDX-License-Identifier: MIT */
/* COMMAND around a window: DMA off before it, decode and DMA back after it. */
#include <errno.h>

#include "config.h"
#include "window.h"

int vsf_run_command_back(struct vsf_run *run)
{
	if (!run->command_off)
		return 0;
	run->command_off = false;
	return vsf_config_write16(run->dev, VSF_PCI_COMMAND, run->command);
}

/* Was COMMAND lost, or the memory decode taken away behind our back? */
static bool command_is_bad(const struct vsf_run *run, uint16_t now)
{
	return run->from_fault || run->from_parked ||
	       (now | VSF_PCI_COMMAND_INTX_OFF) == UINT16_MAX ||
	       (run->dev->command & ~now & VSF_PCI_COMMAND_MEMORY);
}

/*
 * Notes COMMAND as it must be afterwards, and turns bus mastering off, so that no
 * DMA is under way. The write is not posted: it pushes earlier stores to the BAR
 * in front of it. A reset would preserve a bad one: then the last good one is
 * written.
 */
int vsf_run_stop_dma(struct vsf_run *run, uint16_t also)
{
	struct vfiosafe_device *dev = run->dev;
	uint16_t off = VSF_PCI_COMMAND_MASTER | also, now;
	int rc = vsf_config_read16(dev, VSF_PCI_COMMAND, &now);

	if (rc < 0)
		return rc;
	run->command = command_is_bad(run, now) ? dev->command : now;
	/* Should this end in FAULT: what the recovery comes back to. */
	pthread_mutex_lock(&dev->lock);
	dev->command = run->command;
	pthread_mutex_unlock(&dev->lock);
	run->command_off = !run->from_fault && !run->from_parked && (run->command & off);
	return vsf_config_write16(dev, VSF_PCI_COMMAND, run->command & (uint16_t)~off);
}

/* Memory decode first, seen to be on; bus mastering comes later. */
int vsf_run_restore_command(const struct vsf_run *run)
{
	const struct vfiosafe_device *dev = run->dev;
	uint16_t without = run->command & (uint16_t)~VSF_PCI_COMMAND_MASTER, now;
	int rc = vsf_config_write16(dev, VSF_PCI_COMMAND, without);

	if (rc == 0)
		rc = vsf_config_read16(dev, VSF_PCI_COMMAND, &now);
	if (rc == 0 && (without & ~now & VSF_PCI_COMMAND_MEMORY))
		rc = -EIO;
	return rc;
}

/* DMA, and with it MSI, as it was: the last thing before the driver. */
int vsf_run_restore_master(const struct vsf_run *run)
{
	if (!(run->command & VSF_PCI_COMMAND_MASTER) || run->dev->keep_bus_master_off)
		return 0;
	return vsf_config_write16(run->dev, VSF_PCI_COMMAND, run->command);
}

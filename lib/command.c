/* SPDX-License-Identifier: MIT */
/* COMMAND as the driver wants it, between windows and in their callbacks. */
#include <errno.h>
#include <string.h>

#include "config.h"
#include "epoch.h"
#include "error.h"
#include "join.h"
#include "window.h"
#include <vfiosafe/power.h>

int vsf_windows_hold(struct vfiosafe_device *dev, bool beside)
{
	uint32_t seen = vsf_device_bell(dev);
	int rc;

	for (;;) {
		pthread_mutex_lock(&dev->lock);
		if (dev->run && !beside) {
			rc = -EAGAIN;
		} else if (dev->configuring) {
			rc = -EBUSY;
		} else {
			rc = 0;
			dev->configuring = true;
		}
		pthread_mutex_unlock(&dev->lock);
		if (rc != -EBUSY)
			return rc;
		/* For a change that another thread is making. */
		(void)vsf_device_sleep(dev, &seen, VFIOSAFE_FOREVER);
	}
}

void vsf_windows_let(struct vfiosafe_device *dev)
{
	pthread_mutex_lock(&dev->lock);
	dev->configuring = false;
	vsf_words_ring(dev->words, dev->sys);
	pthread_mutex_unlock(&dev->lock);
}

#define DECODE_LOST "memory decode was turned off behind the library"

static uint16_t changed(uint16_t command, uint16_t off, uint16_t on)
{
	return (uint16_t)((command & ~off) | on);
}

/* What a reset, a recovery and a wake-up come back to. */
static void keep(struct vfiosafe_device *dev, uint16_t off, uint16_t on)
{
	pthread_mutex_lock(&dev->lock);
	dev->command = changed(dev->command, off, on);
	if (dev->run)
		dev->run->command = changed(dev->run->command, off, on);
	pthread_mutex_unlock(&dev->lock);
}

/*
 * Memory decode that is off and should not be: a link reset, or somebody else. To write
 * it back as it is would tell the kernel to take the BARs away, and hide what happened.
 */
static int write_command(struct vfiosafe_device *dev, uint16_t off, uint16_t on, bool *lost)
{
	uint16_t now;
	int rc = vsf_config_read16(dev, VSF_PCI_COMMAND, &now);

	if (rc == 0 && lost && (dev->command & ~now & VSF_PCI_COMMAND_MEMORY)) {
		*lost = true;
		return -EIO;
	}
	if (rc == 0)
		rc = vsf_config_write16(dev, VSF_PCI_COMMAND, changed(now, off, on));
	return rc < 0 ? vsf_fail(-rc, "COMMAND of %s could not be changed: %s", dev->address,
				 strerror(-rc))
		      : 0;
}

/* With windows kept out, or in a callback of the one that is open. */
static int change_held(struct vfiosafe_device *dev, bool beside, uint16_t off, uint16_t on,
		       bool *lost)
{
	uint64_t word = vsf_device_word(dev);
	/* Without a window of its own, that is a parked device. */
	bool parked = vsf_word_state(word) == VFIOSAFE_RESETTING && !beside;
	int rc = beside || parked ? 0 : vsf_state_error(word, vsf_gate_word(dev));

	if (rc == 0 && !parked)
		rc = write_command(dev, off, on, beside ? NULL : lost);
	if (rc == 0)
		keep(dev, off, on);
	return rc;
}

int vsf_command_change(struct vfiosafe_device *dev, uint16_t off, uint16_t on)
{
	bool beside = vsf_beside_callback(dev, vsf_device_word(dev)), lost = false;
	int rc;

	vsf_count_inside(dev, 1);
	rc = vsf_windows_hold(dev, beside);
	if (rc == 0) {
		rc = change_held(dev, beside, off, on, &lost);
		vsf_windows_let(dev);
		if (lost) {
			vsf_device_fault(dev, VFIOSAFE_CAUSE_DEAD, DECODE_LOST);
			rc = vsf_fail(EIO, "%s: " DECODE_LOST, dev->address);
		}
	} else {
		rc = vsf_state_error(vsf_device_word(dev), vsf_gate_word(dev));
		if (rc == 0 || rc == -EAGAIN)
			rc = vsf_fail(EAGAIN, "a window of %s is open; vfiosafe_wait() "
					      "sleeps until it is over",
				      dev->address);
	}
	vsf_count_inside(dev, -1);
	return rc;
}

VFIOSAFE_API int vfiosafe_set_bus_master(struct vfiosafe_device *dev, bool on)
{
	int rc;

	if (vsf_depth() > 0)
		return vsf_fail(EDEADLK, "vfiosafe_set_bus_master inside a section");
	if (vsf_words_forked(dev->words))
		return vsf_state_error(0, 0);
	rc = vsf_join_refuse(dev, "vfiosafe_set_bus_master");
	if (rc < 0)
		return rc;
	return vsf_command_change(dev, on ? 0 : VSF_PCI_COMMAND_MASTER,
				  on ? VSF_PCI_COMMAND_MASTER : 0);
}

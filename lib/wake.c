/* SPDX-License-Identifier: MIT */
/* The way back from where a device was parked. See park.h. */
#include <errno.h>
#include <string.h>

#include "config.h"
#include "park.h"
#include "uapi.h"

#define PM_NO_SOFT_RESET 0x8 /* of PMCSR: D3hot keeps the context */

bool vsf_is_marked(struct vfiosafe_device *dev)
{
	bool marked;

	pthread_mutex_lock(&dev->lock);
	marked = dev->lost_mark;
	pthread_mutex_unlock(&dev->lock);
	return marked;
}

bool vsf_is_lost(struct vfiosafe_device *dev)
{
	return vsf_is_marked(dev) || vsf_gate_state(dev) != VFIOSAFE_LIVE;
}

int vsf_say_lost(struct vsf_run *run)
{
	run->quiesced = false;
	run->command_off = false;
	return vsf_run_call_off(run, EIO, "%s lost its state", run->dev->address);
}

static bool keeps_context(const struct vfiosafe_device *dev)
{
	uint16_t pmcsr;

	return vsf_config_pmcsr(dev, &pmcsr) == 0 && (pmcsr & PM_NO_SOFT_RESET);
}

/* COMMAND as it was before, seen to decode memory. */
static int command_back(struct vsf_run *run)
{
	const struct vfiosafe_device *dev = run->dev;
	uint16_t now;
	int rc = vsf_config_write16(dev, VSF_PCI_COMMAND, run->command);

	if (rc == 0)
		rc = vsf_config_read16(dev, VSF_PCI_COMMAND, &now);
	if (rc == 0 && (run->command & ~now & VSF_PCI_COMMAND_MEMORY))
		rc = -EIO;
	return rc;
}

/*
 * Awake, with its state: *@kept. What low power did to it depends on the platform
 * (D3hot or D3cold), and is not told.
 */
static int fetch_back(struct vsf_run *run, bool *kept)
{
	*kept = run->wish.park == VSF_PARK_DECODE;
	if (run->wish.park == VSF_PARK_LOW_POWER)
		return vsf_low_power(run, VFIO_DEVICE_FEATURE_LOW_POWER_EXIT);
	if (run->wish.park == VSF_PARK_D3HOT) {
		*kept = keeps_context(run->dev);
		return vsf_config_to_d0(run->dev);
	}
	return 0;
}

/*
 * Does a loss while it was away outlive the wake-up? Not if that was a reset. Where the
 * next generation begins anyway, a closed gate is opened on the way.
 */
static bool stays_lost(struct vsf_run *run, bool kept)
{
	struct vfiosafe_device *dev = run->dev;

	if (kept)
		return vsf_is_lost(dev);
	if (run->wish.park == VSF_PARK_D3HOT)
		vsf_heal_marks(dev);
	return vsf_is_marked(dev);
}

int vsf_run_wake(struct vsf_run *run)
{
	struct vfiosafe_device *dev = run->dev;
	bool kept;
	int rc;

	run->command = dev->command;
	rc = fetch_back(run, &kept);
	if (rc == 0 && kept && !vsf_is_lost(dev))
		rc = command_back(run);
	vsf_set_parked(dev, VSF_AWAKE);
	if (vsf_device_state(dev) == VFIOSAFE_GONE)
		return vsf_run_gone(run);
	if (rc < 0)
		return vsf_run_fault(run, VFIOSAFE_CAUSE_NOT_READY,
				     "%s did not come back from %s: %s", dev->address,
				     vsf_park_name(run->wish.park), strerror(-rc));
	if (stays_lost(run, kept))
		return vsf_say_lost(run);
	if (kept && vsf_sentinel_after_reinit(dev) < 0)
		return vsf_run_fault(run, VFIOSAFE_CAUSE_SENTINEL,
				     "%s came back without its state: %s", dev->address,
				     vfiosafe_error_text());
	if (kept) {
		run->quiesced = true; /* that was before it was parked */
		return vsf_run_unchanged(run);
	}
	if (vsf_words_move(dev->words, dev->sys, VFIOSAFE_RESETTING, VFIOSAFE_REINIT) < 0)
		return vsf_run_gone(run);
	run->phase = VSF_PHASE_COMMITTED;
	return 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * A device that is put out of reach on purpose, and fetched back: D3hot, low power,
 * memory decode off. Everyone has left it before, as for a reset.
 *
 *      QUIESCE --park--> RESETTING ......... RESETTING --wake--> LIVE    state kept
 *                        (no window open)                  \---> REINIT  state lost
 */
#include <errno.h>
#include <string.h>

#include "config.h"
#include "error.h"
#include "uapi.h"
#include "window.h"

#define PM_NO_SOFT_RESET 0x8 /* of PMCSR: D3hot keeps the context */
#define PM_D3HOT 3

const char *vsf_park_name(enum vsf_park park)
{
	switch (park) {
	case VSF_PARK_D3HOT:
		return "D3hot (vfiosafe_set_power())";
	case VSF_PARK_LOW_POWER:
		return "low power (vfiosafe_low_power_exit())";
	case VSF_PARK_DECODE:
		return "memory decode off (vfiosafe_set_decode())";
	default:
		return "not parked";
	}
}

void vsf_set_parked(struct vfiosafe_device *dev, enum vsf_park park)
{
	pthread_mutex_lock(&dev->lock);
	dev->parked = park;
	pthread_mutex_unlock(&dev->lock);
}

/* Made at the first wish for it, by the leader. */
static int need_wakeup_fd(struct vfiosafe_device *dev)
{
	int fd = dev->wakeup_fd >= 0 ? dev->wakeup_fd : vsf_sys(dev->sys, eventfd);

	if (fd >= 0)
		dev->wakeup_fd = fd;
	return fd < 0 ? fd : 0;
}

static int low_power(const struct vsf_run *run, uint32_t which)
{
	struct {
		struct vfio_device_feature head;
		struct vfio_device_low_power_entry_with_wakeup wakeup;
	} arg = {
		.head = { .argsz = sizeof(arg.head), .flags = VFIO_DEVICE_FEATURE_SET | which },
		.wakeup.wakeup_eventfd = run->dev->wakeup_fd,
	};

	if (which == VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY_WITH_WAKEUP)
		arg.head.argsz = sizeof(arg);
	return vsf_sys(run->dev->sys, ioctl, run->dev->fd, VFIO_DEVICE_FEATURE, &arg);
}

/* The write never reports failure: look. */
static int to_d3hot(const struct vfiosafe_device *dev)
{
	uint16_t at = (uint16_t)(dev->pm_cap + 4), pmcsr;
	int rc = vsf_config_read16(dev, at, &pmcsr);

	if (rc == 0)
		rc = vsf_config_write16(dev, at, pmcsr | PM_D3HOT);
	if (rc == 0)
		rc = vsf_config_power_state(dev);
	return rc < 0 || rc == PM_D3HOT ? (rc < 0 ? rc : 0) : -EOPNOTSUPP;
}

static int put_away(const struct vsf_run *run)
{
	int rc;

	switch (run->wish.park) {
	case VSF_PARK_D3HOT:
		return to_d3hot(run->dev);
	case VSF_PARK_LOW_POWER:
		if (!run->wish.wakeup)
			return low_power(run, VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY);
		rc = need_wakeup_fd(run->dev);
		return rc < 0 ? rc
			      : low_power(run, VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY_WITH_WAKEUP);
	default:
		return 0; /* went with bus mastering */
	}
}

/* The kernel refused: the device is as it was, in D0. */
static int refused(struct vsf_run *run, int rc)
{
	const char *address = run->dev->address;

	if (run->wish.park == VSF_PARK_D3HOT && rc == -EOPNOTSUPP)
		return vsf_run_call_off(run, EOPNOTSUPP,
					"%s stays in D0: the kernel ignores the change while "
					"virtual functions are enabled, or for a device that "
					"does not come back from D3",
					address);
	if (rc == -ENOTTY)
		return vsf_run_call_off(run, EOPNOTSUPP, "this kernel has no low power for %s",
					address);
	if (rc == -EINVAL && run->wish.park == VSF_PARK_LOW_POWER)
		return vsf_run_call_off(run, EBUSY, "another holder of %s's fd has put it into "
						    "low power already",
					address);
	return vsf_run_call_off(run, ECANCELED, "%s could not be put away: %s", address,
				strerror(-rc));
}

/* The window ends here; COMMAND as the way back has to make it. */
static int stay_away(struct vsf_run *run)
{
	struct vfiosafe_device *dev = run->dev;

	pthread_mutex_lock(&dev->lock);
	dev->parked = run->wish.park;
	dev->command = run->command;
	pthread_mutex_unlock(&dev->lock);
	return vsf_run_over(run, 0);
}

int vsf_run_park(struct vsf_run *run)
{
	uint16_t also = run->wish.park == VSF_PARK_DECODE ? VSF_PCI_COMMAND_MEMORY : 0;
	int rc;

	/* Marked lost while it was drained: that has to be said, not slept over. */
	if (vsf_device_state(run->dev) == VFIOSAFE_FAULT)
		return vsf_run_call_off(run, EIO, "%s is in FAULT", run->dev->address);
	rc = vsf_run_stop_dma(run, also);
	if (rc == 0 && vsf_run_enter_resetting(run) < 0)
		return vsf_run_gone(run);
	if (rc == 0)
		rc = put_away(run);
	if (vsf_device_state(run->dev) == VFIOSAFE_GONE)
		return vsf_run_gone(run);
	return rc < 0 ? refused(run, rc) : stay_away(run);
}

static bool keeps_context(const struct vfiosafe_device *dev)
{
	uint16_t pmcsr;

	return vsf_config_read16(dev, (uint16_t)(dev->pm_cap + 4), &pmcsr) == 0 &&
	       (pmcsr & PM_NO_SOFT_RESET);
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
		return low_power(run, VFIO_DEVICE_FEATURE_LOW_POWER_EXIT);
	if (run->wish.park == VSF_PARK_D3HOT) {
		*kept = keeps_context(run->dev);
		return vsf_config_to_d0(run->dev);
	}
	return 0;
}

int vsf_run_wake(struct vsf_run *run)
{
	struct vfiosafe_device *dev = run->dev;
	bool kept;
	int rc;

	run->command = dev->command;
	rc = fetch_back(run, &kept);
	if (rc == 0 && kept)
		rc = command_back(run);
	vsf_set_parked(dev, VSF_AWAKE);
	if (vsf_device_state(dev) == VFIOSAFE_GONE)
		return vsf_run_gone(run);
	if (rc < 0)
		return vsf_run_fault(run, VFIOSAFE_CAUSE_NOT_READY,
				     "%s did not come back from %s: %s", dev->address,
				     vsf_park_name(run->wish.park), strerror(-rc));
	if (run->wish.park == VSF_PARK_D3HOT && !kept)
		vsf_heal_marks(dev); /* that was a reset */
	if (kept) {
		run->quiesced = true; /* that was before it was parked */
		return vsf_run_unchanged(run);
	}
	if (vsf_words_move(dev->words, dev->sys, VFIOSAFE_RESETTING, VFIOSAFE_REINIT) < 0)
		return vsf_run_gone(run);
	run->phase = VSF_PHASE_COMMITTED;
	return 0;
}

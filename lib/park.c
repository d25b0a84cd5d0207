/* SPDX-License-Identifier: MIT */
/* The way out of reach: D3hot, low power, memory decode off. See park.h. */
#include <errno.h>
#include <string.h>

#include "config.h"
#include "dmabuf.h"
#include "park.h"
#include "uapi.h"

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

enum vsf_park vsf_parked(struct vfiosafe_device *dev)
{
	enum vsf_park park;

	pthread_mutex_lock(&dev->lock);
	park = dev->parked;
	pthread_mutex_unlock(&dev->lock);
	return park;
}

void vsf_set_parked(struct vfiosafe_device *dev, enum vsf_park park)
{
	pthread_mutex_lock(&dev->lock);
	dev->parked = park;
	pthread_mutex_unlock(&dev->lock);
}

int vsf_low_power(const struct vsf_run *run, uint32_t which)
{
	struct vfio_device_low_power_entry_with_wakeup wakeup = {
		.wakeup_eventfd = run->dev->wakeup_fd,
	};
	/* clang takes no struct in which something follows a flexible array */
	union {
		struct vfio_device_feature head;
		uint8_t room[sizeof(struct vfio_device_feature) + sizeof(wakeup)];
	} arg = {
		.head = { .argsz = sizeof(arg.head), .flags = VFIO_DEVICE_FEATURE_SET | which },
	};

	memcpy(arg.head.data, &wakeup, sizeof(wakeup));
	if (which == VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY_WITH_WAKEUP)
		arg.head.argsz = sizeof(arg);
	return vsf_sys(run->dev->sys, ioctl, run->dev->fd, VFIO_DEVICE_FEATURE, &arg);
}

/*
 * The write never reports failure: look. Only a device that says D0 was left as it was;
 * any other answer is no answer.
 */
static int to_d3hot(struct vsf_run *run)
{
	const struct vfiosafe_device *dev = run->dev;
	uint16_t pmcsr;
	int rc = vsf_config_pmcsr(dev, &pmcsr), written;

	run->unknown = rc == -ENXIO;
	if (rc < 0)
		return rc;
	written = vsf_config_write16(dev, (uint16_t)(dev->pm_cap + 4), pmcsr | PM_D3HOT);
	rc = vsf_config_pmcsr(dev, &pmcsr);
	run->unknown = rc < 0 || (pmcsr & VSF_PCI_PM_STATE) != VFIOSAFE_D0;
	if (rc < 0 || written < 0)
		return rc < 0 ? rc : written;
	return (pmcsr & VSF_PCI_PM_STATE) == PM_D3HOT ? 0 : -EOPNOTSUPP;
}

static int put_away(struct vsf_run *run)
{
	switch (run->wish.park) {
	case VSF_PARK_D3HOT:
		return to_d3hot(run);
	case VSF_PARK_LOW_POWER:
		return vsf_low_power(run, run->wish.wakeup
					      ? VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY_WITH_WAKEUP
					      : VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY);
	default:
		return 0; /* went with bus mastering */
	}
}

/* The kernel refused: the device is as it was, in D0, if that can be said. */
static int refused(struct vsf_run *run, int rc)
{
	const char *address = run->dev->address;

	if (run->unknown)
		return vsf_run_fault(run, VFIOSAFE_CAUSE_NOT_READY,
				     "%s was told to sleep, and does not say whether it does: "
				     "%s",
				     address, strerror(-rc));
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

/* A loss has to be said, not slept over. */
static int enter_resetting(struct vsf_run *run)
{
	struct vfiosafe_device *dev = run->dev;
	int rc;

	pthread_mutex_lock(&dev->lock);
	/* From QUIESCE alone: FAULT, or GONE, stays. */
	rc = vsf_words_move(dev->words, dev->sys, VFIOSAFE_QUIESCE, VFIOSAFE_RESETTING);
	pthread_mutex_unlock(&dev->lock);
	return rc;
}

int vsf_run_park(struct vsf_run *run)
{
	uint16_t also = run->wish.park == VSF_PARK_DECODE ? VSF_PCI_COMMAND_MEMORY : 0;
	int rc;

	rc = vsf_dmabuf_before(run);
	if (rc < 0)
		return rc;
	if (vsf_is_lost(run->dev))
		return vsf_say_lost(run);
	rc = vsf_run_stop_dma(run, also);
	if (rc < 0)
		return vsf_run_call_off(run, ECANCELED, "COMMAND of %s could not be written: %s",
					run->dev->address, strerror(-rc));
	if (enter_resetting(run) < 0)
		return vsf_say_lost(run);
	rc = put_away(run);
	if (vsf_device_state(run->dev) == VFIOSAFE_GONE)
		return vsf_run_gone(run);
	if (rc < 0)
		return refused(run, rc);
	/* The window ends here. */
	run->dev->tells_wakeup = run->wish.wakeup;
	vsf_set_parked(run->dev, run->wish.park);
	return vsf_run_over(run, 0);
}

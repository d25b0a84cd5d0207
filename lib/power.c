/* SPDX-License-Identifier: MIT */
/* The calls that park a device and wake it; park.c does it. */
#include <errno.h>

#include "config.h"
#include "error.h"
#include "window.h"
#include <vfiosafe/power.h>

static int park(struct vfiosafe_device *dev, struct vsf_wish wish,
		const struct vfiosafe_reset_opts *opts, const char *call)
{
	int rc = vsf_window_take_through(dev, opts, wish, call);

	return rc == -EALREADY ? 0 : rc;
}

VFIOSAFE_API int vfiosafe_set_power(struct vfiosafe_device *dev, enum vfiosafe_power power,
				    const struct vfiosafe_reset_opts *opts)
{
	struct vsf_wish wish = { .park = VSF_PARK_D3HOT };

	switch (power) {
	case VFIOSAFE_D0:
		wish.kind = VSF_KIND_WAKE;
		break;
	case VFIOSAFE_D3HOT:
		wish.kind = VSF_KIND_PARK;
		break;
	case VFIOSAFE_D1:
	case VFIOSAFE_D2:
		return vsf_fail(EOPNOTSUPP, "D%d would leave the BARs mapped over a device that "
					    "does not answer: use D3hot",
				(int)power);
	default:
		return vsf_fail(EINVAL, "there is no power state %d", (int)power);
	}
	if (!dev->pm_cap && !dev->join && wish.kind == VSF_KIND_PARK)
		return vsf_fail(EOPNOTSUPP, "%s has no power management capability",
				dev->address);
	return park(dev, wish, opts, "vfiosafe_set_power");
}

VFIOSAFE_API int vfiosafe_low_power_enter(struct vfiosafe_device *dev, bool wakeup,
					  const struct vfiosafe_reset_opts *opts)
{
	struct vsf_wish wish = { VSF_KIND_PARK, VSF_PARK_LOW_POWER, wakeup };

	return park(dev, wish, opts, "vfiosafe_low_power_enter");
}

VFIOSAFE_API int vfiosafe_low_power_exit(struct vfiosafe_device *dev,
					 const struct vfiosafe_reset_opts *opts)
{
	struct vsf_wish wish = { VSF_KIND_WAKE, VSF_PARK_LOW_POWER, false };

	return park(dev, wish, opts, "vfiosafe_low_power_exit");
}

VFIOSAFE_API int vfiosafe_set_decode(struct vfiosafe_device *dev, bool on,
				     const struct vfiosafe_reset_opts *opts)
{
	struct vsf_wish wish = { on ? VSF_KIND_WAKE : VSF_KIND_PARK, VSF_PARK_DECODE, false };

	return park(dev, wish, opts, "vfiosafe_set_decode");
}

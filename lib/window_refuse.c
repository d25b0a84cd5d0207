/* SPDX-License-Identifier: MIT */
/* Resets that are refused before anything is done. */
#include "plan.h"
#include "window.h"

/* Would it make a reset, and not join one or find nothing to do? */
static bool would_reset(struct vfiosafe_device *dev, enum vsf_kind kind)
{
	enum vfiosafe_state state = vfiosafe_device_state(dev);

	if (!vsf_kind_resets(kind))
		return false;
	if (state == VFIOSAFE_LIVE)
		return kind == VSF_KIND_RESET;
	return state == VFIOSAFE_FAULT ||
	       (state == VFIOSAFE_RESETTING && vsf_parked(dev) != VSF_AWAKE);
}

/*
 * With no method left the kernel takes the memory away before it says so, and what it
 * then leaves is not known. Methods may go and come back while the device is open.
 */
int vsf_window_refuse(struct vfiosafe_device *dev, enum vsf_kind kind)
{
	/* Who is asked to let go is told that, when the window begins. */
	if (!would_reset(dev, kind) || vsf_events_refuse(dev) < 0)
		return 0;
	return vsf_plan_refuse_known(dev);
}

/* SPDX-License-Identifier: MIT */
/* Resets that are refused before anything is done. */
#include <errno.h>

#include "error.h"
#include "plan.h"
#include "succeed.h"
#include "window.h"

#define RESET_TIMEOUT_MS 10000

int vsf_window_opts(struct vfiosafe_window *win, const struct vfiosafe_reset_opts *from)
{
	struct vfiosafe_reset_opts opts = { 0 };

	if (from) {
		int rc = vsf_copy_opts(&opts, sizeof(opts), from, from->size,
				       "opts.size", "struct vfiosafe_reset_opts");

		if (rc < 0)
			return rc;
	}
	if (opts.policy > VFIOSAFE_POLICY_FORCE)
		return vsf_fail(EINVAL, "opts.policy is %d; it may be ABORT or FORCE",
				(int)opts.policy);
	win->force = opts.policy == VFIOSAFE_POLICY_FORCE;
	if (win->force && !vsf_kind_resets(win->wish.kind))
		return vsf_fail(EINVAL, "VFIOSAFE_POLICY_FORCE is for resets: nothing but a "
					"reset goes over open sections");
	win->timeout = (opts.timeout_ms ? opts.timeout_ms : RESET_TIMEOUT_MS) * INT64_C(1000000);
	win->deadline = vsf_now(win->dev->sys) + win->timeout;
	return 0;
}

int vsf_window_refuse_now(struct vfiosafe_device *dev, enum vsf_kind kind)
{
	int rc = vsf_kind_resets(kind) ? vsf_events_refuse(dev) : 0;

	return rc < 0 ? rc : vsf_former_refuse(dev);
}

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

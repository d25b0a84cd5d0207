/* SPDX-License-Identifier: MIT */
/* The calls that take a window from begin to end, and sleep on the way. */
#include <errno.h>

#include "join.h"
#include "set.h"

/* Between two polls: on other threads' sections, on the device, on the leader. */
static void pause_step(const struct vfiosafe_window *win, unsigned int round, uint32_t *seen)
{
	if (win->leads)
		vsf_drain_pause(win->dev, round, win->run->deadline);
	else
		(void)vsf_device_sleep(win->dev, seen, win->deadline);
}

bool vsf_window_step(struct vfiosafe_window *win, int *rc)
{
	*rc = vfiosafe_window_poll(win);
	if (*rc == VFIOSAFE_STEP_COMMIT)
		*rc = vfiosafe_window_commit(win);
	else if (*rc == VFIOSAFE_STEP_FINISH) {
		*rc = vfiosafe_window_finish(win);
		return true;
	} else if (*rc == VFIOSAFE_STEP_DONE) {
		*rc = 0;
		return true;
	}
	/* What a parked device needs is done at the commit. */
	if (win->leads && win->run->phase == VSF_PHASE_OVER)
		return true;
	return *rc < 0 && *rc != -EAGAIN;
}

static int drive(struct vfiosafe_window *win)
{
	uint32_t seen = vsf_device_bell(win->dev);
	unsigned int round = 0;
	int rc;

	while (!vsf_window_step(win, &rc))
		if (rc == -EAGAIN)
			pause_step(win, round++, &seen);
	return rc;
}

int vsf_window_take_through(struct vfiosafe_device *dev,
			    const struct vfiosafe_reset_opts *opts, struct vsf_wish wish,
			    const char *call)
{
	struct vfiosafe_window *win;
	int rc = vsf_window_begin(&win, dev, opts, wish, call);

	if (rc < 0)
		return rc;
	vsf_count_inside(dev, 1);
	rc = drive(win);
	vsf_window_free(win);
	vsf_count_inside(dev, -1);
	return rc;
}

VFIOSAFE_API int vfiosafe_reset(struct vfiosafe_device *dev,
				const struct vfiosafe_reset_opts *opts)
{
	int rc;

	if (dev->join)
		return vsf_join_reset(dev, opts);
	if (vsf_set_reset_pf(dev, opts, &rc))
		return rc;
	rc = vsf_window_take_through(dev, opts, (struct vsf_wish){ .kind = VSF_KIND_RESET },
				     "vfiosafe_reset");
	return vsf_set_fall_back(dev, opts, rc);
}

VFIOSAFE_API int vfiosafe_recover(struct vfiosafe_device *dev,
				  const struct vfiosafe_reset_opts *opts)
{
	int rc;

	if (dev->join)
		return vsf_join_recover(dev, opts);
	if (vsf_device_state(dev) == VFIOSAFE_FAULT && vsf_set_reset_pf(dev, opts, &rc))
		return rc;
	rc = vsf_window_take_through(dev, opts, (struct vsf_wish){ .kind = VSF_KIND_RECOVER },
				     "vfiosafe_recover");

	return rc == -EALREADY ? 0 : vsf_set_fall_back(dev, opts, rc);
}

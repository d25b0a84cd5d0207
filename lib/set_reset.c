/* SPDX-License-Identifier: MIT */
/* The call that resets a set: what is refused before anything is done. */
#include <errno.h>

#include "error.h"
#include "fault.h"
#include "set.h"

static int begin_member(struct vsf_member *m, const struct vfiosafe_reset_opts *opts,
			const char *call)
{
	struct vfiosafe_device *dev = m->pub.dev;
	int rc = vsf_refuse_inside(dev, call);

	if (rc == 0 && vsf_words_forked(dev->words))
		rc = vsf_state_error(0, 0);
	if (rc < 0)
		return rc;
	m->drained = false;
	m->win = (struct vfiosafe_window){ .dev = dev, .wish = { .kind = VSF_KIND_HOT } };
	return vsf_window_opts(&m->win, opts);
}

static void count(struct vfiosafe_set *set, int by)
{
	for (unsigned int i = 0; i < set->count; i++)
		vsf_count_inside(set->member[i].pub.dev, by);
}

static int collect(struct vfiosafe_set *set)
{
	for (unsigned int i = 0; i < set->count; i++) {
		struct vfiosafe_device *dev = set->member[i].pub.dev;
		int rc;

		vsf_fault_collect(dev);
		vsf_events_collect(dev);
		if (vsf_device_state(dev) == VFIOSAFE_GONE)
			return vsf_state_error(0, 0);
		rc = vsf_events_refuse(dev);
		if (rc < 0)
			return rc;
	}
	return 0;
}

int vsf_set_reset(struct vfiosafe_set *set, const struct vfiosafe_reset_opts *opts,
		  const struct vfiosafe_device *asked, const char *call)
{
	int rc = 0;

	for (unsigned int i = 0; i < set->count && rc == 0; i++) {
		rc = begin_member(&set->member[i], opts, call);
		/* One for all. */
		set->member[i].win.deadline = set->member[0].win.deadline;
	}
	if (rc < 0)
		return rc;
	count(set, 1);
	rc = collect(set);
	if (rc == 0)
		rc = vsf_set_check(set);
	if (rc == 0)
		rc = vsf_set_check_drivers(set, asked);
	if (rc == 0)
		rc = vsf_set_run(set);
	count(set, -1);
	return rc;
}

VFIOSAFE_API int vfiosafe_set_reset(struct vfiosafe_set *set,
				    const struct vfiosafe_reset_opts *opts)
{
	return vsf_set_reset(set, opts, NULL, "vfiosafe_set_reset");
}

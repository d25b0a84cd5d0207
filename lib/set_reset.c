/* SPDX-License-Identifier: MIT */
/* The call that resets a set: what is refused before anything is done. */
#include <errno.h>

#include "error.h"
#include "fault.h"
#include "join.h"
#include "set.h"

/* Before the set is written to: this may be a callback of its own reset. */
static int refuse(const struct vfiosafe_set *set, const char *call)
{
	int rc = 0;

	for (unsigned int i = 0; i < set->count && rc == 0; i++) {
		const struct vfiosafe_device *dev = set->member[i].pub.dev;

		rc = vsf_refuse_inside(dev, call);
		if (rc == 0 && vsf_words_forked(dev->words))
			rc = vsf_state_error(0, 0);
		if (rc == 0)
			rc = vsf_join_refuse(dev, call);
	}
	return rc;
}

/* The windows, with one deadline for all. */
static int read_opts(struct vfiosafe_set *set, const struct vfiosafe_reset_opts *opts)
{
	struct vfiosafe_window *first = &set->member[0].win;
	int rc;

	*first = (struct vfiosafe_window){ .dev = set->member[0].pub.dev,
					   .wish = { .kind = VSF_KIND_HOT } };
	rc = vsf_window_opts(first, opts);
	for (unsigned int i = 0; i < set->count; i++) {
		struct vsf_member *m = &set->member[i];

		m->drained = false;
		m->win = *first;
		m->win.dev = m->pub.dev;
	}
	return rc;
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
	int rc = refuse(set, call);

	if (rc == 0)
		rc = read_opts(set, opts);
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

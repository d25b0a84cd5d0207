/* SPDX-License-Identifier: MIT */
/* A function that does not come back by its own reset, where its set may be reset. */
#include <errno.h>
#include <stdio.h>

#include "error.h"
#include "log.h"
#include "set.h"

static bool is_allowed(const struct vfiosafe_reset_opts *from)
{
	struct vfiosafe_reset_opts opts = { 0 };

	return from &&
	       vsf_copy_opts(&opts, sizeof(opts), from, from->size, "opts.size",
			     "struct vfiosafe_reset_opts") == 0 &&
	       opts.allow_hot;
}

/* Refused for want of a method, or made and failed. */
static bool may_help(const struct vfiosafe_device *dev, int rc)
{
	return rc == -EOPNOTSUPP ||
	       (rc == -EIO && vfiosafe_device_cause(dev) == VFIOSAFE_CAUSE_RESET_FAILED);
}

static int hot_reset(struct vfiosafe_device *dev, const struct vfiosafe_reset_opts *opts)
{
	struct vfiosafe_set *set;
	int rc = vfiosafe_set_of(&set, dev);

	if (rc < 0)
		return rc;
	rc = vsf_set_reset(set, opts, dev, "vfiosafe_reset");
	vfiosafe_set_free(set);
	return rc;
}

int vsf_set_fall_back(struct vfiosafe_device *dev, const struct vfiosafe_reset_opts *opts,
		      int rc)
{
	char why[256], then[256];
	int hot;

	if (rc >= 0 || !may_help(dev, rc) || !is_allowed(opts))
		return rc;
	snprintf(why, sizeof(why), "%.220s", vfiosafe_error_text());
	vsf_log(VFIOSAFE_LOG_WARN, "%s: trying a hot reset: %s", dev->address, why);
	vsf_count_inside(dev, 1);
	hot = hot_reset(dev, opts);
	vsf_count_inside(dev, -1);
	if (hot == 0)
		return 0;
	/* What it is in counts more than what was tried last. */
	if (rc == -EIO && vfiosafe_device_state(dev) == VFIOSAFE_FAULT)
		hot = -EIO;
	snprintf(then, sizeof(then), "%.255s", vfiosafe_error_text());
	return vsf_fail(-hot, "%s; and by a hot reset: %s", why, then);
}

VFIOSAFE_API enum vfiosafe_method
vfiosafe_reset_method(const struct vfiosafe_device *dev)
{
	return __atomic_load_n(&dev->reset_by, __ATOMIC_RELAXED);
}

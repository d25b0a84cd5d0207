/* SPDX-License-Identifier: MIT */
/* One hot reset: the windows of all members, up to the kernel's call. */
#include <errno.h>

#include "error.h"
#include "set.h"

/* In the queue behind another window; at the first member a round may be met: *@met. */
static int begin_one(struct vfiosafe_set *set, struct vsf_member *m,
		     struct vsf_round **met)
{
	struct vfiosafe_device *dev = m->pub.dev;
	uint32_t seen = vsf_device_bell(dev);
	int rc;

	while ((rc = vsf_window_lead(&m->win)) == -EAGAIN) {
		*met = m == set->member ? vsf_round_open(set) : NULL;
		if (*met)
			return 0;
		if (vsf_device_sleep(dev, &seen, m->win.deadline) == -ETIMEDOUT)
			return vsf_fail(ETIMEDOUT, "%s: another window did not end",
					dev->address);
	}
	if (rc == 0)
		m->win.run->by_pf = set->pf != NULL;
	if (rc == 0 && m == set->member)
		vsf_round_offer(set->round, m->win.run);
	return rc;
}

static int begin(struct vfiosafe_set *set, struct vsf_round **met)
{
	VSF_FOR_EACH(m, set) {
		int rc = begin_one(set, m, met);

		if (rc < 0)
			return vsf_set_blame(set, m, rc);
		if (*met)
			return 0;
	}
	return 0;
}

/* One look at each that has not drained: 0, -EAGAIN, or what ended it. */
static int poll_drains(struct vfiosafe_set *set)
{
	int result = 0;

	VSF_FOR_EACH(m, set) {
		int rc = m->drained ? 0 : vsf_run_poll_drain(m->win.run);

		if (rc < 0 && rc != -EAGAIN)
			return vsf_set_blame(set, m, rc);
		m->drained = rc == 0;
		if (rc < 0)
			result = rc;
	}
	return result;
}

/* Who was passed over has given itself more time: so have the others. */
static int64_t latest_deadline(struct vfiosafe_set *set)
{
	int64_t latest = 0;

	VSF_FOR_EACH(m, set)
		if (m->win.run->deadline > latest)
			latest = m->win.run->deadline;
	return latest;
}

static int drain(struct vfiosafe_set *set)
{
	const struct vfiosafe_device *first = set->member[0].pub.dev;
	int64_t latest;
	int rc;

	for (unsigned int round = 0; (rc = poll_drains(set)) == -EAGAIN; round++)
		vsf_drain_pause(first, round, set->member[0].win.deadline);
	if (rc < 0)
		return rc;
	latest = latest_deadline(set);
	VSF_FOR_EACH(m, set)
		m->win.run->deadline = latest;
	return 0;
}

static int quiesce(struct vfiosafe_set *set)
{
	VSF_FOR_EACH(m, set) {
		int rc = m->win.run->forced ? 0 : vsf_run_quiesce(m->win.run);

		if (rc < 0)
			return vsf_set_blame(set, m, rc);
	}
	return 0;
}

static int prepare(struct vfiosafe_set *set)
{
	VSF_FOR_EACH(m, set) {
		int rc = vsf_run_prepare(m->win.run);

		if (rc < 0)
			return vsf_set_blame(set, m, rc);
	}
	return 0;
}

static void run_all(struct vfiosafe_set *set, struct vsf_round **met)
{
	int rc = begin(set, met);

	if (*met)
		return;
	if (rc == 0)
		rc = drain(set);
	if (rc == 0)
		rc = quiesce(set);
	if (rc == 0)
		rc = prepare(set);
	if (rc < 0) {
		vsf_set_call_off(set);
		return;
	}
	rc = vsf_set_ioctl(set, set->member[0].win.run->deadline);
	if (rc < 0)
		vsf_set_reset_failed(set, rc);
	else
		vsf_set_come_back(set);
}

int vsf_set_run(struct vfiosafe_set *set)
{
	struct vsf_round *met = NULL;
	int rc;

	set->round = vsf_round_new(set);
	if (!set->round)
		return -ENOMEM;
	set->blame = NULL;
	set->err = 0;
	vsf_set_prepare_arg(set);
	run_all(set, &met);
	if (met) {
		rc = vsf_round_join(met, set, set->member[0].win.deadline);
	} else {
		rc = vsf_set_total(set);
		vsf_round_over(set->round, set, rc);
	}
	VSF_FOR_EACH(m, set)
		vsf_run_put(m->win.run);
	vsf_round_put(set->round);
	set->round = NULL;
	return rc;
}

/* SPDX-License-Identifier: MIT */
/* How a hot reset ends for each member: called off, in FAULT, or LIVE; and for the set. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "error.h"
#include "plan.h"
#include "set.h"

int vsf_set_blame(struct vfiosafe_set *set, const struct vsf_member *m, int rc)
{
	set->blame = m;
	set->err = rc;
	snprintf(set->why, sizeof(set->why), "%.383s", vfiosafe_error_text());
	return rc;
}

/* Members that cannot go back are in FAULT. */
static void call_off(const struct vfiosafe_set *set, const struct vsf_member *m)
{
	struct vsf_run *run = m->win.run;

	if (run->unknown)
		(void)vsf_run_fault(run, VFIOSAFE_CAUSE_RESET_FAILED,
				    "%s was called off when it was not in D0, or passed over by "
				    "force: what is left of its state is unknown; %.200s",
				    m->pub.address, set->why);
	else if (m == set->blame || !set->blame)
		(void)vsf_run_call_off(run, -set->err, "%s", set->why);
	else
		(void)vsf_run_call_off(run, ECANCELED, "%s was called off because of %s: %.250s",
				       m->pub.address, set->blame->pub.address, set->why);
}

void vsf_set_call_off(struct vfiosafe_set *set)
{
	VSF_FOR_EACH(m, set)
		if (vsf_set_is_open(m))
			call_off(set, m);
}

/* The member that the kernel wants back, or that was closed; or NULL. */
static struct vsf_member *find_leaving(struct vfiosafe_set *set)
{
	VSF_FOR_EACH(m, set)
		if (vsf_device_state(m->pub.dev) == VFIOSAFE_GONE ||
		    vsf_events_refuse(m->pub.dev) < 0)
			return m;
	return NULL;
}

/* The kernel refused before it reset a device: because of one member, or of all. */
static void refused(struct vfiosafe_set *set, int rc)
{
	struct vsf_member *m = vsf_is_contention(rc) ? find_leaving(set) : NULL;
	const char *first = set->member[0].pub.address;

	if (m) {
		bool gone = vsf_device_state(m->pub.dev) == VFIOSAFE_GONE;

		(void)vsf_set_blame(set, m, gone ? vsf_run_gone(m->win.run) : -EBUSY);
		return;
	}
	if (rc == -EINVAL)
		rc = vsf_fail(EBUSY, "the kernel refuses a hot reset of the set of %s: a function "
				     "is no longer ours, or bound elsewhere; "
				     "vfiosafe_reset_plan() names it",
			      first);
	else
		rc = vsf_fail(ETIMEDOUT, "a function of the set of %s stayed locked until the "
					 "deadline: an access by another fd, an unbind, or "
					 "another reset; try again",
			      first);
	(void)vsf_set_blame(set, NULL, rc);
}

static void fault(const struct vfiosafe_set *set, const struct vsf_member *m, int rc)
{
	char hint[160];

	(void)vsf_run_fault(m->win.run, VFIOSAFE_CAUSE_RESET_FAILED,
			    "%s with %s failed: %s; what is left of its state is unknown%s",
			    set->pf ? "VFIO_DEVICE_RESET of a physical function"
				    : "VFIO_DEVICE_PCI_HOT_RESET",
			    m->pub.address, strerror(-rc),
			    vsf_plan_hint(m->pub.dev, hint, sizeof(hint)));
}

void vsf_set_reset_failed(struct vfiosafe_set *set, int rc)
{
	/* By a hot reset EINVAL comes before anything is done. */
	bool harmless = vsf_is_contention(rc) || (rc == -EINVAL && !set->pf);

	if (harmless)
		refused(set, rc);
	VSF_FOR_EACH(m, set) {
		if (!vsf_set_is_open(m))
			continue;
		if (!harmless || m->win.run->from_fault)
			fault(set, m, rc);
		else
			call_off(set, m);
	}
}

/* One look at each that was reset; false: none is left. */
static bool poll_returns(struct vfiosafe_set *set)
{
	bool left = false;

	VSF_FOR_EACH(m, set)
		if (vsf_set_is_open(m) && m->win.run->phase == VSF_PHASE_COMMITTED)
			(void)vsf_run_poll_ready(m->win.run);
	VSF_FOR_EACH(m, set) {
		if (vsf_set_is_open(m) && m->win.run->phase == VSF_PHASE_READY)
			(void)vsf_run_finish(m->win.run);
		left = left || vsf_set_is_open(m);
	}
	return left;
}

void vsf_set_come_back(struct vfiosafe_set *set)
{
	const struct vfiosafe_device *first = set->member[0].pub.dev;

	VSF_FOR_EACH(m, set)
		(void)vsf_run_committed(m->win.run);
	for (unsigned int round = 0; poll_returns(set); round++)
		vsf_drain_pause(first, round, set->member[0].win.run->deadline);
}

static void take_result(struct vsf_member *m, const struct vfiosafe_set *set)
{
	const struct vsf_run *run = m->win.run;

	m->pub.text[0] = '\0';
	if (!run) {
		m->pub.result = set->blame == m ? set->err : -ECANCELED;
		snprintf(m->pub.text, sizeof(m->pub.text), "%s", set->why);
		return;
	}
	m->pub.result = run->result;
	if (run->result < 0)
		memcpy(m->pub.text, run->text, sizeof(m->pub.text));
}

/* The kernel said no, and not why: the plan may. */
static int name_who(struct vfiosafe_set *set)
{
	if (set->blame || set->err != -EBUSY || vsf_set_check(set) != -EBUSY)
		return vsf_fail(-set->err, "%s", set->why);
	return -EBUSY;
}

/* FAULT before anything else; then the reason. */
int vsf_set_total(struct vfiosafe_set *set)
{
	const struct vsf_member *worst = NULL;

	VSF_FOR_EACH(m, set) {
		take_result(m, set);
		if (!worst && m->pub.result < 0)
			worst = m;
	}
	VSF_FOR_EACH(m, set)
		if (m->pub.result == -EIO && worst->pub.result != -EIO)
			worst = m;
	if (!worst)
		return 0;
	if (set->err && worst->pub.result != -EIO)
		return name_who(set);
	return vsf_fail(-worst->pub.result, "%s", worst->pub.text);
}

/* SPDX-License-Identifier: MIT */
/* One hot reset: the windows of all members, and what one of them means for the others. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "error.h"
#include "plan.h"
#include "set.h"

#define FOR_EACH(m, set)                                                                 \
	for (struct vsf_member *m = (set)->member; m < (set)->member + (set)->count; m++)

/* Has it been begun, and not ended? */
static bool is_open(const struct vsf_member *m)
{
	return m->win.run && m->win.run->phase != VSF_PHASE_OVER;
}

/* Who is the reason, or NULL, with this thread's text. */
static int blame(struct vfiosafe_set *set, const struct vsf_member *m, int rc)
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

static void call_off_all(struct vfiosafe_set *set)
{
	FOR_EACH(m, set)
		if (is_open(m))
			call_off(set, m);
}

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
	if (rc == 0 && m == set->member)
		vsf_round_offer(set->round, m->win.run);
	return rc;
}

static int begin(struct vfiosafe_set *set, struct vsf_round **met)
{
	FOR_EACH(m, set) {
		int rc = begin_one(set, m, met);

		if (rc < 0)
			return blame(set, m, rc);
		if (*met)
			return 0;
	}
	return 0;
}

/* One look at each that has not drained: 0, -EAGAIN, or what ended it. */
static int poll_drains(struct vfiosafe_set *set)
{
	int result = 0;

	FOR_EACH(m, set) {
		int rc = m->drained ? 0 : vsf_run_poll_drain(m->win.run);

		if (rc < 0 && rc != -EAGAIN)
			return blame(set, m, rc);
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

	FOR_EACH(m, set)
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
	FOR_EACH(m, set)
		m->win.run->deadline = latest;
	return 0;
}

static int quiesce(struct vfiosafe_set *set)
{
	FOR_EACH(m, set) {
		int rc = m->win.run->forced ? 0 : vsf_run_quiesce(m->win.run);

		if (rc < 0)
			return blame(set, m, rc);
	}
	return 0;
}

static int prepare(struct vfiosafe_set *set)
{
	FOR_EACH(m, set) {
		int rc = vsf_run_prepare(m->win.run);

		if (rc < 0)
			return blame(set, m, rc);
	}
	return 0;
}

/* The member that the kernel wants back, or that was closed; or NULL. */
static struct vsf_member *find_leaving(struct vfiosafe_set *set)
{
	FOR_EACH(m, set)
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

		(void)blame(set, m, gone ? vsf_run_gone(m->win.run) : -EBUSY);
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
	(void)blame(set, NULL, rc);
}

static void fault(const struct vsf_member *m, int rc)
{
	char hint[160];

	(void)vsf_run_fault(m->win.run, VFIOSAFE_CAUSE_RESET_FAILED,
			    "VFIO_DEVICE_PCI_HOT_RESET with %s failed: %s; what is left of its "
			    "state is unknown%s",
			    m->pub.address, strerror(-rc),
			    vsf_plan_hint(m->pub.dev, hint, sizeof(hint)));
}

static void reset_failed(struct vfiosafe_set *set, int rc)
{
	bool harmless = vsf_is_contention(rc) || rc == -EINVAL;

	if (harmless)
		refused(set, rc);
	FOR_EACH(m, set) {
		if (!is_open(m))
			continue;
		if (!harmless || m->win.run->from_fault)
			fault(m, rc);
		else
			call_off(set, m);
	}
}

/* One look at each that was reset; false: none is left. */
static bool poll_returns(struct vfiosafe_set *set)
{
	bool left = false;

	FOR_EACH(m, set)
		if (is_open(m) && m->win.run->phase == VSF_PHASE_COMMITTED)
			(void)vsf_run_poll_ready(m->win.run);
	FOR_EACH(m, set) {
		if (is_open(m) && m->win.run->phase == VSF_PHASE_READY)
			(void)vsf_run_finish(m->win.run);
		left = left || is_open(m);
	}
	return left;
}

/* Each by itself: what fails is in FAULT, and holds nobody up. */
static void come_back(struct vfiosafe_set *set)
{
	const struct vfiosafe_device *first = set->member[0].pub.dev;

	FOR_EACH(m, set)
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
static int total(struct vfiosafe_set *set)
{
	const struct vsf_member *worst = NULL;

	FOR_EACH(m, set) {
		take_result(m, set);
		if (!worst && m->pub.result < 0)
			worst = m;
	}
	FOR_EACH(m, set)
		if (m->pub.result == -EIO && worst->pub.result != -EIO)
			worst = m;
	if (!worst)
		return 0;
	if (set->err && worst->pub.result != -EIO)
		return name_who(set);
	return vsf_fail(-worst->pub.result, "%s", worst->pub.text);
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
		call_off_all(set);
		return;
	}
	rc = vsf_set_ioctl(set, set->member[0].win.run->deadline);
	if (rc < 0)
		reset_failed(set, rc);
	else
		come_back(set);
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
		rc = total(set);
		vsf_round_over(set->round, set, rc);
	}
	FOR_EACH(m, set)
		vsf_run_put(m->win.run);
	vsf_round_put(set->round);
	set->round = NULL;
	return rc;
}

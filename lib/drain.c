/* SPDX-License-Identifier: MIT */
/* Waiting for the sections of one device to end, and saying who is in the way. */
#include <errno.h>
#include <stdio.h>

#include "epoch.h"
#include "error.h"
#include "window.h"

bool vsf_drained(const struct vfiosafe_device *dev, pid_t *tid)
{
	return !vsf_epoch_busy(dev->word, tid);
}

int vsf_drain_refuse(const struct vfiosafe_device *dev, int err, pid_t tid)
{
	char path[64], comm[32];

	snprintf(path, sizeof(path), "/proc/self/task/%d/comm", (int)tid);
	if (vsf_sysfs_read(vfiosafe_sys_default(), path, comm, sizeof(comm)) < 0)
		snprintf(comm, sizeof(comm), "?");
	return vsf_fail(err, "%s: thread %d (%s) is still in a section at the deadline",
			dev->address, (int)tid, comm);
}

/* Sections are short: first yield to them, then sleep, longer and longer. */
void vsf_drain_pause(const struct vfiosafe_device *dev, unsigned int round,
		     int64_t deadline)
{
	if (round < 64)
		vsf_sys(dev->sys, sleep_ns, 0);
	else
		vsf_pause(dev->sys, round < 128 ? 20000 : 500000, deadline);
}

int vsf_drain(const struct vfiosafe_device *dev, int64_t deadline)
{
	int rc = vsf_epoch_barrier(dev->sys, dev->fenced);
	pid_t tid;

	if (rc < 0)
		return vsf_fail(EBUSY, "membarrier failed: sections cannot be waited for");
	for (unsigned int round = 0; !vsf_drained(dev, &tid); round++) {
		if (vsf_now(dev->sys) >= deadline)
			return vsf_drain_refuse(dev, EBUSY, tid);
		vsf_drain_pause(dev, round, deadline);
	}
	return 0;
}

int vsf_exclusive_begin(struct vsf_run **out, struct vfiosafe_device *dev,
			uint32_t timeout_ms)
{
	int64_t deadline = vsf_deadline(dev->sys, timeout_ms);
	struct vsf_wish wish = { .kind = VSF_KIND_EXCLUSIVE };
	uint32_t seen = vsf_device_bell(dev);
	struct vsf_run *run = NULL;
	int rc;

	while ((rc = vsf_run_start(&run, dev, wish, deadline)) == -EBUSY) {
		if (vsf_device_sleep(dev, &seen, deadline) == -ETIMEDOUT)
			return vsf_fail(EBUSY, "%s: a window is open and does not end",
					dev->address);
	}
	/* GONE: nobody gets in, there is no state to come back to. */
	if (rc == -ENODEV)
		run = NULL;
	else if (rc < 0)
		return rc;
	rc = vsf_drain(dev, deadline);
	if (rc < 0) {
		if (run)
			(void)vsf_run_call_off(run, -rc, "%s", vfiosafe_error_text());
		vsf_run_put(run);
		return rc;
	}
	*out = run;
	return 0;
}

void vsf_exclusive_end(struct vsf_run *run)
{
	if (!run)
		return;
	(void)vsf_run_call_off(run, ECANCELED, "the change was made");
	vsf_run_put(run);
}

/* SPDX-License-Identifier: MIT */
/* rig.c - the driver under test: open, program, and back. */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "rig.h"

void take_a_breath(void)
{
	const struct timespec time = { .tv_nsec = 100000 };

	clock_nanosleep(CLOCK_MONOTONIC, 0, &time, NULL);
}

static int rig_quiesce(struct vfiosafe_device *dev, void *ctx)
{
	struct rig *rig = ctx;

	(void)dev;
	return rig->card->quiesce(rig);
}

static int rig_resume(struct vfiosafe_device *dev, void *ctx)
{
	(void)dev;
	(void)ctx;
	return 0;
}

static int rig_reinit(struct vfiosafe_device *dev, void *ctx)
{
	struct rig *rig = ctx;
	int rc = vfiosafe_bar_view(rig->bar, &rig->regs);

	(void)dev;
	return rc < 0 ? rc : rig->card->reinit(rig);
}

static void rig_lost(struct vfiosafe_device *dev, void *ctx, enum vfiosafe_cause cause)
{
	struct rig *rig = ctx;

	(void)dev;
	rig->card->lost(rig, cause);
}

static const struct vfiosafe_driver_ops driver_ops = {
	.size = sizeof(driver_ops),
	.quiesce = rig_quiesce,
	.resume = rig_resume,
	.reinit = rig_reinit,
	.lost = rig_lost,
};

/*
 * A worker that is in a section looks at the sentinel as long as the flag says so;
 * each has begun anew before the sentinel goes.
 */
int rig_set_sentinel(struct rig *rig, bool on)
{
	struct vfiosafe_sentinel sentinel = { .size = sizeof(sentinel), .bar = rig->bar };
	bool runs = rig->worker[0].runs;
	int rc = 0;

	rig->card->sentinel(rig, &sentinel);
	if (!on)
		__atomic_store_n(&rig->sentinel, false, __ATOMIC_RELEASE);
	if (!on && runs)
		rc = workers_await(rig, WORKERS);
	if (rc == 0)
		rc = vfiosafe_set_sentinel(rig->dev, on ? &sentinel : NULL);
	if (rc == 0 && on)
		__atomic_store_n(&rig->sentinel, true, __ATOMIC_RELEASE);
	return rc;
}

static int program(struct rig *rig)
{
	/* QEMU answers for a dead device with 0, and a reset leaves 0. */
	const uint64_t zero = 0;
	int rc = vfiosafe_set_poison(rig->dev, &zero, 1);

	if (rc == 0)
		rc = rig->card->start(rig);
	if (rc == 0)
		rc = vfiosafe_bar_view(rig->bar, &rig->regs);
	if (rc == 0)
		rc = vfiosafe_device_set_driver(rig->dev, &driver_ops, rig);
	return rc < 0 ? rc : rig_set_sentinel(rig, true);
}

int rig_open(struct rig *rig)
{
	const struct vfiosafe_device_opts opts = {
		.size = sizeof(opts),
		.door = rig->door,
		.sys = rig->sys,
	};
	int rc = vfiosafe_device_open(&rig->dev, rig->address, &opts);

	if (rc == 0)
		rc = program(rig);
	if (rc == 0)
		rc = rig->bed->other_start(rig);
	return rc < 0 ? rc : workers_start(rig);
}

int rig_close(struct rig *rig)
{
	int rc;

	workers_stop(rig);
	rig->bed->other_stop(rig);
	/* What the driver does to the device now is none of its business. */
	rc = vfiosafe_set_sentinel(rig->dev, NULL);
	if (rc == -ENODEV)
		rc = 0;
	if (rc == 0)
		rc = rig->card->stop(rig);
	if (rc < 0)
		return rc;
	rc = vfiosafe_device_close(rig->dev, PATIENCE_MS);
	rig->dev = NULL;
	return rc;
}

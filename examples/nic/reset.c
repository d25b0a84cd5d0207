/* SPDX-License-Identifier: MIT */
/*
 * reset.c - what this driver does about resets; the rest is the library's.
 *
 * The callbacks run alone: no burst is under way, and none begins before LIVE.
 */
#include "nic.h"

/* What was sent and received so far is done; the wire falls silent. */
static int quiesce(struct vfiosafe_device *dev, void *ctx)
{
	(void)dev;
	return nic_enable(ctx, false);
}

/* Called off, nothing was lost: the rings go on where they were. */
static int resume(struct vfiosafe_device *dev, void *ctx)
{
	(void)dev;
	return nic_enable(ctx, true);
}

/* As at first start; memory and its addresses for the device are still there. */
static int reinit(struct vfiosafe_device *dev, void *ctx)
{
	struct nic *nic = ctx;
	int rc = vfiosafe_bar_view(nic->bar, &nic->regs);

	(void)dev;
	return rc < 0 ? rc : nic_program(nic);
}

/* Bursts are refused from now on; whoever looks at this recovers the device. */
static void lost(struct vfiosafe_device *dev, void *ctx, enum vfiosafe_cause cause)
{
	struct nic *nic = ctx;

	(void)dev, (void)cause;
	__atomic_fetch_add(&nic->lost, 1, __ATOMIC_RELEASE);
}

int nic_survive_resets(struct nic *nic)
{
	const struct vfiosafe_driver_ops ops = {
		.size = sizeof(ops),
		.quiesce = quiesce,
		.resume = resume,
		.reinit = reinit,
		.lost = lost,
	};

	return vfiosafe_device_set_driver(nic->dev, &ops, nic);
}

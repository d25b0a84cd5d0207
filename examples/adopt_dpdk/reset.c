/* SPDX-License-Identifier: MIT */
/*
 * reset.c - what this program does about resets; the rest is the library's.
 *
 * The callbacks run alone: no burst is under way, and none begins before LIVE. DPDK's
 * memory stays mapped for the device, and bus mastering comes back as it was.
 */
#include "port.h"

/* What was received so far is taken or lost; the PMD gives its frames back. */
static int quiesce(struct vfiosafe_device *dev, void *ctx)
{
	(void)dev;
	return port_stop(ctx);
}

/* Called off, the device was not touched. */
static int resume(struct vfiosafe_device *dev, void *ctx)
{
	(void)dev;
	return port_start(ctx);
}

/* As at first start. After a fault nobody has stopped the port before: DPDK thinks it
 * runs. */
static int reinit(struct vfiosafe_device *dev, void *ctx)
{
	struct port *port = ctx;
	int rc = vfiosafe_bar_view(port->bar, &port->regs);

	(void)dev;
	if (rc == 0)
		rc = port_stop(port);
	return rc < 0 ? rc : port_start(port);
}

/* Bursts move nothing from now on; whoever looks at this recovers the device. */
static void lost(struct vfiosafe_device *dev, void *ctx, enum vfiosafe_cause cause)
{
	struct port *port = ctx;

	(void)dev, (void)cause;
	__atomic_fetch_add(&port->lost, 1, __ATOMIC_RELEASE);
}

int port_survive_resets(struct port *port)
{
	const struct vfiosafe_driver_ops ops = {
		.size = sizeof(ops),
		.quiesce = quiesce,
		.resume = resume,
		.reinit = reinit,
		.lost = lost,
	};

	return vfiosafe_device_set_driver(port->dev, &ops, port);
}

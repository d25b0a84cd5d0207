/* SPDX-License-Identifier: MIT */
/*
 * reset.c - what this driver does about resets. The rest is the library's: it lets no
 * access through while one goes on, and nothing from before it afterwards; interrupts,
 * DMA mappings and bus mastering come back by themselves. Commands that a reset took are
 * made again by nvme_poll(), since they belong to an earlier life.
 */
#include <time.h>
#include <unistd.h>

#include "nvme.h"

/* The thread of the I/O may be waiting for an interrupt that will not come. */
static void kick(struct nvme *nvme)
{
	(void)!write(nvme->kick_fd, &(uint64_t){ 1 }, sizeof(uint64_t));
}

/* Commands in flight may come to their end. What has not by then is made again. */
static int quiesce(struct vfiosafe_device *dev, void *ctx)
{
	const struct timespec pause = { .tv_nsec = 50000 };
	struct nvme *nvme = ctx;
	int64_t deadline = vfiosafe_deadline_in_ms(nvme->drain_ms);

	(void)dev;
	while (nvme_queue_missing(&nvme->io) && vfiosafe_deadline_in_ms(0) < deadline)
		clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
	kick(nvme);
	return 0;
}

/* The controller has forgotten everything. */
static int reinit(struct vfiosafe_device *dev, void *ctx)
{
	struct nvme *nvme = ctx;
	int rc = vfiosafe_bar_view(nvme->bar, &nvme->regs);

	(void)dev;
	return rc < 0 ? rc : nvme_program(nvme);
}

/* It has forgotten nothing, but may have met with closed doors: it begins anew then. */
static int resume(struct vfiosafe_device *dev, void *ctx)
{
	struct nvme *nvme = ctx;

	(void)dev;
	return nvme_queue_missing(&nvme->io) ? nvme_program(nvme) : 0;
}

static void lost(struct vfiosafe_device *dev, void *ctx, enum vfiosafe_cause cause)
{
	(void)dev, (void)cause;
	kick(ctx);
}

const struct vfiosafe_driver_ops nvme_reset_ops = { .size = sizeof(nvme_reset_ops),
	.quiesce = quiesce, .reinit = reinit, .resume = resume, .lost = lost };

/* SPDX-License-Identifier: MIT */
/*
 * nvme_mini.c - bringing the controller up, at first start and after every reset.
 */
#include <endian.h>
#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "nvme_mini.h"
#include "nvme_queue.h"

#define CC_ENABLE 0x1u
#define CSTS_READY 0x1u
#define CSTS_FATAL 0x2u

static int64_t earlier(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* Until CSTS says so, for as long as the controller asks to be given. */
static int await_ready(struct nvme *nvme, bool ready)
{
	int64_t deadline = earlier(vfiosafe_deadline_in_ms(nvme->ready_ms),
				   vfiosafe_window_deadline(nvme->dev));

	return vfiosafe_poll32(&nvme->regs, NVME_REG_CSTS, CSTS_READY | CSTS_FATAL,
			       ready ? CSTS_READY : 0, deadline, NULL);
}

static int disable(struct nvme *nvme)
{
	uint32_t cc = 0;
	int rc = vfiosafe_read32(&nvme->regs, NVME_REG_CC, &cc);

	if (rc < 0 || !(cc & CC_ENABLE))
		return rc;
	rc = vfiosafe_write32(&nvme->regs, NVME_REG_CC, cc & ~CC_ENABLE);
	return rc < 0 ? rc : await_ready(nvme, false);
}

static int enable(struct nvme *nvme)
{
	const struct vfiosafe_view *regs = &nvme->regs;
	int rc = vfiosafe_write32(regs, NVME_REG_AQA,
				  (NVME_ENTRIES - 1) << 16 | (NVME_ENTRIES - 1));

	if (rc == 0)
		rc = vfiosafe_write64_lo_hi(regs, NVME_REG_ASQ, nvme->asq);
	if (rc == 0)
		rc = vfiosafe_write64_lo_hi(regs, NVME_REG_ACQ, nvme->asq + NVME_PAGE);
	if (rc == 0)
		rc = vfiosafe_write32(regs, NVME_REG_CC, NVME_CC_ENABLED);
	return rc < 0 ? rc : await_ready(nvme, true);
}

/*
 * Queues of their own for each generation, so that what an older one left in memory
 * is not taken for a completion.
 */
static void new_queues(struct nvme *nvme, uint64_t generation)
{
	uint64_t offset = generation % NVME_GENERATIONS * 2 * NVME_PAGE;
	uint8_t *pages = (uint8_t *)nvme->queues.addr + offset;

	memset(pages, 0, 2 * NVME_PAGE);
	nvme->sq = (volatile uint32_t *)(void *)pages;
	nvme->cq = (volatile uint32_t *)(void *)(pages + NVME_PAGE);
	nvme->asq = nvme->queues.iova + offset;
	nvme->sq_tail = nvme->cq_head = 0;
	nvme->phase = 1;
	nvme->in_flight = false;
	nvme->generation = generation;
}

int nvme_reinit(struct vfiosafe_device *dev, void *ctx)
{
	struct nvme *nvme = ctx;
	int rc = vfiosafe_bar_view(nvme->bar, &nvme->regs);

	if (rc == 0)
		rc = disable(nvme);
	if (rc < 0)
		return rc;
	new_queues(nvme, vfiosafe_device_generation(dev));
	return enable(nvme);
}

/*
 * All sections have ended: a command in flight may come to its end, if the controller
 * is alive. Half of the time is for that: a window that is to keep the device's state
 * would lose the command, but a reset must go on.
 */
int nvme_quiesce(struct vfiosafe_device *dev, void *ctx)
{
	const struct timespec pause = { .tv_nsec = 50000 };
	struct nvme *nvme = ctx;
	int64_t begin = vfiosafe_deadline_in_ms(0);
	int64_t deadline = begin + (vfiosafe_window_deadline(dev) - begin) / 2;

	while (nvme->in_flight && !nvme_queue_answered(nvme) &&
	       vfiosafe_deadline_in_ms(0) < deadline)
		clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
	nvme_queue_kick(nvme);
	return 0;
}

void nvme_lost(struct vfiosafe_device *dev, void *ctx, enum vfiosafe_cause cause)
{
	(void)dev;
	(void)cause;
	nvme_queue_kick(ctx);
}

static int capabilities(struct nvme *nvme)
{
	uint64_t cap = 0;
	int rc = vfiosafe_bar_view(nvme->bar, &nvme->regs);

	if (rc == 0)
		rc = vfiosafe_read64_lo_hi(&nvme->regs, NVME_REG_CAP, &cap);
	nvme->stride = 4u << (cap >> 32 & 0xf);
	nvme->ready_ms = ((uint32_t)(cap >> 24 & 0xff) + 1) * 500;
	return rc;
}

static int allocate(struct nvme *nvme)
{
	int rc = vfiosafe_dma_alloc(&nvme->queues, nvme->dev,
				    (uint64_t)NVME_GENERATIONS * 2 * NVME_PAGE, 0);

	if (rc == 0)
		rc = vfiosafe_dma_alloc(&nvme->data, nvme->dev, NVME_PAGE, 0);
	return rc;
}

static int arm(struct nvme *nvme)
{
	nvme->irq_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	nvme->kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (nvme->irq_fd < 0 || nvme->kick_fd < 0)
		return -errno;
	return vfiosafe_irq_enable(nvme->dev, VFIOSAFE_IRQ_MSIX, 1, &nvme->irq_fd);
}

static int start(struct nvme *nvme)
{
	int rc = vfiosafe_bar_map(&nvme->bar, nvme->dev, 0, 0, 0, 0);

	if (rc == 0)
		rc = capabilities(nvme);
	if (rc == 0)
		rc = allocate(nvme);
	if (rc == 0)
		rc = arm(nvme);
	if (rc == 0)
		rc = vfiosafe_set_bus_master(nvme->dev, true);
	return rc < 0 ? rc : nvme_reinit(nvme->dev, nvme);
}

int nvme_open(struct nvme *nvme, struct vfiosafe_device *dev)
{
	int rc;

	memset(nvme, 0, sizeof(*nvme));
	nvme->dev = dev;
	nvme->irq_fd = nvme->kick_fd = -1;
	rc = start(nvme);
	if (rc < 0 && nvme_close(nvme) < 0)
		rc = -EIO;
	return rc;
}

/* The controller forgets the memory that is given back. */
static int stop(struct nvme *nvme)
{
	int rc = disable(nvme);

	if (rc == 0)
		rc = vfiosafe_set_bus_master(nvme->dev, false);
	return rc < 0 ? rc : vfiosafe_irq_disable(nvme->dev, VFIOSAFE_IRQ_MSIX);
}

int nvme_close(struct nvme *nvme)
{
	enum vfiosafe_state state = vfiosafe_device_state(nvme->dev);
	int rc = state == VFIOSAFE_LIVE ? stop(nvme) : 0;

	if (rc == 0 && state != VFIOSAFE_GONE)
		rc = vfiosafe_dma_free(&nvme->data);
	if (rc == 0 && state != VFIOSAFE_GONE)
		rc = vfiosafe_dma_free(&nvme->queues);
	if (nvme->irq_fd >= 0)
		close(nvme->irq_fd);
	if (nvme->kick_fd >= 0)
		close(nvme->kick_fd);
	nvme->irq_fd = nvme->kick_fd = -1;
	return rc;
}

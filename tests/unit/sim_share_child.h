/* SPDX-License-Identifier: MIT */
/* sim_share_child.h - a client of a simulated device, as a program of its own. */
#ifndef SIM_SHARE_CHILD_H
#define SIM_SHARE_CHILD_H

#include <vfiosafe/vfiosafe.h>

#include "sim_rig.h"

#define PAGE UINT64_C(4096)
#define LEN (2 * PAGE)
#define PATTERN UINT64_C(0x1122334455667788)

/* What the client tells. */
struct told {
	int step; /* atomic; 1: it is there; -1: something failed */
	uint64_t iova;
	char text[256];
};

static struct told *told; /* shared with the owner */

/* The device complements 8 bytes; 0, -EFAULT: it could not. */
static int complement(const struct vfiosafe_view *view, uint64_t iova)
{
	uint32_t value = VFIOSAFE_SIM_DMA_START;
	int rc = vfiosafe_write64(view, VFIOSAFE_SIM_REG_DMA_ADDRESS, iova);

	if (rc == 0)
		rc = vfiosafe_write32(view, VFIOSAFE_SIM_REG_DMA, value);
	while (rc == 0 && value == VFIOSAFE_SIM_DMA_START)
		rc = vfiosafe_read32(view, VFIOSAFE_SIM_REG_DMA, &value);
	return rc == 0 && value != 0 ? -EFAULT : rc;
}

static void tell(int step)
{
	__atomic_store_n(&told->step, step, __ATOMIC_RELEASE);
}

static void child_check(bool good, const char *what)
{
	if (good)
		return;
	snprintf(told->text, sizeof(told->text), "%s: %.200s", what,
		 vfiosafe_error_text());
	tell(-1);
	_exit(1);
}

struct child {
	struct vfiosafe_device *dev;
	struct vfiosafe_bar *bar;
	struct vfiosafe_view view;
	struct vfiosafe_dma_memory mem;
};

static int child_reinit(struct vfiosafe_device *dev, void *ctx)
{
	(void)dev, (void)ctx;
	return 0;
}

static void child_joins(struct child *c, int sock)
{
	const struct vfiosafe_driver_ops ops = { .size = sizeof(ops), .reinit = child_reinit };

	child_check(vfiosafe_join(&c->dev, sock, NULL) == 0, "join");
	child_check(vfiosafe_device_set_driver(c->dev, &ops, NULL) == 0, "driver");
	child_check(vfiosafe_agent_start(c->dev) == 0, "agent");
	child_check(vfiosafe_bar_map(&c->bar, c->dev, 0, 0, 0, 0) == 0, "bar");
	child_check(vfiosafe_bar_view(c->bar, &c->view) == 0, "view");
	child_check(vfiosafe_dma_alloc(&c->mem, c->dev, LEN, 0) == 0, "dma_alloc");
	told->iova = c->mem.iova;
}

/* Has the device write into its memory, and waits for its end. */
static void child_waits(int sock)
{
	struct child c;
	volatile uint64_t *at;

	child_joins(&c, sock);
	at = c.mem.addr;
	at[1] = PATTERN;
	child_check(complement(&c.view, c.mem.iova + 8) == 0, "DMA");
	child_check(at[1] == ~PATTERN && at[0] == 0, "what the device wrote");
	tell(1);
	while (1)
		pause();
}

/* Starts DMA over and over, in memory that comes and goes. */
static void child_storms(int sock)
{
	struct vfiosafe_dma_memory more;
	struct child c;

	child_joins(&c, sock);
	tell(1);
	while (1) {
		child_check(vfiosafe_dma_alloc(&more, c.dev, LEN, 0) == 0, "dma_alloc");
		child_check(complement(&c.view, more.iova) == 0, "DMA");
		child_check(vfiosafe_dma_free(&more) == 0, "dma_free");
		child_check(complement(&c.view, c.mem.iova) == 0, "DMA");
	}
}

#endif

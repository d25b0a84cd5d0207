/* SPDX-License-Identifier: MIT */
/*
 * The nvme model: an admin command is fetched from DMA memory, answered into it, and
 * its completion comes by MSI-X. All three are from before the windows.
 */
#include <sched.h>
#include <stdio.h>

#include "io_rig.h"

#define NVME_CC 0x14
#define NVME_CSTS 0x1c
#define NVME_AQA 0x24
#define NVME_ASQ 0x28
#define NVME_ACQ 0x30
#define NVME_SQ_DOORBELL 0x1000
#define NVME_CQ_DOORBELL 0x1004
#define CC_ENABLED 0x00460001u
#define ENTRIES 8u

#define IDENTIFY 0x06u
#define WINDOWS 10

static struct {
	struct vfiosafe_dma_memory sq, cq, data;
	uint32_t tail, head, phase;
	bool enable_again; /* reinit enables the interrupt too, as at first start */
	int reinits;
} nvme;

static int wait_ready(struct io *io, uint32_t want)
{
	int64_t deadline = vfiosafe_deadline_in_ms(SOON);
	uint32_t csts;
	int rc;

	for (;;) {
		rc = vfiosafe_read32(&io->view, NVME_CSTS, &csts);
		if (rc < 0 || (csts & 1) == want)
			return rc;
		if (vfiosafe_deadline_in_ms(0) > deadline)
			return -ETIMEDOUT;
		sched_yield();
	}
}

/* The queues are where they were; the controller has forgotten. */
static int start(struct io *io)
{
	const struct vfiosafe_view *view = &io->view;
	int rc = vfiosafe_write32(view, NVME_CC, 0);

	if (rc == 0)
		rc = wait_ready(io, 0);
	memset(nvme.sq.addr, 0, nvme.sq.len);
	memset(nvme.cq.addr, 0, nvme.cq.len);
	nvme.tail = nvme.head = 0;
	nvme.phase = 1;
	if (rc == 0)
		rc = vfiosafe_write32(view, NVME_AQA,
				      (ENTRIES - 1) << 16 | (ENTRIES - 1));
	if (rc == 0)
		rc = vfiosafe_write64_lo_hi(view, NVME_ASQ, nvme.sq.iova);
	if (rc == 0)
		rc = vfiosafe_write64_lo_hi(view, NVME_ACQ, nvme.cq.iova);
	if (rc == 0)
		rc = vfiosafe_write32(view, NVME_CC, CC_ENABLED);
	return rc < 0 ? rc : wait_ready(io, 1);
}

static int reinit(struct vfiosafe_device *dev, void *ctx)
{
	struct io *io = ctx;
	int rc = vfiosafe_bar_view(io->bar, &io->view);

	nvme.reinits++;
	if (rc == 0 && nvme.enable_again)
		rc = vfiosafe_irq_enable(dev, VFIOSAFE_IRQ_MSIX, 1, &io->event);
	return rc < 0 ? rc : start(io);
}

static bool submit(struct io *io, uint32_t id)
{
	uint32_t *entry = (uint32_t *)nvme.sq.addr + nvme.tail * 16;

	memset(nvme.data.addr, 0, nvme.data.len);
	memset(entry, 0, 64);
	entry[0] = IDENTIFY | id << 16;
	entry[6] = (uint32_t)nvme.data.iova;
	entry[7] = (uint32_t)(nvme.data.iova >> 32);
	entry[10] = 1; /* the controller */
	nvme.tail = (nvme.tail + 1) % ENTRIES;
	return vfiosafe_write32(&io->view, NVME_SQ_DOORBELL, nvme.tail) == 0;
}

static bool completed(struct io *io, uint32_t id)
{
	const volatile uint32_t *entry = (uint32_t *)nvme.cq.addr + nvme.head * 4;
	uint32_t last = entry[3];

	if ((last >> 16 & 1) != nvme.phase || last >> 17 || (last & 0xffff) != id)
		return false;
	nvme.head = (nvme.head + 1) % ENTRIES;
	nvme.phase ^= nvme.head == 0;
	return vfiosafe_write32(&io->view, NVME_CQ_DOORBELL, nvme.head) == 0;
}

/* One command and one interrupt; the answer has the serial number of the model. */
static bool identifies(struct io *io)
{
	static uint32_t id;

	id = (id + 1) & 0xffff;
	return submit(io, id) && signals(io->event, SOON) == 1 && completed(io, id) &&
	       ((const char *)nvme.data.addr)[4] != '\0';
}

static bool first_start(struct io *io)
{
	uint32_t count = 0;

	return check(vfiosafe_dma_alloc(&nvme.sq, io->dev, PAGE, 0) == 0 &&
			     vfiosafe_dma_alloc(&nvme.cq, io->dev, PAGE, 0) == 0 &&
			     vfiosafe_dma_alloc(&nvme.data, io->dev, PAGE, 0) == 0,
		     "queues and a buffer are allocated") &&
	       check(vfiosafe_irq_count(io->dev, VFIOSAFE_IRQ_MSIX, &count) == 0 &&
			     count > 1 &&
			     vfiosafe_irq_enable(io->dev, VFIOSAFE_IRQ_MSIX, 1,
						 &io->event) == 0,
		     "MSI-X is enabled") &&
	       check(start(io) == 0, "the controller starts") &&
	       check(identifies(io), "a command completes by MSI-X into DMA memory");
}

static void resets(struct io *io)
{
	int good = 0;

	for (int i = 0; i < WINDOWS; i++)
		good += vfiosafe_reset(io->dev, NULL) == 0 && identifies(io);
	check(good == WINDOWS && nvme.reinits == WINDOWS,
	      "after each of %d resets one does, with vector and memory from before",
	      WINDOWS);
	check(vfiosafe_irq_trigger(io->dev, VFIOSAFE_IRQ_MSIX, 0) == 0 &&
		      vfiosafe_reset(io->dev, NULL) == 0 && signals(io->event, 0) == 0,
	      "a signal from before a reset is taken out");
	check(identifies(io), "and a command completes");
}

static void other_windows(struct io *io)
{
	check(vfiosafe_mark_lost(io->dev, "for the test") == 0 &&
		      vfiosafe_irq_trigger(io->dev, VFIOSAFE_IRQ_MSIX, 0) == -EIO &&
		      vfiosafe_recover(io->dev, NULL) == 0 && identifies(io),
	      "a command completes after a recovery from FAULT");
	check(vfiosafe_set_power(io->dev, VFIOSAFE_D3HOT, NULL) == 0 &&
		      vfiosafe_irq_disable(io->dev, VFIOSAFE_IRQ_MSIX) == -EAGAIN &&
		      vfiosafe_set_power(io->dev, VFIOSAFE_D0, NULL) == 0 &&
		      identifies(io),
	      "after D3hot");
	check(vfiosafe_low_power_enter(io->dev, false, NULL) == 0 &&
		      vfiosafe_low_power_exit(io->dev, NULL) == 0 && identifies(io),
	      "after low power");
	check(vfiosafe_set_decode(io->dev, false, NULL) == 0 &&
		      vfiosafe_set_decode(io->dev, true, NULL) == 0 && identifies(io),
	      "after memory decode went off and on");
	nvme.enable_again = true;
	check(vfiosafe_reset(io->dev, NULL) == 0 && identifies(io),
	      "and after a reset whose reinit enables MSI-X itself");
	nvme.enable_again = false;
}

static void more_vectors(struct io *io)
{
	int other = eventfd(0, EFD_CLOEXEC);
	int rc = vfiosafe_irq_set_fd(io->dev, VFIOSAFE_IRQ_MSIX, 3, other);

	if (rc == 0)
		check(vfiosafe_irq_trigger(io->dev, VFIOSAFE_IRQ_MSIX, 3) == 0 &&
			      signals(other, SOON) == 1 &&
			      vfiosafe_reset(io->dev, NULL) == 0 && identifies(io),
		      "a vector is added, and is there after a reset");
	else
		check(rc == -EOPNOTSUPP && strstr(vfiosafe_error_text(), "enable 4") &&
			      identifies(io),
		      "this kernel cannot add vectors, and that is said");
	close(other);
}

/* The same fd, as another library would hold it. */
static void another_holder(struct io *io)
{
	struct vfiosafe_device *dev;
	int other = eventfd(0, EFD_CLOEXEC);

	check(vfiosafe_device_from_fd(&dev, vfiosafe_device_fd(io->dev), NULL) == 0 &&
		      vfiosafe_irq_enable(dev, VFIOSAFE_IRQ_MSIX, 1, &other) == -EBUSY &&
		      strstr(vfiosafe_error_text(), "whoever opened it"),
	      "what was enabled by another holder of the fd is not replaced");
	check(vfiosafe_device_close(dev, 1000) == 0 && identifies(io), "and works on");
	close(other);
}

static void next_open(struct io *io)
{
	io_close(io);
	if (!io_open(io))
		return;
	check(vfiosafe_irq_enable(io->dev, VFIOSAFE_IRQ_MSIX, 1, &io->event) == 0 &&
		      vfiosafe_irq_trigger(io->dev, VFIOSAFE_IRQ_MSIX, 0) == 0 &&
		      signals(io->event, SOON) == 1,
	      "opened again, nothing of before is in the way");
	io_close(io);
}

int io_nvme(struct io *io)
{
	struct vfiosafe_driver_ops ops = { .size = sizeof(ops), .reinit = reinit };

	io_name(io, "nvme");
	if (!io_open(io) || !first_start(io))
		return 1;
	check(vfiosafe_device_set_driver(io->dev, &ops, io) == 0, "takes a driver");
	resets(io);
	other_windows(io);
	more_vectors(io);
	another_holder(io);
	next_open(io);
	return check_failures ? 1 : 0;
}

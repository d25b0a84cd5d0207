/* SPDX-License-Identifier: MIT */
/*
 * open.c - what is done once: BAR, memory, interrupts, and back.
 */
#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "nvme.h"

static int capabilities(struct nvme *nvme, uint32_t *stride)
{
	uint64_t cap = 0;
	int rc = vfiosafe_bar_view(nvme->bar, &nvme->regs);

	if (rc == 0)
		rc = vfiosafe_read64_lo_hi(&nvme->regs, NVME_REG_CAP, &cap);
	*stride = 4u << (cap >> 32 & 0xf);
	nvme->ready_ms = ((uint32_t)(cap >> 24 & 0xff) + 1) * 500;
	return rc;
}

static int allocate(struct nvme *nvme, uint32_t stride)
{
	/* Each has a page for the list of its pages, too. */
	uint64_t len = (uint64_t)NVME_REQUESTS * (NVME_REQUEST_LEN + NVME_PAGE);
	int rc = nvme_queue_alloc(&nvme->admin, nvme->dev, 0, stride);

	if (rc == 0)
		rc = nvme_queue_alloc(&nvme->io, nvme->dev, 1, stride);
	if (rc == 0)
		rc = vfiosafe_dma_alloc(&nvme->data, nvme->dev, len, 0);
	for (unsigned int i = 0; rc == 0 && i < NVME_REQUESTS; i++)
		nvme->request[i].data =
			(uint8_t *)nvme->data.addr + (uint64_t)i * NVME_REQUEST_LEN;
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

/* A controller that was reset behind the library is not enabled. */
static int watch(struct nvme *nvme)
{
	const struct vfiosafe_sentinel sentinel = {
		.size = sizeof(sentinel),
		.bar = nvme->bar,
		.offset = NVME_REG_CC,
		.width = 4,
		.mask = UINT32_MAX,
		.value = NVME_CC_ENABLED,
	};
	int rc = vfiosafe_set_sentinel(nvme->dev, &sentinel);

	return rc < 0 ? rc : vfiosafe_device_set_driver(nvme->dev, &nvme_reset_ops, nvme);
}

static int start(struct nvme *nvme)
{
	uint32_t stride = 0;
	int rc = vfiosafe_bar_map(&nvme->bar, nvme->dev, 0, 0, 0, 0);

	if (rc == 0)
		rc = capabilities(nvme, &stride);
	if (rc == 0)
		rc = allocate(nvme, stride);
	if (rc == 0)
		rc = arm(nvme);
	if (rc == 0)
		rc = vfiosafe_set_bus_master(nvme->dev, true);
	if (rc == 0)
		rc = nvme_program(nvme);
	if (rc == 0)
		rc = nvme_identify(nvme);
	return rc < 0 ? rc : watch(nvme);
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
	int rc = vfiosafe_set_sentinel(nvme->dev, NULL);

	if (rc == 0)
		rc = vfiosafe_device_set_driver(nvme->dev, NULL, NULL);
	if (rc == 0 && nvme->life)
		rc = nvme_disable(nvme);
	if (rc == 0)
		rc = vfiosafe_set_bus_master(nvme->dev, false);
	return rc < 0 ? rc : vfiosafe_irq_disable(nvme->dev, VFIOSAFE_IRQ_MSIX);
}

/* A device in FAULT, or gone, cannot be told: the IOMMU keeps it out of the memory. */
int nvme_close(struct nvme *nvme)
{
	int rc = vfiosafe_device_state(nvme->dev) == VFIOSAFE_LIVE ? stop(nvme) : 0;

	if (rc == 0)
		rc = vfiosafe_dma_free(&nvme->data);
	if (rc == 0)
		rc = vfiosafe_dma_free(&nvme->io.memory);
	if (rc == 0)
		rc = vfiosafe_dma_free(&nvme->admin.memory);
	if (nvme->irq_fd >= 0)
		close(nvme->irq_fd);
	if (nvme->kick_fd >= 0)
		close(nvme->kick_fd);
	nvme->irq_fd = nvme->kick_fd = -1;
	return rc;
}

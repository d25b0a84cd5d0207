/* SPDX-License-Identifier: MIT */
/* broker_nvme.h - a client of the broker that drives an nvme by its admin queue. */
#ifndef VM_BROKER_NVME_H
#define VM_BROKER_NVME_H

#include <errno.h>
#include <sched.h>

#include "../broker/rig.h"

#define NVME_CC 0x14
#define NVME_CSTS 0x1c
#define NVME_AQA 0x24
#define NVME_ASQ 0x28
#define NVME_ACQ 0x30
#define NVME_SQ_DOORBELL 0x1000
#define NVME_CQ_DOORBELL 0x1004
#define NVME_ENABLED 0x00460001u
#define NVME_ENTRIES 8u
#define NVME_PAGE 4096u

/* Where the library puts the first memory of a device. */
#define FIRST_IOVA 0x10000u

struct nvme {
	struct vfiosafe_device *dev;
	struct vfiosafe_view view;
	struct vfiosafe_dma_memory sq, cq, data;
	uint32_t tail, head, phase, id;
};

static inline uint32_t nvme_csts(const struct vfiosafe_view *view)
{
	uint32_t csts = 0;

	must(vfiosafe_read32(view, NVME_CSTS, &csts) == 0);
	return csts;
}

static inline int64_t nvme_soon(void)
{
	return vfiosafe_deadline_in_ms(60000);
}

static inline void nvme_yield(int64_t deadline)
{
	must(vfiosafe_deadline_in_ms(0) < deadline);
	sched_yield();
}

/* Ready and fatal bits, of which one is wanted. */
static inline uint32_t nvme_wait(const struct vfiosafe_view *view, uint32_t want)
{
	int64_t deadline = nvme_soon();

	while (!(nvme_csts(view) & want))
		nvme_yield(deadline);
	return nvme_csts(view);
}

static inline void nvme_enable(const struct vfiosafe_view *view, uint64_t sq, uint64_t cq)
{
	int64_t deadline = nvme_soon();

	must(vfiosafe_write32(view, NVME_CC, 0) == 0);
	while (nvme_csts(view) & 1)
		nvme_yield(deadline);
	must(vfiosafe_write32(view, NVME_AQA,
			      (NVME_ENTRIES - 1) << 16 | (NVME_ENTRIES - 1)) == 0);
	must(vfiosafe_write64_lo_hi(view, NVME_ASQ, sq) == 0);
	must(vfiosafe_write64_lo_hi(view, NVME_ACQ, cq) == 0);
	must(vfiosafe_write32(view, NVME_CC, NVME_ENABLED) == 0);
}

static inline void nvme_start(struct nvme *nvme, struct vfiosafe_device *dev)
{
	*nvme = (struct nvme){ .dev = dev, .view = guest_maps(dev, 0, 0), .phase = 1 };
	must(vfiosafe_dma_alloc(&nvme->sq, dev, NVME_PAGE, 0) == 0);
	must(vfiosafe_dma_alloc(&nvme->cq, dev, NVME_PAGE, 0) == 0);
	must(vfiosafe_dma_alloc(&nvme->data, dev, NVME_PAGE, 0) == 0);
	nvme_enable(&nvme->view, nvme->sq.iova, nvme->cq.iova);
	must(nvme_wait(&nvme->view, 3) == 1);
}

static inline bool nvme_has(const struct nvme *nvme, uint64_t iova)
{
	return iova == nvme->sq.iova || iova == nvme->cq.iova || iova == nvme->data.iova;
}

/* The status of the command: 0, or that the page at @iova could not be written. */
static inline uint32_t nvme_identify(struct nvme *nvme, uint64_t iova)
{
	uint32_t *entry = (uint32_t *)nvme->sq.addr + nvme->tail * 16;
	const volatile uint32_t *done = (uint32_t *)nvme->cq.addr + nvme->head * 4;
	int64_t deadline = nvme_soon();
	uint32_t status;

	memset(entry, 0, 64);
	entry[0] = 0x06 | ++nvme->id << 16;
	entry[6] = (uint32_t)iova;
	entry[7] = (uint32_t)(iova >> 32);
	entry[10] = 1; /* the controller */
	nvme->tail = (nvme->tail + 1) % NVME_ENTRIES;
	must(vfiosafe_write32(&nvme->view, NVME_SQ_DOORBELL, nvme->tail) == 0);
	while ((done[3] >> 16 & 1) != nvme->phase)
		nvme_yield(deadline);
	must((done[3] & 0xffff) == nvme->id);
	status = done[3] >> 17;
	nvme->head = (nvme->head + 1) % NVME_ENTRIES;
	nvme->phase ^= nvme->head == 0;
	must(vfiosafe_write32(&nvme->view, NVME_CQ_DOORBELL, nvme->head) == 0);
	return status;
}

/* It cannot fetch from there: fatal, once it is rung for. */
static inline bool nvme_fails_with_queue_at(struct nvme *nvme, uint64_t iova)
{
	nvme_enable(&nvme->view, iova, nvme->cq.iova);
	must(nvme_wait(&nvme->view, 3) == 1);
	must(vfiosafe_write32(&nvme->view, NVME_SQ_DOORBELL, 1) == 0);
	return (nvme_wait(&nvme->view, 2) & 2) != 0;
}

/* Without any memory of its own. */
static inline bool nvme_fails_at(struct vfiosafe_device *dev,
				 const struct vfiosafe_view *view, uint64_t iova)
{
	struct nvme nvme = { .dev = dev, .view = *view, .cq = { .iova = iova } };

	return nvme_fails_with_queue_at(&nvme, iova);
}

#endif

/* SPDX-License-Identifier: MIT */
/*
 * nvme_queue.c - doorbells, commands out of submission queues, entries into
 * completion queues, and the interrupts that say so.
 */
#include <endian.h>
#include <string.h>
#include <uapi.h>
#include "internal.h"
#include "memory.h"
#include "nvme.h"

#define DOORBELLS 0x1000u
#define AT_ONCE 8 /* commands of a queue in one look: the lock is held meanwhile */

uint32_t *vsim_nvme_doorbell(struct vfiosafe_sim *sim, unsigned int queue, bool head)
{
	return (uint32_t *)(void *)(sim->bar[0].mem + DOORBELLS + 8ul * queue + 4ul * head);
}

uint64_t vsim_nvme_in_flight(struct vfiosafe_sim *sim)
{
	const struct vsim_nvme *nvme = sim->state;
	uint64_t count = 0;

	for (unsigned int i = 0; i < VSIM_NVME_QUEUES; i++) {
		const struct vsim_nvme_sq *sq = &nvme->sq[i];

		if (sq->on)
			count += (uint64_t)(sq->tail + sq->size - sq->head) % sq->size;
	}
	return count;
}

/* A number beyond the queue is taken no notice of. */
static void look_at_doorbells(struct vfiosafe_sim *sim, unsigned int i)
{
	struct vsim_nvme *nvme = sim->state;
	uint32_t tail = vsim_get32(vsim_nvme_doorbell(sim, i, false));
	uint32_t head = vsim_get32(vsim_nvme_doorbell(sim, i, true));
	struct vsim_nvme_sq *sq = &nvme->sq[i];
	struct vsim_nvme_cq *cq = &nvme->cq[i];

	if (sq->on && tail < sq->size && tail != sq->tail) {
		if (sq->head == sq->tail)
			sq->rung_ns = vsim_now_ns();
		sq->tail = (uint16_t)tail;
	}
	if (cq->on && head < cq->size)
		cq->head = (uint16_t)head;
	/* Who rang has written the command before. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

static uint32_t word(const uint8_t *from, unsigned int index)
{
	uint32_t raw;

	memcpy(&raw, from + 4ul * index, sizeof(raw));
	return le32toh(raw);
}

static bool fetch(struct vfiosafe_sim *sim, struct vsim_nvme_sq *sq,
		  struct vsim_nvme_command *command)
{
	uint8_t raw[VSIM_NVME_SQE];

	if (vsim_dma_read(sim, sq->base + sq->head * VSIM_NVME_SQE, raw, sizeof(raw)) < 0)
		return false;
	*command = (struct vsim_nvme_command){
		.opcode = raw[0],
		.id = (uint16_t)(word(raw, 0) >> 16),
		.nsid = word(raw, 1),
		.prp = { word(raw, 6) | (uint64_t)word(raw, 7) << 32,
			 word(raw, 8) | (uint64_t)word(raw, 9) << 32 },
	};
	for (unsigned int i = 0; i < 6; i++)
		command->dw[i] = word(raw, 10 + i);
	sq->head = (uint16_t)((sq->head + 1) % sq->size);
	return true;
}

static bool is_full(const struct vsim_nvme_cq *cq)
{
	return (cq->tail + 1) % cq->size == cq->head;
}

/*
 * The phase bit says that the rest is there. So the entry is written with the old one
 * first, then the byte that holds it: a copy by the kernel has no order of its own.
 */
static bool post(struct vfiosafe_sim *sim, unsigned int queue,
		 const struct vsim_nvme_command *command, enum vsim_nvme_status status)
{
	struct vsim_nvme *nvme = sim->state;
	const struct vsim_nvme_sq *sq = &nvme->sq[queue];
	struct vsim_nvme_cq *cq = &nvme->cq[sq->cq];
	uint64_t at = cq->base + cq->tail * VSIM_NVME_CQE;
	uint32_t entry[4] = {
		htole32(command->result),
		0,
		htole32(sq->head | queue << 16),
		htole32(command->id | (uint32_t)status << 17 |
			(uint32_t)!cq->phase << 16),
	};
	uint8_t last = (uint8_t)(((uint32_t)status << 1 & 0xfe) | cq->phase);

	if (vsim_dma_write(sim, at, entry, sizeof(entry)) < 0 ||
	    vsim_dma_write(sim, at + 14, &last, 1) < 0)
		return false;
	cq->posted = true;
	cq->tail = (uint16_t)((cq->tail + 1) % cq->size);
	cq->phase ^= cq->tail == 0;
	sim->counts.commands++;
	return true;
}

static bool run_queue(struct vfiosafe_sim *sim, unsigned int queue)
{
	struct vsim_nvme *nvme = sim->state;
	struct vsim_nvme_sq *sq = &nvme->sq[queue];

	if (!sq->on || vsim_now_ns() < sq->rung_ns + (int64_t)sim->latency_us * 1000)
		return true;
	for (int i = 0; i < AT_ONCE && sq->on && sq->head != sq->tail; i++) {
		struct vsim_nvme_command command;
		enum vsim_nvme_status status;

		if (is_full(&nvme->cq[sq->cq]))
			return true;
		if (!fetch(sim, sq, &command))
			return false;
		status = queue == 0 ? vsim_nvme_admin(sim, &command)
				    : vsim_nvme_io(sim, &command);
		if (status != VSIM_NVME_LATER && !post(sim, queue, &command, status))
			return false;
	}
	return true;
}

/* The line is up while there is something to be fetched. */
static void interrupt(struct vfiosafe_sim *sim)
{
	struct vsim_nvme *nvme = sim->state;
	bool msix = sim->irqs.enabled && sim->irqs.kind == VFIO_PCI_MSIX_IRQ_INDEX;
	bool line = false;

	for (unsigned int i = 0; i < VSIM_NVME_QUEUES; i++) {
		struct vsim_nvme_cq *cq = &nvme->cq[i];
		bool masked =
			!msix && cq->vector < 32 && (nvme->masked >> cq->vector & 1);

		if (!cq->on || !cq->interrupts || masked)
			continue;
		line = line || cq->head != cq->tail;
		if (cq->posted && sim->irqs.enabled)
			vsim_irq_raise(sim, cq->vector);
		cq->posted = false;
	}
	if (!sim->irqs.enabled)
		vsim_intx_line(sim, line);
}

bool vsim_nvme_run(struct vfiosafe_sim *sim)
{
	bool reached = true;

	for (unsigned int i = 0; i < VSIM_NVME_QUEUES; i++)
		look_at_doorbells(sim, i);
	for (unsigned int i = 0; i < VSIM_NVME_QUEUES && reached; i++)
		reached = run_queue(sim, i);
	interrupt(sim);
	return reached;
}

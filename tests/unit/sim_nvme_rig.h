/* SPDX-License-Identifier: MIT */
/*
 * sim_nvme_rig.h - a raw driver for the simulated NVMe controller: one I/O queue pair,
 * one command at a time, memory at a fixed place.
 */
#ifndef SIM_NVME_RIG_H
#define SIM_NVME_RIG_H

#include "sim_door_rig.h"

#define NVME_BAR_LEN 0x4000u
#define CAP 0x00u
#define VS 0x08u
#define INTMS 0x0cu
#define INTMC 0x10u
#define CC 0x14u
#define CSTS 0x1cu
#define AQA 0x24u
#define ASQ 0x28u
#define ACQ 0x30u
#define CC_ON 0x00460001u
#define RDY 1u
#define CFS 2u

#define PAGE 4096u
#define IOVA 0x100000u /* of the memory */
#define MEMORY_LEN (128 * PAGE)
#define SQ(queue) ((queue)*2 * PAGE) /* offsets in the memory */
#define CQ(queue) (SQ(queue) + PAGE)
#define LIST (16 * PAGE)
#define DATA (32 * PAGE)
#define ENTRIES 8u

struct command {
	uint8_t opcode;
	uint8_t flags;
	uint16_t id;
	uint32_t nsid;
	uint32_t dw2_5[4];
	uint64_t prp[2];
	uint32_t dw10[6];
};

struct completion {
	uint32_t result;
	uint32_t reserved;
	uint16_t head;
	uint16_t sq;
	uint16_t id;
	uint16_t status; /* and the phase */
};

struct queue {
	uint32_t tail;
	uint32_t head;
	uint16_t phase;
};

struct nvme {
	struct door door;
	uint8_t *memory;
	struct queue queue[2];
	uint16_t last_id;
	uint32_t result;
	int event; /* of vector 1, which the I/O queue uses */
};

static inline volatile uint32_t *nvme_reg(const struct nvme *nvme, uint32_t at)
{
	return reg32(nvme->door.rig.bar, at);
}

static inline int nvme_dma(const struct nvme *nvme, bool mapped)
{
	struct iommu_ioas_map map = {
		.size = sizeof(map),
		.flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE |
			 IOMMU_IOAS_MAP_WRITEABLE,
		.ioas_id = nvme->door.ioas,
		.user_va = (uintptr_t)nvme->memory,
		.length = MEMORY_LEN,
		.iova = IOVA,
	};
	struct iommu_ioas_unmap unmap = {
		.size = sizeof(unmap),
		.ioas_id = nvme->door.ioas,
		.iova = IOVA,
		.length = MEMORY_LEN,
	};

	return door_ioctl(&nvme->door.rig, nvme->door.iommu,
			  mapped ? IOMMU_IOAS_MAP : IOMMU_IOAS_UNMAP,
			  mapped ? (void *)&map : (void *)&unmap);
}

static inline void nvme_open(struct nvme *nvme, struct vfiosafe_sim_opts opts)
{
	struct vfiosafe_sim *sim = NULL;
	struct rig *rig = &nvme->door.rig;

	*nvme = (struct nvme){ .event = new_eventfd() };
	opts.size = sizeof(opts);
	if (opts.window_us == 0)
		opts.window_us = 1;
	assert_int_equal(vfiosafe_sim_open(&sim, "sim:nvme", &opts), 0);
	door_by_node(&nvme->door, sim);
	rig->bar = NULL;
	assert_int_equal(rig_mmap(rig, &rig->bar, NVME_BAR_LEN, PROT_READ | PROT_WRITE,
				  MAP_SHARED, REGION(0)),
			 0);
	nvme->memory = mmap(NULL, MEMORY_LEN, PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(nvme->memory, MAP_FAILED);
	assert_int_equal(nvme_dma(nvme, true), 0);
	rig_bus_master(rig, true);
	assert_int_equal(rig_set_fd(rig, VFIO_PCI_MSIX_IRQ_INDEX, 1, nvme->event), 0);
}

static inline void nvme_close(struct nvme *nvme)
{
	struct rig *rig = &nvme->door.rig;
	struct vfiosafe_sim *sim = rig->sim;

	rig_unmap(rig, rig->bar, NVME_BAR_LEN);
	door_leave(&nvme->door);
	vfiosafe_sim_close(sim);
	munmap(nvme->memory, MEMORY_LEN);
	close(nvme->event);
}

/* Returns whether the controller got ready, and did not fail. */
static inline bool nvme_enable(struct nvme *nvme)
{
	uint32_t csts;

	memset(nvme->memory, 0, LIST);
	nvme->queue[0] = nvme->queue[1] = (struct queue){ .phase = 1 };
	*nvme_reg(nvme, AQA) = (ENTRIES - 1) << 16 | (ENTRIES - 1);
	*reg64(nvme->door.rig.bar, ASQ) = IOVA + SQ(0);
	*reg64(nvme->door.rig.bar, ACQ) = IOVA + CQ(0);
	*nvme_reg(nvme, CC) = CC_ON;
	until((csts = *nvme_reg(nvme, CSTS)) != 0);
	return csts == RDY;
}

static inline void nvme_disable(const struct nvme *nvme)
{
	*nvme_reg(nvme, CC) = 0;
	until(*nvme_reg(nvme, CSTS) == 0);
}

/* Puts it into the queue and rings. */
static inline void nvme_submit(struct nvme *nvme, unsigned int q, struct command command)
{
	struct queue *queue = &nvme->queue[q];

	command.id = ++nvme->last_id;
	memcpy(nvme->memory + SQ(q) + queue->tail * sizeof(command), &command,
	       sizeof(command));
	queue->tail = (queue->tail + 1) % ENTRIES;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	*nvme_reg(nvme, 0x1000 + 8 * q) = queue->tail;
}

static inline bool nvme_completed(const struct nvme *nvme, unsigned int q)
{
	const struct queue *queue = &nvme->queue[q];
	const volatile struct completion *entry =
		(const void *)(nvme->memory + CQ(q) +
			       queue->head * sizeof(struct completion));

	return (entry->status & 1) == queue->phase;
}

/* Takes what was completed; its status. */
static inline uint32_t nvme_reap(struct nvme *nvme, unsigned int q)
{
	struct queue *queue = &nvme->queue[q];
	struct completion entry;

	until(nvme_completed(nvme, q));
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	memcpy(&entry, nvme->memory + CQ(q) + queue->head * sizeof(entry), sizeof(entry));
	assert_int_equal(entry.sq, q);
	queue->head = (queue->head + 1) % ENTRIES;
	queue->phase ^= queue->head == 0;
	*nvme_reg(nvme, 0x1000 + 8 * q + 4) = queue->head;
	nvme->result = entry.result;
	return entry.status >> 1;
}

static inline uint32_t nvme_run(struct nvme *nvme, unsigned int q, struct command command)
{
	uint32_t status;

	nvme_submit(nvme, q, command);
	status = nvme_reap(nvme, q);
	return status;
}

static inline uint32_t nvme_create_cq(struct nvme *nvme, uint32_t id, uint32_t size,
				      uint32_t vector)
{
	return nvme_run(nvme, 0,
			(struct command){
				.opcode = 5,
				.prp = { IOVA + CQ(1) },
				.dw10 = { id | (size - 1) << 16, 3 | vector << 16 },
			});
}

static inline uint32_t nvme_create_sq(struct nvme *nvme, uint32_t id, uint32_t size,
				      uint32_t cq)
{
	return nvme_run(nvme, 0,
			(struct command){
				.opcode = 1,
				.prp = { IOVA + SQ(1) },
				.dw10 = { id | (size - 1) << 16, 1 | cq << 16 },
			});
}

/* Ready, with its I/O queues. */
static inline void nvme_start(struct nvme *nvme)
{
	assert_true(nvme_enable(nvme));
	assert_int_equal(nvme_create_cq(nvme, 1, ENTRIES, 1), 0);
	assert_int_equal(nvme_create_sq(nvme, 1, ENTRIES, 1), 0);
}

/* @at: in the memory; a list of pages is built if it takes one. */
static inline struct command nvme_rw(struct nvme *nvme, bool write, uint64_t block,
				     uint32_t blocks, uint32_t at)
{
	uint64_t *list = (uint64_t *)(void *)(nvme->memory + LIST);
	uint32_t first = PAGE - at % PAGE;
	uint32_t next = at - at % PAGE + PAGE;
	struct command command = {
		.opcode = write ? 1 : 2,
		.nsid = 1,
		.prp = { IOVA + at, IOVA + next },
		.dw10 = { (uint32_t)block, (uint32_t)(block >> 32), blocks - 1 },
	};

	if (blocks * 512 > first + PAGE) {
		for (uint32_t i = 0; i < 64; i++)
			list[i] = IOVA + next + i * PAGE;
		command.prp[1] = IOVA + LIST;
	}
	return command;
}

#endif

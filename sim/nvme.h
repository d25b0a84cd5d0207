/* SPDX-License-Identifier: MIT */
/*
 * nvme.h - the model "sim:nvme": a controller with one namespace, as far as a small
 * driver needs it. Offsets, fields and codes are those of the NVM Express base
 * specification 1.4.
 *
 * All calls are made with sim->lock held.
 */
#ifndef VSIM_NVME_H
#define VSIM_NVME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VSIM_NVME_QUEUES 17u /* the admin queues are number 0 */
#define VSIM_NVME_ENTRIES 1024u
#define VSIM_NVME_SQE 64ul
#define VSIM_NVME_CQE 16ul
#define VSIM_NVME_BLOCK 512u
#define VSIM_NVME_MDTS 5u /* a command moves at most this power of two of pages */
#define VSIM_NVME_MOST (VSIM_PAGE << VSIM_NVME_MDTS)

/* Status: type in the upper byte, code in the lower. */
enum vsim_nvme_status {
	VSIM_NVME_OK = 0,
	VSIM_NVME_OPCODE = 0x01,
	VSIM_NVME_FIELD = 0x02,
	VSIM_NVME_TRANSFER = 0x04,
	VSIM_NVME_INTERNAL = 0x06,
	VSIM_NVME_NAMESPACE = 0x0b,
	VSIM_NVME_PRP_OFFSET = 0x13,
	VSIM_NVME_LBA_RANGE = 0x80,
	VSIM_NVME_CQ_INVALID = 0x100,
	VSIM_NVME_QID = 0x101,
	VSIM_NVME_QUEUE_SIZE = 0x102,
	VSIM_NVME_VECTOR = 0x108,
	VSIM_NVME_DELETION = 0x10c,
	VSIM_NVME_LATER = 0xffff, /* not completed, as long as nothing happens */
};

struct vsim_nvme_sq {
	bool on;
	uint16_t size;
	uint16_t head;
	uint16_t tail; /* as last seen in the doorbell */
	uint16_t cq;
	uint64_t base;
	int64_t rung_ns; /* when it was first rung for what is not done */
};

struct vsim_nvme_cq {
	bool on;
	bool interrupts;
	bool posted; /* since the last interrupt */
	bool phase;
	uint16_t vector;
	uint16_t size;
	uint16_t head; /* as last seen in the doorbell */
	uint16_t tail;
	uint64_t base;
};

struct vsim_nvme {
	int disk; /* memfd: it survives everything but the end of the simulation */
	uint64_t blocks;
	uint32_t cc; /* as last seen */
	uint32_t csts;
	uint32_t masked; /* INTMS, INTMC */
	int64_t ready_ns;
	struct vsim_nvme_sq sq[VSIM_NVME_QUEUES];
	struct vsim_nvme_cq cq[VSIM_NVME_QUEUES];
	uint8_t data[VSIM_NVME_MOST];
};

/* One command, as the controller sees it. */
struct vsim_nvme_command {
	uint8_t opcode;
	uint16_t id;
	uint32_t nsid;
	uint64_t prp[2];
	uint32_t dw[6]; /* 10 to 15 */
	uint32_t result;
};

/* nvme_queue.c */
/* looks at doorbells, does what was asked; false: memory is out of reach, stop */
bool vsim_nvme_run(struct vfiosafe_sim *sim);
/* commands that were rung for and are not done */
uint64_t vsim_nvme_in_flight(struct vfiosafe_sim *sim);
uint32_t *vsim_nvme_doorbell(struct vfiosafe_sim *sim, unsigned int queue, bool head);

/* nvme_admin.c, nvme_io.c */
enum vsim_nvme_status vsim_nvme_admin(struct vfiosafe_sim *sim,
				      struct vsim_nvme_command *command);
enum vsim_nvme_status vsim_nvme_io(struct vfiosafe_sim *sim,
				   struct vsim_nvme_command *command);

/* nvme_prp.c: between nvme->data and the memory of a command */
enum vsim_nvme_status vsim_nvme_to_host(struct vfiosafe_sim *sim,
					const struct vsim_nvme_command *command,
					size_t len);
enum vsim_nvme_status vsim_nvme_from_host(struct vfiosafe_sim *sim,
					  const struct vsim_nvme_command *command,
					  size_t len);

#endif

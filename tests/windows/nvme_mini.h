/* SPDX-License-Identifier: MIT */
/*
 * nvme_mini.h - an NVMe driver on the public API, as small as it can be.
 *
 * One admin queue in DMA memory, one command at a time, completions by MSI-X. What is
 * known of the device (queue positions) belongs to one generation and is touched in
 * sections and callbacks only.
 *
 *      nvme_open(&nvme, dev);    maps BAR 0, allocates, enables interrupts, programs
 *      ops = { .quiesce = nvme_quiesce, .reinit = nvme_reinit, .lost = nvme_lost };
 *      vfiosafe_device_set_driver(dev, &ops, &nvme);
 *      nvme_identify(&nvme, &identity, deadline, &answer);
 *
 * Every call returns 0 or a negative errno, those of the library among them: -EAGAIN,
 * -EIO and -ESTALE say that the command was lost with the generation it was made in.
 */
#ifndef NVME_MINI_H
#define NVME_MINI_H

#include <stdbool.h>
#include <stdint.h>
#include <vfiosafe/vfiosafe.h>

#define NVME_REG_CAP 0x00
#define NVME_REG_CC 0x14
#define NVME_REG_CSTS 0x1c
#define NVME_REG_AQA 0x24
#define NVME_REG_ASQ 0x28
#define NVME_REG_ACQ 0x30
#define NVME_REG_DOORBELLS 0x1000

/* CC of a working controller: enabled, entries of 64 and 16 bytes, pages of 4 KiB. */
#define NVME_CC_ENABLED 0x00460001u

#define NVME_PAGE 4096u
#define NVME_ENTRIES 64u
#define NVME_COMMAND_WORDS 16
#define NVME_GENERATIONS 16u

struct nvme {
	struct vfiosafe_device *dev;
	struct vfiosafe_bar *bar;
	struct vfiosafe_view regs; /* of this generation: nvme_reinit() renews it */

	/* Mapped once, for all generations. */
	struct vfiosafe_dma_memory queues;
	struct vfiosafe_dma_memory data; /* a page */
	int irq_fd;			 /* of vector 0 */
	int kick_fd;			 /* nvme_quiesce() and nvme_lost() wake the waiter */
	uint32_t ready_ms;
	uint32_t stride; /* from one doorbell to the next, in bytes */

	/* Of this generation. */
	uint64_t generation;
	uint64_t asq; /* where its submission queue is, for the device */
	volatile uint32_t *sq, *cq;
	uint32_t sq_tail, cq_head, phase;
	uint16_t last_id;
	bool in_flight;
	uint64_t foreign; /* completions of commands that it was never given */
};

struct nvme_answer {
	uint16_t status; /* 0: success */
	bool rang;	 /* an interrupt came for it, and no window since it was made */
};

struct nvme_identity {
	uint16_t vendor;
	uint16_t subsystem_vendor;
	char serial[21];
};

/* The device must have been opened by the library: an adopted one has no DMA. */
int nvme_open(struct nvme *nvme, struct vfiosafe_device *dev);

/*
 * Frees what vfiosafe_device_close() does not, before that; in FAULT, too, and when a
 * close has been tried. A sentinel is to be taken away first.
 */
int nvme_close(struct nvme *nvme);

/* The callbacks of driver.h; @ctx is the struct nvme. */
int nvme_quiesce(struct vfiosafe_device *dev, void *ctx);
int nvme_reinit(struct vfiosafe_device *dev, void *ctx);
void nvme_lost(struct vfiosafe_device *dev, void *ctx, enum vfiosafe_cause cause);

/*
 * Makes a command, and waits for its completion until @deadline_ns (-ETIMEDOUT); one
 * thread at a time. A window that loses nothing is waited for. Command identifiers are
 * filled in.
 */
int nvme_command(struct nvme *nvme, const uint32_t command[NVME_COMMAND_WORDS],
		 int64_t deadline_ns, struct nvme_answer *answer);

/* Identify Controller, into nvme->data. -EPROTO: the device refuses. */
int nvme_identify(struct nvme *nvme, struct nvme_identity *identity, int64_t deadline_ns,
		  struct nvme_answer *answer);

#endif

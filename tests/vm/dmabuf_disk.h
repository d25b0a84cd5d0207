/* SPDX-License-Identifier: MIT */
/*
 * dmabuf_disk.h - an nvme with a drive and a memory buffer (CMB), as a DMA engine that
 * moves pages between the drive and any address; and its CMB, to be exported.
 *
 * One command at a time; completions are looked for in memory.
 */
#ifndef VM_DMABUF_DISK_H
#define VM_DMABUF_DISK_H

#include "dmabuf_rig.h"

#define DISK_PAGES 16 /* what the tests use of the drive */

struct disk_queue {
	volatile uint32_t *sq, *cq;
	uint64_t iova; /* of the submission queue; the other one is a page behind */
	uint32_t tail, head, phase;
	uint32_t doorbell;
};

struct disk {
	struct device d; /* with the CMB */
	struct vfiosafe_bar *regs_bar;
	struct vfiosafe_view regs;
	struct vfiosafe_dma_memory queues, data;
	struct disk_queue admin, io;
};

/* Opens it and starts the controller; each page of the drive gets a pattern. */
bool disk_open(struct disk *disk, const char *address, enum vfiosafe_door door);
void disk_close(struct disk *disk);

/* At first start, and as the reinit callback. */
int disk_start(struct disk *disk);

/*
 * From the drive to @iova. 0; 1: the device reports a failure; the errors of the
 * accessors: the command was not made.
 */
int disk_read(struct disk *disk, unsigned int page, uint64_t iova);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * nvme.h - a userspace NVMe driver: one controller, its first namespace, one pair of
 * queues for I/O. Registers and codes are those of the NVM Express base specification
 * 1.4.
 *
 *      open.c    what is done once: BAR, DMA memory, interrupts
 *      queue.c   a pair of queues: commands in, completions out
 *      admin.c   brings the controller up, says who it is
 *      io.c      requests: read, write, flush; made again when a reset took them
 *      reset.c   what the driver does about resets, all of it
 *
 * One thread makes the I/O: it alone calls nvme_new_request() to nvme_sleep(). Resets come
 * from any thread. What is known of the controller (queue positions, the life that they
 * belong to) is touched in sections and in callbacks of the library only, so that no
 * lock is needed; requests belong to the thread of the I/O.
 *
 * Calls return 0 or a negative errno, those of the library among them.
 */
#ifndef NVME_H
#define NVME_H

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
#define NVME_CSTS_READY 0x1u
#define NVME_CSTS_FATAL 0x2u

#define NVME_PAGE 4096u
#define NVME_ENTRIES 64u /* of each queue; more than there are requests */
#define NVME_COMMAND_WORDS 16
#define NVME_REQUESTS 16u
#define NVME_REQUEST_LEN 16384u
#define NVME_REQUEST_PAGES (NVME_REQUEST_LEN / NVME_PAGE)

enum nvme_opcode { NVME_FLUSH = 0x00, NVME_WRITE = 0x01, NVME_READ = 0x02 };

/* A pair of queues. */
struct nvme_queue {
	struct vfiosafe_dma_memory memory; /* a page of commands, one of completions */
	uint32_t doorbell;		   /* of commands, in BAR 0 */
	uint32_t stride;		   /* from there to that of completions */
	/* Of this life. */
	uint32_t tail, head, phase;
	uint32_t told_tail, told_head; /* the device */
	uint32_t in_flight;
};

struct nvme_completion {
	uint16_t id;
	uint16_t status; /* 0: success */
};

enum nvme_stage { NVME_FREE = 0, NVME_TAKEN, NVME_WAITING, NVME_COMPLETED };

struct nvme_request {
	/* Given by the caller, between nvme_new_request() and nvme_submit(). */
	enum nvme_opcode opcode;
	uint64_t first; /* block of the namespace */
	uint16_t blocks;
	uint64_t tag; /* the caller's own */
	/* Its own, NVME_REQUEST_LEN bytes of DMA memory. */
	uint8_t *data;
	/* The answer; 0: success. */
	uint16_t status;

	enum nvme_stage stage;
	uint64_t life; /* of the controller that has the command; 0: none has */
	unsigned int refusals;
	int64_t since_ns; /* when it was made last */
};

struct nvme {
	struct vfiosafe_device *dev;
	struct vfiosafe_bar *bar;
	struct vfiosafe_view regs; /* of this generation: nvme_reinit() renews it */

	/* Of the device, for all lives. */
	uint32_t ready_ms;
	uint32_t block_len;
	uint64_t blocks;
	char model[41];

	/* How often the controller was brought up. */
	uint64_t life;
	struct nvme_queue admin, io;

	struct vfiosafe_dma_memory data; /* of the requests; a page to identify into */
	struct nvme_request request[NVME_REQUESTS];
	uint32_t drain_ms; /* how long a window waits for commands in flight */
	int irq_fd;	   /* of vector 0 */
	int kick_fd;	   /* reset.c wakes the thread of the I/O */

	uint64_t commands, retried; /* made; of them, made again */
	uint64_t interrupts;	    /* that nvme_sleep() met */
};

/* open.c. The device must have been opened by the library: an adopted one has no DMA. */
int nvme_open(struct nvme *nvme, struct vfiosafe_device *dev);
/* Before vfiosafe_device_close(), while no other thread uses the device. */
int nvme_close(struct nvme *nvme);

/* admin.c. The controller disabled and enabled, with new queues: a new life. */
int nvme_program(struct nvme *nvme);
int nvme_disable(struct nvme *nvme);
/* Model and namespace; before the first I/O, whose memory it uses. -ENODEV: no disk. */
int nvme_identify(struct nvme *nvme);

/* io.c. A request to fill in, or NULL: all are in use. */
struct nvme_request *nvme_new_request(struct nvme *nvme);
void nvme_submit(struct nvme_request *request);
/* Makes what is to be made, takes what has come. How much came, or why nothing can. */
int nvme_poll(struct nvme *nvme);
/* Requests that are done, one by one; NULL: no more. */
struct nvme_request *nvme_completed(struct nvme *nvme);
/* The caller has used what is in there. */
void nvme_release(struct nvme_request *request);
/* Until an interrupt or a callback, or for that long. */
void nvme_sleep(struct nvme *nvme, int ms);

/* reset.c */
extern const struct vfiosafe_driver_ops nvme_reset_ops;

/* queue.c; all but alloc in sections and callbacks */
int nvme_queue_alloc(struct nvme_queue *queue, struct vfiosafe_device *dev,
		     unsigned int number, uint32_t stride);
void nvme_queue_renew(struct nvme_queue *queue);
/* Into the queue; the device is not told before it is rung for. */
void nvme_queue_put(struct nvme_queue *queue, const uint32_t *command, uint16_t id);
bool nvme_queue_take(struct nvme_queue *queue, struct nvme_completion *completion);
/* Tells the device how far both are used, if it was not told yet. */
void nvme_queue_ring(struct nvme_queue *queue, struct vfiosafe_section *sec);
/* Commands whose completions are not in memory yet. */
uint32_t nvme_queue_missing(const struct nvme_queue *queue);

#endif

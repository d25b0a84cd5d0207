/* SPDX-License-Identifier: MIT */
/*
 * nic.h - a poll-mode driver for Intel's 82576 (igb), one queue each way.
 *
 *   nic.c    open, program, close
 *   ring.c   the data path: bursts of frames
 *   reset.c  all that there is about resets
 *
 * Nothing here waits: a burst that meets a reset window returns -EAGAIN, and is tried
 * again later. One thread polls; any thread resets (vfiosafe_reset).
 */
#ifndef NIC_H
#define NIC_H

#include <stdbool.h>
#include <stdint.h>
#include <vfiosafe/vfiosafe.h>

#define NIC_RING 256u	/* descriptors of a ring; a power of two */
#define NIC_FRAME 2048u /* bytes that a buffer takes */
#define NIC_BURST 32u

/* Registers of the 82576, of queue 0 where there are several. */
#define NIC_CTRL 0x0000u
#define NIC_STATUS 0x0008u
#define NIC_MDIC 0x0020u /* to the PHY */
#define NIC_RCTL 0x0100u
#define NIC_TCTL 0x0400u
#define NIC_RX 0xc000u /* a queue's: see below */
#define NIC_TX 0xe000u
#define NIC_CTRL_LINK 0x40u
#define NIC_STATUS_LINK 0x2u

/* From NIC_RX or NIC_TX. */
#define NIC_BASE_LO 0x00u
#define NIC_BASE_HI 0x04u
#define NIC_LEN 0x08u
#define NIC_SPLIT 0x0cu /* SRRCTL */
#define NIC_HEAD 0x10u
#define NIC_TAIL 0x18u
#define NIC_QUEUE 0x28u /* RXDCTL, TXDCTL */

/* An advanced descriptor: as the driver writes it, and as the device writes it back. */
struct nic_desc {
	uint64_t address;
	uint32_t command; /* back, of a receive ring: status */
	uint32_t status;  /* back, of a receive ring: length in the lower half */
};

/* Each descriptor has its own buffer, for good. */
struct nic_ring {
	struct vfiosafe_dma_memory desc;
	struct vfiosafe_dma_memory frames;
	uint32_t queue; /* NIC_RX, NIC_TX */
	uint32_t next;	/* descriptor that the driver fills, or the device, next */
	uint32_t done;	/* first that the device may not have done */
};

/* When receiving and sending was last switched on or off, and how often. */
struct nic_since {
	uint64_t switched;
	int64_t ns; /* CLOCK_MONOTONIC */
};

struct nic {
	struct vfiosafe_device *dev;
	struct vfiosafe_bar *bar;
	struct vfiosafe_view regs;
	struct nic_ring rx, tx;
	bool link; /* was seen up in this generation */
	struct nic_since since; /* changes alone, as do the rings */
	unsigned int lost;	/* atomic; how often: somebody has to recover it */
	volatile uint8_t *raw;	/* without the guard: where the BAR is; else NULL */
};

/* nic.c: @nic zeroed; the device is opened, programmed and may do DMA */
int nic_open(struct nic *nic, const char *address, const struct vfiosafe_device_opts *opts);
int nic_program(struct nic *nic);
/* receive and send, or neither */
int nic_enable(struct nic *nic, bool on);
void nic_close(struct nic *nic);
int nic_read(const struct nic *nic, uint32_t reg, uint32_t *value);
int nic_write(const struct nic *nic, uint32_t reg, uint32_t value);

/*
 * ring.c: @fill makes the next frame and returns its length. It is called up to @n times;
 * the frames of a burst that fails may go out, or not. Return: frames; 0 also without a
 * link; -EAGAIN in a window; -EIO in FAULT; other errors of vfiosafe_begin().
 */
typedef uint32_t nic_fill(void *ctx, const struct nic *nic, uint8_t *frame);
int nic_send(struct nic *nic, unsigned int n, nic_fill *fill, void *ctx);

/* A copy of a frame that was received. */
struct nic_frame {
	uint64_t len;
	uint8_t data[NIC_FRAME];
};

/* ring.c: @since is that of the frames. Return: as above; on errors, no frames. */
int nic_receive(struct nic *nic, unsigned int n, struct nic_frame *frames,
		struct nic_since *since);

/* reset.c */
int nic_survive_resets(struct nic *nic);

#endif

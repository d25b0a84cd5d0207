/* SPDX-License-Identifier: MIT */
/* An admin queue of an nvme, all of it in one file in memory, polled. */
#ifndef VM_CLIENT_NVME_H
#define VM_CLIENT_NVME_H

#include <sched.h>
#include <string.h>
#include <vfiosafe/vfiosafe.h>

#define PAGE 4096u

/* What lies where in the file. */
enum { AT_SQ = 0, AT_CQ = PAGE, AT_DATA = 2 * PAGE, AT_TOLD = 3 * PAGE, FILE_LEN = 4 * PAGE };

#define NVME_CC 0x14
#define NVME_CSTS 0x1c
#define NVME_AQA 0x24
#define NVME_ASQ 0x28
#define NVME_ACQ 0x30
#define NVME_SQ_DOORBELL 0x1000
#define CC_ENABLED 0x00460001u
#define CSTS_READY 1u
#define CSTS_FAILED 2u
#define ENTRIES 8u
#define IDENTIFY 0x06u

/* For what does come, sooner or later. */
#define SOON 20000

/* CSTS has one of @bits, or @want of 0: none of them; 0 or -errno. */
static inline int nvme_wait(const struct vfiosafe_view *view, uint32_t bits, bool want)
{
	int64_t deadline = vfiosafe_deadline_in_ms(SOON);
	uint32_t csts = 0;
	int rc;

	while ((rc = vfiosafe_read32(view, NVME_CSTS, &csts)) == 0) {
		if (((csts & bits) != 0) == want)
			return 0;
		if (vfiosafe_deadline_in_ms(0) > deadline)
			return -ETIMEDOUT;
		sched_yield();
	}
	return rc;
}

/* The queues at @iova of the device; empty. */
static inline int nvme_start(const struct vfiosafe_view *view, uint8_t *memory, uint64_t iova)
{
	int rc = vfiosafe_write32(view, NVME_CC, 0);

	if (rc == 0)
		rc = nvme_wait(view, CSTS_READY, false);
	memset(memory, 0, 2 * PAGE);
	if (rc == 0)
		rc = vfiosafe_write32(view, NVME_AQA, (ENTRIES - 1) << 16 | (ENTRIES - 1));
	if (rc == 0)
		rc = vfiosafe_write64_lo_hi(view, NVME_ASQ, iova + AT_SQ);
	if (rc == 0)
		rc = vfiosafe_write64_lo_hi(view, NVME_ACQ, iova + AT_CQ);
	if (rc == 0)
		rc = vfiosafe_write32(view, NVME_CC, CC_ENABLED);
	return rc < 0 ? rc : nvme_wait(view, CSTS_READY | CSTS_FAILED, true);
}

/* The command @n since the start, from 0: what the controller is, to @to. */
static inline int nvme_identify(const struct vfiosafe_view *view, uint8_t *memory, uint32_t n,
				uint64_t to)
{
	const volatile uint32_t *done = (uint32_t *)(void *)(memory + AT_CQ) + n * 4 + 3;
	uint32_t *entry = (uint32_t *)(void *)(memory + AT_SQ) + n * 16;
	int64_t deadline = vfiosafe_deadline_in_ms(SOON);
	int rc;

	entry[0] = IDENTIFY | (n + 1) << 16;
	entry[6] = (uint32_t)to;
	entry[7] = (uint32_t)(to >> 32);
	entry[10] = 1; /* the controller */
	rc = vfiosafe_write32(view, NVME_SQ_DOORBELL, n + 1);
	while (rc == 0 && !(*done >> 16 & 1)) {
		if (vfiosafe_deadline_in_ms(0) > deadline)
			return -ETIMEDOUT;
		sched_yield();
	}
	if (rc == 0 && (*done & 0xffff) != n + 1)
		return -EBADMSG;
	return rc < 0 ? rc : *done >> 17 ? -EIO : 0;
}

#endif

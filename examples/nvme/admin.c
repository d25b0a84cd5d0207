/* SPDX-License-Identifier: MIT */
/*
 * admin.c - bringing the controller up, at first start and after every reset; and asking
 * who it is.
 */
#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "nvme.h"

#define ADMIN_CREATE_SQ 0x01u
#define ADMIN_CREATE_CQ 0x05u
#define ADMIN_IDENTIFY 0x06u
#define ADMIN_SET_FEATURES 0x09u
#define FEATURE_QUEUES 0x07u
#define IDENTIFY_NAMESPACE 0u
#define IDENTIFY_CONTROLLER 1u
#define CONTIGUOUS 0x1u
#define INTERRUPTS 0x2u
#define IO_QUEUE 1u
#define NAMESPACE 1u

static int64_t earlier(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* For as long as the controller asks to be given, or the window lasts. */
static int64_t patience(const struct nvme *nvme)
{
	return earlier(vfiosafe_deadline_in_ms(nvme->ready_ms),
		       vfiosafe_window_deadline(nvme->dev));
}

/* A fatal state may outlast the bit that disables. */
int nvme_disable(struct nvme *nvme)
{
	uint32_t cc = 0;
	int rc = vfiosafe_read32(&nvme->regs, NVME_REG_CC, &cc);

	if (rc < 0)
		return rc;
	rc = vfiosafe_write32(&nvme->regs, NVME_REG_CC, cc & ~1u);
	if (rc < 0)
		return rc;
	return vfiosafe_poll32(&nvme->regs, NVME_REG_CSTS, NVME_CSTS_READY, 0,
			       patience(nvme), NULL);
}

static int enable(struct nvme *nvme)
{
	const struct vfiosafe_view *regs = &nvme->regs;
	uint64_t queues = nvme->admin.memory.iova;
	int rc = vfiosafe_write32(regs, NVME_REG_AQA,
				  (NVME_ENTRIES - 1) << 16 | (NVME_ENTRIES - 1));

	if (rc == 0)
		rc = vfiosafe_write64_lo_hi(regs, NVME_REG_ASQ, queues);
	if (rc == 0)
		rc = vfiosafe_write64_lo_hi(regs, NVME_REG_ACQ, queues + NVME_PAGE);
	if (rc == 0)
		rc = vfiosafe_write32(regs, NVME_REG_CC, NVME_CC_ENABLED);
	if (rc < 0)
		return rc;
	return vfiosafe_poll32(regs, NVME_REG_CSTS, NVME_CSTS_READY | NVME_CSTS_FATAL,
			       NVME_CSTS_READY, patience(nvme), NULL);
}

static int ring_admin(struct nvme *nvme)
{
	struct vfiosafe_section sec;
	int rc = vfiosafe_begin(&nvme->regs, &sec);

	if (rc < 0)
		return rc;
	nvme_queue_ring(&nvme->admin, &sec);
	return vfiosafe_end(&sec);
}

/* One at a time, by whoever brings the controller up: no interrupt is waited for. */
static int admin(struct nvme *nvme, const uint32_t *command)
{
	const struct timespec pause = { .tv_nsec = 20000 };
	int64_t deadline = patience(nvme);
	struct nvme_completion completion = { 0 };
	int rc;

	nvme_queue_put(&nvme->admin, command, 0);
	rc = ring_admin(nvme);
	while (rc == 0 && !nvme_queue_take(&nvme->admin, &completion)) {
		if (vfiosafe_deadline_in_ms(0) > deadline)
			return -ETIMEDOUT;
		clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
	}
	return rc < 0 ? rc : completion.status ? -EPROTO : 0;
}

static int allow_queues(struct nvme *nvme)
{
	const uint32_t command[NVME_COMMAND_WORDS] = {
		[0] = ADMIN_SET_FEATURES,
		[10] = FEATURE_QUEUES, /* one of each: 0 in word 11 */
	};

	return admin(nvme, command);
}

static int create(struct nvme *nvme, uint32_t opcode, uint64_t memory, uint32_t how)
{
	const uint32_t command[NVME_COMMAND_WORDS] = {
		[0] = opcode,
		[6] = (uint32_t)memory,
		[7] = (uint32_t)(memory >> 32),
		[10] = (NVME_ENTRIES - 1) << 16 | IO_QUEUE,
		[11] = how,
	};

	return admin(nvme, command);
}

int nvme_program(struct nvme *nvme)
{
	uint64_t queues = nvme->io.memory.iova;
	int rc = nvme_disable(nvme);

	if (rc < 0)
		return rc;
	nvme_queue_renew(&nvme->admin);
	nvme_queue_renew(&nvme->io);
	nvme->life++;
	rc = enable(nvme);
	if (rc == 0)
		rc = allow_queues(nvme);
	if (rc == 0)
		rc = create(nvme, ADMIN_CREATE_CQ, queues + NVME_PAGE,
			    INTERRUPTS | CONTIGUOUS); /* vector 0 */
	if (rc == 0)
		rc = create(nvme, ADMIN_CREATE_SQ, queues, IO_QUEUE << 16 | CONTIGUOUS);
	return rc;
}

/* Into the first request's memory: there is no I/O yet. */
static int identify(struct nvme *nvme, uint32_t what, uint32_t namespace)
{
	const uint32_t command[NVME_COMMAND_WORDS] = {
		[0] = ADMIN_IDENTIFY,
		[1] = namespace,
		[6] = (uint32_t)nvme->data.iova,
		[7] = (uint32_t)(nvme->data.iova >> 32),
		[10] = what,
	};

	return admin(nvme, command);
}

int nvme_identify(struct nvme *nvme)
{
	const uint8_t *page = nvme->data.addr;
	uint64_t blocks;
	int rc = identify(nvme, IDENTIFY_CONTROLLER, 0);

	if (rc < 0)
		return rc;
	snprintf(nvme->model, sizeof(nvme->model), "%.40s", (const char *)page + 24);
	for (size_t n = strlen(nvme->model); n && nvme->model[n - 1] == ' '; n--)
		nvme->model[n - 1] = '\0';
	rc = identify(nvme, IDENTIFY_NAMESPACE, NAMESPACE);
	if (rc < 0)
		return rc;
	memcpy(&blocks, page, sizeof(blocks));
	nvme->blocks = le64toh(blocks);
	/* The formats begin at byte 128; which is in use is said at 26. */
	nvme->block_len = 1u << (page[128 + 4 * (page[26] & 0xf) + 2] & 0x1f);
	if (nvme->blocks == 0 || nvme->block_len < 512 || nvme->block_len > NVME_PAGE)
		return -ENODEV; /* no namespace that can be used */
	return 0;
}

/* SPDX-License-Identifier: MIT */
#include <sched.h>

#include "dmabuf_disk.h"

#define NVME_CC 0x14
#define NVME_CSTS 0x1c
#define NVME_AQA 0x24
#define NVME_ASQ 0x28
#define NVME_ACQ 0x30
#define NVME_DOORBELLS 0x1000
#define CC_ENABLED 0x00460001u
#define ENTRIES 16u
#define BLOCKS_IN_PAGE 8u

#define ADMIN_CREATE_SQ 0x01u
#define ADMIN_CREATE_CQ 0x05u
#define IO_WRITE 0x01u
#define IO_READ 0x02u
#define CONTIGUOUS 1u

static int wait_ready(struct disk *disk, uint32_t want)
{
	return vfiosafe_poll32(&disk->regs, NVME_CSTS, 1, want,
			       vfiosafe_deadline_in_ms(SOON_MS), NULL);
}

static bool answered(const struct disk_queue *queue)
{
	uint32_t last = __atomic_load_n(&queue->cq[queue->head * 4 + 3], __ATOMIC_ACQUIRE);

	return (last >> 16 & 1) == queue->phase;
}

/* Its status: 0 or 1. The doorbell may come late, if a window is announced. */
static int take_answer(struct disk *disk, struct disk_queue *queue)
{
	uint32_t status = queue->cq[queue->head * 4 + 3] >> 17;

	queue->head = (queue->head + 1) % ENTRIES;
	queue->phase ^= queue->head == 0;
	(void)!vfiosafe_write32(&disk->regs, queue->doorbell + 4, queue->head);
	return status ? 1 : 0;
}

static int command(struct disk *disk, struct disk_queue *queue, const uint32_t words[16])
{
	int64_t deadline = vfiosafe_deadline_in_ms(SOON_MS);
	uint32_t next = (queue->tail + 1) % ENTRIES;
	int rc;

	for (int i = 0; i < 16; i++)
		queue->sq[queue->tail * 16 + i] = words[i];
	rc = vfiosafe_write32(&disk->regs, queue->doorbell, next);
	if (rc < 0)
		return rc;
	queue->tail = next;
	while (!answered(queue)) {
		if (vfiosafe_deadline_in_ms(0) > deadline)
			return 1;
		sched_yield();
	}
	return take_answer(disk, queue);
}

static void new_queue(struct disk *disk, struct disk_queue *queue, uint32_t number)
{
	uint8_t *pages = (uint8_t *)disk->queues.addr + number * 2 * PAGE;

	memset(pages, 0, 2 * PAGE);
	queue->sq = (volatile uint32_t *)(void *)pages;
	queue->cq = (volatile uint32_t *)(void *)(pages + PAGE);
	queue->iova = disk->queues.iova + number * 2 * PAGE;
	queue->tail = queue->head = 0;
	queue->phase = 1;
	queue->doorbell = NVME_DOORBELLS + number * 8;
}

static int create(struct disk *disk, uint32_t opcode, uint64_t iova, uint32_t flags)
{
	const uint32_t words[16] = { [0] = opcode,
				     [6] = (uint32_t)iova,
				     [7] = (uint32_t)(iova >> 32),
				     [10] = (ENTRIES - 1) << 16 | 1,
				     [11] = flags };
	int rc = command(disk, &disk->admin, words);

	return rc > 0 ? -EIO : rc;
}

static int enable(struct disk *disk)
{
	int rc = vfiosafe_write32(&disk->regs, NVME_AQA,
				  (ENTRIES - 1) << 16 | (ENTRIES - 1));

	if (rc == 0)
		rc = vfiosafe_write64_lo_hi(&disk->regs, NVME_ASQ, disk->admin.iova);
	if (rc == 0)
		rc = vfiosafe_write64_lo_hi(&disk->regs, NVME_ACQ, disk->admin.iova + PAGE);
	if (rc == 0)
		rc = vfiosafe_write32(&disk->regs, NVME_CC, CC_ENABLED);
	return rc < 0 ? rc : wait_ready(disk, 1);
}

int disk_start(struct disk *disk)
{
	int rc = vfiosafe_bar_view(disk->regs_bar, &disk->regs);

	if (rc == 0)
		rc = vfiosafe_bar_view(disk->d.bar, &disk->d.view);
	if (rc == 0)
		rc = vfiosafe_write32(&disk->regs, NVME_CC, 0);
	if (rc == 0)
		rc = wait_ready(disk, 0);
	if (rc < 0)
		return rc;
	new_queue(disk, &disk->admin, 0);
	new_queue(disk, &disk->io, 1);
	rc = enable(disk);
	if (rc == 0)
		rc = create(disk, ADMIN_CREATE_CQ, disk->io.iova + PAGE, CONTIGUOUS);
	return rc < 0 ? rc : create(disk, ADMIN_CREATE_SQ, disk->io.iova, 1u << 16 | CONTIGUOUS);
}

static int transfer(struct disk *disk, uint32_t opcode, unsigned int page, uint64_t iova)
{
	const uint32_t words[16] = { [0] = opcode,
				     [1] = 1, /* namespace */
				     [6] = (uint32_t)iova,
				     [7] = (uint32_t)(iova >> 32),
				     [10] = page * BLOCKS_IN_PAGE,
				     [12] = BLOCKS_IN_PAGE - 1 };

	return command(disk, &disk->io, words);
}

int disk_read(struct disk *disk, unsigned int page, uint64_t iova)
{
	return transfer(disk, IO_READ, page, iova);
}

static int fill_drive(struct disk *disk)
{
	int rc = 0;

	for (unsigned int page = 0; page < DISK_PAGES && rc == 0; page++) {
		pattern(disk->data.addr, page);
		rc = transfer(disk, IO_WRITE, page, disk->data.iova);
	}
	return rc;
}

bool disk_open(struct disk *disk, const char *address, enum vfiosafe_door door)
{
	int rc;

	memset(disk, 0, sizeof(*disk));
	disk->d.address = address;
	if (!device_open(&disk->d, door, 2))
		return false;
	rc = vfiosafe_bar_map(&disk->regs_bar, disk->d.dev, 0, 0, 0, 0);
	if (rc == 0)
		rc = vfiosafe_dma_alloc(&disk->queues, disk->d.dev, 4 * PAGE, 0);
	if (rc == 0)
		rc = vfiosafe_dma_alloc(&disk->data, disk->d.dev, PAGE, 0);
	if (rc == 0)
		rc = vfiosafe_set_bus_master(disk->d.dev, true);
	if (rc == 0)
		rc = disk_start(disk);
	if (rc == 0)
		rc = fill_drive(disk);
	return check(rc == 0, "disk %s starts, and is filled (%d)", address, rc);
}

void disk_close(struct disk *disk)
{
	device_close(&disk->d);
}

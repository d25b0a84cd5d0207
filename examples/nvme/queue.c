/* SPDX-License-Identifier: MIT */
/*
 * queue.c - a pair of queues in memory that the device reads and writes.
 */
#include <endian.h>
#include <string.h>

#include "nvme.h"

#define COMPLETION_WORDS 4ul
#define COMMAND_WORDS ((size_t)NVME_COMMAND_WORDS)
#define MEMORY_LEN (2ul * NVME_PAGE)

int nvme_queue_alloc(struct nvme_queue *queue, struct vfiosafe_device *dev,
		     unsigned int number, uint32_t stride)
{
	queue->doorbell = NVME_REG_DOORBELLS + 2 * number * stride;
	queue->stride = stride;
	return vfiosafe_dma_alloc(&queue->memory, dev, MEMORY_LEN, 0);
}

static volatile uint32_t *commands(const struct nvme_queue *queue)
{
	return queue->memory.addr;
}

static volatile uint32_t *completions(const struct nvme_queue *queue)
{
	return commands(queue) + NVME_PAGE / sizeof(uint32_t);
}

/* The device is disabled, and writes no more. */
void nvme_queue_renew(struct nvme_queue *queue)
{
	memset(queue->memory.addr, 0, MEMORY_LEN);
	queue->tail = queue->head = queue->in_flight = 0;
	queue->told_tail = queue->told_head = 0;
	queue->phase = 1;
}

void nvme_queue_put(struct nvme_queue *queue, const uint32_t *command, uint16_t id)
{
	volatile uint32_t *entry = commands(queue) + queue->tail * COMMAND_WORDS;

	for (int i = 0; i < NVME_COMMAND_WORDS; i++)
		entry[i] = htole32(command[i]);
	entry[0] = htole32((command[0] & 0xffff) | (uint32_t)id << 16);
	queue->tail = (queue->tail + 1) % NVME_ENTRIES;
	queue->in_flight++;
}

/* The device writes the last word of a completion last. */
static uint32_t last_word(const struct nvme_queue *queue, uint32_t index)
{
	const volatile uint32_t *entry = completions(queue) + index * COMPLETION_WORDS;

	return le32toh(__atomic_load_n(&entry[3], __ATOMIC_ACQUIRE));
}

/*
 * What is found here has been done: that is in memory, and no reset that comes
 * afterwards changes it. So, unlike what is read from registers, it may be used
 * whatever the end of the section says.
 */
bool nvme_queue_take(struct nvme_queue *queue, struct nvme_completion *completion)
{
	uint32_t word = last_word(queue, queue->head);

	if ((word >> 16 & 1) != queue->phase)
		return false;
	completion->id = (uint16_t)word;
	completion->status = (uint16_t)(word >> 17);
	queue->head = (queue->head + 1) % NVME_ENTRIES;
	queue->phase ^= queue->head == 0;
	queue->in_flight--;
	return true;
}

uint32_t nvme_queue_missing(const struct nvme_queue *queue)
{
	uint32_t index = queue->head, phase = queue->phase, n = 0;

	while (n < queue->in_flight && (last_word(queue, index) >> 16 & 1) == phase) {
		n++;
		index = (index + 1) % NVME_ENTRIES;
		phase ^= index == 0;
	}
	return queue->in_flight - n;
}

/*
 * Plain stores: the section's end says of all of them at once whether they were made in
 * this generation. An accessor could be refused for a window that was announced
 * meanwhile, with the command in the queue already.
 */
void nvme_queue_ring(struct nvme_queue *queue, struct vfiosafe_section *sec)
{
	volatile uint8_t *doorbell = (volatile uint8_t *)vfiosafe_ptr(sec) + queue->doorbell;

	__atomic_thread_fence(__ATOMIC_SEQ_CST); /* after what was stored to the queue */
	if (queue->told_tail != queue->tail)
		*(volatile uint32_t *)doorbell = htole32(queue->tail);
	if (queue->told_head != queue->head)
		*(volatile uint32_t *)(doorbell + queue->stride) = htole32(queue->head);
	queue->told_tail = queue->tail;
	queue->told_head = queue->head;
}

/* SPDX-License-Identifier: MIT */
/*
 * nvme_queue.c - the data path: one command, one completion.
 */
#include <endian.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "nvme_queue.h"

#define ADMIN_IDENTIFY 0x06u
#define IDENTIFY_CONTROLLER 1u
#define COMPLETION_WORDS 4
#define SILENCE_MS 100

/* A command that was made. */
struct flight {
	uint64_t generation;
	uint16_t id;
	bool rang;
	bool windows; /* one came in between: its interrupt may have been taken out */
	bool silence; /* nothing came for SILENCE_MS */
};

/* The device writes the last word of a completion last. */
static uint32_t last_word(const struct nvme *nvme)
{
	const volatile uint32_t *entry = nvme->cq + nvme->cq_head * COMPLETION_WORDS;

	return le32toh(__atomic_load_n(&entry[3], __ATOMIC_ACQUIRE));
}

bool nvme_queue_answered(const struct nvme *nvme)
{
	return (last_word(nvme) >> 16 & 1) == nvme->phase;
}

void nvme_queue_kick(struct nvme *nvme)
{
	const uint64_t one = 1;

	(void)!write(nvme->kick_fd, &one, sizeof(one));
}

static void put_command(struct nvme *nvme, const uint32_t *command, uint16_t id)
{
	volatile uint32_t *entry = nvme->sq + nvme->sq_tail * NVME_COMMAND_WORDS;

	for (int i = 0; i < NVME_COMMAND_WORDS; i++)
		entry[i] = htole32(command[i]);
	entry[0] = htole32((command[0] & 0xffff) | (uint32_t)id << 16);
	nvme->sq_tail = (nvme->sq_tail + 1) % NVME_ENTRIES;
}

/*
 * After what was stored to the queue. A plain store: the section's end says of all of
 * it at once whether it was made in this generation. An accessor could be refused,
 * since a window was announced meanwhile, with the command in the queue already.
 */
static void ring(struct vfiosafe_section *sec, uint32_t doorbell, uint32_t value)
{
	volatile uint8_t *regs = vfiosafe_ptr(sec);

	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	*(volatile uint32_t *)(regs + doorbell) = htole32(value);
}

/* The queue and its doorbell in one section: they are of one generation. */
static int submit(struct nvme *nvme, const uint32_t *command, struct flight *flight)
{
	struct vfiosafe_section sec;
	int rc = vfiosafe_begin(&nvme->regs, &sec);

	if (rc < 0)
		return rc;
	/* Never 0: that is in entries which nobody has filled in. */
	nvme->last_id = (uint16_t)(nvme->last_id % UINT16_MAX + 1);
	flight->id = nvme->last_id;
	flight->generation = nvme->generation;
	put_command(nvme, command, flight->id);
	nvme->in_flight = true;
	ring(&sec, NVME_REG_DOORBELLS, nvme->sq_tail);
	return vfiosafe_end(&sec);
}

/* Takes the completion at the head of the queue. True: it is that of @flight. */
static bool take(struct nvme *nvme, const struct flight *flight, uint16_t *status)
{
	uint32_t word = last_word(nvme);
	bool ours = (word & 0xffff) == flight->id;

	*status = (uint16_t)(word >> 17);
	if (++nvme->cq_head == NVME_ENTRIES) {
		nvme->cq_head = 0;
		nvme->phase ^= 1;
	}
	if (!ours)
		nvme->foreign++;
	return ours;
}

/* 1: @status is that of the command; 0: not there yet. */
static int look(struct nvme *nvme, const struct flight *flight, uint16_t *status)
{
	struct vfiosafe_section sec;
	int rc = vfiosafe_begin(&nvme->regs, &sec);
	bool found = false, stale;

	if (rc < 0)
		return rc;
	stale = nvme->generation != flight->generation;
	while (!stale && !found && nvme_queue_answered(nvme)) {
		found = take(nvme, flight, status);
		ring(&sec, NVME_REG_DOORBELLS + nvme->stride, nvme->cq_head);
	}
	if (found)
		nvme->in_flight = false;
	rc = vfiosafe_end(&sec);
	if (rc < 0)
		return rc;
	return stale ? -ESTALE : found;
}

static bool is_drained(int fd)
{
	uint64_t count;

	return read(fd, &count, sizeof(count)) == sizeof(count);
}

/* Sleeps until an interrupt or a callback; a close tells by neither: not for long. */
static int doze(struct nvme *nvme, struct flight *flight, int64_t deadline_ns)
{
	struct pollfd fds[2] = { { .fd = nvme->irq_fd, .events = POLLIN },
				 { .fd = nvme->kick_fd, .events = POLLIN } };
	int64_t left_ms = (deadline_ns - vfiosafe_deadline_in_ms(0)) / 1000000;
	int n;

	if (left_ms < 0)
		return -ETIMEDOUT;
	n = poll(fds, 2, left_ms < SILENCE_MS ? (int)left_ms + 1 : SILENCE_MS);
	if (n < 0 && errno != EINTR)
		return -errno;
	flight->silence = n == 0;
	flight->rang |= is_drained(nvme->irq_fd);
	flight->windows |= is_drained(nvme->kick_fd);
	return 0;
}

/* A window that loses nothing keeps the command, too. */
static int stay(struct nvme *nvme, struct flight *flight, int64_t deadline_ns)
{
	flight->windows = true;
	return vfiosafe_wait(nvme->dev, deadline_ns);
}

int nvme_command(struct nvme *nvme, const uint32_t command[NVME_COMMAND_WORDS],
		 int64_t deadline_ns, struct nvme_answer *answer)
{
	struct flight flight = { 0 };
	int rc;

	/* Of an earlier command. */
	(void)is_drained(nvme->kick_fd);
	(void)is_drained(nvme->irq_fd);
	rc = submit(nvme, command, &flight);
	while (rc == 0) {
		if (flight.rang || flight.windows || flight.silence)
			rc = look(nvme, &flight, &answer->status);
		if (rc == -EAGAIN)
			rc = stay(nvme, &flight, deadline_ns);
		else if (rc == 0)
			rc = doze(nvme, &flight, deadline_ns);
	}
	answer->rang = flight.rang && !flight.windows;
	return rc < 0 ? rc : 0;
}

static uint16_t half_word(const uint8_t *bytes)
{
	return (uint16_t)(bytes[0] | bytes[1] << 8);
}

int nvme_identify(struct nvme *nvme, struct nvme_identity *identity, int64_t deadline_ns,
		  struct nvme_answer *answer)
{
	const uint32_t command[NVME_COMMAND_WORDS] = {
		[0] = ADMIN_IDENTIFY,
		[6] = (uint32_t)nvme->data.iova,
		[7] = (uint32_t)(nvme->data.iova >> 32),
		[10] = IDENTIFY_CONTROLLER,
	};
	const uint8_t *data = nvme->data.addr;
	int rc;

	memset(nvme->data.addr, 0xee, 64);
	rc = nvme_command(nvme, command, deadline_ns, answer);
	if (rc < 0)
		return rc;
	if (answer->status)
		return -EPROTO;
	identity->vendor = half_word(data);
	identity->subsystem_vendor = half_word(data + 2);
	snprintf(identity->serial, sizeof(identity->serial), "%.20s", (const char *)data + 4);
	return 0;
}

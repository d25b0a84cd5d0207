/* SPDX-License-Identifier: MIT */
/*
 * io.c - the data path. A request is made when it is submitted, and made again in every
 * life of the controller until it is completed: reads, writes and flushes may be
 * repeated.
 */
#include <endian.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "nvme.h"

#define NAMESPACE 1u
#define SILENCE_MS 100
#define REFUSALS_MAX 8u
#define STATUS_DO_NOT_RETRY 0x4000u

struct nvme_request *nvme_new_request(struct nvme *nvme)
{
	for (unsigned int i = 0; i < NVME_REQUESTS; i++)
		if (nvme->request[i].stage == NVME_FREE) {
			nvme->request[i].stage = NVME_TAKEN;
			return &nvme->request[i];
		}
	return NULL;
}

void nvme_submit(struct nvme_request *request)
{
	request->life = 0;
	request->refusals = 0;
	request->stage = NVME_WAITING;
}

struct nvme_request *nvme_completed(struct nvme *nvme)
{
	for (unsigned int i = 0; i < NVME_REQUESTS; i++)
		if (nvme->request[i].stage == NVME_COMPLETED) {
			nvme->request[i].stage = NVME_TAKEN;
			return &nvme->request[i];
		}
	return NULL;
}

void nvme_release(struct nvme_request *request)
{
	request->stage = NVME_FREE;
}

/*
 * The first page's address, and the second's or that of a list of all but the first. The
 * lists are behind the data of all requests.
 */
static void describe_pages(const struct nvme *nvme, unsigned int index, uint32_t len,
			   uint32_t *command)
{
	uint64_t data = nvme->data.iova + (uint64_t)index * NVME_REQUEST_LEN;
	uint64_t lists = (uint64_t)NVME_REQUESTS * NVME_REQUEST_LEN;
	uint64_t at = lists + (uint64_t)index * NVME_PAGE;
	uint64_t *list = (uint64_t *)(void *)((uint8_t *)nvme->data.addr + at);
	uint64_t second = data + NVME_PAGE;

	for (unsigned int i = 1; i < NVME_REQUEST_PAGES; i++)
		list[i - 1] = htole64(data + (uint64_t)i * NVME_PAGE);
	if (len > 2 * NVME_PAGE)
		second = nvme->data.iova + at;
	command[6] = (uint32_t)data;
	command[7] = (uint32_t)(data >> 32);
	command[8] = (uint32_t)second;
	command[9] = (uint32_t)(second >> 32);
}

static void make(struct nvme *nvme, struct nvme_request *request)
{
	unsigned int index = (unsigned int)(request - nvme->request);
	uint32_t command[NVME_COMMAND_WORDS] = { [0] = request->opcode, [1] = NAMESPACE };

	if (request->opcode != NVME_FLUSH) {
		command[10] = (uint32_t)request->first;
		command[11] = (uint32_t)(request->first >> 32);
		command[12] = request->blocks - 1u;
		describe_pages(nvme, index, request->blocks * nvme->block_len, command);
	}
	nvme_queue_put(&nvme->io, command, (uint16_t)index);
	nvme->commands++;
	nvme->retried += request->life != 0 || request->refusals != 0;
	request->life = nvme->life;
	request->since_ns = vfiosafe_deadline_in_ms(0);
}

/* What is new, and what the controller had in an earlier life. */
static void make_all(struct nvme *nvme)
{
	for (unsigned int i = 0; i < NVME_REQUESTS; i++) {
		struct nvme_request *request = &nvme->request[i];

		if (request->stage == NVME_WAITING && request->life != nvme->life)
			make(nvme, request);
	}
}

/* What the device refuses for now is asked for again. */
static void complete(struct nvme_request *request, uint16_t status)
{
	if (status && !(status & STATUS_DO_NOT_RETRY) &&
	    request->refusals++ < REFUSALS_MAX) {
		request->life = 0;
		return;
	}
	request->status = status;
	request->stage = NVME_COMPLETED;
}

static int take_all(struct nvme *nvme)
{
	struct nvme_completion completion;
	int n = 0;

	while (nvme_queue_take(&nvme->io, &completion))
		if (completion.id < NVME_REQUESTS) {
			complete(&nvme->request[completion.id], completion.status);
			n++;
		}
	return n;
}

static bool is_silent(const struct nvme *nvme)
{
	int64_t then = vfiosafe_deadline_in_ms(0) - SILENCE_MS * INT64_C(1000000);

	for (unsigned int i = 0; i < NVME_REQUESTS; i++)
		if (nvme->request[i].stage == NVME_WAITING &&
		    nvme->request[i].since_ns < then)
			return true;
	return false;
}

/* Is it there, is it the one that was programmed, is it well? Then it is given time. */
static int examine(struct nvme *nvme)
{
	uint32_t csts = 0;
	int rc = vfiosafe_probe(nvme->dev);

	for (unsigned int i = 0; i < NVME_REQUESTS; i++)
		nvme->request[i].since_ns = vfiosafe_deadline_in_ms(0);
	if (rc == 0)
		rc = vfiosafe_read32(&nvme->regs, NVME_REG_CSTS, &csts);
	if (rc == 0 && (csts & NVME_CSTS_FATAL))
		rc = vfiosafe_mark_lost(nvme->dev, "the controller reports a fatal state");
	return rc;
}

/* A section: queues, registers and the life that they belong to go together. */
int nvme_poll(struct nvme *nvme)
{
	struct vfiosafe_section sec;
	int rc = vfiosafe_begin(&nvme->regs, &sec), n;

	if (rc < 0)
		return rc;
	n = take_all(nvme);
	make_all(nvme);
	nvme_queue_ring(&nvme->io, &sec);
	rc = vfiosafe_end(&sec);
	if (rc == 0 && n == 0 && is_silent(nvme))
		rc = examine(nvme);
	return n ? n : rc;
}

void nvme_sleep(struct nvme *nvme, int ms)
{
	struct pollfd fds[2] = { { .fd = nvme->irq_fd, .events = POLLIN },
				 { .fd = nvme->kick_fd, .events = POLLIN } };
	uint64_t count;

	if (poll(fds, 2, ms) <= 0)
		return;
	if (read(nvme->irq_fd, &count, sizeof(count)) == sizeof(count))
		nvme->interrupts += count;
	(void)!read(nvme->kick_fd, &count, sizeof(count));
}

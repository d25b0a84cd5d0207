/* SPDX-License-Identifier: MIT */
/*
 * nvme_admin.c - the commands of the controller: who it is, and its queues.
 */
#include <endian.h>
#include <string.h>
#include "internal.h"
#include "memory.h"
#include "nvme.h"

#define DELETE_SQ 0x00
#define CREATE_SQ 0x01
#define GET_LOG_PAGE 0x02
#define DELETE_CQ 0x04
#define CREATE_CQ 0x05
#define IDENTIFY 0x06
#define ABORT 0x08
#define SET_FEATURES 0x09
#define GET_FEATURES 0x0a
#define ASYNC_EVENT 0x0c

#define FEATURE_QUEUES 0x07
#define FEATURE_LAST 0x0b
#define CONTIGUOUS 1u
#define INTERRUPTS 2u
#define ENTRY_SIZES 0x00460000u /* in CC: 2^4 and 2^6 bytes */
#define ENTRY_SIZES_MASK 0x00ff0000u

static void put16(uint8_t *at, uint16_t value)
{
	value = htole16(value);
	memcpy(at, &value, sizeof(value));
}

static void put32(uint8_t *at, uint32_t value)
{
	value = htole32(value);
	memcpy(at, &value, sizeof(value));
}

static void put64(uint8_t *at, uint64_t value)
{
	value = htole64(value);
	memcpy(at, &value, sizeof(value));
}

/* Padded with blanks, not ended. */
static void put_text(uint8_t *at, size_t len, const char *text)
{
	memset(at, ' ', len);
	memcpy(at, text, strlen(text));
}

static void identify_controller(uint8_t *data)
{
	put16(data, 0x1af4);
	put16(data + 2, 0x1af4);
	put_text(data + 4, 20, "SIM1");
	put_text(data + 24, 40, "vfiosafe simulated NVMe");
	put_text(data + 64, 8, "1");
	data[77] = VSIM_NVME_MDTS;
	put32(data + 80, 0x00010400);
	data[111] = 1;	  /* an I/O controller */
	data[512] = 0x66; /* entries of 2^6 and 2^4 bytes */
	data[513] = 0x44;
	put32(data + 516, 1); /* one namespace */
	data[525] = 1;	      /* a write cache, to be flushed */
}

static void identify_namespace(const struct vsim_nvme *nvme, uint8_t *data)
{
	put64(data, nvme->blocks);
	put64(data + 8, nvme->blocks);
	put64(data + 16, nvme->blocks);
	data[130] = 9; /* blocks of 2^9 bytes */
}

static enum vsim_nvme_status identify(struct vfiosafe_sim *sim,
				      const struct vsim_nvme_command *command)
{
	struct vsim_nvme *nvme = sim->state;

	memset(nvme->data, 0, VSIM_PAGE);
	switch (command->dw[0] & 0xff) {
	case 0:
		if (command->nsid != 1)
			return VSIM_NVME_NAMESPACE;
		identify_namespace(nvme, nvme->data);
		break;
	case 1:
		identify_controller(nvme->data);
		break;
	case 2:
		if (command->nsid < 1)
			put32(nvme->data, 1);
		break;
	default:
		return VSIM_NVME_FIELD;
	}
	return vsim_nvme_to_host(sim, command, VSIM_PAGE);
}

/* What creating either kind of queue has in common. */
static enum vsim_nvme_status check_queue(const struct vsim_nvme *nvme,
					 const struct vsim_nvme_command *command,
					 bool used)
{
	uint32_t id = command->dw[0] & 0xffff;
	uint32_t size = (command->dw[0] >> 16) + 1;

	if (id == 0 || id >= VSIM_NVME_QUEUES || used)
		return VSIM_NVME_QID;
	if (size < 2 || size > VSIM_NVME_ENTRIES)
		return VSIM_NVME_QUEUE_SIZE;
	if (!(command->dw[1] & CONTIGUOUS) ||
	    (nvme->cc & ENTRY_SIZES_MASK) != ENTRY_SIZES)
		return VSIM_NVME_FIELD;
	return command->prp[0] & (VSIM_PAGE - 1) ? VSIM_NVME_PRP_OFFSET : VSIM_NVME_OK;
}

static enum vsim_nvme_status create_cq(struct vfiosafe_sim *sim,
				       const struct vsim_nvme_command *command)
{
	struct vsim_nvme *nvme = sim->state;
	uint32_t id = command->dw[0] & 0xffff;
	uint32_t vector = command->dw[1] >> 16;
	enum vsim_nvme_status status =
		check_queue(nvme, command, id < VSIM_NVME_QUEUES && nvme->cq[id].on);

	if (status != VSIM_NVME_OK)
		return status;
	if (vector >= sim->opts.vectors)
		return VSIM_NVME_VECTOR;
	nvme->cq[id] = (struct vsim_nvme_cq){
		.on = true,
		.interrupts = command->dw[1] & INTERRUPTS,
		.phase = true,
		.vector = (uint16_t)vector,
		.size = (uint16_t)((command->dw[0] >> 16) + 1),
		.base = command->prp[0],
	};
	vsim_set32(vsim_nvme_doorbell(sim, id, true), 0);
	return VSIM_NVME_OK;
}

static enum vsim_nvme_status create_sq(struct vfiosafe_sim *sim,
				       const struct vsim_nvme_command *command)
{
	struct vsim_nvme *nvme = sim->state;
	uint32_t id = command->dw[0] & 0xffff;
	uint32_t cq = command->dw[1] >> 16;
	enum vsim_nvme_status status =
		check_queue(nvme, command, id < VSIM_NVME_QUEUES && nvme->sq[id].on);

	if (status != VSIM_NVME_OK)
		return status;
	if (cq == 0 || cq >= VSIM_NVME_QUEUES || !nvme->cq[cq].on)
		return VSIM_NVME_CQ_INVALID;
	nvme->sq[id] = (struct vsim_nvme_sq){
		.on = true,
		.cq = (uint16_t)cq,
		.size = (uint16_t)((command->dw[0] >> 16) + 1),
		.base = command->prp[0],
	};
	vsim_set32(vsim_nvme_doorbell(sim, id, false), 0);
	return VSIM_NVME_OK;
}

static enum vsim_nvme_status delete_sq(struct vsim_nvme *nvme, uint32_t id)
{
	if (id == 0 || id >= VSIM_NVME_QUEUES || !nvme->sq[id].on)
		return VSIM_NVME_QID;
	nvme->sq[id].on = false;
	return VSIM_NVME_OK;
}

static enum vsim_nvme_status delete_cq(struct vsim_nvme *nvme, uint32_t id)
{
	if (id == 0 || id >= VSIM_NVME_QUEUES || !nvme->cq[id].on)
		return VSIM_NVME_QID;
	for (unsigned int i = 1; i < VSIM_NVME_QUEUES; i++)
		if (nvme->sq[i].on && nvme->sq[i].cq == id)
			return VSIM_NVME_DELETION;
	nvme->cq[id].on = false;
	return VSIM_NVME_OK;
}

/* The number of queues is what we have, whatever was asked for; the rest is kept. */
static enum vsim_nvme_status features(struct vsim_nvme_command *command)
{
	uint32_t feature = command->dw[0] & 0xff;

	if (feature == 0 || feature > FEATURE_LAST)
		return VSIM_NVME_FIELD;
	if (feature != FEATURE_QUEUES)
		return VSIM_NVME_OK;
	if (command->opcode == SET_FEATURES &&
	    ((command->dw[1] & 0xffff) == 0xffff || command->dw[1] >> 16 == 0xffff))
		return VSIM_NVME_FIELD;
	command->result = (VSIM_NVME_QUEUES - 2) | (VSIM_NVME_QUEUES - 2) << 16;
	return VSIM_NVME_OK;
}

/* Nothing has ever happened. */
static enum vsim_nvme_status log_page(struct vfiosafe_sim *sim,
				      const struct vsim_nvme_command *command)
{
	struct vsim_nvme *nvme = sim->state;
	size_t len = ((size_t)(command->dw[0] >> 16) + 1) * 4;

	if (len > VSIM_PAGE)
		return VSIM_NVME_FIELD;
	memset(nvme->data, 0, len);
	return vsim_nvme_to_host(sim, command, len);
}

enum vsim_nvme_status vsim_nvme_admin(struct vfiosafe_sim *sim,
				      struct vsim_nvme_command *command)
{
	switch (command->opcode) {
	case DELETE_SQ:
		return delete_sq(sim->state, command->dw[0] & 0xffff);
	case CREATE_SQ:
		return create_sq(sim, command);
	case DELETE_CQ:
		return delete_cq(sim->state, command->dw[0] & 0xffff);
	case CREATE_CQ:
		return create_cq(sim, command);
	case IDENTIFY:
		return identify(sim, command);
	case GET_LOG_PAGE:
		return log_page(sim, command);
	case SET_FEATURES:
	case GET_FEATURES:
		return features(command);
	case ABORT:
		command->result = 1; /* it was not */
		return VSIM_NVME_OK;
	case ASYNC_EVENT:
		return VSIM_NVME_LATER;
	default:
		return VSIM_NVME_OPCODE;
	}
}

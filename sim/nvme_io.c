/* SPDX-License-Identifier: MIT */
/*
 * nvme_io.c - the commands of a namespace: read, write, flush.
 */
#include <unistd.h>
#include "internal.h"
#include "nvme.h"

#define FLUSH 0x00
#define WRITE 0x01
#define READ 0x02

static enum vsim_nvme_status read_blocks(struct vfiosafe_sim *sim,
					 const struct vsim_nvme_command *command,
					 uint64_t first, size_t len)
{
	struct vsim_nvme *nvme = sim->state;

	if (pread(nvme->disk, nvme->data, len, (off_t)(first * VSIM_NVME_BLOCK)) !=
	    (ssize_t)len)
		return VSIM_NVME_INTERNAL;
	return vsim_nvme_to_host(sim, command, len);
}

/* All or nothing reaches the disk. */
static enum vsim_nvme_status write_blocks(struct vfiosafe_sim *sim,
					  const struct vsim_nvme_command *command,
					  uint64_t first, size_t len)
{
	struct vsim_nvme *nvme = sim->state;
	enum vsim_nvme_status status = vsim_nvme_from_host(sim, command, len);

	if (status == VSIM_NVME_OK &&
	    pwrite(nvme->disk, nvme->data, len, (off_t)(first * VSIM_NVME_BLOCK)) !=
		    (ssize_t)len)
		status = VSIM_NVME_INTERNAL;
	return status;
}

enum vsim_nvme_status vsim_nvme_io(struct vfiosafe_sim *sim,
				   struct vsim_nvme_command *command)
{
	const struct vsim_nvme *nvme = sim->state;
	uint64_t first = command->dw[0] | (uint64_t)command->dw[1] << 32;
	uint64_t count = (command->dw[2] & 0xffff) + 1;

	if (command->opcode > READ)
		return VSIM_NVME_OPCODE;
	if (command->nsid != 1 && !(command->opcode == FLUSH && ~command->nsid == 0))
		return VSIM_NVME_NAMESPACE;
	if (command->opcode == FLUSH)
		return VSIM_NVME_OK;
	if (count * VSIM_NVME_BLOCK > VSIM_NVME_MOST)
		return VSIM_NVME_FIELD;
	if (first >= nvme->blocks || count > nvme->blocks - first)
		return VSIM_NVME_LBA_RANGE;
	if (command->opcode == READ)
		return read_blocks(sim, command, first, count * VSIM_NVME_BLOCK);
	return write_blocks(sim, command, first, count * VSIM_NVME_BLOCK);
}

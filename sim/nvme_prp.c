/* SPDX-License-Identifier: MIT */
/*
 * nvme_prp.c - the memory of a command: its first page, and then a second one or the
 * address of a list of pages, which may go on in another one.
 */
#include <endian.h>
#include "internal.h"
#include "nvme.h"

#define OFFSET (VSIM_PAGE - 1)

struct walk {
	uint64_t list; /* where the next entry is; 0: prp2 is the page itself */
	uint64_t page; /* that comes next */
};

static enum vsim_nvme_status read_entry(struct vfiosafe_sim *sim, uint64_t at,
					uint64_t *entry)
{
	uint64_t raw;

	if (vsim_dma_read(sim, at, &raw, sizeof(raw)) < 0)
		return VSIM_NVME_TRANSFER;
	*entry = le64toh(raw);
	return *entry & OFFSET ? VSIM_NVME_PRP_OFFSET : VSIM_NVME_OK;
}

/* The last entry of a page is the address of the next list, if one is needed. */
static enum vsim_nvme_status next_page(struct vfiosafe_sim *sim, struct walk *walk,
				       size_t left)
{
	enum vsim_nvme_status status;

	if (walk->list == 0)
		return walk->page & OFFSET ? VSIM_NVME_PRP_OFFSET : VSIM_NVME_OK;
	status = read_entry(sim, walk->list, &walk->page);
	if (status == VSIM_NVME_OK && (walk->list & OFFSET) == VSIM_PAGE - 8 &&
	    left > VSIM_PAGE) {
		walk->list = walk->page;
		status = read_entry(sim, walk->list, &walk->page);
	}
	walk->list += 8;
	return status;
}

static int transfer(struct vfiosafe_sim *sim, uint64_t at, uint8_t *data, size_t len,
		    bool to_host)
{
	return to_host ? vsim_dma_write(sim, at, data, len)
		       : vsim_dma_read(sim, at, data, len);
}

static enum vsim_nvme_status move(struct vfiosafe_sim *sim,
				  const struct vsim_nvme_command *command, size_t len,
				  bool to_host)
{
	struct vsim_nvme *nvme = sim->state;
	size_t first = (size_t)(VSIM_PAGE - (command->prp[0] & OFFSET));
	struct walk walk = { .page = command->prp[1] };
	size_t done = len < first ? len : first;

	if (len > first + VSIM_PAGE)
		walk.list = command->prp[1];
	if (transfer(sim, command->prp[0], nvme->data, done, to_host) < 0)
		return VSIM_NVME_TRANSFER;
	while (done < len) {
		size_t n = len - done < VSIM_PAGE ? len - done : (size_t)VSIM_PAGE;
		enum vsim_nvme_status status = next_page(sim, &walk, len - done);

		if (status != VSIM_NVME_OK)
			return status;
		if (transfer(sim, walk.page, nvme->data + done, n, to_host) < 0)
			return VSIM_NVME_TRANSFER;
		done += n;
	}
	return VSIM_NVME_OK;
}

enum vsim_nvme_status vsim_nvme_to_host(struct vfiosafe_sim *sim,
					const struct vsim_nvme_command *command,
					size_t len)
{
	return move(sim, command, len, true);
}

enum vsim_nvme_status vsim_nvme_from_host(struct vfiosafe_sim *sim,
					  const struct vsim_nvme_command *command,
					  size_t len)
{
	return move(sim, command, len, false);
}

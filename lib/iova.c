/* SPDX-License-Identifier: MIT */
/* Which addresses of the device are free: ranges minus mappings. Pure code. */
#include <errno.h>
#include <stdlib.h>

#include "dma.h"
#include "error.h"

void vsf_iova_free(struct vsf_iova_space *space)
{
	free(space->range);
	space->range = NULL;
}

static int make_room(struct vsf_iova_space *space)
{
	uint32_t room = space->room ? 2 * space->room : 16;
	struct vsf_iova_range *range;

	if (space->count < space->room)
		return 0;
	range = calloc(room, sizeof(*range));
	if (!range)
		return vsf_fail(ENOMEM, "out of memory");
	for (uint32_t i = 0; i < space->count; i++)
		range[i] = space->range[i];
	free(space->range);
	space->range = range;
	space->room = room;
	return 0;
}

static int append(struct vsf_iova_space *space, uint64_t start, uint64_t last)
{
	int rc = start <= last ? make_room(space) : 0;

	if (rc == 0 && start <= last)
		space->range[space->count++] = (struct vsf_iova_range){ start, last };
	return rc;
}

int vsf_iova_add(struct vsf_iova_space *space, uint64_t start, uint64_t last)
{
	int rc;

	if (start > last ||
	    (space->count > 0 && start <= space->range[space->count - 1].last))
		return vsf_fail(EBADMSG,
				"the kernel's list of IOVA ranges makes no sense: "
				"0x%llx to 0x%llx",
				(unsigned long long)start, (unsigned long long)last);
	if (start > VSF_IOVA_MSI_LAST || last < VSF_IOVA_MSI_START)
		return append(space, start, last);
	/* What lies below the interrupts, if anything, and above. */
	rc = start < VSF_IOVA_MSI_START ? append(space, start, VSF_IOVA_MSI_START - 1)
					: 0;
	if (rc == 0 && last > VSF_IOVA_MSI_LAST)
		rc = append(space, VSF_IOVA_MSI_LAST + 1, last);
	return rc;
}

bool vsf_iova_inside(const struct vsf_iova_space *space, uint64_t iova, uint64_t last)
{
	for (uint32_t i = 0; i < space->count; i++)
		if (iova >= space->range[i].start && last <= space->range[i].last)
			return true;
	return false;
}

/* The next multiple of @align, a power of two; false if there is none. */
static bool align_up(uint64_t *at, uint64_t align)
{
	uint64_t up = (*at + (align - 1)) & ~(align - 1);

	if (up < *at)
		return false;
	*at = up;
	return true;
}

/*
 * In one range. *@next is the first mapping that does not end before @range: both
 * lists ascend, so it only moves on.
 */
static bool find_in(const struct vsf_iova_range *range, const struct vsf_mappings *maps,
		    uint32_t *next, uint64_t len, uint64_t align, uint64_t *iova)
{
	uint64_t at = range->start;

	while (align_up(&at, align) && at <= range->last && range->last - at >= len - 1) {
		while (*next < maps->count && vsf_mapping_last(&maps->at[*next]) < at)
			++*next;
		if (*next == maps->count || maps->at[*next].iova > at + (len - 1)) {
			*iova = at;
			return true;
		}
		at = vsf_mapping_last(&maps->at[*next]);
		if (at == UINT64_MAX)
			return false;
		at++;
	}
	return false;
}

int vsf_iova_find(const struct vsf_iova_space *space, const struct vsf_mappings *maps,
		  uint64_t len, uint64_t align, uint64_t last, uint64_t *iova)
{
	uint32_t next = 0;

	for (uint32_t i = 0; i < space->count; i++) {
		struct vsf_iova_range range = space->range[i];

		if (range.start < VSF_IOVA_FIRST)
			range.start = VSF_IOVA_FIRST;
		if (range.last > last)
			range.last = last;
		if (range.start <= range.last &&
		    find_in(&range, maps, &next, len, align, iova))
			return 0;
	}
	return -ENOSPC;
}

/* SPDX-License-Identifier: MIT */
/* What a client was granted of the device's registers, and what is not for it. */
#include <errno.h>

#include "error.h"
#include "fault.h"
#include "join_inside.h"
#include "device.h"

int vsf_join_refuse(const struct vfiosafe_device *dev, const char *call)
{
	if (!dev->join)
		return 0;
	return vsf_fail(EPERM, "%s: %s belongs to process %llu; only that may", call,
			dev->address, (unsigned long long)dev->join->owner);
}

/* The first that holds all of it; of @len 0: its first byte. */
static int find(const struct vsf_join *join, uint32_t index, uint64_t offset, uint64_t len)
{
	for (uint32_t i = 0; i < join->range_count; i++) {
		const struct vsf_join_range *range = &join->range[i];

		if (range->bar == index && offset >= range->offset &&
		    offset - range->offset < range->len &&
		    len <= range->len - (offset - range->offset))
			return (int)i;
	}
	return -1;
}

int vsf_join_clip(const struct vfiosafe_device *dev, uint32_t index, uint64_t offset,
		  uint64_t *len)
{
	const struct vsf_join_range *range;
	int i;

	if (!dev->join)
		return 0;
	i = find(dev->join, index, offset, *len);
	if (i < 0)
		return vsf_fail(EPERM, "process %llu, the owner of %s, granted this process no "
				       "range that holds 0x%llx + 0x%llx of BAR %u",
				(unsigned long long)dev->join->owner, dev->address,
				(unsigned long long)offset, (unsigned long long)*len, index);
	range = &dev->join->range[i];
	if (*len == 0)
		*len = range->len - (offset - range->offset);
	return 0;
}

void vsf_join_bar(struct vfiosafe_bar *bar, uint64_t offset, bool map)
{
	const struct vsf_join *join = bar->dev->join;
	int i = find(join, bar->index, offset, bar->len);
	const struct vsf_join_range *range = &join->range[i];

	bar->rights = range->rights;
	bar->bar_offset = offset;
	bar->fd_offset = range->at + (offset - range->offset);
	bar->fd = range->reach == VSF_REACH_DEVICE ? bar->dev->fd : range->fd;
	if (range->reach != VSF_REACH_DEVICE)
		bar->grant = i;
	/* A mapping cannot be for reading only: stores would go through. */
	if (!map || range->reach == VSF_REACH_CALLS ||
	    range->rights != (VFIOSAFE_GRANT_READ | VFIOSAFE_GRANT_WRITE))
		return;
	bar->area_count = 1;
	bar->area[0] = (struct vfiosafe_area){ 0, bar->len };
	bar->whole = true;
}

/* The numbers stay taken: see give_back() in close.c. */
int vsf_join_give_back(struct vfiosafe_device *dev)
{
	const struct vsf_join *join = dev->join;
	int rc = 0, onto = dev->events.epoll_fd;

	if (dev->fd >= 0)
		rc = vsf_sys(dev->sys, dup_onto, onto, dev->fd);
	for (uint32_t i = 0; i < join->range_count && rc >= 0; i++)
		if (join->range[i].fd >= 0)
			rc = vsf_sys(dev->sys, dup_onto, onto, join->range[i].fd);
	return rc < 0 ? rc : 0;
}

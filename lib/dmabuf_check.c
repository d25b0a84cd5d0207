/* SPDX-License-Identifier: MIT */
/* Which parts of a BAR may be exported. Pure code. */
#include <errno.h>
#include <unistd.h>

#include "device.h"
#include "dmabuf.h"
#include "error.h"

typedef unsigned long long ull;

static bool overlap(const struct vfiosafe_area *a, const struct vfiosafe_area *b)
{
	return a->offset < b->offset + b->len && b->offset < a->offset + a->len;
}

static int check_shape(const struct vfiosafe_bar *bar, const struct vfiosafe_area *range,
		       uint32_t i)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);

	if (range->len == 0)
		return vsf_fail(EINVAL, "range %u is empty", i);
	if ((range->offset | range->len) & (page - 1))
		return vsf_fail(EINVAL,
				"range %u, 0x%llx + 0x%llx, is not whole pages of 0x%llx "
				"bytes",
				i, (ull)range->offset, (ull)range->len, (ull)page);
	if (range->offset >= bar->len || range->len > bar->len - range->offset)
		return vsf_fail(ERANGE,
				"range %u, 0x%llx + 0x%llx, ends beyond the BAR object, which "
				"has 0x%llx bytes",
				i, (ull)range->offset, (ull)range->len, (ull)bar->len);
	return 0;
}

static bool is_mappable(const struct vfiosafe_region *region,
			const struct vfiosafe_area *range)
{
	for (uint32_t i = 0; i < region->area_count; i++) {
		const struct vfiosafe_area *area = &region->area[i];

		if (range->offset >= area->offset &&
		    range->offset + range->len <= area->offset + area->len)
			return true;
	}
	return false;
}

/* @range from the start of the BAR. */
static int check_place(const struct vfiosafe_bar *bar, const struct vfiosafe_area *range,
		       uint32_t i, uint32_t flags)
{
	const struct vfiosafe_region *region = &bar->dev->region[bar->index].info;
	const struct vfiosafe_area *msix = &region->msix_table;

	if (!is_mappable(region, range))
		return vsf_fail(EOPNOTSUPP,
				"range %u, 0x%llx + 0x%llx of BAR %u, cannot be mapped: see "
				"the areas of vfiosafe_region_info()",
				i, (ull)range->offset, (ull)range->len, bar->index);
	if (msix->len > 0 && overlap(msix, range) && !(flags & VFIOSAFE_DMABUF_MSIX))
		return vsf_fail(EINVAL,
				"range %u, 0x%llx + 0x%llx of BAR %u, covers the MSI-X table "
				"(0x%llx + 0x%llx): who imports it could write interrupt "
				"messages; leave it out, or say VFIOSAFE_DMABUF_MSIX",
				i, (ull)range->offset, (ull)range->len, bar->index,
				(ull)msix->offset, (ull)msix->len);
	return 0;
}

/* Kinds of BARs of which nothing can be exported. */
static int check_bar(const struct vfiosafe_bar *bar)
{
	const struct vfiosafe_device *dev = bar->dev;
	const struct vfiosafe_region *region = &dev->region[bar->index].info;

	if (dev->probe.port_bars & 1u << bar->index)
		return vsf_fail(EOPNOTSUPP,
				"BAR %u of %s is I/O ports: only memory can be exported",
				bar->index, dev->address);
	/* The kernel lets such a page be mapped, where nobody else has a part of it. */
	if (region->area_count == 0 || region->len < (uint64_t)sysconf(_SC_PAGESIZE))
		return vsf_fail(EOPNOTSUPP,
				"BAR %u of %s cannot be mapped (it is smaller than a page, or "
				"shares one): nothing of it can be exported",
				bar->index, dev->address);
	return 0;
}

int vsf_dmabuf_check(const struct vfiosafe_bar *bar, const struct vfiosafe_area *ranges,
		     uint32_t n, uint32_t flags)
{
	uint64_t start = bar->fd_offset - bar->dev->region[bar->index].fd_offset;
	int rc;

	if (flags & ~VFIOSAFE_DMABUF_MSIX)
		return vsf_fail(EINVAL, "unknown flags 0x%x", flags);
	if (n == 0 || n > VFIOSAFE_DMABUF_RANGES)
		return vsf_fail(EINVAL, "%u ranges: it may be 1 to %d", n,
				VFIOSAFE_DMABUF_RANGES);
	rc = check_bar(bar);
	for (uint32_t i = 0; i < n && rc == 0; i++) {
		struct vfiosafe_area at = ranges[i];

		rc = check_shape(bar, &at, i);
		at.offset += start;
		if (rc == 0)
			rc = check_place(bar, &at, i, flags);
		for (uint32_t j = 0; j < i && rc == 0; j++)
			if (overlap(&ranges[i], &ranges[j]))
				rc = vsf_fail(EINVAL, "ranges %u and %u overlap", j, i);
	}
	return rc;
}

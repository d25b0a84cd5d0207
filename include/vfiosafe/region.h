/* SPDX-License-Identifier: MIT */
/*
 * region.h - what the kernel says about a BAR.
 */
#ifndef VFIOSAFE_REGION_H
#define VFIOSAFE_REGION_H

#include <stdbool.h>
#include <stdint.h>
#include <vfiosafe/state.h>

VFIOSAFE_BEGIN_DECLS

#define VFIOSAFE_REGION_AREAS 16

/* A part of a region, in bytes from its start. */
struct vfiosafe_area {
	uint64_t offset;
	uint64_t len;
};

struct vfiosafe_region {
	uint64_t len; /* bytes; 0 = the device has no such BAR */
	bool readable;
	bool writable;
	/*
	 * What can be mapped, ascending, not overlapping. No area: reached by
	 * the accessors only (I/O ports, BARs smaller than a page).
	 */
	uint32_t area_count;
	struct vfiosafe_area area[VFIOSAFE_REGION_AREAS];
	/* Where the MSI-X table and pending bits lie; len 0 = not in this BAR. */
	struct vfiosafe_area msix_table;
	struct vfiosafe_area msix_pba;
};

/**
 * vfiosafe_region_info - size and mappable parts of a BAR
 * @dev: device
 * @index: BAR number, 0 to 5
 * @region: written on success only
 *
 * Read at open; answered from memory.
 *
 * Return: 0; -EINVAL for an index beyond 5; -EBADMSG if the kernel's answer made
 * no sense (the text says what).
 * Context: any thread, sections and callbacks included.
 */
VFIOSAFE_API VFIOSAFE_MUST_CHECK int
vfiosafe_region_info(const struct vfiosafe_device *dev, uint32_t index,
		     struct vfiosafe_region *region);

VFIOSAFE_END_DECLS

#endif

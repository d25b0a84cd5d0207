/* SPDX-License-Identifier: MIT */
/*
 * bar.h - map a BAR, or a part of one, at an address that stays.
 */
#ifndef VFIOSAFE_BAR_H
#define VFIOSAFE_BAR_H

#include <stdint.h>
#include <vfiosafe/state.h>
#include <vfiosafe/view.h>

VFIOSAFE_BEGIN_DECLS

/* Flags of vfiosafe_bar_map(). */
#define VFIOSAFE_BAR_NO_MMAP (1u << 0) /* accessors through the kernel only */

/* Flag of vfiosafe_bar_adopt(): SIGBUS may replace this mapping (fault.h). */
#define VFIOSAFE_BAR_REPLACE (1u << 1)

/**
 * vfiosafe_bar_map - make a range of a BAR accessible
 * @bar: written on success only; free with vfiosafe_bar_unmap(), or leave it
 *       to vfiosafe_device_close()
 * @dev: device
 * @index: BAR number, 0 to 5
 * @offset: start in bytes; a multiple of the page size, or 0
 * @len: bytes; 0 = to the end of the BAR
 * @flags: VFIOSAFE_BAR_*
 *
 * Parts that cannot be mapped are reached by the accessors of mmio.h, through
 * the kernel. The address stays the same until the BAR is unmapped, across all
 * resets. A forked child does not inherit the mapping, and is refused (-ENODEV)
 * by views and accessors.
 *
 * Return: 0; -EINVAL (index, flags, alignment); -ENODEV if the device has no such
 * BAR, or is gone; -ERANGE beyond its end; -EDEADLK inside a section; -ENOMEM;
 * other errors of mmap(2).
 * Context: any thread, outside of sections, callbacks included; may block on
 * the kernel's mmap lock.
 */
VFIOSAFE_API VFIOSAFE_MUST_CHECK int
vfiosafe_bar_map(struct vfiosafe_bar **bar, struct vfiosafe_device *dev,
		 uint32_t index, uint64_t offset, uint64_t len, uint32_t flags);

/**
 * vfiosafe_bar_adopt - guard a mapping that somebody else made
 * @address: where the range is mapped, readable and writable, from the device fd
 *           (a PMD's own mapping, say); starts a page
 * @flags: VFIOSAFE_BAR_REPLACE or 0. Without it a fault in the mapping is not
 *         handled: SIGBUS goes on to the application.
 *
 * The other arguments as for vfiosafe_bar_map(). The mapping stays its maker's:
 * vfiosafe_bar_unmap() and vfiosafe_device_close() leave it in place, mapped to the
 * device (or to private memory, if a close had to go over open sections and
 * VFIOSAFE_BAR_REPLACE permitted that). It must stay until then.
 *
 * Return: as vfiosafe_bar_map(); -EINVAL if @address does not start a page.
 * Context: as vfiosafe_bar_map().
 */
VFIOSAFE_API VFIOSAFE_MUST_CHECK int
vfiosafe_bar_adopt(struct vfiosafe_bar **bar, struct vfiosafe_device *dev, uint32_t index,
		   uint64_t offset, void *address, uint64_t len, uint32_t flags);

/**
 * vfiosafe_bar_unmap - give a mapping back
 * @bar: may be NULL
 *
 * Other accesses to the device get -EAGAIN for the moment that it takes until no
 * section is open (at most @timeout_ms); they go on in the same generation.
 *
 * Return: 0, @bar is freed, its views must not be used any more; -EDEADLK inside
 * a section or callback; -EBUSY if a section (the text names its thread) or a
 * window does not end in time: @bar is still mapped and valid. -ENODEV in a forked
 * child, which has no mapping; vfiosafe_device_close() frees the rest there.
 * Context: any thread, outside of sections and callbacks.
 */
VFIOSAFE_API VFIOSAFE_MUST_CHECK int
vfiosafe_bar_unmap(struct vfiosafe_bar *bar, uint32_t timeout_ms);

/**
 * vfiosafe_bar_address - the mapping's address, for code that needs a raw pointer
 *
 * Touch it only inside a section.
 * Return: NULL unless the whole range is mapped.
 */
VFIOSAFE_API volatile void *vfiosafe_bar_address(const struct vfiosafe_bar *bar);

/** vfiosafe_bar_len - length of the range in bytes */
VFIOSAFE_API uint64_t vfiosafe_bar_len(const struct vfiosafe_bar *bar);

VFIOSAFE_END_DECLS

#endif

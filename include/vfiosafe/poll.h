/* SPDX-License-Identifier: MIT */
/*
 * poll.h - wait until a register says so.
 */
#ifndef VFIOSAFE_POLL_H
#define VFIOSAFE_POLL_H

#include <vfiosafe/view.h>

VFIOSAFE_BEGIN_DECLS

/**
 * vfiosafe_poll32 - read a register until the bits of @mask are those of @want
 * @view: a view of the BAR
 * @offset: bytes from its start, a multiple of 4
 * @want: no bits outside of @mask
 * @deadline_ns: CLOCK_MONOTONIC nanoseconds, or VFIOSAFE_FOREVER; read at least once
 * @value: the last value read, on 0 and -ETIMEDOUT; else untouched; may be NULL
 *
 * A few reads without a pause, then one after pauses of 1 us to 1 ms. A window that
 * opens ends a pause, and the call: it neither reads on in the next generation nor
 * keeps the window waiting.
 *
 * Return: 0; -ETIMEDOUT: one read after @deadline_ns did not match either; the errors of
 * vfiosafe_read32(), at once; -EINVAL also for @want; -EDEADLK inside a section, which a
 * reset would wait for.
 * Context: any thread, outside of sections; callbacks included; blocks.
 */
VFIOSAFE_API VFIOSAFE_MUST_CHECK int vfiosafe_poll32(const struct vfiosafe_view *view,
						     uint64_t offset, uint32_t mask,
						     uint32_t want, int64_t deadline_ns,
						     uint32_t *value);

VFIOSAFE_END_DECLS

#endif

/* SPDX-License-Identifier: MIT */
/*
 * copy.h - guarded copies of many bytes out of and into a BAR.
 *
 * Every access to the device has the width that was asked for, aligned, in the order of
 * the offsets, once each. Bytes keep their order: byte n of the memory is byte n of the
 * BAR, on every machine. The memory's side may be unaligned. What is not mapped is
 * reached through the kernel, one system call per access.
 *
 * A long copy is made of several sections, of at most 512 accesses each, so that a
 * window does not wait for its end; the device stayed in the view's generation for all
 * of them, or the copy fails.
 *
 * Return of both: 0; -ENODEV, -EIO, -EAGAIN, -ESTALE as in error.h; -ERANGE if the
 * range ends beyond the BAR's; -EINVAL for a @width other than 1, 2, 4 or 8, or if
 * @offset or @len is not a multiple of it. A @len of 0 is no access.
 * Context: any thread, inside sections (which a window then waits for) and callbacks
 * too; not signal-safe.
 */
#ifndef VFIOSAFE_COPY_H
#define VFIOSAFE_COPY_H

#include <stddef.h>
#include <vfiosafe/view.h>

VFIOSAFE_BEGIN_DECLS

/**
 * vfiosafe_copy_from - from the BAR into memory
 * @dst: on an error some of it may have been written, and none of it may be used
 * @len: bytes
 *
 * If any value that was read is all-ones of @width (or poison), the device is asked
 * once, after the last access (probe.h).
 */
VFIOSAFE_API VFIOSAFE_MUST_CHECK int vfiosafe_copy_from(const struct vfiosafe_view *view,
							uint64_t offset, void *dst,
							size_t len, unsigned int width);

/**
 * vfiosafe_copy_to - from memory into the BAR
 * @src: must not change meanwhile
 * @len: bytes
 *
 * On 0 all of it was issued in the view's generation; on an error, some of it may have
 * been.
 */
VFIOSAFE_API VFIOSAFE_MUST_CHECK int vfiosafe_copy_to(const struct vfiosafe_view *view,
						      uint64_t offset, const void *src,
						      size_t len, unsigned int width);

VFIOSAFE_END_DECLS

#endif

/* SPDX-License-Identifier: MIT */
/*
 * mmio.h - one guarded access to a register.
 *
 * A read delivers a value only if the device stayed in the view's generation
 * for the whole access; else it returns an error and leaves @value untouched.
 * A write that returns 0 was issued in the view's generation (it is posted: it
 * need not have arrived). All-ones is a value like any other, but the device is asked
 * whether it is there before it is delivered (probe.h): -EIO if not.
 *
 * Registers are little-endian. Each call is one access of exactly that width;
 * a 64-bit access is never split: where the bus cannot do it, or the device
 * wants halves, the _lo_hi and _hi_lo forms say in their name what they do.
 *
 * Order, for accesses through views of one BAR by one thread:
 *   - reads and writes reach the device in program order;
 *   - a write is issued after all earlier stores to memory that the device
 *     reads by DMA (so a doorbell may follow its descriptor);
 *   - a read completes before later loads from such memory.
 * Nothing is ordered against other threads: take a lock, or use one queue each.
 *
 * A BAR that cannot be mapped (I/O ports, less than a page) is reached by the
 * same calls, through the kernel: slower (a system call), same guarantees.
 *
 * Return of every call: 0; -ENODEV, -EIO, -EAGAIN, -ESTALE as in error.h;
 * -ERANGE outside the range; -EINVAL if @offset is not a multiple of the width.
 * Context: any thread, inside sections and callbacks too; not signal-safe.
 */
#ifndef VFIOSAFE_MMIO_H
#define VFIOSAFE_MMIO_H

#include <vfiosafe/view.h>

VFIOSAFE_BEGIN_DECLS

/** vfiosafe_read8 - guarded load of 8 bits; see the head of mmio.h */
VFIOSAFE_API VFIOSAFE_MUST_CHECK int
vfiosafe_read8(const struct vfiosafe_view *view, uint64_t offset, uint8_t *value);
/** vfiosafe_read16 - guarded load of 16 bits */
VFIOSAFE_API VFIOSAFE_MUST_CHECK int
vfiosafe_read16(const struct vfiosafe_view *view, uint64_t offset, uint16_t *value);
/** vfiosafe_read32 - guarded load of 32 bits */
VFIOSAFE_API VFIOSAFE_MUST_CHECK int
vfiosafe_read32(const struct vfiosafe_view *view, uint64_t offset, uint32_t *value);
/** vfiosafe_read64 - guarded load of 64 bits, one access */
VFIOSAFE_API VFIOSAFE_MUST_CHECK int
vfiosafe_read64(const struct vfiosafe_view *view, uint64_t offset, uint64_t *value);

/** vfiosafe_write8 - guarded store of 8 bits */
VFIOSAFE_API VFIOSAFE_MUST_CHECK int
vfiosafe_write8(const struct vfiosafe_view *view, uint64_t offset, uint8_t value);
/** vfiosafe_write16 - guarded store of 16 bits */
VFIOSAFE_API VFIOSAFE_MUST_CHECK int
vfiosafe_write16(const struct vfiosafe_view *view, uint64_t offset, uint16_t value);
/** vfiosafe_write32 - guarded store of 32 bits */
VFIOSAFE_API VFIOSAFE_MUST_CHECK int
vfiosafe_write32(const struct vfiosafe_view *view, uint64_t offset, uint32_t value);
/** vfiosafe_write64 - guarded store of 64 bits, one access */
VFIOSAFE_API VFIOSAFE_MUST_CHECK int
vfiosafe_write64(const struct vfiosafe_view *view, uint64_t offset, uint64_t value);

/**
 * vfiosafe_read64_lo_hi - two 32-bit loads, low half first, in one section
 *
 * Both halves are of one generation, not of one instant.
 */
VFIOSAFE_API VFIOSAFE_MUST_CHECK int
vfiosafe_read64_lo_hi(const struct vfiosafe_view *view, uint64_t offset, uint64_t *value);
/** vfiosafe_write64_lo_hi - two 32-bit stores, low half first, in one section */
VFIOSAFE_API VFIOSAFE_MUST_CHECK int
vfiosafe_write64_lo_hi(const struct vfiosafe_view *view, uint64_t offset, uint64_t value);
/** vfiosafe_write64_hi_lo - two 32-bit stores, high half first, in one section */
VFIOSAFE_API VFIOSAFE_MUST_CHECK int
vfiosafe_write64_hi_lo(const struct vfiosafe_view *view, uint64_t offset, uint64_t value);

VFIOSAFE_END_DECLS

#endif

/* SPDX-License-Identifier: MIT */
/*
 * section.h - many plain accesses under one guard.
 *
 *      rc = vfiosafe_begin(&view, &sec);
 *      if (rc == 0) {
 *              volatile uint32_t *regs = vfiosafe_ptr(&sec);
 *              head = regs[RDH];
 *              regs[RDT] = tail;
 *              rc = vfiosafe_end(&sec);
 *      }
 *      if (rc == 0)
 *              use(head);
 *
 * What was read may be used only after vfiosafe_end() returned 0. What was
 * written inside a section whose end returned 0 was issued in the view's
 * generation; if end fails, some or all of it may have been lost.
 *
 * While a section is open, no reset made through the library starts on its
 * device. So a section must be short: no sleep, no unbounded loop, no call that
 * waits for a device. It begins and ends on one thread. Sections nest, on the
 * same or on several devices, up to VFIOSAFE_SECTION_DEPTH deep.
 */
#ifndef VFIOSAFE_SECTION_H
#define VFIOSAFE_SECTION_H

#include <vfiosafe/view.h>

VFIOSAFE_BEGIN_DECLS

#define VFIOSAFE_SECTION_DEPTH 16

/* Lives on the caller's stack between begin and end. Do not look into it. */
struct vfiosafe_section {
	uint64_t device_value;
	uint64_t gate_value;
	const uint64_t *device_word;
	const uint64_t *gate_word;
	volatile void *base;
	const uint64_t **slot;
};

/**
 * vfiosafe_begin - open a section
 * @view: a view of the BAR
 * @sec: uninitialised; written
 *
 * On failure no section was opened and vfiosafe_end() must not be called.
 *
 * Return: 0; -ENODEV, -EIO, -EAGAIN or -ESTALE as in error.h; -ENOMEM if the
 * first call of a thread finds no memory; -E2BIG if nested too deeply.
 * Context: any thread, callbacks included; does not block; not signal-safe.
 */
VFIOSAFE_API VFIOSAFE_MUST_CHECK int
vfiosafe_begin(const struct vfiosafe_view *view, struct vfiosafe_section *sec);

/**
 * vfiosafe_end - close a section, and say whether what it read is good
 *
 * A window that was announced while the section was open does not spoil it: the
 * reset waits for its end.
 *
 * Return: 0 if the device stayed in the view's generation throughout; else
 * -ENODEV, -EIO, -EAGAIN or -ESTALE, and nothing that was read may be used;
 * -EINVAL if @sec is not open on this thread. The section is closed in any case.
 * Context: the thread that called vfiosafe_begin(); not signal-safe.
 */
VFIOSAFE_API VFIOSAFE_MUST_CHECK int
vfiosafe_end(struct vfiosafe_section *sec);

/** vfiosafe_check_slow - the part of vfiosafe_check() that is not inline */
VFIOSAFE_API VFIOSAFE_MUST_CHECK int
vfiosafe_check_slow(const struct vfiosafe_section *sec);

/**
 * vfiosafe_ptr - address of the first byte of the mapped range
 *
 * Return: NULL if the BAR, or a part of the range, cannot be mapped: then use
 * the accessors of mmio.h, or map only the sub-range that can
 * (vfiosafe_region_info()). Valid while the section is open, on its thread.
 */
VFIOSAFE_INLINE volatile void *vfiosafe_ptr(const struct vfiosafe_section *sec)
{
	return sec->base;
}

/**
 * vfiosafe_check - is what was read so far still good?
 *
 * For loops inside a section that should stop early. Costs two cached loads.
 *
 * Return: 0 to go on. -EAGAIN: a window waits for this section to end; what was
 * read and written so far is good if vfiosafe_end() says so. Other errors: as
 * vfiosafe_end() would return now.
 */
VFIOSAFE_INLINE int vfiosafe_check(const struct vfiosafe_section *sec)
{
#if !defined(__x86_64__)
	/* Device loads before the second look; x86 keeps that order itself. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
#else
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
#endif
	if (__atomic_load_n(sec->device_word, __ATOMIC_ACQUIRE) == sec->device_value &&
	    __atomic_load_n(sec->gate_word, __ATOMIC_ACQUIRE) == sec->gate_value)
		return 0;
	return vfiosafe_check_slow(sec);
}

VFIOSAFE_END_DECLS

#endif

/* SPDX-License-Identifier: MIT */
/*
 * inside.h - the guarded read again, with a liburcu flavour where the library has
 * its slots: the same checks and looks, out of line in a shared object. This is the
 * comparison that chose the read side. The slow paths are only an error. A thread is
 * registered by the program, once per flavour (case_urcu.c).
 */
#ifndef BENCH_INSIDE_H
#define BENCH_INSIDE_H

#include <stdint.h>
#include <vfiosafe/view.h>

#define INSIDE_DECLARE(flavour)                                                          \
	int inside_##flavour##_read32(const struct vfiosafe_view *view, uint64_t offset, \
				      uint32_t *value);                                  \
	int inside_##flavour##_begin(const struct vfiosafe_view *view);                  \
	int inside_##flavour##_end(const struct vfiosafe_view *view);

INSIDE_DECLARE(memb)
INSIDE_DECLARE(bp)
INSIDE_DECLARE(qsbr)

#endif

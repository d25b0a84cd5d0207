/* SPDX-License-Identifier: MIT */
/*
 * Where the fast path of mmio.c goes when it is not the fast case. Everything is
 * passed by value, so that the fast path needs no stack, and @view, @offset and
 * @value where they came, so that it moves nothing.
 */
#ifndef VSF_ACCESS_H
#define VSF_ACCESS_H

#include "section.h"

/*
 * One guarded access in full: checks, section, load or store (through the kernel
 * where nothing is mapped), second look. @value points to an integer of @width.
 */
int vsf_read_slow(const struct vfiosafe_view *view, uint64_t offset, void *value,
		  unsigned int width) __attribute__((cold));
int vsf_write_slow(const struct vfiosafe_view *view, uint64_t offset, uint64_t value,
		   unsigned int width) __attribute__((cold));

/*
 * The second look of a fast access failed: decides with the slot still set, clears
 * it, and delivers @raw to @value (NULL for a write) if it is good after all.
 */
int vsf_access_late(const uint64_t **slot, uint64_t raw, void *value, unsigned int width,
		    struct vsf_pair pair) __attribute__((cold));

#endif

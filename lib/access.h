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
 * The second look of a fast access failed: decides with the slot still set, and clears
 * it. That of a read, or what it got is all-ones: asks the device too, and delivers
 * @raw if it is good after all.
 */
int vsf_write_late(const uint64_t **slot, struct vsf_pair pair) __attribute__((cold));
int vsf_read_late(const struct vfiosafe_view *view, uint64_t raw, void *value,
		  unsigned int width, const uint64_t **slot, struct vsf_pair pair)
	__attribute__((cold));

/* Of accesses of @len bytes at @offset. 0, or -errno with a text. */
int vsf_check_range(const struct vfiosafe_bar *bar, uint64_t offset, unsigned int align,
		    uint64_t len);

/* Is all of it mapped? */
bool vsf_is_mapped(const struct vfiosafe_bar *bar, uint64_t offset, uint64_t len);

/* 0, or -EPERM with a text: a client was not granted that. */
int vsf_check_rights(const struct vfiosafe_bar *bar, bool write);

/* The device word that an access in @sec is for. */
static inline uint64_t vsf_section_word(const struct vfiosafe_section *sec)
{
	return sec->device_value & ~VSF_FENCED;
}

/*
 * One access, through the kernel where nothing is mapped, or through the owner, for whom
 * @word says which generation is meant. The range was checked.
 */
int vsf_one_access(const struct vfiosafe_bar *bar, uint64_t word, uint64_t offset,
		   unsigned int width, uint64_t *value, bool write);

/*
 * Ends a section of such accesses: with an error if the kernel refused one (@kernel),
 * after the device was asked if a value that was read is odd.
 */
int vsf_end_access(struct vfiosafe_bar *bar, struct vfiosafe_section *sec, int kernel,
		   bool odd);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * The fast path of single accesses: two cached loads and compares before, two
 * after, one store in, one out; and is what was read all-ones? Everything else is
 * access.c.
 */
#include <endian.h>
#include <stddef.h>

#include "access.h"
#include <vfiosafe/mmio.h>

#define htole8(x) (x)
#define le8toh(x) (x)

/*
 * Opens the slot and looks. False: not the fast case, nothing is open. The view's
 * length is a multiple of 8, or 0 where nothing is mapped: so an aligned offset
 * below it is an access that fits.
 */
static inline __attribute__((always_inline)) bool
fast_open(const uint64_t **slot, const struct vfiosafe_view *view, uint64_t offset,
	  unsigned int width, struct vsf_pair *pair)
{
	if (vsf_unlikely(!slot || (offset & (width - 1)) ||
			 offset >= vsf_view_load(view, len)))
		return false;
	pair->device_word = vsf_view_load(view, device_word);
	pair->gate_word = vsf_view_load(view, gate_word);
	pair->device_value = vsf_view_load(view, device_value);
	pair->gate_value = vsf_view_load(view, gate_value);
	vsf_slot_set(slot, pair->device_word);
	if (vsf_unlikely(!vsf_pair_holds(pair))) {
		vsf_slot_clear(slot);
		return false;
	}
	return true;
}

#define REGISTER(bits)                                                                   \
	(*(volatile uint##bits##_t *)((volatile uint8_t *)vsf_view_load(view, base) +    \
				      offset))

#define DEFINE_READ(bits)                                                                \
	VFIOSAFE_API int vfiosafe_read##bits(const struct vfiosafe_view *view,           \
					     uint64_t offset, uint##bits##_t *value)     \
	{                                                                                \
		const uint64_t **slot = vsf_top;                                         \
		struct vsf_pair pair;                                                    \
		uint##bits##_t got;                                                      \
                                                                                         \
		if (vsf_unlikely(!fast_open(slot, view, offset, bits / 8, &pair)))       \
			return vsf_read_slow(view, offset, value, bits / 8);             \
		got = le##bits##toh(vsf_load##bits(vsf_view_load(view, base), offset));  \
		vsf_after_device_load();                                                 \
		if (vsf_unlikely(got == UINT##bits##_MAX || !vsf_pair_holds(&pair)))     \
			return vsf_read_late(view, got, value, bits / 8, slot, pair);    \
		vsf_slot_clear(slot);                                                    \
		*value = got;                                                            \
		return 0;                                                                \
	}

#define DEFINE_WRITE(bits)                                                               \
	VFIOSAFE_API int vfiosafe_write##bits(const struct vfiosafe_view *view,          \
					      uint64_t offset, uint##bits##_t value)     \
	{                                                                                \
		const uint64_t **slot = vsf_top;                                         \
		struct vsf_pair pair;                                                    \
                                                                                         \
		if (vsf_unlikely(!fast_open(slot, view, offset, bits / 8, &pair)))       \
			return vsf_write_slow(view, offset, value, bits / 8);            \
		vsf_before_device_store();                                               \
		REGISTER(bits) = htole##bits(value);                                     \
		vsf_after_device_store();                                                \
		if (vsf_unlikely(!vsf_pair_holds(&pair)))                                \
			return vsf_write_late(slot, pair);                               \
		vsf_slot_clear(slot);                                                    \
		return 0;                                                                \
	}

DEFINE_READ(8)
DEFINE_READ(16)
DEFINE_READ(32)
DEFINE_READ(64)
DEFINE_WRITE(8)
DEFINE_WRITE(16)
DEFINE_WRITE(32)
DEFINE_WRITE(64)

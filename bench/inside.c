/* SPDX-License-Identifier: MIT */
/* See inside.h. Built into one shared object per flavour. */
#include <errno.h>
#include <stdbool.h>

#include "flavour.h"
#include "inside.h"

#define INSIDE(suffix) FLAVOUR_ID(inside_, suffix)

static inline bool holds(const struct vfiosafe_view *view)
{
	return __atomic_load_n(view->device_word, __ATOMIC_ACQUIRE) ==
		       view->device_value &&
	       __atomic_load_n(view->gate_word, __ATOMIC_ACQUIRE) == view->gate_value;
}

int INSIDE(_begin)(const struct vfiosafe_view *view)
{
	flavour_enter();
	if (holds(view))
		return 0;
	flavour_leave();
	return -EAGAIN;
}

int INSIDE(_end)(const struct vfiosafe_view *view)
{
	bool good = holds(view);

	flavour_leave();
	return good ? 0 : -EAGAIN;
}

int INSIDE(_read32)(const struct vfiosafe_view *view, uint64_t offset, uint32_t *value)
{
	uint32_t got;
	bool good;

	if ((offset & 3) || offset >= view->len)
		return -EINVAL;
	flavour_enter();
	if (!holds(view)) {
		flavour_leave();
		return -EAGAIN;
	}
	got = *(volatile uint32_t *)((volatile uint8_t *)view->base + offset);
	good = holds(view);
	flavour_leave();
	if (!good)
		return -EAGAIN;
	*value = got;
	return 0;
}

/* SPDX-License-Identifier: MIT */
/* event_close_rig.h - a close that sections hold up, and who has the device then. */
#ifndef EVENT_CLOSE_RIG_H
#define EVENT_CLOSE_RIG_H

#include "event_rig.h"
#include "unit_thread.h"

#define LEN 0x10000u
#define DUP_ONTO FAKE_DUP_ONTO

/* No fd and no mapping, ours or the fake's books', holds the function open. */
static inline bool kernel_has_it(void)
{
	return bench.fn->owner == NULL;
}

static inline volatile uint32_t *reg(const struct vfiosafe_bar *bar, size_t at)
{
	return (volatile uint32_t *)((volatile uint8_t *)vfiosafe_bar_address(bar) + at);
}

static inline uint32_t in_device(size_t at)
{
	uint32_t value;

	memcpy(&value, fake_bar(bench.fn, 0) + at, sizeof(value));
	return value;
}

static inline void close_over(const char *word)
{
	assert_refused(vfiosafe_device_close(bench.dev, 100), EBUSY, ADDRESS, word);
	assert_state(GONE);
}

#endif

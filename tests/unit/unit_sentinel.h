/* SPDX-License-Identifier: MIT */
/* unit_sentinel.h - a sentinel in BAR 0 of the fake device, set at setup. */
#ifndef UNIT_SENTINEL_H
#define UNIT_SENTINEL_H

#include "unit_driver.h"

#define SENTINEL 0x100u
#define MASK 0x00ffff00u
#define OTHERS 0x56000034u

static inline uint32_t peek(uint64_t offset)
{
	uint32_t value;

	memcpy(&value, fake_bar(bench.fn, 0) + offset, sizeof(value));
	return value;
}

static inline void poke(uint64_t offset, uint32_t value)
{
	memcpy(fake_bar(bench.fn, 0) + offset, &value, sizeof(value));
}

static inline uint64_t caught(void)
{
	struct vfiosafe_probe_counts c;

	vfiosafe_probe_counts(bench.dev, &c);
	return c.sentinel;
}

static inline struct vfiosafe_sentinel writable(void)
{
	return (struct vfiosafe_sentinel){ .size = sizeof(struct vfiosafe_sentinel),
					   .bar = bench.bar,
					   .offset = SENTINEL,
					   .width = 4,
					   .mask = MASK,
					   .writable = true };
}

static inline void set_writable(void)
{
	struct vfiosafe_sentinel s = writable();

	poke(SENTINEL, OTHERS);
	assert_ok(vfiosafe_set_sentinel(bench.dev, &s));
}

static inline int set_constant(uint32_t mask, uint32_t value)
{
	struct vfiosafe_sentinel s = writable();

	s.writable = false;
	s.mask = mask;
	s.value = value;
	return vfiosafe_set_sentinel(bench.dev, &s);
}

static inline int sentinel_setup(void **state)
{
	int rc = driver_setup(state);

	set_writable();
	return rc;
}

/* A reset that neither config space nor a fault tells of. */
static inline void reset_behind(void)
{
	memset(fake_bar(bench.fn, 0), 0, 0x1000);
}

static inline int end_of_section(int (*end)(struct vfiosafe_section *sec))
{
	struct vfiosafe_view view = bench_view(bench.bar);
	struct vfiosafe_section sec;

	assert_ok(vfiosafe_begin(&view, &sec));
	return end(&sec);
}

static inline void was_caught(int rc)
{
	assert_refused(rc, EIO, ADDRESS, "sentinel", "behind the library");
	assert_state(FAULT);
	assert_int_equal(vfiosafe_device_cause(bench.dev), VFIOSAFE_CAUSE_SENTINEL);
	assert_int_equal(caught(), 1);
	assert_int_equal(driver.count[LOST], 1);
	assert_int_equal(driver.cause, VFIOSAFE_CAUSE_SENTINEL);
}

#endif

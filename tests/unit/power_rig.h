/* SPDX-License-Identifier: MIT */
/* power_rig.h - the ways to park a device, and what each does on the way out and back. */
#ifndef POWER_RIG_H
#define POWER_RIG_H

#include "unit_driver.h"

enum way { D3HOT_KEPT, D3HOT_LOST, LOW_POWER, WAKEUP, DECODE, WAYS };

struct way_of {
	const char *name;  /* as texts say it */
	const char *undo;  /* the call they name */
	const char *park;  /* the log of each, with the driver's callbacks */
	const char *wake;
	bool keeps; /* the generation */
};

static const struct way_of ways[WAYS] = {
	[D3HOT_KEPT] = { "D3hot", "vfiosafe_set_power()", "quiesce COMMAND=0002 PMCSR=000b",
			 "PMCSR=0008 COMMAND=0002 resume", true },
	[D3HOT_LOST] = { "D3hot", "vfiosafe_set_power()", "quiesce COMMAND=0002 PMCSR=0003",
			 "PMCSR=0000 ready COMMAND=0002 reinit", false },
	[LOW_POWER] = { "low power", "vfiosafe_low_power_exit()",
			"quiesce COMMAND=0002 SLEEP", "AWAKE ready COMMAND=0002 reinit",
			false },
	[WAKEUP] = { "low power", "vfiosafe_low_power_exit()",
		     "quiesce COMMAND=0002 SLEEP-WAKEUP", "AWAKE ready COMMAND=0002 reinit",
		     false },
	[DECODE] = { "memory decode off", "vfiosafe_set_decode()", "quiesce COMMAND=0000",
		     "COMMAND=0002 resume", true },
};

static inline int park_opts(enum way way, const struct vfiosafe_reset_opts *opts)
{
	switch (way) {
	case D3HOT_LOST:
		fake_lose_in_d3hot(bench.fn);
		/* fallthrough */
	case D3HOT_KEPT:
		return vfiosafe_set_power(bench.dev, VFIOSAFE_D3HOT, opts);
	case DECODE:
		return vfiosafe_set_decode(bench.dev, false, opts);
	default:
		return vfiosafe_low_power_enter(bench.dev, way == WAKEUP, opts);
	}
}

static inline int wake_opts(enum way way, const struct vfiosafe_reset_opts *opts)
{
	switch (way) {
	case D3HOT_KEPT:
	case D3HOT_LOST:
		return vfiosafe_set_power(bench.dev, VFIOSAFE_D0, opts);
	case DECODE:
		return vfiosafe_set_decode(bench.dev, true, opts);
	default:
		return vfiosafe_low_power_exit(bench.dev, opts);
	}
}

static inline int park(enum way way)
{
	fake_log_clear(&bench.k);
	return park_opts(way, NULL);
}

static inline int wake(enum way way)
{
	fake_log_clear(&bench.k);
	return wake_opts(way, NULL);
}

/* From LIVE, with bus mastering on. */
static inline void parked(enum way way)
{
	fake_set_command(bench.fn, 0x0006);
	assert_ok(park(way));
	fake_log_clear(&bench.k);
}

/* Each way on a device of its own; a failure says which. */
static inline void each_way(void (*test)(enum way way))
{
	void *state = &bench;

	for (int way = 0; way < WAYS; way++) {
		print_message("%s%s\n", ways[way].name,
			      way == D3HOT_LOST ? ", state lost"
			      : way == WAKEUP	? ", with wake-up"
						: "");
		test((enum way)way);
		assert_ok(bench_teardown(&state));
		assert_ok(driver_setup(&state));
	}
}

/* Not LIVE, and no access gets through. */
static inline void assert_parked(void)
{
	struct vfiosafe_section sec;
	struct vfiosafe_view view;
	uint32_t value = 0x55;

	assert_state(RESETTING);
	assert_refused(vfiosafe_read32(&bench.view, 0, &value), EAGAIN, "parked");
	assert_int_equal(value, 0x55);
	assert_int_equal(vfiosafe_write32(&bench.view, 0, 1), -EAGAIN);
	assert_int_equal(vfiosafe_begin(&bench.view, &sec), -EAGAIN);
	assert_int_equal(vfiosafe_bar_view(bench.bar, &view), -EAGAIN);
	assert_int_equal(vfiosafe_config_read32(bench.dev, 0, &value), -EAGAIN);
}

/* LIVE in @generation, and the old view serves if that is still the first. */
static inline void assert_awake(uint64_t generation)
{
	uint32_t value;

	assert_state(LIVE);
	assert_generation(generation);
	assert_int_equal(vfiosafe_read32(&bench.view, 0, &value),
			 generation == 1 ? 0 : -ESTALE);
	assert_ok(vfiosafe_bar_view(bench.bar, &bench.view));
	assert_ok(vfiosafe_read32(&bench.view, 0, &value));
}

#endif

/* SPDX-License-Identifier: MIT */
/* drain_rig.h - a program that has a grace period of its own. */
#ifndef DRAIN_RIG_H
#define DRAIN_RIG_H

#include "unit_driver.h"

/* What the program's drain says, and what it was told. */
static struct {
	int rc;
	unsigned int not_yet; /* so often -EAGAIN first, in each window */
	uint64_t window;      /* of the last call */
	int64_t deadline;
	unsigned int calls, windows;
	int64_t takes_ms;
	enum vfiosafe_state state;
	void (*inside)(void);
} own;

static inline int own_drain(void *ctx, uint64_t window, int64_t deadline)
{
	assert_ptr_equal(ctx, &own);
	if (own.windows == 0 || window != own.window) {
		own.windows++;
		own.calls = 0;
	}
	own.window = window;
	own.deadline = deadline;
	own.state = vfiosafe_device_state(bench.dev);
	fake_note(&bench.k, "drain");
	fake_advance_ms(&bench.k, own.takes_ms);
	if (own.inside)
		own.inside();
	return own.calls++ < own.not_yet ? -EAGAIN : own.rc;
}

static inline int drain_setup(void **state)
{
	driver_setup(state);
	bench_close();
	memset(&own, 0, sizeof(own));
	bench.opts.drain = own_drain;
	bench.opts.drain_ctx = &own;
	bench_open();
	return driver_set();
}

static inline void assert_live(uint64_t generation)
{
	assert_state(LIVE);
	assert_generation(generation);
}

#endif

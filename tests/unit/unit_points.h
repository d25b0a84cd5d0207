/* SPDX-License-Identifier: MIT */
/*
 * unit_points.h - something happens at one point of a call: before the nth call that it
 * makes of the kernel, or in a callback of the driver, which counts as one.
 */
#ifndef UNIT_POINTS_H
#define UNIT_POINTS_H

#include "device.h"
#include "uapi.h"
#include "unit_driver.h"
#include "unit_thread.h"

static struct {
	unsigned int countdown;
	void (*event)(void);
	bool happened;
	bool in_reset; /* it did in, or after, the reset by the kernel */
	bool was_live; /* it did before the window was there */
} point;

static inline void point_at_call(struct fake *fake, enum fake_call call, uint64_t key)
{
	/* Made under the lock of the event queue, which what happens needs too. */
	if (call == FAKE_EVENT_READ || call == FAKE_EVENT_WRITE)
		return;
	if (point.happened || point.countdown == 0 || --point.countdown > 0)
		return;
	point.happened = true;
	point.in_reset = bench.fn->resets > 0 ||
			 (call == FAKE_IOCTL && key == VFIO_DEVICE_RESET);
	point.was_live = !point.in_reset && vsf_device_state(bench.dev) == VFIOSAFE_LIVE;
	fake->hook = NULL;
	point.event();
}

static inline void point_in_callback(struct vfiosafe_device *dev, enum callback which)
{
	(void)dev;
	(void)which;
	point_at_call(&bench.k, FAKE_CALLS, 0);
}

/* What @run returns with @event at its @nth point; point.happened: it has so many. */
static inline int with_event_at(unsigned int nth, void (*event)(void), int (*run)(void))
{
	int rc;

	point.countdown = nth;
	point.event = event;
	point.happened = false;
	bench.k.hook = point_at_call;
	driver.inside = point_in_callback;
	rc = run();
	/* If it did, the thread that it started is reading this. */
	if (!point.happened)
		bench.k.hook = NULL;
	driver.inside = NULL;
	return rc;
}

/* A device of its own for each point, bus mastering on. */
static inline void afresh(void)
{
	void *state = &bench;

	assert_ok(bench_teardown(&state));
	assert_ok(driver_setup(&state));
	assert_ok(vfiosafe_set_bus_master(bench.dev, true));
}

static inline void mark(void)
{
	assert_ok(vfiosafe_mark_lost(bench.dev, "in between"));
}

/* What the SIGBUS handler does. */
static inline void close_the_gate(void)
{
	uint64_t gate = vsf_gate_word(bench.dev);

	__atomic_store_n(&bench.dev->words->gate,
			 vsf_word(vsf_word_generation(gate), VFIOSAFE_FAULT),
			 __ATOMIC_SEQ_CST);
}

static struct runner closer;

static inline int close_it(void)
{
	return vfiosafe_device_close(bench.dev, 10000);
}

/* Needs bench.k.real_clock, and a driver that may find the device GONE. */
static inline void close_beside(void)
{
	run_beside(&closer, close_it);
	until(vfiosafe_device_state(bench.dev) == VFIOSAFE_GONE);
}

static inline int without_opinion(struct vfiosafe_device *dev, void *ctx)
{
	(void)ctx;
	if (driver.inside)
		driver.inside(dev, CALLBACKS);
	return 0;
}

static inline void prepare_close(void)
{
	const struct vfiosafe_driver_ops ops = {
		.size = sizeof(ops),
		.quiesce = without_opinion,
		.resume = without_opinion,
		.ready = without_opinion,
		.reinit = without_opinion,
	};

	bench.k.real_clock = true;
	assert_ok(vfiosafe_device_set_driver(bench.dev, &ops, NULL));
}

/* The call ended, then the close did; who called is told, unless all was done before. */
static inline void assert_closed(int rc)
{
	assert_true(rc == -ENODEV || rc == 0);
	assert_ok(run_ended(&closer));
	bench.dev = NULL;
}

#endif

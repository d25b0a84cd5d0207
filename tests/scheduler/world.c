/* SPDX-License-Identifier: MIT */
/* Chance, time, and the driver that the device has. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "peer.h"

/* splitmix64: a few lines, the same everywhere. */
uint64_t pick(struct world *world, uint64_t n)
{
	uint64_t z = world->random += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return (z ^ z >> 31) % n;
}

bool one_in(struct world *world, uint64_t n)
{
	return pick(world, n) == 0;
}

unsigned int open_sections(const struct world *world)
{
	unsigned int n = 0;

	for (int i = 0; i < WORKERS; i++)
		n += world->worker[i].depth;
	return n;
}

uint32_t tag(uint64_t generation)
{
	return 0x5a000000u | (uint32_t)(generation & 0xffffff);
}

/* The table's context is the simulation's; there is one world. */
static struct world *the_world;

static int64_t now_ns(void *ctx)
{
	(void)ctx;
	return the_world->now;
}

static int sleep_ns(void *ctx, int64_t ns)
{
	(void)ctx;
	the_world->now += ns > 0 ? ns : 1000;
	return 0;
}

/* Nobody else runs: nobody will wake us. */
static int futex_wait(void *ctx, const uint32_t *word, uint32_t value, int64_t deadline)
{
	(void)ctx;
	if (__atomic_load_n(word, __ATOMIC_SEQ_CST) != value)
		return 0;
	must(the_world, deadline != VFIOSAFE_FOREVER, "sleeps for ever");
	if (deadline > the_world->now)
		the_world->now = deadline;
	return -ETIMEDOUT;
}

void world_clock(struct vfiosafe_sys *sys)
{
	sys->now_ns = now_ns;
	sys->sleep_ns = sleep_ns;
	sys->futex_wait = futex_wait;
}

static void make_sys(struct world *world)
{
	the_world = world;
	world->under = vfiosafe_sim_sys(world->sim);
	world->sys = *world->under;
	world_clock(&world->sys);
}

/* What may happen in any callback. */
static int chance(struct world *world, uint64_t fails_one_in)
{
	if (one_in(world, 40)) {
		int64_t late = (int64_t)pick(world, 40) * 1000000;

		world->now += late;
		world->in_callbacks += late;
	}
	must(world, vfiosafe_reset(world->dev, NULL) == -EDEADLK,
	     "a reset in a callback is not refused");
	if (one_in(world, 60)) {
		world->losses++;
		(void)!vfiosafe_mark_lost(world->dev, "by chance");
	}
	return one_in(world, fails_one_in) ? -EPROTO : 0;
}

static int quiesce(struct vfiosafe_device *dev, void *ctx)
{
	struct world *world = ctx;

	must(world, vfiosafe_device_state(dev) != VFIOSAFE_LIVE,
	     "quiesce of a LIVE device");
	must(world, open_sections(world) == 0, "quiesce before the sections ended (C4)");
	return chance(world, 20);
}

static int resume(struct vfiosafe_device *dev, void *ctx)
{
	(void)dev;
	return chance(ctx, 50);
}

static int ready(struct vfiosafe_device *dev, void *ctx)
{
	struct world *world = ctx;

	must(world, vfiosafe_device_state(dev) == VFIOSAFE_REINIT,
	     "ready outside of REINIT");
	return one_in(world, 3) ? -EAGAIN : chance(world, 60);
}

static int program(struct world *world)
{
	uint64_t generation = vfiosafe_device_generation(world->dev);
	struct vfiosafe_sim_counts counts;
	int rc = vfiosafe_bar_view(world->bar, &world->driver_view);

	if (rc == 0)
		rc = vfiosafe_write32(&world->driver_view, VFIOSAFE_SIM_REG_HOLD,
				      tag(generation));
	vfiosafe_sim_counts(world->sim, &counts);
	world->tag_of[generation % KEPT] = counts.resets;
	if (rc == 0) {
		world->programmed = generation;
		world->blind = false; /* whatever was before */
	}
	return rc;
}

static int reinit(struct vfiosafe_device *dev, void *ctx)
{
	struct world *world = ctx;
	int rc;

	must(world, vfiosafe_device_state(dev) == VFIOSAFE_REINIT,
	     "reinit outside of REINIT");
	rc = program(world);
	return rc < 0 ? rc : chance(world, 20);
}

/* In every other world: memory of the device that a reset clears. */
static void set_sentinel(struct world *world)
{
	const struct vfiosafe_sentinel sentinel = { .size = sizeof(sentinel),
						    .bar = world->bar,
						    .offset = 0x100,
						    .width = 4,
						    .mask = UINT32_MAX,
						    .writable = true };

	world->sentinel = one_in(world, 2);
	if (world->sentinel)
		must(world, vfiosafe_set_sentinel(world->dev, &sentinel) == 0,
		     "no sentinel");
}

static void open_device(struct world *world)
{
	const struct vfiosafe_driver_ops ops = {
		.size = sizeof(ops),
		.quiesce = quiesce,
		.resume = resume,
		.ready = ready,
		.reinit = reinit,
	};
	const struct vfiosafe_device_opts opts = { .size = sizeof(opts),
						   .sys = &world->sys };
	struct vfiosafe_sim_counts counts;

	must(world,
	     vfiosafe_device_open(&world->dev, vfiosafe_sim_address(world->sim), &opts) ==
		     0,
	     "cannot open");
	must(world, vfiosafe_bar_map(&world->bar, world->dev, 0, 0, 0, 0) == 0,
	     "cannot map");
	must(world, vfiosafe_device_set_driver(world->dev, &ops, world) == 0,
	     "no driver");
	must(world, program(world) == 0, "cannot program");
	world->generation = vfiosafe_device_generation(world->dev);
	vfiosafe_sim_counts(world->sim, &counts);
	world->resets = counts.resets;
	world->blind = world->closing = world->decode_taken = false;
	world->suspect = world->released = false;
	world->faulted_in = world->suspect_in = 0;
	world->devices++;
	set_sentinel(world);
	world->second = NULL;
}

/* A device whose resets are short, and look like this or like that. */
static void open_simulation(struct world *world)
{
	struct vfiosafe_sim_opts opts = { .size = sizeof(opts), .window_us = 1 };

	opts.window = one_in(world, 2) ? VFIOSAFE_SIM_ALL_ONES : VFIOSAFE_SIM_SIGBUS;
	must(world, vfiosafe_sim_open(&world->sim, "sim:reg", &opts) == 0,
	     "no simulation");
	make_sys(world);
}

void world_reopen(struct world *world)
{
	for (int i = 0; i < WORKERS; i++)
		world->worker[i].has_view = false;
	peer_lost(world);
	vfiosafe_sim_close(world->sim);
	open_simulation(world);
	open_device(world);
}

void world_open(struct world *world, uint64_t seed)
{
	static struct peer peer;

	memset(world, 0, sizeof(*world));
	world->peer = &peer;
	world->seed = world->random = seed;
	world->now = INT64_C(1000000000000);
	open_simulation(world);
	for (int i = 0; i < WORKERS; i++) {
		world->worker[i].world = world;
		baton_start(&world->worker[i].baton);
	}
	open_device(world);
	peer_open(world);
}

void world_close(struct world *world)
{
	for (int i = 0; i < WORKERS; i++)
		baton_stop(&world->worker[i].baton);
	peer_close(world);
	vfiosafe_sim_close(world->sim);
}

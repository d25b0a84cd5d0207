/* SPDX-License-Identifier: MIT */
/* What must hold after each step, whatever the step was. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "peer.h"

void violation(const struct world *world, const char *fmt, ...)
{
	va_list ap;

	printf("VIOLATION in step %llu (worker %u: %s, returned %d: %s): ",
	       (unsigned long long)world->steps, world->who,
	       world->op ? world->op : "start", world->rc, vfiosafe_error_text());
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\nagain: scheduler --seed %llu --steps %llu\n",
	       (unsigned long long)world->seed, (unsigned long long)world->steps + 1);
	exit(1);
}

int oracle_access(const struct world *world, uint64_t view_generation)
{
	switch (vfiosafe_device_state(world->dev)) {
	case VFIOSAFE_GONE:
		return -ENODEV;
	case VFIOSAFE_FAULT:
		return -EIO;
	case VFIOSAFE_LIVE:
		return view_generation == vfiosafe_device_generation(world->dev)
			       ? 0
			       : -ESTALE;
	default:
		return -EAGAIN;
	}
}

int64_t begin_call(struct world *world)
{
	world->in_callbacks = 0;
	return world->now;
}

void end_call(struct world *world, int64_t began, int64_t allowed_ns)
{
	int64_t took = world->now - began - world->in_callbacks;

	must(world, took <= allowed_ns, "took %lld us, allowed were %lld (C11)",
	     (long long)took / 1000, (long long)allowed_ns / 1000);
}

/* C3: exactly when state may have been lost. */
static void look_at_generation(struct world *world, uint64_t resets)
{
	uint64_t generation = vfiosafe_device_generation(world->dev);
	enum vfiosafe_state state = vfiosafe_device_state(world->dev);
	uint64_t moved = generation - world->generation;

	must(world, generation >= world->generation && moved <= 1,
	     "generation %llu after %llu", (unsigned long long)generation,
	     (unsigned long long)world->generation);
	must(world, !moved || resets || world->may_cut_power,
	     "the generation moved, but nothing was lost (C3)");
	if (resets && !world->foreign_reset) {
		must(world, moved || state == VFIOSAFE_FAULT || state == VFIOSAFE_GONE,
		     "the device was reset within a generation (C3)");
		must(world, open_sections(world) == 0 || world->forced,
		     "the device was reset over %u open sections (C4)",
		     open_sections(world));
	}
	if (moved)
		world->blind = false;
	/* Until then a gate that a fault has closed may still be. */
	if (state == VFIOSAFE_LIVE && generation != world->faulted_in)
		world->decode_taken = false;
	if (state == VFIOSAFE_LIVE && generation != world->suspect_in)
		world->suspect = false;
	world->generation = generation;
}

void oracle_step(struct world *world)
{
	struct vfiosafe_sim_counts counts;

	if (!world->dev)
		return;
	vfiosafe_sim_counts(world->sim, &counts);
	look_at_generation(world, counts.resets - world->resets);
	world->resets = counts.resets;
	must(world, counts.foreign_stores == 0,
	     "%llu stores in a foreign generation (C1)",
	     (unsigned long long)counts.foreign_stores);
	if (vfiosafe_device_state(world->dev) == VFIOSAFE_LIVE)
		must(world, world->programmed == world->generation,
		     "LIVE in generation %llu, but reinit succeeded in %llu (C5)",
		     (unsigned long long)world->generation,
		     (unsigned long long)world->programmed);
	peer_look(world);
}

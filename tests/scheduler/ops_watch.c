/* SPDX-License-Identifier: MIT */
/* What notices a device that went away by itself: probes, the sentinel, events. */
#include <errno.h>

#include "world.h"

/* A device that something is known to be wrong with may be found so by any call. */
static void found(struct world *world, int rc, int want)
{
	must(world, rc == want || (rc == -EIO && (world->decode_taken || world->suspect)),
	     "should return %d", want);
}

static void probe(struct worker *w)
{
	struct world *world = w->world;
	int want = oracle_access(world, vfiosafe_device_generation(world->dev));

	world->rc = vfiosafe_probe(world->dev);
	if (want == 0 && world->blind && world->sentinel)
		must(world, world->rc == -EIO,
		     "a reset behind us is not seen (sentinel)");
	else
		found(world, world->rc, want);
	if (want == 0 && world->rc == -EIO)
		world->noticed++;
}

static void end_checked(struct worker *w)
{
	struct world *world = w->world;
	struct open_section *open;

	if (w->depth == 0 || !world->sentinel)
		return;
	open = &w->open[--w->depth];
	world->rc = vfiosafe_end_checked(&open->sec);
	if (world->rc < 0)
		return;
	must(world, !world->blind,
	     "a section ends well over a reset behind us (sentinel)");
	must(world, vfiosafe_device_generation(world->dev) == open->generation,
	     "a section of generation %llu ends well",
	     (unsigned long long)open->generation);
	if (open->touched)
		must(world, open->got == tag(open->generation), "it read 0x%x (C1)",
		     open->got);
}

static void aer(struct worker *w)
{
	struct world *world = w->world;
	bool fatal = one_in(world, 2);

	if (!one_in(world, 8))
		return;
	vfiosafe_sim_aer(world->sim, fatal);
	world->suspect = true;
	world->suspect_in = world->generation;
	if (fatal)
		world->foreign_reset = world->blind = true;
}

/* The end of the device; only a close is left to be done. */
static void taken_back(struct worker *w)
{
	struct world *world = w->world;

	if (!one_in(world, 60) || world->released)
		return;
	world->released = true;
	if (one_in(world, 2)) {
		vfiosafe_sim_request_release(world->sim);
		return;
	}
	vfiosafe_sim_unplug(world->sim);
	world->suspect = world->blind = world->foreign_reset = true;
	world->suspect_in = world->generation;
}

static void read_events(struct worker *w)
{
	struct world *world = w->world;
	struct vfiosafe_event event[3];
	unsigned int room = 1 + (unsigned int)pick(world, 3);

	world->rc = vfiosafe_event_read(world->dev, event, room, sizeof(event[0]));
	must(world,
	     (world->rc > 0 && world->rc <= (int)room) || world->rc == -EAGAIN ||
		     world->rc == -ENODEV,
	     "event_read fails");
	for (int i = 0; i < world->rc; i++)
		must(world,
		     event[i].type >= VFIOSAFE_EVENT_WINDOW_OPENED &&
			     event[i].type <= VFIOSAFE_EVENT_OVERFLOW &&
			     event[i].count > 0,
		     "an event of type %u", event[i].type);
	world->events += world->rc > 0 ? (uint64_t)world->rc : 0;
}

static void poll_register(struct worker *w)
{
	struct world *world = w->world;
	int64_t ns = (int64_t)pick(world, 3000000), began = begin_call(world);
	int want = oracle_access(world, w->view_generation);
	uint32_t wanted = one_in(world, 2) ? tag(w->view_generation) : 1, value;

	if (!w->has_view || w->depth > 0)
		return;
	world->rc = vfiosafe_poll32(&w->view, VFIOSAFE_SIM_REG_HOLD, UINT32_MAX, wanted,
				    world->now + ns, &value);
	end_call(world, began, ns);
	if (world->rc == -ETIMEDOUT)
		must(world, want == 0 && (wanted == 1 || world->blind), "times out (C1)");
	else
		found(world, world->rc, want);
}

static void copy(struct worker *w)
{
	struct world *world = w->world;
	uint32_t block[8];

	if (!w->has_view)
		return;
	world->rc = vfiosafe_copy_from(&w->view, 0, block, sizeof(block), 4);
	found(world, world->rc, oracle_access(world, w->view_generation));
	if (world->rc == 0 && !world->blind)
		must(world, block[VFIOSAFE_SIM_REG_HOLD / 4] == tag(w->view_generation),
		     "copied 0x%x (C1)", block[VFIOSAFE_SIM_REG_HOLD / 4]);
}

const struct op watch_ops[] = {
	{ "probe", 6, probe },
	{ "end checked", 12, end_checked },
	{ "aer", 2, aer },
	{ "taken back", 2, taken_back },
	{ "read events", 8, read_events },
	{ "poll32", 4, poll_register },
	{ "copy", 4, copy },
	{ NULL, 0, NULL },
};

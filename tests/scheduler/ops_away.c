/* SPDX-License-Identifier: MIT */
/* Power, decode, what happens behind the library, BARs that come and go, the end. */
#include <errno.h>
#include <linux/pci_regs.h>

#include "peer.h"

static struct vfiosafe_reset_opts short_opts(struct world *world)
{
	return (struct vfiosafe_reset_opts){ .size = sizeof(struct vfiosafe_reset_opts),
					     .timeout_ms =
						     1 + (uint32_t)pick(world, 10) };
}

/* Each way to put the device away, and the way back. */
static int put_away(struct world *world, uint64_t way, bool away,
		    const struct vfiosafe_reset_opts *opts)
{
	/* Somebody's reset may have woken it from D3hot before us. */
	world->may_cut_power = way < 2 && !away;
	switch (way) {
	case 0:
		return vfiosafe_set_power(world->dev, away ? VFIOSAFE_D3HOT : VFIOSAFE_D0,
					  opts);
	case 1:
		return away ? vfiosafe_low_power_enter(world->dev, false, opts)
			    : vfiosafe_low_power_exit(world->dev, opts);
	default:
		return vfiosafe_set_decode(world->dev, !away, opts);
	}
}

static void park(struct worker *w)
{
	struct world *world = w->world;
	struct vfiosafe_reset_opts opts = short_opts(world);
	bool away = one_in(world, 3);
	int64_t began;
	int rc;

	if (w->depth > 0)
		return;
	began = begin_call(world);
	rc = world->rc = put_away(world, pick(world, 3), away, &opts);
	must(world,
	     rc == 0 || rc == -ETIMEDOUT || rc == -ECANCELED || rc == -EBUSY ||
		     rc == -EIO || rc == -ENODEV,
	     "no power call ends like this");
	end_call(world, began, opts.timeout_ms * INT64_C(1000000));
	world->parks += rc == 0 && away;
}

static void bus_master(struct worker *w)
{
	struct world *world = w->world;
	int want = oracle_access(world, vfiosafe_device_generation(world->dev));

	if (w->depth > 0)
		return;
	world->rc = vfiosafe_set_bus_master(world->dev, one_in(world, 2));
	/* A parked device keeps it in mind. */
	must(world,
	     world->rc == want || (world->rc == 0 && want == -EAGAIN) ||
		     (world->rc == -EIO && (world->decode_taken || world->suspect)),
	     "set_bus_master should return %d", want);
}

static void config(struct worker *w)
{
	struct world *world = w->world;
	int want = oracle_access(world, vfiosafe_device_generation(world->dev));
	uint16_t value;

	world->rc = vfiosafe_config_read16(world->dev, PCI_VENDOR_ID, &value);
	must(world,
	     world->rc == want ||
		     (world->rc == -EIO && (world->decode_taken || world->suspect)),
	     "config_read16 should return %d", want);
	must(world, world->rc < 0 || value == 0x1af4, "vendor 0x%x", value);
}

static void reset_behind(struct worker *w)
{
	struct world *world = w->world;

	if (!one_in(world, 4))
		return;
	vfiosafe_sim_reset_behind(world->sim);
	world->foreign_reset = true;
	world->blind = true;
}

/* Somebody else's config write: the next touch faults. */
static void take_decode(struct worker *w)
{
	struct world *world = w->world;
	uint64_t at = (UINT64_C(7) << 40) + PCI_COMMAND;
	uint16_t off = 0;

	if (!one_in(world, 4) || vfiosafe_device_state(world->dev) != VFIOSAFE_LIVE)
		return;
	peer_cut(world);
	must(world,
	     world->under->pwrite(world->under->ctx, vfiosafe_sim_device_fd(world->sim),
				  &off, 2, at) == 2,
	     "cannot take decode away");
	world->decode_taken = true;
	world->faulted_in = world->generation;
}

static void let_fail(struct worker *w)
{
	static const int errors[] = { EAGAIN, EAGAIN, EBUSY, EINVAL, EIO, ENOTTY };
	struct world *world = w->world;
	enum vfiosafe_sim_call call =
		one_in(world, 3) ? VFIOSAFE_SIM_CALL_RESET_DONE : VFIOSAFE_SIM_CALL_RESET;

	/* A refusal that did reset the device is one of none of these. */
	if (call == VFIOSAFE_SIM_CALL_RESET_DONE)
		vfiosafe_sim_fail(world->sim, call, EIO, 1);
	else
		vfiosafe_sim_fail(world->sim, call, errors[pick(world, 6)],
				  1 + (uint32_t)pick(world, 4));
}

static void second_bar(struct worker *w)
{
	struct world *world = w->world;
	uint32_t ms = 1 + (uint32_t)pick(world, 5);
	int64_t began = begin_call(world);

	if (w->depth > 0)
		return;
	if (!world->second) {
		world->rc = vfiosafe_bar_map(&world->second, world->dev, 0, 0x1000,
					     0x1000, 0);
		must(world, world->rc == 0 || world->rc == -ENODEV, "bar_map fails");
		return;
	}
	world->rc = vfiosafe_bar_unmap(world->second, ms);
	must(world, world->rc == 0 || world->rc == -EBUSY, "bar_unmap fails");
	end_call(world, began, ms * INT64_C(1000000));
	if (world->rc == 0)
		world->second = NULL;
}

/* GONE at once; freed when the sections have ended. */
static void close_device(struct worker *w)
{
	struct world *world = w->world;
	uint32_t ms = 1 + (uint32_t)pick(world, 5);
	int64_t began = begin_call(world);

	for (int i = 0; i < WORKERS; i++)
		if (world->worker[i].win)
			return;
	if (w->depth > 0 || (!world->closing && !world->released && !one_in(world, 60)))
		return;
	world->rc = vfiosafe_device_close(world->dev, ms);
	end_call(world, began, ms * INT64_C(1000000));
	world->closing = true;
	must(world, (world->rc == 0) == (open_sections(world) == 0),
	     "closes over %u sections", open_sections(world));
	if (world->rc == 0)
		world_reopen(world);
	else
		must(world, vfiosafe_device_state(world->dev) == VFIOSAFE_GONE,
		     "not GONE");
}

const struct op away_ops[] = {
	{ "park", 10, park },
	{ "bus master", 2, bus_master },
	{ "config", 3, config },
	{ "reset behind", 2, reset_behind },
	{ "take decode", 3, take_decode },
	{ "let fail", 3, let_fail },
	{ "second bar", 4, second_bar },
	{ "close", 6, close_device },
	{ NULL, 0, NULL },
};

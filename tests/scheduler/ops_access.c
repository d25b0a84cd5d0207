/* SPDX-License-Identifier: MIT */
/* Views, sections and single accesses. */
#include <errno.h>

#include "world.h"

/* Something is wrong: this may be who finds out, or whom the closed gate keeps out. */
static bool as_expected(const struct world *world, int rc, int want)
{
	return rc == want ||
	       (rc == -EIO && (world->decode_taken || world->suspect || world->blind));
}

static void renew(struct worker *w)
{
	struct world *world = w->world;
	int want = oracle_access(world, vfiosafe_device_generation(world->dev));

	world->rc = vfiosafe_bar_view(world->bar, &w->view);
	must(world, as_expected(world, world->rc, want), "bar_view should return %d",
	     want);
	if (world->rc < 0)
		return;
	w->has_view = true;
	w->view_generation = vfiosafe_device_generation(world->dev);
}

/* A view's generation is what its accesses must fail or succeed by. */
static bool expect(struct worker *w, int rc)
{
	struct world *world = w->world;
	int want = oracle_access(world, w->view_generation);

	world->rc = rc;
	world->faults += rc != want;
	must(world, as_expected(world, rc, want), "should return %d", want);
	return rc == 0;
}

static void begin(struct worker *w)
{
	struct open_section *open = &w->open[w->depth];
	struct world *world = w->world;

	if (!w->has_view || w->depth == DEPTH)
		return;
	if (!expect(w, vfiosafe_begin(&w->view, &open->sec)))
		return;
	open->generation = w->view_generation;
	open->losses = world->losses;
	open->touched = false;
	w->depth++;
}

static void touch(struct worker *w)
{
	struct open_section *open;
	volatile uint8_t *regs;

	if (w->depth == 0)
		return;
	open = &w->open[w->depth - 1];
	if (open->touched)
		return;
	regs = vfiosafe_ptr(&open->sec);
	open->got = *(volatile uint32_t *)(regs + VFIOSAFE_SIM_REG_HOLD);
	open->touched = true;
}

static void check(struct worker *w)
{
	struct world *world = w->world;
	const struct open_section *open;

	if (w->depth == 0)
		return;
	open = &w->open[w->depth - 1];
	world->rc = vfiosafe_check(&open->sec);
	must(world, as_expected(world, world->rc, oracle_access(world, open->generation)),
	     "check should return %d", oracle_access(world, open->generation));
}

static void end(struct worker *w)
{
	struct world *world = w->world;
	struct open_section *open;
	enum vfiosafe_state state = vfiosafe_device_state(world->dev);
	bool same;

	if (w->depth == 0)
		return;
	open = &w->open[--w->depth];
	same = vfiosafe_device_generation(world->dev) == open->generation;
	world->rc = vfiosafe_end(&open->sec);
	must(world,
	     (world->rc ==
	      0) == (same && (state == VFIOSAFE_LIVE || state == VFIOSAFE_QUIESCE)) ||
		     (world->rc == -EIO && (world->decode_taken || world->suspect)),
	     "a section of generation %llu ends so in %s",
	     (unsigned long long)open->generation, vfiosafe_state_name(state));
	if (world->rc < 0)
		return;
	must(world, open->losses == world->losses,
	     "a section ends well over a loss (C1)");
	if (open->touched && !world->blind)
		must(world, open->got == tag(open->generation), "it read 0x%x (C1)",
		     open->got);
}

static void read_hold(struct worker *w)
{
	struct world *world = w->world;
	uint32_t value = 0x77777777;

	if (!w->has_view)
		return;
	if (!expect(w, vfiosafe_read32(&w->view, VFIOSAFE_SIM_REG_HOLD, &value)))
		must(world, value == 0x77777777, "a failed read left 0x%x (C1)", value);
	else if (!world->blind)
		must(world, value == tag(w->view_generation), "read 0x%x (C1)", value);
}

static void read_ones(struct worker *w)
{
	struct world *world = w->world;
	uint32_t value = 0;

	if (w->has_view &&
	    expect(w, vfiosafe_read32(&w->view, VFIOSAFE_SIM_REG_ONES, &value)))
		must(world, value == UINT32_MAX, "the register of ones reads 0x%x",
		     value);
}

static void store(struct worker *w)
{
	struct world *world = w->world;
	uint64_t at = VFIOSAFE_SIM_REG_LOG + 8 * pick(world, VFIOSAFE_SIM_LOG_SLOTS);
	uint64_t of = world->tag_of[w->view_generation % KEPT];

	if (w->has_view && !world->blind)
		(void)expect(w, vfiosafe_write64(&w->view, at, of << 32 | 1));
}

static void misuse(struct worker *w)
{
	struct world *world = w->world;
	uint32_t value;

	if (!w->has_view)
		return;
	must(world, vfiosafe_read32(&w->view, 0x10000, &value) == -ERANGE, "no ERANGE");
	must(world, vfiosafe_read32(&w->view, 2, &value) == -EINVAL, "no EINVAL");
}

/* C8: what waits for sections refuses to run inside one. */
static void wait_inside(struct worker *w)
{
	struct world *world = w->world;
	struct vfiosafe_window *win;
	struct vfiosafe_bar *bar;

	if (w->depth == 0)
		return;
	must(world, vfiosafe_reset(world->dev, NULL) == -EDEADLK,
	     "reset in a section (C8)");
	must(world, vfiosafe_recover(world->dev, NULL) == -EDEADLK, "recover (C8)");
	must(world, vfiosafe_wait(world->dev, VFIOSAFE_FOREVER) == -EDEADLK, "wait (C8)");
	must(world, vfiosafe_device_close(world->dev, 1) == -EDEADLK, "close (C8)");
	must(world, vfiosafe_bar_unmap(world->bar, 1) == -EDEADLK, "unmap (C8)");
	must(world, vfiosafe_bar_map(&bar, world->dev, 0, 0, 0, 0) == -EDEADLK,
	     "map (C8)");
	must(world, vfiosafe_window_begin(&win, world->dev, NULL) == -EDEADLK,
	     "begin (C8)");
	must(world, vfiosafe_set_power(world->dev, VFIOSAFE_D3HOT, NULL) == -EDEADLK,
	     "power (C8)");
}

const struct op access_ops[] = {
	{ "renew", 12, renew },
	{ "begin", 12, begin },
	{ "touch", 12, touch },
	{ "check", 6, check },
	{ "end", 36, end },
	{ "read", 20, read_hold },
	{ "read ones", 4, read_ones },
	{ "store", 16, store },
	{ "misuse", 1, misuse },
	{ "wait inside", 2, wait_inside },
	{ NULL, 0, NULL },
};

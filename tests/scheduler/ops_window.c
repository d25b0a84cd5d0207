/* SPDX-License-Identifier: MIT */
/* Resets, in one call and step by step; recovery, marks, waiting. */
#include <errno.h>

#include "world.h"

static struct vfiosafe_reset_opts chance_opts(struct world *world)
{
	struct vfiosafe_reset_opts opts = { .size = sizeof(opts) };

	opts.timeout_ms = 1 + (uint32_t)pick(world, 40);
	opts.policy = one_in(world, 6) ? VFIOSAFE_POLICY_FORCE : VFIOSAFE_POLICY_ABORT;
	return opts;
}

static int64_t allowed(const struct vfiosafe_reset_opts *opts)
{
	/* Force gives the window its time once more. */
	return opts->timeout_ms * INT64_C(1000000) *
	       (opts->policy == VFIOSAFE_POLICY_FORCE ? 2 : 1);
}

/* What a whole window may return, and where the device is then. */
static void ended(struct world *world, int rc)
{
	enum vfiosafe_state state = vfiosafe_device_state(world->dev);

	world->rc = rc;
	world->windows += rc == 0;
	world->timeouts += rc == -ETIMEDOUT;
	must(world,
	     rc == 0 || rc == -ETIMEDOUT || rc == -ECANCELED || rc == -EOPNOTSUPP ||
		     (rc == -EBUSY && world->released) || rc == -EIO || rc == -ENODEV,
	     "no window ends like this");
	must(world, rc != 0 || state == VFIOSAFE_LIVE || state == VFIOSAFE_GONE,
	     "returned 0 in %s (C5)", vfiosafe_state_name(state));
	must(world, (rc == -ENODEV) == (state == VFIOSAFE_GONE), "in %s",
	     vfiosafe_state_name(state));
}

static void reset(struct worker *w)
{
	struct world *world = w->world;
	struct vfiosafe_reset_opts opts = chance_opts(world);
	int64_t began;

	if (w->depth > 0)
		return;
	world->forced = opts.policy == VFIOSAFE_POLICY_FORCE;
	began = begin_call(world);
	ended(world, one_in(world, 3) ? vfiosafe_recover(world->dev, &opts)
				      : vfiosafe_reset(world->dev, &opts));
	end_call(world, began, allowed(&opts));
}

static void recover(struct worker *w)
{
	if (vfiosafe_device_state(w->world->dev) == VFIOSAFE_FAULT)
		reset(w);
}

static void win_begin(struct worker *w)
{
	struct world *world = w->world;
	struct vfiosafe_reset_opts opts = chance_opts(world);

	if (w->depth > 0 || w->win)
		return;
	w->force = opts.policy == VFIOSAFE_POLICY_FORCE;
	world->rc = vfiosafe_window_begin(&w->win, world->dev, &opts);
	w->step = -EAGAIN;
	must(world,
	     world->rc == 0 || world->rc == -ENODEV ||
		     (world->rc == -EBUSY && world->released),
	     "begin fails");
}

static void win_over(struct worker *w)
{
	vfiosafe_window_end(w->win);
	w->win = NULL;
}

/* One step of a window, the one that it is time for. */
static void win_step(struct worker *w)
{
	struct world *world = w->world;
	int rc;

	if (w->depth > 0 || !w->win)
		return;
	world->forced = w->force;
	if (w->step == VFIOSAFE_STEP_COMMIT)
		rc = vfiosafe_window_commit(w->win);
	else if (w->step == VFIOSAFE_STEP_FINISH)
		rc = vfiosafe_window_finish(w->win);
	else
		rc = vfiosafe_window_poll(w->win);
	world->rc = rc;
	if (w->step == VFIOSAFE_STEP_COMMIT && rc == 0) {
		w->step = -EAGAIN;
	} else if (w->step == VFIOSAFE_STEP_FINISH || rc == VFIOSAFE_STEP_DONE ||
		   (rc < 0 && rc != -EAGAIN)) {
		world->windows += rc >= 0;
		win_over(w);
	} else {
		w->step = rc;
	}
}

static void win_wrong_step(struct worker *w)
{
	struct world *world = w->world;

	if (w->depth > 0 || !w->win)
		return;
	if (w->step != VFIOSAFE_STEP_COMMIT)
		must(world, vfiosafe_window_commit(w->win) == -EINVAL,
		     "commit too early");
	if (w->step != VFIOSAFE_STEP_FINISH)
		must(world, vfiosafe_window_finish(w->win) == -EINVAL,
		     "finish too early");
}

static void win_end(struct worker *w)
{
	if (w->depth == 0 && w->win)
		win_over(w);
}

static void wait_live(struct worker *w)
{
	struct world *world = w->world;
	int64_t ms = (int64_t)pick(world, 5) * 1000000, began = begin_call(world);
	int want = oracle_access(world, vfiosafe_device_generation(world->dev));

	if (w->depth > 0)
		return;
	world->rc = vfiosafe_wait(world->dev, world->now + ms);
	must(world,
	     world->rc == (want == -EAGAIN ? -ETIMEDOUT : want) ||
		     (world->rc == -EIO && (world->decode_taken || world->suspect)) ||
		     (world->rc == -EBUSY && world->released),
	     "wait should return %d", want);
	end_call(world, began, ms);
}

static void mark_lost(struct worker *w)
{
	struct world *world = w->world;

	if (!one_in(world, 8))
		return;
	world->rc = vfiosafe_mark_lost(world->dev, "by chance");
	must(world,
	     world->rc ==
		     (vfiosafe_device_state(world->dev) == VFIOSAFE_GONE ? -ENODEV : 0),
	     "mark_lost fails");
	if (world->rc == 0)
		world->losses++;
}

const struct op window_ops[] = {
	{ "reset", 6, reset },
	{ "recover", 12, recover },
	{ "window begin", 4, win_begin },
	{ "window step", 40, win_step },
	{ "window wrong step", 1, win_wrong_step },
	{ "window end", 1, win_end },
	{ "wait", 4, wait_live },
	{ "mark lost", 2, mark_lost },
	{ NULL, 0, NULL },
};

/* SPDX-License-Identifier: MIT */
/*
 * bed_sim.c - the device in software. Somebody else is this thread, with a dup of
 * the fd.
 */
#include <errno.h>

#include "rig.h"

static int sim_start(struct rig *rig)
{
	const struct vfiosafe_sim_opts opts = {
		.size = sizeof(opts),
		.window = VFIOSAFE_SIM_ALL_ONES,
	};
	int rc = vfiosafe_sim_open(&rig->at.sim, rig->card->name, &opts);

	rig->at.other = -1;
	if (rc < 0)
		return rc;
	rig->sys = vfiosafe_sim_sys(rig->at.sim);
	rig->address = vfiosafe_sim_address(rig->at.sim);
	return 0;
}

static void sim_stop(struct rig *rig)
{
	vfiosafe_sim_close(rig->at.sim);
	rig->at.sim = NULL;
}

static int sim_other_start(struct rig *rig)
{
	rig->at.other = rig->sys->dup(rig->sys->ctx, vfiosafe_device_fd(rig->dev));
	return rig->at.other < 0 ? rig->at.other : 0;
}

static void sim_other_stop(struct rig *rig)
{
	if (rig->at.other >= 0)
		rig->sys->close(rig->sys->ctx, rig->at.other);
	rig->at.other = -1;
}

static int sim_other_order(struct rig *rig, enum deed deed, bool undo)
{
	if (deed == DEED_SYSFS)
		vfiosafe_sim_reset_behind(rig->at.sim);
	rig->at.other_rc =
		deed == DEED_SYSFS ? 0 : behind(rig->sys, rig->at.other, deed, undo);
	return 0;
}

static int sim_other_done(struct rig *rig)
{
	return rig->at.other_rc;
}

static int sim_error(struct rig *rig, bool fatal)
{
	vfiosafe_sim_aer(rig->at.sim, fatal);
	return 0;
}

static int sim_remove(struct rig *rig, bool surprise)
{
	if (surprise)
		vfiosafe_sim_unplug(rig->at.sim);
	else
		vfiosafe_sim_request_release(rig->at.sim);
	return 0;
}

static int sim_await_gone(struct rig *rig)
{
	int64_t deadline = vfiosafe_deadline_in_ms(PATIENCE_MS);
	struct vfiosafe_sim_held held;

	for (;;) {
		vfiosafe_sim_held(rig->at.sim, &held);
		if (held.fds == 0 && held.mappings == 0)
			return 0;
		if (now_ns() > deadline)
			return -ETIMEDOUT;
		take_a_breath();
	}
}

static int sim_put_back(struct rig *rig)
{
	sim_stop(rig);
	return sim_start(rig);
}

const struct bed bed_sim = {
	.start = sim_start,
	.stop = sim_stop,
	.other_start = sim_other_start,
	.other_stop = sim_other_stop,
	.other_order = sim_other_order,
	.other_done = sim_other_done,
	.error = sim_error,
	.remove = sim_remove,
	.await_gone = sim_await_gone,
	.put_back = sim_put_back,
};

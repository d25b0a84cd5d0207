/* SPDX-License-Identifier: MIT */
/*
 * reset.c - reset windows, by VFIO and behind its back.
 *
 * All kinds of window take the device down in the same way: registers read as
 * ones, stores vanish. One that stalls drops the program's page table entries
 * first, one that faults takes the BAR away, so that nobody gets to see it.
 */
#include <errno.h>
#include "internal.h"

/* Keeps the device down for its time. Lock held, but let go while napping. */
static void wait_window(struct vfiosafe_sim *sim)
{
	int64_t end = vsim_now_ns() + (int64_t)sim->opts.window_us * 1000;
	int64_t left;

	while ((left = end - vsim_now_ns()) > 0) {
		pthread_mutex_unlock(&sim->lock);
		vsim_nap(left < VSIM_NAP_NS ? left : VSIM_NAP_NS);
		pthread_mutex_lock(&sim->lock);
		sim->model->stay_down(sim);
	}
}

void vsim_lose_state(struct vfiosafe_sim *sim)
{
	sim->counts.windows++;
	sim->model->down(sim);
	sim->counts.resets++;
	sim->model->up(sim);
}

/*
 * A store is of the generation in which it reached memory. Page table entries go
 * before the device takes note of what had arrived, and come back after it is up:
 * no store falls between.
 */
static void run_window(struct vfiosafe_sim *sim, enum vfiosafe_sim_window kind)
{
	bool stall = kind == VFIOSAFE_SIM_STALL;

	sim->config_locked = true;
	if (stall)
		vsim_stall_begin(&sim->stall);
	sim->window_faults = kind == VFIOSAFE_SIM_SIGBUS;
	vsim_bars_update(sim);
	/* The kernel goes to D0 first, with the BAR still away. */
	vsim_config_to_d0(sim);
	sim->counts.windows++;
	sim->model->down(sim);
	sim->down = true;
	vsim_bars_update(sim);
	wait_window(sim);
	sim->counts.resets++;
	sim->model->up(sim);
	sim->down = false;
	sim->window_faults = false;
	vsim_bars_update(sim);
	if (stall)
		vsim_stall_end(&sim->stall);
	sim->config_locked = false;
}

/* What the next window of its sort shows. Only VFIO's own can stall. */
static enum vfiosafe_sim_window next_kind(struct vfiosafe_sim *sim, bool behind)
{
	static const enum vfiosafe_sim_window all[] = {
		VFIOSAFE_SIM_ALL_ONES,
		VFIOSAFE_SIM_STALL,
		VFIOSAFE_SIM_SIGBUS,
	};
	uint64_t before = sim->windows[behind]++;
	enum vfiosafe_sim_window kind = sim->opts.window;

	if (kind == VFIOSAFE_SIM_MIXED)
		kind = all[before % 2];
	else if (kind == VFIOSAFE_SIM_ALL_KINDS)
		kind = behind ? all[before % 2 * 2] : all[before % 3];
	return behind && kind == VFIOSAFE_SIM_STALL ? VFIOSAFE_SIM_ALL_ONES : kind;
}

/* VFIO waits for its own lock, but only tries the kernel's. */
int vsim_reset(struct vfiosafe_sim *sim)
{
	int rc;

	pthread_mutex_lock(&sim->lock);
	rc = vsim_fail_once(sim, VFIOSAFE_SIM_CALL_RESET);
	if (rc < 0)
		goto out;
	while (sim->memory_locked)
		pthread_cond_wait(&sim->changed, &sim->lock);
	if (sim->config_locked) {
		rc = -EAGAIN;
		goto out;
	}
	sim->memory_locked = true;
	run_window(sim, next_kind(sim, false));
	sim->memory_locked = false;
	pthread_cond_broadcast(&sim->changed);
	rc = vsim_fail_once(sim, VFIOSAFE_SIM_CALL_RESET_DONE);
out:
	pthread_mutex_unlock(&sim->lock);
	return rc;
}

VFIOSAFE_API void vfiosafe_sim_reset_behind(struct vfiosafe_sim *sim)
{
	pthread_mutex_lock(&sim->lock);
	while (sim->config_locked)
		pthread_cond_wait(&sim->changed, &sim->lock);
	run_window(sim, next_kind(sim, true));
	pthread_cond_broadcast(&sim->changed);
	pthread_mutex_unlock(&sim->lock);
}

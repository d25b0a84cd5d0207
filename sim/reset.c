/* SPDX-License-Identifier: MIT */
/*
 * reset.c - reset windows, by VFIO and behind its back.
 *
 * All kinds of window take the device down in the same way: registers read as
 * dead, stores vanish. One that stalls drops the program's page table entries
 * first, one that faults takes the BAR away, so that nobody gets to see it.
 */
#include <errno.h>
#include <linux/pci_regs.h>
#include <string.h>
#include "dmabuf.h"
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
		vsim_stay_down(sim);
	}
}

/*
 * A store is of the generation in which it reached memory. Page table entries go
 * before the device takes note of what had arrived, and come back after it is up:
 * no store falls between.
 */
static void open_window(struct vfiosafe_sim *sim, enum vfiosafe_sim_window kind)
{
	sim->config_locked = true;
	if (kind == VFIOSAFE_SIM_STALL)
		vsim_stall_begin(&sim->stall);
	sim->window_faults = kind == VFIOSAFE_SIM_SIGBUS;
	vsim_bars_update(sim);
	/* The kernel goes to D0 first, with the BAR still away. */
	vsim_config_to_d0(sim);
	/* One that is gone is in a window that never ends. */
	sim->counts.windows += !sim->gone;
	sim->in_window = true;
	vsim_settle(sim, true);
	vsim_bars_update(sim);
}

static void close_window(struct vfiosafe_sim *sim, enum vfiosafe_sim_window kind)
{
	sim->counts.resets += !sim->gone;
	sim->in_window = false;
	vsim_settle(sim, true);
	sim->window_faults = false;
	vsim_bars_update(sim);
	if (kind == VFIOSAFE_SIM_STALL)
		vsim_stall_end(&sim->stall);
	sim->config_locked = false;
	pthread_cond_broadcast(&sim->changed);
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

/* As the hardware comes out of it that nobody restores. */
static void forget_config(struct vfiosafe_sim *sim)
{
	memset(&sim->config[PCI_COMMAND], 0, 2);
	memset(&sim->config[VSIM_EXP + PCI_EXP_DEVCTL], 0, 2);
	sim->deaf = true;
}

/* Somebody else has the device's lock for a moment; always the same sequence. */
bool vsim_contended(struct vfiosafe_sim *sim)
{
	sim->contention_seed = sim->contention_seed * 1664525 + 1013904223;
	return (sim->contention_seed >> 16) % 100 < sim->contention;
}

/*
 * VFIO waits for its own lock, and has it, but only tries the kernel's. Those stay
 * with whoever wants the device back.
 */
static int try_reset(struct vfiosafe_sim *sim, bool forgets)
{
	enum vfiosafe_sim_window kind;

	if (sim->no_reset_method)
		return -ENOTTY;
	if (sim->config_locked || sim->releasing || vsim_contended(sim))
		return -EAGAIN;
	sim->counts.mastering_resets += vsim_bus_master(sim);
	sim->memory_locked = true;
	kind = next_kind(sim, false);
	open_window(sim, kind);
	wait_window(sim);
	if (forgets)
		forget_config(sim);
	close_window(sim, kind);
	sim->memory_locked = false;
	pthread_cond_broadcast(&sim->changed);
	return sim->gone ? -ENOTTY : 0;
}

/* The device's part of VFIO_DEVICE_RESET. */
static int reset_device(struct vfiosafe_sim *sim)
{
	int rc = try_reset(sim, false);

	if (rc == 0)
		rc = vsim_fail_once(sim, VFIOSAFE_SIM_CALL_RESET_DONE);
	/* A reset that is refused has woken the device all the same. */
	if (!sim->gone)
		vsim_config_to_d0(sim);
	vsim_bars_update(sim);
	return rc;
}

int vsim_reset(struct vfiosafe_sim *sim)
{
	int rc;

	pthread_mutex_lock(&sim->lock);
	rc = vsim_fail_once(sim, VFIOSAFE_SIM_CALL_RESET);
	while (sim->memory_locked)
		pthread_cond_wait(&sim->changed, &sim->lock);
	/* Also by a reset that is refused then. */
	vsim_dmabufs_revoke(sim);
	if (rc == 0)
		rc = reset_device(sim);
	vsim_dmabufs_allow(sim);
	pthread_mutex_unlock(&sim->lock);
	return rc;
}

/*
 * By a write to configuration space. From D3hot the kernel saves what a device
 * has that forgot its configuration on the way up, and puts that back.
 */
void vsim_config_reset(struct vfiosafe_sim *sim)
{
	bool forgets;

	pthread_mutex_lock(&sim->lock);
	while (sim->memory_locked)
		pthread_cond_wait(&sim->changed, &sim->lock);
	forgets = vsim_power_state(sim) != 0 &&
		  !(sim->opts.flags & VFIOSAFE_SIM_NO_SOFT_RESET);
	vsim_dmabufs_revoke(sim);
	(void)try_reset(sim, forgets);
	vsim_dmabufs_allow(sim);
	pthread_mutex_unlock(&sim->lock);
}

VFIOSAFE_API void vfiosafe_sim_reset_behind(struct vfiosafe_sim *sim)
{
	enum vfiosafe_sim_window kind;

	pthread_mutex_lock(&sim->lock);
	while (sim->config_locked)
		pthread_cond_wait(&sim->changed, &sim->lock);
	kind = next_kind(sim, true);
	open_window(sim, kind);
	wait_window(sim);
	close_window(sim, kind);
	pthread_mutex_unlock(&sim->lock);
}

VFIOSAFE_API void vfiosafe_sim_aer(struct vfiosafe_sim *sim, bool fatal)
{
	pthread_mutex_lock(&sim->lock);
	while (fatal && sim->config_locked)
		pthread_cond_wait(&sim->changed, &sim->lock);
	vsim_eventfd_signal(sim->irqs.err_fd);
	if (fatal) {
		open_window(sim, VFIOSAFE_SIM_ALL_ONES);
		wait_window(sim);
		forget_config(sim);
		close_window(sim, VFIOSAFE_SIM_ALL_ONES);
	}
	pthread_mutex_unlock(&sim->lock);
}

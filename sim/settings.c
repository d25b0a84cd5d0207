/* SPDX-License-Identifier: MIT */
/*
 * settings.c - what can be changed while the device runs.
 */
#include <errno.h>
#include "internal.h"

#define REQUEST_US 10000000 /* as the kernel */

void vsim_settings_init(struct vfiosafe_sim *sim)
{
	sim->vectors_free = UINT64_MAX;
	sim->memlock = UINT64_MAX;
	sim->request_us = REQUEST_US;
	sim->contention_seed = 1;
}

bool vsim_may_stall(enum vfiosafe_sim_window window)
{
	return window == VFIOSAFE_SIM_STALL || window == VFIOSAFE_SIM_MIXED ||
	       window == VFIOSAFE_SIM_ALL_KINDS;
}

static int set_window(struct vfiosafe_sim *sim, uint64_t value)
{
	if (value > VFIOSAFE_SIM_ALL_KINDS)
		return -EINVAL;
	if (sim->stall.uffd < 0 && vsim_may_stall((enum vfiosafe_sim_window)value))
		return -EPERM;
	sim->opts.window = (enum vfiosafe_sim_window)value;
	return 0;
}

static int set_us(uint32_t *us, uint64_t value)
{
	if (value > UINT32_MAX)
		return -EINVAL;
	*us = (uint32_t)value;
	return 0;
}

static int set_contention(struct vfiosafe_sim *sim, uint64_t value)
{
	if (value > 100)
		return -EINVAL;
	sim->contention = value;
	return 0;
}

static int set(struct vfiosafe_sim *sim, enum vfiosafe_sim_setting setting,
	       uint64_t value)
{
	switch (setting) {
	case VFIOSAFE_SIM_SET_WINDOW:
		return set_window(sim, value);
	case VFIOSAFE_SIM_SET_WINDOW_US:
		return set_us(&sim->opts.window_us, value);
	case VFIOSAFE_SIM_SET_READY_US:
		return set_us(&sim->opts.ready_us, value);
	case VFIOSAFE_SIM_SET_CONTENTION:
		return set_contention(sim, value);
	case VFIOSAFE_SIM_SET_NO_RESET_METHOD:
		sim->no_reset_method = value;
		return 0;
	case VFIOSAFE_SIM_SET_REFUSE_D3HOT:
		sim->refuse_d3hot = value;
		return 0;
	case VFIOSAFE_SIM_SET_VECTORS_FREE:
		sim->vectors_free = value;
		return 0;
	case VFIOSAFE_SIM_SET_MEMLOCK:
		sim->memlock = value;
		return 0;
	case VFIOSAFE_SIM_SET_SUSPEND_US:
		return set_us(&sim->suspend_us, value);
	case VFIOSAFE_SIM_SET_LATENCY_US:
		return set_us(&sim->latency_us, value);
	case VFIOSAFE_SIM_SET_REQUEST_US:
		return set_us(&sim->request_us, value);
	}
	return -EINVAL;
}

VFIOSAFE_API int vfiosafe_sim_set(struct vfiosafe_sim *sim,
				  enum vfiosafe_sim_setting setting, uint64_t value)
{
	int rc;

	pthread_mutex_lock(&sim->lock);
	rc = set(sim, setting, value);
	pthread_mutex_unlock(&sim->lock);
	return rc;
}

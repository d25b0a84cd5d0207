/* SPDX-License-Identifier: MIT */
/*
 * events.c - what comes over a device from outside: the kernel wants it back,
 * somebody pulls it out.
 */
#include "internal.h"

void vsim_events_tick(struct vfiosafe_sim *sim)
{
	if (!sim->releasing || vsim_now_ns() < sim->request_ns)
		return;
	vsim_eventfd_signal(sim->irqs.req_fd);
	sim->request_ns = vsim_now_ns() + (int64_t)sim->request_us * 1000;
}

static void request(struct vfiosafe_sim *sim)
{
	sim->releasing = true;
	sim->request_ns = 0;
	vsim_events_tick(sim);
}

VFIOSAFE_API void vfiosafe_sim_request_release(struct vfiosafe_sim *sim)
{
	pthread_mutex_lock(&sim->lock);
	request(sim);
	pthread_mutex_unlock(&sim->lock);
}

/* A window that is open now never ends. */
VFIOSAFE_API void vfiosafe_sim_unplug(struct vfiosafe_sim *sim)
{
	pthread_mutex_lock(&sim->lock);
	if (!sim->gone) {
		sim->counts.windows += !sim->in_window;
		sim->gone = true;
		vsim_settle(sim, false);
		request(sim);
	}
	pthread_mutex_unlock(&sim->lock);
}

VFIOSAFE_API void vfiosafe_sim_interrupt(struct vfiosafe_sim *sim, uint32_t vector)
{
	pthread_mutex_lock(&sim->lock);
	vsim_irq_raise(sim, vector);
	pthread_mutex_unlock(&sim->lock);
}

/* SPDX-License-Identifier: MIT */
/*
 * serve.c - the thread that is the device: it looks at the registers, naps, looks
 * again. The nap is the device's clock, not a way to wait for anything.
 */
#include <signal.h>
#include "internal.h"

static void *serve(void *arg)
{
	struct vfiosafe_sim *sim = arg;

	/* Acquire pairs with vsim_serve_stop(). */
	while (!__atomic_load_n(&sim->stop, __ATOMIC_ACQUIRE)) {
		pthread_mutex_lock(&sim->lock);
		if (!sim->down)
			vsim_tick(sim);
		else if (!sim->in_window)
			vsim_stay_down(sim);
		if (!sim->in_window)
			vsim_stall_serve(&sim->stall);
		vsim_events_tick(sim);
		pthread_mutex_unlock(&sim->lock);
		vsim_nap(VSIM_NAP_NS);
	}
	return NULL;
}

/* Signals are the program's: none may end up on a thread it does not know. */
int vsim_serve_start(struct vfiosafe_sim *sim)
{
	sigset_t all;
	sigset_t before;
	int rc;

	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before);
	rc = pthread_create(&sim->thread, NULL, serve, sim);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (rc == 0)
		pthread_setname_np(sim->thread, "vfiosafe-sim");
	return -rc;
}

void vsim_serve_stop(struct vfiosafe_sim *sim)
{
	__atomic_store_n(&sim->stop, true, __ATOMIC_RELEASE);
	pthread_join(sim->thread, NULL);
}

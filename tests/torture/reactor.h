/* SPDX-License-Identifier: MIT */
/*
 * reactor.h - loops that must not block, their device, and the kernel's calls as the
 * library makes them: counted if they sleep on a loop, and slow in the reset.
 */
#ifndef TORTURE_REACTOR_H
#define TORTURE_REACTOR_H

#include <errno.h>
#include <linux/vfio.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <string.h>

#include "qsbr.h"
#include "rig.h"

#define LCORES QSBR_READERS
#define IN_COMMIT 50 /* turns of each loop that a reset waits for */

enum step { IDLE, POLL, COMMIT, COMMITTED, STEPS };

struct lcore {
	unsigned int index;
	uint64_t turns; /* atomic: the helper looks */
	uint64_t raw, guarded, refused, wrong;
	int unexpected; /* an error that no window explains */
	uint32_t slot;
	pthread_t thread;
};

static struct app {
	struct rig rig;
	const struct vfiosafe_sys *sim_sys;
	struct vfiosafe_sys sys;
	struct lcore lcore[LCORES];
	struct qsbr qsbr;
	uint64_t drain_window, drain_token;
	unsigned int drains, not_yet, resumes;
	bool stop; /* atomic */

	/* Of the driving loop. */
	enum step step; /* atomic: COMMITTED by the helper */
	struct vfiosafe_window *win;
	unsigned int windows, resets;
	uint64_t turns_open; /* its turns while a window was open */
	uint64_t live_since[LCORES]; /* turns that each had made then */

	/* The helper. */
	sem_t work;
	int commit_rc;
	bool helper_ends;

	unsigned int blocked; /* atomic: calls that sleep, made by a loop */
} app;

static __thread bool is_lcore;

/* The kernel's calls that block, as the library makes them: not from a loop. */
static inline void must_not_block(void)
{
	if (is_lcore)
		__atomic_fetch_add(&app.blocked, 1, __ATOMIC_RELAXED);
}

static inline int sleep_ns(void *ctx, int64_t ns)
{
	must_not_block();
	return app.sim_sys->sleep_ns(ctx, ns);
}

static inline int futex_wait(void *ctx, const uint32_t *word, uint32_t value,
			     int64_t deadline)
{
	must_not_block();
	return app.sim_sys->futex_wait(ctx, word, value, deadline);
}

static inline uint64_t turns(unsigned int lcore)
{
	return __atomic_load_n(&app.lcore[lcore].turns, __ATOMIC_RELAXED);
}

/*
 * The call returns when every loop, the driving one too, went on for some turns. After
 * the reset: before it, that would be a grace period.
 */
static inline int ioctl_slow(void *ctx, int fd, unsigned long request, void *arg)
{
	uint64_t before[LCORES];
	int rc = app.sim_sys->ioctl(ctx, fd, request, arg);

	if (request != VFIO_DEVICE_RESET)
		return rc;
	must_not_block();
	for (unsigned int i = 0; i < LCORES; i++)
		before[i] = turns(i);
	for (unsigned int i = 0; i < LCORES; i++)
		while (turns(i) < before[i] + IN_COMMIT)
			sched_yield();
	return rc;
}

/* On the driving loop, a reader itself: so it is never over at the first question. */
static inline int drain(void *ctx, uint64_t window, int64_t deadline)
{
	(void)ctx;
	(void)deadline;
	if (window != app.drain_window) {
		app.drain_window = window;
		app.drain_token = qsbr_start(&app.qsbr);
		app.drains++;
	}
	if (qsbr_check(&app.qsbr, app.drain_token))
		return 0;
	app.not_yet++;
	return -EAGAIN;
}

static inline int resume(struct vfiosafe_device *dev, void *ctx)
{
	(void)dev;
	(void)ctx;
	app.resumes++;
	return 0;
}

static inline int reinit(struct vfiosafe_device *dev, void *ctx)
{
	(void)ctx;
	return rig_reinit(dev, &app.rig);
}

static inline void app_open(void)
{
	static const struct vfiosafe_sim_opts sim_opts = { .size = sizeof(sim_opts),
							   .window_us = 50 };
	static const struct vfiosafe_driver_ops ops = {
		.size = sizeof(ops),
		.resume = resume,
		.reinit = reinit,
	};
	struct vfiosafe_device_opts opts = { .size = sizeof(opts), .drain = drain };
	struct rig *rig = &app.rig;

	memset(&app, 0, sizeof(app));
	sem_init(&app.work, 0, 0);
	assert_int_equal(vfiosafe_sim_open(&rig->sim, "sim:reg", &sim_opts), 0);
	app.sim_sys = vfiosafe_sim_sys(rig->sim);
	app.sys = *app.sim_sys;
	app.sys.sleep_ns = sleep_ns;
	app.sys.futex_wait = futex_wait;
	app.sys.ioctl = ioctl_slow;
	opts.sys = &app.sys;
	assert_int_equal(vfiosafe_device_from_fd(&rig->dev, vfiosafe_sim_device_fd(rig->sim),
						 &opts),
			 0);
	assert_int_equal(vfiosafe_bar_map(&rig->bar, rig->dev, 0, 0, 0, 0), 0);
	assert_int_equal(vfiosafe_device_set_driver(rig->dev, &ops, NULL), 0);
	assert_int_equal(rig_reinit(rig->dev, rig), 0);
}

#endif

/* SPDX-License-Identifier: MIT */
#include "unit_driver.h"

struct driver driver;

static int run(struct vfiosafe_device *dev, enum callback which)
{
	static const char *const names[] = { "quiesce", "resume", "ready", "reinit",
					     "lost" };
	unsigned int n = ++driver.count[which];

	fake_note(&bench.k, "%s", names[which]);
	fake_advance_ms(&bench.k, driver.takes_ms[which]);
	if (driver.inside)
		driver.inside(dev, which);
	return driver.times[which] && n > driver.times[which] ? 0 : driver.rc[which];
}

static int quiesce(struct vfiosafe_device *dev, void *ctx)
{
	assert_ptr_equal(ctx, &driver);
	assert_state(QUIESCE);
	return run(dev, QUIESCE);
}

static int resume(struct vfiosafe_device *dev, void *ctx)
{
	(void)ctx;
	return run(dev, RESUME);
}

static int ready(struct vfiosafe_device *dev, void *ctx)
{
	(void)ctx;
	assert_state(REINIT);
	return run(dev, READY);
}

static int reinit(struct vfiosafe_device *dev, void *ctx)
{
	(void)ctx;
	return run(dev, REINIT);
}

static void lost(struct vfiosafe_device *dev, void *ctx, enum vfiosafe_cause cause)
{
	(void)ctx;
	assert_state(FAULT);
	driver.cause = cause;
	(void)run(dev, LOST);
}

int driver_set(void)
{
	const struct vfiosafe_driver_ops ops = {
		.size = sizeof(ops),
		.quiesce = quiesce,
		.resume = resume,
		.ready = ready,
		.reinit = reinit,
		.lost = lost,
	};

	return vfiosafe_device_set_driver(bench.dev, &ops, &driver);
}

int driver_setup(void **state)
{
	memset(&driver, 0, sizeof(driver));
	bench_setup_open(state);
	return driver_set();
}

int reset_ms(uint32_t ms)
{
	const struct vfiosafe_reset_opts opts = { .size = sizeof(opts),
						  .timeout_ms = ms };

	fake_log_clear(&bench.k);
	return vfiosafe_reset(bench.dev, &opts);
}

struct vfiosafe_window *window_begin(uint32_t timeout_ms)
{
	const struct vfiosafe_reset_opts opts = { .size = sizeof(opts),
						  .timeout_ms = timeout_ms };
	struct vfiosafe_window *win = NULL;

	assert_ok(vfiosafe_window_begin(&win, bench.dev, &opts));
	assert_non_null(win);
	return win;
}

struct vfiosafe_window *window_committed(void)
{
	struct vfiosafe_window *win = window_begin(1000);

	assert_int_equal(vfiosafe_window_poll(win), VFIOSAFE_STEP_COMMIT);
	assert_ok(vfiosafe_window_commit(win));
	return win;
}

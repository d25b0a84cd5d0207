/* SPDX-License-Identifier: MIT */
/*
 * Three poll loops that never block, as DPDK's lcores or SPDK's reactors. Each touches
 * the device by raw pointers, guarded by quiescent states of its own (qsbr.h), and in
 * sections of the library. One drives windows from its loop, a step a turn; only the
 * commit runs on another thread.
 */
#include <errno.h>
#include <linux/vfio.h>
#include <pthread.h>
#include <semaphore.h>
#include <string.h>

#include "qsbr.h"
#include "rig.h"

#define LCORES QSBR_READERS
#define WINDOWS 200
#define GIVEN_UP 7   /* every 7th window ends before its commit */
#define IN_COMMIT 50 /* turns of each loop that a reset waits for */
#define LINGER 100000 /* looks at the state */

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
static void must_not_block(void)
{
	if (is_lcore)
		__atomic_fetch_add(&app.blocked, 1, __ATOMIC_RELAXED);
}

static int sleep_ns(void *ctx, int64_t ns)
{
	must_not_block();
	return app.sim_sys->sleep_ns(ctx, ns);
}

static int futex_wait(void *ctx, const uint32_t *word, uint32_t value, int64_t deadline)
{
	must_not_block();
	return app.sim_sys->futex_wait(ctx, word, value, deadline);
}

static uint64_t turns(unsigned int lcore)
{
	return __atomic_load_n(&app.lcore[lcore].turns, __ATOMIC_RELAXED);
}

/*
 * The call returns when every loop, the driving one too, went on for some turns. After
 * the reset: before it, that would be a grace period.
 */
static int ioctl_slow(void *ctx, int fd, unsigned long request, void *arg)
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
static int drain(void *ctx, uint64_t window, int64_t deadline)
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

static int resume(struct vfiosafe_device *dev, void *ctx)
{
	(void)dev;
	(void)ctx;
	app.resumes++;
	return 0;
}

static int reinit(struct vfiosafe_device *dev, void *ctx)
{
	(void)ctx;
	return rig_reinit(dev, &app.rig);
}

static volatile void *at(volatile void *base, uint32_t offset)
{
	return (volatile uint8_t *)base + offset;
}

/*
 * Stays where it is, now and then, until a window has been announced and for some time
 * more: whoever does not wait for it has reset the device by then.
 */
static void linger(const struct lcore *lcore)
{
	const struct vfiosafe_device *dev = app.rig.dev;

	if (lcore->index == 0 || lcore->turns % 64)
		return;
	for (int i = 0; i < LINGER / 10 && vfiosafe_device_state(dev) == VFIOSAFE_LIVE; i++)
		;
	for (int i = 0; i < LINGER && vfiosafe_device_state(dev) == VFIOSAFE_QUIESCE; i++)
		;
}

static void touch(struct lcore *lcore, volatile void *base, uint64_t *wrong)
{
	const struct rig *rig = &app.rig;
	/* Of this loop alone: 1,024 slots each. */
	uint32_t slot = lcore->index * 1024 + lcore->slot++ % 1024;

	*(volatile uint64_t *)at(base, VFIOSAFE_SIM_REG_LOG + 8 * slot) =
		rig->generation << 32 | 1;
	*wrong += *(volatile uint32_t *)at(base, VFIOSAFE_SIM_REG_HOLD) != rig->want;
}

/*
 * No call of the library guards this, and nothing is looked at twice: LIVE was seen
 * after the last quiescent state, so no window gets past its drain before the next.
 */
static void touch_raw(struct lcore *lcore)
{
	if (vfiosafe_device_state(app.rig.dev) != VFIOSAFE_LIVE)
		return;
	linger(lcore);
	touch(lcore, vfiosafe_bar_address(app.rig.bar), &lcore->wrong);
	lcore->raw++;
}

static void touch_guarded(struct lcore *lcore)
{
	struct vfiosafe_section sec;
	uint64_t wrong = 0;
	int rc = vfiosafe_begin(&app.rig.view, &sec);

	if (rc == 0) {
		linger(lcore);
		touch(lcore, vfiosafe_ptr(&sec), &wrong);
		rc = vfiosafe_end(&sec);
	}
	if (rc == 0) {
		lcore->wrong += wrong;
		lcore->guarded++;
	} else if (rc == -EAGAIN || rc == -ESTALE) {
		lcore->refused++;
	} else {
		lcore->unexpected = rc;
	}
}

static enum step step_now(void)
{
	return __atomic_load_n(&app.step, __ATOMIC_ACQUIRE);
}

static void go_to(enum step step)
{
	__atomic_store_n(&app.step, step, __ATOMIC_RELEASE);
}

static void window_over(int rc)
{
	app.lcore[0].unexpected |= rc;
	app.resets += rc == 0 && app.win && app.windows % GIVEN_UP != 0;
	vfiosafe_window_end(app.win);
	app.win = NULL;
	for (unsigned int i = 0; i < LCORES; i++)
		app.live_since[i] = turns(i);
	go_to(IDLE);
}

/* Has each loop been round while the device was LIVE? */
static bool all_were_round(void)
{
	for (unsigned int i = 0; i < LCORES; i++)
		if (turns(i) < app.live_since[i] + 2)
			return false;
	return true;
}

static void begin_window(void)
{
	const struct vfiosafe_reset_opts opts = { .size = sizeof(opts),
						  .timeout_ms = 60000 };
	int rc = vfiosafe_window_begin(&app.win, app.rig.dev, &opts);

	app.windows++;
	if (rc < 0)
		window_over(rc);
	else
		go_to(POLL);
}

static void poll_window(void)
{
	int rc = vfiosafe_window_poll(app.win);

	if (rc == -EAGAIN)
		return;
	if (rc == VFIOSAFE_STEP_FINISH) {
		window_over(vfiosafe_window_finish(app.win));
	} else if (rc != VFIOSAFE_STEP_COMMIT || app.windows % GIVEN_UP == 0) {
		window_over(rc < 0 ? rc : 0);
	} else {
		go_to(COMMIT);
		sem_post(&app.work);
	}
}

/* One step of the window a turn, beside the loop's other work. */
static void drive(void)
{
	enum step step = step_now();

	app.turns_open += step != IDLE;
	if (step == IDLE && !all_were_round())
		return;
	if (step == IDLE && app.windows < WINDOWS) {
		begin_window();
	} else if (step == IDLE) {
		__atomic_store_n(&app.stop, true, __ATOMIC_RELEASE);
	} else if (step == POLL) {
		poll_window();
	} else if (step == COMMITTED) {
		if (app.commit_rc == 0)
			go_to(POLL);
		else
			window_over(app.commit_rc);
	}
}

static void *lcore_main(void *arg)
{
	struct lcore *lcore = arg;

	is_lcore = true;
	while (!__atomic_load_n(&app.stop, __ATOMIC_ACQUIRE)) {
		qsbr_quiescent(&app.qsbr, lcore->index);
		touch_raw(lcore);
		touch_guarded(lcore);
		if (lcore->index == 0)
			drive();
		__atomic_fetch_add(&lcore->turns, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

static void *helper_main(void *arg)
{
	(void)arg;
	for (;;) {
		sem_wait(&app.work);
		if (app.helper_ends)
			return NULL;
		app.commit_rc = vfiosafe_window_commit(app.win);
		go_to(COMMITTED);
	}
}

static void app_open(void)
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

static void app_run(void)
{
	pthread_t helper;

	assert_int_equal(pthread_create(&helper, NULL, helper_main, NULL), 0);
	for (unsigned int i = 0; i < LCORES; i++) {
		app.lcore[i].index = i;
		assert_int_equal(pthread_create(&app.lcore[i].thread, NULL, lcore_main,
						&app.lcore[i]),
				 0);
	}
	for (unsigned int i = 0; i < LCORES; i++)
		pthread_join(app.lcore[i].thread, NULL);
	app.helper_ends = true;
	sem_post(&app.work);
	pthread_join(helper, NULL);
}

static void loops_go_on_through_windows_and_see_nothing_wrong(void **state)
{
	struct vfiosafe_sim_counts counts;

	(void)state;
	app_open();
	app_run();
	for (unsigned int i = 0; i < LCORES; i++) {
		assert_int_equal(app.lcore[i].unexpected, 0);
		assert_int_equal(app.lcore[i].wrong, 0);
		assert_true(app.lcore[i].raw > 0 && app.lcore[i].guarded > 0);
		assert_true(app.lcore[i].refused > 0);
	}
	assert_int_equal(app.blocked, 0);
	assert_int_equal(app.resets, WINDOWS - WINDOWS / GIVEN_UP);
	assert_int_equal(app.resumes, WINDOWS / GIVEN_UP);
	assert_int_equal(app.drains, WINDOWS);
	assert_true(app.not_yet >= WINDOWS);
	assert_true(app.turns_open >= (uint64_t)app.resets * IN_COMMIT);
	assert_int_equal(vfiosafe_device_generation(app.rig.dev), app.resets + 1);
	vfiosafe_sim_counts(app.rig.sim, &counts);
	assert_int_equal(counts.resets, app.resets);
	assert_true(counts.stores > 0);
	assert_int_equal(counts.foreign_stores, 0);
	assert_int_equal(counts.lost_stores, 0);
	rig_close(&app.rig);
	sem_destroy(&app.work);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(loops_go_on_through_windows_and_see_nothing_wrong),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/*
 * Three poll loops that never block, as DPDK's lcores or SPDK's reactors. Each touches
 * the device by raw pointers, guarded by quiescent states of its own (qsbr.h), and in
 * sections of the library. One drives windows from its loop, a step a turn; only the
 * commit runs on another thread.
 */
#include "reactor.h"

#define WINDOWS 200
#define GIVEN_UP 7    /* every 7th window ends before its commit */
#define LINGER 100000 /* looks at the state */

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
		/* Whatever the load: all but the first of its turns within each commit. */
		assert_true(app.lcore[i].refused >= (uint64_t)app.resets * (IN_COMMIT - 1));
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

/* SPDX-License-Identifier: MIT */
/* Resets by force, over a section that does not end and stores on. */
#include "fault_rig.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>

/* A thread that stays in a section and stores into the device's log. */
struct straggler {
	struct rig *rig;
	bool stop;
	uint64_t stores; /* made so far */
	uint32_t seen;	 /* its last load of ID */
	int end;
	pthread_t thread;
};

static void *store_on(void *arg)
{
	struct straggler *s = arg;
	uint64_t stamp = s->rig->generation << 32;
	struct vfiosafe_section sec;
	int rc = vfiosafe_begin(&s->rig->view, &sec);
	uint32_t n = 0;

	while (rc == 0 && !__atomic_load_n(&s->stop, __ATOMIC_ACQUIRE)) {
		*rig_log(s->rig, n) = stamp | 1;
		s->seen = *rig_reg32(s->rig, VFIOSAFE_SIM_REG_ID);
		__atomic_store_n(&s->stores, ++n, __ATOMIC_RELEASE);
	}
	s->end = rc < 0 ? rc : vfiosafe_end(&sec);
	return NULL;
}

static uint64_t stores(const struct straggler *s)
{
	return __atomic_load_n(&s->stores, __ATOMIC_ACQUIRE);
}

static void straggle(struct straggler *s, struct rig *rig)
{
	*s = (struct straggler){ .rig = rig };
	assert_int_equal(pthread_create(&s->thread, NULL, store_on, s), 0);
	until(stores(s) > 0);
}

static void leave(struct straggler *s)
{
	__atomic_store_n(&s->stop, true, __ATOMIC_RELEASE);
	assert_int_equal(pthread_join(s->thread, NULL), 0);
}

/* A thread that resets, so that the test can act meanwhile. */
struct resetter {
	struct rig *rig;
	struct vfiosafe_reset_opts opts;
	int rc;
	bool done;
	pthread_t thread;
};

static void *reset_by_force(void *arg)
{
	struct resetter *r = arg;

	r->rc = vfiosafe_reset(r->rig->dev, &r->opts);
	__atomic_store_n(&r->done, true, __ATOMIC_RELEASE);
	return NULL;
}

static void start_reset(struct resetter *r, struct rig *rig, uint32_t timeout_ms)
{
	*r = (struct resetter){
		.rig = rig,
		.opts = { .size = sizeof(r->opts),
			  .timeout_ms = timeout_ms,
			  .policy = VFIOSAFE_POLICY_FORCE },
	};
	assert_int_equal(pthread_create(&r->thread, NULL, reset_by_force, r), 0);
}

static bool is_done(const struct resetter *r)
{
	return __atomic_load_n(&r->done, __ATOMIC_ACQUIRE);
}

static struct vfiosafe_reset_opts force(uint32_t timeout_ms)
{
	return (struct vfiosafe_reset_opts){ .size = sizeof(struct vfiosafe_reset_opts),
					     .timeout_ms = timeout_ms,
					     .policy = VFIOSAFE_POLICY_FORCE };
}

static void late_stores_land_in_private_memory(void **state)
{
	struct straggler s;
	struct resetter r;
	struct rig rig;
	uint64_t after;
	int64_t start;

	(void)state;
	rig_install();
	rig_open(&rig, NULL);
	straggle(&s, &rig);
	start = now_ms();
	/* Longer than it takes the straggler below to do what it shall. */
	start_reset(&r, &rig, 2000);
	until(rig_counts(&rig).resets == 1);
	assert_true(now_ms() - start >= 2000);
	after = stores(&s);
	until(stores(&s) > after + 20000);
	assert_false(is_done(&r));
	assert_int_equal(vfiosafe_device_state(rig.dev), VFIOSAFE_REINIT);
	assert_int_equal(rig.reinits, 0);
	leave(&s);
	pthread_join(r.thread, NULL);
	assert_int_equal(r.rc, 0);
	assert_int_equal(s.seen, UINT32_MAX);
	assert_int_equal(s.end, -EAGAIN);
	rig_assert_live(&rig);
	assert_int_equal(vfiosafe_device_generation(rig.dev), 2);
	assert_int_equal(count_maps(ONES_MAP), 0);
	assert_int_equal(rig_counts(&rig).foreign_stores, 0);
	assert_true(rig_counts(&rig).stores > 0);
	rig_close(&rig);
	rig_restore();
}

static void a_section_that_stays_leaves_the_device_in_fault(void **state)
{
	struct vfiosafe_reset_opts soon = force(20);
	struct straggler s;
	struct rig rig;
	uint64_t after;

	(void)state;
	rig_install();
	rig_open(&rig, NULL);
	straggle(&s, &rig);
	for (uint64_t i = 1; i <= 3; i++) {
		assert_int_equal(vfiosafe_reset(rig.dev, &soon), -EIO);
		assert_int_equal(rig_counts(&rig).resets, i);
		rig_assert_fault(&rig, VFIOSAFE_CAUSE_STUCK);
		assert_int_equal(rig.lost, i);
		assert_int_equal(rig.lost_cause, VFIOSAFE_CAUSE_STUCK);
		after = stores(&s);
		until(stores(&s) > after + 1000);
	}
	leave(&s);
	assert_int_equal(s.end, -EIO);
	assert_int_equal(vfiosafe_recover(rig.dev, NULL), 0);
	rig_assert_live(&rig);
	assert_int_equal(rig_counts(&rig).foreign_stores, 0);
	assert_int_equal(count_maps(ONES_MAP), 0);
	rig_close(&rig);
	rig_restore();
}

static void without_force_nothing_is_lost(void **state)
{
	struct vfiosafe_reset_opts soon = force(20);
	struct straggler s;
	struct rig rig;

	(void)state;
	rig_install();
	rig_open(&rig, NULL);
	straggle(&s, &rig);
	soon.policy = VFIOSAFE_POLICY_ABORT;
	assert_int_equal(vfiosafe_reset(rig.dev, &soon), -ETIMEDOUT);
	assert_int_equal(vfiosafe_device_state(rig.dev), VFIOSAFE_LIVE);
	assert_int_equal(rig_counts(&rig).resets, 0);
	assert_int_equal(count_maps(ONES_MAP), 0);
	leave(&s);
	assert_int_equal(s.end, 0);
	assert_int_equal(s.seen, VFIOSAFE_SIM_ID);
	soon.policy = (enum vfiosafe_policy)2;
	assert_int_equal(vfiosafe_reset(rig.dev, &soon), -EINVAL);
	rig_close(&rig);
	rig_restore();
}

static void force_that_is_not_needed_is_a_plain_reset(void **state)
{
	struct vfiosafe_reset_opts soon = force(5000);
	struct rig rig;

	(void)state;
	rig_install();
	rig_open(&rig, NULL);
	for (uint64_t i = 1; i <= 20; i++) {
		assert_int_equal(vfiosafe_reset(rig.dev, &soon), 0);
		rig_assert_live(&rig);
		assert_int_equal(vfiosafe_device_generation(rig.dev), i + 1);
	}
	rig_close(&rig);
	rig_restore();
}

static void a_forced_reset_that_fails_keeps_the_bar_private(void **state)
{
	struct vfiosafe_reset_opts soon = force(20);
	struct straggler s;
	struct rig rig;
	uint64_t after;

	(void)state;
	rig_install();
	rig_open(&rig, NULL);
	straggle(&s, &rig);
	/* Even a refusal: those that were passed over cannot be given back. */
	vfiosafe_sim_fail(rig.sim, VFIOSAFE_SIM_CALL_RESET, EINVAL, 1);
	assert_int_equal(vfiosafe_reset(rig.dev, &soon), -EIO);
	rig_assert_fault(&rig, VFIOSAFE_CAUSE_RESET_FAILED);
	after = stores(&s);
	until(stores(&s) > after + 1000);
	leave(&s);
	assert_int_equal(s.end, -EIO);
	assert_int_equal(s.seen, UINT32_MAX);
	assert_int_equal(vfiosafe_recover(rig.dev, NULL), 0);
	rig_assert_live(&rig);
	assert_int_equal(rig_counts(&rig).foreign_stores, 0);
	rig_close(&rig);
	rig_restore();
}

static void a_mapping_that_may_not_be_replaced_forbids_force(void **state)
{
	struct vfiosafe_reset_opts soon = force(20);
	struct vfiosafe_bar *adopted;
	struct straggler s;
	void *mine = NULL;
	struct rig rig;

	(void)state;
	rig_install();
	rig_open(&rig, NULL);
	assert_int_equal(rig.sys->mmap(rig.sys->ctx, &mine, BAR_LEN,
				       PROT_READ | PROT_WRITE, MAP_SHARED,
				       vfiosafe_sim_device_fd(rig.sim), 0),
			 0);
	assert_int_equal(vfiosafe_bar_adopt(&adopted, rig.dev, 0, 0, mine, 0, 0), 0);
	straggle(&s, &rig);
	assert_int_equal(vfiosafe_reset(rig.dev, &soon), -ETIMEDOUT);
	assert_int_equal(rig_counts(&rig).resets, 0);
	assert_int_equal(vfiosafe_bar_unmap(adopted, 20), -EBUSY);
	leave(&s);
	assert_int_equal(s.end, 0);
	soon.timeout_ms = 10000;
	assert_int_equal(vfiosafe_reset(rig.dev, &soon), 0);
	rig_assert_live(&rig);
	assert_int_equal(vfiosafe_bar_unmap(adopted, 1000), 0);
	assert_int_equal(rig.sys->munmap(rig.sys->ctx, mine, BAR_LEN), 0);
	rig_close(&rig);
	rig_restore();
}

/* By steps, and ended before the commit: nothing has happened. */
static void a_forced_window_that_is_not_committed_is_called_off(void **state)
{
	struct vfiosafe_reset_opts soon = force(20);
	struct vfiosafe_window *win;
	struct straggler s;
	struct rig rig;

	(void)state;
	rig_install();
	rig_open(&rig, NULL);
	straggle(&s, &rig);
	assert_int_equal(vfiosafe_window_begin(&win, rig.dev, &soon), 0);
	until(vfiosafe_window_poll(win) == VFIOSAFE_STEP_COMMIT);
	vfiosafe_window_end(win);
	assert_int_equal(vfiosafe_device_state(rig.dev), VFIOSAFE_LIVE);
	leave(&s);
	assert_int_equal(s.end, 0);
	rig_assert_live(&rig);
	assert_int_equal(rig_counts(&rig).resets, 0);
	rig_close(&rig);
	rig_restore();
}

/* The BAR is away as well: a straggler that faults is no different. */
static void force_over_a_fault_recovers_too(void **state)
{
	struct straggler s;
	struct resetter r;
	struct rig rig;

	(void)state;
	rig_install();
	rig_open(&rig, NULL);
	straggle(&s, &rig);
	rig_away(&rig, DECODE_OFF);
	until(vfiosafe_device_state(rig.dev) == VFIOSAFE_FAULT);
	start_reset(&r, &rig, 2000);
	until(rig_counts(&rig).resets == 1);
	leave(&s);
	pthread_join(r.thread, NULL);
	assert_int_equal(r.rc, 0);
	assert_int_equal(s.end, -EIO);
	rig_assert_live(&rig);
	assert_int_equal(rig_counts(&rig).foreign_stores, 0);
	rig_close(&rig);
	rig_restore();
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(late_stores_land_in_private_memory),
	cmocka_unit_test(a_section_that_stays_leaves_the_device_in_fault),
	cmocka_unit_test(without_force_nothing_is_lost),
	cmocka_unit_test(force_that_is_not_needed_is_a_plain_reset),
	cmocka_unit_test(a_forced_reset_that_fails_keeps_the_bar_private),
	cmocka_unit_test(a_mapping_that_may_not_be_replaced_forbids_force),
	cmocka_unit_test(a_forced_window_that_is_not_committed_is_called_off),
	cmocka_unit_test(force_over_a_fault_recovers_too),
};

int main(void)
{
	return cmocka_run_group_tests(tests, NULL, NULL);
}

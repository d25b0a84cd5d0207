/* SPDX-License-Identifier: MIT */
/* Faults against everything else that goes on: quiesce, map, unmap, close. */
#include "fault_rig.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>

#include "fault.h"

struct quiesce {
	struct rig *rig;
	int rc;
	bool veto;
};

static int quiesce_and_fault(struct vfiosafe_device *dev, void *ctx)
{
	struct quiesce *q = ctx;
	uint32_t value;

	(void)dev;
	rig_away(q->rig, DECODE_OFF);
	q->rc = vfiosafe_read32(&q->rig->view, 0, &value);
	return q->veto ? q->rc : 0;
}

static void a_fault_in_quiesce_is_fault_if_the_driver_vetoes(void **state)
{
	struct quiesce q = { .veto = true };
	struct vfiosafe_driver_ops ops = { .size = sizeof(ops),
					   .quiesce = quiesce_and_fault };
	struct rig rig;
	uint32_t value;

	(void)state;
	rig_install();
	rig_open(&rig, NULL);
	q.rig = &rig;
	assert_int_equal(vfiosafe_device_set_driver(rig.dev, &ops, &q), 0);
	assert_int_equal(vfiosafe_reset(rig.dev, NULL), -EIO);
	assert_int_equal(q.rc, -EIO);
	rig_assert_fault(&rig, VFIOSAFE_CAUSE_FAULT);
	assert_int_equal(vfiosafe_recover(rig.dev, NULL), 0);
	/* If it goes on, the reset heals the fault too. */
	q.veto = false;
	assert_int_equal(vfiosafe_bar_view(rig.bar, &rig.view), 0);
	assert_int_equal(vfiosafe_reset(rig.dev, NULL), 0);
	assert_int_equal(q.rc, -EIO);
	assert_int_equal(vfiosafe_bar_view(rig.bar, &rig.view), 0);
	assert_int_equal(vfiosafe_read32(&rig.view, 0, &value), 0);
	assert_int_equal(value, VFIOSAFE_SIM_ID);
	rig_close(&rig);
	rig_restore();
}

static void a_fault_in_an_announced_window_fails_its_section(void **state)
{
	struct vfiosafe_window *win;
	struct vfiosafe_section sec;
	struct rig rig;

	(void)state;
	rig_install();
	rig_open(&rig, NULL);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(vfiosafe_window_begin(&win, rig.dev, NULL), 0);
		assert_int_equal(vfiosafe_begin(&rig.view, &sec), -EAGAIN);
		rig_away(&rig, DECODE_OFF);
		/* A raw pointer, outside of sections: where it should not be. */
		(void)*rig_reg32(&rig, 0);
		if (i == 0) {
			/* Called off, but not back to LIVE over private ones. */
			vfiosafe_window_end(win);
			rig_assert_fault(&rig, VFIOSAFE_CAUSE_FAULT);
			assert_int_equal(vfiosafe_recover(rig.dev, NULL), 0);
			continue;
		}
		assert_int_equal(vfiosafe_window_poll(win), VFIOSAFE_STEP_COMMIT);
		assert_int_equal(vfiosafe_window_commit(win), 0);
		assert_int_equal(vfiosafe_window_poll(win), VFIOSAFE_STEP_FINISH);
		assert_int_equal(vfiosafe_window_finish(win), 0);
		vfiosafe_window_end(win);
		rig_assert_live(&rig);
	}
	rig_close(&rig);
	rig_restore();
}

struct crowd {
	struct rig *rig;
	bool stop;
	uint64_t faults;
	int unexpected;
};

static bool stopped(const struct crowd *crowd)
{
	return __atomic_load_n(&crowd->stop, __ATOMIC_ACQUIRE);
}

/* Takes the BAR away again and again; recovers it by waiting. */
static void *fault_on(void *arg)
{
	struct crowd *crowd = arg;
	uint32_t value, n = 0;
	int rc;

	while (!stopped(crowd)) {
		rig_away(crowd->rig, n++ % WAYS);
		rc = rig_touch(crowd->rig, n % 16 * PAGE, &value);
		if (rc == -EIO)
			__atomic_fetch_add(&crowd->faults, 1, __ATOMIC_RELAXED);
		rc = vfiosafe_wait(crowd->rig->dev, vfiosafe_deadline_in_ms(20000));
		if (rc < 0 && rc != -EIO)
			__atomic_store_n(&crowd->unexpected, rc, __ATOMIC_RELAXED);
	}
	return NULL;
}

static void crowd_start(struct crowd *crowd, pthread_t *thread, int count)
{
	for (int i = 0; i < count; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, fault_on, crowd), 0);
	until(__atomic_load_n(&crowd->faults, __ATOMIC_RELAXED) > 0);
}

static void crowd_stop(struct crowd *crowd, pthread_t *thread, int count)
{
	__atomic_store_n(&crowd->stop, true, __ATOMIC_RELEASE);
	for (int i = 0; i < count; i++)
		pthread_join(thread[i], NULL);
	assert_int_equal(crowd->unexpected, 0);
}

/* More than the table's first block holds, mapped and unmapped under faults. */
#define BARS 80

static void bars_come_and_go_while_handlers_run(void **state)
{
	struct rig_opts opts = { .recover_on_wait = true };
	struct vfiosafe_bar *bar[BARS];
	struct crowd crowd = { 0 };
	pthread_t thread[3];
	unsigned int maps;
	uint32_t value;
	struct rig rig;

	(void)state;
	rig_install();
	rig_open(&rig, &opts);
	maps = count_maps("vfiosafe-sim-bar");
	crowd.rig = &rig;
	crowd_start(&crowd, thread, 3);
	for (int round = 0; round < 5; round++) {
		for (int i = 0; i < BARS; i++)
			assert_int_equal(vfiosafe_bar_map(&bar[i], rig.dev, 0,
							  i % 16 * PAGE, PAGE, 0),
					 0);
		for (int i = 0; i < BARS; i++)
			assert_int_equal(
				vfiosafe_bar_unmap(bar[(i * 7 + 3) % BARS], 20000), 0);
	}
	crowd_stop(&crowd, thread, 3);
	assert_int_equal(vsf_fault_inside, 0);
	/* The last of them may have taken the BAR away, and nobody has met it yet. */
	(void)rig_touch(&rig, 0, &value);
	assert_int_equal(vfiosafe_recover(rig.dev, NULL), 0);
	rig_assert_live(&rig);
	assert_int_equal(count_maps(ONES_MAP), 0);
	assert_int_equal(count_maps("vfiosafe-sim-bar"), maps);
	rig_close(&rig);
	rig_restore();
}

/* The BAR that goes is one that threads fault in; their sections end first. */
static void a_bar_in_which_threads_fault_can_be_unmapped(void **state)
{
	(void)state;
	rig_install();
	for (int round = 0; round < 20; round++) {
		struct rig_opts opts = { .recover_on_wait = true };
		struct crowd crowd = { 0 };
		pthread_t thread[3];
		struct rig rig;

		rig_open(&rig, &opts);
		crowd.rig = &rig;
		crowd_start(&crowd, thread, 3);
		crowd_stop(&crowd, thread, 3);
		rig_away(&rig, round % WAYS);
		assert_int_equal(vfiosafe_bar_unmap(rig.bar, 20000), 0);
		assert_int_equal(count_maps(ONES_MAP), 0);
		rig_close(&rig);
	}
	rig_restore();
}

struct parked {
	struct rig *rig;
	pthread_barrier_t meet;
	int end;
};

static void *fault_and_park(void *arg)
{
	struct parked *p = arg;
	struct vfiosafe_section sec;
	int rc = vfiosafe_begin(&p->rig->view, &sec);

	(void)*rig_reg32(p->rig, 0);
	pthread_barrier_wait(&p->meet);
	pthread_barrier_wait(&p->meet);
	p->end = rc < 0 ? rc : vfiosafe_end(&sec);
	return NULL;
}

static void close_and_unmap_wait_for_a_section_that_faulted(void **state)
{
	struct parked parked;
	pthread_t thread;
	struct rig rig;

	(void)state;
	rig_install();
	rig_open(&rig, NULL);
	parked.rig = &rig;
	pthread_barrier_init(&parked.meet, NULL, 2);
	rig_away(&rig, D3HOT);
	assert_int_equal(pthread_create(&thread, NULL, fault_and_park, &parked), 0);
	pthread_barrier_wait(&parked.meet);
	assert_int_equal(vfiosafe_bar_unmap(rig.bar, 10), -EBUSY);
	assert_int_equal(*rig_reg32(&rig, 0), UINT32_MAX);
	assert_int_equal(vfiosafe_device_close(rig.dev, 10), -EBUSY);
	assert_int_equal(vfiosafe_device_state(rig.dev), VFIOSAFE_GONE);
	assert_int_equal(vfiosafe_device_close(rig.dev, 10), -EBUSY);
	assert_int_equal(*rig_reg32(&rig, 0), UINT32_MAX);
	pthread_barrier_wait(&parked.meet);
	pthread_join(thread, NULL);
	assert_int_equal(parked.end, -ENODEV);
	rig_close(&rig);
	assert_int_equal(count_maps(ONES_MAP), 0);
	pthread_barrier_destroy(&parked.meet);
	rig_restore();
}

struct slow_lost {
	struct rig *rig;
	pthread_barrier_t meet;
	int end;
};

static void lose_slowly(struct vfiosafe_device *dev, void *ctx, enum vfiosafe_cause cause)
{
	struct slow_lost *slow = ctx;

	(void)dev;
	assert_int_equal(cause, VFIOSAFE_CAUSE_FAULT);
	pthread_barrier_wait(&slow->meet);
	pthread_barrier_wait(&slow->meet);
}

static void *touch_once(void *arg)
{
	struct slow_lost *slow = arg;
	uint32_t value;

	slow->end = rig_touch(slow->rig, 0, &value);
	return NULL;
}

/* One callback at a time: no reinit beside it, and no close under it. */
static void nothing_overtakes_the_lost_callback(void **state)
{
	struct vfiosafe_reset_opts soon = { .size = sizeof(soon), .timeout_ms = 20 };
	struct vfiosafe_driver_ops ops = { .size = sizeof(ops), .lost = lose_slowly };
	struct slow_lost slow;
	pthread_t thread;
	struct rig rig;

	(void)state;
	rig_install();
	for (int closes = 0; closes < 2; closes++) {
		rig_open(&rig, NULL);
		slow.rig = &rig;
		pthread_barrier_init(&slow.meet, NULL, 2);
		assert_int_equal(vfiosafe_device_set_driver(rig.dev, &ops, &slow), 0);
		rig_away(&rig, DECODE_OFF);
		assert_int_equal(pthread_create(&thread, NULL, touch_once, &slow), 0);
		pthread_barrier_wait(&slow.meet);
		assert_int_equal(vfiosafe_recover(rig.dev, &soon), -ETIMEDOUT);
		assert_int_equal(vfiosafe_bar_unmap(rig.bar, 20), -EBUSY);
		if (closes)
			assert_int_equal(vfiosafe_device_close(rig.dev, 20), -EBUSY);
		pthread_barrier_wait(&slow.meet);
		if (!closes)
			assert_int_equal(vfiosafe_recover(rig.dev, NULL), 0);
		rig_close(&rig);
		pthread_join(thread, NULL);
		assert_int_equal(slow.end, -EIO);
		pthread_barrier_destroy(&slow.meet);
	}
	rig_restore();
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_fault_in_quiesce_is_fault_if_the_driver_vetoes),
	cmocka_unit_test(a_fault_in_an_announced_window_fails_its_section),
	cmocka_unit_test(bars_come_and_go_while_handlers_run),
	cmocka_unit_test(a_bar_in_which_threads_fault_can_be_unmapped),
	cmocka_unit_test(nothing_overtakes_the_lost_callback),
	cmocka_unit_test(close_and_unmap_wait_for_a_section_that_faulted),
};

int main(void)
{
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* What the handler does to the code that faults, and to nobody else. */
#include "fault_rig.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>

#include "fault.h"

static void a_fault_in_a_section_is_eio_and_no_value(void **state)
{
	(void)state;
	rig_install();
	for (enum way way = 0; way < WAYS; way++) {
		struct rig rig;
		uint32_t value = 0;

		rig_open(&rig, NULL);
		rig_away(&rig, way);
		assert_int_equal(rig_touch(&rig, VFIOSAFE_SIM_REG_HOLD, &value), -EIO);
		assert_int_equal(value, UINT32_MAX);
		rig_assert_fault(&rig, VFIOSAFE_CAUSE_FAULT);
		assert_int_equal(vfiosafe_device_generation(rig.dev), 1);
		assert_int_equal(rig.lost, 1);
		rig_close(&rig);
	}
	rig_restore();
}

static void a_guarded_access_that_faults_leaves_its_value_alone(void **state)
{
	struct rig rig;
	uint64_t value = 0x4321;

	(void)state;
	rig_install();
	rig_open(&rig, NULL);
	rig_away(&rig, DECODE_OFF);
	assert_int_equal(vfiosafe_read64(&rig.view, VFIOSAFE_SIM_REG_HOLD64, &value),
			 -EIO);
	assert_true(value == 0x4321);
	rig_assert_fault(&rig, VFIOSAFE_CAUSE_FAULT);
	rig_close(&rig);

	rig_open(&rig, NULL);
	rig_away(&rig, DECODE_OFF);
	assert_int_equal(vfiosafe_write32(&rig.view, VFIOSAFE_SIM_REG_HOLD, 5), -EIO);
	rig_assert_fault(&rig, VFIOSAFE_CAUSE_FAULT);
	rig_close(&rig);
	rig_restore();
}

static void a_memcpy_over_the_bar_runs_to_its_end(void **state)
{
	static uint8_t copy[BAR_LEN], ones[BAR_LEN];
	struct vfiosafe_section sec;
	struct rig rig;

	(void)state;
	rig_install();
	rig_open(&rig, NULL);
	rig_away(&rig, D3HOT);
	assert_int_equal(vfiosafe_begin(&rig.view, &sec), 0);
	memcpy(copy, (uint8_t *)(uintptr_t)vfiosafe_ptr(&sec), BAR_LEN);
	assert_int_equal(vfiosafe_end(&sec), -EIO);
	memset(ones, 0xff, sizeof(ones));
	assert_memory_equal(copy, ones, BAR_LEN);
	/* One private page for each that was touched. */
	assert_int_equal(count_maps(ONES_MAP), BAR_LEN / PAGE);
	rig_close(&rig);
	assert_int_equal(count_maps(ONES_MAP), 0);
	rig_restore();
}

static void a_fault_in_a_nested_section_fails_all_of_its_device(void **state)
{
	struct vfiosafe_section outer, other, inner;
	struct rig a, b;

	(void)state;
	rig_install();
	rig_open(&a, NULL);
	rig_open(&b, NULL);
	assert_int_equal(vfiosafe_begin(&a.view, &outer), 0);
	assert_int_equal(vfiosafe_begin(&b.view, &other), 0);
	assert_int_equal(vfiosafe_begin(&a.view, &inner), 0);
	rig_away(&a, DECODE_OFF);
	assert_int_equal(*rig_reg32(&a, 0), UINT32_MAX);
	assert_int_equal(*rig_reg32(&b, VFIOSAFE_SIM_REG_ID), VFIOSAFE_SIM_ID);
	assert_int_equal(vfiosafe_check(&inner), -EIO);
	assert_int_equal(vfiosafe_end(&inner), -EIO);
	assert_int_equal(vfiosafe_end(&other), 0);
	/* No callback inside a section. */
	assert_int_equal(a.lost, 0);
	assert_int_equal(vfiosafe_end(&outer), -EIO);
	assert_int_equal(a.lost, 1);
	rig_assert_fault(&a, VFIOSAFE_CAUSE_FAULT);
	rig_assert_live(&b);
	rig_close(&a);
	rig_close(&b);
	rig_restore();
}

#define THREADS 8

struct toucher {
	struct rig *rig;
	pthread_barrier_t *start;
	uint32_t offset, value;
	int rc;
	pthread_t thread;
};

static void *touch_in_section(void *arg)
{
	struct toucher *t = arg;
	struct vfiosafe_section sec;

	t->rc = vfiosafe_begin(&t->rig->view, &sec);
	pthread_barrier_wait(t->start); /* all are in their sections */
	pthread_barrier_wait(t->start); /* the BAR is away */
	t->value = *rig_reg32(t->rig, t->offset);
	if (t->rc == 0)
		t->rc = vfiosafe_end(&sec);
	return NULL;
}

static void threads_that_fault_at_once_are_one_fault(void **state)
{
	struct toucher toucher[THREADS];
	pthread_barrier_t start;
	struct rig rig;

	(void)state;
	rig_install();
	pthread_barrier_init(&start, NULL, THREADS + 1);
	for (int round = 0; round < 50; round++) {
		rig_open(&rig, NULL);
		for (uint32_t i = 0; i < THREADS; i++) {
			/* Some share a page, some a chunk of their own. */
			toucher[i] = (struct toucher){ .rig = &rig,
						       .start = &start,
						       .offset = i / 2 * PAGE };
			assert_int_equal(pthread_create(&toucher[i].thread, NULL,
							touch_in_section, &toucher[i]),
					 0);
		}
		pthread_barrier_wait(&start);
		rig_away(&rig, round % WAYS);
		pthread_barrier_wait(&start);
		for (int i = 0; i < THREADS; i++) {
			pthread_join(toucher[i].thread, NULL);
			assert_int_equal(toucher[i].rc, -EIO);
			assert_int_equal(toucher[i].value, UINT32_MAX);
		}
		assert_int_equal(rig.lost, 1);
		assert_int_equal(vsf_fault_inside, 0);
		assert_int_equal(count_maps(ONES_MAP), THREADS / 2);
		rig_close(&rig);
	}
	pthread_barrier_destroy(&start);
	rig_restore();
}

static void two_bars_of_a_device_share_its_fate(void **state)
{
	struct vfiosafe_bar *high;
	struct vfiosafe_view view;
	uint32_t value = 0;
	struct rig rig;

	(void)state;
	rig_install();
	rig_open(&rig, NULL);
	assert_int_equal(vfiosafe_bar_map(&high, rig.dev, 0, 0x8000, 0x8000, 0), 0);
	assert_int_equal(vfiosafe_bar_view(high, &view), 0);
	rig_away(&rig, DECODE_OFF);
	assert_int_equal(vfiosafe_read32(&view, 0x4000, &value), -EIO);
	rig_assert_fault(&rig, VFIOSAFE_CAUSE_FAULT);
	/* Not a page of the other was replaced. */
	assert_int_equal(count_maps(ONES_MAP), 1);
	assert_int_equal(vfiosafe_recover(rig.dev, NULL), 0);
	assert_int_equal(vfiosafe_bar_view(high, &view), 0);
	assert_int_equal(vfiosafe_read32(&view, 0x4000, &value), 0);
	assert_int_equal(value, 0);
	rig_assert_live(&rig);
	assert_int_equal(count_maps(ONES_MAP), 0);
	rig_close(&rig);
	rig_restore();
}

static void only_the_faulting_devices_gate_closes(void **state)
{
	struct rig rig[5];

	(void)state;
	rig_install();
	for (int i = 0; i < 5; i++)
		rig_open(&rig[i], NULL);
	for (int i = 0; i < 5; i++) {
		uint32_t value;

		rig_away(&rig[i], DECODE_OFF);
		assert_int_equal(rig_touch(&rig[i], 0, &value), -EIO);
		for (int j = 0; j < 5; j++)
			assert_int_equal(vfiosafe_device_state(rig[j].dev),
					 j <= i ? VFIOSAFE_FAULT : VFIOSAFE_LIVE);
	}
	for (int i = 0; i < 5; i++) {
		assert_int_equal(vfiosafe_recover(rig[i].dev, NULL), 0);
		rig_assert_live(&rig[i]);
		rig_close(&rig[i]);
	}
	rig_restore();
}

/* The driver of the device is in FAULT, and stores on: nothing of it arrives. */
static void stores_in_fault_land_in_private_memory(void **state)
{
	struct vfiosafe_sim_counts before, after;
	struct vfiosafe_section sec;
	struct rig rig;

	(void)state;
	rig_install();
	rig_open(&rig, NULL);
	assert_int_equal(vfiosafe_begin(&rig.view, &sec), 0);
	before = rig_counts(&rig);
	rig_away(&rig, DECODE_OFF);
	for (uint32_t slot = 0; slot < 600; slot++)
		*rig_log(&rig, slot) = 99ull << 32 | slot;
	/* Also not when the device answers again. */
	rig_back(&rig, DECODE_OFF);
	for (uint32_t slot = 0; slot < 600; slot++)
		*rig_log(&rig, slot) = 99ull << 32 | slot;
	assert_true(*rig_log(&rig, 7) == (99ull << 32 | 7));
	assert_int_equal(vfiosafe_end(&sec), -EIO);
	after = rig_counts(&rig);
	assert_true(after.stores == before.stores);
	assert_true(after.lost_stores == before.lost_stores);
	assert_int_equal(vfiosafe_recover(rig.dev, NULL), 0);
	rig_assert_live(&rig);
	assert_true(*rig_log(&rig, 7) == 0);
	assert_int_equal(rig_counts(&rig).foreign_stores, 0);
	rig_close(&rig);
	rig_restore();
}

static void a_fault_outside_of_sections_closes_the_gate_too(void **state)
{
	struct rig rig;

	(void)state;
	rig_install();
	rig_open(&rig, NULL);
	rig_away(&rig, DECODE_OFF);
	errno = E2BIG;
	assert_int_equal(*rig_reg32(&rig, 0), UINT32_MAX);
	assert_int_equal(errno, E2BIG);
	/* Seen at once, before any call has noticed. */
	assert_int_equal(vfiosafe_device_state(rig.dev), VFIOSAFE_FAULT);
	assert_int_equal(vfiosafe_device_cause(rig.dev), VFIOSAFE_CAUSE_FAULT);
	assert_int_equal(rig.lost, 0);
	assert_int_equal(vfiosafe_wait(rig.dev, vfiosafe_deadline_in_ms(1000)), -EIO);
	assert_int_equal(rig.lost, 1);
	rig_assert_fault(&rig, VFIOSAFE_CAUSE_FAULT);
	rig_close(&rig);
	rig_restore();
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_fault_in_a_section_is_eio_and_no_value),
	cmocka_unit_test(a_guarded_access_that_faults_leaves_its_value_alone),
	cmocka_unit_test(a_memcpy_over_the_bar_runs_to_its_end),
	cmocka_unit_test(a_fault_in_a_nested_section_fails_all_of_its_device),
	cmocka_unit_test(threads_that_fault_at_once_are_one_fault),
	cmocka_unit_test(two_bars_of_a_device_share_its_fate),
	cmocka_unit_test(only_the_faulting_devices_gate_closes),
	cmocka_unit_test(stores_in_fault_land_in_private_memory),
	cmocka_unit_test(a_fault_outside_of_sections_closes_the_gate_too),
};

int main(void)
{
	return cmocka_run_group_tests(tests, NULL, NULL);
}

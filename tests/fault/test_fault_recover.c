/* SPDX-License-Identifier: MIT */
/* The way back from a fault: recovery, faults during it, failures of it. */
#include "fault_rig.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>

#include "fault.h"

static void fault_now(struct rig *rig, enum way way)
{
	uint32_t value;

	rig_away(rig, way);
	assert_int_equal(rig_touch(rig, 0, &value), -EIO);
}

static void recovers(struct rig *rig, enum way way, bool put_back)
{
	uint64_t generation = vfiosafe_device_generation(rig->dev);
	volatile void *address = vfiosafe_bar_address(rig->bar);
	struct vfiosafe_view old = rig->view;
	unsigned int lost = rig->lost;
	uint32_t value = 0;

	fault_now(rig, way);
	rig_assert_fault(rig, VFIOSAFE_CAUSE_FAULT);
	assert_int_equal(rig->lost, lost + 1);
	assert_int_equal(rig->lost_cause, VFIOSAFE_CAUSE_FAULT);
	if (put_back)
		rig_back(rig, way);
	assert_int_equal(vfiosafe_recover(rig->dev, NULL), 0);
	rig_assert_live(rig);
	assert_int_equal(vfiosafe_device_generation(rig->dev), generation + 1);
	assert_ptr_equal((void *)(uintptr_t)vfiosafe_bar_address(rig->bar),
			 (void *)(uintptr_t)address);
	assert_int_equal(count_maps(ONES_MAP), 0);
	assert_int_equal(rig->lost, lost + 1);
	assert_int_equal(vfiosafe_read32(&old, VFIOSAFE_SIM_REG_HOLD, &value), -ESTALE);
	assert_int_equal(vfiosafe_recover(rig->dev, NULL), 0);
	assert_int_equal(vfiosafe_device_generation(rig->dev), generation + 1);
}

static void recovery_brings_the_bar_back_at_its_address(void **state)
{
	struct rig rig;

	(void)state;
	rig_install();
	rig_open(&rig, NULL);
	for (int i = 0; i < 50; i++)
		for (enum way way = 0; way < WAYS; way++)
			recovers(&rig, way, i & 1);
	rig_close(&rig);
	rig_restore();
}

/* Nobody had touched the BAR: there was no fault to be noticed before. */
static void a_reset_repairs_what_nobody_has_touched_yet(void **state)
{
	struct rig rig;

	(void)state;
	rig_install();
	rig_open(&rig, NULL);
	for (enum way way = 0; way < WAYS; way++) {
		rig_away(&rig, way);
		assert_int_equal(vfiosafe_reset(rig.dev, NULL), 0);
		rig_assert_live(&rig);
		assert_int_equal(vfiosafe_device_generation(rig.dev), way + 2);
	}
	assert_int_equal(rig.lost, 0);
	rig_close(&rig);
	rig_restore();
}

static void a_fault_in_reinit_is_fault_again(void **state)
{
	struct rig rig;

	(void)state;
	rig_install();
	rig_open(&rig, NULL);
	for (enum way way = 0; way < WAYS; way++) {
		for (int ignore = 0; ignore < 2; ignore++) {
			fault_now(&rig, DECODE_OFF);
			rig.take_away = way;
			rig.take_away_times = 1;
			rig.ignore_failure = ignore;
			assert_int_equal(vfiosafe_recover(rig.dev, NULL), -EIO);
			assert_int_equal(rig.reinit_rc, -EIO);
			/* Not even the callback gets at the private ones. */
			assert_int_equal(rig.view_rc, -EIO);
			rig_assert_fault(&rig, ignore ? VFIOSAFE_CAUSE_FAULT
						      : VFIOSAFE_CAUSE_DRIVER);
			assert_int_equal(vfiosafe_recover(rig.dev, NULL), 0);
			rig_assert_live(&rig);
		}
	}
	assert_int_equal(count_maps(ONES_MAP), 0);
	rig_close(&rig);
	rig_restore();
}

static void a_fault_in_the_first_reset_is_recovered_from(void **state)
{
	struct rig rig;

	(void)state;
	rig_install();
	rig_open(&rig, NULL);
	rig.take_away_times = 1;
	assert_int_equal(vfiosafe_reset(rig.dev, NULL), -EIO);
	assert_int_equal(rig.lost, 1);
	assert_int_equal(vfiosafe_device_generation(rig.dev), 2);
	assert_int_equal(vfiosafe_recover(rig.dev, NULL), 0);
	assert_int_equal(vfiosafe_device_generation(rig.dev), 3);
	rig_assert_live(&rig);
	rig_close(&rig);
	rig_restore();
}

static void a_recovery_that_fails_is_tried_again(void **state)
{
	struct rig rig;

	(void)state;
	rig_install();
	rig_open(&rig, NULL);
	for (enum way way = 0; way < WAYS; way++) {
		fault_now(&rig, way);
		vfiosafe_sim_fail(rig.sim, VFIOSAFE_SIM_CALL_RESET, EIO, 1);
		assert_int_equal(vfiosafe_recover(rig.dev, NULL), -EIO);
		rig_assert_fault(&rig, VFIOSAFE_CAUSE_RESET_FAILED);
		/* Nor by a refusal: in FAULT there is nothing to go back to. */
		vfiosafe_sim_fail(rig.sim, VFIOSAFE_SIM_CALL_RESET, EINVAL, 1);
		assert_int_equal(vfiosafe_recover(rig.dev, NULL), -EIO);
		rig_assert_fault(&rig, VFIOSAFE_CAUSE_RESET_FAILED);
		/* The poison is still there: what is read is ours. */
		assert_int_equal(*rig_reg32(&rig, 0), UINT32_MAX);
		assert_int_equal(vfiosafe_recover(rig.dev, NULL), 0);
		rig_assert_live(&rig);
	}
	rig_close(&rig);
	rig_restore();
}

static const struct vfiosafe_sys *map_host;
static int maps_to_refuse;

static int refusing_mmap(void *ctx, void **addr, size_t len, int prot, int flags, int fd,
			 uint64_t offset)
{
	if ((flags & MAP_FIXED) && maps_to_refuse > 0) {
		maps_to_refuse--;
		return -ENOMEM;
	}
	return map_host->mmap(ctx, addr, len, prot, flags, fd, offset);
}

static int refusing_madvise(void *ctx, void *addr, size_t len, int advice)
{
	if (maps_to_refuse < 0) {
		maps_to_refuse++;
		return -ENOMEM;
	}
	return map_host->madvise(ctx, addr, len, advice);
}

/* A device with one more user of its table: @rig's own stays the simulation's. */
static void open_refusing(struct rig *rig, struct vfiosafe_sys *sys)
{
	struct vfiosafe_device_opts opts = { .size = sizeof(opts), .sys = sys };
	struct rig_opts no_bar = { .no_bar = true };

	maps_to_refuse = 0;
	rig_open(rig, &no_bar);
	assert_int_equal(vfiosafe_device_close(rig->dev, 1000), 0);
	map_host = rig->sys;
	*sys = *rig->sys;
	sys->mmap = refusing_mmap;
	sys->madvise = refusing_madvise;
	assert_int_equal(vfiosafe_device_from_fd(&rig->dev,
						 vfiosafe_sim_device_fd(rig->sim), &opts),
			 0);
	assert_int_equal(vfiosafe_bar_map(&rig->bar, rig->dev, 0, 0, 0, 0), 0);
	assert_int_equal(vfiosafe_bar_view(rig->bar, &rig->view), 0);
}

static void a_bar_that_cannot_be_mapped_back_is_fault(void **state)
{
	struct vfiosafe_sys sys;
	uint32_t value = 0;
	struct rig rig;

	(void)state;
	rig_install();
	open_refusing(&rig, &sys);
	for (int sign = -1; sign <= 1; sign += 2) {
		fault_now(&rig, DECODE_OFF);
		maps_to_refuse = sign;
		assert_int_equal(vfiosafe_recover(rig.dev, NULL), -EIO);
		assert_int_equal(maps_to_refuse, 0);
		rig_assert_fault(&rig, VFIOSAFE_CAUSE_NOT_READY);
		assert_int_equal(vfiosafe_recover(rig.dev, NULL), 0);
		assert_int_equal(vfiosafe_bar_view(rig.bar, &rig.view), 0);
		assert_int_equal(vfiosafe_read32(&rig.view, 0, &value), 0);
		assert_int_equal(value, VFIOSAFE_SIM_ID);
	}
	rig_close(&rig);
	rig_restore();
}

static void a_device_in_fault_can_go(void **state)
{
	struct vfiosafe_section sec;
	uint32_t value;
	struct rig rig;

	(void)state;
	rig_install();
	rig_open(&rig, NULL);
	fault_now(&rig, LOW_POWER);
	rig_close(&rig);

	/* Also from inside a section's fault: gone is reported before FAULT. */
	rig_open(&rig, NULL);
	assert_int_equal(vfiosafe_begin(&rig.view, &sec), 0);
	rig_away(&rig, DECODE_OFF);
	(void)*rig_reg32(&rig, 0);
	assert_int_equal(vfiosafe_device_close(rig.dev, 1000), -EDEADLK);
	assert_int_equal(vfiosafe_end(&sec), -EIO);
	assert_int_equal(rig_touch(&rig, 0, &value), -EIO);
	rig_close(&rig);
	assert_int_equal(count_maps(ONES_MAP), 0);
	rig_restore();
}

static void wait_recovers_if_it_was_armed(void **state)
{
	struct rig_opts opts = { .recover_on_wait = true };
	uint64_t resets;
	struct rig rig;

	(void)state;
	rig_install();
	rig_open(&rig, &opts);
	for (enum way way = 0; way < WAYS; way++) {
		fault_now(&rig, way);
		assert_int_equal(vfiosafe_wait(rig.dev, VFIOSAFE_FOREVER), 0);
		rig_assert_live(&rig);
	}
	fault_now(&rig, DECODE_OFF);
	resets = rig_counts(&rig).resets;
	assert_int_equal(vfiosafe_wait(rig.dev, 0), -ETIMEDOUT);
	assert_int_equal(rig_counts(&rig).resets, resets);
	vfiosafe_sim_fail(rig.sim, VFIOSAFE_SIM_CALL_RESET, EIO, 1);
	assert_int_equal(vfiosafe_wait(rig.dev, vfiosafe_deadline_in_ms(5000)), -EIO);
	assert_int_equal(vfiosafe_wait(rig.dev, vfiosafe_deadline_in_ms(5000)), 0);
	rig_assert_live(&rig);
	rig_close(&rig);
	rig_restore();
}

struct waiter {
	struct rig *rig;
	pthread_barrier_t *start;
	int rc;
	pthread_t thread;
};

static void *wait_for_live(void *arg)
{
	struct waiter *w = arg;

	pthread_barrier_wait(w->start);
	w->rc = vfiosafe_wait(w->rig->dev, vfiosafe_deadline_in_ms(20000));
	return NULL;
}

static void many_waiters_are_one_recovery(void **state)
{
	struct rig_opts opts = { .recover_on_wait = true };
	struct waiter waiter[6];
	pthread_barrier_t start;
	struct rig rig;

	(void)state;
	rig_install();
	rig_open(&rig, &opts);
	pthread_barrier_init(&start, NULL, 6);
	for (int round = 0; round < 300; round++) {
		uint64_t generation = vfiosafe_device_generation(rig.dev);

		fault_now(&rig, DECODE_OFF);
		for (int i = 0; i < 6; i++) {
			waiter[i] = (struct waiter){ .rig = &rig, .start = &start };
			assert_int_equal(pthread_create(&waiter[i].thread, NULL,
							wait_for_live, &waiter[i]),
					 0);
		}
		for (int i = 0; i < 6; i++) {
			pthread_join(waiter[i].thread, NULL);
			assert_int_equal(waiter[i].rc, 0);
		}
		assert_int_equal(vfiosafe_device_generation(rig.dev), generation + 1);
		assert_int_equal(rig_counts(&rig).resets, generation);
	}
	pthread_barrier_destroy(&start);
	rig_close(&rig);
	rig_restore();
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(recovery_brings_the_bar_back_at_its_address),
	cmocka_unit_test(a_reset_repairs_what_nobody_has_touched_yet),
	cmocka_unit_test(a_fault_in_reinit_is_fault_again),
	cmocka_unit_test(a_fault_in_the_first_reset_is_recovered_from),
	cmocka_unit_test(a_recovery_that_fails_is_tried_again),
	cmocka_unit_test(a_bar_that_cannot_be_mapped_back_is_fault),
	cmocka_unit_test(a_device_in_fault_can_go),
	cmocka_unit_test(wait_recovers_if_it_was_armed),
	cmocka_unit_test(many_waiters_are_one_recovery),
};

int main(void)
{
	return cmocka_run_group_tests(tests, NULL, NULL);
}

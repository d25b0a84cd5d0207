/* SPDX-License-Identifier: MIT */
/* A device that is parked, and code that touches its BAR all the same. */
#include "fault_rig.h"

#include <errno.h>
#include <string.h>

#define STRAY 0xf000u /* an offset in the last page, which is memory */

static int park(struct rig *rig, enum way way)
{
	if (way == D3HOT)
		return vfiosafe_set_power(rig->dev, VFIOSAFE_D3HOT, NULL);
	return way == DECODE_OFF ? vfiosafe_set_decode(rig->dev, false, NULL)
				 : vfiosafe_low_power_enter(rig->dev, false, NULL);
}

static int wake(struct rig *rig, enum way way)
{
	if (way == D3HOT)
		return vfiosafe_set_power(rig->dev, VFIOSAFE_D0, NULL);
	return way == DECODE_OFF ? vfiosafe_set_decode(rig->dev, true, NULL)
				 : vfiosafe_low_power_exit(rig->dev, NULL);
}

/* Parked: refused, and the simulation's BAR really faults. */
static void touch_parked(struct rig *rig)
{
	uint32_t value = 0x1234;

	assert_int_equal(vfiosafe_device_state(rig->dev), VFIOSAFE_RESETTING);
	assert_int_equal(vfiosafe_read32(&rig->view, VFIOSAFE_SIM_REG_ID, &value), -EAGAIN);
	assert_int_equal(rig_touch(rig, VFIOSAFE_SIM_REG_ID, &value), -EAGAIN);
	assert_int_equal(value, 0x1234);
	assert_int_equal(count_maps(ONES_MAP), 0);
	assert_int_equal(*rig_reg32(rig, STRAY), UINT32_MAX);
	*rig_reg32(rig, STRAY) = 0x5555;
	assert_int_equal(count_maps(ONES_MAP), 1);
	assert_int_equal(vfiosafe_read32(&rig->view, VFIOSAFE_SIM_REG_ID, &value), -EIO);
	assert_int_equal(vfiosafe_wait(rig->dev, VFIOSAFE_FOREVER), -EIO);
	assert_int_equal(vfiosafe_device_state(rig->dev), VFIOSAFE_RESETTING);
}

static void bar_is_back(struct rig *rig, uint32_t stray)
{
	assert_int_equal(count_maps(ONES_MAP), 0);
	rig_assert_live(rig);
	assert_int_equal(*rig_reg32(rig, STRAY), stray);
}

/* Each way to park, the BAR touched; then @back, which may fail with @rc first. */
static void each_way(void (*back)(struct rig *rig, enum way way))
{
	rig_install();
	for (int way = 0; way < WAYS; way++) {
		struct rig rig;

		rig_open(&rig, NULL);
		*rig_reg32(&rig, STRAY) = 0x7777;
		assert_int_equal(park(&rig, (enum way)way), 0);
		touch_parked(&rig);
		back(&rig, (enum way)way);
		rig_close(&rig);
	}
	rig_restore();
}

static void woken(struct rig *rig, enum way way)
{
	int rc = wake(rig, way);

	if (way != DECODE_OFF) {
		assert_int_equal(rc, 0);
		assert_int_equal(rig->reinits, 1);
		assert_int_equal(vfiosafe_device_generation(rig->dev), 2);
		/* Low power kept it here; the stray store went nowhere in any case. */
		bar_is_back(rig, way == LOW_POWER ? 0x7777 : 0);
		return;
	}
	/* The same generation, but the BAR was replaced: that is not LIVE. */
	assert_int_equal(rc, -EIO);
	assert_non_null(strstr(vfiosafe_error_text(), "SIGBUS"));
	rig_assert_fault(rig, VFIOSAFE_CAUSE_FAULT);
	assert_int_equal(rig->lost, 1);
	assert_int_equal(vfiosafe_recover(rig->dev, NULL), 0);
	bar_is_back(rig, 0);
}

static void the_wake_up_meets_the_fault(void **state)
{
	(void)state;
	each_way(woken);
}

static void reset(struct rig *rig, enum way way)
{
	(void)way;
	assert_int_equal(vfiosafe_reset(rig->dev, NULL), 0);
	assert_int_equal(vfiosafe_device_generation(rig->dev), 2);
	assert_int_equal(rig->lost, 0);
	bar_is_back(rig, 0);
}

static void a_reset_heals_it(void **state)
{
	(void)state;
	each_way(reset);
}

static void closed(struct rig *rig, enum way way)
{
	(void)rig;
	(void)way;
}

static void a_close_takes_it_as_it_is(void **state)
{
	(void)state;
	each_way(closed);
}

/* A way to sleep that is not ours comes on top: the wake-up does not say LIVE. */
static void somebody_else_may_have_put_it_away_too(void **state)
{
	(void)state;
	rig_install();
	for (int ours = 0; ours < WAYS; ours++)
		for (int other = 0; other < WAYS; other++) {
			struct rig rig;
			uint32_t value;
			int rc;

			if (other == ours)
				continue;
			rig_open(&rig, NULL);
			assert_int_equal(park(&rig, (enum way)ours), 0);
			rig_away(&rig, (enum way)other);
			rc = wake(&rig, (enum way)ours);
			if (rc == 0)
				rc = rig_touch(&rig, VFIOSAFE_SIM_REG_ID, &value);
			assert_true(rc == -EIO || (rc == 0 && value == VFIOSAFE_SIM_ID));
			assert_int_equal(vfiosafe_recover(rig.dev, NULL), 0);
			rig_assert_live(&rig);
			rig_close(&rig);
		}
	rig_restore();
}

/* What the BAR held is there again, or is gone and the generation says so. */
static void what_it_held_is_what_the_generation_says(void **state)
{
	(void)state;
	for (int way = 0; way < WAYS; way++) {
		struct rig rig;

		rig_open(&rig, NULL);
		*rig_reg32(&rig, STRAY) = 0x7777;
		assert_int_equal(park(&rig, (enum way)way), 0);
		assert_int_equal(wake(&rig, (enum way)way), 0);
		rig_assert_live(&rig);
		assert_int_equal(*rig_reg32(&rig, STRAY), way == D3HOT ? 0 : 0x7777);
		assert_int_equal(vfiosafe_device_generation(rig.dev),
				 way == DECODE_OFF ? 1 : 2);
		rig_close(&rig);
	}
}

/* Keeps its state in D3hot: awake again without reinit, and with what it held. */
static void d3hot_keeps_what_pmcsr_says_it_keeps(void **state)
{
	struct rig_opts opts = { .flags = VFIOSAFE_SIM_NO_SOFT_RESET };
	struct rig rig;

	(void)state;
	rig_open(&rig, &opts);
	*rig_reg32(&rig, STRAY) = 0x7777;
	assert_int_equal(park(&rig, D3HOT), 0);
	assert_int_equal(wake(&rig, D3HOT), 0);
	rig_assert_live(&rig);
	assert_int_equal(*rig_reg32(&rig, STRAY), 0x7777);
	assert_int_equal(vfiosafe_device_generation(rig.dev), 1);
	assert_int_equal(rig.reinits, 0);
	rig_close(&rig);
}

static void one_that_the_kernel_keeps_awake_is_not_parked(void **state)
{
	struct rig rig;

	(void)state;
	rig_open(&rig, NULL);
	assert_int_equal(vfiosafe_sim_set(rig.sim, VFIOSAFE_SIM_SET_REFUSE_D3HOT, 1), 0);
	assert_int_equal(park(&rig, D3HOT), -EOPNOTSUPP);
	rig_assert_live(&rig);
	assert_int_equal(vfiosafe_device_generation(rig.dev), 1);
	rig_close(&rig);
}

/* The wake-up is told; the device is parked until it is fetched back. */
static void a_wake_up_is_told_and_is_no_way_back(void **state)
{
	struct vfiosafe_event event = { 0 };
	struct rig rig;
	int rc;

	(void)state;
	rig_open(&rig, NULL);
	assert_int_equal(vfiosafe_low_power_enter(rig.dev, true, NULL), 0);
	do {
		vfiosafe_sim_wakeup(rig.sim);
		do
			rc = vfiosafe_event_read(rig.dev, &event, 1, sizeof(event));
		while (rc == 1 && event.type != VFIOSAFE_EVENT_WAKEUP);
	} while (rc == -EAGAIN);
	assert_int_equal(rc, 1);
	assert_int_equal(vfiosafe_device_state(rig.dev), VFIOSAFE_RESETTING);
	assert_int_equal(vfiosafe_wait(rig.dev, vfiosafe_deadline_in_ms(1)), -ETIMEDOUT);
	assert_int_equal(vfiosafe_low_power_exit(rig.dev, NULL), 0);
	rig_assert_live(&rig);
	assert_int_equal(vfiosafe_device_generation(rig.dev), 2);
	rig_close(&rig);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(the_wake_up_meets_the_fault),
	cmocka_unit_test(a_reset_heals_it),
	cmocka_unit_test(a_close_takes_it_as_it_is),
	cmocka_unit_test(somebody_else_may_have_put_it_away_too),
	cmocka_unit_test(what_it_held_is_what_the_generation_says),
	cmocka_unit_test(d3hot_keeps_what_pmcsr_says_it_keeps),
	cmocka_unit_test(one_that_the_kernel_keeps_awake_is_not_parked),
	cmocka_unit_test(a_wake_up_is_told_and_is_no_way_back),
};

int main(void)
{
	return cmocka_run_group_tests(tests, NULL, NULL);
}

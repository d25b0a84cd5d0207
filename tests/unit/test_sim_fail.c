/* SPDX-License-Identifier: MIT */
/* Calls of the simulated device that fail on demand. */
#include "sim_rig.h"

static int setup(void **state)
{
	static struct rig rig;

	rig_open(&rig, VFIOSAFE_SIM_ALL_ONES, 1, 0);
	*state = &rig;
	return 0;
}

static int teardown(void **state)
{
	rig_close(*state);
	return 0;
}

static void a_refused_reset_touches_nothing(void **state)
{
	struct rig *rig = *state;

	*reg32(rig->bar, VFIOSAFE_SIM_REG_HOLD) = 7;
	vfiosafe_sim_fail(rig->sim, VFIOSAFE_SIM_CALL_RESET, EAGAIN, 2);
	assert_int_equal(rig_reset(rig), -EAGAIN);
	assert_int_equal(rig_reset(rig), -EAGAIN);
	assert_int_equal(*reg32(rig->bar, VFIOSAFE_SIM_REG_HOLD), 7);
	assert_int_equal(rig_counts(rig).windows, 0);
	assert_int_equal(rig_reset(rig), 0);
}

static void a_reset_can_fail_after_it_was_made(void **state)
{
	struct rig *rig = *state;

	*reg32(rig->bar, VFIOSAFE_SIM_REG_HOLD) = 7;
	vfiosafe_sim_fail(rig->sim, VFIOSAFE_SIM_CALL_RESET_DONE, ENOTTY, 1);
	assert_int_equal(rig_reset(rig), -ENOTTY);
	assert_int_equal(*reg32(rig->bar, VFIOSAFE_SIM_REG_HOLD), 0);
	assert_int_equal(rig_counts(rig).resets, 1);
	assert_int_equal(rig_reset(rig), 0);
}

static void pread_and_pwrite_fail_when_told_to(void **state)
{
	struct rig *rig = *state;
	uint32_t value = 7;

	vfiosafe_sim_fail(rig->sim, VFIOSAFE_SIM_CALL_PREAD, EIO, 1);
	vfiosafe_sim_fail(rig->sim, VFIOSAFE_SIM_CALL_PWRITE, ENXIO, 1);
	assert_int_equal(rig_write(rig, VFIOSAFE_SIM_REG_HOLD, &value, 4), -ENXIO);
	assert_int_equal(rig_read(rig, VFIOSAFE_SIM_REG_HOLD, &value, 4), -EIO);
	assert_int_equal(value, 7);
	assert_int_equal(rig_read(rig, VFIOSAFE_SIM_REG_HOLD, &value, 4), 4);
	assert_int_equal(value, 0);
	vfiosafe_sim_fail(rig->sim, VFIOSAFE_SIM_CALL_PREAD, EIO, 1);
	vfiosafe_sim_fail(rig->sim, VFIOSAFE_SIM_CALL_PREAD, EIO, 0);
	assert_int_equal(rig_read(rig, VFIOSAFE_SIM_REG_HOLD, &value, 4), 4);
}

static const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	TEST(a_refused_reset_touches_nothing),
	TEST(a_reset_can_fail_after_it_was_made),
	TEST(pread_and_pwrite_fail_when_told_to),
};

int main(void)
{
	return cmocka_run_group_tests(tests, NULL, NULL);
}

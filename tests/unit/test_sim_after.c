/* SPDX-License-Identifier: MIT */
/* What a reset of the simulated device leaves behind. */
#include "sim_rig.h"

static struct rig the_rig;

static int setup(void **state)
{
	rig_open(&the_rig, VFIOSAFE_SIM_ALL_ONES, 1, 0);
	*state = &the_rig;
	return 0;
}

static int teardown(void **state)
{
	rig_close(*state);
	return 0;
}

static void reset_clears_what_the_driver_wrote(void **state)
{
	struct rig *rig = *state;
	uint64_t value = 0x55;

	*reg32(rig->bar, VFIOSAFE_SIM_REG_HOLD) = 1;
	*reg64(rig->bar, VFIOSAFE_SIM_REG_HOLD64) = 2;
	*reg32(rig->bar, 0xa000) = 3;
	assert_int_equal(rig_write(rig, REGION(2), &value, 1), 1);
	assert_int_equal(rig_write(rig, REGION(4), &value, 1), 1);
	assert_int_equal(rig_reset(rig), 0);
	assert_int_equal(*reg32(rig->bar, VFIOSAFE_SIM_REG_HOLD), 0);
	assert_true(*reg64(rig->bar, VFIOSAFE_SIM_REG_HOLD64) == 0);
	assert_int_equal(*reg32(rig->bar, 0xa000), 0);
	assert_int_equal(*reg32(rig->bar, VFIOSAFE_SIM_REG_ID), VFIOSAFE_SIM_ID);
	assert_int_equal(*reg32(rig->bar, VFIOSAFE_SIM_REG_ONES), 0xffffffffu);
	assert_int_equal(rig_read(rig, REGION(2), &value, 8), 8);
	assert_true(value == 0);
	assert_int_equal(rig_read(rig, REGION(4), &value, 8), 8);
	assert_true(value == 0);
	assert_int_equal(rig_counts(rig).resets, 1);
}

/* Seen moving, below what it was; on a busy machine not at the first reset. */
static bool counter_restarts(struct rig *rig)
{
	volatile uint32_t *counter = reg32(rig->bar, VFIOSAFE_SIM_REG_COUNTER);
	uint32_t before = *counter;
	uint32_t after;

	assert_int_equal(rig_reset(rig), 0);
	until((after = *counter) != 0);
	return after < before;
}

static void reset_restarts_the_counter(void **state)
{
	struct rig *rig = *state;

	until(*reg32(rig->bar, VFIOSAFE_SIM_REG_COUNTER) > 200);
	until(counter_restarts(rig));
}

static void reset_forgets_what_was_inverted(void **state)
{
	struct rig *rig = *state;
	volatile uint32_t *invert = reg32(rig->bar, VFIOSAFE_SIM_REG_INVERT);

	*invert = 7;
	until(*invert == ~7u);
	assert_int_equal(rig_reset(rig), 0);
	rig_counts(rig); /* the device looks */
	assert_int_equal(*invert, 0);
	*invert = 8;
	until(*invert == ~8u);
}

static void reset_keeps_command_and_ends_in_d0(void **state)
{
	struct rig *rig = *state;
	uint16_t command = PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER;

	config_set16(rig, PCI_COMMAND, command);
	config_set16(rig, CONFIG_PM + PCI_PM_CTRL, 3);
	assert_int_equal(rig_reset(rig), 0);
	assert_int_equal(config_get16(rig, PCI_COMMAND), command);
	assert_int_equal(config_get16(rig, CONFIG_PM + PCI_PM_CTRL), 0);
}

static void ready_comes_as_late_as_it_was_told_to(void **state)
{
	const int64_t ready_us = 30000;
	struct rig rig;
	int64_t start;

	(void)state;
	rig_open(&rig, VFIOSAFE_SIM_ALL_ONES, 0, (uint32_t)ready_us);
	assert_int_equal(*reg32(rig.bar, VFIOSAFE_SIM_REG_READY), 1);
	start = now_us();
	assert_int_equal(rig_reset(&rig), 0);
	/* 0 or, if we were kept off the processor that long, 1; never both */
	if (*reg32(rig.bar, VFIOSAFE_SIM_REG_READY) != 0)
		assert_true(now_us() - start >= ready_us);
	until(*reg32(rig.bar, VFIOSAFE_SIM_REG_READY) == 1);
	assert_true(now_us() - start >= ready_us);
	rig_close(&rig);
}

static const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	TEST(reset_clears_what_the_driver_wrote),
	TEST(reset_restarts_the_counter),
	TEST(reset_forgets_what_was_inverted),
	TEST(reset_keeps_command_and_ends_in_d0),
	cmocka_unit_test(ready_comes_as_late_as_it_was_told_to),
};

int main(void)
{
	return cmocka_run_group_tests(tests, NULL, NULL);
}

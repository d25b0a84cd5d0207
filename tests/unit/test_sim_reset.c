/* SPDX-License-Identifier: MIT */
/* Reset windows of the simulated device: all-ones, and what holds for all kinds. */
#include "sim_rig.h"

/* Long enough that whoever does not wait for its end is noticed. */
#define LONG_US 50000

static struct rig the_rig;

static int setup_long(void **state)
{
	rig_open(&the_rig, VFIOSAFE_SIM_ALL_ONES, LONG_US, 0);
	*state = &the_rig;
	return 0;
}

static int setup_short(void **state)
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

static void *read_until_ones(void *arg)
{
	const struct rig *rig = arg;
	int64_t end = now_us() + 20000000;

	while (*reg32(rig->bar, VFIOSAFE_SIM_REG_ID) != 0xffffffffu)
		if (now_us() > end)
			return NULL;
	while (*reg32(rig->bar, VFIOSAFE_SIM_REG_ID) == 0xffffffffu)
		if (now_us() > end)
			return NULL;
	return arg;
}

static void a_raw_reader_sees_ones_in_a_window_and_values_after(void **state)
{
	struct rig *rig = *state;
	pthread_t reader;
	void *saw;

	assert_int_equal(pthread_create(&reader, NULL, read_until_ones, rig), 0);
	assert_int_equal(rig_reset(rig), 0);
	assert_int_equal(pthread_join(reader, &saw), 0);
	assert_non_null(saw);
}

static bool try_every_byte(struct rig *rig)
{
	struct resetter resetter;
	uint32_t at;

	resetter_start(&resetter, rig, false);
	for (at = 0; at < BAR0_LEN && *reg64(rig->bar, at) == UINT64_MAX; at += 8)
		;
	if (!resetter_end(&resetter))
		return false;
	assert_int_equal(at, BAR0_LEN);
	return true;
}

static void every_byte_of_the_bar_is_ones_in_a_window(void **state)
{
	(void)state;
	inside_a_window(VFIOSAFE_SIM_ALL_ONES, try_every_byte);
}

static bool try_stores(struct rig *rig)
{
	struct vfiosafe_sim_counts counts;
	struct resetter resetter;
	uint32_t seen;

	resetter_start(&resetter, rig, false);
	*reg32(rig->bar, VFIOSAFE_SIM_REG_HOLD) = 7;
	*reg32(rig->bar, VFIOSAFE_SIM_REG_INVERT) = 7;
	*log_slot(rig->bar, 5) = log_value(0);
	rig_counts(rig); /* the device looks */
	seen = *reg32(rig->bar, VFIOSAFE_SIM_REG_HOLD);
	if (!resetter_end(&resetter))
		return false;
	assert_int_equal(seen, 0xffffffffu);
	assert_int_equal(*reg32(rig->bar, VFIOSAFE_SIM_REG_HOLD), 0);
	assert_int_equal(*reg32(rig->bar, VFIOSAFE_SIM_REG_INVERT), 0);
	counts = rig_counts(rig);
	assert_int_equal(counts.stores, 0);
	assert_int_equal(counts.foreign_stores, 0);
	assert_int_equal(counts.lost_stores, 1);
	return true;
}

static void stores_in_a_window_vanish(void **state)
{
	(void)state;
	inside_a_window(VFIOSAFE_SIM_ALL_ONES, try_stores);
}

/* The device looks at LOG as the reset begins, not when it gets around to it. */
static void stores_before_a_reset_belong_to_the_old_generation(void **state)
{
	struct rig *rig = *state;

	for (uint64_t i = 0; i < 1000; i++) {
		*log_slot(rig->bar, (uint32_t)i) = log_value(i);
		assert_int_equal(rig_reset(rig), 0);
		assert_int_equal(rig_counts(rig).stores, i + 1);
		assert_int_equal(rig_counts(rig).foreign_stores, 0);
	}
}

static void old_stores_after_a_reset_are_foreign(void **state)
{
	struct rig *rig = *state;

	for (uint64_t i = 0; i < 1000; i++) {
		assert_int_equal(rig_reset(rig), 0);
		*log_slot(rig->bar, (uint32_t)i) = log_value(i);
		assert_int_equal(rig_counts(rig).foreign_stores, i + 1);
	}
	assert_int_equal(rig_counts(rig).lost_stores, 0);
}

static void config_accesses_wait_for_the_end(void **state)
{
	struct rig *rig = *state;
	struct resetter resetter;

	resetter_start(&resetter, rig, false);
	config_get16(rig, PCI_COMMAND);
	assert_int_equal(rig_counts(rig).resets, 1);
	resetter_join(&resetter);
	resetter_start(&resetter, rig, true);
	config_set16(rig, PCI_COMMAND, PCI_COMMAND_MEMORY);
	assert_int_equal(rig_counts(rig).resets, 2);
	resetter_join(&resetter);
}

static void bar_preads_wait_for_a_reset_that_vfio_makes(void **state)
{
	struct rig *rig = *state;
	struct resetter resetter;
	uint32_t value = 9;

	resetter_start(&resetter, rig, false);
	assert_int_equal(rig_read(rig, VFIOSAFE_SIM_REG_ID, &value, 4), 4);
	assert_int_equal(rig_counts(rig).resets, 1);
	assert_int_equal(value, VFIOSAFE_SIM_ID);
	resetter_join(&resetter);
	resetter_start(&resetter, rig, false);
	assert_int_equal(rig_write(rig, VFIOSAFE_SIM_REG_HOLD, &value, 4), 4);
	assert_int_equal(rig_counts(rig).resets, 2);
	assert_int_equal(*reg32(rig->bar, VFIOSAFE_SIM_REG_HOLD), VFIOSAFE_SIM_ID);
	resetter_join(&resetter);
}

static bool try_ports(struct rig *rig)
{
	struct resetter resetter;
	uint8_t after = 1;
	uint8_t byte = 1;

	resetter_start(&resetter, rig, false);
	assert_int_equal(rig_write(rig, REGION(4), &byte, 1), 1);
	assert_int_equal(rig_read(rig, REGION(4), &byte, 1), 1);
	if (!resetter_end(&resetter))
		return false;
	assert_int_equal(byte, 0xff);
	assert_int_equal(rig_read(rig, REGION(4), &after, 1), 1);
	assert_int_equal(after, 0);
	return true;
}

static void ports_do_not_wait_and_read_ones(void **state)
{
	(void)state;
	inside_a_window(VFIOSAFE_SIM_ALL_ONES, try_ports);
}

static bool try_behind(struct rig *rig)
{
	struct resetter resetter;
	uint32_t value = 9;
	uint32_t raw;

	resetter_start(&resetter, rig, true);
	assert_int_equal(rig_write(rig, VFIOSAFE_SIM_REG_HOLD, &value, 4), 4);
	assert_int_equal(rig_read(rig, VFIOSAFE_SIM_REG_HOLD, &value, 4), 4);
	raw = *reg32(rig->bar, VFIOSAFE_SIM_REG_ID);
	if (!resetter_end(&resetter))
		return false;
	assert_int_equal(value, 0xffffffffu);
	assert_int_equal(raw, 0xffffffffu);
	assert_int_equal(*reg32(rig->bar, VFIOSAFE_SIM_REG_HOLD), 0);
	assert_int_equal(rig_counts(rig).resets, 1);
	return true;
}

static void a_reset_behind_lets_preads_through_to_garbage(void **state)
{
	(void)state;
	inside_a_window(VFIOSAFE_SIM_ALL_ONES, try_behind);
}

static bool try_contention(struct rig *rig)
{
	struct resetter resetter;
	int rc;

	resetter_start(&resetter, rig, true);
	rc = rig_reset(rig);
	if (!resetter_end(&resetter))
		return false;
	assert_int_equal(rc, -EAGAIN);
	assert_int_equal(rig_counts(rig).resets, 1);
	assert_int_equal(rig_reset(rig), 0);
	return true;
}

static void a_reset_by_vfio_does_not_wait_for_one_behind(void **state)
{
	(void)state;
	inside_a_window(VFIOSAFE_SIM_ALL_ONES, try_contention);
}

static void two_resets_at_once_make_one_after_the_other(void **state)
{
	struct rig *rig = *state;
	struct resetter resetter;
	int64_t start = now_us();

	resetter_start(&resetter, rig, false);
	assert_int_equal(rig_reset(rig), 0);
	assert_true(now_us() - start >= 2 * LONG_US);
	resetter_join(&resetter);
	assert_int_equal(rig_counts(rig).resets, 2);
	start = now_us();
	resetter_start(&resetter, rig, false);
	vfiosafe_sim_reset_behind(rig->sim);
	assert_true(now_us() - start >= 2 * LONG_US);
	resetter_join(&resetter);
	assert_int_equal(rig_counts(rig).resets, 4);
	assert_int_equal(rig_counts(rig).windows, 4);
}

static const struct CMUnitTest tests[] = {
#define SHORT(name) cmocka_unit_test_setup_teardown(name, setup_short, teardown)
#define LONG(name) cmocka_unit_test_setup_teardown(name, setup_long, teardown)
	LONG(a_raw_reader_sees_ones_in_a_window_and_values_after),
	cmocka_unit_test(every_byte_of_the_bar_is_ones_in_a_window),
	cmocka_unit_test(stores_in_a_window_vanish),
	SHORT(stores_before_a_reset_belong_to_the_old_generation),
	SHORT(old_stores_after_a_reset_are_foreign),
	LONG(config_accesses_wait_for_the_end),
	LONG(bar_preads_wait_for_a_reset_that_vfio_makes),
	cmocka_unit_test(ports_do_not_wait_and_read_ones),
	cmocka_unit_test(a_reset_behind_lets_preads_through_to_garbage),
	cmocka_unit_test(a_reset_by_vfio_does_not_wait_for_one_behind),
	LONG(two_resets_at_once_make_one_after_the_other),
};

int main(void)
{
	return cmocka_run_group_tests(tests, NULL, NULL);
}

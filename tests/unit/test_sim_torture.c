/* SPDX-License-Identifier: MIT */
/* Thousands of windows of the simulated device under raw readers and a writer. */
#include "sim_rig.h"

/* Touches the device all the time and takes note of what should not be. */
struct hand {
	const struct rig *rig;
	const bool *stop;
	uint64_t touches;
	uint64_t ones;
	uint64_t wrong;
	pthread_t thread;
};

static void *read_id_and_ones(void *arg)
{
	struct hand *hand = arg;
	volatile uint32_t *id = reg32(hand->rig->bar, VFIOSAFE_SIM_REG_ID);
	volatile uint32_t *ones = reg32(hand->rig->bar, VFIOSAFE_SIM_REG_ONES);

	while (!__atomic_load_n(hand->stop, __ATOMIC_RELAXED)) {
		uint32_t value = *id;

		if (value == 0xffffffffu)
			hand->ones++;
		else if (value != VFIOSAFE_SIM_ID)
			hand->wrong++;
		if (*ones != 0xffffffffu)
			hand->wrong++;
		hand->touches++;
	}
	return NULL;
}

/* One slot, so that no store can hide another: each waits for the slot to clear. */
static void *write_log(void *arg)
{
	struct hand *hand = arg;
	volatile uint64_t *slot = log_slot(hand->rig->bar, 3);

	while (!__atomic_load_n(hand->stop, __ATOMIC_RELAXED)) {
		*slot = log_value(0x7fffffff);
		hand->touches++;
		while (*slot == log_value(0x7fffffff))
			;
	}
	return NULL;
}

/* Two hands work while the device is reset again and again. */
static void reset_many_times(const struct rig *rig, struct hand hands[2],
			     void *(*const work[2])(void *), unsigned int resets)
{
	bool stop = false;

	for (size_t i = 0; i < 2; i++) {
		hands[i].rig = rig;
		hands[i].stop = &stop;
		assert_int_equal(
			pthread_create(&hands[i].thread, NULL, work[i], &hands[i]), 0);
	}
	for (unsigned int i = 0; i < resets; i++)
		assert_int_equal(rig_reset(rig), 0);
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	for (size_t i = 0; i < 2; i++)
		pthread_join(hands[i].thread, NULL);
	assert_int_equal(rig_counts(rig).resets, resets);
	assert_int_equal(rig_counts(rig).windows, resets);
	assert_true(hands[0].touches > 0 && hands[1].touches > 0);
	assert_int_equal(hands[0].wrong + hands[1].wrong, 0);
}

static void two_raw_readers(enum vfiosafe_sim_window window, bool sees_ones)
{
	void *(*const work[2])(void *) = { read_id_and_ones, read_id_and_ones };
	struct hand hands[2] = { 0 };
	struct rig rig;

	rig_open(&rig, window, 20, 0);
	reset_many_times(&rig, hands, work, 2000);
	if (sees_ones)
		assert_true(hands[0].ones + hands[1].ones > 0);
	else
		assert_int_equal(hands[0].ones + hands[1].ones, 0);
	rig_close(&rig);
}

static void raw_readers_see_values_or_ones(void **state)
{
	(void)state;
	two_raw_readers(VFIOSAFE_SIM_ALL_ONES, true);
}

static void raw_readers_of_a_stalling_device_never_see_ones(void **state)
{
	(void)state;
	two_raw_readers(VFIOSAFE_SIM_STALL, false);
}

static void raw_readers_of_a_mixed_device_see_values_or_ones(void **state)
{
	(void)state;
	two_raw_readers(VFIOSAFE_SIM_MIXED, true);
}

/* Whatever the window, a store is counted exactly once: taken note of, or lost. */
static void every_store_is_accounted_for(enum vfiosafe_sim_window window, bool loses)
{
	void *(*const work[2])(void *) = { write_log, read_id_and_ones };
	struct hand hands[2] = { 0 };
	struct vfiosafe_sim_counts counts;
	struct rig rig;

	rig_open(&rig, window, 20, 0);
	reset_many_times(&rig, hands, work, 1000);
	counts = rig_counts(&rig);
	assert_int_equal(counts.stores + counts.lost_stores, hands[0].touches);
	assert_int_equal(counts.foreign_stores, counts.stores);
	if (!loses)
		assert_int_equal(counts.lost_stores, 0);
	rig_close(&rig);
}

static void no_store_is_lost_or_counted_twice_by_stalling(void **state)
{
	(void)state;
	every_store_is_accounted_for(VFIOSAFE_SIM_STALL, false);
}

static void stores_are_counted_or_lost_in_mixed_windows(void **state)
{
	(void)state;
	every_store_is_accounted_for(VFIOSAFE_SIM_MIXED, true);
}

/* Mappings come and go under the windows; whoever stalls comes back. */
static void *map_and_touch(void *arg)
{
	struct hand *hand = arg;

	while (!__atomic_load_n(hand->stop, __ATOMIC_RELAXED)) {
		const struct vfiosafe_sys *sys = hand->rig->sys;
		void *bar = NULL;

		if (rig_mmap(hand->rig, &bar, BAR0_LEN, PROT_READ, MAP_SHARED, 0) < 0) {
			hand->wrong++;
			break;
		}
		if (*reg32(bar, VFIOSAFE_SIM_REG_ID) != VFIOSAFE_SIM_ID)
			hand->wrong++;
		if (sys->munmap(sys->ctx, bar, BAR0_LEN) < 0)
			hand->wrong++;
		hand->touches++;
	}
	return NULL;
}

static void mappings_come_and_go_under_stalling_windows(void **state)
{
	void *(*const work[2])(void *) = { map_and_touch, map_and_touch };
	struct hand hands[2] = { 0 };
	struct rig rig;

	(void)state;
	rig_open(&rig, VFIOSAFE_SIM_STALL, 20, 0);
	reset_many_times(&rig, hands, work, 500);
	rig_close(&rig);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(raw_readers_see_values_or_ones),
	cmocka_unit_test(raw_readers_of_a_stalling_device_never_see_ones),
	cmocka_unit_test(raw_readers_of_a_mixed_device_see_values_or_ones),
	cmocka_unit_test(no_store_is_lost_or_counted_twice_by_stalling),
	cmocka_unit_test(stores_are_counted_or_lost_in_mixed_windows),
	cmocka_unit_test(mappings_come_and_go_under_stalling_windows),
};

int main(void)
{
	return cmocka_run_group_tests(tests, NULL, NULL);
}

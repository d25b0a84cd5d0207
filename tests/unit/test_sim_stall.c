/* SPDX-License-Identifier: MIT */
/* Windows that stall: touches of a mapping really block, and lose nothing. */
#include "sim_toucher.h"

static struct rig the_rig;

static int setup(void **state)
{
	rig_open(&the_rig, VFIOSAFE_SIM_STALL, 1, 0);
	*state = &the_rig;
	return 0;
}

static int teardown(void **state)
{
	rig_close(*state);
	return 0;
}

static bool try_load(struct rig *rig)
{
	struct toucher toucher = { .word = reg64(rig->bar, VFIOSAFE_SIM_REG_HOLD64) };
	struct resetter resetter;
	bool blocked;
	bool open;

	*reg64(rig->bar, VFIOSAFE_SIM_REG_HOLD64) = 0x1234;
	resetter_start(&resetter, rig, false);
	blocked = toucher_blocks(&toucher);
	open = window_open(rig);
	toucher_join(&toucher);
	assert_int_equal(rig_counts(rig).resets, 1);
	assert_true(toucher.value == 0);
	resetter_join(&resetter);
	assert_true(blocked || !open);
	return open;
}

static void a_load_blocks_until_the_end_and_sees_the_reset_device(void **state)
{
	(void)state;
	inside_a_window(VFIOSAFE_SIM_STALL, try_load);
}

static bool try_store(struct rig *rig)
{
	struct toucher old = { .word = log_slot(rig->bar, 9), .store = true };
	struct vfiosafe_sim_counts counts;
	struct resetter resetter;
	bool blocked;

	old.value = log_value(0);
	resetter_start(&resetter, rig, false);
	blocked = toucher_blocks(&old);
	counts = rig_counts(rig);
	toucher_join(&old);
	resetter_join(&resetter);
	if (counts.resets > 0)
		return false;
	assert_true(blocked);
	assert_int_equal(counts.stores, 0);
	counts = rig_counts(rig);
	assert_int_equal(counts.stores, 1);
	assert_int_equal(counts.foreign_stores, 1);
	assert_int_equal(counts.lost_stores, 0);
	return true;
}

static void a_store_blocks_and_lands_on_the_reset_device(void **state)
{
	(void)state;
	inside_a_window(VFIOSAFE_SIM_STALL, try_store);
}

static bool try_read_only(struct rig *rig)
{
	void *bar = rig_map_bar(rig, PROT_READ);
	struct toucher toucher = { .word = reg64(bar, VFIOSAFE_SIM_REG_HOLD64) };
	struct resetter resetter;
	bool blocked;
	bool open;

	assert_int_equal(mlock(bar, BAR0_LEN), 0);
	*reg64(rig->bar, VFIOSAFE_SIM_REG_HOLD64) = 0x1234;
	assert_true(*toucher.word == 0x1234);
	resetter_start(&resetter, rig, false);
	blocked = toucher_blocks(&toucher);
	open = window_open(rig);
	toucher_join(&toucher);
	assert_int_equal(rig_counts(rig).resets, 1);
	assert_true(toucher.value == 0);
	resetter_join(&resetter);
	rig_unmap(rig, bar, BAR0_LEN);
	assert_true(blocked || !open);
	return open;
}

static void a_locked_read_only_mapping_stalls_too(void **state)
{
	(void)state;
	inside_a_window(VFIOSAFE_SIM_STALL, try_read_only);
}

static void a_refused_reset_stalls_nobody(void **state)
{
	struct rig *rig = *state;

	*reg32(rig->bar, VFIOSAFE_SIM_REG_HOLD) = 7;
	vfiosafe_sim_fail(rig->sim, VFIOSAFE_SIM_CALL_RESET, EAGAIN, 1);
	assert_int_equal(rig_reset(rig), -EAGAIN);
	assert_int_equal(*reg32(rig->bar, VFIOSAFE_SIM_REG_HOLD), 7);
}

static bool try_behind(struct rig *rig)
{
	struct resetter resetter;
	uint32_t id;

	resetter_start(&resetter, rig, true);
	id = *reg32(rig->bar, VFIOSAFE_SIM_REG_ID);
	if (!resetter_end(&resetter))
		return false;
	assert_int_equal(id, 0xffffffffu);
	return true;
}

static void a_reset_behind_shows_ones_and_does_not_stall(void **state)
{
	(void)state;
	inside_a_window(VFIOSAFE_SIM_STALL, try_behind);
}

static bool try_mixed(struct rig *rig)
{
	bool conclusive = true;

	for (unsigned int i = 0; i < 4; i++) {
		struct vfiosafe_sim_counts counts;
		struct resetter resetter;
		uint32_t id;

		resetter_start(&resetter, rig, false);
		id = *reg32(rig->bar, VFIOSAFE_SIM_REG_ID);
		counts = rig_counts(rig);
		resetter_join(&resetter);
		/* one that stalls comes back from the reset device, only */
		if (i % 2) {
			assert_int_equal(id, VFIOSAFE_SIM_ID);
			assert_int_equal(counts.resets, i + 1);
		} else if (counts.resets == i) {
			assert_int_equal(id, 0xffffffffu);
		} else {
			conclusive = false;
		}
	}
	return conclusive;
}

static void mixed_windows_alternate(void **state)
{
	(void)state;
	inside_a_window(VFIOSAFE_SIM_MIXED, try_mixed);
}

/* As memory pressure does it, outside of windows. */
static void a_page_that_the_kernel_took_comes_back(void **state)
{
	struct rig *rig = *state;

	*reg32(rig->bar, VFIOSAFE_SIM_REG_HOLD) = 0x1234;
	assert_int_equal(madvise(rig->bar, BAR0_LEN, MADV_DONTNEED), 0);
	assert_int_equal(*reg32(rig->bar, VFIOSAFE_SIM_REG_HOLD), 0x1234);
	assert_int_equal(*reg64(rig->bar, BAR0_LEN - 8), 0);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_load_blocks_until_the_end_and_sees_the_reset_device),
	cmocka_unit_test(a_store_blocks_and_lands_on_the_reset_device),
	cmocka_unit_test(a_locked_read_only_mapping_stalls_too),
	cmocka_unit_test(a_reset_behind_shows_ones_and_does_not_stall),
	cmocka_unit_test(mixed_windows_alternate),
	cmocka_unit_test_setup_teardown(a_refused_reset_stalls_nobody, setup, teardown),
	cmocka_unit_test_setup_teardown(a_page_that_the_kernel_took_comes_back, setup,
					teardown),
};

int main(void)
{
	return cmocka_run_group_tests(tests, NULL, NULL);
}

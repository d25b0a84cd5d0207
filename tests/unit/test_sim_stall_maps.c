/* SPDX-License-Identifier: MIT */
/* Mappings that are made, replaced and removed under windows that stall. */
#include "sim_toucher.h"

static bool try_new_mapping(struct rig *rig)
{
	struct toucher toucher = { 0 };
	struct resetter resetter;
	bool blocked;
	bool open;
	void *bar;

	resetter_start(&resetter, rig, false);
	bar = rig_map_bar(rig, PROT_READ | PROT_WRITE);
	toucher.word = reg64(bar, VFIOSAFE_SIM_REG_HOLD64);
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

static void a_mapping_made_in_a_window_stalls(void **state)
{
	(void)state;
	inside_a_window(VFIOSAFE_SIM_STALL, try_new_mapping);
}

/* As a fault handler does it: other memory over the place where a thread hangs. */
static bool try_put_over(struct rig *rig)
{
	void *bar = rig_map_bar(rig, PROT_READ | PROT_WRITE);
	void *page = (char *)bar + 0xa000;
	struct toucher toucher = { .word = reg64(page, 0) };
	struct resetter resetter;
	bool blocked;
	bool open;

	*reg64(page, 0) = 0x66;
	resetter_start(&resetter, rig, false);
	blocked = toucher_blocks(&toucher);
	assert_int_equal(rig->sys->mmap(rig->sys->ctx, &page, 4096,
					PROT_READ | PROT_WRITE,
					MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0),
			 0);
	toucher_join(&toucher);
	assert_true(toucher.value == 0);
	*reg64(page, 0) = 0x77;
	open = resetter_end(&resetter);
	assert_int_equal(rig_reset(rig), 0);
	assert_true(*reg64(page, 0) == 0x77);
	rig_unmap(rig, bar, BAR0_LEN);
	assert_true(blocked || !open);
	return open;
}

static void memory_put_over_a_stalled_mapping_is_what_the_thread_gets(void **state)
{
	(void)state;
	inside_a_window(VFIOSAFE_SIM_STALL, try_put_over);
}

static bool try_rest(struct rig *rig)
{
	void *bar = rig_map_bar(rig, PROT_READ | PROT_WRITE);
	struct toucher first = { .word = reg64(bar, VFIOSAFE_SIM_REG_HOLD64) };
	struct toucher last = { .word = reg64(bar, BAR0_LEN - 8) };
	struct resetter resetter;
	bool blocked;
	bool open;

	rig_unmap(rig, (char *)bar + 0x4000, 0x4000);
	resetter_start(&resetter, rig, false);
	blocked = toucher_blocks(&first);
	blocked = toucher_blocks(&last) && blocked;
	open = window_open(rig);
	toucher_join(&first);
	toucher_join(&last);
	assert_int_equal(rig_counts(rig).resets, 1);
	resetter_join(&resetter);
	rig_unmap(rig, bar, BAR0_LEN);
	assert_true(blocked || !open);
	return open;
}

static void what_is_left_of_a_mapping_goes_on_stalling(void **state)
{
	(void)state;
	inside_a_window(VFIOSAFE_SIM_STALL, try_rest);
}

/* The place may be anything afterwards. */
static bool try_removed(struct rig *rig)
{
	void *bar = rig_map_bar(rig, PROT_READ | PROT_WRITE);
	struct resetter resetter;
	void *again;
	bool open;

	resetter_start(&resetter, rig, false);
	rig_unmap(rig, bar, BAR0_LEN);
	again = mmap(bar, BAR0_LEN, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	assert_ptr_equal(again, bar);
	*reg64(again, 0) = 0x88;
	open = resetter_end(&resetter);
	assert_int_equal(rig_reset(rig), 0);
	assert_true(*reg64(again, 0) == 0x88);
	munmap(again, BAR0_LEN);
	return open;
}

static void a_mapping_removed_in_a_window_is_let_go_of(void **state)
{
	(void)state;
	inside_a_window(VFIOSAFE_SIM_STALL, try_removed);
}

/* mmap(2) by hand, as from a signal handler that knows no table. */
static bool try_left_alone(struct rig *rig)
{
	void *bar = rig_map_bar(rig, PROT_READ | PROT_WRITE);
	void *page = mmap((char *)bar + 0xa000, 4096, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	struct toucher toucher = { .word = reg64(bar, 0xb000) };
	struct resetter resetter;
	bool blocked;
	bool open;

	assert_ptr_equal(page, (char *)bar + 0xa000);
	*reg64(page, 0) = 0x99;
	resetter_start(&resetter, rig, false);
	assert_true(*reg64(page, 0) == 0x99);
	blocked = toucher_blocks(&toucher);
	open = window_open(rig);
	toucher_join(&toucher);
	resetter_join(&resetter);
	assert_true(*reg64(page, 0) == 0x99);
	rig_unmap(rig, bar, BAR0_LEN);
	assert_true(blocked || !open);
	return open;
}

static void memory_that_the_table_knows_nothing_of_is_left_alone(void **state)
{
	(void)state;
	inside_a_window(VFIOSAFE_SIM_STALL, try_left_alone);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_mapping_made_in_a_window_stalls),
	cmocka_unit_test(memory_put_over_a_stalled_mapping_is_what_the_thread_gets),
	cmocka_unit_test(what_is_left_of_a_mapping_goes_on_stalling),
	cmocka_unit_test(a_mapping_removed_in_a_window_is_let_go_of),
	cmocka_unit_test(memory_that_the_table_knows_nothing_of_is_left_alone),
};

int main(void)
{
	return cmocka_run_group_tests(tests, NULL, NULL);
}

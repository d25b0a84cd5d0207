/* SPDX-License-Identifier: MIT */
/* Mappings that are made, replaced and removed under windows that stall. */
#include "sim_toucher.h"

static struct rig the_rig;

static int setup(void **state)
{
	rig_open(&the_rig, VFIOSAFE_SIM_STALL, 0, 0);
	*state = &the_rig;
	return 0;
}

static int teardown(void **state)
{
	rig_close(*state);
	return 0;
}

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

/* One page at a time over a wide place, so that no address comes twice. */
static size_t map_pages(struct rig *rig, char *place, size_t count, bool unmap)
{
	for (size_t i = 0; i < count; i++) {
		void *page = place + i * 4096;
		int rc = rig_mmap(rig, &page, 4096, PROT_READ, MAP_SHARED | MAP_FIXED, 0);

		if (rc < 0) {
			assert_int_equal(rc, -ENOMEM);
			return i;
		}
		if (unmap)
			rig_unmap(rig, page, 4096);
	}
	return count;
}

/* Taking out middles fills the account to the last piece; the rest still goes. */
static void a_full_account_can_still_be_emptied(void **state)
{
	struct rig *rig = *state;
	void *bars[40];
	int rc = 0;

	for (size_t i = 0; i < 40; i++)
		bars[i] = rig_map_bar(rig, PROT_READ);
	for (size_t i = 0; i < 40 * 7 && rc == 0; i++)
		rc = rig->sys->munmap(rig->sys->ctx,
				      (char *)bars[i / 7] + (i % 7 * 2 + 1) * 4096, 4096);
	assert_int_equal(rc, -ENOMEM);
	for (size_t i = 0; i < 40; i++)
		rig_unmap(rig, bars[i], BAR0_LEN);
	bars[0] = rig_map_bar(rig, PROT_READ);
	rig_unmap(rig, bars[0], BAR0_LEN);
}

static void room_for_mappings_ends_and_comes_back(void **state)
{
	const size_t count = 1000;
	char *place =
		mmap(NULL, count * 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct rig *rig = *state;
	size_t room;

	assert_ptr_not_equal(place, MAP_FAILED);
	assert_int_equal(map_pages(rig, place, count, true), count);
	room = map_pages(rig, place, count, false);
	assert_in_range(room, 200, count - 1);
	rig_unmap(rig, place, room * 4096);
	assert_int_equal(map_pages(rig, place, room, false), room);
	rig_unmap(rig, place, room * 4096);
	munmap(place, count * 4096);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_mapping_made_in_a_window_stalls),
	cmocka_unit_test(memory_put_over_a_stalled_mapping_is_what_the_thread_gets),
	cmocka_unit_test(what_is_left_of_a_mapping_goes_on_stalling),
	cmocka_unit_test(a_mapping_removed_in_a_window_is_let_go_of),
	cmocka_unit_test(memory_that_the_table_knows_nothing_of_is_left_alone),
	cmocka_unit_test_setup_teardown(a_full_account_can_still_be_emptied, setup,
					teardown),
	cmocka_unit_test_setup_teardown(room_for_mappings_ends_and_comes_back, setup,
					teardown),
};

int main(void)
{
	return cmocka_run_group_tests(tests, NULL, NULL);
}

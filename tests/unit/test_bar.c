/* SPDX-License-Identifier: MIT */
/* BARs: mapped whole, in part, with holes, not at all; and unmapped. */
#include "unit_driver.h"

static void a_whole_bar_is_mapped(void **state)
{
	(void)state;
	assert_int_equal(vfiosafe_bar_len(bench.bar), 0x10000);
	assert_non_null(vfiosafe_bar_address(bench.bar));
	*(volatile uint32_t *)vfiosafe_bar_address(bench.bar) = 0x12345678;
	assert_int_equal(*(uint32_t *)fake_bar(bench.fn, 0), 0x12345678);
}

static void a_view_says_where_the_bar_is(void **state)
{
	(void)state;
	assert_ptr_equal(bench.view.base, vfiosafe_bar_address(bench.bar));
	assert_int_equal(bench.view.len, 0x10000);
	assert_ptr_equal(bench.view.bar, bench.bar);
	assert_int_equal(bench.view.device_value, 0x101);
	assert_int_equal(bench.view.gate_value, 0x101);
	assert_int_equal(*bench.view.device_word, 0x101);
	assert_int_equal(*bench.view.gate_word, 0x101);
	assert_int_equal(bench.view.reserved, 0);
}

static void a_part_of_a_bar_is_mapped(void **state)
{
	struct vfiosafe_bar *bar = bench_map(0, 0x2000, 0x1000, 0);
	struct vfiosafe_view view = bench_view(bar);

	(void)state;
	assert_int_equal(vfiosafe_bar_len(bar), 0x1000);
	assert_ok(vfiosafe_write32(&view, 0x10, 0xabcd));
	assert_int_equal(*(uint32_t *)(fake_bar(bench.fn, 0) + 0x2010), 0xabcd);
	assert_refused(vfiosafe_write32(&view, 0x1000, 1), ERANGE, "0x1000", "BAR 0");
	bar = bench_map(0, 0x3000, 0, 0);
	assert_int_equal(vfiosafe_bar_len(bar), 0xd000);
}

static void requests_that_make_no_sense_are_refused(void **state)
{
	struct vfiosafe_bar *bar = NULL;
	struct vfiosafe_device *dev = bench.dev;

	(void)state;
	assert_refused(vfiosafe_bar_map(&bar, dev, 6, 0, 0, 0), EINVAL, "BAR 6",
		       "0 to 5");
	assert_refused(vfiosafe_bar_map(&bar, dev, 0, 0, 0, 2), EINVAL, "flags 0x2");
	assert_refused(vfiosafe_bar_map(&bar, dev, 0, 0x800, 0, 0), EINVAL, "0x800",
		       "page");
	assert_refused(vfiosafe_bar_map(&bar, dev, 1, 0, 0, 0), ENODEV, ADDRESS,
		       "no BAR 1");
	assert_null(bar);
}

static void ranges_beyond_the_end_are_refused_without_overflow(void **state)
{
	static const uint64_t cases[][2] = {
		{ 0x10000, 0 },
		{ 0x10000, 1 },
		{ 0, 0x10001 },
		{ 0x1000, 0xf001 },
		{ 0x20000, 0x1000 },
		{ 0x1000, UINT64_MAX },
		{ 0, UINT64_MAX },
		{ 0x1000, UINT64_MAX - 0xfff },
		{ UINT64_MAX - 0xfff, 0x1000 },
		{ UINT64_MAX - 0xfff, 0 },
	};
	struct vfiosafe_bar *bar = NULL;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_refused(
			vfiosafe_bar_map(&bar, bench.dev, 0, cases[i][0], cases[i][1], 0),
			ERANGE, "beyond the end of BAR 0", "0x10000");
	assert_null(bar);
}

static void make_sparse(void)
{
	bench_close();
	bench.fn->bar[0].area_count = 2;
	bench.fn->bar[0].area[0].offset = 0x1000;
	bench.fn->bar[0].area[0].len = 0x2000;
	bench.fn->bar[0].area[1].offset = 0x8000;
	bench.fn->bar[0].area[1].len = 0x8000;
	bench_open();
}

static void holes_are_reached_through_the_kernel(void **state)
{
	uint32_t value;

	(void)state;
	make_sparse();
	assert_null(vfiosafe_bar_address(bench.bar));
	assert_null(bench.view.base);
	assert_ok(vfiosafe_write32(&bench.view, 0x1000, 1));
	assert_ok(vfiosafe_write32(&bench.view, 0x2ffc, 2));
	assert_ok(vfiosafe_write32(&bench.view, 0xfffc, 3));
	assert_log("");
	assert_ok(vfiosafe_write32(&bench.view, 0x0ffc, 4));
	assert_ok(vfiosafe_write32(&bench.view, 0x3000, 5));
	assert_ok(vfiosafe_write32(&bench.view, 0x7ffc, 6));
	assert_log("w0+ffc:4=4 w0+3000:4=5 w0+7ffc:4=6");
	assert_ok(vfiosafe_read32(&bench.view, 0x2ffc, &value));
	assert_int_equal(value, 2);
	assert_int_equal(*(uint32_t *)(fake_bar(bench.fn, 0) + 0xfffc), 3);
}

static void a_part_without_a_hole_has_an_address(void **state)
{
	(void)state;
	make_sparse();
	assert_non_null(vfiosafe_bar_address(bench_map(0, 0x1000, 0x2000, 0)));
	assert_non_null(vfiosafe_bar_address(bench_map(0, 0x9000, 0, 0)));
	assert_null(vfiosafe_bar_address(bench_map(0, 0x1000, 0x3000, 0)));
	assert_null(vfiosafe_bar_address(bench_map(0, 0x4000, 0x1000, 0)));
}

static void a_big_bar_is_mapped_where_huge_pages_fit(void **state)
{
	struct vfiosafe_bar *bar;

	(void)state;
	bench_close();
	bench.fn->bar[3].len = FAKE_BAR_MAX;
	bench_open();
	bar = bench_map(3, 0, 0, 0);
	assert_int_equal((uintptr_t)vfiosafe_bar_address(bar) % (2u << 20), 0);
	*((volatile uint8_t *)vfiosafe_bar_address(bar) + FAKE_BAR_MAX - 1) = 7;
	assert_int_equal(fake_bar(bench.fn, 3)[FAKE_BAR_MAX - 1], 7);
	assert_ok(vfiosafe_bar_unmap(bar, 0));
}

static void mappings_are_asked_to_stay_out_of_children(void **state)
{
	unsigned int files = 0;

	(void)state;
	for (int i = 0; i < FAKE_MAPS; i++) {
		if (!bench.k.map[i].len || !bench.k.map[i].file)
			continue;
		files++;
		assert_true(bench.k.map[i].dontfork);
	}
	assert_int_equal(files, 1);
}

static void the_address_stays_across_resets(void **state)
{
	volatile void *address = vfiosafe_bar_address(bench.bar);

	(void)state;
	for (int i = 0; i < 5; i++) {
		assert_ok(vfiosafe_reset(bench.dev, NULL));
		assert_ptr_equal(vfiosafe_bar_address(bench.bar), address);
		assert_ok(vfiosafe_bar_view(bench.bar, &bench.view));
		assert_ptr_equal(bench.view.base, address);
		assert_ok(vfiosafe_write32(&bench.view, 0, 1));
	}
}

static void unmapping_leaves_the_generation_and_the_other_bars(void **state)
{
	struct vfiosafe_bar *bar = bench_map(0, 0, 0, 0), *other = bench_map(2, 0, 0, 0);

	(void)state;
	assert_ok(vfiosafe_bar_unmap(bar, 100));
	assert_state(LIVE);
	assert_generation(1);
	assert_ok(vfiosafe_write32(&bench.view, 0, 1));
	assert_ok(vfiosafe_bar_unmap(other, 100));
	assert_ok(vfiosafe_bar_unmap(bench.bar, 100));
	/* Only the page of the device's words is left. */
	assert_int_equal(fake_mapped(&bench.k), FAKE_PAGE);
}

static void a_bar_is_unmapped_in_fault_too(void **state)
{
	(void)state;
	assert_ok(vfiosafe_mark_lost(bench.dev, NULL));
	assert_ok(vfiosafe_bar_unmap(bench.bar, 100));
	assert_state(FAULT);
}

static void a_window_that_does_not_end_keeps_a_bar_mapped(void **state)
{
	struct vfiosafe_window *win = NULL;

	(void)state;
	assert_ok(vfiosafe_window_begin(&win, bench.dev, NULL));
	assert_refused(vfiosafe_bar_unmap(bench.bar, 10), EBUSY, ADDRESS,
		       "window is open");
	vfiosafe_window_end(win);
	assert_ok(vfiosafe_write32(&bench.view, 0, 1));
}

static void a_bar_that_another_driver_owns_says_so(void **state)
{
	struct vfiosafe_bar *bar = NULL;

	(void)state;
	fake_fail(&bench.k, FAKE_MMAP, true, EBUSY, 1);
	assert_refused(vfiosafe_bar_map(&bar, bench.dev, 0, 0, 0, 0), EBUSY, "BAR 0",
		       "another kernel driver");
	assert_null(bar);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, bench_setup_open, bench_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_whole_bar_is_mapped),
		TEST(a_view_says_where_the_bar_is),
		TEST(a_part_of_a_bar_is_mapped),
		TEST(requests_that_make_no_sense_are_refused),
		TEST(ranges_beyond_the_end_are_refused_without_overflow),
		TEST(holes_are_reached_through_the_kernel),
		TEST(a_part_without_a_hole_has_an_address),
		TEST(a_big_bar_is_mapped_where_huge_pages_fit),
		TEST(mappings_are_asked_to_stay_out_of_children),
		TEST(the_address_stays_across_resets),
		TEST(unmapping_leaves_the_generation_and_the_other_bars),
		TEST(a_bar_is_unmapped_in_fault_too),
		TEST(a_window_that_does_not_end_keeps_a_bar_mapped),
		TEST(a_bar_that_another_driver_owns_says_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* Regions as they come out of an open device: argsz twice, MSI-X, absent BARs. */
#include "uapi.h"
#include "unit.h"

static void opens(void)
{
	assert_ok(vfiosafe_device_open(&bench.dev, ADDRESS, &bench.opts));
}

static struct vfiosafe_region region_of(uint32_t index)
{
	struct vfiosafe_region region;

	assert_ok(vfiosafe_region_info(bench.dev, index, &region));
	return region;
}

static unsigned int region_calls;

static void count_region_calls(struct fake *fake, enum fake_call call, uint64_t key)
{
	(void)fake;
	region_calls += call == FAKE_IOCTL && key == VFIO_DEVICE_GET_REGION_INFO;
}

static void an_answer_that_needs_more_room_is_asked_for_again(void **state)
{
	(void)state;
	region_calls = 0;
	bench.k.hook = count_region_calls;
	opens();
	assert_int_equal(region_calls, 7);
	bench_close();
	bench.fn->bar[0].area_count = 2;
	bench.fn->bar[0].area[0].len = 0x2000;
	bench.fn->bar[0].area[1].offset = 0x8000;
	bench.fn->bar[0].area[1].len = 0x1000;
	region_calls = 0;
	opens();
	assert_int_equal(region_calls, 8);
	assert_int_equal(region_of(0).area_count, 2);
	assert_int_equal(region_of(0).area[1].offset, 0x8000);
}

/* Between the two answers it grew; and one that would fill any buffer. */
static void more_areas_than_we_take_are_an_error_of_the_open(void **state)
{
	(void)state;
	bench.fn->bar[0].area_count = FAKE_AREAS;
	for (unsigned int i = 0; i < FAKE_AREAS; i++) {
		bench.fn->bar[0].area[i].offset = i * FAKE_PAGE;
		bench.fn->bar[0].area[i].len = FAKE_PAGE;
	}
	bench.fn->bar[0].len = FAKE_AREAS * FAKE_PAGE;
	assert_refused(vfiosafe_device_open(&bench.dev, ADDRESS, &bench.opts), EBADMSG,
		       "makes no sense", "too many");
	assert_null(bench.dev);
}

static void bars_that_there_are_not_have_no_length(void **state)
{
	struct vfiosafe_region region;

	(void)state;
	opens();
	assert_int_equal(region_of(1).len, 0);
	assert_int_equal(region_of(5).area_count, 0);
	assert_refused(vfiosafe_region_info(bench.dev, 6, &region), EINVAL, "BAR 6",
		       "0 to 5");
	assert_refused(vfiosafe_region_info(bench.dev, UINT32_MAX, &region), EINVAL,
		       "0 to 5");
}

static void bars_that_cannot_be_mapped_have_a_length_and_no_area(void **state)
{
	(void)state;
	opens();
	assert_int_equal(region_of(2).len, 0x20);
	assert_int_equal(region_of(2).area_count, 0);
	assert_true(region_of(2).readable);
	assert_int_equal(region_of(4).len, 0x40);
	assert_int_equal(region_of(4).area_count, 0);
}

/* @vectors entries at @table in BAR 0, pending bits at @pba in BAR 0. */
static void put_msix(uint16_t vectors, uint32_t table, uint32_t pba)
{
	uint8_t *cap = bench.fn->config + FAKE_CAP_MSIX;

	cap[2] = (uint8_t)(vectors - 1);
	cap[3] = (uint8_t)((vectors - 1) >> 8);
	memcpy(cap + 4, &table, sizeof(table));
	memcpy(cap + 8, &pba, sizeof(pba));
}

static void the_msix_table_is_left_out_where_the_kernel_does_not_map_it(void **state)
{
	struct vfiosafe_region region;

	(void)state;
	put_msix(5, 0x3000, 0x5000);
	opens();
	region = region_of(0);
	assert_int_equal(region.msix_table.offset, 0x3000);
	assert_int_equal(region.msix_table.len, 5 * 16);
	assert_int_equal(region.msix_pba.offset, 0x5000);
	assert_int_equal(region.msix_pba.len, 8);
	assert_int_equal(region.area_count, 2);
	assert_int_equal(region.area[0].len, 0x3000);
	assert_int_equal(region.area[1].offset, 0x4000);
	assert_int_equal(region.area[1].len, 0xc000);
}

static void the_msix_table_is_mapped_where_the_kernel_says_so(void **state)
{
	struct vfiosafe_region region;

	(void)state;
	bench.fn->bar[0].msix_mappable = true;
	put_msix(2048, 0x8000, 0x2000);
	opens();
	region = region_of(0);
	assert_int_equal(region.msix_table.offset, 0x8000);
	assert_int_equal(region.msix_table.len, 2048 * 16);
	assert_int_equal(region.msix_pba.len, 2048 / 8);
	assert_int_equal(region.area_count, 1);
	assert_int_equal(region.area[0].len, 0x10000);
}

static void a_table_at_either_end_leaves_one_area(void **state)
{
	(void)state;
	put_msix(256, 0, 0x1000);
	opens();
	assert_int_equal(region_of(0).area_count, 1);
	assert_int_equal(region_of(0).area[0].offset, 0x1000);
	bench_close();
	put_msix(256, 0xf000, 0x1000);
	opens();
	assert_int_equal(region_of(0).area_count, 1);
	assert_int_equal(region_of(0).area[0].len, 0xf000);
}

static void a_table_that_lies_nowhere_is_ignored(void **state)
{
	(void)state;
	put_msix(16, 0x20000, 0xfffffff8);
	opens();
	assert_int_equal(region_of(0).area_count, 1);
	assert_int_equal(region_of(0).msix_table.len, 0);
	assert_int_equal(region_of(0).msix_pba.len, 0);
	bench_close();
	put_msix(16, 0x1000 | 7, 0x1000 | 6);
	opens();
	assert_int_equal(region_of(0).msix_table.len, 0);
}

/* A table that reaches beyond its BAR is cut off with it. */
static void a_table_longer_than_its_bar_leaves_what_is_before_it(void **state)
{
	(void)state;
	put_msix(2048, 0xf000, 0xe000);
	opens();
	assert_int_equal(region_of(0).area_count, 1);
	assert_int_equal(region_of(0).area[0].offset, 0);
	assert_int_equal(region_of(0).area[0].len, 0xf000);
}

static void a_chain_of_config_capabilities_may_loop(void **state)
{
	(void)state;
	bench.fn->config[FAKE_CAP_MSIX + 1] = FAKE_CAP_PM;
	bench.fn->config[FAKE_CAP_MSIX] = 0x09;
	opens();
	assert_state(LIVE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, bench_setup, bench_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_answer_that_needs_more_room_is_asked_for_again),
		TEST(more_areas_than_we_take_are_an_error_of_the_open),
		TEST(bars_that_there_are_not_have_no_length),
		TEST(bars_that_cannot_be_mapped_have_a_length_and_no_area),
		TEST(the_msix_table_is_left_out_where_the_kernel_does_not_map_it),
		TEST(the_msix_table_is_mapped_where_the_kernel_says_so),
		TEST(a_table_at_either_end_leaves_one_area),
		TEST(a_table_that_lies_nowhere_is_ignored),
		TEST(a_table_longer_than_its_bar_leaves_what_is_before_it),
		TEST(a_chain_of_config_capabilities_may_loop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

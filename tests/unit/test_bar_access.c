/* SPDX-License-Identifier: MIT */
/* The accessors: widths, bounds, order, mapped and through the kernel. */
#include "unit_driver.h"

/* A length that ends within a page is a length all the same. */
static void a_range_ends_where_it_was_said_to(void **state)
{
	struct vfiosafe_bar *bar = bench_map(0, 0x1000, 0x7c, 0);
	struct vfiosafe_view view = bench_view(bar);
	uint64_t wide;
	uint32_t value;
	uint8_t byte;

	(void)state;
	assert_int_equal(vfiosafe_bar_len(bar), 0x7c);
	assert_non_null(vfiosafe_bar_address(bar));
	assert_ok(vfiosafe_read32(&view, 0x78, &value));
	assert_ok(vfiosafe_read8(&view, 0x7b, &byte));
	assert_int_equal(vfiosafe_read32(&view, 0x7c, &value), -ERANGE);
	assert_int_equal(vfiosafe_read64(&view, 0x78, &wide), -ERANGE);
	assert_int_equal(vfiosafe_read8(&view, 0x7c, &byte), -ERANGE);
	assert_int_equal(vfiosafe_read64_lo_hi(&view, 0x78, &wide), -ERANGE);
}

static void accesses_outside_of_the_range_are_refused_without_overflow(void **state)
{
	static const uint64_t offsets[] = { 0x10000, 0x10008, UINT64_MAX - 7,
					    UINT64_C(1) << 63 };
	uint64_t value64 = 1;
	uint32_t value = 1;

	(void)state;
	for (size_t i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++) {
		assert_refused(vfiosafe_read32(&bench.view, offsets[i], &value), ERANGE,
			       "outside BAR 0");
		assert_int_equal(vfiosafe_write64(&bench.view, offsets[i], 0), -ERANGE);
		assert_int_equal(vfiosafe_read64(&bench.view, offsets[i], &value64),
				 -ERANGE);
		assert_int_equal(vfiosafe_write64_hi_lo(&bench.view, offsets[i], 0),
				 -ERANGE);
	}
	assert_int_equal(value, 1);
	assert_int_equal(value64, 1);
}

static void unaligned_accesses_are_refused(void **state)
{
	uint16_t v16;
	uint32_t v32;
	uint64_t v64;

	(void)state;
	assert_refused(vfiosafe_read16(&bench.view, 1, &v16), EINVAL, "multiple of 2");
	assert_refused(vfiosafe_read32(&bench.view, 2, &v32), EINVAL, "multiple of 4");
	assert_refused(vfiosafe_read64(&bench.view, 4, &v64), EINVAL, "multiple of 8");
	assert_int_equal(vfiosafe_write16(&bench.view, 3, 0), -EINVAL);
	assert_int_equal(vfiosafe_write32(&bench.view, UINT64_MAX, 0), -EINVAL);
	assert_int_equal(vfiosafe_write64(&bench.view, 12, 0), -EINVAL);
	assert_ok(vfiosafe_read64_lo_hi(&bench.view, 4, &v64));
	assert_int_equal(vfiosafe_read64_lo_hi(&bench.view, 2, &v64), -EINVAL);
}

static void all_widths_do_what_they_say(struct vfiosafe_view *view)
{
	uint64_t v64;
	uint32_t v32;
	uint16_t v16;
	uint8_t v8;

	assert_ok(vfiosafe_write64(view, 8, UINT64_C(0x1122334455667788)));
	assert_ok(vfiosafe_read64(view, 8, &v64));
	assert_int_equal(v64, UINT64_C(0x1122334455667788));
	assert_ok(vfiosafe_read32(view, 12, &v32));
	assert_int_equal(v32, 0x11223344);
	assert_ok(vfiosafe_read16(view, 10, &v16));
	assert_int_equal(v16, 0x5566);
	assert_ok(vfiosafe_read8(view, 8, &v8));
	assert_int_equal(v8, 0x88);
	assert_ok(vfiosafe_write8(view, 8, 0xaa));
	assert_ok(vfiosafe_write16(view, 10, 0xbbcc));
	assert_ok(vfiosafe_write32(view, 12, 0xddeeff00));
	assert_ok(vfiosafe_read64_lo_hi(view, 8, &v64));
	assert_int_equal(v64, UINT64_C(0xddeeff00bbcc77aa));
}

static void all_widths_work_on_a_mapped_bar(void **state)
{
	(void)state;
	all_widths_do_what_they_say(&bench.view);
	/* Not one of them asked the kernel. */
	assert_log("");
}

static void a_bar_that_cannot_be_mapped_is_reached_by_the_same_calls(void **state)
{
	struct vfiosafe_bar *bar = bench_map(2, 0, 0, 0);
	struct vfiosafe_view view = bench_view(bar);
	struct vfiosafe_section sec;

	(void)state;
	assert_int_equal(vfiosafe_bar_len(bar), 0x20);
	assert_null(vfiosafe_bar_address(bar));
	assert_ok(vfiosafe_begin(&view, &sec));
	assert_null(vfiosafe_ptr(&sec));
	assert_ok(vfiosafe_end(&sec));
	all_widths_do_what_they_say(&view);
	assert_log("w2+8:8=1122334455667788 r2+8:8=1122334455667788 r2+c:4=11223344 "
		   "r2+a:2=5566 r2+8:1=88 w2+8:1=aa w2+a:2=bbcc w2+c:4=ddeeff00 "
		   "r2+8:4=bbcc77aa r2+c:4=ddeeff00");
	view = bench_view(bench_map(4, 0, 0, 0));
	all_widths_do_what_they_say(&view);
}

static void halves_are_written_in_the_order_of_the_name(void **state)
{
	struct vfiosafe_view view = bench_view(bench_map(2, 0, 0, 0));

	(void)state;
	assert_ok(vfiosafe_write64_lo_hi(&view, 4, UINT64_C(0x1111111122222222)));
	assert_log("w2+4:4=22222222 w2+8:4=11111111");
	fake_log_clear(&bench.k);
	assert_ok(vfiosafe_write64_hi_lo(&view, 4, UINT64_C(0x3333333344444444)));
	assert_log("w2+8:4=33333333 w2+4:4=44444444");
	assert_ok(vfiosafe_write64_lo_hi(&bench.view, 4, UINT64_C(0x1111111122222222)));
	assert_int_equal(*(uint32_t *)(fake_bar(bench.fn, 0) + 8), 0x11111111);
	assert_ok(vfiosafe_write64_hi_lo(&bench.view, 4, UINT64_C(0x3333333344444444)));
	assert_int_equal(*(uint32_t *)(fake_bar(bench.fn, 0) + 4), 0x44444444);
}

static void without_mmap_the_kernel_is_asked_for_each_access(void **state)
{
	size_t mapped = fake_mapped(&bench.k);
	struct vfiosafe_bar *bar = bench_map(0, 0x1000, 0x1000, VFIOSAFE_BAR_NO_MMAP);
	struct vfiosafe_view view = bench_view(bar);
	uint32_t value;

	(void)state;
	assert_int_equal(fake_mapped(&bench.k), mapped);
	assert_null(vfiosafe_bar_address(bar));
	assert_ok(vfiosafe_write32(&view, 4, 9));
	assert_ok(vfiosafe_read32(&view, 4, &value));
	assert_log("w0+1004:4=9 r0+1004:4=9");
}

static void decode_turned_off_behind_our_back_is_a_fault(void **state)
{
	struct vfiosafe_view view = bench_view(bench_map(2, 0, 0, 0));
	uint32_t value = 5;

	(void)state;
	fake_set_command(bench.fn, 0);
	assert_refused(vfiosafe_read32(&view, 0, &value), EIO, "BAR 2", "kernel refused");
	assert_int_equal(value, 5);
	assert_state(FAULT);
	assert_int_equal(vfiosafe_device_cause(bench.dev), VFIOSAFE_CAUSE_ACCESS);
	assert_ok(vfiosafe_recover(bench.dev, NULL));
	view = bench_view(bench.bar);
	assert_ok(vfiosafe_read32(&view, 0, &value));
}

static void another_refusal_of_the_kernel_is_handed_on(void **state)
{
	struct vfiosafe_view view = bench_view(bench_map(2, 0, 0, 0));
	uint32_t value = 5;

	(void)state;
	fake_fail(&bench.k, FAKE_PREAD, FAKE_REGION(2), ENOMEM, 1);
	assert_refused(vfiosafe_read32(&view, 0, &value), ENOMEM, "BAR 2");
	assert_int_equal(value, 5);
	assert_state(LIVE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, bench_setup_open, bench_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_range_ends_where_it_was_said_to),
		TEST(accesses_outside_of_the_range_are_refused_without_overflow),
		TEST(unaligned_accesses_are_refused),
		TEST(all_widths_work_on_a_mapped_bar),
		TEST(a_bar_that_cannot_be_mapped_is_reached_by_the_same_calls),
		TEST(halves_are_written_in_the_order_of_the_name),
		TEST(without_mmap_the_kernel_is_asked_for_each_access),
		TEST(decode_turned_off_behind_our_back_is_a_fault),
		TEST(another_refusal_of_the_kernel_is_handed_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

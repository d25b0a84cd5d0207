/* SPDX-License-Identifier: MIT */
/* Bulk copies: widths, memory that is not aligned, chunks, bounds, one generation. */
#include "epoch.h"
#include "unit_driver.h"
#include "unit_thread.h"

#define AT 0x200u
#define LEN 6000u /* not a whole number of chunks in any width */

static uint8_t memory[LEN + 16], back[LEN + 16];

static void fill(uint8_t *to, size_t len)
{
	for (size_t i = 0; i < len; i++)
		to[i] = (uint8_t)(i * 7 + i / 251);
}

static int setup(void **state)
{
	bench_setup(state);
	bench.fn->bar[3] = (struct fake_bar){ .len = 0x4000, .no_mmap = true };
	bench_open();
	fill(memory, sizeof(memory));
	memset(back, 0, sizeof(back));
	return 0;
}

static uint64_t suspicions(void)
{
	struct vfiosafe_probe_counts c;

	vfiosafe_probe_counts(bench.dev, &c);
	return c.suspicions;
}

static void bytes_keep_their_order_in_every_width(void **state)
{
	const uint8_t *device = fake_bar(bench.fn, 0) + AT;

	(void)state;
	for (unsigned int width = 1; width <= 8; width *= 2) {
		memset(fake_bar(bench.fn, 0), 0, 0x10000);
		memset(back, 0, sizeof(back));
		assert_ok(vfiosafe_copy_to(&bench.view, AT, memory, LEN, width));
		assert_memory_equal(device, memory, LEN);
		/* Nothing before it, nothing behind it. */
		assert_int_equal(device[-1] | device[LEN], 0);
		assert_ok(vfiosafe_copy_from(&bench.view, AT, back, LEN, width));
		assert_memory_equal(back, memory, LEN);
		assert_int_equal(back[LEN], 0);
	}
	/* Not one of them asked the kernel. */
	assert_log("");
}

static void the_memory_may_lie_anywhere(void **state)
{
	(void)state;
	for (unsigned int shift = 1; shift < 8; shift++) {
		assert_ok(vfiosafe_copy_to(&bench.view, AT, memory + shift, 4096, 8));
		assert_memory_equal(fake_bar(bench.fn, 0) + AT, memory + shift, 4096);
		assert_ok(vfiosafe_copy_from(&bench.view, AT, back + shift, 4096, 8));
		assert_memory_equal(back + shift, memory + shift, 4096);
	}
}

static void each_access_has_the_width_that_was_asked_for(void **state)
{
	struct vfiosafe_view view = bench_view(bench_map(2, 0, 0, 0));
	uint8_t bytes[8] = { 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88 };

	(void)state;
	assert_ok(vfiosafe_copy_to(&view, 8, bytes, 4, 1));
	assert_ok(vfiosafe_copy_to(&view, 8, bytes, 4, 2));
	assert_ok(vfiosafe_copy_to(&view, 8, bytes, 8, 4));
	assert_ok(vfiosafe_copy_to(&view, 8, bytes, 8, 8));
	assert_log("w2+8:1=11 w2+9:1=22 w2+a:1=33 w2+b:1=44 w2+8:2=2211 w2+a:2=4433 "
		   "w2+8:4=44332211 w2+c:4=88776655 w2+8:8=8877665544332211");
	fake_log_clear(&bench.k);
	memset(bytes, 0, sizeof(bytes));
	assert_ok(vfiosafe_copy_from(&view, 8, bytes, 8, 2));
	assert_int_equal(bytes[0], 0x11);
	assert_int_equal(bytes[7], 0x88);
	assert_ok(vfiosafe_copy_from(&view, 8, bytes, 8, 8));
	assert_int_equal(bytes[7], 0x88);
	assert_log("r2+8:2=2211 r2+a:2=4433 r2+c:2=6655 r2+e:2=8877 "
		   "r2+8:8=8877665544332211");
}

static void bounds_and_multiples_are_checked_before_anything_is_touched(void **state)
{
	const struct vfiosafe_view never = { 0 };

	(void)state;
	assert_refused(vfiosafe_copy_from(&bench.view, 0, back, 8, 3), EINVAL,
		       "width of 3");
	assert_refused(vfiosafe_copy_from(&bench.view, 0, back, 8, 0), EINVAL,
		       "width of 0");
	assert_refused(vfiosafe_copy_from(&bench.view, 0, back, 6, 4), EINVAL,
		       "length of 6");
	assert_refused(vfiosafe_copy_to(&bench.view, 2, memory, 8, 4), EINVAL,
		       "multiple of 4");
	assert_refused(vfiosafe_copy_to(&bench.view, 0xfff8, memory, 16, 4), ERANGE,
		       "outside BAR 0");
	assert_refused(vfiosafe_copy_to(&bench.view, UINT64_MAX - 7, memory, 16, 8),
		       ERANGE, "outside BAR 0");
	assert_int_equal(vfiosafe_copy_from(&bench.view, 8, back, SIZE_MAX - 7, 8),
			 -ERANGE);
	assert_refused(vfiosafe_copy_from(&never, 0, back, 8, 8), EINVAL, "never taken");
	assert_refused(vfiosafe_copy_from(&bench.view, 0, NULL, 8, 8), EINVAL, "null");
	assert_int_equal(back[0], 0);
	assert_int_equal(*(uint64_t *)(fake_bar(bench.fn, 0) + 0xfff8), 0);
	assert_ok(vfiosafe_copy_to(&bench.view, 0xfff8, memory, 8, 8));
	assert_ok(vfiosafe_copy_to(&bench.view, 0x10000, memory, 0, 8));
	assert_ok(vfiosafe_copy_from(&bench.view, 0, NULL, 0, 1));
}

static struct vfiosafe_window *opened;
static unsigned int accesses;

static int begin_window(void)
{
	opened = window_begin(1000);
	return vfiosafe_window_poll(opened);
}

static void open_at_the_tenth(struct fake *fake, enum fake_call call, uint64_t key)
{
	(void)fake;
	if ((call == FAKE_PREAD || call == FAKE_PWRITE) && key >> 40 == 3 &&
	    ++accesses == 10)
		assert_int_equal(on_another_thread(begin_window), -EAGAIN);
}

/* To the end of the section, which the window waits for, and not one access further. */
static void stops_at_a_window(bool write)
{
	struct vfiosafe_view view = bench_view(bench_map(3, 0, 0, 0));

	accesses = 0;
	bench.k.hook = open_at_the_tenth;
	if (write)
		assert_int_equal(vfiosafe_copy_to(&view, 0, memory, LEN, 1), -EAGAIN);
	else
		assert_int_equal(vfiosafe_copy_from(&view, 0, back, LEN, 1), -EAGAIN);
	bench.k.hook = NULL;
	assert_int_equal(accesses, 512);
	assert_int_equal(vsf_depth(), 0);
	assert_int_equal(vfiosafe_window_poll(opened), VFIOSAFE_STEP_COMMIT);
	vfiosafe_window_end(opened);
	assert_state(LIVE);
}

static void a_window_does_not_wait_for_the_whole_of_a_long_copy(void **state)
{
	(void)state;
	stops_at_a_window(false);
	stops_at_a_window(true);
}

static void a_copy_of_another_generation_is_stale(void **state)
{
	(void)state;
	assert_ok(vfiosafe_reset(bench.dev, NULL));
	assert_refused(vfiosafe_copy_from(&bench.view, AT, back, LEN, 4), ESTALE,
		       "reset");
	assert_refused(vfiosafe_copy_to(&bench.view, AT, memory, LEN, 4), ESTALE,
		       "reset");
	assert_int_equal(back[0] | back[1], 0);
}

static struct vfiosafe_view shared;

static void spoil_at_the_tenth(struct fake *fake, enum fake_call call, uint64_t key)
{
	(void)fake;
	if (call == FAKE_PREAD && key >> 40 == 3 && ++accesses == 10)
		memset(&shared, 0, sizeof(shared));
}

/* So one that is renewed meanwhile does not carry the copy into the next generation. */
static void a_shared_view_is_looked_at_once(void **state)
{
	(void)state;
	shared = bench_view(bench_map(3, 0, 0, 0));
	fill(fake_bar(bench.fn, 3), LEN);
	accesses = 0;
	bench.k.hook = spoil_at_the_tenth;
	assert_ok(vfiosafe_copy_from(&shared, 0, back, LEN, 1));
	assert_memory_equal(back, memory, LEN);
	assert_null(shared.bar);
}

static void all_ones_anywhere_is_asked_about_once_at_the_end(void **state)
{
	(void)state;
	assert_ok(vfiosafe_copy_to(&bench.view, AT, memory, LEN, 4));
	assert_ok(vfiosafe_copy_from(&bench.view, AT, back, LEN, 4));
	assert_int_equal(suspicions(), 0);
	memset(fake_bar(bench.fn, 0) + AT + 64, 0xff, 256);
	assert_ok(vfiosafe_copy_from(&bench.view, AT, back, LEN, 4));
	assert_int_equal(suspicions(), 1);
	assert_memory_equal(back, fake_bar(bench.fn, 0) + AT, LEN);
	/* Not a value of the width that was read. */
	memset(fake_bar(bench.fn, 0) + AT + 64, 0, 256);
	memset(fake_bar(bench.fn, 0) + AT + 64, 0xff, 4);
	assert_ok(vfiosafe_copy_from(&bench.view, AT, back, 128, 8));
	assert_int_equal(suspicions(), 1);
}

static void a_copy_from_a_device_that_died_fails(void **state)
{
	(void)state;
	memset(fake_bar(bench.fn, 0) + AT, 0xff, LEN);
	bench.fn->silent_until = INT64_MAX;
	assert_refused(vfiosafe_copy_from(&bench.view, AT, back, LEN, 8), EIO,
		       "does not answer");
	assert_state(FAULT);
	assert_int_equal(suspicions(), 1);
}

static void through_the_kernel_all_ones_is_asked_about_too(void **state)
{
	struct vfiosafe_view view = bench_view(bench_map(3, 0, 0, 0));

	(void)state;
	memset(fake_bar(bench.fn, 3) + 8, 0xff, 1);
	assert_ok(vfiosafe_copy_from(&view, 0, back, 1024, 1));
	assert_int_equal(suspicions(), 1);
	bench.fn->silent_until = INT64_MAX;
	assert_refused(vfiosafe_copy_from(&view, 0, back, 1024, 1), EIO,
		       "does not answer");
}

static void a_refusal_of_the_kernel_ends_it(void **state)
{
	struct vfiosafe_view view = bench_view(bench_map(3, 0, 0, 0));

	(void)state;
	fake_fail(&bench.k, FAKE_PWRITE, FAKE_REGION(3) + 8, ENOMEM, 1);
	assert_refused(vfiosafe_copy_to(&view, 0, memory, 64, 4), ENOMEM, "BAR 3");
	assert_log("w3+0:4=150e0700 w3+4:4=312a231c");
	assert_state(LIVE);
	fake_set_command(bench.fn, 0);
	assert_refused(vfiosafe_copy_from(&view, 0, back, 64, 4), EIO, "BAR 3");
	assert_state(FAULT);
	assert_int_equal(vfiosafe_device_cause(bench.dev), VFIOSAFE_CAUSE_ACCESS);
}

/* The MSI-X table lies in a hole of the mapping: that part goes through the kernel. */
static void a_hole_in_the_mapping_is_copied_through_the_kernel(void **state)
{
	struct vfiosafe_view view;

	(void)state;
	bench_close();
	bench.fn->bar[0].area_count = 2;
	bench.fn->bar[0].area[0].len = 0x1000;
	bench.fn->bar[0].area[1].offset = 0x2000;
	bench.fn->bar[0].area[1].len = 0x1000;
	bench_open();
	view = bench.view;
	assert_ok(vfiosafe_copy_to(&view, 0x0ff0, memory, 0x20, 8));
	assert_memory_equal(fake_bar(bench.fn, 0) + 0x0ff0, memory, 0x20);
	assert_log("w0+1000:8=a19a938c857e7770 w0+1008:8=d9d2cbc4bdb6afa8");
	assert_ok(vfiosafe_copy_from(&view, 0x0ff0, back, 0x20, 8));
	assert_memory_equal(back, memory, 0x20);
}

static void inside_a_section_a_copy_is_part_of_it(void **state)
{
	struct vfiosafe_section sec;

	(void)state;
	assert_ok(vfiosafe_begin(&bench.view, &sec));
	assert_ok(vfiosafe_copy_to(&bench.view, AT, memory, LEN, 4));
	assert_ok(vfiosafe_end(&sec));
	assert_memory_equal(fake_bar(bench.fn, 0) + AT, memory, LEN);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, bench_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(bytes_keep_their_order_in_every_width),
		TEST(the_memory_may_lie_anywhere),
		TEST(each_access_has_the_width_that_was_asked_for),
		TEST(bounds_and_multiples_are_checked_before_anything_is_touched),
		TEST(a_window_does_not_wait_for_the_whole_of_a_long_copy),
		TEST(a_copy_of_another_generation_is_stale),
		TEST(a_shared_view_is_looked_at_once),
		TEST(all_ones_anywhere_is_asked_about_once_at_the_end),
		TEST(a_copy_from_a_device_that_died_fails),
		TEST(through_the_kernel_all_ones_is_asked_about_too),
		TEST(a_refusal_of_the_kernel_ends_it),
		TEST(a_hole_in_the_mapping_is_copied_through_the_kernel),
		TEST(inside_a_section_a_copy_is_part_of_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* Naming a sentinel: which registers will do, when, and for how long. */
#include "epoch.h"
#include "unit_sentinel.h"
#include "unit_thread.h"

static bool sticks; /* reads of BAR 2 give 0x30, whatever is written */

static void stick(struct fake *fake, enum fake_call call, uint64_t key)
{
	(void)fake;
	if (sticks && call == FAKE_PREAD && key == FAKE_REGION(2))
		memset(fake_bar(bench.fn, 2), 0x30, 8);
}

static struct vfiosafe_sentinel in_bar_2(void)
{
	struct vfiosafe_sentinel s = writable();

	s.bar = bench_map(2, 0, 0, 0);
	s.offset = 0;
	sticks = true;
	bench.k.hook = stick;
	return s;
}

static void a_register_that_does_not_hold_what_is_written_is_refused(void **state)
{
	struct vfiosafe_sentinel s = in_bar_2();

	(void)state;
	assert_refused(vfiosafe_set_sentinel(bench.dev, &s), EINVAL, "does not hold",
		       "BAR 2");
	/* The former one stays, and is still looked at. */
	assert_ok(vfiosafe_probe(bench.dev));
	reset_behind();
	was_caught(vfiosafe_probe(bench.dev));
}

/* Also where the one bit happens to be as it would be written. */
static void a_single_bit_that_does_not_change_is_refused(void **state)
{
	struct vfiosafe_sentinel s = in_bar_2();

	(void)state;
	for (s.mask = 1; s.mask <= 0x80; s.mask <<= 1)
		assert_int_equal(vfiosafe_set_sentinel(bench.dev, &s), -EINVAL);
	sticks = false;
	for (s.mask = 1; s.mask <= 0x80; s.mask <<= 1)
		assert_ok(vfiosafe_set_sentinel(bench.dev, &s));
}

static void a_refused_sentinel_leaves_the_register_as_it_was(void **state)
{
	struct vfiosafe_sentinel s = in_bar_2();

	(void)state;
	sticks = false;
	memset(fake_bar(bench.fn, 2), 0x7e, 8);
	fake_fail_later(&bench.k, FAKE_PREAD, FAKE_REGION(2), ENOMEM, 2, 1);
	assert_refused(vfiosafe_set_sentinel(bench.dev, &s), ENOMEM, "sentinel");
	assert_int_equal(*(uint32_t *)fake_bar(bench.fn, 2), 0x7e7e7e7e);
}

/* The bit must not be set to what a reset leaves in it. */
static void one_that_is_set_again_keeps_its_nonce(void **state)
{
	struct vfiosafe_sentinel s = writable();
	uint32_t nonce;

	(void)state;
	poke(SENTINEL, 0);
	s.mask = 0x100;
	assert_ok(vfiosafe_set_sentinel(bench.dev, &s));
	nonce = peek(SENTINEL);
	assert_int_equal(nonce & 0x100, 0x100);
	assert_ok(vfiosafe_set_sentinel(bench.dev, &s));
	assert_int_equal(peek(SENTINEL), nonce);
	/* Unless it was lost meanwhile. */
	reset_behind();
	assert_ok(vfiosafe_set_sentinel(bench.dev, &s));
	assert_int_equal(peek(SENTINEL), 0x100);
}

static void a_register_that_stops_holding_keeps_the_device_from_live(void **state)
{
	struct vfiosafe_sentinel s = in_bar_2();

	(void)state;
	sticks = false;
	assert_ok(vfiosafe_set_sentinel(bench.dev, &s));
	sticks = true;
	assert_refused(reset_ms(1000), EIO, "does not hold");
	assert_state(FAULT);
	assert_int_equal(vfiosafe_device_cause(bench.dev), VFIOSAFE_CAUSE_NOT_READY);
	sticks = false;
	assert_ok(vfiosafe_recover(bench.dev, NULL));
	assert_ok(vfiosafe_probe(bench.dev));
}

static void a_sentinel_that_cannot_be_read_is_not_called_lost(void **state)
{
	struct vfiosafe_sentinel s = in_bar_2();

	(void)state;
	sticks = false;
	assert_ok(vfiosafe_set_sentinel(bench.dev, &s));
	fake_fail(&bench.k, FAKE_PREAD, FAKE_REGION(2), ENOMEM, 2);
	assert_refused(vfiosafe_probe(bench.dev), ENOMEM, "sentinel");
	assert_refused(end_of_section(vfiosafe_end_checked), ENOMEM, "sentinel");
	assert_state(LIVE);
	assert_int_equal(vsf_depth(), 0);
	fake_fail(&bench.k, FAKE_PREAD, FAKE_REGION(2), EIO, 1);
	assert_refused(end_of_section(vfiosafe_end_checked), EIO, "refused");
	assert_int_equal(vfiosafe_device_cause(bench.dev), VFIOSAFE_CAUSE_ACCESS);
}

static void a_constant_that_is_another_is_refused(void **state)
{
	(void)state;
	poke(SENTINEL, 0xc0de);
	assert_refused(set_constant(0xffff, 0xc0df), EINVAL, "does not read", "0xc0de");
	assert_int_equal(peek(SENTINEL), 0xc0de);
}

static void bad_arguments_are_named(void **state)
{
	struct vfiosafe_sentinel good = writable(), s;

	(void)state;
#define refused(member, bad, err, ...)                                                   \
	s = good, s.member = (bad),                                                      \
	assert_refused(vfiosafe_set_sentinel(bench.dev, &s), err, __VA_ARGS__)
	refused(width, 3, EINVAL, "width");
	refused(width, 0, EINVAL, "width");
	refused(bar, NULL, EINVAL, "bar");
	refused(mask, 0, EINVAL, "mask");
	refused(mask, UINT64_C(1) << 32, EINVAL, "mask");
	refused(value, 1, EINVAL, "value");
	refused(offset, 2, EINVAL, "multiple");
	refused(offset, 0x10000, ERANGE, "outside");
	refused(size, 0, EINVAL, "size");
	good.writable = false;
	refused(value, 1, EINVAL, "value");
	assert_ok(vfiosafe_probe(bench.dev));
}

static void its_bar_stays_mapped_until_it_is_taken_back(void **state)
{
	(void)state;
	assert_refused(vfiosafe_bar_unmap(bench.bar, 100), EBUSY, "sentinel");
	assert_state(LIVE);
	assert_ok(vfiosafe_probe(bench.dev));
	assert_ok(vfiosafe_set_sentinel(bench.dev, NULL));
	reset_behind();
	assert_ok(vfiosafe_probe(bench.dev));
	assert_ok(vfiosafe_bar_unmap(bench.bar, 100));
}

static void in_fault_it_can_be_taken_back_only(void **state)
{
	struct vfiosafe_sentinel s = writable();

	(void)state;
	assert_ok(vfiosafe_mark_lost(bench.dev, NULL));
	assert_refused(vfiosafe_set_sentinel(bench.dev, &s), EIO, "FAULT");
	assert_ok(vfiosafe_set_sentinel(bench.dev, NULL));
	assert_state(FAULT);
	assert_ok(vfiosafe_bar_unmap(bench.bar, 100));
	assert_ok(vfiosafe_recover(bench.dev, NULL));
}

static void set_inside(struct vfiosafe_device *dev, enum callback which)
{
	struct vfiosafe_section sec;

	if (which != REINIT) {
		assert_int_equal(vfiosafe_set_sentinel(dev, NULL), -EDEADLK);
		return;
	}
	bench.view = bench_view(bench.bar);
	assert_ok(vfiosafe_begin(&bench.view, &sec));
	assert_int_equal(vfiosafe_set_sentinel(dev, NULL), -EDEADLK);
	assert_ok(vfiosafe_end(&sec));
	assert_ok(vfiosafe_set_sentinel(dev, NULL));
}

static void it_is_not_set_inside_sections_nor_callbacks_but_reinit(void **state)
{
	struct vfiosafe_section sec;

	(void)state;
	assert_ok(vfiosafe_begin(&bench.view, &sec));
	assert_refused(vfiosafe_set_sentinel(bench.dev, NULL), EDEADLK, "section");
	assert_ok(vfiosafe_end(&sec));
	driver.inside = set_inside;
	assert_ok(reset_ms(1000));
	assert_int_equal(
		driver.count[QUIESCE] + driver.count[READY] + driver.count[REINIT], 3);
	assert_ok(vfiosafe_bar_unmap(bench.bar, 100));
}

static void it_is_not_set_under_a_section_of_another_thread(void **state)
{
	struct vfiosafe_sentinel s = writable();
	struct holder holder = { 0 };

	(void)state;
	hold(&holder, &bench.view);
	assert_refused(vfiosafe_set_sentinel(bench.dev, &s), EBUSY, "section");
	assert_ok(release(&holder));
	assert_ok(vfiosafe_set_sentinel(bench.dev, &s));
}

static void a_device_that_is_gone_has_no_use_for_it(void **state)
{
	struct vfiosafe_window *win = window_begin(1000);

	(void)state;
	assert_int_equal(vfiosafe_device_close(bench.dev, 0), -EBUSY);
	vfiosafe_window_end(win);
	assert_int_equal(set_constant(1, 0), -ENODEV);
	assert_ok(vfiosafe_bar_unmap(bench.bar, 0));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, sentinel_setup, bench_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_register_that_does_not_hold_what_is_written_is_refused),
		TEST(a_single_bit_that_does_not_change_is_refused),
		TEST(a_refused_sentinel_leaves_the_register_as_it_was),
		TEST(a_register_that_stops_holding_keeps_the_device_from_live),
		TEST(a_sentinel_that_cannot_be_read_is_not_called_lost),
		TEST(a_constant_that_is_another_is_refused),
		TEST(bad_arguments_are_named),
		TEST(its_bar_stays_mapped_until_it_is_taken_back),
		TEST(in_fault_it_can_be_taken_back_only),
		TEST(it_is_not_set_inside_sections_nor_callbacks_but_reinit),
		TEST(it_is_not_set_under_a_section_of_another_thread),
		TEST(a_device_that_is_gone_has_no_use_for_it),
		TEST(one_that_is_set_again_keeps_its_nonce),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* The sentinel: looked at, renewed by windows, and what it catches. */
#include "epoch.h"
#include "unit_sentinel.h"

#define REG 0x40u

static void a_nonce_is_stored_and_the_other_bits_stay(void **state)
{
	(void)state;
	assert_int_equal(peek(SENTINEL) & ~MASK, OTHERS);
	assert_int_not_equal(peek(SENTINEL) & MASK, 0);
	assert_int_not_equal(peek(SENTINEL) & MASK, MASK);
	assert_ok(vfiosafe_probe(bench.dev));
	assert_ok(end_of_section(vfiosafe_end_checked));
	assert_state(LIVE);
	assert_generation(1);
	assert_int_equal(driver.count[QUIESCE], 0);
}

static void a_reset_behind_the_library_is_caught_by_a_probe(void **state)
{
	(void)state;
	reset_behind();
	was_caught(vfiosafe_probe(bench.dev));
	assert_ok(vfiosafe_recover(bench.dev, NULL));
	assert_ok(vfiosafe_probe(bench.dev));
}

static void a_reset_behind_the_library_is_caught_at_the_end_of_a_section(void **state)
{
	(void)state;
	reset_behind();
	/* As long as nobody looks, nobody knows. */
	assert_ok(end_of_section(vfiosafe_end));
	was_caught(end_of_section(vfiosafe_end_checked));
	assert_int_equal(vsf_depth(), 0);
}

static void a_reset_behind_the_library_is_caught_by_a_read_of_all_ones(void **state)
{
	uint32_t value = 5;

	(void)state;
	poke(REG, UINT32_MAX);
	assert_ok(vfiosafe_read32(&bench.view, REG, &value));
	value = 5;
	reset_behind();
	poke(REG, UINT32_MAX);
	was_caught(vfiosafe_read32(&bench.view, REG, &value));
	assert_int_equal(value, 5);
}

/* One look that fails is enough: the second might be at another device. */
static void a_sentinel_that_was_lost_for_one_look_is_lost(void **state)
{
	uint32_t nonce = peek(SENTINEL);

	(void)state;
	reset_behind();
	was_caught(vfiosafe_probe(bench.dev));
	poke(SENTINEL, nonce);
	assert_int_equal(vfiosafe_probe(bench.dev), -EIO);
}

static uint32_t nonce_in_reinit;

static void look_in_reinit(struct vfiosafe_device *dev, enum callback which)
{
	uint32_t value;

	(void)dev;
	if (which != REINIT)
		return;
	nonce_in_reinit = peek(SENTINEL);
	/* The device was reset, as was wanted: that is no reason to call it lost. */
	poke(REG, UINT32_MAX);
	bench.view = bench_view(bench.bar);
	assert_ok(vfiosafe_read32(&bench.view, REG, &value));
	assert_ok(vfiosafe_probe(bench.dev));
	assert_ok(end_of_section(vfiosafe_end_checked));
}

static void each_generation_has_another_nonce_from_before_it_is_live(void **state)
{
	uint32_t before = peek(SENTINEL);

	(void)state;
	driver.inside = look_in_reinit;
	for (int i = 0; i < 20; i++) {
		assert_ok(reset_ms(1000));
		assert_int_equal(nonce_in_reinit, 0);
		assert_int_not_equal(peek(SENTINEL), before);
		assert_int_equal(peek(SENTINEL) & ~MASK, OTHERS);
		before = peek(SENTINEL);
		assert_ok(vfiosafe_probe(bench.dev));
		assert_ok(end_of_section(vfiosafe_end_checked));
	}
	assert_int_equal(caught(), 0);
}

static void a_window_that_is_called_off_keeps_the_nonce(void **state)
{
	uint32_t before = peek(SENTINEL);

	(void)state;
	driver.rc[QUIESCE] = -EPERM;
	assert_int_equal(reset_ms(1000), -ECANCELED);
	assert_int_equal(peek(SENTINEL), before);
	assert_ok(vfiosafe_probe(bench.dev));
}

static void a_parked_device_keeps_the_nonce(void **state)
{
	uint32_t before = peek(SENTINEL);

	(void)state;
	assert_ok(vfiosafe_set_decode(bench.dev, false, NULL));
	assert_refused(vfiosafe_probe(bench.dev), EAGAIN, "window");
	assert_int_equal(set_constant(1, 0), -EAGAIN);
	assert_ok(vfiosafe_set_decode(bench.dev, true, NULL));
	assert_int_equal(peek(SENTINEL), before);
	assert_ok(vfiosafe_probe(bench.dev));
}

static void program(struct vfiosafe_device *dev, enum callback which)
{
	(void)dev;
	if (which == REINIT)
		poke(SENTINEL, 0xc0de);
}

static void a_constant_is_what_reinit_makes_it(void **state)
{
	(void)state;
	poke(SENTINEL, 0xc0de);
	assert_ok(set_constant(0xffff, 0xc0de));
	assert_ok(vfiosafe_probe(bench.dev));
	driver.inside = program;
	assert_ok(reset_ms(1000));
	assert_int_equal(peek(SENTINEL), 0xc0de);
	assert_ok(end_of_section(vfiosafe_end_checked));
	reset_behind();
	was_caught(end_of_section(vfiosafe_end_checked));
	driver.inside = NULL;
	assert_refused(vfiosafe_recover(bench.dev, NULL), EIO, "does not read");
	driver.inside = program;
	assert_ok(vfiosafe_recover(bench.dev, NULL));
}

/* Set first thing in reinit, as at the first start. */
static unsigned int reset_in; /* ... of which reinit */

static void set_in_reinit(struct vfiosafe_device *dev, enum callback which)
{
	struct vfiosafe_sentinel s = writable();
	uint32_t last = peek(SENTINEL);

	(void)dev;
	if (which != REINIT) {
		if (which != LOST)
			assert_int_equal(vfiosafe_set_sentinel(bench.dev, &s), -EDEADLK);
		return;
	}
	assert_ok(vfiosafe_set_sentinel(bench.dev, &s));
	assert_int_not_equal(peek(SENTINEL), last);
	assert_ok(end_of_section(vfiosafe_end_checked));
	if (driver.count[REINIT] == reset_in)
		reset_behind();
}

static void what_is_set_in_reinit_has_to_hold_at_its_end(void **state)
{
	uint32_t nonce;

	(void)state;
	driver.inside = set_in_reinit;
	reset_in = 2;
	assert_ok(reset_ms(1000));
	nonce = peek(SENTINEL);
	assert_ok(end_of_section(vfiosafe_end_checked));
	assert_refused(reset_ms(1000), EIO, "does not hold");
	assert_state(FAULT);
	assert_ok(vfiosafe_recover(bench.dev, NULL));
	assert_int_not_equal(peek(SENTINEL), nonce);
	assert_ok(end_of_section(vfiosafe_end_checked));
}

static void without_a_sentinel_there_is_no_checked_end(void **state)
{
	struct vfiosafe_section sec;

	(void)state;
	assert_ok(vfiosafe_set_sentinel(bench.dev, NULL));
	assert_refused(end_of_section(vfiosafe_end_checked), EINVAL,
		       "vfiosafe_set_sentinel");
	assert_int_equal(vsf_depth(), 0);
	assert_ok(vfiosafe_begin(&bench.view, &sec));
	assert_ok(vfiosafe_end(&sec));
	assert_refused(vfiosafe_end_checked(&sec), EINVAL, "not open");
}

static int lose_and_end(struct vfiosafe_section *sec)
{
	assert_ok(vfiosafe_mark_lost(bench.dev, "in the section"));
	reset_behind();
	return vfiosafe_end_checked(sec);
}

static void a_loss_that_is_known_needs_no_sentinel(void **state)
{
	(void)state;
	assert_int_equal(end_of_section(lose_and_end), -EIO);
	assert_int_equal(vfiosafe_device_cause(bench.dev), VFIOSAFE_CAUSE_MARKED);
	assert_int_equal(caught(), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, sentinel_setup, bench_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_nonce_is_stored_and_the_other_bits_stay),
		TEST(a_reset_behind_the_library_is_caught_by_a_probe),
		TEST(a_reset_behind_the_library_is_caught_at_the_end_of_a_section),
		TEST(a_reset_behind_the_library_is_caught_by_a_read_of_all_ones),
		TEST(a_sentinel_that_was_lost_for_one_look_is_lost),
		TEST(each_generation_has_another_nonce_from_before_it_is_live),
		TEST(a_window_that_is_called_off_keeps_the_nonce),
		TEST(a_parked_device_keeps_the_nonce),
		TEST(a_constant_is_what_reinit_makes_it),
		TEST(what_is_set_in_reinit_has_to_hold_at_its_end),
		TEST(without_a_sentinel_there_is_no_checked_end),
		TEST(a_loss_that_is_known_needs_no_sentinel),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

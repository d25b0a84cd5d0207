/* SPDX-License-Identifier: MIT */
/* vfiosafe_poll32(): what ends it, and what it costs until then. */
#include "unit_driver.h"
#include "unit_thread.h"

#define REG 0x40u
#define MS INT64_C(1000000)

static void put(uint32_t value)
{
	memcpy(fake_bar(bench.fn, 0) + REG, &value, sizeof(value));
}

static int64_t in_ms(int64_t ms)
{
	return bench.k.sys.now_ns(&bench.k) + ms * MS;
}

static unsigned int waits(void)
{
	return bench.k.count[FAKE_FUTEX_WAIT];
}

/* Done in the @nth pause of a poll. */
static unsigned int in_pause;
static void (*meanwhile)(void);

static void pause_hook(struct fake *fake, enum fake_call call, uint64_t key)
{
	(void)key;
	if (call == FAKE_FUTEX_WAIT && fake->count[call] + 1 == in_pause)
		meanwhile();
}

static void during_pause(unsigned int nth, void (*what)(void))
{
	in_pause = waits() + nth;
	meanwhile = what;
	bench.k.hook = pause_hook;
}

static void set_bits(void)
{
	put(0x10f0);
}

static void a_register_that_matches_already_is_read_once(void **state)
{
	uint32_t value = 0;

	(void)state;
	put(0x12f4);
	assert_ok(vfiosafe_poll32(&bench.view, REG, 0xff00, 0x1200, in_ms(1), &value));
	assert_int_equal(value, 0x12f4);
	assert_ok(vfiosafe_poll32(&bench.view, REG, 0, 0, in_ms(1), NULL));
	assert_int_equal(waits(), 0);
}

static void it_sleeps_between_reads_until_the_bits_are_there(void **state)
{
	int64_t start = in_ms(0);
	uint32_t value = 0;

	(void)state;
	during_pause(5, set_bits);
	assert_ok(vfiosafe_poll32(&bench.view, REG, 0xff00, 0x1000, in_ms(1000), &value));
	assert_int_equal(value, 0x10f0);
	assert_int_equal(waits(), 5);
	/* 1, 2, 4, 8 and 16 microseconds. */
	assert_int_equal(in_ms(0) - start, 31000);
}

static void pauses_grow_to_a_millisecond_and_no_further(void **state)
{
	int64_t start = in_ms(0);

	(void)state;
	during_pause(100, set_bits);
	assert_ok(vfiosafe_poll32(&bench.view, REG, 0xff00, 0x1000, VFIOSAFE_FOREVER,
				  NULL));
	assert_int_equal(in_ms(0) - start, 1023000 + 90 * MS);
}

static void at_the_deadline_the_last_value_is_handed_over(void **state)
{
	int64_t deadline = in_ms(50);
	uint32_t value = 0;

	(void)state;
	put(0x0ff0);
	assert_refused(
		vfiosafe_poll32(&bench.view, REG, 0xff00, 0x1000, deadline, &value),
		ETIMEDOUT, ADDRESS, "0x40", "0xff0", "0x1000", "0xff00");
	assert_int_equal(value, 0x0ff0);
	/* Not a pause longer than it was told. */
	assert_int_equal(in_ms(0), deadline);
}

/* Late, by whatever kept us: the register has the last word. */
static void match_late(void)
{
	fake_advance_ms(&bench.k, 1000);
	set_bits();
}

static void a_match_that_came_before_the_poll_woke_is_a_match(void **state)
{
	(void)state;
	during_pause(3, match_late);
	assert_ok(vfiosafe_poll32(&bench.view, REG, 0xff00, 0x1000, in_ms(10), NULL));
}

static void a_deadline_in_the_past_still_reads_once(void **state)
{
	(void)state;
	put(0x1000);
	assert_ok(vfiosafe_poll32(&bench.view, REG, 0xff00, 0x1000, 0, NULL));
	put(0);
	assert_int_equal(vfiosafe_poll32(&bench.view, REG, 0xff00, 0x1000, 0, NULL),
			 -ETIMEDOUT);
	assert_int_equal(waits(), 0);
}

static struct vfiosafe_window *opened;

static int begin_window(void)
{
	opened = window_begin(1000);
	return 0;
}

static void open_a_window(void)
{
	assert_ok(on_another_thread(begin_window));
}

static void a_window_ends_the_pause_and_the_poll(void **state)
{
	int64_t start = in_ms(0);
	uint32_t value = 5;

	(void)state;
	during_pause(20, open_a_window);
	assert_refused(vfiosafe_poll32(&bench.view, REG, 1, 1, VFIOSAFE_FOREVER, &value),
		       EAGAIN, "window");
	assert_int_equal(value, 5);
	/* The clock did not go on in that pause: the bell ended it. */
	assert_int_equal(waits(), 20);
	assert_int_equal(in_ms(0) - start, 1023000 + 9 * MS);
	/* Nor is the window kept waiting. */
	assert_int_equal(vfiosafe_window_poll(opened), VFIOSAFE_STEP_COMMIT);
	vfiosafe_window_end(opened);
}

/* Reads of BAR 2 go through the kernel: what happens in the middle of one. */
static unsigned int reads;

static void read_hook(struct fake *fake, enum fake_call call, uint64_t key)
{
	(void)fake;
	if (call == FAKE_PREAD && key == FAKE_REGION(2) && ++reads == in_pause)
		meanwhile();
}

static struct vfiosafe_view during_read(unsigned int nth, void (*what)(void))
{
	reads = 0;
	in_pause = nth;
	meanwhile = what;
	bench.k.hook = read_hook;
	return bench_view(bench_map(2, 0, 0, 0));
}

/* It rang before the pause: that does not begin. */
static void a_window_that_opens_during_a_read_ends_the_pause_after_it(void **state)
{
	struct vfiosafe_view view = during_read(12, open_a_window);
	int64_t start = in_ms(0);

	(void)state;
	assert_int_equal(vfiosafe_poll32(&view, 0, 1, 1, VFIOSAFE_FOREVER, NULL), -EAGAIN);
	assert_int_equal(reads, 12);
	assert_int_equal(in_ms(0) - start, 15000);
	bench.k.hook = NULL;
	vfiosafe_window_end(opened);
}

static void match_in_bar_2(void)
{
	fake_bar(bench.fn, 2)[0] = 1;
}

static void be_late(void)
{
	fake_advance_ms(&bench.k, 1000);
	in_pause++;
	meanwhile = match_in_bar_2;
}

/* The deadline passed while the register was read: what it said then is old. */
static void a_read_that_took_too_long_is_not_the_last(void **state)
{
	struct vfiosafe_view view = during_read(3, be_late);

	(void)state;
	assert_ok(vfiosafe_poll32(&view, 0, 1, 1, in_ms(10), NULL));
	assert_int_equal(reads, 4);
}

static int reset_now(void)
{
	return vfiosafe_reset(bench.dev, NULL);
}

static void reset_there(void)
{
	assert_ok(on_another_thread(reset_now));
	set_bits();
}

static void it_does_not_go_on_in_the_next_generation(void **state)
{
	(void)state;
	during_pause(2, reset_there);
	assert_refused(vfiosafe_poll32(&bench.view, REG, 0xff00, 0x1000, in_ms(10), NULL),
		       ESTALE, "reset");
}

static void lose(void)
{
	bench.fn->silent_until = INT64_MAX;
	put(UINT32_MAX);
}

static void a_device_that_dies_meanwhile_ends_it(void **state)
{
	uint32_t value = 5;

	(void)state;
	during_pause(2, lose);
	/* All-ones would match: it is asked about first. */
	assert_refused(vfiosafe_poll32(&bench.view, REG, 1, 1, in_ms(10), &value), EIO,
		       "does not answer");
	assert_int_equal(value, 5);
	assert_state(FAULT);
	assert_int_equal(driver.count[LOST], 1);
}

static void a_register_that_is_to_become_all_ones_may(void **state)
{
	uint32_t value;

	(void)state;
	put(UINT32_MAX);
	assert_ok(vfiosafe_poll32(&bench.view, REG, UINT32_MAX, UINT32_MAX, 0, &value));
	assert_int_equal(value, UINT32_MAX);
}

static void misuse_is_refused_at_once(void **state)
{
	const struct vfiosafe_view never = { 0 };
	struct vfiosafe_section sec;

	(void)state;
	assert_refused(vfiosafe_poll32(&bench.view, REG, 1, 3, in_ms(1), NULL), EINVAL,
		       "never be read");
	assert_refused(vfiosafe_poll32(&bench.view, REG + 2, 1, 1, in_ms(1), NULL),
		       EINVAL, "multiple of 4");
	assert_refused(vfiosafe_poll32(&bench.view, 0x10000, 1, 1, in_ms(1), NULL),
		       ERANGE, "outside");
	assert_refused(vfiosafe_poll32(&never, REG, 1, 1, in_ms(1), NULL), EINVAL,
		       "taken");
	assert_ok(vfiosafe_begin(&bench.view, &sec));
	assert_refused(vfiosafe_poll32(&bench.view, REG, 0, 0, in_ms(1), NULL), EDEADLK,
		       "section");
	assert_ok(vfiosafe_end(&sec));
	assert_int_equal(waits(), 0);
}

static void poll_inside(struct vfiosafe_device *dev, enum callback which)
{
	(void)dev;
	if (which != REINIT)
		return;
	bench.view = bench_view(bench.bar);
	during_pause(3, set_bits);
	assert_ok(vfiosafe_poll32(&bench.view, REG, 0xff00, 0x1000, in_ms(100), NULL));
	bench.k.hook = NULL;
}

static void a_reinit_callback_may_poll(void **state)
{
	(void)state;
	driver.inside = poll_inside;
	assert_ok(reset_ms(1000));
	assert_int_equal(driver.count[REINIT], 1);
}

static int poll_for_ever(void)
{
	return vfiosafe_poll32(&bench.view, REG, 1, 1, VFIOSAFE_FOREVER, NULL);
}

/* On a real clock: the close waits for the poll, which the bell has ended. */
static void a_close_ends_a_poll_and_waits_for_it(void **state)
{
	struct runner runner;

	(void)state;
	bench.k.real_clock = true;
	run_beside(&runner, poll_for_ever);
	until(times_called(FAKE_FUTEX_WAIT) > 0);
	bench_close();
	assert_int_equal(run_ended(&runner), -ENODEV);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, driver_setup, bench_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_register_that_matches_already_is_read_once),
		TEST(it_sleeps_between_reads_until_the_bits_are_there),
		TEST(pauses_grow_to_a_millisecond_and_no_further),
		TEST(at_the_deadline_the_last_value_is_handed_over),
		TEST(a_match_that_came_before_the_poll_woke_is_a_match),
		TEST(a_deadline_in_the_past_still_reads_once),
		TEST(a_window_ends_the_pause_and_the_poll),
		TEST(a_window_that_opens_during_a_read_ends_the_pause_after_it),
		TEST(a_read_that_took_too_long_is_not_the_last),
		TEST(it_does_not_go_on_in_the_next_generation),
		TEST(a_device_that_dies_meanwhile_ends_it),
		TEST(a_register_that_is_to_become_all_ones_may),
		TEST(misuse_is_refused_at_once),
		TEST(a_reinit_callback_may_poll),
		TEST(a_close_ends_a_poll_and_waits_for_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

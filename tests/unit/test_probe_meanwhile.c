/* SPDX-License-Identifier: MIT */
/* What happens to the device, and in which section, while it is asked about all-ones. */
#include "epoch.h"
#include "unit_driver.h"
#include "unit_thread.h"

#define REG 0x40u
#define ONES UINT64_MAX

static uint8_t *reg(unsigned int bar)
{
	return fake_bar(bench.fn, bar) + (bar == 0 ? REG : 0);
}

static void put(unsigned int bar, uint64_t value)
{
	memcpy(reg(bar), &value, sizeof(value));
}

static struct vfiosafe_probe_counts counts(void)
{
	struct vfiosafe_probe_counts c;

	vfiosafe_probe_counts(bench.dev, &c);
	return c;
}

static int setup(void **state)
{
	int rc = driver_setup(state);

	put(0, ONES);
	return rc;
}

static void read_all_widths(void)
{
	uint64_t v64 = 0;
	uint32_t v32 = 0;
	uint16_t v16 = 0;
	uint8_t v8 = 0;

	assert_ok(vfiosafe_read64(&bench.view, REG, &v64));
	assert_ok(vfiosafe_read32(&bench.view, REG, &v32));
	assert_ok(vfiosafe_read16(&bench.view, REG, &v16));
	assert_ok(vfiosafe_read8(&bench.view, REG, &v8));
	assert_true(v64 == ONES && v32 == UINT32_MAX && v16 == UINT16_MAX &&
		    v8 == UINT8_MAX);
}

/* What happens while the config space is being read. */
static void (*meanwhile)(void);

static void while_asked(struct fake *fake, enum fake_call call, uint64_t key)
{
	void (*now)(void) = meanwhile;

	(void)fake;
	if (call != FAKE_PREAD || key != FAKE_CONFIG + 4 || !now)
		return;
	meanwhile = NULL;
	now();
}

static void mark_lost(void)
{
	assert_ok(vfiosafe_mark_lost(bench.dev, "while it was asked"));
}

static void the_words_are_looked_at_after_the_answer_again(void **state)
{
	uint32_t value = 5;

	(void)state;
	meanwhile = mark_lost;
	bench.k.hook = while_asked;
	assert_int_equal(vfiosafe_read32(&bench.view, REG, &value), -EIO);
	assert_null(meanwhile);
	assert_int_equal(value, 5);
	assert_int_equal(vfiosafe_device_cause(bench.dev), VFIOSAFE_CAUSE_MARKED);
}

/* The words come first: what a device that is being reset answers proves nothing. */
static void a_device_that_left_its_generation_meanwhile_is_not_called_dead(void **state)
{
	(void)state;
	meanwhile = mark_lost;
	bench.k.hook = while_asked;
	bench.fn->silent_until = INT64_MAX;
	assert_int_equal(vfiosafe_read32(&bench.view, REG, &(uint32_t){ 0 }), -EIO);
	assert_int_equal(vfiosafe_device_cause(bench.dev), VFIOSAFE_CAUSE_MARKED);
	assert_int_equal(counts().config, 0);
	/* It was in a section: the lost callback had to be left out. */
	assert_int_equal(driver.count[LOST], 0);
}

static struct vfiosafe_window *opened;

static int begin_window(void)
{
	opened = window_begin(1000);
	return vfiosafe_window_poll(opened);
}

static int poll_window(void)
{
	return vfiosafe_window_poll(opened);
}

static void open_a_window(void)
{
	assert_int_equal(on_another_thread(begin_window), -EAGAIN);
}

static void a_window_waits_for_the_answer_which_is_good_then(void **state)
{
	uint32_t value = 5;

	(void)state;
	meanwhile = open_a_window;
	bench.k.hook = while_asked;
	assert_ok(vfiosafe_read32(&bench.view, REG, &value));
	assert_int_equal(value, UINT32_MAX);
	bench.k.hook = NULL;
	assert_int_equal(on_another_thread(poll_window), VFIOSAFE_STEP_COMMIT);
	assert_int_equal(driver.count[QUIESCE], 1);
	vfiosafe_window_end(opened);
	assert_state(LIVE);
}

static void a_loss_found_in_a_window_is_healed_by_its_reset(void **state)
{
	uint32_t value = 5;

	(void)state;
	meanwhile = open_a_window;
	bench.k.hook = while_asked;
	fake_set_power_state(bench.fn, 3);
	assert_refused(vfiosafe_read32(&bench.view, REG, &value), EIO, "put to sleep");
	assert_int_equal(value, 5);
	assert_state(FAULT);
	bench.k.hook = NULL;
	/* A recovery from here on: no quiesce callback. */
	assert_int_equal(vfiosafe_window_poll(opened), VFIOSAFE_STEP_COMMIT);
	assert_int_equal(driver.count[QUIESCE], 0);
	assert_ok(vfiosafe_window_commit(opened));
	assert_int_equal(vfiosafe_window_poll(opened), VFIOSAFE_STEP_FINISH);
	assert_ok(vfiosafe_window_finish(opened));
	vfiosafe_window_end(opened);
	assert_state(LIVE);
	assert_generation(2);
}

static void inside_a_section_it_is_asked_as_well(void **state)
{
	struct vfiosafe_section sec;
	uint32_t value = 5;

	(void)state;
	assert_ok(vfiosafe_begin(&bench.view, &sec));
	assert_ok(vfiosafe_read32(&bench.view, REG, &value));
	assert_ok(vfiosafe_probe(bench.dev));
	bench.fn->silent_until = INT64_MAX;
	assert_refused(vfiosafe_read32(&bench.view, REG, &value), EIO, "does not answer");
	assert_int_equal(vfiosafe_end(&sec), -EIO);
	assert_state(FAULT);
	assert_int_equal(driver.count[LOST], 0);
}

static void a_read_in_the_deepest_section_has_room_to_ask(void **state)
{
	struct vfiosafe_section sec[VFIOSAFE_SECTION_DEPTH];

	(void)state;
	for (int i = 0; i < VFIOSAFE_SECTION_DEPTH; i++)
		assert_ok(vfiosafe_begin(&bench.view, &sec[i]));
	read_all_widths();
	assert_ok(vfiosafe_probe(bench.dev));
	for (int i = VFIOSAFE_SECTION_DEPTH; i-- > 0;)
		assert_ok(vfiosafe_end(&sec[i]));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, bench_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_words_are_looked_at_after_the_answer_again),
		TEST(a_device_that_left_its_generation_meanwhile_is_not_called_dead),
		TEST(a_window_waits_for_the_answer_which_is_good_then),
		TEST(a_loss_found_in_a_window_is_healed_by_its_reset),
		TEST(inside_a_section_it_is_asked_as_well),
		TEST(a_read_in_the_deepest_section_has_room_to_ask),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* Parking a device and fetching it back, each way: order, refusals, nothing else. */
#include "power_rig.h"
#include "unit_thread.h"

static void in_order(enum way way)
{
	assert_ok(vfiosafe_write32(&bench.view, 0x40, 0x1234));
	assert_ok(park(way));
	assert_log(ways[way].park);
	assert_parked();
	assert_generation(1);
	assert_ok(wake(way));
	assert_log(ways[way].wake);
	assert_awake(ways[way].keeps ? 1 : 2);
	assert_int_equal(driver.count[LOST], 0);
}

static void it_is_parked_and_woken_in_order(void **state)
{
	(void)state;
	each_way(in_order);
}

static void without_a_driver(enum way way)
{
	assert_ok(vfiosafe_device_set_driver(bench.dev, NULL, NULL));
	assert_ok(park(way));
	assert_parked();
	assert_ok(wake(way));
	assert_awake(ways[way].keeps ? 1 : 2);
}

static void a_device_without_driver_is_parked_too(void **state)
{
	(void)state;
	each_way(without_a_driver);
}

static void many_times(enum way way)
{
	for (unsigned int i = 1; i <= 20; i++) {
		assert_ok(park(way));
		assert_ok(wake(way));
		assert_generation(ways[way].keeps ? 1 : i + 1);
	}
	assert_int_equal(driver.count[QUIESCE], 20);
	assert_int_equal(driver.count[RESUME] + driver.count[REINIT], 20);
}

static void it_may_be_parked_again_and_again(void **state)
{
	(void)state;
	each_way(many_times);
}

static void twice(enum way way)
{
	assert_ok(wake(way));
	assert_log("");
	assert_ok(park(way));
	assert_ok(park(way));
	assert_log("");
	assert_parked();
	assert_ok(wake(way));
	assert_ok(wake(way));
	assert_log("");
	assert_state(LIVE);
}

static void what_is_so_already_is_no_error(void **state)
{
	(void)state;
	each_way(twice);
}

static void a_wake_up_to_be_told_is_more_than_low_power(void **state)
{
	(void)state;
	assert_ok(park(WAKEUP));
	assert_ok(park(LOW_POWER));
	assert_log("");
	assert_ok(wake(WAKEUP));
	assert_ok(park(LOW_POWER));
	assert_refused(park(WAKEUP), EBUSY, ADDRESS, "low power", "undo that first");
	assert_log("");
	assert_parked();
	assert_ok(wake(LOW_POWER));
	assert_ok(park(WAKEUP));
}

static bool is_same(enum way a, enum way b)
{
	return strcmp(ways[a].undo, ways[b].undo) == 0;
}

static void in_another_way(enum way way)
{
	assert_ok(park(way));
	for (int other = 0; other < WAYS; other++) {
		if (is_same(way, (enum way)other) || other == D3HOT_LOST)
			continue;
		assert_refused(park((enum way)other), EBUSY, ADDRESS, "parked",
			       ways[way].name, ways[way].undo);
		assert_log("");
		assert_refused(wake((enum way)other), EBUSY, ADDRESS, "parked",
			       ways[way].name, ways[way].undo);
		assert_log("");
		assert_parked();
	}
	assert_ok(wake(way));
	assert_log(ways[way].wake);
}

static void two_ways_at_once_are_refused(void **state)
{
	(void)state;
	each_way(in_another_way);
}

static void says_so(enum way way)
{
	assert_ok(park(way));
	assert_refused(vfiosafe_wait(bench.dev, bench.k.now + 1000000), ETIMEDOUT, ADDRESS,
		       "parked", ways[way].name, ways[way].undo, "undoes");
	assert_ok(wake(way));
	assert_ok(vfiosafe_wait(bench.dev, 0));
}

static void a_wait_says_that_it_is_parked_and_how_to_undo_it(void **state)
{
	(void)state;
	each_way(says_so);
}

static void no_window(enum way way)
{
	assert_ok(park(way));
	assert_int_equal(vfiosafe_window_deadline(bench.dev), VFIOSAFE_FOREVER);
	assert_ok(vfiosafe_device_set_driver(bench.dev, NULL, NULL));
	assert_ok(wake(way));
	assert_log(way == DECODE       ? "COMMAND=0002"
		   : way == D3HOT_KEPT ? "PMCSR=0008 COMMAND=0002"
		   : way == D3HOT_LOST ? "PMCSR=0000 COMMAND=0002"
				       : "AWAKE COMMAND=0002");
}

static void no_window_is_open_while_it_is_parked(void **state)
{
	(void)state;
	each_way(no_window);
}

static void states_that_there_are_not(void **state)
{
	const struct vfiosafe_reset_opts force = { .size = sizeof(force),
						   .policy = VFIOSAFE_POLICY_FORCE };

	(void)state;
	fake_log_clear(&bench.k);
	assert_refused(vfiosafe_set_power(bench.dev, VFIOSAFE_D1, NULL), EOPNOTSUPP, "D1",
		       "D3hot");
	assert_refused(vfiosafe_set_power(bench.dev, VFIOSAFE_D2, NULL), EOPNOTSUPP, "D2");
	assert_refused(vfiosafe_set_power(bench.dev, (enum vfiosafe_power)4, NULL), EINVAL,
		       "no power state 4");
	for (int way = 0; way < WAYS; way++)
		if (way != D3HOT_LOST)
			assert_refused(park_opts((enum way)way, &force), EINVAL, "FORCE");
	assert_log("");
	assert_state(LIVE);
}

static void a_device_without_power_management_has_no_d3hot(void **state)
{
	(void)state;
	bench_close();
	bench.fn->config[0x34] = FAKE_CAP_MSIX;
	bench_open();
	assert_refused(park(D3HOT_KEPT), EOPNOTSUPP, ADDRESS, "power management");
	assert_log("");
	assert_ok(wake(D3HOT_KEPT));
	assert_ok(park(DECODE));
	assert_ok(wake(DECODE));
}

static void options_size(enum way way)
{
	struct vfiosafe_reset_opts opts = { .size = 0 };

	assert_refused(park_opts(way, &opts), EINVAL, "opts.size");
	assert_ok(park(way));
	assert_refused(wake_opts(way, &opts), EINVAL, "opts.size");
	assert_parked();
}

static void options_are_read_as_those_of_a_reset(void **state)
{
	(void)state;
	each_way(options_size);
}

static void in_section(enum way way)
{
	struct vfiosafe_section sec;

	assert_ok(vfiosafe_begin(&bench.view, &sec));
	assert_refused(park(way), EDEADLK, "inside a section");
	assert_refused(wake(way), EDEADLK, "inside a section");
	assert_ok(vfiosafe_end(&sec));
	assert_log("");
}

static void a_thread_in_a_section_is_refused(void **state)
{
	(void)state;
	each_way(in_section);
}

static enum way in_callback;

static void park_and_wake(struct vfiosafe_device *dev, enum callback which)
{
	(void)dev;
	(void)which;
	assert_refused(park_opts(in_callback, NULL), EDEADLK, "callback");
	assert_refused(wake_opts(in_callback, NULL), EDEADLK, "callback");
}

static void from_callbacks(enum way way)
{
	if (way == D3HOT_LOST)
		return; /* the rig changes the device for it */
	in_callback = way;
	driver.inside = park_and_wake;
	assert_ok(reset_ms(1000));
	assert_ok(park(way));
	assert_ok(wake(way));
	assert_true(driver.count[QUIESCE] == 2);
	assert_true(driver.count[REINIT] + driver.count[RESUME] == 2);
}

static void a_callback_is_refused(void **state)
{
	(void)state;
	each_way(from_callbacks);
}

static void stuck_section(enum way way)
{
	const struct vfiosafe_reset_opts soon = { .size = sizeof(soon), .timeout_ms = 5 };
	struct holder holder = { 0 };

	hold(&holder, &bench.view);
	assert_refused(park_opts(way, &soon), ETIMEDOUT, ADDRESS, "thread", "section");
	assert_log("");
	assert_state(LIVE);
	assert_ok(release(&holder));
	assert_awake(1);
}

static void a_section_that_does_not_end_calls_it_off(void **state)
{
	(void)state;
	each_way(stuck_section);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, driver_setup, bench_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(it_is_parked_and_woken_in_order),
		TEST(a_device_without_driver_is_parked_too),
		TEST(it_may_be_parked_again_and_again),
		TEST(what_is_so_already_is_no_error),
		TEST(a_wake_up_to_be_told_is_more_than_low_power),
		TEST(two_ways_at_once_are_refused),
		TEST(a_wait_says_that_it_is_parked_and_how_to_undo_it),
		TEST(no_window_is_open_while_it_is_parked),
		TEST(states_that_there_are_not),
		TEST(a_device_without_power_management_has_no_d3hot),
		TEST(options_are_read_as_those_of_a_reset),
		TEST(a_thread_in_a_section_is_refused),
		TEST(a_callback_is_refused),
		TEST(a_section_that_does_not_end_calls_it_off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

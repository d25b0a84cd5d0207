/* SPDX-License-Identifier: MIT */
/* A device that is said to keep its state while it is parked, and a sentinel in it. */
#include "power_rig.h"

#define AT 0x80 /* the sentinel, in BAR 0 */

static void with_sentinel(void)
{
	const struct vfiosafe_sentinel sentinel = {
		.size = sizeof(sentinel),
		.bar = bench.bar,
		.offset = AT,
		.width = 4,
		.mask = UINT32_MAX,
		.writable = true,
	};

	assert_ok(vfiosafe_set_sentinel(bench.dev, &sentinel));
}

static void kept(enum way way)
{
	with_sentinel();
	assert_ok(park(way));
	assert_ok(wake(way));
	assert_awake(ways[way].keeps ? 1 : 2);
	assert_int_equal(driver.count[LOST], 0);
}

static void one_that_holds_is_live(void **state)
{
	(void)state;
	each_way(kept);
}

/* Reset by somebody else while it was parked; or No_Soft_Reset is not true. */
static void not_kept(enum way way)
{
	with_sentinel();
	assert_ok(park(way));
	memset(fake_bar(bench.fn, 0), 0, 0x1000);
	if (!ways[way].keeps) {
		assert_ok(wake(way));
		assert_awake(2);
		return;
	}
	assert_refused(wake(way), EIO, ADDRESS, "without its state", "sentinel");
	assert_state(FAULT);
	assert_int_equal(vfiosafe_device_cause(bench.dev), VFIOSAFE_CAUSE_SENTINEL);
	assert_int_equal(driver.count[RESUME], 0);
	assert_ok(vfiosafe_recover(bench.dev, NULL));
	assert_awake(2);
}

static void one_that_does_not_is_a_fault(void **state)
{
	(void)state;
	each_way(not_kept);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, driver_setup, bench_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(one_that_holds_is_live),
		TEST(one_that_does_not_is_a_fault),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/*
 * Losses and a close at every point of parking and waking: before each call of the
 * kernel in turn, and in each callback.
 */
#include "power_rig.h"
#include "unit_thread.h"

/* What happens before the nth call; of the kernel, or of the driver. */
static unsigned int countdown;
static void (*event)(void);
static bool happened;

static void at_a_call(struct fake *fake, enum fake_call call, uint64_t key)
{
	(void)key;
	/* Made under the lock of the event queue, which what happens needs too. */
	if (call == FAKE_EVENT_READ || call == FAKE_EVENT_WRITE)
		return;
	if (happened || countdown == 0 || --countdown > 0)
		return;
	happened = true;
	fake->hook = NULL;
	event();
}

static void in_a_callback(struct vfiosafe_device *dev, enum callback which)
{
	(void)dev;
	(void)which;
	at_a_call(&bench.k, FAKE_CALLS, 0);
}

static int beside_the_nth(unsigned int n, void (*what)(void), int (*run)(enum way), enum way way)
{
	int rc;

	countdown = n;
	event = what;
	happened = false;
	bench.k.hook = at_a_call;
	driver.inside = in_a_callback;
	rc = run(way);
	/* If it did, the thread that it started is reading this. */
	if (!happened)
		bench.k.hook = NULL;
	driver.inside = NULL;
	return rc;
}

static void afresh(void)
{
	void *state = &bench;

	assert_ok(bench_teardown(&state));
	assert_ok(driver_setup(&state));
	assert_ok(vfiosafe_set_bus_master(bench.dev, true));
}

static void mark(void)
{
	assert_ok(vfiosafe_mark_lost(bench.dev, "in between"));
}

static void in_fault_and_back(void)
{
	assert_state(FAULT);
	assert_int_equal(driver.count[LOST], 1);
	assert_int_equal(driver.cause, VFIOSAFE_CAUSE_MARKED);
	assert_ok(vfiosafe_recover(bench.dev, NULL));
	assert_int_equal(fake_command(bench.fn), 0x0006);
}

/* Parked, and the loss is met by the way back; or FAULT. LIVE it never is. */
static unsigned int marked_while_parking(enum way way)
{
	unsigned int n = 0;

	for (;;) {
		int rc;

		afresh();
		rc = beside_the_nth(++n, mark, park, way);
		if (!happened)
			break;
		if (rc == 0 && way == D3HOT_LOST) {
			assert_ok(wake(way));
			assert_awake(2);
			continue;
		}
		if (rc == 0) {
			assert_parked();
			rc = wake(way);
		}
		assert_int_equal(rc, -EIO);
		in_fault_and_back();
	}
	return n - 1;
}

static void a_loss_at_any_point_of_parking_is_told(void **state)
{
	(void)state;
	for (int way = 0; way < WAYS; way++)
		assert_in_range(marked_while_parking((enum way)way), 4, 100);
}

/*
 * Woken with the loss: FAULT; or, D3hot, healed by the way back, and then a generation
 * further on.
 */
static unsigned int marked_while_waking(enum way way)
{
	unsigned int n = 0;

	for (;;) {
		int rc;

		afresh();
		assert_ok(park(way));
		rc = beside_the_nth(++n, mark, wake, way);
		if (!happened)
			break;
		if (rc == 0 && way == D3HOT_LOST) {
			assert_awake(2);
			continue;
		}
		assert_int_equal(rc, -EIO);
		assert_state(FAULT);
		assert_int_equal(driver.cause, VFIOSAFE_CAUSE_MARKED);
		assert_ok(vfiosafe_recover(bench.dev, NULL));
	}
	return n - 1;
}

static void a_loss_at_any_point_of_waking_is_told(void **state)
{
	(void)state;
	for (int way = 0; way < WAYS; way++)
		assert_in_range(marked_while_waking((enum way)way), 3, 100);
}

static struct runner closer;

static int close_it(void)
{
	return vfiosafe_device_close(bench.dev, 10000);
}

static void close_beside(void)
{
	run_beside(&closer, close_it);
	until(vfiosafe_device_state(bench.dev) == VFIOSAFE_GONE);
}

/* The call ends, then the close; who asked is told, unless all was done before. */
static void is_closed(int rc)
{
	assert_true(rc == -ENODEV || rc == 0);
	assert_ok(run_ended(&closer));
	bench.dev = NULL;
}

/* A driver that has no opinion of the state: it may be GONE in any callback. */
static int no_opinion(struct vfiosafe_device *dev, void *ctx)
{
	(void)ctx;
	if (driver.inside)
		driver.inside(dev, CALLBACKS);
	return 0;
}

static const struct vfiosafe_driver_ops without_opinion = {
	.size = sizeof(without_opinion),
	.quiesce = no_opinion,
	.resume = no_opinion,
	.ready = no_opinion,
	.reinit = no_opinion,
};

static unsigned int closed_while(int (*run)(enum way), enum way way)
{
	unsigned int n = 0;

	for (;;) {
		int rc;

		afresh();
		bench.k.real_clock = true;
		assert_ok(vfiosafe_device_set_driver(bench.dev, &without_opinion, NULL));
		if (run == wake)
			assert_ok(park(way));
		rc = beside_the_nth(++n, close_beside, run, way);
		if (!happened)
			break;
		is_closed(rc);
	}
	return n - 1;
}

static void a_close_at_any_point_ends_it(void **state)
{
	(void)state;
	for (int way = 0; way < WAYS; way++) {
		assert_in_range(closed_while(park, (enum way)way), 4, 100);
		assert_in_range(closed_while(wake, (enum way)way), 3, 100);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, driver_setup, bench_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_loss_at_any_point_of_parking_is_told),
		TEST(a_loss_at_any_point_of_waking_is_told),
		TEST(a_close_at_any_point_ends_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

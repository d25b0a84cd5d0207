/* SPDX-License-Identifier: MIT */
/* Losses, faults and a close at every point of parking and of waking. */
#include "power_rig.h"
#include "unit_points.h"

static enum way the_way;

static int park_it(void)
{
	return park(the_way);
}

static int wake_it(void)
{
	return wake(the_way);
}

static void in_fault_and_back(enum vfiosafe_cause cause)
{
	assert_state(FAULT);
	assert_int_equal(driver.count[LOST], 1);
	assert_int_equal(driver.cause, cause);
	assert_ok(vfiosafe_recover(bench.dev, NULL));
	assert_int_equal(fake_command(bench.fn), 0x0006);
}

/* Healed on the way: a loss by D3hot that is a reset, a fault by BARs mapped back. */
static bool is_healed(enum vfiosafe_cause cause)
{
	return cause == VFIOSAFE_CAUSE_FAULT ? !ways[the_way].keeps : the_way == D3HOT_LOST;
}

/* Parked, and the way back meets it; or FAULT. LIVE as before it never is. */
static unsigned int event_while_parking(void (*event)(void), enum vfiosafe_cause cause)
{
	unsigned int n = 0;

	for (;;) {
		int rc;

		afresh();
		rc = with_event_at(++n, event, park_it);
		if (!point.happened)
			return n - 1;
		if (rc == 0) {
			assert_state(RESETTING);
			rc = wake_it();
		}
		if (rc == 0 && is_healed(cause)) {
			assert_awake(2);
			continue;
		}
		assert_int_equal(rc, -EIO);
		in_fault_and_back(cause);
	}
}

static unsigned int event_while_waking(void (*event)(void), enum vfiosafe_cause cause)
{
	unsigned int n = 0;

	for (;;) {
		int rc;

		afresh();
		assert_ok(park_it());
		rc = with_event_at(++n, event, wake_it);
		if (!point.happened)
			return n - 1;
		if (rc == 0 && is_healed(cause)) {
			assert_awake(2);
			continue;
		}
		assert_int_equal(rc, -EIO);
		in_fault_and_back(cause);
	}
}

static void a_loss_at_any_point_is_told(void **state)
{
	(void)state;
	for (the_way = 0; the_way < WAYS; the_way++) {
		assert_in_range(event_while_parking(mark, VFIOSAFE_CAUSE_MARKED), 4, 100);
		assert_in_range(event_while_waking(mark, VFIOSAFE_CAUSE_MARKED), 3, 100);
	}
}

static void so_is_a_fault(void **state)
{
	(void)state;
	for (the_way = 0; the_way < WAYS; the_way++) {
		assert_in_range(event_while_parking(close_the_gate, VFIOSAFE_CAUSE_FAULT), 4,
				100);
		assert_in_range(event_while_waking(close_the_gate, VFIOSAFE_CAUSE_FAULT), 3,
				100);
	}
}

static void mark_at_command(struct fake *fake, enum fake_call call, uint64_t key)
{
	if (call != FAKE_PWRITE || key != FAKE_CONFIG + 4)
		return;
	fake->hook = NULL;
	mark();
}

/* Before it is out of reach there is still time to say so. */
static void a_loss_before_it_is_parked_is_said_at_once(void **state)
{
	(void)state;
	for (the_way = 0; the_way < WAYS; the_way++) {
		afresh();
		bench.k.hook = mark_at_command;
		assert_refused(park_it(), EIO, "in between");
		assert_int_equal(driver.count[RESUME], 0);
		assert_false(fake_command(bench.fn) & 4);
		in_fault_and_back(VFIOSAFE_CAUSE_MARKED);
	}
}

static unsigned int closed_while(int (*run)(void))
{
	unsigned int n = 0;

	for (;;) {
		int rc;

		afresh();
		prepare_close();
		if (run == wake_it)
			assert_ok(park_it());
		rc = with_event_at(++n, close_beside, run);
		if (!point.happened)
			return n - 1;
		assert_closed(rc);
	}
}

static void a_close_at_any_point_ends_it(void **state)
{
	(void)state;
	for (the_way = 0; the_way < WAYS; the_way++) {
		assert_in_range(closed_while(park_it), 4, 100);
		assert_in_range(closed_while(wake_it), 3, 100);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, driver_setup, bench_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_loss_at_any_point_is_told),
		TEST(so_is_a_fault),
		TEST(a_loss_before_it_is_parked_is_said_at_once),
		TEST(a_close_at_any_point_ends_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

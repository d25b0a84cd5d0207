/* SPDX-License-Identifier: MIT */
/* Devices that are lost, before they are parked and while they are. */
#include "device.h"
#include "power_rig.h"

static void mark(const char *why)
{
	assert_ok(vfiosafe_mark_lost(bench.dev, why));
}

/* In D3hot that lost its state, the way back was a reset. */
static void marked(enum way way)
{
	parked(way);
	mark("while it slept");
	assert_parked();
	if (way == D3HOT_LOST) {
		assert_ok(wake(way));
		assert_awake(2);
		assert_int_equal(driver.count[LOST], 0);
		return;
	}
	assert_refused(wake(way), EIO, "while it slept");
	assert_state(FAULT);
	assert_int_equal(driver.cause, VFIOSAFE_CAUSE_MARKED);
	assert_int_equal(driver.count[RESUME] + driver.count[REINIT], 0);
	assert_int_equal(fake_command(bench.fn) & 4, 0);
	assert_ok(vfiosafe_recover(bench.dev, NULL));
	assert_awake(2);
	assert_int_equal(fake_command(bench.fn), 0x0006);
}

static void a_loss_while_it_is_parked_is_told_when_it_wakes(void **state)
{
	(void)state;
	each_way(marked);
}

/* What the SIGBUS handler does, where a raw pointer met the sleeping device. */
static void close_the_gate(void)
{
	__atomic_store_n(&bench.dev->words->gate, vsf_word(1, VFIOSAFE_FAULT),
			 __ATOMIC_SEQ_CST);
}

static void gate_closed(enum way way)
{
	uint32_t value;

	parked(way);
	close_the_gate();
	assert_state(RESETTING);
	assert_refused(vfiosafe_read32(&bench.view, 0, &value), EIO, "vfiosafe_recover()");
	assert_int_equal(vfiosafe_wait(bench.dev, VFIOSAFE_FOREVER), -EIO);
	if (!ways[way].keeps) {
		assert_ok(wake(way));
		assert_awake(2);
		return;
	}
	assert_refused(wake(way), EIO, "SIGBUS");
	assert_state(FAULT);
	assert_int_equal(vfiosafe_device_cause(bench.dev), VFIOSAFE_CAUSE_FAULT);
	assert_int_equal(driver.count[RESUME], 0);
	assert_ok(vfiosafe_recover(bench.dev, NULL));
	assert_awake(2);
}

static void a_fault_while_it_is_parked_is_told_when_it_wakes(void **state)
{
	(void)state;
	each_way(gate_closed);
}

static void waits_with_recovery(enum way way)
{
	assert_ok(vfiosafe_device_close(bench.dev, 0));
	bench.opts.recover_on_wait = true;
	bench_open();
	assert_ok(park(way));
	close_the_gate();
	assert_int_equal(vfiosafe_wait(bench.dev, bench.k.now + 1000000), -EIO);
	assert_state(RESETTING);
	assert_int_equal(bench.fn->resets, 0);
	assert_ok(vfiosafe_recover(bench.dev, NULL));
	assert_state(LIVE);
	mark("awake");
	assert_ok(vfiosafe_wait(bench.dev, VFIOSAFE_FOREVER));
	assert_int_equal(bench.fn->resets, 2);
}

static void no_waiter_wakes_it(void **state)
{
	(void)state;
	each_way(waits_with_recovery);
}

static void in_fault(enum way way)
{
	mark("by the test");
	assert_refused(park(way), EIO, ADDRESS, "FAULT", "vfiosafe_recover()");
	assert_refused(wake(way), EIO, ADDRESS, "FAULT");
	assert_log("");
	assert_ok(vfiosafe_recover(bench.dev, NULL));
	assert_ok(park(way));
}

static void a_device_in_fault_is_neither_parked_nor_woken(void **state)
{
	(void)state;
	each_way(in_fault);
}

/* Closed so late that no call has noticed: not a window of a device that is LIVE. */
static void gate_closes_late(struct fake *fake, enum fake_call call, uint64_t key)
{
	(void)key;
	if (call != FAKE_MEMBARRIER)
		return;
	fake->hook = NULL;
	close_the_gate();
}

static void unnoticed(enum way way)
{
	close_the_gate();
	assert_refused(wake(way), EIO, "FAULT");
	assert_refused(park(way), EIO, "FAULT");
	assert_int_equal(driver.count[QUIESCE], 0);
	assert_ok(vfiosafe_recover(bench.dev, NULL));
	/* In the membarrier, the first call after the window began. */
	bench.k.hook = gate_closes_late;
	assert_refused(park(way), EIO, "SIGBUS");
	assert_state(FAULT);
	assert_int_equal(bench.fn->low_power, false);
}

static void a_fault_before_it_is_parked_is_said_at_once(void **state)
{
	(void)state;
	each_way(unnoticed);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, driver_setup, bench_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_loss_while_it_is_parked_is_told_when_it_wakes),
		TEST(a_fault_while_it_is_parked_is_told_when_it_wakes),
		TEST(no_waiter_wakes_it),
		TEST(a_device_in_fault_is_neither_parked_nor_woken),
		TEST(a_fault_before_it_is_parked_is_said_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

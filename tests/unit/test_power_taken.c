/* SPDX-License-Identifier: MIT */
/* What becomes of a parked device: resets that take it over, BARs, losses, its end. */
#include "device.h"
#include "power_rig.h"
#include "uapi.h"
#include "unit_thread.h"

static const char *const taken[WAYS] = {
	[D3HOT_KEPT] = "COMMAND=0002 PMCSR=0008 RESET ready COMMAND=0002 COMMAND=0006 reinit",
	[D3HOT_LOST] = "COMMAND=0002 PMCSR=0000 RESET ready COMMAND=0002 COMMAND=0006 reinit",
	[LOW_POWER] = "COMMAND=0002 RESET AWAKE ready COMMAND=0002 COMMAND=0006 reinit",
	[WAKEUP] = "COMMAND=0002 RESET AWAKE ready COMMAND=0002 COMMAND=0006 reinit",
	[DECODE] = "COMMAND=0002 RESET ready COMMAND=0002 COMMAND=0006 reinit",
};

static void parked(enum way way)
{
	fake_set_command(bench.fn, 0x0006);
	assert_ok(park(way));
	fake_log_clear(&bench.k);
}

static void taken_over(enum way way)
{
	assert_log(taken[way]);
	assert_awake(2);
	assert_int_equal(fake_command(bench.fn), 0x0006);
	assert_int_equal(bench.fn->config[FAKE_PMCSR] & 3, 0);
	assert_false(bench.fn->low_power);
	assert_int_equal(driver.count[QUIESCE], 1);
	/* It is parked no longer: what wakes it has nothing to do. */
	assert_ok(wake(way));
	assert_log("");
}

static void by_reset(enum way way)
{
	parked(way);
	assert_ok(vfiosafe_reset(bench.dev, NULL));
	taken_over(way);
}

static void a_reset_takes_it_over(void **state)
{
	(void)state;
	each_way(by_reset);
}

static void by_recover(enum way way)
{
	parked(way);
	assert_ok(vfiosafe_recover(bench.dev, NULL));
	taken_over(way);
}

static void so_does_a_recovery(void **state)
{
	(void)state;
	each_way(by_recover);
}

static void by_steps(enum way way)
{
	struct vfiosafe_window *win;

	parked(way);
	win = window_begin(1000);
	assert_parked();
	assert_int_equal(vfiosafe_window_poll(win), VFIOSAFE_STEP_COMMIT);
	assert_log("");
	assert_ok(vfiosafe_window_commit(win));
	assert_int_equal(vfiosafe_window_poll(win), VFIOSAFE_STEP_FINISH);
	assert_ok(vfiosafe_window_finish(win));
	vfiosafe_window_end(win);
	taken_over(way);
}

static void so_does_one_step_by_step(void **state)
{
	(void)state;
	each_way(by_steps);
}

static void given_up(enum way way)
{
	struct vfiosafe_window *win;

	parked(way);
	vfiosafe_window_end(window_begin(1000));
	assert_parked();
	win = window_begin(1000);
	assert_int_equal(vfiosafe_window_poll(win), VFIOSAFE_STEP_COMMIT);
	vfiosafe_window_end(win);
	assert_log("");
	assert_parked();
	assert_ok(wake(way));
	assert_log(way == DECODE       ? "COMMAND=0006 resume"
		   : way == D3HOT_KEPT ? "PMCSR=0008 COMMAND=0006 resume"
		   : way == D3HOT_LOST ? "PMCSR=0000 ready COMMAND=0002 COMMAND=0006 reinit"
				       : "AWAKE ready COMMAND=0002 COMMAND=0006 reinit");
	assert_awake(ways[way].keeps ? 1 : 2);
}

static void a_window_that_is_given_up_leaves_it_parked(void **state)
{
	(void)state;
	each_way(given_up);
}

static void reset_fails(enum way way, int err)
{
	const struct vfiosafe_reset_opts opts = { .size = sizeof(opts), .timeout_ms = 50 };

	parked(way);
	fake_fail(&bench.k, FAKE_IOCTL, VFIO_DEVICE_RESET, err, 100000);
	assert_refused(vfiosafe_reset(bench.dev, &opts), EIO, ADDRESS, "unknown");
	assert_state(FAULT);
	assert_int_equal(driver.count[LOST], 1);
	assert_int_equal(driver.count[RESUME], 0);
	assert_refused(wake(way), EIO, "FAULT");
	assert_refused(park(way), EIO, "FAULT");
	memset(bench.k.rule, 0, sizeof(bench.k.rule));
	assert_ok(vfiosafe_recover(bench.dev, NULL));
	assert_awake(2);
	assert_int_equal(fake_command(bench.fn), 0x0006);
}

static void is_locked(enum way way)
{
	reset_fails(way, EAGAIN);
}

static void has_no_method(enum way way)
{
	reset_fails(way, ENOTTY);
}

/* Even what loses nothing of a device in D0: it was not in D0, or not for sure. */
static void a_reset_that_fails_then_is_a_fault(void **state)
{
	(void)state;
	each_way(is_locked);
	each_way(has_no_method);
}

static void bars(enum way way)
{
	struct vfiosafe_bar *bar = NULL;
	struct vfiosafe_view view;
	uint32_t value;

	assert_ok(park(way));
	assert_ok(vfiosafe_bar_map(&bar, bench.dev, 0, 0x1000, 0x1000, 0));
	assert_int_equal(vfiosafe_bar_view(bar, &view), -EAGAIN);
	assert_ok(vfiosafe_bar_unmap(bench.bar, 100));
	bench.bar = NULL;
	assert_state(RESETTING);
	assert_ok(wake(way));
	assert_log(ways[way].wake);
	assert_ok(vfiosafe_bar_view(bar, &view));
	assert_ok(vfiosafe_read32(&view, 0, &value));
}

static void bars_come_and_go_meanwhile(void **state)
{
	(void)state;
	each_way(bars);
}

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

static void marked_then_reset(enum way way)
{
	parked(way);
	mark("while it slept");
	assert_ok(vfiosafe_bar_unmap(bench_map(0, 0, 0, 0), 100));
	assert_ok(vfiosafe_reset(bench.dev, NULL));
	taken_over(way);
	assert_int_equal(driver.count[LOST], 0);
}

static void a_reset_heals_it(void **state)
{
	(void)state;
	each_way(marked_then_reset);
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

static void closed(enum way way)
{
	assert_ok(park(way));
	bench_close();
	assert_int_equal(driver.count[LOST] + driver.count[RESUME], 0);
}

static void it_may_be_closed_as_it_is(void **state)
{
	(void)state;
	each_way(closed);
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
		TEST(a_reset_takes_it_over),
		TEST(so_does_a_recovery),
		TEST(so_does_one_step_by_step),
		TEST(a_window_that_is_given_up_leaves_it_parked),
		TEST(a_reset_that_fails_then_is_a_fault),
		TEST(bars_come_and_go_meanwhile),
		TEST(a_loss_while_it_is_parked_is_told_when_it_wakes),
		TEST(a_reset_heals_it),
		TEST(a_fault_while_it_is_parked_is_told_when_it_wakes),
		TEST(no_waiter_wakes_it),
		TEST(it_may_be_closed_as_it_is),
		TEST(a_device_in_fault_is_neither_parked_nor_woken),
		TEST(a_fault_before_it_is_parked_is_said_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

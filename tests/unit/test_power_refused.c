/* SPDX-License-Identifier: MIT */
/* A park, or a wake-up, that somebody refuses: called off, or FAULT, and never between. */
#include "power_rig.h"
#include "uapi.h"

static void called_off(enum way way)
{
	assert_awake(1);
	assert_int_equal(fake_command(bench.fn), 0x0006);
	assert_int_equal(driver.count[LOST], 0);
	/* Nothing of it sticks. */
	driver.rc[QUIESCE] = 0;
	driver.takes_ms[QUIESCE] = 0;
	bench.fn->pm_stuck = false;
	bench.fn->no_low_power = false;
	assert_ok(park(way));
	assert_ok(wake(way));
	assert_int_equal(fake_command(bench.fn), 0x0006);
}

static void veto(enum way way)
{
	fake_set_command(bench.fn, 0x0006);
	driver.rc[QUIESCE] = -EPERM;
	assert_refused(park(way), ECANCELED, ADDRESS, "vetoed", "-1");
	assert_log("quiesce");
	called_off(way);
}

static void a_veto_calls_it_off(void **state)
{
	(void)state;
	each_way(veto);
}

static void late_quiesce(enum way way)
{
	const struct vfiosafe_reset_opts opts = { .size = sizeof(opts), .timeout_ms = 100 };

	fake_set_command(bench.fn, 0x0006);
	driver.takes_ms[QUIESCE] = 200;
	assert_refused(park_opts(way, &opts), ETIMEDOUT, "quiesce", "deadline");
	assert_log("quiesce resume");
	called_off(way);
}

static void a_late_quiesce_calls_it_off(void **state)
{
	(void)state;
	each_way(late_quiesce);
}

static void refused_with(enum way way, int err, const char *word, const char *log)
{
	assert_refused(park(way), err, ADDRESS, word);
	assert_log(log);
	called_off(way);
}

static void the_kernel_keeps_the_device_in_d0(void **state)
{
	(void)state;
	fake_set_command(bench.fn, 0x0006);
	bench.fn->pm_stuck = true;
	refused_with(D3HOT_KEPT, EOPNOTSUPP, "virtual functions",
		     "quiesce COMMAND=0002 PMCSR=000b COMMAND=0006 resume");
}

static void a_kernel_without_low_power(void **state)
{
	(void)state;
	for (int way = LOW_POWER; way <= WAKEUP; way++) {
		fake_set_command(bench.fn, 0x0006);
		bench.fn->no_low_power = true;
		assert_refused(park((enum way)way), EOPNOTSUPP, ADDRESS, "no low power");
		assert_log("quiesce COMMAND=0002 COMMAND=0006 resume");
		assert_awake(1);
	}
	called_off(WAKEUP);
}

static void somebody_else_has_put_it_into_low_power(void **state)
{
	(void)state;
	fake_set_command(bench.fn, 0x0006);
	bench.fn->low_power = true;
	assert_refused(park(LOW_POWER), EBUSY, ADDRESS, "another holder");
	assert_awake(1);
	assert_int_equal(fake_command(bench.fn), 0x0006);
}

static void a_resume_that_fails_after_a_refusal_is_a_fault(void **state)
{
	(void)state;
	bench.fn->pm_stuck = true;
	driver.rc[RESUME] = -ENXIO;
	assert_refused(park(D3HOT_KEPT), EIO, "resume callback failed");
	assert_state(FAULT);
	assert_int_equal(vfiosafe_device_cause(bench.dev), VFIOSAFE_CAUSE_DRIVER);
}

static void in_fault_for(enum vfiosafe_cause cause, uint64_t generation)
{
	assert_state(FAULT);
	assert_int_equal(vfiosafe_device_cause(bench.dev), cause);
	assert_int_equal(driver.count[LOST], 1);
	driver.rc[RESUME] = driver.rc[READY] = driver.rc[REINIT] = 0;
	driver.takes_ms[REINIT] = 0;
	bench.fn->pm_stuck = false;
	bench.fn->silent_until = 0;
	assert_ok(vfiosafe_recover(bench.dev, NULL));
	assert_generation(generation);
	assert_int_equal(fake_command(bench.fn), 0x0006);
	assert_ok(park(LOW_POWER));
	assert_ok(wake(LOW_POWER));
}

static void parked_with_bus_mastering(enum way way)
{
	fake_set_command(bench.fn, 0x0006);
	assert_ok(park(way));
	assert_parked();
}

static void a_device_that_stays_asleep_is_a_fault(void **state)
{
	(void)state;
	parked_with_bus_mastering(D3HOT_LOST);
	bench.fn->pm_stuck = true;
	assert_refused(wake(D3HOT_LOST), EIO, ADDRESS, "did not come back", "D3hot");
	in_fault_for(VFIOSAFE_CAUSE_NOT_READY, 2);
}

/* All-ones, read as PMCSR, would say D3hot, and that the state is kept. */
static void a_device_that_died_asleep_is_a_fault(void **state)
{
	(void)state;
	parked_with_bus_mastering(D3HOT_KEPT);
	bench.fn->silent_until = INT64_MAX;
	assert_refused(wake(D3HOT_KEPT), EIO, ADDRESS, "did not come back");
	assert_int_equal(driver.count[RESUME], 0);
	in_fault_for(VFIOSAFE_CAUSE_NOT_READY, 2);
}

static void a_device_that_is_dead_is_not_asleep(void **state)
{
	(void)state;
	assert_ok(vfiosafe_set_bus_master(bench.dev, true));
	bench.fn->silent_until = INT64_MAX;
	assert_refused(park(D3HOT_KEPT), EIO, ADDRESS, "does not say whether");
	in_fault_for(VFIOSAFE_CAUSE_NOT_READY, 2);
}

/* Dies as PMCSR is written: nobody can say whether it went to sleep. */
static void dies(struct fake *fake, enum fake_call call, uint64_t key)
{
	if (call == FAKE_PWRITE && key == FAKE_CONFIG + FAKE_PMCSR)
		fake->fn[0].silent_until = INT64_MAX;
}

static void a_device_that_dies_on_the_way_is_a_fault(void **state)
{
	(void)state;
	fake_set_command(bench.fn, 0x0006);
	bench.k.hook = dies;
	assert_refused(park(D3HOT_KEPT), EIO, ADDRESS, "does not say whether");
	bench.k.hook = NULL;
	in_fault_for(VFIOSAFE_CAUSE_NOT_READY, 2);
}

static void a_pmcsr_that_cannot_be_read_back_is_a_fault(void **state)
{
	(void)state;
	fake_set_command(bench.fn, 0x0006);
	fake_fail_later(&bench.k, FAKE_PREAD, FAKE_CONFIG + FAKE_PMCSR, EIO, 1, 1);
	assert_refused(park(D3HOT_KEPT), EIO, ADDRESS, "does not say whether",
		       strerror(EIO));
	assert_int_equal(driver.count[RESUME], 0);
	in_fault_for(VFIOSAFE_CAUSE_NOT_READY, 2);
}

/* The write failed, and it says D0: nothing happened. */
static void a_pmcsr_that_cannot_be_written_is_called_off(void **state)
{
	(void)state;
	fake_set_command(bench.fn, 0x0006);
	fake_fail(&bench.k, FAKE_PWRITE, FAKE_CONFIG + FAKE_PMCSR, EPERM, 1);
	refused_with(D3HOT_KEPT, ECANCELED, strerror(EPERM),
		     "quiesce COMMAND=0002 COMMAND=0006 resume");
}

static void command_that_cannot_be_read(enum way way)
{
	fake_set_command(bench.fn, 0x0006);
	fake_fail(&bench.k, FAKE_PREAD, FAKE_CONFIG + 4, EINVAL, 1);
	assert_refused(park(way), ECANCELED, ADDRESS, "COMMAND");
	assert_log("quiesce resume");
	called_off(way);
}

static void a_command_that_cannot_be_read_calls_it_off(void **state)
{
	(void)state;
	each_way(command_that_cannot_be_read);
}

static void decode_that_does_not_come_back_is_a_fault(void **state)
{
	(void)state;
	parked_with_bus_mastering(DECODE);
	fake_fail(&bench.k, FAKE_PWRITE, FAKE_CONFIG + 4, EIO, 1);
	assert_refused(wake(DECODE), EIO, ADDRESS, "did not come back", "decode");
	assert_int_equal(driver.count[RESUME], 0);
	in_fault_for(VFIOSAFE_CAUSE_NOT_READY, 2);
}

static void decode_that_reads_as_off_is_a_fault(void **state)
{
	(void)state;
	parked_with_bus_mastering(DECODE);
	bench.fn->resets = 1;
	bench.fn->decode_stuck = true;
	assert_refused(wake(DECODE), EIO, ADDRESS, "did not come back");
	bench.fn->decode_stuck = false;
	in_fault_for(VFIOSAFE_CAUSE_NOT_READY, 2);
}

static void an_exit_that_fails_is_a_fault(void **state)
{
	(void)state;
	parked_with_bus_mastering(WAKEUP);
	fake_fail(&bench.k, FAKE_IOCTL, VFIO_DEVICE_FEATURE, EIO, 1);
	assert_refused(wake(WAKEUP), EIO, ADDRESS, "did not come back", "low power");
	in_fault_for(VFIOSAFE_CAUSE_NOT_READY, 2);
	/* The reset told the kernel, too. */
	assert_false(bench.fn->low_power);
}

static void driver_fails(enum way way)
{
	enum callback last = ways[way].keeps ? RESUME : REINIT;

	parked_with_bus_mastering(way);
	driver.rc[last] = -ENOMSG;
	assert_refused(wake(way), EIO, last == RESUME ? "resume" : "reinit");
	in_fault_for(VFIOSAFE_CAUSE_DRIVER, ways[way].keeps ? 2 : 3);
}

static void a_driver_that_does_not_come_back_is_a_fault(void **state)
{
	(void)state;
	each_way(driver_fails);
}

static void never_ready(enum way way)
{
	const struct vfiosafe_reset_opts opts = { .size = sizeof(opts), .timeout_ms = 50 };

	if (ways[way].keeps)
		return;
	parked_with_bus_mastering(way);
	driver.rc[READY] = -EAGAIN;
	assert_refused(wake_opts(way, &opts), EIO, ADDRESS, "not ready at the deadline");
	in_fault_for(VFIOSAFE_CAUSE_NOT_READY, 3);
}

static void a_device_that_is_never_ready_is_a_fault(void **state)
{
	(void)state;
	each_way(never_ready);
}

static void late_reinit(enum way way)
{
	if (ways[way].keeps)
		return;
	parked_with_bus_mastering(way);
	driver.takes_ms[REINIT] = 20000;
	assert_refused(wake(way), EIO, "reinit", "deadline");
	in_fault_for(VFIOSAFE_CAUSE_DRIVER, 3);
}

static void a_late_reinit_is_a_fault(void **state)
{
	(void)state;
	each_way(late_reinit);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, driver_setup, bench_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_veto_calls_it_off),
		TEST(a_late_quiesce_calls_it_off),
		TEST(the_kernel_keeps_the_device_in_d0),
		TEST(a_kernel_without_low_power),
		TEST(somebody_else_has_put_it_into_low_power),
		TEST(a_resume_that_fails_after_a_refusal_is_a_fault),
		TEST(a_device_that_stays_asleep_is_a_fault),
		TEST(a_device_that_died_asleep_is_a_fault),
		TEST(a_device_that_is_dead_is_not_asleep),
		TEST(a_device_that_dies_on_the_way_is_a_fault),
		TEST(a_pmcsr_that_cannot_be_read_back_is_a_fault),
		TEST(a_pmcsr_that_cannot_be_written_is_called_off),
		TEST(a_command_that_cannot_be_read_calls_it_off),
		TEST(decode_that_does_not_come_back_is_a_fault),
		TEST(decode_that_reads_as_off_is_a_fault),
		TEST(an_exit_that_fails_is_a_fault),
		TEST(a_driver_that_does_not_come_back_is_a_fault),
		TEST(a_device_that_is_never_ready_is_a_fault),
		TEST(a_late_reinit_is_a_fault),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

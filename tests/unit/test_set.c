/* SPDX-License-Identifier: MIT */
/* A set that is reset: in which order, what of it is seen, and what calls it off. */
#include "set_rig.h"

#define GOOD "quiesce0 quiesce1 HOT ready0 ready1 reinit0 reinit1"

static void all_members_come_back_together(void **state)
{
	uint32_t value;

	(void)state;
	assert_ok(set_reset_ms(1000));
	assert_set_log(GOOD);
	assert_states("LIVE 2, LIVE 2");
	for (unsigned int i = 0; i < 2; i++) {
		assert_result(i, 0, "");
		assert_int_equal(rig.m[i].fn->resets, 1);
		assert_int_equal(vfiosafe_reset_method(rig.m[i].dev), VFIOSAFE_METHOD_HOT);
		assert_refused(vfiosafe_read32(&rig.m[i].view, 0, &value), ESTALE);
	}
	assert_ok(set_reset_ms(1000));
	assert_states("LIVE 3, LIVE 3");
}

/* Made from the second, or from a list in any order: they are taken by address. */
static void members_stand_in_the_order_of_their_addresses(void **state)
{
	struct vfiosafe_device *devs[2] = { rig.m[1].dev, rig.m[0].dev };

	(void)state;
	for (int i = 0; i < 2; i++) {
		vfiosafe_set_free(rig.set);
		rig.set = NULL;
		assert_ok(i ? vfiosafe_set_of(&rig.set, rig.m[1].dev)
			    : vfiosafe_set_new(&rig.set, devs, 2));
		assert_string_equal(set_result(0)->address, ADDRESS);
		assert_string_equal(set_result(1)->address, SIBLING);
		assert_ptr_equal(set_result(1)->dev, rig.m[1].dev);
		assert_null(set_result(1)->next);
		assert_ok(set_reset_ms(1000));
		assert_set_log(GOOD);
	}
}

/* COMMAND of each, with bus mastering, before the kernel's call and after it. */
static void dma_of_all_members_is_off_in_the_reset(void **state)
{
	const char *hot, *log = bench.k.log;

	(void)state;
	for (unsigned int i = 0; i < 2; i++)
		assert_ok(vfiosafe_set_bus_master(rig.m[i].dev, true));
	assert_ok(set_reset_ms(1000));
	hot = strstr(log, "HOT");
	assert_non_null(hot);
	assert_non_null(strstr(log, "quiesce1 COMMAND=0002 COMMAND=0002 HOT"));
	assert_null(strstr(log, "COMMAND=0006 HOT"));
	for (unsigned int i = 0; i < 2; i++)
		assert_int_equal(fake_command(rig.m[i].fn), 0x0006);
}

/* The kernel's call comes after the last section, of whichever member. */
static void assert_not_drained_at(struct set_member *m, enum callback which)
{
	(void)m;
	if (which == QUIESCE)
		for (unsigned int i = 0; i < 2; i++)
			assert_int_equal(vfiosafe_device_state(rig.m[i].dev),
					 VFIOSAFE_QUIESCE);
}

static void all_words_say_quiesce_before_the_first_callback(void **state)
{
	(void)state;
	rig.m[0].inside = rig.m[1].inside = assert_not_drained_at;
	assert_ok(set_reset_ms(1000));
	assert_set_log(GOOD);
}

static void a_veto_of_one_calls_off_all(void **state)
{
	uint32_t value;

	(void)state;
	rig.m[1].rc[QUIESCE] = -EPERM;
	assert_refused(set_reset_ms(1000), ECANCELED, SIBLING, "vetoed");
	assert_set_log("quiesce0 quiesce1 resume0");
	assert_states("LIVE 1, LIVE 1");
	assert_result(0, ECANCELED, "because of " SIBLING);
	assert_result(1, ECANCELED, "vetoed");
	for (unsigned int i = 0; i < 2; i++)
		assert_ok(vfiosafe_read32(&rig.m[i].view, 0, &value));
}

static void a_veto_of_the_first_asks_no_other(void **state)
{
	(void)state;
	rig.m[0].rc[QUIESCE] = -EPERM;
	assert_refused(set_reset_ms(1000), ECANCELED, ADDRESS, "vetoed");
	assert_set_log("quiesce0");
	assert_states("LIVE 1, LIVE 1");
	assert_result(1, ECANCELED, "because of " ADDRESS);
}

static void a_late_quiesce_calls_off_all_and_resumes_it(void **state)
{
	(void)state;
	rig.m[1].takes_ms[QUIESCE] = 2000;
	assert_refused(set_reset_ms(1000), ETIMEDOUT, SIBLING, "after the deadline");
	assert_set_log("quiesce0 quiesce1 resume1 resume0");
	assert_states("LIVE 1, LIVE 1");
}

static void contention_is_retried_until_it_ends(void **state)
{
	(void)state;
	bench.k.hot_busy = 3;
	fake_fail(&bench.k, FAKE_IOCTL, HOT, EAGAIN, 5);
	assert_ok(set_reset_ms(1000));
	assert_set_log(GOOD);
	assert_states("LIVE 2, LIVE 2");
}

static void contention_until_the_deadline_calls_off_all(void **state)
{
	static const int errors[] = { EAGAIN, EBUSY };

	(void)state;
	for (unsigned int i = 0; i < 2; i++) {
		int64_t from = bench.k.now;

		fake_fail(&bench.k, FAKE_IOCTL, HOT, errors[i], 100000);
		assert_refused(set_reset_ms(500), ETIMEDOUT, ADDRESS, "stayed locked");
		memset(bench.k.rule, 0, sizeof(bench.k.rule));
		assert_in_range(bench.k.now - from, 500000000, 600000000);
		assert_set_log("quiesce0 quiesce1 resume0 resume1");
		assert_states("LIVE 1, LIVE 1");
		assert_result(0, ETIMEDOUT, "stayed locked");
		assert_result(1, ETIMEDOUT, "stayed locked");
	}
}

static void a_refusal_of_the_kernel_names_who_is_in_the_way(void **state)
{
	(void)state;
	fake_fail(&bench.k, FAKE_IOCTL, HOT, EINVAL, 1);
	assert_refused(set_reset_ms(1000), EBUSY, ADDRESS, "no longer ours",
		       "vfiosafe_reset_plan()");
	assert_set_log("quiesce0 quiesce1 resume0 resume1");
	assert_states("LIVE 1, LIVE 1");
}

static void go_to_another_driver(struct fake *fake, enum fake_call call, uint64_t key)
{
	if (call != FAKE_IOCTL || key != HOT)
		return;
	fake->hook = NULL;
	fake->fn[2].bus_reset = 1;
	fake_put(fake, FAKE_LINK, "../../../../bus/pci/drivers/e1000e",
		 DEVICES "/0000:01:00.2/driver");
}

/* Bound elsewhere between the plan and the kernel's call. */
static void a_function_that_leaves_after_the_plan_is_named(void **state)
{
	(void)state;
	fake_add(&bench.k, "0000:01:00.2", 7, 5);
	bench.k.hook = go_to_another_driver;
	assert_refused(set_reset_ms(1000), EBUSY, "0000:01:00.2 is bound to e1000e");
	assert_states("LIVE 1, LIVE 1");
}

/* The link did not come up again, but the registers are those after a reset. */
static void a_reset_that_fails_leaves_all_in_fault(void **state)
{
	static const int errors[] = { ENOTTY, EIO, EPERM, ENODEV };

	(void)state;
	for (unsigned int i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		bench.k.hot_err = errors[i];
		bench.k.hot_reach = i % 3;
		assert_refused(set_reset_ms(1000), EIO, "VFIO_DEVICE_PCI_HOT_RESET",
			       strerror(errors[i]));
		assert_set_log("quiesce0 quiesce1 HOT lost0 lost1");
		assert_int_equal(vfiosafe_device_state(rig.m[0].dev), VFIOSAFE_FAULT);
		for (unsigned int n = 0; n < 2; n++) {
			assert_result(n, EIO, "unknown");
			assert_int_equal(vfiosafe_device_cause(rig.m[n].dev),
					 VFIOSAFE_CAUSE_RESET_FAILED);
			assert_ok(vfiosafe_recover(rig.m[n].dev, NULL));
			assert_int_equal(vfiosafe_reset_method(rig.m[n].dev),
					 VFIOSAFE_METHOD_FUNCTION);
		}
	}
	bench.k.hot_err = 0;
	assert_ok(set_reset_ms(1000));
}

static void who_does_not_come_back_holds_nobody_up(void **state)
{
	(void)state;
	rig.m[0].rc[REINIT] = -EPERM;
	assert_refused(set_reset_ms(1000), EIO, ADDRESS, "reinit");
	assert_set_log("quiesce0 quiesce1 HOT ready0 ready1 reinit0 lost0 reinit1");
	assert_states("FAULT 2, LIVE 2");
	assert_result(0, EIO, "reinit");
	assert_result(1, 0, "");
	rig.m[0].rc[REINIT] = 0;
	assert_ok(vfiosafe_recover(rig.m[0].dev, NULL));
	assert_states("LIVE 3, LIVE 2");
}

static void who_is_never_ready_is_in_fault_alone(void **state)
{
	(void)state;
	rig.m[0].rc[READY] = -EAGAIN;
	assert_refused(set_reset_ms(200), EIO, ADDRESS, "not ready at the deadline");
	assert_states("FAULT 2, LIVE 2");
	assert_result(1, 0, "");
	assert_int_equal(rig.m[1].count[READY], 1);
}

static void a_silent_member_is_waited_for(void **state)
{
	(void)state;
	rig.m[1].fn->silent_ns = 100000000;
	assert_ok(set_reset_ms(1000));
	assert_states("LIVE 2, LIVE 2");
}

static void members_in_fault_are_recovered(void **state)
{
	(void)state;
	assert_ok(vfiosafe_mark_lost(rig.m[0].dev, "a test"));
	assert_ok(set_reset_ms(1000));
	assert_set_log("quiesce1 HOT ready0 ready1 reinit0 reinit1");
	assert_states("LIVE 2, LIVE 2");
}

static void a_member_in_fault_stays_there_when_it_is_called_off(void **state)
{
	(void)state;
	assert_ok(vfiosafe_mark_lost(rig.m[0].dev, "a test"));
	rig.m[1].rc[QUIESCE] = -EPERM;
	assert_refused(set_reset_ms(1000), EIO, ADDRESS, SIBLING);
	assert_states("FAULT 1, LIVE 1");
	fake_fail(&bench.k, FAKE_IOCTL, HOT, EINVAL, 1);
	rig.m[1].rc[QUIESCE] = 0;
	assert_refused(set_reset_ms(1000), EIO, ADDRESS);
	assert_states("FAULT 1, LIVE 1");
	assert_result(1, EBUSY, "kernel refuses");
}

/* Asleep in D3hot, a refusal may have lost what it had. */
static void a_member_that_was_not_in_d0_has_no_way_back(void **state)
{
	(void)state;
	fake_set_power_state(rig.m[1].fn, 3);
	fake_fail(&bench.k, FAKE_IOCTL, HOT, EINVAL, 1);
	assert_refused(set_reset_ms(1000), EIO, SIBLING, "not in D0");
	assert_states("LIVE 1, FAULT 1");
	assert_result(0, EBUSY, "kernel refuses");
}

static void parked_members_are_woken(void **state)
{
	(void)state;
	assert_ok(vfiosafe_set_power(rig.m[0].dev, VFIOSAFE_D3HOT, NULL));
	assert_ok(set_reset_ms(1000));
	assert_states("LIVE 2, LIVE 2");
	assert_int_equal(rig.m[0].count[QUIESCE], 1);
}

static void a_preparation_that_fails_calls_off_all(void **state)
{
	(void)state;
	/* COMMAND of the second: the first one's is written twice then. */
	for (unsigned int i = 0; i < 2; i++)
		assert_ok(vfiosafe_set_bus_master(rig.m[i].dev, true));
	fake_fail_later(&bench.k, FAKE_PWRITE, FAKE_CONFIG + 4, EPROTO, 1, 1);
	assert_refused(set_reset_ms(1000), ECANCELED, SIBLING, "COMMAND");
	assert_set_log("quiesce0 quiesce1 resume1 resume0");
	assert_states("LIVE 1, LIVE 1");
	assert_result(0, ECANCELED, "because of " SIBLING);
	for (unsigned int i = 0; i < 2; i++)
		assert_int_equal(fake_command(rig.m[i].fn), 0x0006);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		SET_TEST(all_members_come_back_together),
		SET_TEST(members_stand_in_the_order_of_their_addresses),
		SET_TEST(dma_of_all_members_is_off_in_the_reset),
		SET_TEST(all_words_say_quiesce_before_the_first_callback),
		SET_TEST(a_veto_of_one_calls_off_all),
		SET_TEST(a_veto_of_the_first_asks_no_other),
		SET_TEST(a_late_quiesce_calls_off_all_and_resumes_it),
		SET_TEST(contention_is_retried_until_it_ends),
		SET_TEST(contention_until_the_deadline_calls_off_all),
		SET_TEST(a_refusal_of_the_kernel_names_who_is_in_the_way),
		SET_TEST(a_function_that_leaves_after_the_plan_is_named),
		SET_TEST(a_reset_that_fails_leaves_all_in_fault),
		SET_TEST(who_does_not_come_back_holds_nobody_up),
		SET_TEST(who_is_never_ready_is_in_fault_alone),
		SET_TEST(a_silent_member_is_waited_for),
		SET_TEST(members_in_fault_are_recovered),
		SET_TEST(a_member_in_fault_stays_there_when_it_is_called_off),
		SET_TEST(a_member_that_was_not_in_d0_has_no_way_back),
		SET_TEST(parked_members_are_woken),
		SET_TEST(a_preparation_that_fails_calls_off_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* A physical function and a virtual one: a reset of the one is a window of both. */
#include "set_rig.h"

#define GOOD "quiesce0 quiesce1 RESET ready0 ready1 reinit0 reinit1"

static int pf_setup_closed(void **state)
{
	set_setup_closed(state);
	rig.m[1].fn->is_vf = true;
	fake_put(&bench.k, FAKE_LINK, "../" SIBLING, DEVICES "/" ADDRESS "/virtfn0");
	fake_put(&bench.k, FAKE_LINK, "../" ADDRESS, DEVICES "/" SIBLING "/physfn");
	return 0;
}

static int pf_setup(void **state)
{
	pf_setup_closed(state);
	set_open(0);
	set_open(1);
	return 0;
}

static int new_set(void)
{
	return vfiosafe_set_of_pf(&rig.set, rig.m[0].dev, &rig.m[1].dev, 1);
}

static void assert_all_out_at_the_reset(struct fake *fake, enum fake_call call,
					uint64_t key)
{
	(void)fake;
	if (call == FAKE_IOCTL && key == VFIO_DEVICE_RESET)
		assert_states("RESETTING 1, RESETTING 1");
}

static void a_reset_of_the_pf_is_a_window_of_its_vfs(void **state)
{
	uint32_t value;

	(void)state;
	bench.k.hook = assert_all_out_at_the_reset;
	fake_log_clear(&bench.k);
	assert_ok(vfiosafe_reset(rig.m[0].dev, NULL));
	assert_set_log(GOOD);
	assert_states("LIVE 2, LIVE 2");
	for (unsigned int i = 0; i < 2; i++) {
		assert_refused(vfiosafe_read32(&rig.m[i].view, 0, &value), ESTALE);
		assert_int_equal(vfiosafe_reset_method(rig.m[i].dev),
				 VFIOSAFE_METHOD_FUNCTION);
	}
}

static void a_recovery_of_the_pf_is_one_too(void **state)
{
	(void)state;
	assert_ok(vfiosafe_mark_lost(rig.m[0].dev, "test"));
	assert_ok(vfiosafe_recover(rig.m[0].dev, NULL));
	assert_states("LIVE 2, LIVE 2");
	/* Nothing to recover: nothing is done. */
	assert_ok(vfiosafe_recover(rig.m[0].dev, NULL));
	assert_states("LIVE 2, LIVE 2");
}

static void a_reset_of_a_vf_is_its_own(void **state)
{
	(void)state;
	assert_ok(vfiosafe_reset(rig.m[1].dev, NULL));
	assert_states("LIVE 1, LIVE 2");
}

static void a_veto_of_a_vf_calls_the_pf_off(void **state)
{
	(void)state;
	rig.m[1].rc[QUIESCE] = -EBUSY;
	assert_refused(vfiosafe_reset(rig.m[0].dev, NULL), ECANCELED, SIBLING);
	assert_states("LIVE 1, LIVE 1");
	assert_int_equal(rig.m[0].count[RESUME], 1);
}

static void a_list_makes_the_same_set(void **state)
{
	(void)state;
	assert_ok(new_set());
	assert_string_equal(set_result(0)->address, ADDRESS);
	assert_string_equal(set_result(1)->address, SIBLING);
	assert_ok(set_reset_ms(1000));
	assert_set_log(GOOD);
	assert_states("LIVE 2, LIVE 2");
}

static void who_is_no_vf_of_it_is_refused(void **state)
{
	(void)state;
	fake_remove(&bench.k, DEVICES "/" ADDRESS "/virtfn0");
	assert_refused(new_set(), EINVAL, SIBLING, "no virtual function of " ADDRESS);
}

static void a_vf_that_is_not_told_is_refused(void **state)
{
	(void)state;
	fake_process_fd(&bench.k, FAKE_PID, 9, "/dev/vfio/devices/vfio4");
	assert_refused(vfiosafe_set_of_pf(&rig.set, rig.m[0].dev, NULL, 0), EBUSY,
		       SIBLING, "in this process");
	fake_process(&bench.k, 812, "qemu");
	fake_process_fd(&bench.k, 812, 9, "/dev/vfio/devices/vfio4");
	assert_refused(vfiosafe_set_of_pf(&rig.set, rig.m[0].dev, NULL, 0), EBUSY,
		       SIBLING, "812", "qemu");
}

static void a_vf_of_a_driver_of_the_kernel_is_refused(void **state)
{
	(void)state;
	set_close(1);
	fake_remove(&bench.k, DEVICES "/" SIBLING "/driver");
	fake_put(&bench.k, FAKE_LINK, "../../../../bus/pci/drivers/igbvf",
		 DEVICES "/" SIBLING "/driver");
	assert_refused(vfiosafe_set_of_pf(&rig.set, rig.m[0].dev, NULL, 0), EBUSY,
		       SIBLING, "igbvf", "unbind");
}

static void a_vf_that_nobody_has_is_no_obstacle(void **state)
{
	(void)state;
	set_close(1);
	assert_ok(vfiosafe_set_of_pf(&rig.set, rig.m[0].dev, NULL, 0));
	assert_ok(vfiosafe_set_reset(rig.set, NULL));
	assert_int_equal(vfiosafe_device_generation(rig.m[0].dev), 2);
}

static void a_reset_that_fails_is_FAULT_of_all(void **state)
{
	(void)state;
	fake_fail(&bench.k, FAKE_IOCTL, VFIO_DEVICE_RESET, EINVAL, 1);
	assert_refused(vfiosafe_reset(rig.m[0].dev, NULL), EIO, "VFIO_DEVICE_RESET");
	assert_states("FAULT 1, FAULT 1");
	assert_ok(vfiosafe_recover(rig.m[0].dev, NULL));
	assert_states("LIVE 2, LIVE 2");
}

static void contention_is_retried_and_then_called_off(void **state)
{
	const struct vfiosafe_reset_opts opts = { .size = sizeof(opts),
						  .timeout_ms = 100 };

	(void)state;
	fake_fail(&bench.k, FAKE_IOCTL, VFIO_DEVICE_RESET, EAGAIN, 3);
	assert_ok(vfiosafe_reset(rig.m[0].dev, NULL));
	fake_fail(&bench.k, FAKE_IOCTL, VFIO_DEVICE_RESET, EAGAIN, 1000000);
	assert_refused(vfiosafe_reset(rig.m[0].dev, &opts), ETIMEDOUT, "locked");
	assert_states("LIVE 2, LIVE 2");
}

#define PF_TEST(name) BY(pf_setup, name)

int main(void)
{
	const struct CMUnitTest tests[] = {
		PF_TEST(a_reset_of_the_pf_is_a_window_of_its_vfs),
		PF_TEST(a_recovery_of_the_pf_is_one_too),
		PF_TEST(a_reset_of_a_vf_is_its_own),
		PF_TEST(a_veto_of_a_vf_calls_the_pf_off),
		PF_TEST(a_list_makes_the_same_set),
		PF_TEST(who_is_no_vf_of_it_is_refused),
		cmocka_unit_test_prestate_setup_teardown(a_vf_that_is_not_told_is_refused,
							 pf_setup, set_teardown,
							 (void *)VFIOSAFE_DOOR_CDEV),
		PF_TEST(a_vf_of_a_driver_of_the_kernel_is_refused),
		PF_TEST(a_vf_that_nobody_has_is_no_obstacle),
		PF_TEST(a_reset_that_fails_is_FAULT_of_all),
		PF_TEST(contention_is_retried_and_then_called_off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

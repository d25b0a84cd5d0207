/* SPDX-License-Identifier: MIT */
/* What comes over the simulated device from outside: errors, releases, unplugging. */
#include "sim_irq_rig.h"

#define ERR VFIO_PCI_ERR_IRQ_INDEX
#define REQ VFIO_PCI_REQ_IRQ_INDEX
#define MSIX VFIO_PCI_MSIX_IRQ_INDEX
#define DEVCTL 0x58u
#define ON (PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER)

static struct rig the_rig;
static int event;

static int setup_flags(void **state, uint32_t flags)
{
	rig_open_opts(&the_rig,
		      (struct vfiosafe_sim_opts){ .window_us = 1, .flags = flags });
	rig_bus_master(&the_rig, true);
	*reg32(the_rig.bar, VFIOSAFE_SIM_REG_HOLD) = 7;
	event = new_eventfd();
	*state = &the_rig;
	return 0;
}

static int setup(void **state)
{
	return setup_flags(state, 0);
}

static int setup_zeros(void **state)
{
	return setup_flags(state, VFIOSAFE_SIM_DEAD_ZEROS);
}

static int teardown(void **state)
{
	rig_close(*state);
	close(event);
	return 0;
}

static uint32_t raw_id(const struct rig *rig)
{
	return *reg32(rig->bar, VFIOSAFE_SIM_REG_ID);
}

static uint32_t pread_id(const struct rig *rig)
{
	uint32_t value = 0xdead;

	assert_int_equal(rig_read(rig, VFIOSAFE_SIM_REG_ID, &value, 4), 4);
	return value;
}

static void an_error_that_is_not_fatal_is_only_told(void **state)
{
	struct rig *rig = *state;

	vfiosafe_sim_aer(rig->sim, false);
	assert_int_equal(rig_set_fd(rig, ERR, 0, event), 0);
	vfiosafe_sim_aer(rig->sim, false);
	assert_int_equal(signals(event), 1);
	assert_int_equal(*reg32(rig->bar, VFIOSAFE_SIM_REG_HOLD), 7);
	assert_int_equal(rig_counts(rig).windows, 0);
}

/* VFIO does not know: no SIGBUS, preads succeed, and a reset that changes nothing. */
static void after_a_fatal_error_only_command_brings_the_device_back(void **state)
{
	struct rig *rig = *state;

	assert_int_equal(rig_set_fd(rig, ERR, 0, event), 0);
	vfiosafe_sim_aer(rig->sim, true);
	assert_int_equal(signals(event), 1);
	assert_int_equal(config_get16(rig, PCI_COMMAND), 0);
	assert_int_equal(raw_id(rig), 0xffffffffu);
	assert_int_equal(pread_id(rig), 0xffffffffu);
	assert_int_equal(rig_reset(rig), 0);
	assert_int_equal(config_get16(rig, PCI_COMMAND), 0);
	assert_int_equal(raw_id(rig), 0xffffffffu);
	assert_int_equal(rig_counts(rig).resets, 2);
	config_set16(rig, PCI_COMMAND, ON);
	assert_int_equal(raw_id(rig), VFIOSAFE_SIM_ID);
	assert_int_equal(pread_id(rig), VFIOSAFE_SIM_ID);
	assert_int_equal(*reg32(rig->bar, VFIOSAFE_SIM_REG_HOLD), 0);
	assert_int_equal(rig_counts(rig).resets, 2);
}

static void stores_after_a_fatal_error_vanish(void **state)
{
	struct rig *rig = *state;

	*log_slot(rig->bar, 0) = log_value(0);
	vfiosafe_sim_aer(rig->sim, true);
	*log_slot(rig->bar, 1) = log_value(0);
	*reg32(rig->bar, VFIOSAFE_SIM_REG_HOLD) = 9;
	assert_int_equal(rig_counts(rig).lost_stores, 1);
	assert_int_equal(rig_counts(rig).stores, 1);
	until(raw_id(rig) == 0xffffffffu &&
	      *reg32(rig->bar, VFIOSAFE_SIM_REG_HOLD) == 0xffffffffu);
	config_set16(rig, PCI_COMMAND, ON);
	assert_int_equal(*reg32(rig->bar, VFIOSAFE_SIM_REG_HOLD), 0);
	*log_slot(rig->bar, 2) = log_value(1);
	assert_int_equal(rig_counts(rig).foreign_stores, 0);
}

static void after_a_fatal_error_msix_is_off_until_a_reset(void **state)
{
	struct rig *rig = *state;

	assert_int_equal(rig_set_fd(rig, MSIX, 0, event), 0);
	vfiosafe_sim_aer(rig->sim, true);
	config_set16(rig, PCI_COMMAND, ON);
	vfiosafe_sim_interrupt(rig->sim, 0);
	assert_int_equal(signals(event), 0);
	assert_int_equal(rig_reset(rig), 0);
	vfiosafe_sim_interrupt(rig->sim, 0);
	assert_int_equal(signals(event), 1);
	/* or until it is set up again */
	vfiosafe_sim_aer(rig->sim, true);
	config_set16(rig, PCI_COMMAND, ON);
	assert_int_equal(rig_irqs_off(rig, MSIX), 0);
	assert_int_equal(rig_set_fd(rig, MSIX, 0, event), 0);
	vfiosafe_sim_interrupt(rig->sim, 0);
	assert_int_equal(signals(event), 1);
}

static void zeros_are_what_some_dead_devices_give(void **state)
{
	struct rig *rig = *state;

	*log_slot(rig->bar, 0) = log_value(0);
	vfiosafe_sim_aer(rig->sim, true);
	assert_int_equal(raw_id(rig), 0);
	assert_int_equal(*reg32(rig->bar, VFIOSAFE_SIM_REG_ONES), 0);
	assert_int_equal(pread_id(rig), 0);
	*log_slot(rig->bar, 1) = log_value(0);
	config_set16(rig, PCI_COMMAND, ON);
	assert_int_equal(raw_id(rig), VFIOSAFE_SIM_ID);
	assert_int_equal(*reg32(rig->bar, VFIOSAFE_SIM_REG_ONES), 0xffffffffu);
	assert_int_equal(rig_reset(rig), 0);
	assert_int_equal(raw_id(rig), VFIOSAFE_SIM_ID);
	assert_int_equal(rig_counts(rig).stores, 1);
	assert_int_equal(rig_counts(rig).lost_stores, 1);
}

static void a_release_request_is_told_and_stops_resets(void **state)
{
	struct rig *rig = *state;

	assert_int_equal(rig_set_fd(rig, REQ, 0, event), 0);
	vfiosafe_sim_request_release(rig->sim);
	assert_int_equal(signals(event), 1);
	assert_int_equal(rig_reset(rig), -EAGAIN);
	assert_int_equal(rig_reset(rig), -EAGAIN);
	assert_int_equal(raw_id(rig), VFIOSAFE_SIM_ID);
	assert_int_equal(*reg32(rig->bar, VFIOSAFE_SIM_REG_HOLD), 7);
	assert_int_equal(rig_counts(rig).windows, 0);
}

static void a_release_request_is_repeated(void **state)
{
	struct rig *rig = *state;

	assert_int_equal(vfiosafe_sim_set(rig->sim, VFIOSAFE_SIM_SET_REQUEST_US, 1000),
			 0);
	vfiosafe_sim_request_release(rig->sim);
	assert_int_equal(rig_set_fd(rig, REQ, 0, event), 0);
	until(signals(event) > 0);
	until(signals(event) > 0);
}

static void a_device_that_was_pulled_out_is_garbage_for_ever(void **state)
{
	struct rig *rig = *state;
	uint16_t vendor = config_get16(rig, PCI_VENDOR_ID);
	struct vfio_irq_info info = { .argsz = sizeof(info), .index = MSIX };

	assert_int_equal(rig_set_fd(rig, REQ, 0, event), 0);
	vfiosafe_sim_unplug(rig->sim);
	assert_int_equal(signals(event), 1);
	assert_int_equal(raw_id(rig), 0xffffffffu);
	assert_int_equal(pread_id(rig), 0xffffffffu);
	/* but for the bit that VFIO makes up */
	assert_int_equal(config_get16(rig, PCI_COMMAND),
			 0xffff & ~PCI_COMMAND_INTX_DISABLE);
	assert_int_equal(config_get16(rig, CONFIG_PM + PCI_PM_CTRL), 0xffff);
	/* so are these */
	assert_int_equal(config_get16(rig, PCI_VENDOR_ID), vendor);
	assert_int_equal(rig_ioctl(rig, VFIO_DEVICE_GET_IRQ_INFO, &info), 0);
	assert_int_equal(info.count, 2048);
	assert_int_equal(rig_reset(rig), -EAGAIN);
	config_set16(rig, PCI_COMMAND, ON);
	*reg32(rig->bar, VFIOSAFE_SIM_REG_HOLD) = 9;
	until(*reg32(rig->bar, VFIOSAFE_SIM_REG_HOLD) == 0xffffffffu);
	vfiosafe_sim_unplug(rig->sim);
	assert_int_equal(rig_counts(rig).windows, 1);
	assert_int_equal(rig_counts(rig).resets, 0);
}

static bool try_pull(struct rig *rig)
{
	struct resetter resetter;
	bool open;

	resetter_start(&resetter, rig, false);
	vfiosafe_sim_unplug(rig->sim);
	open = window_open(rig);
	assert_int_equal(pthread_join(resetter.thread, NULL), 0);
	if (resetter.rc != -ENOTTY)
		return false;
	assert_true(open);
	assert_true(window_open(rig));
	assert_int_equal(raw_id(rig), 0xffffffffu);
	return true;
}

static void a_device_can_be_pulled_out_in_a_window(void **state)
{
	(void)state;
	inside_a_window(VFIOSAFE_SIM_ALL_ONES, try_pull);
	inside_a_window(VFIOSAFE_SIM_STALL, try_pull);
}

static void a_flr_by_config_space_is_a_reset_that_tells_nobody(void **state)
{
	struct rig *rig = *state;

	config_set16(rig, DEVCTL, PCI_EXP_DEVCTL_BCR_FLR | PCI_EXP_DEVCTL_CERE);
	assert_int_equal(config_get16(rig, DEVCTL), PCI_EXP_DEVCTL_CERE);
	assert_int_equal(*reg32(rig->bar, VFIOSAFE_SIM_REG_HOLD), 0);
	assert_int_equal(rig_counts(rig).resets, 1);
	assert_int_equal(config_get16(rig, PCI_COMMAND), ON);
	/* nor that there was none */
	assert_int_equal(vfiosafe_sim_set(rig->sim, VFIOSAFE_SIM_SET_NO_RESET_METHOD, 1),
			 0);
	config_set16(rig, DEVCTL, PCI_EXP_DEVCTL_BCR_FLR);
	assert_int_equal(rig_counts(rig).resets, 1);
}

/* Out of D3hot the kernel saves what the device has forgotten by then. */
static void a_flr_by_config_space_in_d3hot_loses_the_configuration(void **state)
{
	struct rig *rig = *state;

	config_set16(rig, CONFIG_PM + PCI_PM_CTRL, 3);
	config_set16(rig, DEVCTL, PCI_EXP_DEVCTL_BCR_FLR);
	assert_int_equal(config_get16(rig, CONFIG_PM + PCI_PM_CTRL), 0);
	assert_int_equal(config_get16(rig, PCI_COMMAND), 0);
	assert_int_equal(raw_id(rig), 0xffffffffu);
	config_set16(rig, PCI_COMMAND, ON);
	assert_int_equal(raw_id(rig), VFIOSAFE_SIM_ID);
}

static void without_a_reset_method_there_is_no_reset(void **state)
{
	struct rig *rig = *state;

	assert_int_equal(vfiosafe_sim_set(rig->sim, VFIOSAFE_SIM_SET_NO_RESET_METHOD, 1),
			 0);
	assert_int_equal(rig_reset(rig), -ENOTTY);
	assert_int_equal(*reg32(rig->bar, VFIOSAFE_SIM_REG_HOLD), 7);
	assert_int_equal(vfiosafe_sim_set(rig->sim, VFIOSAFE_SIM_SET_NO_RESET_METHOD, 0),
			 0);
	assert_int_equal(rig_reset(rig), 0);
}

static void some_resets_meet_somebody_with_the_lock(void **state)
{
	struct rig *rig = *state;
	uint64_t made = 0;

	assert_int_equal(vfiosafe_sim_set(rig->sim, VFIOSAFE_SIM_SET_CONTENTION, 90), 0);
	for (int i = 0; i < 200; i++) {
		int rc = rig_reset(rig);

		assert_true(rc == 0 || rc == -EAGAIN);
		made += rc == 0;
	}
	assert_int_equal(rig_counts(rig).resets, made);
	assert_in_range(made, 5, 40);
	assert_int_equal(vfiosafe_sim_set(rig->sim, VFIOSAFE_SIM_SET_CONTENTION, 101),
			 -EINVAL);
}

static void resets_by_vfio_with_bus_mastering_on_are_counted(void **state)
{
	struct rig *rig = *state;

	assert_int_equal(rig_reset(rig), 0);
	assert_int_equal(rig_counts(rig).mastering_resets, 1);
	rig_bus_master(rig, false);
	assert_int_equal(rig_reset(rig), 0);
	rig_bus_master(rig, true);
	vfiosafe_sim_reset_behind(rig->sim);
	assert_int_equal(rig_counts(rig).mastering_resets, 1);
}

static void settings_that_make_no_sense_are_refused(void **state)
{
	struct rig *rig = *state;

	assert_int_equal(vfiosafe_sim_set(rig->sim, VFIOSAFE_SIM_SET_WINDOW, 5), -EINVAL);
	assert_int_equal(
		vfiosafe_sim_set(rig->sim, VFIOSAFE_SIM_SET_WINDOW, VFIOSAFE_SIM_STALL),
		-EPERM);
	assert_int_equal(
		vfiosafe_sim_set(rig->sim, VFIOSAFE_SIM_SET_WINDOW_US, 1ull << 32),
		-EINVAL);
	assert_int_equal(vfiosafe_sim_set(rig->sim, (enum vfiosafe_sim_setting)99, 0),
			 -EINVAL);
	assert_int_equal(
		vfiosafe_sim_set(rig->sim, VFIOSAFE_SIM_SET_WINDOW, VFIOSAFE_SIM_SIGBUS),
		0);
}

static const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	TEST(an_error_that_is_not_fatal_is_only_told),
	TEST(after_a_fatal_error_only_command_brings_the_device_back),
	TEST(stores_after_a_fatal_error_vanish),
	TEST(after_a_fatal_error_msix_is_off_until_a_reset),
	cmocka_unit_test_setup_teardown(zeros_are_what_some_dead_devices_give,
					setup_zeros, teardown),
	TEST(a_release_request_is_told_and_stops_resets),
	TEST(a_release_request_is_repeated),
	TEST(a_device_that_was_pulled_out_is_garbage_for_ever),
	cmocka_unit_test(a_device_can_be_pulled_out_in_a_window),
	TEST(a_flr_by_config_space_is_a_reset_that_tells_nobody),
	TEST(a_flr_by_config_space_in_d3hot_loses_the_configuration),
	TEST(without_a_reset_method_there_is_no_reset),
	TEST(some_resets_meet_somebody_with_the_lock),
	TEST(resets_by_vfio_with_bus_mastering_on_are_counted),
	TEST(settings_that_make_no_sense_are_refused),
};

int main(void)
{
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* Power of the simulated device: D3hot, NoSoftRst, low power, wakeup. */
#include "sim_irq_rig.h"

#include <setjmp.h>
#include <signal.h>

#define PMCSR (CONFIG_PM + PCI_PM_CTRL)
#define SET VFIO_DEVICE_FEATURE_SET
#define ENTRY VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY
#define WITH_WAKEUP VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY_WITH_WAKEUP
#define EXIT VFIO_DEVICE_FEATURE_LOW_POWER_EXIT

static struct rig the_rig;

static int setup_flags(void **state, uint32_t flags)
{
	rig_open_opts(&the_rig,
		      (struct vfiosafe_sim_opts){ .window_us = 1, .flags = flags });
	*reg32(the_rig.bar, VFIOSAFE_SIM_REG_HOLD) = 7;
	*state = &the_rig;
	return 0;
}

static int setup(void **state)
{
	return setup_flags(state, 0);
}

static int setup_no_soft_reset(void **state)
{
	return setup_flags(state, VFIOSAFE_SIM_NO_SOFT_RESET);
}

static int setup_d3cold(void **state)
{
	return setup_flags(state, VFIOSAFE_SIM_D3COLD);
}

static int teardown(void **state)
{
	rig_close(*state);
	return 0;
}

static sigjmp_buf out_of_touch;

static void on_sigbus(int number)
{
	(void)number;
	siglongjmp(out_of_touch, 1);
}

static bool faults(const volatile uint32_t *word)
{
	struct sigaction action = { .sa_handler = on_sigbus };
	struct sigaction before;
	volatile bool faulted = true;

	assert_int_equal(sigaction(SIGBUS, &action, &before), 0);
	if (sigsetjmp(out_of_touch, 1) == 0) {
		(void)*word;
		faulted = false;
	}
	assert_int_equal(sigaction(SIGBUS, &before, NULL), 0);
	return faulted;
}

static bool bar_faults(const struct rig *rig)
{
	return faults(reg32(rig->bar, VFIOSAFE_SIM_REG_HOLD));
}

static int feature(const struct rig *rig, uint32_t which, int32_t wake_fd)
{
	struct vfio_device_low_power_entry_with_wakeup entry = {
		.wakeup_eventfd = wake_fd,
	};
	union {
		struct vfio_device_feature head;
		uint8_t room[sizeof(struct vfio_device_feature) + sizeof(entry)];
	} call = { .head = { .argsz = sizeof(call), .flags = SET | which } };

	memcpy(call.head.data, &entry, sizeof(entry));
	return rig_ioctl(rig, VFIO_DEVICE_FEATURE, &call);
}

static uint32_t hold(const struct rig *rig)
{
	uint32_t value = 0xdead;

	assert_int_equal(rig_read(rig, VFIOSAFE_SIM_REG_HOLD, &value, 4), 4);
	return value;
}

static void d3hot_and_back_is_a_reset(void **state)
{
	struct rig *rig = *state;

	config_set16(rig, PMCSR, 3);
	assert_true(bar_faults(rig));
	config_set16(rig, PMCSR, 0);
	assert_false(bar_faults(rig));
	assert_int_equal(hold(rig), 0);
	assert_int_equal(rig_counts(rig).resets, 1);
}

static void with_no_soft_reset_d3hot_keeps_everything(void **state)
{
	struct rig *rig = *state;

	assert_int_equal(config_get16(rig, PMCSR), PCI_PM_CTRL_NO_SOFT_RESET);
	config_set16(rig, PMCSR, 3);
	assert_int_equal(config_get16(rig, PMCSR), PCI_PM_CTRL_NO_SOFT_RESET | 3);
	assert_true(bar_faults(rig));
	config_set16(rig, PMCSR, 0);
	assert_int_equal(hold(rig), 7);
	assert_int_equal(rig_counts(rig).resets, 0);
	config_set16(rig, PMCSR, 3);
	assert_int_equal(rig_reset(rig), 0);
	assert_int_equal(hold(rig), 0);
	assert_int_equal(rig_counts(rig).resets, 1);
}

static void d3hot_is_refused_without_a_word(void **state)
{
	struct rig *rig = *state;

	assert_int_equal(vfiosafe_sim_set(rig->sim, VFIOSAFE_SIM_SET_REFUSE_D3HOT, 1), 0);
	config_set16(rig, PMCSR, 3);
	assert_int_equal(config_get16(rig, PMCSR), 0);
	assert_false(bar_faults(rig));
	assert_int_equal(hold(rig), 7);
	assert_int_equal(vfiosafe_sim_set(rig->sim, VFIOSAFE_SIM_SET_REFUSE_D3HOT, 0), 0);
	config_set16(rig, PMCSR, 3);
	assert_int_equal(config_get16(rig, PMCSR), 3);
}

/* The kernel wakes the device before it knows whether it may reset it. */
static void a_refused_reset_wakes_the_device(void **state)
{
	struct rig *rig = *state;

	assert_int_equal(vfiosafe_sim_set(rig->sim, VFIOSAFE_SIM_SET_CONTENTION, 100), 0);
	config_set16(rig, PMCSR, 3);
	assert_int_equal(rig_reset(rig), -EAGAIN);
	assert_int_equal(config_get16(rig, PMCSR), 0);
	assert_false(bar_faults(rig));
	assert_int_equal(hold(rig), 0);
}

static void low_power_takes_mappings_and_leaves_preads(void **state)
{
	struct rig *rig = *state;

	assert_int_equal(feature(rig, ENTRY, 0), 0);
	assert_true(bar_faults(rig));
	assert_int_equal(hold(rig), 7);
	assert_true(bar_faults(rig));
	assert_int_equal(feature(rig, ENTRY, 0), -EINVAL);
	assert_int_equal(feature(rig, EXIT, 0), 0);
	assert_int_equal(feature(rig, EXIT, 0), 0);
	assert_false(bar_faults(rig));
	assert_int_equal(rig_counts(rig).resets, 0);
}

static void wakeup_wants_an_eventfd(void **state)
{
	struct rig *rig = *state;
	struct vfio_device_feature bare = { .argsz = sizeof(bare),
					    .flags = SET | WITH_WAKEUP };

	assert_int_equal(rig_ioctl(rig, VFIO_DEVICE_FEATURE, &bare), -EINVAL);
	assert_int_equal(feature(rig, WITH_WAKEUP, -1), -EINVAL);
	assert_int_equal(feature(rig, WITH_WAKEUP, 12345), -EBADF);
	assert_int_equal(feature(rig, WITH_WAKEUP, rig->fd), -EINVAL);
	assert_false(bar_faults(rig));
	bare.flags = VFIO_DEVICE_FEATURE_PROBE | SET | WITH_WAKEUP;
	assert_int_equal(rig_ioctl(rig, VFIO_DEVICE_FEATURE, &bare), 0);
	vfiosafe_sim_fail(rig->sim, VFIOSAFE_SIM_CALL_FEATURE, EIO, 1);
	assert_int_equal(feature(rig, ENTRY, 0), -EIO);
	assert_false(bar_faults(rig));
}

static void a_wakeup_ends_low_power_and_signals(void **state)
{
	struct rig *rig = *state;
	int event = new_eventfd();

	assert_int_equal(feature(rig, WITH_WAKEUP, event), 0);
	assert_true(bar_faults(rig));
	assert_int_equal(signals(event), 0);
	vfiosafe_sim_wakeup(rig->sim);
	assert_int_equal(signals(event), 1);
	assert_false(bar_faults(rig));
	/* entered without one, it goes on */
	assert_int_equal(feature(rig, ENTRY, 0), 0);
	vfiosafe_sim_wakeup(rig->sim);
	assert_true(bar_faults(rig));
	assert_int_equal(signals(event), 0);
	close(event);
}

static void any_access_to_a_suspended_device_is_a_wakeup(void **state)
{
	struct rig *rig = *state;
	int event = new_eventfd();

	assert_int_equal(feature(rig, WITH_WAKEUP, event), 0);
	assert_int_equal(hold(rig), 7);
	assert_int_equal(signals(event), 1);
	assert_false(bar_faults(rig));
	assert_int_equal(feature(rig, WITH_WAKEUP, event), 0);
	assert_int_equal(feature(rig, EXIT, 0), 0);
	assert_int_equal(signals(event), 1);
	close(event);
}

static void before_it_is_suspended_nothing_wakes_it(void **state)
{
	struct rig *rig = *state;
	int event = new_eventfd();

	assert_int_equal(
		vfiosafe_sim_set(rig->sim, VFIOSAFE_SIM_SET_SUSPEND_US, 4000000000u), 0);
	assert_int_equal(feature(rig, WITH_WAKEUP, event), 0);
	assert_int_equal(hold(rig), 7);
	vfiosafe_sim_wakeup(rig->sim);
	assert_int_equal(signals(event), 0);
	assert_true(bar_faults(rig));
	assert_int_equal(feature(rig, EXIT, 0), 0);
	assert_int_equal(signals(event), 0);
	assert_false(bar_faults(rig));
	close(event);
}

static void d3cold_loses_the_state_once(void **state)
{
	struct rig *rig = *state;

	for (uint64_t i = 1; i <= 3; i++) {
		assert_int_equal(feature(rig, ENTRY, 0), 0);
		assert_int_equal(hold(rig), 0);
		assert_int_equal(hold(rig), 0);
		assert_int_equal(feature(rig, EXIT, 0), 0);
		assert_int_equal(rig_counts(rig).resets, i);
		*reg32(rig->bar, VFIOSAFE_SIM_REG_HOLD) = 7;
	}
}

static void no_interrupt_comes_from_a_sleeping_device(void **state)
{
	struct rig *rig = *state;
	int event = new_eventfd();

	rig_bus_master(rig, true);
	assert_int_equal(rig_set_fd(rig, VFIO_PCI_MSIX_IRQ_INDEX, 0, event), 0);
	config_set16(rig, PMCSR, 3);
	vfiosafe_sim_interrupt(rig->sim, 0);
	config_set16(rig, PMCSR, 0);
	assert_int_equal(feature(rig, ENTRY, 0), 0);
	vfiosafe_sim_interrupt(rig->sim, 0);
	assert_int_equal(feature(rig, EXIT, 0), 0);
	assert_int_equal(signals(event), 0);
	vfiosafe_sim_interrupt(rig->sim, 0);
	assert_int_equal(signals(event), 1);
	close(event);
}

static const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	TEST(d3hot_and_back_is_a_reset),
	cmocka_unit_test_setup_teardown(with_no_soft_reset_d3hot_keeps_everything,
					setup_no_soft_reset, teardown),
	TEST(d3hot_is_refused_without_a_word),
	TEST(a_refused_reset_wakes_the_device),
	TEST(low_power_takes_mappings_and_leaves_preads),
	TEST(wakeup_wants_an_eventfd),
	TEST(a_wakeup_ends_low_power_and_signals),
	TEST(any_access_to_a_suspended_device_is_a_wakeup),
	TEST(before_it_is_suspended_nothing_wakes_it),
	cmocka_unit_test_setup_teardown(d3cold_loses_the_state_once, setup_d3cold,
					teardown),
	TEST(no_interrupt_comes_from_a_sleeping_device),
};

int main(void)
{
	return cmocka_run_group_tests(tests, NULL, NULL);
}

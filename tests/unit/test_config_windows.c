/* SPDX-License-Identifier: MIT */
/* Config writes that take the device away are made as the windows that they are. */
#include "power_rig.h"
#include "uapi.h"

#define COMMAND 4

static int write8(uint16_t at, uint8_t value)
{
	fake_log_clear(&bench.k);
	return vfiosafe_config_write8(bench.dev, at, value);
}

static int write16(uint16_t at, uint16_t value)
{
	fake_log_clear(&bench.k);
	return vfiosafe_config_write16(bench.dev, at, value);
}

static int write32(uint16_t at, uint32_t value)
{
	fake_log_clear(&bench.k);
	return vfiosafe_config_write32(bench.dev, at, value);
}

static void decode_is_parked_and_woken(void **state)
{
	(void)state;
	assert_ok(write16(COMMAND, 0x0000));
	assert_log("COMMAND=0002 quiesce COMMAND=0000");
	assert_parked();
	/* Off it is; the other bits are noted. */
	assert_ok(write16(COMMAND, 0x0400));
	assert_log("");
	assert_parked();
	assert_ok(write16(COMMAND, 0x0406));
	assert_log("COMMAND=0406 resume");
	assert_awake(1);
}

static void every_width_of_it(void **state)
{
	(void)state;
	assert_ok(write8(COMMAND, 0x00));
	assert_parked();
	assert_ok(write8(COMMAND, 0x02));
	assert_awake(1);
	assert_ok(write32(COMMAND, 0xffff0004));
	assert_log("COMMAND=0006 quiesce COMMAND=0000");
	assert_parked();
	assert_ok(write32(COMMAND, 0x00000006));
	assert_log("COMMAND=0006 resume");
	assert_awake(1);
	/* The upper byte has no such bit. */
	assert_ok(write8(COMMAND + 1, 0x04));
	assert_log("COMMAND=0406");
	assert_state(LIVE);
}

/* As drivers do it, in their callbacks too: decode stays as it is. */
static void what_does_not_change_decode_is_no_window(void **state)
{
	(void)state;
	assert_ok(write16(COMMAND, 0x0406));
	assert_log("COMMAND=0406");
	assert_ok(write8(COMMAND, 0x02));
	assert_log("COMMAND=0402");
	assert_int_equal(driver.count[QUIESCE], 0);
	/* Kept, for after a reset that does not keep it. */
	bench.fn->resets_command = true;
	assert_ok(write8(COMMAND, 0x06));
	assert_ok(reset_ms(1000));
	assert_int_equal(fake_command(bench.fn), 0x0406);
}

static void a_veto_leaves_the_other_bits_changed(void **state)
{
	(void)state;
	driver.rc[QUIESCE] = -EPERM;
	assert_refused(write16(COMMAND, 0x0404), ECANCELED, "vetoed");
	assert_log("COMMAND=0406 quiesce");
	assert_awake(1);
}

static void the_power_state_is_parked_and_woken(void **state)
{
	(void)state;
	assert_ok(write16(FAKE_PMCSR, 0x0003));
	assert_log("quiesce COMMAND=0002 PMCSR=000b");
	assert_parked();
	assert_ok(write16(FAKE_PMCSR, 0x0003));
	assert_log("");
	assert_ok(write16(FAKE_PMCSR, 0x0000));
	assert_log("PMCSR=0008 COMMAND=0002 resume");
	assert_awake(1);
	assert_ok(write8(FAKE_PMCSR, 3));
	assert_parked();
	assert_ok(write8(FAKE_PMCSR, 0));
	assert_ok(write32(FAKE_PMCSR, 3));
	assert_parked();
	assert_ok(write32(FAKE_PMCSR, 0));
	assert_awake(1);
	assert_refused(write16(FAKE_PMCSR, 1), EOPNOTSUPP, "D1");
	assert_refused(write16(FAKE_PMCSR, 2), EOPNOTSUPP, "D2");
	assert_log("");
}

static void what_does_not_change_the_power_state_is_written(void **state)
{
	(void)state;
	assert_ok(write16(FAKE_PMCSR, 0x8000));
	assert_log("PMCSR=8000");
	assert_ok(write8(FAKE_PMCSR + 1, 0x80));
	assert_log("c+45:1");
	assert_int_equal(driver.count[QUIESCE], 0);
	/* What lies in its place where there is no such capability. */
	bench_close();
	bench.fn->config[0x34] = FAKE_CAP_MSIX;
	bench_open();
	assert_ok(write8(4, 3));
	assert_log("COMMAND=0003");
	assert_state(LIVE);
}

#define RESET_LOG "quiesce COMMAND=0002 RESET ready COMMAND=0002 reinit"

static void function_level_resets_are_resets(void **state)
{
	static const struct {
		uint16_t at;
		unsigned int width;
		uint32_t value;
	} flr[] = {
		{ FAKE_DEVCTL, 2, 0x8000 },	{ FAKE_DEVCTL, 2, 0xa81f },
		{ FAKE_DEVCTL, 4, 0xffff8000 }, { FAKE_DEVCTL + 1, 1, 0x80 },
		{ FAKE_AF_CTRL, 1, 1 },		{ FAKE_AF_CTRL, 2, 0x0001 },
		{ FAKE_AF_CTRL, 4, 0x01 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(flr) / sizeof(flr[0]); i++) {
		int rc = flr[i].width == 1   ? write8(flr[i].at, (uint8_t)flr[i].value)
			 : flr[i].width == 2 ? write16(flr[i].at, (uint16_t)flr[i].value)
					     : write32(flr[i].at, flr[i].value);

		assert_ok(rc);
		assert_log(RESET_LOG);
		assert_generation(i + 2);
	}
}

static void what_sets_no_such_bit_is_written(void **state)
{
	(void)state;
	assert_ok(write16(FAKE_DEVCTL, 0x281f));
	assert_log("c+68=281f");
	assert_ok(write8(FAKE_DEVCTL, 0x80));
	assert_ok(write32(FAKE_DEVCTL, 0x00017fff));
	assert_ok(write16(FAKE_DEVCTL + 2, 0x8000));
	assert_ok(write8(FAKE_AF_CTRL, 0xfe));
	assert_ok(write8(FAKE_AF_CTRL + 1, 0x01));
	assert_int_equal(bench.fn->resets, 0);
	assert_generation(1);
}

/* There the kernel does nothing: a reset by another method is not what was asked for. */
static void a_device_that_cannot_is_not_reset(void **state)
{
	(void)state;
	bench_close();
	bench.fn->config[FAKE_CAP_EXP + 7] = 0;
	bench.fn->config[FAKE_CAP_AF + 3] = 2;
	bench_open();
	assert_ok(write16(FAKE_DEVCTL, 0x8000));
	assert_log("c+68=8000");
	assert_ok(write8(FAKE_AF_CTRL, 1));
	assert_log("c+a4:1");
	assert_int_equal(bench.fn->resets, 0);
}

static void a_reset_that_fails_is_told(void **state)
{
	(void)state;
	fake_fail(&bench.k, FAKE_IOCTL, VFIO_DEVICE_RESET, ENOTTY, 1);
	assert_refused(write16(FAKE_DEVCTL, 0x8000), EIO, ADDRESS, "unknown");
	assert_state(FAULT);
	assert_ok(write16(FAKE_DEVCTL, 0x8000));
	assert_awake(2);
}

static void refuse_all(void)
{
	assert_refused(write16(COMMAND, 0x0004), EDEADLK, "decode");
	assert_refused(write16(FAKE_PMCSR, 3), EDEADLK, "vfiosafe_set_power");
	assert_refused(write16(FAKE_DEVCTL, 0x8000), EDEADLK, "vfiosafe_reset");
	assert_refused(write8(FAKE_AF_CTRL, 1), EDEADLK, "vfiosafe_reset");
	/* Not even the bits that could have been. */
	assert_int_equal(fake_command(bench.fn) & 4, 0);
	assert_log("");
}

static void in_a_section_they_are_refused(void **state)
{
	struct vfiosafe_section sec;

	(void)state;
	assert_ok(vfiosafe_begin(&bench.view, &sec));
	refuse_all();
	assert_ok(vfiosafe_end(&sec));
}

static void refuse_inside(struct vfiosafe_device *dev, enum callback which)
{
	(void)dev;
	(void)which;
	refuse_all();
}

static void in_a_callback_they_are_refused(void **state)
{
	(void)state;
	driver.inside = refuse_inside;
	assert_ok(reset_ms(1000));
	assert_int_equal(driver.count[QUIESCE] + driver.count[READY] + driver.count[REINIT],
			 3);
}

/* Asleep, COMMAND is out of reach, in whole; decode is no way to wake it. */
static void while_it_sleeps_command_is_refused(void **state)
{
	(void)state;
	for (int way = 0; way < DECODE; way++) {
		assert_ok(park((enum way)way));
		assert_refused(write16(COMMAND, 0x0406), EAGAIN, "parked");
		assert_refused(write16(COMMAND, 0x0000), EAGAIN, "parked");
		assert_log("");
		assert_ok(wake((enum way)way));
		assert_int_equal(fake_command(bench.fn), 0x0002);
	}
}

static void the_power_state_of_a_device_parked_in_another_way(void **state)
{
	(void)state;
	assert_ok(park(DECODE));
	assert_refused(write16(FAKE_PMCSR, 3), EBUSY, "parked", "decode");
	assert_refused(write16(FAKE_PMCSR, 0), EAGAIN, "parked");
	assert_ok(wake(DECODE));
	assert_ok(park(D3HOT_KEPT));
	assert_refused(write8(FAKE_PMCSR + 1, 0), EAGAIN, "parked");
	/* A reset by config space takes it over as any does. */
	assert_ok(write16(FAKE_DEVCTL, 0x8000));
	assert_awake(2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, driver_setup, bench_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(decode_is_parked_and_woken),
		TEST(every_width_of_it),
		TEST(what_does_not_change_decode_is_no_window),
		TEST(a_veto_leaves_the_other_bits_changed),
		TEST(the_power_state_is_parked_and_woken),
		TEST(what_does_not_change_the_power_state_is_written),
		TEST(function_level_resets_are_resets),
		TEST(what_sets_no_such_bit_is_written),
		TEST(a_device_that_cannot_is_not_reset),
		TEST(a_reset_that_fails_is_told),
		TEST(in_a_section_they_are_refused),
		TEST(in_a_callback_they_are_refused),
		TEST(while_it_sleeps_command_is_refused),
		TEST(the_power_state_of_a_device_parked_in_another_way),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* Config space: guarded reads and writes, and where capabilities lie. */
#include "power_rig.h"
#include "uapi.h"
#include "unit_thread.h"

#define LINE 0x3c /* interrupt line: nothing happens when it is written */

static void values_are_those_of_the_device(void **state)
{
	uint32_t dword;
	uint16_t word;
	uint8_t byte;

	(void)state;
	assert_ok(vfiosafe_config_read32(bench.dev, 0, &dword));
	assert_int_equal(dword, 0x10d38086);
	assert_ok(vfiosafe_config_read16(bench.dev, 2, &word));
	assert_int_equal(word, 0x10d3);
	assert_ok(vfiosafe_config_read8(bench.dev, 3, &byte));
	assert_int_equal(byte, 0x10);
	assert_ok(vfiosafe_config_write8(bench.dev, LINE, 0xa1));
	assert_ok(vfiosafe_config_read8(bench.dev, LINE, &byte));
	assert_int_equal(byte, 0xa1);
	assert_ok(vfiosafe_config_write32(bench.dev, 0xf0, 0x01020304));
	assert_ok(vfiosafe_config_read16(bench.dev, 0xf2, &word));
	assert_int_equal(word, 0x0102);
	assert_ok(vfiosafe_config_write16(bench.dev, 0xf2, 0xbeef));
	assert_log("c+3c:1 c+f0:4 c+f2=beef");
}

static void the_last_bytes_are_within(void **state)
{
	uint32_t dword = 0;
	uint16_t word = 0;
	uint8_t byte = 0;

	(void)state;
	assert_ok(vfiosafe_config_read8(bench.dev, 0xff, &byte));
	assert_ok(vfiosafe_config_read16(bench.dev, 0xfe, &word));
	assert_ok(vfiosafe_config_read32(bench.dev, 0xfc, &dword));
	assert_ok(vfiosafe_config_write8(bench.dev, 0xff, 1));
}

static void what_is_beyond_is_refused(void **state)
{
	uint32_t dword = 0x55;
	uint16_t word = 0x55;
	uint8_t byte = 0x55;

	(void)state;
	assert_refused(vfiosafe_config_read8(bench.dev, 0x100, &byte), ERANGE, "0x100",
		       ADDRESS, "256");
	assert_refused(vfiosafe_config_read16(bench.dev, 0xfffe, &word), ERANGE, "0xfffe");
	assert_refused(vfiosafe_config_read32(bench.dev, 0x100, &dword), ERANGE, "0x100");
	assert_refused(vfiosafe_config_write8(bench.dev, 0xffff, 1), ERANGE, "0xffff");
	assert_refused(vfiosafe_config_write32(bench.dev, 0xfffc, 1), ERANGE, "0xfffc");
	assert_true(byte == 0x55 && word == 0x55 && dword == 0x55);
	assert_log("");
}

static void what_is_unaligned_is_refused(void **state)
{
	uint32_t dword = 0x55;
	uint16_t word = 0x55;

	(void)state;
	assert_refused(vfiosafe_config_read16(bench.dev, 1, &word), EINVAL, "multiple of 2");
	for (uint16_t at = 1; at < 4; at++)
		assert_refused(vfiosafe_config_read32(bench.dev, at, &dword), EINVAL,
			       "multiple of 4");
	/* Those that would be windows, too. */
	assert_refused(vfiosafe_config_write32(bench.dev, 2, 0), EINVAL, "multiple of 4");
	assert_refused(vfiosafe_config_write16(bench.dev, 3, 0), EINVAL, "multiple of 2");
	assert_refused(vfiosafe_config_write32(bench.dev, FAKE_PMCSR - 2, UINT32_MAX), EINVAL,
		       "multiple of 4");
	assert_refused(vfiosafe_config_write32(bench.dev, FAKE_DEVCTL - 2, UINT32_MAX),
		       EINVAL, "multiple of 4");
	assert_true(word == 0x55 && dword == 0x55);
	assert_log("");
	assert_state(LIVE);
}

static void capabilities_are_found(void **state)
{
	uint16_t at = 0;

	(void)state;
	assert_ok(vfiosafe_config_find(bench.dev, 0x01, &at));
	assert_int_equal(at, FAKE_CAP_PM);
	assert_ok(vfiosafe_config_find(bench.dev, 0x11, &at));
	assert_int_equal(at, FAKE_CAP_MSIX);
	assert_ok(vfiosafe_config_find(bench.dev, 0x10, &at));
	assert_int_equal(at, FAKE_CAP_EXP);
	assert_refused(vfiosafe_config_find(bench.dev, 0x05, &at), ENOENT, ADDRESS, "0x5");
	assert_int_equal(at, FAKE_CAP_EXP);
	/* A chain that loops. */
	bench.fn->config[FAKE_CAP_MSIX + 1] = FAKE_CAP_PM;
	assert_refused(vfiosafe_config_find(bench.dev, 0x05, &at), ENOENT, "0x5");
	/* No list of them. */
	bench.fn->config[6] = 0;
	assert_refused(vfiosafe_config_find(bench.dev, 0x01, &at), ENOENT, "0x1");
}

/* All four, refused with @err, and the device is not touched. */
static void all_refused(int err, const char *word)
{
	uint16_t at = 7;
	uint32_t value = 7;
	unsigned int reads = bench.k.count[FAKE_PREAD];

	assert_refused(vfiosafe_config_read32(bench.dev, 0, &value), err, word);
	assert_refused(vfiosafe_config_write8(bench.dev, LINE, 1), err, word);
	assert_refused(vfiosafe_config_write16(bench.dev, 4, 0x0002), err, word);
	assert_refused(vfiosafe_config_find(bench.dev, 1, &at), err, word);
	assert_true(value == 7 && at == 7);
	assert_int_equal(bench.k.count[FAKE_PREAD], reads);
	assert_int_equal(bench.fn->config[LINE], 0);
}

static void in_windows_and_in_fault_they_are_refused(void **state)
{
	struct vfiosafe_window *win = window_begin(1000);

	(void)state;
	all_refused(EAGAIN, "vfiosafe_wait()");
	assert_int_equal(vfiosafe_window_poll(win), VFIOSAFE_STEP_COMMIT);
	assert_ok(vfiosafe_window_commit(win));
	all_refused(EAGAIN, "vfiosafe_wait()");
	vfiosafe_window_end(win);
	all_refused(EIO, "FAULT");
	assert_ok(vfiosafe_recover(bench.dev, NULL));
	assert_ok(vfiosafe_config_write8(bench.dev, LINE, 1));
}

static void while_it_sleeps_they_do_not_wake_it(void **state)
{
	(void)state;
	for (int way = 0; way < DECODE; way++) {
		assert_ok(park((enum way)way));
		all_refused(EAGAIN, "parked");
		assert_ok(wake((enum way)way));
	}
}

static void use_config(struct vfiosafe_device *dev, enum callback which)
{
	uint16_t at, word;
	uint8_t byte;

	if (which == LOST) {
		assert_int_equal(vfiosafe_config_read8(dev, LINE, &byte), -EIO);
		return;
	}
	assert_ok(vfiosafe_config_write8(dev, LINE, 0x21));
	assert_ok(vfiosafe_config_read8(dev, LINE, &byte));
	assert_int_equal(byte, 0x21);
	assert_ok(vfiosafe_config_find(dev, 1, &at));
	/* As drivers do it: nothing in it takes the device away. */
	assert_ok(vfiosafe_config_read16(dev, 4, &word));
	assert_ok(vfiosafe_config_write16(dev, 4, word | 0x0004));
	assert_ok(vfiosafe_config_write16(dev, FAKE_PMCSR, 0x0008));
}

static void callbacks_may_use_them(void **state)
{
	(void)state;
	driver.inside = use_config;
	assert_ok(reset_ms(1000));
	assert_int_equal(fake_command(bench.fn), 0x0006);
	fake_fail(&bench.k, FAKE_IOCTL, VFIO_DEVICE_RESET, EINVAL, 1);
	assert_int_equal(reset_ms(1000), -EOPNOTSUPP);
	assert_int_equal(driver.count[RESUME], 1);
	assert_ok(park(DECODE));
	assert_ok(wake(DECODE));
	assert_ok(vfiosafe_mark_lost(bench.dev, "by the test"));
	assert_int_equal(driver.count[LOST], 1);
}

static void so_may_sections(void **state)
{
	struct vfiosafe_section sec;
	uint16_t word;

	(void)state;
	assert_ok(vfiosafe_begin(&bench.view, &sec));
	assert_ok(vfiosafe_config_write8(bench.dev, LINE, 0x21));
	assert_ok(vfiosafe_config_read16(bench.dev, 4, &word));
	assert_ok(vfiosafe_config_write16(bench.dev, 4, word | 0x0004));
	assert_ok(vfiosafe_end(&sec));
	assert_log("c+3c:1 COMMAND=0006");
}

/* In the kernel's part of an access: a reset beside it begins, and waits. */
static struct runner beside;
static enum fake_call at_call;

static int reset_it(void)
{
	return vfiosafe_reset(bench.dev, NULL);
}

static void reset_beside(struct fake *fake, enum fake_call call, uint64_t key)
{
	unsigned int sleeps = times_called(FAKE_SLEEP);

	if (call != at_call || key != FAKE_CONFIG + LINE)
		return;
	fake->hook = NULL;
	run_beside(&beside, reset_it);
	until(vfiosafe_device_state(bench.dev) == VFIOSAFE_QUIESCE);
	until(times_called(FAKE_SLEEP) > sleeps + 3);
	assert_int_equal(fake->fn[0].resets, 0);
}

static void a_reset_waits_for_a_read(void **state)
{
	uint8_t byte;

	(void)state;
	bench.k.real_clock = true;
	at_call = FAKE_PREAD;
	bench.k.hook = reset_beside;
	assert_ok(vfiosafe_config_read8(bench.dev, LINE, &byte));
	assert_ok(run_ended(&beside));
	assert_int_equal(bench.fn->resets, 1);
}

static void a_reset_waits_for_a_write(void **state)
{
	(void)state;
	bench.k.real_clock = true;
	at_call = FAKE_PWRITE;
	bench.k.hook = reset_beside;
	assert_ok(vfiosafe_config_write8(bench.dev, LINE, 1));
	assert_ok(run_ended(&beside));
	assert_log("c+3c:1 quiesce COMMAND=0002 RESET ready COMMAND=0002 reinit");
}

static void mark_in_it(struct fake *fake, enum fake_call call, uint64_t key)
{
	if (call != FAKE_PREAD && call != FAKE_PWRITE)
		return;
	(void)key;
	fake->hook = NULL;
	assert_ok(vfiosafe_mark_lost(bench.dev, "in the access"));
}

/* What was read may be of another device by now. */
static void a_loss_in_the_middle_spoils_it(void **state)
{
	uint16_t at = 7;
	uint8_t byte = 7;

	(void)state;
	bench.k.hook = mark_in_it;
	assert_refused(vfiosafe_config_read8(bench.dev, 0, &byte), EIO, "FAULT");
	assert_ok(vfiosafe_recover(bench.dev, NULL));
	bench.k.hook = mark_in_it;
	assert_refused(vfiosafe_config_write8(bench.dev, LINE, 1), EIO, "FAULT");
	assert_ok(vfiosafe_recover(bench.dev, NULL));
	bench.k.hook = mark_in_it;
	assert_refused(vfiosafe_config_find(bench.dev, 1, &at), EIO, "FAULT");
	assert_true(byte == 7 && at == 7);
}

static void a_kernel_that_refuses_is_named(void **state)
{
	uint8_t byte = 7;
	uint16_t at = 7;

	(void)state;
	fake_fail(&bench.k, FAKE_PREAD, FAKE_CONFIG, EPERM, 1);
	assert_refused(vfiosafe_config_read8(bench.dev, 0, &byte), EPERM, ADDRESS, "read",
		       strerror(EPERM));
	fake_fail(&bench.k, FAKE_PWRITE, FAKE_CONFIG + LINE, EPERM, 1);
	assert_refused(vfiosafe_config_write8(bench.dev, LINE, 1), EPERM, ADDRESS, "write");
	fake_fail(&bench.k, FAKE_PREAD, FAKE_CONFIG + 6, EPERM, 1);
	assert_refused(vfiosafe_config_find(bench.dev, 1, &at), EPERM, ADDRESS,
		       "capabilities");
	assert_true(byte == 7 && at == 7);
	assert_state(LIVE);
}

/* EIO: the kernel could not wake the device. That is what -EIO means of an access. */
static void a_device_that_does_not_wake_up_is_in_fault(void **state)
{
	uint8_t byte;

	(void)state;
	fake_fail(&bench.k, FAKE_PREAD, FAKE_CONFIG, EIO, 1);
	assert_refused(vfiosafe_config_read8(bench.dev, 0, &byte), EIO, ADDRESS);
	assert_state(FAULT);
	assert_int_equal(driver.cause, VFIOSAFE_CAUSE_ACCESS);
	assert_ok(vfiosafe_recover(bench.dev, NULL));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, driver_setup, bench_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(values_are_those_of_the_device),
		TEST(the_last_bytes_are_within),
		TEST(what_is_beyond_is_refused),
		TEST(what_is_unaligned_is_refused),
		TEST(capabilities_are_found),
		TEST(in_windows_and_in_fault_they_are_refused),
		TEST(while_it_sleeps_they_do_not_wake_it),
		TEST(callbacks_may_use_them),
		TEST(so_may_sections),
		TEST(a_reset_waits_for_a_read),
		TEST(a_reset_waits_for_a_write),
		TEST(a_loss_in_the_middle_spoils_it),
		TEST(a_kernel_that_refuses_is_named),
		TEST(a_device_that_does_not_wake_up_is_in_fault),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

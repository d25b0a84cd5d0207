/* SPDX-License-Identifier: MIT */
/* All-ones is asked about before it is delivered, and what the device answers to that. */
#include "epoch.h"
#include "unit_driver.h"

#define REG 0x40u
#define ONES UINT64_MAX

static uint8_t *reg(unsigned int bar)
{
	return fake_bar(bench.fn, bar) + (bar == 0 ? REG : 0);
}

static void put(unsigned int bar, uint64_t value)
{
	memcpy(reg(bar), &value, sizeof(value));
}

static struct vfiosafe_probe_counts counts(void)
{
	struct vfiosafe_probe_counts c;

	vfiosafe_probe_counts(bench.dev, &c);
	return c;
}

static int setup(void **state)
{
	int rc = driver_setup(state);

	put(0, ONES);
	return rc;
}

static void read_all_widths(void)
{
	uint64_t v64 = 0;
	uint32_t v32 = 0;
	uint16_t v16 = 0;
	uint8_t v8 = 0;

	assert_ok(vfiosafe_read64(&bench.view, REG, &v64));
	assert_ok(vfiosafe_read32(&bench.view, REG, &v32));
	assert_ok(vfiosafe_read16(&bench.view, REG, &v16));
	assert_ok(vfiosafe_read8(&bench.view, REG, &v8));
	assert_true(v64 == ONES && v32 == UINT32_MAX && v16 == UINT16_MAX &&
		    v8 == UINT8_MAX);
}

static void a_legitimate_all_ones_register_is_delivered(void **state)
{
	struct vfiosafe_probe_counts c;

	(void)state;
	/* The fast path it must be, which looks at the value by itself. */
	assert_true(bench.view.len > REG);
	read_all_widths();
	c = counts();
	assert_int_equal(c.suspicions, 4);
	assert_int_equal(c.real, 4);
	assert_int_equal(c.config + c.decode + c.power + c.sentinel, 0);
	assert_state(LIVE);
	assert_int_equal(vsf_depth(), 0);
	/* As often as one likes. */
	read_all_widths();
	assert_int_equal(counts().real, 8);
}

static void any_other_value_is_delivered_without_asking(void **state)
{
	unsigned int before = bench.k.count[FAKE_PREAD];
	uint64_t v64;
	uint32_t v32;
	uint8_t v8;

	(void)state;
	put(0, ONES - 1);
	assert_ok(vfiosafe_read64(&bench.view, REG, &v64));
	assert_ok(vfiosafe_read32(&bench.view, REG, &v32));
	assert_ok(vfiosafe_read8(&bench.view, REG, &v8));
	put(0, 0);
	assert_ok(vfiosafe_read64(&bench.view, REG, &v64));
	assert_int_equal(bench.k.count[FAKE_PREAD], before);
	assert_int_equal(counts().suspicions, 0);
	/* All-ones in a part of what is read is another value. */
	put(0, UINT32_MAX);
	assert_ok(vfiosafe_read64(&bench.view, REG, &v64));
	assert_int_equal(counts().suspicions, 0);
}

static void no_section_is_open(struct vfiosafe_device *dev, enum callback which)
{
	(void)dev;
	if (which == LOST)
		assert_int_equal(vsf_depth(), 0);
}

/* An access that finds the device lost delivers nothing, once, and says why. */
static void is_found_lost(int rc, const char *why)
{
	uint32_t value = 5;

	assert_refused(rc, EIO, ADDRESS, why);
	assert_state(FAULT);
	assert_int_equal(vfiosafe_device_cause(bench.dev), VFIOSAFE_CAUSE_DEAD);
	assert_int_equal(driver.count[LOST], 1);
	assert_int_equal(driver.cause, VFIOSAFE_CAUSE_DEAD);
	assert_int_equal(vfiosafe_read32(&bench.view, REG, &value), -EIO);
	assert_int_equal(value, 5);
	assert_int_equal(driver.count[LOST], 1);
}

static void the_device_is_lost(const char *why)
{
	uint32_t value = 5;

	driver.inside = no_section_is_open;
	is_found_lost(vfiosafe_read32(&bench.view, REG, &value), why);
	assert_int_equal(value, 5);
	assert_int_equal(counts().suspicions, 1);
	assert_int_equal(counts().real, 0);
}

static void a_device_that_does_not_answer_is_lost(void **state)
{
	(void)state;
	bench.fn->silent_until = INT64_MAX;
	the_device_is_lost("does not answer");
	assert_int_equal(counts().config, 1);
	bench.fn->silent_until = 0;
	assert_ok(vfiosafe_recover(bench.dev, NULL));
	bench.view = bench_view(bench.bar);
	put(0, ONES);
	read_all_widths();
}

static void what_the_kernel_reported_is_why_it_is_lost(void **state)
{
	(void)state;
	assert_true(fake_signal(bench.fn, 3)); /* ERR */
	bench.fn->silent_until = INT64_MAX;
	assert_refused(vfiosafe_read32(&bench.view, REG, &(uint32_t){ 0 }), EIO, "AER");
	assert_state(FAULT);
	assert_int_equal(vfiosafe_device_cause(bench.dev), VFIOSAFE_CAUSE_AER);
	assert_int_equal(driver.cause, VFIOSAFE_CAUSE_AER);
	assert_int_equal(driver.count[LOST], 1);
}

static void a_device_whose_decode_is_off_is_lost(void **state)
{
	(void)state;
	fake_set_command(bench.fn, 0x0005);
	the_device_is_lost("decode");
	assert_int_equal(counts().decode, 1);
}

static void a_device_in_any_state_but_d0_is_lost(void **state)
{
	(void)state;
	for (unsigned int power = 1; power <= 3; power++) {
		put(0, ONES);
		fake_set_power_state(bench.fn, power);
		assert_int_equal(vfiosafe_read32(&bench.view, REG, &(uint32_t){ 0 }),
				 -EIO);
		assert_state(FAULT);
		assert_int_equal(counts().power, power);
		assert_ok(vfiosafe_recover(bench.dev, NULL));
		bench.view = bench_view(bench.bar);
	}
}

static void the_memory_bit_of_a_virtual_function_proves_nothing(void **state)
{
	(void)state;
	bench_close();
	(void)fake_put(&bench.k, FAKE_LINK, "../0000:01:00.1",
		       "/sys/bus/pci/devices/%s/physfn", ADDRESS);
	bench_open();
	fake_set_command(bench.fn, 0);
	read_all_widths();
}

static void the_ports_of_a_device_have_a_decode_of_their_own(void **state)
{
	struct vfiosafe_view ports;
	uint8_t value = 0;

	(void)state;
	bench_close();
	bench.fn->config[0x10 + 4 * 4] = 1; /* as VFIO shows a BAR of ports */
	bench_open();
	put(4, ONES);
	ports = bench_view(bench_map(4, 0, 0, 0));
	fake_set_command(bench.fn, 0x0003);
	assert_ok(vfiosafe_read8(&ports, 0, &value));
	assert_int_equal(value, 0xff);
	/* A device all of whose memory is off still has its ports, and the reverse. */
	fake_set_command(bench.fn, 0x0001);
	assert_ok(vfiosafe_read8(&ports, 0, &value));
	fake_set_command(bench.fn, 0x0002);
	read_all_widths();
	assert_ok(vfiosafe_probe(bench.dev));
	assert_refused(vfiosafe_read8(&ports, 0, &value), EIO, "decode");
	assert_state(FAULT);
}

/* A kernel that cannot reach the device says so in another way. */
static void config_reads_that_fail_for_the_device_mean_that_it_is_lost(void **state)
{
	static const int errs[] = { EIO, ENODEV };

	(void)state;
	for (size_t i = 0; i < sizeof(errs) / sizeof(errs[0]); i++) {
		put(0, ONES);
		fake_fail(&bench.k, FAKE_PREAD, FAKE_CONFIG + 4, errs[i], 1);
		assert_refused(vfiosafe_read32(&bench.view, REG, &(uint32_t){ 0 }), EIO,
			       "COMMAND", strerror(errs[i]));
		assert_state(FAULT);
		assert_int_equal(counts().config, i + 1);
		assert_ok(vfiosafe_recover(bench.dev, NULL));
		bench.view = bench_view(bench.bar);
	}
}

static void a_device_that_could_not_be_asked_is_neither_lost_nor_read(void **state)
{
	uint32_t value = 5;

	(void)state;
	fake_fail(&bench.k, FAKE_PREAD, FAKE_CONFIG + 4, ENOMEM, 1);
	assert_refused(vfiosafe_read32(&bench.view, REG, &value), ENOMEM, "COMMAND");
	assert_int_equal(value, 5);
	assert_state(LIVE);
	fake_fail(&bench.k, FAKE_PREAD, FAKE_CONFIG + FAKE_CAP_PM + 4, ENOMEM, 1);
	assert_refused(vfiosafe_read32(&bench.view, REG, &value), ENOMEM, "power state");
	assert_state(LIVE);
	read_all_widths();
}

static void what_cannot_be_mapped_is_asked_about_too(void **state)
{
	struct vfiosafe_view view = bench_view(bench_map(2, 0, 0, 0));
	uint32_t value = 0;

	(void)state;
	put(2, ONES);
	assert_ok(vfiosafe_read32(&view, 0, &value));
	assert_int_equal(value, UINT32_MAX);
	assert_int_equal(counts().real, 1);
	bench.fn->silent_until = INT64_MAX;
	is_found_lost(vfiosafe_read32(&view, 0, &value), "does not answer");
}

static void either_half_of_a_split_read_is_asked_about(void **state)
{
	uint64_t value = 5;

	(void)state;
	put(0, UINT64_C(0xffffffff00000001));
	assert_ok(vfiosafe_read64_lo_hi(&bench.view, REG, &value));
	assert_int_equal(counts().real, 1);
	value = 5;
	bench.fn->silent_until = INT64_MAX;
	is_found_lost(vfiosafe_read64_lo_hi(&bench.view, REG, &value), "does not answer");
	assert_true(value == 5);
}

static void without_membarrier_all_ones_is_asked_about_too(void **state)
{
	(void)state;
	bench_close();
	bench.k.no_membarrier = true;
	bench_open();
	assert_true(vfiosafe_device_fenced(bench.dev));
	read_all_widths();
	assert_int_equal(counts().real, 4);
	bench.fn->silent_until = INT64_MAX;
	assert_int_equal(vfiosafe_read32(&bench.view, REG, &(uint32_t){ 0 }), -EIO);
	assert_state(FAULT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, bench_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_legitimate_all_ones_register_is_delivered),
		TEST(any_other_value_is_delivered_without_asking),
		TEST(a_device_that_does_not_answer_is_lost),
		TEST(what_the_kernel_reported_is_why_it_is_lost),
		TEST(a_device_whose_decode_is_off_is_lost),
		TEST(a_device_in_any_state_but_d0_is_lost),
		TEST(the_memory_bit_of_a_virtual_function_proves_nothing),
		TEST(the_ports_of_a_device_have_a_decode_of_their_own),
		TEST(config_reads_that_fail_for_the_device_mean_that_it_is_lost),
		TEST(a_device_that_could_not_be_asked_is_neither_lost_nor_read),
		TEST(what_cannot_be_mapped_is_asked_about_too),
		TEST(either_half_of_a_split_read_is_asked_about),
		TEST(without_membarrier_all_ones_is_asked_about_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

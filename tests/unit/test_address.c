/* SPDX-License-Identifier: MIT */
/* Addresses of PCI functions, well formed and not. */
#include "door.h"
#include "unit.h"

static void parses_to(const char *address, const char *canonical)
{
	char got[32] = "";

	assert_ok(vsf_address_parse(address, got, sizeof(got)));
	assert_string_equal(got, canonical);
}

static void is_refused(const char *address)
{
	char got[32] = "untouched";

	assert_refused(vsf_address_parse(address, got, sizeof(got)), EINVAL,
		       "is not a PCI address", "0000:01:00.0", "lspci -D");
	assert_string_equal(got, "untouched");
	assert_refused(vfiosafe_device_open(&bench.dev, address, &bench.opts), EINVAL,
		       "is not a PCI address", "lspci -D");
	assert_null(bench.dev);
}

static void addresses_as_lspci_prints_them_are_taken(void **state)
{
	(void)state;
	parses_to("0000:01:00.0", "0000:01:00.0");
	parses_to("0000:00:1f.7", "0000:00:1f.7");
	parses_to("ffff:ff:00.0", "ffff:ff:00.0");
}

static void upper_case_becomes_lower_case(void **state)
{
	(void)state;
	parses_to("00AB:Cd:1F.3", "00ab:cd:1f.3");
}

static void domains_of_five_to_eight_digits_are_taken(void **state)
{
	(void)state;
	parses_to("10000:00:02.0", "10000:00:02.0");
	parses_to("123456:00:02.0", "123456:00:02.0");
	parses_to("1234567:00:02.0", "1234567:00:02.0");
	parses_to("fedcba98:00:02.0", "fedcba98:00:02.0");
	parses_to("00010000:00:02.0", "10000:00:02.0");
}

static void short_addresses_are_refused(void **state)
{
	(void)state;
	is_refused("1:0.0");
	is_refused("01:00.0");
	is_refused("000:01:00.0");
	is_refused("0000:1:00.0");
	is_refused("0000:01:0.0");
	is_refused("0000:01:00");
	is_refused("0000:01:00.");
}

static void numbers_that_pci_does_not_have_are_refused(void **state)
{
	(void)state;
	is_refused("0000:00:1f.8");
	is_refused("0000:00:20.0");
	is_refused("0000:00:ff.0");
	is_refused("0000:00:00.f");
	is_refused("123456789:00:00.0");
	is_refused("0000:100:00.0");
}

static void trailing_and_leading_junk_is_refused(void **state)
{
	(void)state;
	is_refused("0000:01:00.0 ");
	is_refused("0000:01:00.0\n");
	is_refused("0000:01:00.00");
	is_refused(" 0000:01:00.0");
	is_refused("0000:01:00.0/../../..");
	is_refused("../0000:01:00.0");
	is_refused("0x00:01:00.0");
	is_refused("0000-01:00.0");
	is_refused("0000:01:00:0");
}

static void nothing_is_refused(void **state)
{
	(void)state;
	is_refused("");
	is_refused(NULL);
	is_refused(":");
	is_refused("0000");
}

static void four_kibibytes_are_refused_with_a_short_text(void **state)
{
	static char address[4097];

	(void)state;
	memset(address, '0', sizeof(address) - 1);
	is_refused(address);
	assert_true(strlen(vfiosafe_error_text()) < 400);
	memset(address, 'x', sizeof(address) - 1);
	is_refused(address);
	assert_non_null(strstr(vfiosafe_error_text(), "..."));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, bench_setup, bench_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(addresses_as_lspci_prints_them_are_taken),
		TEST(upper_case_becomes_lower_case),
		TEST(domains_of_five_to_eight_digits_are_taken),
		TEST(short_addresses_are_refused),
		TEST(numbers_that_pci_does_not_have_are_refused),
		TEST(trailing_and_leading_junk_is_refused),
		TEST(nothing_is_refused),
		TEST(four_kibibytes_are_refused_with_a_short_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

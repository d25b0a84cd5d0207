/* SPDX-License-Identifier: MIT */
/* The values that a writable sentinel takes, for masks of every size. */
#include "device.h"
#include "unit.h"

#define GENERATIONS 2000u

/* Every mask of @bits bits is as good as another: low, high, and spread ones. */
static uint64_t mask_of(unsigned int bits, unsigned int shape)
{
	uint64_t low = bits == 64 ? UINT64_MAX : (UINT64_C(1) << bits) - 1, spread = 0;

	if (shape == 0)
		return low;
	if (shape == 1)
		return low << (64 - bits);
	for (unsigned int i = 0; i < bits; i++)
		spread |= UINT64_C(1) << (i * 64 / bits);
	return spread;
}

static unsigned int count_bits(uint64_t mask)
{
	return (unsigned int)__builtin_popcountll(mask);
}

static void of_three_bits_and_more_all_promises_hold(void **state)
{
	(void)state;
	for (unsigned int bits = 3; bits <= 64; bits++)
		for (unsigned int shape = 0; shape < 3; shape++) {
			uint64_t mask = mask_of(bits, shape), last = 0;

			assert_int_equal(count_bits(mask), bits);
			for (uint64_t g = 1; g <= GENERATIONS / bits; g++) {
				uint64_t found = g * UINT64_C(0x123456789abcdef1);
				uint64_t nonce = vsf_sentinel_nonce(g, mask, found, last);

				assert_true((nonce & ~mask) == 0);
				assert_true(nonce != 0 && nonce != mask);
				assert_true(nonce != (found & mask));
				assert_true(nonce != last);
				last = nonce;
			}
		}
}

static void two_bits_differ_from_what_was_found_and_from_the_last(void **state)
{
	uint64_t mask = 0x8001;

	(void)state;
	for (uint64_t found = 0; found < 4; found++) {
		uint64_t there = (found & 1) | (found & 2) << 14, last = 0;

		for (uint64_t g = 1; g <= GENERATIONS; g++) {
			uint64_t nonce = vsf_sentinel_nonce(g, mask, there, last);

			assert_true(nonce != there && nonce != last);
			/* As after any reset that clears it: they alternate. */
			if (there == 0)
				assert_true(nonce == 1 || nonce == 0x8000);
			last = nonce;
		}
	}
}

/* It cannot alternate and differ from what a reset leaves: that comes first. */
static void one_bit_differs_from_what_a_reset_left(void **state)
{
	(void)state;
	for (unsigned int bit = 0; bit < 64; bit++) {
		uint64_t mask = UINT64_C(1) << bit;

		for (uint64_t g = 1; g <= 64; g++) {
			assert_true(vsf_sentinel_nonce(g, mask, 0, mask) == mask);
			assert_true(vsf_sentinel_nonce(g, mask, 0, 0) == mask);
			assert_true(vsf_sentinel_nonce(g, mask, mask, mask) == 0);
			assert_true(vsf_sentinel_nonce(g, mask, mask, 0) == 0);
		}
	}
}

/* Two owners of a device, each in the same generation, are told apart by the seed. */
static void another_seed_gives_another_value(void **state)
{
	unsigned int same = 0;

	(void)state;
	for (uint64_t g = 1; g <= GENERATIONS; g++)
		same += vsf_sentinel_nonce(g, UINT32_MAX, 0, 0) ==
			vsf_sentinel_nonce(g ^ UINT64_C(0x7f12345670), UINT32_MAX, 0, 0);
	assert_int_equal(same, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(of_three_bits_and_more_all_promises_hold),
		cmocka_unit_test(two_bits_differ_from_what_was_found_and_from_the_last),
		cmocka_unit_test(one_bit_differs_from_what_a_reset_left),
		cmocka_unit_test(another_seed_gives_another_value),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

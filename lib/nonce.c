/* SPDX-License-Identifier: MIT */
/* Values for a writable sentinel. Pure code. */
#include "probe.h"

/* Each bit of the result depends on each of @x (splitmix64). */
static uint64_t mix(uint64_t x)
{
	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

/* The low bits of @n at the places that @mask names. */
static uint64_t scatter(uint64_t n, uint64_t mask)
{
	uint64_t to = 0;

	for (; mask; mask &= mask - 1, n >>= 1)
		if (n & 1)
			to |= mask & -mask;
	return to;
}

static unsigned int merit(uint64_t nonce, uint64_t mask, uint64_t found, uint64_t last)
{
	return (nonce != (found & mask) ? 8u : 0) + (nonce != (last & mask) ? 4u : 0) +
	       (nonce != mask ? 2u : 0) + (nonce != 0 ? 1u : 0);
}

/* Four values are to be avoided: of five that follow each other, one is good. */
uint64_t vsf_sentinel_nonce(uint64_t seed, uint64_t mask, uint64_t found, uint64_t last)
{
	uint64_t first = mix(seed), best = 0;
	unsigned int best_merit = 0;

	for (unsigned int i = 0; i < 5; i++) {
		uint64_t nonce = scatter(first + i, mask);
		unsigned int m = merit(nonce, mask, found, last);

		if (m > best_merit) {
			best = nonce;
			best_merit = m;
		}
	}
	return best;
}

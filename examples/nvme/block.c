/* SPDX-License-Identifier: MIT */
/* block.c - what is in a block of a page: who it is, and words that follow from that. */
#include <string.h>

#include "job.h"

#define WORDS (NVME_PAGE / sizeof(uint64_t))
#define MAGIC UINT64_C(0x6b636f6c62656d76)

enum { WORD_MAGIC, WORD_SEED, WORD_PASS, WORD_NUMBER, WORD_SUM, WORD_DATA };

/* splitmix64 */
uint64_t random_next(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

static uint64_t sum(const uint64_t *word)
{
	uint64_t sum = UINT64_C(0xcbf29ce484222325);

	for (unsigned int i = 0; i < WORDS; i++)
		if (i != WORD_SUM)
			sum = (sum ^ word[i]) * UINT64_C(0x100000001b3);
	return sum;
}

void block_fill(void *block, uint64_t seed, uint64_t pass, uint64_t number)
{
	uint64_t state = seed ^ pass << 48 ^ number << 16, *word = block;

	word[WORD_MAGIC] = MAGIC;
	word[WORD_SEED] = seed;
	word[WORD_PASS] = pass;
	word[WORD_NUMBER] = number;
	for (unsigned int i = WORD_DATA; i < WORDS; i++)
		word[i] = random_next(&state);
	word[WORD_SUM] = sum(word);
}

/* Old: a whole block for this place, of another pass or run. */
enum verdict block_check(const void *block, uint64_t seed, uint64_t pass, uint64_t number)
{
	uint64_t expected[WORDS], word[WORDS];

	memcpy(word, block, sizeof(word));
	block_fill(expected, seed, pass, number);
	if (memcmp(word, expected, sizeof(word)) == 0)
		return BLOCK_GOOD;
	if (word[WORD_MAGIC] == MAGIC && word[WORD_NUMBER] == number &&
	    word[WORD_SUM] == sum(word))
		return BLOCK_OLD;
	return BLOCK_CORRUPT;
}

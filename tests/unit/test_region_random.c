/* SPDX-License-Identifier: MIT */
/* Answers of the kernel with random faults in them: parsed within bounds, or refused. */
#include <stdlib.h>

#include "region_answer.h"

/* Same seed, same run: what it finds can be found again. */
static uint64_t next_random(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

static void check_region(const struct vfiosafe_region *region)
{
	uint64_t end = 0;

	assert_true(region->area_count <= VFIOSAFE_REGION_AREAS);
	for (uint32_t i = 0; i < region->area_count; i++) {
		const struct vfiosafe_area *area = &region->area[i];

		assert_true(area->len > 0 && area->offset >= end);
		assert_true(area->offset % FAKE_PAGE == 0);
		assert_true(area->offset <= region->len);
		assert_true(area->len <= region->len - area->offset);
		end = area->offset + area->len;
	}
}

static void mutate(struct answer *answer, uint64_t *seed)
{
	static const uint64_t edges[] = { 0,	   1,	       7,	  8,
					  32,	   0xfff,      0x1000,	  0xffff,
					  0x10000, UINT32_MAX, INT64_MAX, UINT64_MAX };
	uint64_t n = 1 + next_random(seed) % 3;

	for (; n > 0; n--) {
		size_t at = next_random(seed) % (sizeof(answer->bytes) / 16);
		uint64_t edge = edges[next_random(seed) % 12];

		switch (next_random(seed) % 4) {
		case 0:
			answer->bytes[at] ^= (uint8_t)(1u << next_random(seed) % 8);
			break;
		case 1:
			memcpy(answer->bytes + at / 4 * 4, &edge, 4);
			break;
		case 2:
			memcpy(answer->bytes + at / 8 * 8, &edge, 8);
			break;
		default:
			answer->len = next_random(seed) % 256;
			break;
		}
	}
}

#define RANDOM_RUNS 300000

static void no_answer_is_parsed_into_an_area_outside_of_its_region(void **state)
{
	const uint64_t pairs[] = { 0, 0x1000, 0x2000, 0x3000, 0x8000, 0x8000 };
	uint64_t seed = UINT64_C(0x9e3779b97f4a7c15), accepted = 0;

	(void)state;
	print_message("seed 0x%llx, %d runs\n", (unsigned long long)seed, RANDOM_RUNS);
	for (int i = 0; i < RANDOM_RUNS; i++) {
		struct answer answer = sparse(3, pairs);
		uint8_t *exact;
		struct vsf_region region;
		bool msix;
		int rc;

		mutate(&answer, &seed);
		/* Just as long as it is: a sanitizer sees each byte read beyond. */
		exact = malloc(answer.len ? answer.len : 1);
		assert_non_null(exact);
		memcpy(exact, answer.bytes, answer.len);
		rc = vsf_region_parse(exact, answer.len, &region, &msix);
		free(exact);
		assert_true(rc == 0 || rc == -EBADMSG);
		if (rc < 0)
			continue;
		accepted++;
		check_region(&region.info);
	}
	/* Neither all nor none: the run tells something. */
	assert_in_range(accepted, RANDOM_RUNS / 20, RANDOM_RUNS - RANDOM_RUNS / 20);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, bench_setup, bench_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(no_answer_is_parsed_into_an_area_outside_of_its_region),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

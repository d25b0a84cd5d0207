/* SPDX-License-Identifier: MIT */
/* The choice of addresses against a slow and simple one, and the kernel's answers. */
#include <stdlib.h>

#include "dma.h"
#include "uapi.h"
#include "unit.h"

#define PAGES 200 /* of the address space, from 64 KiB */
#define PAGE UINT64_C(0x1000)
#define FIRST (VSF_IOVA_FIRST / PAGE)

static struct vsf_iova_space space;
static struct vsf_mappings maps;
static bool taken[PAGES]; /* by a mapping, or by no range */

static int setup(void **state)
{
	bench_setup(state);
	memset(&space, 0, sizeof(space));
	memset(&maps, 0, sizeof(maps));
	vsf_mappings_init(&maps);
	return 0;
}

static int teardown(void **state)
{
	vsf_mappings_free(&maps, &bench.k.sys);
	vsf_iova_free(&space);
	return bench_teardown(state);
}

/* The same question, page by page. */
static int slowly(uint64_t pages, uint64_t align, uint64_t last, uint64_t *iova)
{
	for (uint64_t at = 0; at + pages <= PAGES; at++) {
		uint64_t n = 0;

		if ((at + FIRST) % align || (at + FIRST + pages) * PAGE - 1 > last)
			continue;
		while (n < pages && !taken[at + n])
			n++;
		if (n < pages)
			continue;
		*iova = (at + FIRST) * PAGE;
		return 0;
	}
	return -ENOSPC;
}

static void make_ranges(void)
{
	uint64_t at = 0;

	memset(taken, true, sizeof(taken));
	while (at < PAGES) {
		uint64_t start = at + (uint64_t)rand() % 20;
		uint64_t end = start + 1 + (uint64_t)rand() % 60;

		end = end < PAGES ? end : PAGES;
		if (start >= end)
			return;
		assert_ok(vsf_iova_add(&space, (start + FIRST) * PAGE,
				       (end + FIRST) * PAGE - 1));
		memset(taken + start, false, end - start);
		/* Two ranges that touch each other are two: no mapping over both. */
		at = end + 1;
	}
}

static void one_step(uint64_t *iova_of, uint64_t *pages_of, unsigned int slot)
{
	uint64_t pages = 1 + (uint64_t)rand() % 12, align = UINT64_C(1) << rand() % 5;
	uint64_t last =
		rand() % 4 ? UINT64_MAX : (uint64_t)rand() % (PAGES * PAGE) + PAGE;
	uint64_t iova = 0, want = 0;
	int rc;

	if (pages_of[slot]) {
		vsf_mappings_remove(&maps, iova_of[slot]);
		memset(taken + iova_of[slot] / PAGE - FIRST, false, pages_of[slot]);
		pages_of[slot] = 0;
		return;
	}
	rc = vsf_iova_find(&space, &maps, pages * PAGE, align * PAGE, last, &iova);
	assert_int_equal(rc, slowly(pages, align, last, &want));
	assert_int_equal(iova, want);
	if (rc < 0)
		return;
	assert_null(vsf_mappings_overlap(&maps, iova, pages * PAGE));
	assert_ok(vsf_mappings_add(
		&maps, &(struct vsf_mapping){ .iova = iova, .len = pages * PAGE }));
	memset(taken + iova / PAGE - FIRST, true, pages);
	iova_of[slot] = iova;
	pages_of[slot] = pages;
}

static void the_choice_is_the_lowest_that_fits_in_20000_random_cases(void **state)
{
	uint64_t iova_of[24], pages_of[24];

	(void)state;
	srand(1);
	for (int round = 0; round < 100; round++) {
		make_ranges();
		memset(pages_of, 0, sizeof(pages_of));
		for (int step = 0; step < 200; step++)
			one_step(iova_of, pages_of, (unsigned int)rand() % 24);
		maps.count = 0;
		space.count = 0;
	}
}

static void mappings_at_both_ends_of_all_addresses_are_no_overflow(void **state)
{
	const uint64_t top = UINT64_MAX - PAGE + 1;
	uint64_t iova = 0;

	(void)state;
	assert_ok(vsf_iova_add(&space, 0, UINT64_MAX));
	assert_int_equal(space.count, 2);
	assert_ok(vsf_mappings_add(&maps,
				   &(struct vsf_mapping){ .iova = top, .len = PAGE }));
	assert_non_null(vsf_mappings_overlap(&maps, top, PAGE));
	assert_null(vsf_mappings_overlap(&maps, top - PAGE, PAGE));
	assert_non_null(vsf_mappings_overlap(&maps, top - PAGE, 2 * PAGE));
	space.count = 0;
	assert_ok(vsf_iova_add(&space, top - PAGE, UINT64_MAX));
	assert_ok(vsf_iova_find(&space, &maps, PAGE, PAGE, UINT64_MAX, &iova));
	assert_int_equal(iova, top - PAGE);
	assert_int_equal(vsf_iova_find(&space, &maps, 2 * PAGE, PAGE, UINT64_MAX, &iova),
			 -ENOSPC);
	assert_int_equal(
		vsf_iova_find(&space, &maps, PAGE, UINT64_C(1) << 63, UINT64_MAX, &iova),
		-ENOSPC);
}

static void ranges_that_do_not_ascend_make_no_sense(void **state)
{
	(void)state;
	assert_ok(vsf_iova_add(&space, 0x1000, 0x1fff));
	assert_refused(vsf_iova_add(&space, 0x1000, 0x2fff), EBADMSG, "0x1000 to 0x2fff");
	assert_refused(vsf_iova_add(&space, 0x3000, 0x2fff), EBADMSG, "makes no sense");
	assert_ok(vsf_iova_add(&space, 0x2000, 0x2fff));
	assert_int_equal(space.count, 2);
}

/*
 * An answer to VFIO_IOMMU_GET_INFO with one capability, as a test wants it. The kernel's
 * struct of that has a flexible array, after which clang lets nothing follow.
 */
struct answer {
	struct vfio_iommu_type1_info info;
	struct {
		struct vfio_info_cap_header header;
		uint32_t nr_iovas;
		uint32_t reserved;
	} cap;
	struct vfio_iova_range range[2];
};

static struct answer good_answer(void)
{
	return (struct answer){
		.info = { .argsz = sizeof(struct answer),
			  .flags = VFIO_IOMMU_INFO_PGSIZES | VFIO_IOMMU_INFO_CAPS,
			  .iova_pgsizes = 0x40201000,
			  .cap_offset = sizeof(struct vfio_iommu_type1_info) },
		.cap = { .header = { .id = VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE,
				     .version = 1 },
			 .nr_iovas = 2 },
		.range = { { 0, 0xffff }, { 0x20000, 0x2ffff } },
	};
}

static int parse(const struct answer *answer, size_t len)
{
	space.count = 0;
	return vsf_iova_parse_group(answer, len, &space);
}

static void the_container_says_its_ranges_and_its_smallest_page(void **state)
{
	struct answer answer = good_answer();

	(void)state;
	assert_ok(parse(&answer, sizeof(answer)));
	assert_int_equal(space.align, 0x1000);
	assert_int_equal(space.count, 2);
	assert_int_equal(space.range[1].start, 0x20000);
	assert_int_equal(space.range[1].last, 0x2ffff);
}

/* Linux 6.1: how many mappings are left takes 12 bytes, and the ranges are behind that. */
static void capabilities_of_older_kernels_are_not_aligned(void **state)
{
	struct answer good = good_answer();
	const struct vfio_iommu_type1_info_dma_avail avail = {
		.header = { .id = VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL,
			    .version = 1,
			    .next = sizeof(good.info) + sizeof(avail) },
		.avail = 65535,
	};
	uint8_t raw[sizeof(good) + sizeof(avail)];

	(void)state;
	assert_int_equal(sizeof(avail), 12);
	memcpy(raw, &good.info, sizeof(good.info));
	memcpy(raw + sizeof(good.info), &avail, sizeof(avail));
	memcpy(raw + sizeof(good.info) + sizeof(avail), &good.cap,
	       sizeof(good) - sizeof(good.info));
	assert_ok(vsf_iova_parse_group(raw, sizeof(raw), &space));
	assert_int_equal(space.count, 2);
	assert_int_equal(space.range[1].last, 0x2ffff);
}

static void answers_that_make_no_sense_are_refused(void **state)
{
	struct answer answer = good_answer();

	(void)state;
	assert_refused(parse(&answer, 12), EBADMSG, "too short");
	assert_refused(parse(&answer, sizeof(answer) - 1), EBADMSG, "more IOVA ranges");
	answer.cap.nr_iovas = UINT32_MAX;
	assert_refused(parse(&answer, sizeof(answer)), EBADMSG, "more IOVA ranges");
	answer = good_answer();
	answer.cap.header.next = sizeof(answer.info);
	assert_refused(parse(&answer, sizeof(answer)), EBADMSG, "go forward");
	answer.cap.header.next = sizeof(answer.info) - 8;
	assert_refused(parse(&answer, sizeof(answer)), EBADMSG, "go forward");
	answer.cap.header.next = 4096;
	assert_refused(parse(&answer, sizeof(answer)), EBADMSG, "outside");
	answer = good_answer();
	answer.info.cap_offset = sizeof(answer) - 8;
	answer.range[1] = (struct vfio_iova_range){ 0x20000, 1 };
	assert_refused(parse(&answer, sizeof(answer)), EBADMSG, "cut short");
	answer = good_answer();
	answer.info.iova_pgsizes = 0;
	assert_refused(parse(&answer, sizeof(answer)), EBADMSG, "no page sizes");
	answer = good_answer();
	answer.range[1].start = 0xffff;
	assert_refused(parse(&answer, sizeof(answer)), EBADMSG, "0xffff to 0x2ffff");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_choice_is_the_lowest_that_fits_in_20000_random_cases),
		TEST(mappings_at_both_ends_of_all_addresses_are_no_overflow),
		TEST(ranges_that_do_not_ascend_make_no_sense),
		TEST(the_container_says_its_ranges_and_its_smallest_page),
		TEST(capabilities_of_older_kernels_are_not_aligned),
		TEST(answers_that_make_no_sense_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

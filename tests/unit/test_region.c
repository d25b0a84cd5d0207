/* SPDX-License-Identifier: MIT */
/* What the kernel says about regions: parsed, bounded, refused if it makes no sense. */
#include "region_answer.h"

static int parse(const struct answer *answer, struct vsf_region *region)
{
	bool msix;

	memset(region, 0xee, sizeof(*region));
	return vsf_region_parse(answer->bytes, answer->len, region, &msix);
}

static void is_refused(const struct answer *answer, const char *why)
{
	struct vsf_region region, untouched;

	memset(&untouched, 0xee, sizeof(untouched));
	assert_refused(parse(answer, &region), EBADMSG, "makes no sense", why);
	assert_memory_equal(&region, &untouched, sizeof(region));
}

static void a_plain_region_can_be_mapped_whole(void **state)
{
	struct answer answer = plain();
	struct vsf_region region;

	(void)state;
	assert_ok(parse(&answer, &region));
	assert_int_equal(region.info.len, REGION_LEN);
	assert_int_equal(region.fd_offset, FAKE_REGION(1));
	assert_true(region.info.readable && region.info.writable);
	assert_int_equal(region.info.area_count, 1);
	assert_int_equal(region.info.area[0].offset, 0);
	assert_int_equal(region.info.area[0].len, REGION_LEN);
}

static void flags_are_believed(void **state)
{
	struct answer answer = plain();
	struct vsf_region region;

	(void)state;
	answer.head.flags = VFIO_REGION_INFO_FLAG_READ;
	assert_ok(parse(&answer, &region));
	assert_true(region.info.readable);
	assert_false(region.info.writable);
	assert_int_equal(region.info.area_count, 0);
}

static void sparse_areas_are_what_can_be_mapped(void **state)
{
	const uint64_t pairs[] = { 0x1000, 0x2000, 0x4000, 0x1000, 0x5000, 0 };
	struct answer answer = sparse(3, pairs);
	struct vsf_region region;

	(void)state;
	assert_ok(parse(&answer, &region));
	assert_int_equal(region.info.area_count, 2);
	assert_int_equal(region.info.area[0].offset, 0x1000);
	assert_int_equal(region.info.area[1].offset, 0x4000);
	assert_int_equal(region.info.area[1].len, 0x1000);
	answer = sparse(0, pairs);
	assert_ok(parse(&answer, &region));
	assert_int_equal(region.info.area_count, 0);
}

static void sixteen_areas_are_taken_and_no_more(void **state)
{
	uint64_t pairs[2 * (VFIOSAFE_REGION_AREAS + 1)];
	struct vsf_region region;
	struct answer answer;

	(void)state;
	for (uint64_t i = 0; i <= VFIOSAFE_REGION_AREAS; i++) {
		pairs[2 * i] = i * FAKE_PAGE;
		pairs[2 * i + 1] = FAKE_PAGE;
	}
	answer = sparse(VFIOSAFE_REGION_AREAS, pairs);
	assert_ok(parse(&answer, &region));
	assert_int_equal(region.info.area_count, VFIOSAFE_REGION_AREAS);
	answer = sparse(VFIOSAFE_REGION_AREAS + 1, pairs);
	answer.head.size = 2 * REGION_LEN;
	is_refused(&answer, "too many");
}

static void areas_that_make_no_sense_are_refused(void **state)
{
	static const struct {
		uint64_t pairs[4];
		const char *why;
	} cases[] = {
		{ { 0x1000, 0x2000, 0x2000, 0x1000 }, "overlap" },
		{ { 0x4000, 0x1000, 0x1000, 0x1000 }, "ascend" },
		{ { 0x1000, 0x1000, 0x1000, 0x1000 }, "overlap" },
		{ { 0x1000, REGION_LEN, 0, 0 }, "beyond the region" },
		{ { REGION_LEN, 0x1000, 0, 0 }, "beyond the region" },
		{ { 0x2000, UINT64_MAX - 0xfff, 0, 0 }, "beyond the region" },
		{ { UINT64_MAX - 0xfff, 0x2000, 0, 0 }, "beyond the region" },
		{ { 0x0800, 0x1000, 0, 0 }, "page" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct answer answer = sparse(2, cases[i].pairs);

		is_refused(&answer, cases[i].why);
	}
}

static void more_areas_than_the_answer_holds_are_refused(void **state)
{
	static const uint32_t counts[] = { 2, 3, 0x10000000, 0x10000001, UINT32_MAX };
	const uint64_t pairs[] = { 0, FAKE_PAGE };
	struct answer answer = sparse(1, pairs);

	(void)state;
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		memcpy(answer.bytes + HEAD + 8, &counts[i], sizeof(counts[i]));
		is_refused(&answer, "more areas than it holds");
	}
}

static struct answer chain(uint32_t first, size_t len)
{
	struct answer answer = plain();

	answer.head.flags |= VFIO_REGION_INFO_FLAG_CAPS;
	answer.head.cap_offset = first;
	answer.len = len;
	return answer;
}

static void chains_that_do_not_go_forward_are_refused(void **state)
{
	struct answer loop = chain(HEAD, 256), back = chain(HEAD + 32, 256);
	struct answer far_loop = chain(HEAD, 256), into_head = chain(8, 256);

	(void)state;
	put_cap(&loop, HEAD, 99, HEAD);
	is_refused(&loop, "forward");
	put_cap(&back, HEAD + 32, 99, HEAD);
	is_refused(&back, "forward");
	put_cap(&far_loop, HEAD, 99, HEAD + 64);
	put_cap(&far_loop, HEAD + 64, 99, HEAD);
	is_refused(&far_loop, "forward");
	is_refused(&into_head, "forward");
}

static void chains_that_are_not_aligned_are_refused(void **state)
{
	struct answer first = chain(HEAD + 4, 256), later = chain(HEAD, 256);

	(void)state;
	is_refused(&first, "aligned");
	put_cap(&later, HEAD, 99, HEAD + 33);
	is_refused(&later, "aligned");
}

static void capabilities_beyond_the_answer_are_refused(void **state)
{
	static const uint32_t places[] = { 256, 264, 4096, 0x7ffffff8, 0xfffffff8 };

	(void)state;
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		struct answer first = chain(places[i], 256), later = chain(HEAD, 256);

		is_refused(&first, "outside");
		put_cap(&later, HEAD, 99, places[i]);
		is_refused(&later, "outside");
	}
	/* A header that fits, of a capability that does not. */
	struct answer cut = chain(248, 256);

	put_cap(&cut, 248, VFIO_REGION_INFO_CAP_SPARSE_MMAP, 0);
	is_refused(&cut, "cut short");
}

static void unknown_capabilities_are_skipped(void **state)
{
	struct answer answer = chain(HEAD, 256);
	struct vsf_region region;
	bool msix = false;

	(void)state;
	put_cap(&answer, HEAD, 0xffff, HEAD + 16);
	put_cap(&answer, HEAD + 16, VFIO_REGION_INFO_CAP_MSIX_MAPPABLE, HEAD + 24);
	put_cap(&answer, HEAD + 24, 0x1234, 0);
	assert_ok(vsf_region_parse(answer.bytes, answer.len, &region, &msix));
	assert_true(msix);
	assert_int_equal(region.info.area_count, 1);
}

static void sizes_that_overflow_are_refused(void **state)
{
	struct answer answer = plain();

	(void)state;
	answer.head.size = UINT64_MAX;
	is_refused(&answer, "file offset");
	answer.head.size = INT64_MAX;
	is_refused(&answer, "file offset");
	answer.head.size = REGION_LEN;
	answer.head.offset = UINT64_MAX - 1;
	is_refused(&answer, "file offset");
}

static void short_answers_are_refused(void **state)
{
	struct answer answer = plain();

	(void)state;
	for (answer.len = 0; answer.len < HEAD; answer.len++)
		is_refused(&answer, "too short");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, bench_setup, bench_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_plain_region_can_be_mapped_whole),
		TEST(flags_are_believed),
		TEST(sparse_areas_are_what_can_be_mapped),
		TEST(sixteen_areas_are_taken_and_no_more),
		TEST(areas_that_make_no_sense_are_refused),
		TEST(more_areas_than_the_answer_holds_are_refused),
		TEST(chains_that_do_not_go_forward_are_refused),
		TEST(chains_that_are_not_aligned_are_refused),
		TEST(capabilities_beyond_the_answer_are_refused),
		TEST(unknown_capabilities_are_skipped),
		TEST(sizes_that_overflow_are_refused),
		TEST(short_answers_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

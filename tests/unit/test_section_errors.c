/* SPDX-License-Identifier: MIT */
/* The errors of an access: their order, and those of a thread's first call. */
#include "section.h"
#include "unit_thread.h"

/* Gone before FAULT before a window before stale. */
static void errors_come_in_the_stated_order(void **state)
{
	static const struct {
		uint64_t device, gate;
		int err;
	} cases[] = {
		{ 0x100, 0x101, ENODEV }, { 0x101, 0x000, ENODEV },
		{ 0x105, 0x000, ENODEV }, { 0x102, 0x000, ENODEV },
		{ 0x200, 0x201, ENODEV }, { 0x105, 0x101, EIO },
		{ 0x101, 0x105, EIO },	  { 0x102, 0x105, EIO },
		{ 0x205, 0x201, EIO },	  { 0x102, 0x101, EAGAIN },
		{ 0x103, 0x101, EAGAIN }, { 0x204, 0x101, EAGAIN },
		{ 0x101, 0x102, EAGAIN }, { 0x202, 0x201, EAGAIN },
		{ 0x201, 0x204, EAGAIN }, { 0x201, 0x101, ESTALE },
		{ 0x101, 0x201, ESTALE }, { 0x301, 0x301, ESTALE },
		{ 0x001, 0x101, ESTALE }, { 0x101, 0x101, 0 },
	};
	struct vsf_thread *self;

	(void)state;
	assert_ok(vsf_thread_get(&self));
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct vsf_pair pair = { &cases[i].device, &cases[i].gate, 0x101,
					       0x101 };

		assert_int_equal(vsf_pair_judge(self, &pair, VSF_BEFORE), -cases[i].err);
	}
}

/* Only the same generation's QUIESCE is forgiven at the end of an access. */
static void the_second_look_forgives_nothing_but_an_announcement(void **state)
{
	static const struct {
		uint64_t device, gate;
		int err;
	} cases[] = {
		{ 0x102, 0x101, 0 },	  { 0x102, 0x102, 0 },	    { 0x101, 0x102, 0 },
		{ 0x202, 0x101, EAGAIN }, { 0x103, 0x101, EAGAIN }, { 0x102, 0x105, EIO },
		{ 0x102, 0x000, ENODEV }, { 0x201, 0x101, ESTALE },
	};
	struct vsf_thread *self;

	(void)state;
	assert_ok(vsf_thread_get(&self));
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct vsf_pair pair = { &cases[i].device, &cases[i].gate, 0x101,
					       0x101 };

		assert_int_equal(vsf_pair_judge(self, &pair, VSF_AFTER), -cases[i].err);
	}
}

static int wait_for_it(void)
{
	int rc = vfiosafe_wait(bench.dev, VFIOSAFE_FOREVER);

	/* The first call of this thread that fails: it must have a text too. */
	return strstr(vfiosafe_error_text(), "FAULT") ? rc : 1;
}

static void the_first_failure_of_a_thread_has_its_text(void **state)
{
	(void)state;
	assert_ok(vfiosafe_mark_lost(bench.dev, NULL));
	assert_int_equal(on_another_thread(wait_for_it), -EIO);
}

static int begin_without_memory(void)
{
	struct vfiosafe_section sec;
	int rc;

	heap_fail_nth(1);
	rc = vfiosafe_begin(&bench.view, &sec);
	heap_fail_nth(0);
	if (rc != -ENOMEM || !strstr(vfiosafe_error_text(), "no memory"))
		return 1;
	rc = vfiosafe_begin(&bench.view, &sec);
	return rc ? rc : vfiosafe_end(&sec);
}

static void the_first_section_of_a_thread_may_find_no_memory(void **state)
{
	(void)state;
	assert_ok(on_another_thread(begin_without_memory));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, bench_setup_open, bench_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(errors_come_in_the_stated_order),
		TEST(the_second_look_forgives_nothing_but_an_announcement),
		TEST(the_first_failure_of_a_thread_has_its_text),
		TEST(the_first_section_of_a_thread_may_find_no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

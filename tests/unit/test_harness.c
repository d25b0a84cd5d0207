/* SPDX-License-Identifier: MIT */
/* The bench itself: it must see what leaks, and fail what must fail. */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sys.h"
#include "unit.h"

static void a_leaked_fd_is_seen(void **state)
{
	int fd = vsf_sys(&bench.k.sys, open, "/dev/iommu", O_RDWR);

	(void)state;
	assert_true(fd >= 0);
	assert_non_null(fake_leaks(&bench.k));
	assert_ok(vsf_sys(&bench.k.sys, close, fd));
	assert_null(fake_leaks(&bench.k));
}

static void a_second_close_is_seen(void **state)
{
	int fd = vsf_sys(&bench.k.sys, open, "/dev/iommu", O_RDWR);

	(void)state;
	assert_ok(vsf_sys(&bench.k.sys, close, fd));
	assert_int_equal(vsf_sys(&bench.k.sys, close, fd), -EBADF);
	assert_non_null(fake_leaks(&bench.k));
	bench.k.misuse = NULL;
}

static void a_leaked_mapping_is_seen(void **state)
{
	void *p = NULL;

	(void)state;
	assert_ok(vsf_sys(&bench.k.sys, mmap, &p, 3 * FAKE_PAGE, PROT_NONE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	assert_ok(vsf_sys(&bench.k.sys, munmap, (char *)p + FAKE_PAGE, FAKE_PAGE));
	assert_int_equal(fake_mapped(&bench.k), 2 * FAKE_PAGE);
	assert_non_null(fake_leaks(&bench.k));
	assert_ok(vsf_sys(&bench.k.sys, munmap, p, 3 * FAKE_PAGE));
	assert_null(fake_leaks(&bench.k));
}

static void a_leaked_allocation_is_seen(void **state)
{
	void *volatile p = malloc(1); /* volatile: or the compiler drops it */

	(void)state;
	assert_non_null(fake_leaks(&bench.k));
	free(p);
	assert_null(fake_leaks(&bench.k));
}

static void an_allocation_of_the_library_is_seen(void **state)
{
	(void)state;
	bench_open();
	assert_true(heap_blocks() > bench.k.heap_blocks);
}

static void the_nth_call_fails_and_no_other(void **state)
{
	struct vfiosafe_sys *sys = &bench.k.sys;
	int fd;

	(void)state;
	bench.k.fail_nth = 2;
	bench.k.fail_err = EPROTO;
	fd = vsf_sys(sys, open, "/dev/iommu", O_RDWR);
	assert_true(fd >= 0);
	assert_int_equal(vsf_sys(sys, open, "/dev/iommu", O_RDWR), -EPROTO);
	assert_true(bench.k.failed);
	assert_ok(vsf_sys(sys, close, fd));
}

static void a_kind_of_call_fails_as_often_as_asked(void **state)
{
	struct vfiosafe_sys *sys = &bench.k.sys;
	void *volatile p, *volatile q;

	(void)state;
	fake_fail_later(&bench.k, FAKE_OPEN, FAKE_ANY, EMFILE, 1, 1);
	assert_int_equal(vsf_sys(sys, close, vsf_sys(sys, open, "/dev/iommu", O_RDWR)),
			 0);
	assert_int_equal(vsf_sys(sys, open, "/dev/iommu", O_RDWR), -EMFILE);
	assert_int_equal(vsf_sys(sys, close, vsf_sys(sys, open, "/dev/iommu", O_RDWR)),
			 0);
	heap_fail_nth(2);
	p = malloc(1);
	q = malloc(1);
	assert_non_null(p);
	assert_null(q);
	assert_true(heap_failed());
	free(p);
}

static void leaks_an_fd(void **state)
{
	(void)state;
	(void)vsf_sys(&bench.k.sys, open, "/dev/iommu", O_RDWR);
}

static void leaks_memory(void **state)
{
	void *volatile p = malloc(16);

	(void)state;
	assert_non_null(p);
}

static void leaks_a_mapping(void **state)
{
	void *p = NULL;

	(void)state;
	(void)vsf_sys(&bench.k.sys, mmap, &p, FAKE_PAGE, PROT_NONE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void expects_another_text(void **state)
{
	(void)state;
	assert_refused(vfiosafe_device_open(&bench.dev, "", &bench.opts), EINVAL,
		       "words that are not there");
}

/* Runs @test as every test is run, in a child, silently; did it fail? */
static bool fails_as_a_test(CMUnitTestFunction test)
{
	const struct CMUnitTest tests[] = {
		{ "must fail", test, bench_setup, bench_teardown, NULL },
	};
	pid_t pid = fork();
	int status = 0;

	if (pid == 0) {
		int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

		dup2(null, 1);
		dup2(null, 2);
		_exit(cmocka_run_group_tests(tests, NULL, NULL) == 1 ? 42 : 0);
	}
	waitpid(pid, &status, 0);
	return WIFEXITED(status) && WEXITSTATUS(status) == 42;
}

static void what_leaks_fails(void **state)
{
	(void)state;
	assert_true(fails_as_a_test(leaks_an_fd));
	assert_true(fails_as_a_test(leaks_memory));
	assert_true(fails_as_a_test(leaks_a_mapping));
	assert_true(fails_as_a_test(expects_another_text));
	assert_false(fails_as_a_test(the_nth_call_fails_and_no_other));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, bench_setup, bench_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_leaked_fd_is_seen),
		TEST(a_second_close_is_seen),
		TEST(a_leaked_mapping_is_seen),
		TEST(a_leaked_allocation_is_seen),
		TEST(an_allocation_of_the_library_is_seen),
		TEST(the_nth_call_fails_and_no_other),
		TEST(a_kind_of_call_fails_as_often_as_asked),
		TEST(what_leaks_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

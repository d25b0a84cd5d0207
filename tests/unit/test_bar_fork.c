/* SPDX-License-Identifier: MIT */
/* A forked child: refused everywhere, and free to close its copy. */
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit_thread.h"

/* In the child: 0 if all is refused as it has to be. */
static int as_a_child(void)
{
	struct vfiosafe_window *win = NULL;
	struct vfiosafe_bar *bar = NULL;
	struct vfiosafe_section sec;
	struct vfiosafe_view view;
	uint32_t value = 3;
	void *mine = (void *)(uintptr_t)vfiosafe_bar_address(bench.bar);

	if (vfiosafe_device_state(bench.dev) != VFIOSAFE_GONE)
		return 1;
	if (vfiosafe_bar_view(bench.bar, &view) != -ENODEV ||
	    !strstr(vfiosafe_error_text(), "forked"))
		return 2;
	if (vfiosafe_read32(&bench.view, 0, &value) != -ENODEV || value != 3 ||
	    vfiosafe_write32(&bench.view, 0, 3) != -ENODEV)
		return 3;
	if (vfiosafe_begin(&bench.view, &sec) != -ENODEV)
		return 4;
	if (vfiosafe_reset(bench.dev, NULL) != -ENODEV ||
	    vfiosafe_recover(bench.dev, NULL) != -ENODEV ||
	    vfiosafe_window_begin(&win, bench.dev, NULL) != -ENODEV ||
	    vfiosafe_mark_lost(bench.dev, "x") != -ENODEV ||
	    vfiosafe_wait(bench.dev, VFIOSAFE_FOREVER) != -ENODEV ||
	    vfiosafe_bar_map(&bar, bench.dev, 0, 0, 0, 0) != -ENODEV)
		return 5;
	/* What the child puts where the BAR was is the child's: close leaves it. */
	mine = mmap(mine, FAKE_PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE,
		    -1, 0);
	if (mine == MAP_FAILED || vfiosafe_device_close(bench.dev, 0) != 0)
		return 6;
	if (msync(mine, FAKE_PAGE, MS_ASYNC) != 0)
		return 8;
	return fake_open_fds(&bench.k) == 0 ? 0 : 7;
}

static int in_a_child(void)
{
	int status = -1;
	pid_t pid = fork();

	if (pid == 0)
		_exit(as_a_child());
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 100;
}

static void a_forked_child_is_refused_and_may_close(void **state)
{
	uint32_t value;

	(void)state;
	assert_ok(vfiosafe_write32(&bench.view, 0, 0x77));
	assert_int_equal(in_a_child(), 0);
	assert_state(LIVE);
	assert_ok(vfiosafe_read32(&bench.view, 0, &value));
	assert_int_equal(value, 0x77);
	assert_ok(vfiosafe_reset(bench.dev, NULL));
}

static void a_child_forked_in_fault_or_in_a_window_is_refused(void **state)
{
	struct vfiosafe_window *win = NULL;

	(void)state;
	assert_ok(vfiosafe_window_begin(&win, bench.dev, NULL));
	assert_int_equal(in_a_child(), 0);
	vfiosafe_window_end(win);
	assert_ok(vfiosafe_mark_lost(bench.dev, NULL));
	assert_int_equal(in_a_child(), 0);
}

/* Its threads could not use what it opens: only the one that forked has a record. */
static int opens_one_of_its_own(void)
{
	struct vfiosafe_device *dev = NULL;

	return vfiosafe_device_open(&dev, ADDRESS, &bench.opts) == -ENODEV && !dev &&
			       strstr(vfiosafe_error_text(), "forked")
		       ? 0
		       : 1;
}

static void a_forked_child_opens_nothing(void **state)
{
	int status = -1;
	pid_t pid;

	(void)state;
	assert_ok(vfiosafe_device_close(bench.dev, 0));
	bench.dev = NULL;
	pid = fork();
	if (pid == 0)
		_exit(opens_one_of_its_own());
	waitpid(pid, &status, 0);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void a_child_of_another_thread_is_refused(void **state)
{
	(void)state;
	assert_int_equal(on_another_thread(in_a_child), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, bench_setup_open, bench_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_forked_child_is_refused_and_may_close),
		TEST(a_child_forked_in_fault_or_in_a_window_is_refused),
		TEST(a_child_of_another_thread_is_refused),
		TEST(a_forked_child_opens_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

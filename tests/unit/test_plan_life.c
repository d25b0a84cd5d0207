/* SPDX-License-Identifier: MIT */
/* When there is a plan, how long it lives, and its text. */
#include <sys/wait.h>
#include <unistd.h>

#include "plan_rig.h"

static void a_plan_is_refused_where_it_would_lie_or_block(void **state)
{
	struct vfiosafe_plan *none = NULL;
	struct vfiosafe_section sec;

	(void)state;
	bench_open();
	assert_refused(vfiosafe_reset_plan(&none, bench.dev, VFIOSAFE_METHOD_NONE),
		       EINVAL, "method is 3", "AUTO, FUNCTION or HOT");
	assert_ok(vfiosafe_begin(&bench.view, &sec));
	assert_refused(vfiosafe_reset_plan(&none, bench.dev, VFIOSAFE_METHOD_AUTO),
		       EDEADLK, "vfiosafe_reset_plan", "section");
	assert_ok(vfiosafe_end(&sec));
	assert_null(none);
}

static void a_device_that_is_gone_has_no_plan(void **state)
{
	struct vfiosafe_window *window;

	(void)state;
	plan_open(VFIOSAFE_DOOR_CDEV);
	assert_ok(vfiosafe_window_begin(&window, bench.dev, NULL));
	assert_ok(ask(VFIOSAFE_METHOD_AUTO));
	assert_int_equal(vfiosafe_device_close(bench.dev, 0), -EBUSY);
	assert_int_equal(ask(VFIOSAFE_METHOD_AUTO), -ENODEV);
	vfiosafe_window_end(window);
}

static void a_forked_child_has_no_plan(void **state)
{
	int status;
	pid_t pid;

	(void)state;
	plan_open(VFIOSAFE_DOOR_CDEV);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		_exit(vfiosafe_reset_plan(&plan, bench.dev, VFIOSAFE_METHOD_AUTO) ==
				      -ENODEV
			      ? 0
			      : 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void a_device_in_fault_has_a_plan(void **state)
{
	(void)state;
	plan_open(VFIOSAFE_DOOR_CDEV);
	assert_ok(vfiosafe_mark_lost(bench.dev, "for the test"));
	assert_ok(ask(VFIOSAFE_METHOD_AUTO));
	assert_possible();
	assert_state(FAULT);
	assert_generation(1);
}

static void a_release_request_blocks_every_reset(void **state)
{
	(void)state;
	bench.fn->bus_reset = 1;
	plan_open(VFIOSAFE_DOOR_CDEV);
	assert_ok(ask(VFIOSAFE_METHOD_AUTO));
	assert_possible();
	assert_true(fake_signal(bench.fn, VFIO_PCI_REQ_IRQ_INDEX));
	assert_ok(ask(VFIOSAFE_METHOD_AUTO));
	assert_blocked(VFIOSAFE_BLOCK_RELEASE, "release request", "close the device");
	assert_ok(ask(VFIOSAFE_METHOD_HOT));
	assert_blocked(VFIOSAFE_BLOCK_RELEASE, "the kernel wants " ADDRESS " back",
		       "close the device");
	assert_says(plan_text(), "way out: close the device");
}

static void a_plan_outlives_its_device(void **state)
{
	(void)state;
	plan_open(VFIOSAFE_DOOR_CDEV);
	assert_ok(ask(VFIOSAFE_METHOD_AUTO));
	bench_close();
	assert_says(plan_text(), "nothing blocks it");
	vfiosafe_plan_free(NULL);
}

static void a_text_is_cut_to_its_buffer(void **state)
{
	char text[64];
	size_t whole;

	(void)state;
	plan_open(VFIOSAFE_DOOR_CDEV);
	assert_ok(ask(VFIOSAFE_METHOD_AUTO));
	whole = strlen(plan_text());
	assert_int_equal(vfiosafe_plan_text(plan, NULL, 0), whole);
	for (size_t len = 1; len < sizeof(text); len++) {
		memset(text, 'x', sizeof(text));
		assert_int_equal(vfiosafe_plan_text(plan, text, len), whole);
		assert_int_equal(strlen(text), len - 1);
		assert_memory_equal(text, plan_text(), len - 1);
		assert_true(text[len] == 'x');
	}
}

static void every_method_has_a_name(void **state)
{
	(void)state;
	for (int i = 0; i <= VFIOSAFE_METHOD_NONE; i++)
		assert_says(vfiosafe_method_name((enum vfiosafe_method)i), "reset");
	assert_string_equal(vfiosafe_method_name((enum vfiosafe_method)17), "unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PLAN_TEST(a_plan_is_refused_where_it_would_lie_or_block),
		PLAN_TEST(a_device_that_is_gone_has_no_plan),
		PLAN_TEST(a_forked_child_has_no_plan),
		PLAN_TEST(a_device_in_fault_has_a_plan),
		PLAN_TEST(a_release_request_blocks_every_reset),
		PLAN_TEST(a_plan_outlives_its_device),
		PLAN_TEST(a_text_is_cut_to_its_buffer),
		PLAN_TEST(every_method_has_a_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

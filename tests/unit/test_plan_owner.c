/* SPDX-License-Identifier: MIT */
/* Who has a function open, as far as /proc shows it. */
#include "plan_rig.h"

#define VF "0000:02:10.0"
#define OTHER 812

/* A function in a group of its own that a plan of bench.fn names second. */
static int setup_vf(void **state)
{
	plan_setup(state);
	add_vf(VF, 0, 8);
	plan_open(VFIOSAFE_DOOR_CDEV);
	return 0;
}

static const struct vfiosafe_plan_function *vf_now(void)
{
	assert_ok(ask(VFIOSAFE_METHOD_AUTO));
	assert_int_equal(plan->function_count, 2);
	assert_string_equal(function(1)->address, VF);
	return function(1);
}

static void assert_held_by_other(void)
{
	const struct vfiosafe_plan_function *vf = vf_now();

	assert_int_equal(vf->owner, VFIOSAFE_OWNER_PROCESS);
	assert_int_equal(vf->pid, OTHER);
	assert_string_equal(vf->comm, "qemu");
	assert_int_equal(vf->holders, 1);
	assert_int_equal(function(0)->holders, 0);
	assert_string_equal(plan->unknown, "");
	assert_says(plan_text(), VF " VF, group 8, vfio-pci: process 812 (qemu)\n");
}

static void a_process_with_the_group_open(void **state)
{
	(void)state;
	fake_process(&bench.k, OTHER, "qemu");
	fake_process_fd(&bench.k, OTHER, 0, "/dev/pts/3");
	fake_process_fd(&bench.k, OTHER, 5, "/dev/vfio/vfio");
	fake_process_fd(&bench.k, OTHER, 6, "/dev/vfio/8");
	assert_held_by_other();
}

static void a_process_with_the_node_open(void **state)
{
	(void)state;
	fake_process(&bench.k, OTHER, "qemu");
	fake_process_fd(&bench.k, OTHER, 5, "/dev/vfio/devices/vfio10");
	assert_held_by_other();
}

static void a_process_with_a_device_whose_group_it_closed(void **state)
{
	(void)state;
	fake_process(&bench.k, OTHER, "qemu");
	fake_process_device(&bench.k, OTHER, 5, VF);
	fake_process_device(&bench.k, OTHER, 6, "0000:09:00.0");
	fake_process_device(&bench.k, OTHER, 7, "a-mediated-device");
	assert_held_by_other();
}

/* Several fds are one holder; the second process is counted, not named. */
static void several_processes(void **state)
{
	(void)state;
	fake_process(&bench.k, OTHER, "qemu");
	fake_process_fd(&bench.k, OTHER, 5, "/dev/vfio/8");
	fake_process_fd(&bench.k, OTHER, 6, "/dev/vfio/8");
	fake_process_device(&bench.k, OTHER, 7, VF);
	fake_process(&bench.k, OTHER + 1, "helper");
	fake_process_device(&bench.k, OTHER + 1, 3, VF);
	assert_int_equal(vf_now()->holders, 2);
	assert_int_equal(function(1)->pid, OTHER);
	assert_says(plan_text(), "process 812 (qemu) and 1 more\n");
}

static void names_that_are_nearly_ours_are_not(void **state)
{
	static const char *const names[] = {
		"/dev/vfio/88",
		"/dev/vfio/8 (deleted)",
		"/dev/vfio/devices/vfio1",
		"/dev/vfio/devices/vfio100",
		"/dev/vfio/",
		"/dev/vfio/devices/",
		"anon_inode:[eventfd]",
		"/home/dev/vfio/8",
	};
	char text[160] = "/";

	(void)state;
	fake_process(&bench.k, OTHER, "qemu");
	for (int i = 0; i < (int)COUNT(names); i++)
		fake_process_fd(&bench.k, OTHER, i, names[i]);
	memset(text + 1, 'x', sizeof(text) - 2);
	fake_process_fd(&bench.k, OTHER, 99, text);
	assert_int_equal(vf_now()->owner, VFIOSAFE_OWNER_FREE);
	assert_string_equal(plan->unknown, "");
}

static void this_process_by_other_means(void **state)
{
	(void)state;
	fake_process_fd(&bench.k, FAKE_PID, 9, "/dev/vfio/8");
	assert_int_equal(vf_now()->owner, VFIOSAFE_OWNER_PROCESS);
	assert_int_equal(function(1)->pid, FAKE_PID);
	assert_int_equal(function(1)->holders, 0);
	assert_says(plan_text(), "this process");
}

/* By the group door the container says what is ours. */
static void another_device_of_the_same_context(void **state)
{
	struct vfiosafe_device *second;

	(void)state;
	bench_close();
	plan_open(VFIOSAFE_DOOR_GROUP);
	assert_int_equal(vf_now()->owner, VFIOSAFE_OWNER_FREE);
	bench.opts.iommu_of = bench.dev;
	assert_ok(vfiosafe_device_open(&second, VF, &bench.opts));
	assert_int_equal(vf_now()->owner, VFIOSAFE_OWNER_OURS);
	assert_int_equal(function(1)->pid, 0);
	assert_ok(vfiosafe_device_close(second, 100));
}

static void a_second_holder_of_our_own_device_is_named(void **state)
{
	(void)state;
	fake_process(&bench.k, OTHER, "resetter");
	fake_process_fd(&bench.k, OTHER, 5, "/dev/vfio/devices/vfio3");
	fake_process_fd(&bench.k, FAKE_PID, 5, "/dev/vfio/devices/vfio3");
	(void)vf_now();
	assert_int_equal(function(0)->owner, VFIOSAFE_OWNER_THIS);
	assert_int_equal(function(0)->pid, OTHER);
	assert_int_equal(function(0)->holders, 1);
	assert_says(plan_text(), "this handle, open in process 812 (resetter) too\n");
}

static void drivers_of_the_kernel_and_none(void **state)
{
	(void)state;
	put_driver(VF, "igbvf");
	assert_int_equal(vf_now()->owner, VFIOSAFE_OWNER_KERNEL);
	assert_string_equal(function(1)->driver, "igbvf");
	fake_remove(&bench.k, DEVICES "/" VF "/driver");
	assert_int_equal(vf_now()->owner, VFIOSAFE_OWNER_UNBOUND);
	assert_string_equal(function(1)->driver, "");
	assert_possible();
	assert_says(plan_text(), "group 8, no driver: nobody");
}

static void a_process_that_may_not_be_looked_into(void **state)
{
	(void)state;
	fake_process(&bench.k, OTHER, "secret");
	fake_find(&bench.k, "/proc/812/fd")->refuse = EACCES;
	assert_int_equal(vf_now()->owner, VFIOSAFE_OWNER_UNKNOWN);
	assert_says(plan->unknown, "what 1 process may have open");
	assert_says(plan->unknown, "CAP_SYS_PTRACE");
	assert_says(plan_text(), "owner unknown");
	assert_says(plan_text(), "not known: what 1 process");
	assert_possible();
	/* What is seen is seen all the same. */
	fake_process(&bench.k, OTHER + 1, "qemu");
	fake_process_fd(&bench.k, OTHER + 1, 5, "/dev/vfio/8");
	assert_int_equal(vf_now()->pid, OTHER + 1);
}

static void links_that_may_not_be_read(void **state)
{
	(void)state;
	fake_process(&bench.k, OTHER, "secret");
	fake_process_fd(&bench.k, OTHER, 5, "/dev/vfio/8");
	fake_find(&bench.k, "/proc/812/fd/5")->refuse = EACCES;
	assert_int_equal(vf_now()->owner, VFIOSAFE_OWNER_UNKNOWN);
	fake_process_device(&bench.k, OTHER, 5, VF);
	fake_find(&bench.k, "/proc/812/fdinfo/5")->refuse = EACCES;
	assert_int_equal(vf_now()->owner, VFIOSAFE_OWNER_UNKNOWN);
	assert_says(plan->unknown, "CAP_SYS_PTRACE");
}

static void processes_that_are_hidden(void **state)
{
	(void)state;
	fake_remove(&bench.k, "/proc/1");
	assert_int_equal(vf_now()->owner, VFIOSAFE_OWNER_UNKNOWN);
	assert_says(plan->unknown, "hidepid");
}

static void no_proc_at_all(void **state)
{
	(void)state;
	fake_remove(&bench.k, "/proc");
	assert_int_equal(vf_now()->owner, VFIOSAFE_OWNER_UNKNOWN);
	assert_says(plan->unknown, "/proc: No such file");
}

/* Old kernels do not say which device an fd is; a group that is open says it. */
static void devices_without_a_name(void **state)
{
	(void)state;
	fake_process(&bench.k, OTHER, "old");
	fake_process_device(&bench.k, OTHER, 5, NULL);
	assert_int_equal(vf_now()->owner, VFIOSAFE_OWNER_UNKNOWN);
	assert_says(plan->unknown, "which devices 1 process may have open");
	fake_process_fd(&bench.k, OTHER, 6, "/dev/vfio/77");
	assert_int_equal(vf_now()->owner, VFIOSAFE_OWNER_FREE);
	fake_process_device(&bench.k, FAKE_PID, 5, NULL);
	assert_int_equal(vf_now()->owner, VFIOSAFE_OWNER_FREE);
	assert_string_equal(plan->unknown, "");
}

static const char *vanishing;
static unsigned int until;

static void vanish(struct fake *fake, enum fake_call call, uint64_t key)
{
	watch(fake, call, key);
	if (until > 0 && --until == 0)
		fake_remove(fake, vanishing);
}

/* Whenever it goes, the plan is whole, and who comes after it is still found. */
static void a_process_that_ends_meanwhile(void **state)
{
	unsigned int calls = 0;

	(void)state;
	do {
		fake_process(&bench.k, OTHER - 1, "short");
		fake_process_fd(&bench.k, OTHER - 1, 5, "/dev/vfio/9");
		fake_process_device(&bench.k, OTHER - 1, 6, "0000:09:00.0");
		if (!fake_find(&bench.k, "/proc/812/fd/5")) {
			fake_process(&bench.k, OTHER, "qemu");
			fake_process_fd(&bench.k, OTHER, 5, "/dev/vfio/8");
		}
		vanishing = "/proc/811";
		until = ++calls;
		bench.k.hook = vanish;
		vfiosafe_plan_free(plan);
		assert_ok(vfiosafe_reset_plan(&plan, bench.dev, VFIOSAFE_METHOD_AUTO));
		bench.k.hook = NULL;
		assert_null(touched);
		assert_string_equal(plan->unknown, "");
		assert_int_equal(function(1)->pid, OTHER);
	} while (until == 0);
	assert_true(calls > 20);
}

/* Its name is read last; without it the pid stands alone. */
static void the_name_of_a_process_may_be_missing(void **state)
{
	(void)state;
	fake_process(&bench.k, OTHER, "qemu");
	fake_process_fd(&bench.k, OTHER, 5, "/dev/vfio/8");
	fake_remove(&bench.k, "/proc/812/comm");
	assert_int_equal(vf_now()->pid, OTHER);
	assert_string_equal(function(1)->comm, "");
	assert_says(plan_text(), "process 812 (?)");
}

static void a_long_name_is_cut(void **state)
{
	(void)state;
	fake_process(&bench.k, OTHER, "a-name-of-sixteen-or-more");
	fake_process_fd(&bench.k, OTHER, 5, "/dev/vfio/8");
	assert_string_equal(vf_now()->comm, "a-name-of-sixte");
}

#define VF_TEST(name) cmocka_unit_test_setup_teardown(name, setup_vf, plan_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		VF_TEST(a_process_with_the_group_open),
		VF_TEST(a_process_with_the_node_open),
		VF_TEST(a_process_with_a_device_whose_group_it_closed),
		VF_TEST(several_processes),
		VF_TEST(names_that_are_nearly_ours_are_not),
		VF_TEST(this_process_by_other_means),
		VF_TEST(another_device_of_the_same_context),
		VF_TEST(a_second_holder_of_our_own_device_is_named),
		VF_TEST(drivers_of_the_kernel_and_none),
		VF_TEST(a_process_that_may_not_be_looked_into),
		VF_TEST(links_that_may_not_be_read),
		VF_TEST(processes_that_are_hidden),
		VF_TEST(no_proc_at_all),
		VF_TEST(devices_without_a_name),
		VF_TEST(a_process_that_ends_meanwhile),
		VF_TEST(the_name_of_a_process_may_be_missing),
		VF_TEST(a_long_name_is_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

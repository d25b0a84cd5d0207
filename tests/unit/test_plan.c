/* SPDX-License-Identifier: MIT */
/* What a plan says of the methods, and of the functions that they take. */
#include "plan_rig.h"

static void the_smallest_reset_is_of_the_function(void **state)
{
	(void)state;
	plan_open(VFIOSAFE_DOOR_CDEV);
	assert_ok(ask(VFIOSAFE_METHOD_AUTO));
	assert_string_equal(plan->address, ADDRESS);
	assert_int_equal(plan->method, VFIOSAFE_METHOD_FUNCTION);
	assert_int_equal(plan->smallest, VFIOSAFE_METHOD_FUNCTION);
	assert_string_equal(plan->methods, "flr bus");
	assert_true(plan->methods_known && plan->function_reset && !plan->hot_reset);
	assert_string_equal(plan->unknown, "");
	assert_possible();
	assert_int_equal(plan->function_count, 1);
	assert_null(plan->functions->next);
	assert_string_equal(function(0)->address, ADDRESS);
	assert_string_equal(function(0)->driver, "vfio-pci");
	assert_int_equal(function(0)->group, 7);
	assert_int_equal(function(0)->role, VFIOSAFE_ROLE_SELF);
	assert_int_equal(function(0)->owner, VFIOSAFE_OWNER_THIS);
	assert_int_equal(function(0)->pid, 0);
	assert_string_equal(plan_text(),
			    ADDRESS ": function reset (methods: flr bus), 1 function:\n"
				    "  " ADDRESS ", group 7, vfio-pci: this handle\n"
				    "  nothing blocks it\n");
}

static void a_kernel_without_reset_method_does_not_matter(void **state)
{
	(void)state;
	fake_remove(&bench.k, DEVICES "/" ADDRESS "/reset_method");
	plan_open(VFIOSAFE_DOOR_CDEV);
	assert_ok(ask(VFIOSAFE_METHOD_AUTO));
	assert_int_equal(plan->method, VFIOSAFE_METHOD_FUNCTION);
	assert_false(plan->methods_known);
	assert_string_equal(plan->methods, "");
	assert_string_equal(plan->unknown, "");
	assert_possible();
}

static void without_a_method_of_its_own_a_hot_reset_is_the_smallest(void **state)
{
	(void)state;
	bench.fn->no_reset = true;
	bench.fn->bus_reset = 1;
	put_methods("");
	plan_open(VFIOSAFE_DOOR_CDEV);
	assert_ok(ask(VFIOSAFE_METHOD_AUTO));
	assert_int_equal(plan->method, VFIOSAFE_METHOD_HOT);
	assert_int_equal(plan->smallest, VFIOSAFE_METHOD_HOT);
	assert_true(plan->hot_reset && !plan->function_reset);
	assert_possible();
	assert_ok(ask(VFIOSAFE_METHOD_FUNCTION));
	assert_int_equal(plan->method, VFIOSAFE_METHOD_FUNCTION);
	assert_int_equal(plan->smallest, VFIOSAFE_METHOD_HOT);
	assert_blocked(VFIOSAFE_BLOCK_NO_METHOD, "no reset method", "hot reset would do");
}

static void a_device_that_nothing_resets(void **state)
{
	(void)state;
	bench.fn->no_reset = true;
	fake_remove(&bench.k, DEVICES "/" ADDRESS "/reset_method");
	plan_open(VFIOSAFE_DOOR_GROUP);
	assert_ok(ask(VFIOSAFE_METHOD_AUTO));
	assert_int_equal(plan->method, VFIOSAFE_METHOD_NONE);
	assert_int_equal(plan->smallest, VFIOSAFE_METHOD_NONE);
	assert_int_equal(plan->function_count, 1);
	assert_blocked(VFIOSAFE_BLOCK_NO_METHOD, "no reset method", "power");
	assert_says(plan_text(), "no reset, 1 function");
	assert_says(plan_text(), "blocked: " ADDRESS " has no reset method");
	assert_ok(ask(VFIOSAFE_METHOD_HOT));
	assert_blocked(VFIOSAFE_BLOCK_NO_METHOD, "neither the slot nor the bus", "power");
}

static void a_function_reset_is_the_way_out_where_there_is_no_hot_reset(void **state)
{
	(void)state;
	plan_open(VFIOSAFE_DOOR_CDEV);
	assert_ok(ask(VFIOSAFE_METHOD_HOT));
	assert_int_equal(plan->smallest, VFIOSAFE_METHOD_FUNCTION);
	assert_blocked(VFIOSAFE_BLOCK_NO_METHOD, "neither the slot nor the bus",
		       "vfiosafe_reset()");
}

static void methods_that_were_taken_away_are_seen_before_a_reset_fails(void **state)
{
	(void)state;
	plan_open(VFIOSAFE_DOOR_CDEV);
	put_methods("");
	assert_ok(ask(VFIOSAFE_METHOD_AUTO));
	assert_int_equal(plan->method, VFIOSAFE_METHOD_NONE);
	assert_true(plan->methods_known && plan->function_reset);
	assert_blocked(VFIOSAFE_BLOCK_NO_METHOD, "was emptied",
		       "echo default > " DEVICES "/" ADDRESS "/reset_method");
	bench.fn->bus_reset = 1;
	assert_ok(ask(VFIOSAFE_METHOD_AUTO));
	assert_int_equal(plan->method, VFIOSAFE_METHOD_HOT);
	assert_possible();
}

static void a_reset_that_failed_at_open_is_tried_again_at_the_next(void **state)
{
	(void)state;
	bench.fn->no_reset = true;
	plan_open(VFIOSAFE_DOOR_CDEV);
	assert_ok(ask(VFIOSAFE_METHOD_FUNCTION));
	assert_blocked(VFIOSAFE_BLOCK_NO_METHOD, "when " ADDRESS " was opened failed",
		       "open it again; else nothing but power");
}

static void the_functions_of_a_bus_by_both_doors(void **state)
{
	static const enum vfiosafe_door doors[] = { VFIOSAFE_DOOR_CDEV,
						    VFIOSAFE_DOOR_GROUP };

	(void)state;
	fake_add(&bench.k, SIBLING, 7, 4);
	bench.fn->bus_reset = bench.k.fn[1].bus_reset = 1;
	for (size_t i = 0; i < COUNT(doors); i++) {
		plan_open(doors[i]);
		assert_ok(ask(VFIOSAFE_METHOD_HOT));
		assert_int_equal(plan->smallest, VFIOSAFE_METHOD_FUNCTION);
		assert_int_equal(plan->function_count, 2);
		assert_string_equal(function(0)->address, ADDRESS);
		assert_int_equal(function(0)->owner, VFIOSAFE_OWNER_THIS);
		assert_string_equal(function(1)->address, SIBLING);
		assert_int_equal(function(1)->role, VFIOSAFE_ROLE_SIBLING);
		assert_int_equal(function(1)->owner, VFIOSAFE_OWNER_OURS);
		assert_int_equal(function(1)->group, 7);
		assert_possible();
		assert_ok(ask(VFIOSAFE_METHOD_FUNCTION));
		assert_int_equal(plan->function_count, 1);
		assert_true(plan->hot_reset);
		bench_close();
	}
}

/* The one asked about comes first, wherever the kernel has it. */
static void the_second_function_of_a_bus(void **state)
{
	(void)state;
	bench.fn->bus_reset = 1;
	fake_add(&bench.k, SIBLING, 7, 4)->bus_reset = 1;
	assert_ok(vfiosafe_device_open(&bench.dev, SIBLING, &bench.opts));
	assert_ok(ask(VFIOSAFE_METHOD_HOT));
	assert_int_equal(plan->function_count, 2);
	assert_string_equal(function(0)->address, SIBLING);
	assert_string_equal(function(1)->address, ADDRESS);
}

/* More functions than a first question has room for. */
static void a_bus_of_many_functions_is_asked_about_twice(void **state)
{
	unsigned int ioctls;

	(void)state;
	bench.fn->bus_reset = 1;
	plan_open(VFIOSAFE_DOOR_CDEV);
	ioctls = bench.k.count[FAKE_IOCTL];
	bench.k.hot_extra = 30;
	assert_ok(ask(VFIOSAFE_METHOD_HOT));
	assert_int_equal(plan->function_count, 31);
	assert_int_equal(bench.k.count[FAKE_IOCTL] - ioctls, 2);
}

static void a_bus_that_changes_is_asked_about_again(void **state)
{
	(void)state;
	bench.fn->bus_reset = 1;
	plan_open(VFIOSAFE_DOOR_CDEV);
	fake_fail(&bench.k, FAKE_IOCTL, VFIO_DEVICE_GET_PCI_HOT_RESET_INFO, EAGAIN, 3);
	assert_ok(ask(VFIOSAFE_METHOD_HOT));
	assert_possible();
	assert_int_equal(plan->function_count, 1);
}

static void a_bus_that_never_stops_changing_is_unknown(void **state)
{
	(void)state;
	bench.fn->bus_reset = 1;
	plan_open(VFIOSAFE_DOOR_CDEV);
	fake_fail(&bench.k, FAKE_IOCTL, VFIO_DEVICE_GET_PCI_HOT_RESET_INFO, EAGAIN, 1000);
	assert_ok(ask(VFIOSAFE_METHOD_HOT));
	assert_blocked(VFIOSAFE_BLOCK_UNKNOWN, "Resource temporarily", "ask again later");
	assert_says(plan->unknown, "hot reset");
	assert_int_equal(plan->function_count, 1);
	assert_true(bench.k.count[FAKE_IOCTL] < 100);
}

static void answers_that_make_no_sense_are_refused(void **state)
{
	static const uint32_t counts[] = { 0, 9, UINT32_MAX };

	(void)state;
	bench.fn->bus_reset = 1;
	plan_open(VFIOSAFE_DOOR_CDEV);
	for (size_t i = 0; i < COUNT(counts); i++) {
		for (int err = 0; err <= ENOSPC; err += ENOSPC) {
			bench.k.hot_lie = true;
			bench.k.hot_lie_count = counts[i];
			bench.k.hot_lie_err = err;
			assert_ok(ask(VFIOSAFE_METHOD_HOT));
			assert_blocked(VFIOSAFE_BLOCK_UNKNOWN, ADDRESS, "ask again");
		}
	}
}

static void a_function_without_an_iommu_group_spoils_a_hot_reset(void **state)
{
	(void)state;
	fake_add(&bench.k, SIBLING, 9, 4)->bus_reset = 1;
	bench.fn->bus_reset = 1;
	plan_open(VFIOSAFE_DOOR_GROUP);
	fake_remove(&bench.k, DEVICES "/" SIBLING "/iommu_group");
	assert_ok(ask(VFIOSAFE_METHOD_HOT));
	assert_blocked(VFIOSAFE_BLOCK_NOT_OWNED, "no IOMMU group", "intel_iommu=on");
}

static void the_virtual_functions_go_down_with_theirs(void **state)
{
	(void)state;
	add_vf("0000:02:10.0", 0, 8);
	add_vf("0000:02:10.2", 1, 9);
	plan_open(VFIOSAFE_DOOR_CDEV);
	assert_ok(ask(VFIOSAFE_METHOD_AUTO));
	assert_int_equal(plan->function_count, 3);
	assert_string_equal(function(1)->address, "0000:02:10.0");
	assert_int_equal(function(1)->role, VFIOSAFE_ROLE_VF);
	assert_int_equal(function(1)->group, 8);
	assert_int_equal(function(1)->owner, VFIOSAFE_OWNER_FREE);
	assert_int_equal(function(2)->role, VFIOSAFE_ROLE_VF);
	assert_possible();
	assert_says(plan_text(), "0000:02:10.0 VF, group 8, vfio-pci: open nowhere");
}

static void a_virtual_function_is_alone(void **state)
{
	(void)state;
	add_vf("0000:01:10.0", 0, 8);
	assert_ok(vfiosafe_device_open(&bench.dev, "0000:01:10.0", &bench.opts));
	assert_ok(ask(VFIOSAFE_METHOD_AUTO));
	assert_int_equal(plan->function_count, 1);
	assert_int_equal(function(0)->role, VFIOSAFE_ROLE_SELF);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PLAN_TEST(the_smallest_reset_is_of_the_function),
		PLAN_TEST(a_kernel_without_reset_method_does_not_matter),
		PLAN_TEST(without_a_method_of_its_own_a_hot_reset_is_the_smallest),
		PLAN_TEST(a_device_that_nothing_resets),
		PLAN_TEST(a_function_reset_is_the_way_out_where_there_is_no_hot_reset),
		PLAN_TEST(methods_that_were_taken_away_are_seen_before_a_reset_fails),
		PLAN_TEST(a_reset_that_failed_at_open_is_tried_again_at_the_next),
		PLAN_TEST(the_functions_of_a_bus_by_both_doors),
		PLAN_TEST(the_second_function_of_a_bus),
		PLAN_TEST(a_bus_of_many_functions_is_asked_about_twice),
		PLAN_TEST(a_bus_that_changes_is_asked_about_again),
		PLAN_TEST(a_bus_that_never_stops_changing_is_unknown),
		PLAN_TEST(answers_that_make_no_sense_are_refused),
		PLAN_TEST(a_function_without_an_iommu_group_spoils_a_hot_reset),
		PLAN_TEST(the_virtual_functions_go_down_with_theirs),
		PLAN_TEST(a_virtual_function_is_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

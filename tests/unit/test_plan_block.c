/* SPDX-License-Identifier: MIT */
/* What blocks a hot reset, and the remedy; and what is known of an adopted device. */
#include "device.h"
#include "plan_rig.h"
#include "sys.h"

#define VF "0000:01:10.0"
#define OTHER 812

static struct fake_function *sibling;

/* Two functions of one bus, in a group each. */
static int setup_pair(void **state)
{
	plan_setup(state);
	sibling = fake_add(&bench.k, SIBLING, 9, 4);
	bench.fn->bus_reset = sibling->bus_reset = 1;
	return 0;
}

static void ask_hot_by(enum vfiosafe_door door)
{
	if (bench.dev)
		bench_close();
	plan_open(door);
	assert_ok(ask(VFIOSAFE_METHOD_HOT));
	assert_int_equal(plan->method, VFIOSAFE_METHOD_HOT);
}

static void a_sibling_that_nobody_has_open(void **state)
{
	(void)state;
	ask_hot_by(VFIOSAFE_DOOR_CDEV);
	assert_int_equal(function(1)->owner, VFIOSAFE_OWNER_FREE);
	assert_blocked(VFIOSAFE_BLOCK_NOT_OWNED, SIBLING " is not in our iommufd",
		       "opts.iommu_of");
	assert_ptr_equal(plan->blocks->function, function(1));
	ask_hot_by(VFIOSAFE_DOOR_GROUP);
	assert_blocked(VFIOSAFE_BLOCK_NOT_OWNED, "the group of " SIBLING ", 9",
		       "opts.iommu_of");
}

static void a_sibling_that_we_opened_too(void **state)
{
	static const enum vfiosafe_door doors[] = { VFIOSAFE_DOOR_CDEV,
						    VFIOSAFE_DOOR_GROUP };
	struct vfiosafe_device_opts opts;
	struct vfiosafe_device *second;

	(void)state;
	for (size_t i = 0; i < COUNT(doors); i++) {
		ask_hot_by(doors[i]);
		opts = bench.opts;
		opts.iommu_of = bench.dev;
		assert_ok(vfiosafe_device_open(&second, SIBLING, &opts));
		assert_ok(ask(VFIOSAFE_METHOD_HOT));
		assert_possible();
		assert_int_equal(function(1)->owner, VFIOSAFE_OWNER_OURS);
		assert_ok(vfiosafe_device_close(second, 100));
	}
}

static void a_sibling_that_another_process_has(void **state)
{
	(void)state;
	fake_process(&bench.k, OTHER, "qemu");
	fake_process_fd(&bench.k, OTHER, 6, "/dev/vfio/9");
	ask_hot_by(VFIOSAFE_DOOR_CDEV);
	assert_blocked(VFIOSAFE_BLOCK_NOT_OWNED, "process 812 (qemu)", "end that one");
	ask_hot_by(VFIOSAFE_DOOR_GROUP);
	assert_blocked(VFIOSAFE_BLOCK_NOT_OWNED, "process 812 (qemu)", "end that one");
}

static void a_sibling_of_a_kernel_driver_or_none(void **state)
{
	(void)state;
	put_driver(SIBLING, "e1000e");
	ask_hot_by(VFIOSAFE_DOOR_CDEV);
	assert_blocked(VFIOSAFE_BLOCK_DRIVER, SIBLING " is bound to e1000e",
		       "driver_override; echo " SIBLING " > " DEVICES "/" SIBLING "/driver/unbind");
	fake_remove(&bench.k, DEVICES "/" SIBLING "/driver");
	ask_hot_by(VFIOSAFE_DOOR_GROUP);
	assert_blocked(VFIOSAFE_BLOCK_DRIVER, SIBLING " is bound to no driver",
		       "modprobe vfio-pci");
	put_driver(SIBLING, "pcieport");
	assert_ok(ask(VFIOSAFE_METHOD_HOT));
	assert_blocked(VFIOSAFE_BLOCK_DRIVER, "pcieport", "bridge");
	/* A function reset takes none of them. */
	assert_ok(ask(VFIOSAFE_METHOD_FUNCTION));
	assert_possible();
}

static void a_driver_that_cannot_be_read_is_not_taken_for_vfio(void **state)
{
	(void)state;
	fake_find(&bench.k, DEVICES "/" SIBLING "/driver")->refuse = EIO;
	ask_hot_by(VFIOSAFE_DOOR_GROUP);
	assert_blocked(VFIOSAFE_BLOCK_UNKNOWN, "driver of " SIBLING, "ls -l");
	assert_string_equal(function(1)->driver, "?");
	assert_int_equal(function(1)->owner, VFIOSAFE_OWNER_UNKNOWN);
	assert_says(plan->unknown, "driver of " SIBLING);
}

static void virtual_functions_on_the_bus(void **state)
{
	(void)state;
	sibling->bus_reset = 0;
	add_vf(VF, 0, 8);
	ask_hot_by(VFIOSAFE_DOOR_CDEV);
	assert_int_equal(plan->function_count, 2);
	assert_int_equal(function(1)->role, VFIOSAFE_ROLE_VF);
	assert_blocked(VFIOSAFE_BLOCK_VFS, VF, DEVICES "/" ADDRESS "/sriov_numvfs");
	assert_ptr_equal(plan->blocks->function, function(1));
	ask_hot_by(VFIOSAFE_DOOR_GROUP);
	assert_blocked(VFIOSAFE_BLOCK_VFS, VF, "echo 0 > ");
}

/* Asked of the virtual function, its physical one is a sibling. */
static void a_hot_reset_from_a_virtual_function(void **state)
{
	(void)state;
	sibling->bus_reset = 0;
	add_vf(VF, 0, 8);
	assert_ok(vfiosafe_device_open(&bench.dev, VF, &bench.opts));
	assert_ok(ask(VFIOSAFE_METHOD_HOT));
	assert_string_equal(function(0)->address, VF);
	assert_int_equal(function(0)->role, VFIOSAFE_ROLE_SELF);
	assert_int_equal(plan->blocks->reason, VFIOSAFE_BLOCK_VFS);
}

/* They are on a bus of their own: the kernel lets them go down. */
static void virtual_functions_on_another_bus_block_nothing(void **state)
{
	(void)state;
	sibling->bus_reset = 0;
	add_vf("0000:02:10.0", 0, 8)->bus_reset = 2;
	ask_hot_by(VFIOSAFE_DOOR_CDEV);
	assert_possible();
	assert_int_equal(plan->function_count, 2);
	assert_int_equal(function(1)->role, VFIOSAFE_ROLE_VF);
}

static void every_sibling_that_blocks_is_named(void **state)
{
	const struct vfiosafe_plan_block *b;
	int n = 0;

	(void)state;
	bench.k.hot_extra = 20;
	ask_hot_by(VFIOSAFE_DOOR_GROUP);
	assert_int_equal(plan->block_count, 21);
	for (b = plan->blocks; b; b = b->next, n++)
		assert_says(b->text, b->function->address);
	assert_int_equal(n, 21);
	assert_int_equal(strlen(plan_text()) > 2000, 1);
}

static void virtual_functions_that_cannot_be_listed(void **state)
{
	(void)state;
	add_vf(VF, 0, 8)->bus_reset = 0;
	fake_find(&bench.k, DEVICES "/" ADDRESS "/virtfn0")->refuse = EIO;
	plan_open(VFIOSAFE_DOOR_CDEV);
	assert_ok(ask(VFIOSAFE_METHOD_AUTO));
	assert_int_equal(plan->function_count, 1);
	assert_says(plan->unknown, "virtual functions of " ADDRESS);
	assert_says(plan_text(), "not known: virtual functions");
}

/* Any ioctl would wake it: it is not asked, by no method. */
static void a_device_in_low_power_is_not_woken(void **state)
{
	unsigned int ioctls;

	(void)state;
	plan_open(VFIOSAFE_DOOR_CDEV);
	bench.dev->parked = VSF_PARK_LOW_POWER;
	ioctls = bench.k.count[FAKE_IOCTL];
	assert_ok(ask(VFIOSAFE_METHOD_HOT));
	assert_blocked(VFIOSAFE_BLOCK_UNKNOWN, "low power", "vfiosafe_low_power_exit()");
	assert_ok(ask(VFIOSAFE_METHOD_AUTO));
	assert_possible();
	assert_false(plan->hot_reset);
	assert_says(plan->unknown, "would wake the device");
	assert_int_equal(bench.k.count[FAKE_IOCTL], ioctls);
	bench.dev->parked = VSF_AWAKE;
}

/* A device that something else opened out of its group; its fd is @fd. */
static int adopt(const char *address, bool named)
{
	int fd = fake_device_fd(&bench.k, bench.fn), ours;
	char path[64];

	bench.opts.address = address;
	assert_ok(vfiosafe_device_from_fd(&bench.dev, fd, &bench.opts));
	if (!named)
		return fd;
	ours = vfiosafe_device_fd(bench.dev);
	fake_process_device(&bench.k, FAKE_PID, ours, ADDRESS);
	/* /proc/self is a link to the process. */
	snprintf(path, sizeof(path), "/proc/%d/fdinfo/%d", FAKE_PID, ours);
	fake_put(&bench.k, FAKE_TEXT, fake_find(&bench.k, path)->text, "/proc/self/fdinfo/%d",
		 ours);
	return fd;
}

static void an_adopted_device_that_the_kernel_names(void **state)
{
	int fd;

	(void)state;
	sibling->bus_reset = 0;
	fd = adopt(NULL, true);
	assert_ok(ask(VFIOSAFE_METHOD_AUTO));
	assert_string_equal(plan->address, ADDRESS);
	assert_string_equal(plan->methods, "flr bus");
	assert_possible();
	assert_ok(ask(VFIOSAFE_METHOD_HOT));
	assert_blocked(VFIOSAFE_BLOCK_NOT_OWNED, "was adopted", "whoever opened");
	assert_ok(vsf_sys(&bench.k.sys, close, fd));
}

static void an_adopted_device_that_the_program_names(void **state)
{
	int fd;

	(void)state;
	fd = adopt(ADDRESS, false);
	assert_ok(ask(VFIOSAFE_METHOD_AUTO));
	assert_string_equal(plan->address, ADDRESS);
	assert_string_equal(plan->unknown, "");
	assert_possible();
	assert_ok(vsf_sys(&bench.k.sys, close, fd));
}

static void the_kernel_knows_better_than_the_program(void **state)
{
	int fd;

	(void)state;
	fd = adopt(SIBLING, true);
	assert_ok(ask(VFIOSAFE_METHOD_AUTO));
	assert_string_equal(plan->address, ADDRESS);
	assert_ok(vsf_sys(&bench.k.sys, close, fd));
}

static void the_only_function_of_a_bus_is_the_adopted_one(void **state)
{
	int fd;

	(void)state;
	sibling->bus_reset = 0;
	fd = adopt(NULL, false);
	assert_ok(ask(VFIOSAFE_METHOD_AUTO));
	assert_string_equal(plan->address, ADDRESS);
	assert_string_equal(plan->unknown, "");
	assert_ok(vsf_sys(&bench.k.sys, close, fd));
}

static void an_adopted_device_of_which_nobody_says_which(void **state)
{
	int fd;

	(void)state;
	fd = adopt(NULL, false);
	assert_ok(ask(VFIOSAFE_METHOD_AUTO));
	assert_string_equal(plan->address, "");
	assert_int_equal(plan->method, VFIOSAFE_METHOD_FUNCTION);
	assert_false(plan->methods_known);
	assert_says(plan->unknown, "opts.address");
	assert_int_equal(plan->function_count, 1);
	assert_string_equal(function(0)->address, "");
	assert_string_equal(function(0)->driver, "?");
	assert_int_equal(function(0)->group, -1);
	assert_int_equal(function(0)->owner, VFIOSAFE_OWNER_THIS);
	assert_possible();
	assert_says(plan_text(), "adopted device: function reset, 1 function:");
	assert_says(plan_text(), "(no address), ?: this handle");
	/* It is one of the two that the kernel lists, and not a third. */
	assert_ok(ask(VFIOSAFE_METHOD_HOT));
	assert_int_equal(plan->function_count, 2);
	assert_int_equal(function(0)->role, VFIOSAFE_ROLE_SIBLING);
	assert_blocked(VFIOSAFE_BLOCK_NOT_OWNED, "fd 1000", "whoever opened");
	assert_ok(vsf_sys(&bench.k.sys, close, fd));
}

#define PAIR_TEST(name) cmocka_unit_test_setup_teardown(name, setup_pair, plan_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		PAIR_TEST(a_sibling_that_nobody_has_open),
		PAIR_TEST(a_sibling_that_we_opened_too),
		PAIR_TEST(a_sibling_that_another_process_has),
		PAIR_TEST(a_sibling_of_a_kernel_driver_or_none),
		PAIR_TEST(a_driver_that_cannot_be_read_is_not_taken_for_vfio),
		PAIR_TEST(virtual_functions_on_the_bus),
		PAIR_TEST(a_hot_reset_from_a_virtual_function),
		PAIR_TEST(virtual_functions_on_another_bus_block_nothing),
		PAIR_TEST(every_sibling_that_blocks_is_named),
		PAIR_TEST(virtual_functions_that_cannot_be_listed),
		PAIR_TEST(a_device_in_low_power_is_not_woken),
		PAIR_TEST(an_adopted_device_that_the_kernel_names),
		PAIR_TEST(an_adopted_device_that_the_program_names),
		PAIR_TEST(the_kernel_knows_better_than_the_program),
		PAIR_TEST(the_only_function_of_a_bus_is_the_adopted_one),
		PAIR_TEST(an_adopted_device_of_which_nobody_says_which),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

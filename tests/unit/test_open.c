/* SPDX-License-Identifier: MIT */
/* Opening by both doors, adopting an fd, sharing an IOMMU context. */
#include <fcntl.h>

#include "sys.h"
#include "uapi.h"
#include "unit.h"

static void opens_and_is(enum vfiosafe_door asked, enum vfiosafe_door got)
{
	bench.opts.door = asked;
	bench_open();
	assert_int_equal(vfiosafe_device_door(bench.dev), got);
	assert_string_equal(vfiosafe_device_address(bench.dev), ADDRESS);
	assert_state(LIVE);
	assert_generation(1);
	assert_int_equal(vfiosafe_device_cause(bench.dev), VFIOSAFE_CAUSE_NONE);
	assert_int_equal(fake_command(bench.fn), 0x0002);
	assert_true(vfiosafe_device_fd(bench.dev) >= FAKE_FD0);
}

static void the_cdev_door_comes_first(void **state)
{
	(void)state;
	opens_and_is(VFIOSAFE_DOOR_AUTO, VFIOSAFE_DOOR_CDEV);
	assert_true(bench.fn->pt_id != 0);
}

static void the_cdev_door_can_be_forced(void **state)
{
	(void)state;
	opens_and_is(VFIOSAFE_DOOR_CDEV, VFIOSAFE_DOOR_CDEV);
}

static void the_group_door_can_be_forced(void **state)
{
	(void)state;
	opens_and_is(VFIOSAFE_DOOR_GROUP, VFIOSAFE_DOOR_GROUP);
	assert_true(fake_group_of(&bench.k, 7)->container->typed);
}

static void without_a_vfio_node_the_group_door_is_taken(void **state)
{
	(void)state;
	fake_remove(&bench.k, "/sys/bus/pci/devices/" ADDRESS "/vfio-dev");
	fake_remove(&bench.k, "/dev/vfio/devices");
	opens_and_is(VFIOSAFE_DOOR_AUTO, VFIOSAFE_DOOR_GROUP);
}

/* CONFIG_VFIO_DEVICE_CDEV=n: vfio-dev/vfio3 is there, without "dev". */
static void without_a_character_device_the_group_door_is_taken(void **state)
{
	(void)state;
	fake_remove(&bench.k, "/sys/bus/pci/devices/" ADDRESS "/vfio-dev/vfio3/dev");
	fake_remove(&bench.k, "/dev/vfio/devices");
	opens_and_is(VFIOSAFE_DOOR_AUTO, VFIOSAFE_DOOR_GROUP);
}

static void without_iommufd_the_group_door_is_taken(void **state)
{
	(void)state;
	fake_remove(&bench.k, "/dev/iommu");
	opens_and_is(VFIOSAFE_DOOR_AUTO, VFIOSAFE_DOOR_GROUP);
}

static void a_node_that_does_not_know_bind_leads_to_the_group_door(void **state)
{
	(void)state;
	fake_fail(&bench.k, FAKE_IOCTL, VFIO_DEVICE_BIND_IOMMUFD, ENOTTY, 1);
	opens_and_is(VFIOSAFE_DOOR_AUTO, VFIOSAFE_DOOR_GROUP);
}

static void contention_is_retried(void **state)
{
	(void)state;
	fake_fail(&bench.k, FAKE_IOCTL, VFIO_DEVICE_BIND_IOMMUFD, EAGAIN, 5);
	opens_and_is(VFIOSAFE_DOOR_CDEV, VFIOSAFE_DOOR_CDEV);
	assert_true(bench.k.count[FAKE_SLEEP] >= 5);
	bench_close();
	fake_fail(&bench.k, FAKE_IOCTL, VFIO_GROUP_GET_DEVICE_FD, EAGAIN, 5);
	opens_and_is(VFIOSAFE_DOOR_GROUP, VFIOSAFE_DOOR_GROUP);
}

static void closing_gives_the_function_back(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++) {
		bench.opts.door = i % 2 ? VFIOSAFE_DOOR_GROUP : VFIOSAFE_DOOR_CDEV;
		bench_open();
		assert_non_null(bench.fn->owner);
		bench_close();
		assert_null(bench.fn->owner);
		assert_null(fake_leaks(&bench.k));
	}
}

/* Two functions of one group, opened into one context; closed in both orders. */
static void shares(enum vfiosafe_door door, bool first_closes_first)
{
	struct vfiosafe_device_opts opts = bench.opts;
	struct vfiosafe_device *second = NULL;

	opts.door = bench.opts.door = door;
	bench_open();
	opts.iommu_of = bench.dev;
	assert_ok(vfiosafe_device_open(&second, SIBLING, &opts));
	assert_int_equal(vfiosafe_device_door(second), door);
	assert_non_null(bench.k.fn[1].owner);
	assert_int_equal(bench.k.fn[1].pt_id, bench.fn->pt_id);
	if (first_closes_first) {
		bench_close();
		assert_ok(vfiosafe_reset(second, NULL));
		assert_ok(vfiosafe_device_close(second, 0));
	} else {
		assert_ok(vfiosafe_device_close(second, 0));
		assert_ok(vfiosafe_reset(bench.dev, NULL));
		bench_close();
	}
	assert_null(fake_leaks(&bench.k));
}

static void two_functions_of_a_group_share_an_iommufd(void **state)
{
	(void)state;
	fake_add(&bench.k, SIBLING, 7, 4);
	shares(VFIOSAFE_DOOR_CDEV, true);
	shares(VFIOSAFE_DOOR_CDEV, false);
}

static void two_functions_of_a_group_share_a_container(void **state)
{
	(void)state;
	fake_add(&bench.k, SIBLING, 7, 4);
	shares(VFIOSAFE_DOOR_GROUP, true);
	shares(VFIOSAFE_DOOR_GROUP, false);
}

static void functions_of_two_groups_share_a_container(void **state)
{
	(void)state;
	fake_add(&bench.k, SIBLING, 8, 4);
	shares(VFIOSAFE_DOOR_GROUP, true);
	shares(VFIOSAFE_DOOR_CDEV, true);
}

static void a_failed_second_open_leaves_the_first_alone(void **state)
{
	struct vfiosafe_device_opts opts = bench.opts;
	struct vfiosafe_device *second = NULL;

	(void)state;
	fake_add(&bench.k, SIBLING, 8, 4);
	for (int door = VFIOSAFE_DOOR_CDEV; door <= VFIOSAFE_DOOR_GROUP; door++) {
		bench.opts.door = (enum vfiosafe_door)door;
		bench_open();
		opts.iommu_of = bench.dev;
		fake_fail(&bench.k, FAKE_IOCTL, VFIO_DEVICE_GET_INFO, ENOSPC, 1);
		assert_refused(vfiosafe_device_open(&second, SIBLING, &opts), ENOSPC,
			       "VFIO_DEVICE_GET_INFO");
		assert_null(second);
		assert_ok(vfiosafe_reset(bench.dev, NULL));
		bench_close();
		assert_null(fake_leaks(&bench.k));
	}
}

static void a_device_of_another_iommufd_cannot_be_joined_by_the_other_door(void **state)
{
	struct vfiosafe_device_opts opts = bench.opts;
	struct vfiosafe_device *second = NULL;

	(void)state;
	bench.opts.door = VFIOSAFE_DOOR_CDEV;
	bench_open();
	opts.iommu_of = bench.dev;
	opts.door = VFIOSAFE_DOOR_GROUP;
	assert_refused(vfiosafe_device_open(&second, SIBLING, &opts), EINVAL, "iommu_of",
		       "other door");
}

static void an_fd_is_adopted_and_duplicated(void **state)
{
	int fd = fake_device_fd(&bench.k, bench.fn);
	char name[32];

	(void)state;
	fake_set_command(bench.fn, 0x0006);
	assert_ok(vfiosafe_device_from_fd(&bench.dev, fd, &bench.opts));
	assert_ok(vsf_sys(&bench.k.sys, close, fd));
	assert_int_not_equal(vfiosafe_device_fd(bench.dev), fd);
	assert_int_equal(vfiosafe_device_door(bench.dev), VFIOSAFE_DOOR_FD);
	snprintf(name, sizeof(name), "fd %d", fd);
	assert_string_equal(vfiosafe_device_address(bench.dev), name);
	assert_state(LIVE);
	/* Nothing is reset, nothing is written. */
	assert_int_equal(bench.fn->resets, 0);
	assert_int_equal(bench.k.count[FAKE_PWRITE], 0);
	assert_ok(vfiosafe_reset(bench.dev, NULL));
	assert_int_equal(fake_command(bench.fn), 0x0006);
}

static void an_adopted_device_bears_the_address_it_is_given(void **state)
{
	int fd = fake_device_fd(&bench.k, bench.fn);
	char address[] = "0000:0a:00.0";

	(void)state;
	bench.opts.address = address;
	assert_ok(vfiosafe_device_from_fd(&bench.dev, fd, &bench.opts));
	memset(address, 'x', sizeof(address) - 1);
	assert_string_equal(vfiosafe_device_address(bench.dev), "0000:0a:00.0");
	assert_ok(vsf_sys(&bench.k.sys, close, fd));
}

static void an_adopted_device_shares_no_iommu(void **state)
{
	int fd = fake_device_fd(&bench.k, bench.fn);
	struct vfiosafe_device_opts opts = bench.opts;
	struct vfiosafe_device *second = NULL;

	(void)state;
	assert_ok(vfiosafe_device_from_fd(&bench.dev, fd, &bench.opts));
	opts.iommu_of = bench.dev;
	assert_refused(vfiosafe_device_open(&second, SIBLING, &opts), EINVAL, "iommu_of",
		       "adopted");
	assert_ok(vsf_sys(&bench.k.sys, close, fd));
}

static void what_is_no_device_is_not_adopted(void **state)
{
	struct vfiosafe_sys *sys = &bench.k.sys;
	int container = vsf_sys(sys, open, "/dev/vfio/vfio", O_RDWR);
	int unbound = vsf_sys(sys, open, "/dev/vfio/devices/vfio3", O_RDWR);
	char name[32];

	(void)state;
	assert_refused(vfiosafe_device_from_fd(&bench.dev, -1, &bench.opts), EBADF, "-1");
	assert_refused(vfiosafe_device_from_fd(&bench.dev, container, &bench.opts),
		       EINVAL, "not a VFIO device");
	snprintf(name, sizeof(name), "fd %d is not", container);
	assert_non_null(strstr(vfiosafe_error_text(), name));
	assert_refused(vfiosafe_device_from_fd(&bench.dev, unbound, &bench.opts), EINVAL,
		       "not bound to an iommufd");
	assert_ok(vsf_sys(sys, close, container));
	assert_ok(vsf_sys(sys, close, unbound));
	bench.fn->not_pci = true;
	unbound = fake_device_fd(&bench.k, bench.fn);
	assert_refused(vfiosafe_device_from_fd(&bench.dev, unbound, &bench.opts), EINVAL,
		       "not a VFIO PCI device");
	assert_ok(vsf_sys(sys, close, unbound));
	assert_null(bench.dev);
}

static void without_membarrier_the_device_says_so(void **state)
{
	(void)state;
	bench_open();
	assert_false(vfiosafe_device_fenced(bench.dev));
	bench_close();
	bench.k.no_membarrier = true;
	bench_open();
	assert_true(vfiosafe_device_fenced(bench.dev));
}

static void closing_nothing_is_no_error(void **state)
{
	(void)state;
	assert_ok(vfiosafe_device_close(NULL, 0));
	assert_ok(vfiosafe_bar_unmap(NULL, 0));
	vfiosafe_window_end(NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, bench_setup, bench_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_cdev_door_comes_first),
		TEST(the_cdev_door_can_be_forced),
		TEST(the_group_door_can_be_forced),
		TEST(without_a_vfio_node_the_group_door_is_taken),
		TEST(without_a_character_device_the_group_door_is_taken),
		TEST(without_iommufd_the_group_door_is_taken),
		TEST(a_node_that_does_not_know_bind_leads_to_the_group_door),
		TEST(contention_is_retried),
		TEST(closing_gives_the_function_back),
		TEST(two_functions_of_a_group_share_an_iommufd),
		TEST(two_functions_of_a_group_share_a_container),
		TEST(functions_of_two_groups_share_a_container),
		TEST(a_failed_second_open_leaves_the_first_alone),
		TEST(a_device_of_another_iommufd_cannot_be_joined_by_the_other_door),
		TEST(an_fd_is_adopted_and_duplicated),
		TEST(an_adopted_device_bears_the_address_it_is_given),
		TEST(an_adopted_device_shares_no_iommu),
		TEST(what_is_no_device_is_not_adopted),
		TEST(without_membarrier_the_device_says_so),
		TEST(closing_nothing_is_no_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* The simulated device by its group, in a container. */
#include "sim_door_rig.h"

static struct rig the_rig;
static int container;
static int group;

static int setup(void **state)
{
	struct vfiosafe_sim_opts opts = { .size = sizeof(opts), .window_us = 1 };

	assert_int_equal(vfiosafe_sim_open(&the_rig.sim, "sim:reg", &opts), 0);
	the_rig.sys = vfiosafe_sim_sys(the_rig.sim);
	container = door_open(&the_rig, "/dev/vfio/vfio");
	group = door_open_group(&the_rig);
	assert_true(container >= 0 && group >= 0);
	*state = &the_rig;
	return 0;
}

static int teardown(void **state)
{
	struct rig *rig = *state;

	assert_int_equal(door_close(rig, group), 0);
	assert_int_equal(door_close(rig, container), 0);
	vfiosafe_sim_close(rig->sim);
	return 0;
}

static int set_container(const struct rig *rig, int32_t fd)
{
	return door_ioctl(rig, group, VFIO_GROUP_SET_CONTAINER, &fd);
}

static int set_iommu(const struct rig *rig, uintptr_t type)
{
	return door_ioctl(rig, container, VFIO_SET_IOMMU, (void *)type);
}

static int get_device(const struct rig *rig)
{
	char address[32];

	snprintf(address, sizeof(address), "%s", vfiosafe_sim_address(rig->sim));
	return door_ioctl(rig, group, VFIO_GROUP_GET_DEVICE_FD, address);
}

static void set_up(const struct rig *rig)
{
	assert_int_equal(set_container(rig, container), 0);
	assert_int_equal(set_iommu(rig, VFIO_TYPE1v2_IOMMU), 0);
}

static void a_container_says_what_it_can(void **state)
{
	struct rig *rig = *state;

	assert_int_equal(door_ioctl(rig, container, VFIO_GET_API_VERSION, NULL), 0);
	assert_int_equal(door_ioctl(rig, container, VFIO_CHECK_EXTENSION,
				    (void *)(uintptr_t)VFIO_TYPE1v2_IOMMU),
			 1);
	assert_int_equal(door_ioctl(rig, container, VFIO_CHECK_EXTENSION,
				    (void *)(uintptr_t)VFIO_SPAPR_TCE_IOMMU),
			 0);
	assert_int_equal(set_iommu(rig, VFIO_TYPE1v2_IOMMU), -EINVAL);
	assert_int_equal(door_ioctl(rig, container, VFIO_IOMMU_GET_INFO, NULL), -EINVAL);
	assert_int_equal(set_container(rig, container), 0);
	assert_int_equal(set_iommu(rig, VFIO_SPAPR_TCE_IOMMU), -ENODEV);
	assert_int_equal(set_iommu(rig, VFIO_TYPE1v2_IOMMU), 0);
	assert_int_equal(set_iommu(rig, VFIO_TYPE1v2_IOMMU), -EINVAL);
}

static void a_group_has_one_container(void **state)
{
	struct rig *rig = *state;
	struct vfio_group_status status = { .argsz = sizeof(status) };

	assert_int_equal(set_container(rig, 12345), -EBADF);
	assert_int_equal(set_container(rig, group), -EBADFD);
	assert_int_equal(door_ioctl(rig, group, VFIO_GROUP_UNSET_CONTAINER, NULL),
			 -EINVAL);
	assert_int_equal(door_ioctl(rig, group, VFIO_GROUP_GET_STATUS, &status), 0);
	assert_int_equal(status.flags, VFIO_GROUP_FLAGS_VIABLE);
	assert_int_equal(set_container(rig, container), 0);
	assert_int_equal(set_container(rig, container), -EINVAL);
	assert_int_equal(door_ioctl(rig, group, VFIO_GROUP_GET_STATUS, &status), 0);
	assert_int_equal(status.flags,
			 VFIO_GROUP_FLAGS_VIABLE | VFIO_GROUP_FLAGS_CONTAINER_SET);
	assert_int_equal(door_ioctl(rig, group, VFIO_GROUP_UNSET_CONTAINER, NULL), 0);
	assert_int_equal(set_container(rig, container), 0);
}

static void a_group_is_opened_once(void **state)
{
	struct rig *rig = *state;

	assert_int_equal(door_open_group(rig), -EBUSY);
	assert_int_equal(door_close(rig, group), 0);
	group = door_open_group(rig);
	assert_true(group >= 0);
}

static void a_group_gives_devices_when_its_container_has_a_type(void **state)
{
	struct rig *rig = *state;
	char wrong[] = "0000:00:00.0";
	struct vfio_device_info info = { .argsz = sizeof(info) };
	struct vfio_device_bind_iommufd bind = { .argsz = sizeof(bind) };
	struct vfio_device_attach_iommufd_pt attach = { .argsz = sizeof(attach) };
	int fd, second;

	assert_int_equal(get_device(rig), -EINVAL);
	assert_int_equal(set_container(rig, container), 0);
	assert_int_equal(get_device(rig), -EINVAL);
	assert_int_equal(set_iommu(rig, VFIO_TYPE1v2_IOMMU), 0);
	assert_int_equal(door_ioctl(rig, group, VFIO_GROUP_GET_DEVICE_FD, wrong),
			 -ENODEV);
	fd = get_device(rig);
	second = get_device(rig);
	assert_true(fd >= 0 && second >= 0);
	assert_int_equal(door_ioctl(rig, second, VFIO_DEVICE_GET_INFO, &info), 0);
	assert_int_equal(door_ioctl(rig, fd, VFIO_DEVICE_BIND_IOMMUFD, &bind), -EINVAL);
	assert_int_equal(door_ioctl(rig, fd, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &attach),
			 -ENOTTY);
	assert_int_equal(door_held(rig).fds, 2);
	assert_int_equal(door_ioctl(rig, group, VFIO_GROUP_UNSET_CONTAINER, NULL),
			 -EBUSY);
	assert_int_equal(door_close(rig, fd), 0);
	assert_int_equal(door_ioctl(rig, second, VFIO_DEVICE_GET_INFO, &info), 0);
	assert_int_equal(door_close(rig, second), 0);
}

/* Each of the two locks the other out. */
static void the_two_doors_exclude_each_other(void **state)
{
	struct rig *rig = *state;
	int iommu = door_open(rig, "/dev/iommu");
	int node = door_open_node(rig);

	assert_int_equal(door_bind(rig, node, iommu), -EBUSY);
	assert_int_equal(door_close(rig, group), 0);
	assert_int_equal(door_bind(rig, node, iommu), 0);
	assert_int_equal(door_open_group(rig), -EBUSY);
	assert_int_equal(door_close(rig, node), 0);
	group = door_open_group(rig);
	assert_true(group >= 0);
	assert_int_equal(door_close(rig, iommu), 0);
}

static void a_device_keeps_its_group_open(void **state)
{
	struct rig *rig = *state;
	int fd;

	set_up(rig);
	fd = get_device(rig);
	assert_true(fd >= 0);
	assert_int_equal(door_close(rig, group), 0);
	assert_int_equal(door_open_group(rig), -EBUSY);
	assert_int_equal(door_close(rig, fd), 0);
	group = door_open_group(rig);
	assert_true(group >= 0);
	/* the container lost its type with its group */
	assert_int_equal(set_container(rig, container), 0);
	assert_int_equal(set_iommu(rig, VFIO_TYPE1v2_IOMMU), 0);
}

static const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	TEST(a_container_says_what_it_can),
	TEST(a_group_has_one_container),
	TEST(a_group_is_opened_once),
	TEST(a_group_gives_devices_when_its_container_has_a_type),
	TEST(the_two_doors_exclude_each_other),
	TEST(a_device_keeps_its_group_open),
};

int main(void)
{
	return cmocka_run_group_tests(tests, NULL, NULL);
}

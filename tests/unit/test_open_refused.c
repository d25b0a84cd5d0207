/* SPDX-License-Identifier: MIT */
/* Each refusal of an open: the errno, and a text with cause and way out. */
#include <fcntl.h>

#include "sys.h"
#include "uapi.h"
#include "unit.h"

#define DEVICE "/sys/bus/pci/devices/" ADDRESS
#define OPEN() vfiosafe_device_open(&bench.dev, ADDRESS, &bench.opts)

static void a_function_that_does_not_exist(void **state)
{
	(void)state;
	assert_refused(vfiosafe_device_open(&bench.dev, "0000:09:00.0", &bench.opts),
		       ENODEV, "0000:09:00.0", "no PCI function", "lspci -D");
}

static void a_function_bound_to_another_driver(void **state)
{
	(void)state;
	fake_put(&bench.k, FAKE_LINK, "../../../../bus/pci/drivers/e1000e",
		 DEVICE "/driver");
	assert_refused(OPEN(), ENXIO, ADDRESS, "e1000e", "driver_override",
		       "drivers_probe");
}

static void a_function_bound_to_no_driver(void **state)
{
	(void)state;
	fake_remove(&bench.k, DEVICE "/driver");
	assert_refused(OPEN(), ENXIO, ADDRESS, "no driver", "driver_override",
		       "modprobe vfio-pci");
}

static void a_variant_driver_is_a_vfio_driver(void **state)
{
	(void)state;
	fake_put(&bench.k, FAKE_LINK, "../drivers/mlx5_vfio_pci", DEVICE "/driver");
	assert_ok(OPEN());
}

static void a_function_without_an_iommu(void **state)
{
	(void)state;
	fake_remove(&bench.k, DEVICE "/iommu_group");
	bench.opts.door = VFIOSAFE_DOOR_CDEV;
	assert_refused(OPEN(), ENODEV, ADDRESS, "no IOMMU", "intel_iommu=on");
	bench.opts.door = VFIOSAFE_DOOR_GROUP;
	assert_refused(OPEN(), ENODEV, ADDRESS, "no IOMMU", "intel_iommu=on");
}

static void a_group_that_a_sibling_blocks(void **state)
{
	(void)state;
	fake_add(&bench.k, SIBLING, 7, 4);
	fake_put(&bench.k, FAKE_LINK, "../drivers/snd_hda_intel",
		 "/sys/bus/pci/devices/" SIBLING "/driver");
	bench.opts.door = VFIOSAFE_DOOR_GROUP;
	assert_refused(OPEN(), EBUSY, "not viable", SIBLING, "snd_hda_intel", "vfio-pci");
	bench.opts.door = VFIOSAFE_DOOR_CDEV;
	assert_refused(OPEN(), EPERM, SIBLING, "snd_hda_intel", "vfio-pci");
}

static void bridges_and_unbound_siblings_block_nothing(void **state)
{
	(void)state;
	fake_add(&bench.k, SIBLING, 7, 4);
	fake_put(&bench.k, FAKE_LINK, "../drivers/pcieport",
		 "/sys/bus/pci/devices/" SIBLING "/driver");
	assert_ok(OPEN());
	bench_close();
	fake_remove(&bench.k, "/sys/bus/pci/devices/" SIBLING "/driver");
	assert_ok(OPEN());
}

/* A long list of siblings is cut, not written beyond its end. */
static void many_blockers_are_named_as_far_as_there_is_room(void **state)
{
	char address[16];

	(void)state;
	for (int i = 1; i < 4; i++) {
		snprintf(address, sizeof(address), "0000:01:00.%d", i);
		fake_add(&bench.k, address, 7, (unsigned int)(3 + i));
		fake_put(&bench.k, FAKE_LINK,
			 "drivers/a_driver_with_a_name_that_fills_the_text_to_its_edge",
			 "/sys/bus/pci/devices/%s/driver", address);
	}
	bench.opts.door = VFIOSAFE_DOOR_GROUP;
	assert_refused(OPEN(), EBUSY, "not viable", SIBLING);
}

static void dma_owned_by_somebody_else(void **state)
{
	(void)state;
	fake_group_of(&bench.k, 7)->foreign_owner = true;
	bench.opts.door = VFIOSAFE_DOOR_CDEV;
	assert_refused(OPEN(), EPERM, ADDRESS, "iommu_of", "not isolated");
	bench.opts.door = VFIOSAFE_DOOR_GROUP;
	assert_refused(OPEN(), EBUSY, "not viable", "owned");
}

static void interrupts_that_are_not_isolated_at_the_group_door(void **state)
{
	(void)state;
	bench.opts.door = VFIOSAFE_DOOR_GROUP;
	fake_fail(&bench.k, FAKE_IOCTL, VFIO_SET_IOMMU, EPERM, 1);
	assert_refused(OPEN(), EPERM, "VFIO_SET_IOMMU", "not isolated");
}

static void the_second_function_of_a_group_without_iommu_of(void **state)
{
	struct vfiosafe_device *second = NULL;

	(void)state;
	fake_add(&bench.k, SIBLING, 7, 4);
	bench.opts.door = VFIOSAFE_DOOR_CDEV;
	assert_ok(OPEN());
	assert_refused(vfiosafe_device_open(&second, SIBLING, &bench.opts), EPERM,
		       SIBLING, "iommu_of");
	bench_close();
	bench.opts.door = VFIOSAFE_DOOR_GROUP;
	assert_ok(OPEN());
	assert_refused(vfiosafe_device_open(&second, SIBLING, &bench.opts), EBUSY,
		       "/dev/vfio/7", "iommu_of");
	assert_null(second);
}

static void a_device_that_is_open_by_its_group(void **state)
{
	int fd = vsf_sys(&bench.k.sys, open, "/dev/vfio/7", O_RDWR);

	(void)state;
	bench.opts.door = VFIOSAFE_DOOR_CDEV;
	assert_refused(OPEN(), EBUSY, ADDRESS, "group", "close");
	bench.opts.door = VFIOSAFE_DOOR_GROUP;
	assert_refused(OPEN(), EBUSY, "/dev/vfio/7", "open already");
	assert_ok(vsf_sys(&bench.k.sys, close, fd));
}

static void a_device_that_is_open_by_its_cdev(void **state)
{
	struct vfiosafe_device *second = NULL;

	(void)state;
	bench.opts.door = VFIOSAFE_DOOR_CDEV;
	assert_ok(OPEN());
	/* The kernel says EINVAL to the second bind. */
	assert_refused(vfiosafe_device_open(&second, ADDRESS, &bench.opts), EBUSY,
		       ADDRESS, "another fd", "vfiosafe_device_from_fd");
	bench.opts.door = VFIOSAFE_DOOR_GROUP;
	assert_refused(vfiosafe_device_open(&second, ADDRESS, &bench.opts), EBUSY,
		       "/dev/vfio/7", "cdev door");
	assert_null(second);
}

static void nodes_without_permission_are_named(void **state)
{
	static const struct {
		enum vfiosafe_door door;
		const char *node;
	} nodes[] = {
		{ VFIOSAFE_DOOR_CDEV, "/dev/vfio/devices/vfio3" },
		{ VFIOSAFE_DOOR_CDEV, "/dev/iommu" },
		{ VFIOSAFE_DOOR_AUTO, "/dev/vfio/devices/vfio3" },
		{ VFIOSAFE_DOOR_GROUP, "/dev/vfio/vfio" },
		{ VFIOSAFE_DOOR_GROUP, "/dev/vfio/7" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(nodes) / sizeof(nodes[0]); i++) {
		struct fake_node *node = fake_find(&bench.k, nodes[i].node);

		bench.opts.door = nodes[i].door;
		node->refuse = EACCES;
		assert_refused(OPEN(), EACCES, nodes[i].node, "permission", "chown");
		node->refuse = EPERM;
		assert_refused(OPEN(), EACCES, nodes[i].node, "permission");
		node->refuse = 0;
	}
}

static void a_kernel_without_dev_iommu(void **state)
{
	(void)state;
	bench.opts.door = VFIOSAFE_DOOR_CDEV;
	fake_find(&bench.k, "/dev/iommu")->refuse = ENODEV;
	assert_refused(OPEN(), EOPNOTSUPP, "/dev/iommu", "CONFIG_IOMMUFD", "group door");
	fake_remove(&bench.k, "/dev/iommu");
	assert_refused(OPEN(), EOPNOTSUPP, "/dev/iommu", "modprobe iommufd",
		       "group door");
}

static void a_kernel_without_the_cdev_door(void **state)
{
	(void)state;
	bench.opts.door = VFIOSAFE_DOOR_CDEV;
	fake_fail(&bench.k, FAKE_IOCTL, VFIO_DEVICE_BIND_IOMMUFD, ENOTTY, 1);
	assert_refused(OPEN(), EOPNOTSUPP, "iommufd", "group door");
	fake_remove(&bench.k, "/dev/vfio/devices");
	assert_refused(OPEN(), EOPNOTSUPP, "CONFIG_VFIO_DEVICE_CDEV", "group door");
	fake_remove(&bench.k, DEVICE "/vfio-dev");
	assert_refused(OPEN(), EOPNOTSUPP, ADDRESS, "no VFIO device node", "group door");
}

static void a_kernel_without_the_group_door(void **state)
{
	(void)state;
	bench.opts.door = VFIOSAFE_DOOR_GROUP;
	fake_remove(&bench.k, "/dev/vfio/7");
	assert_refused(OPEN(), EOPNOTSUPP, "/dev/vfio/7", "CONFIG_VFIO_GROUP",
		       "cdev door");
	fake_remove(&bench.k, "/dev/vfio/vfio");
	assert_refused(OPEN(), EOPNOTSUPP, "/dev/vfio/vfio", "CONFIG_VFIO_CONTAINER",
		       "modprobe");
}

static void a_kernel_without_type1(void **state)
{
	(void)state;
	bench.opts.door = VFIOSAFE_DOOR_GROUP;
	bench.k.no_type1 = true;
	assert_refused(OPEN(), EOPNOTSUPP, "type1v2", "modprobe vfio_iommu_type1");
}

static void contention_that_does_not_end(void **state)
{
	int64_t from = bench.k.now;

	(void)state;
	bench.opts.open_timeout_ms = 700;
	bench.opts.door = VFIOSAFE_DOOR_CDEV;
	fake_fail(&bench.k, FAKE_IOCTL, VFIO_DEVICE_BIND_IOMMUFD, EAGAIN, 100000);
	assert_refused(OPEN(), ETIMEDOUT, ADDRESS, "locked", "sriov_numvfs");
	assert_in_range(bench.k.now - from, 700000000, 800000000);
	bench.opts.door = VFIOSAFE_DOOR_GROUP;
	fake_fail(&bench.k, FAKE_IOCTL, VFIO_GROUP_GET_DEVICE_FD, EAGAIN, 100000);
	assert_refused(OPEN(), ETIMEDOUT, ADDRESS, "locked", "sriov_numvfs");
}

static void a_node_that_is_another_device(void **state)
{
	struct fake_node *node = fake_find(&bench.k, "/dev/vfio/devices/vfio3");

	(void)state;
	node->rdev++;
	assert_refused(OPEN(), ENODEV, "/dev/vfio/devices/vfio3", "511:3", "udev");
	node->rdev = 0;
	assert_refused(OPEN(), ENODEV, "0:0", "511:3");
}

static void a_virtual_function_that_wants_its_token(void **state)
{
	(void)state;
	bench.opts.door = VFIOSAFE_DOOR_GROUP;
	fake_fail(&bench.k, FAKE_IOCTL, VFIO_GROUP_GET_DEVICE_FD, EACCES, 1);
	assert_refused(OPEN(), EACCES, ADDRESS, "VF token");
	bench.opts.door = VFIOSAFE_DOOR_CDEV;
	fake_fail(&bench.k, FAKE_IOCTL, VFIO_DEVICE_BIND_IOMMUFD, EACCES, 1);
	assert_refused(OPEN(), EACCES, ADDRESS, "VF token");
}

static void a_function_that_is_being_unbound(void **state)
{
	(void)state;
	bench.opts.door = VFIOSAFE_DOOR_GROUP;
	fake_fail(&bench.k, FAKE_IOCTL, VFIO_GROUP_GET_DEVICE_FD, ENODEV, 1);
	assert_refused(OPEN(), ENODEV, ADDRESS, "unbound");
	bench.opts.door = VFIOSAFE_DOOR_CDEV;
	fake_find(&bench.k, "/dev/vfio/devices/vfio3")->refuse = ENODEV;
	assert_refused(OPEN(), ENODEV, "/dev/vfio/devices/vfio3", "unbound");
}

static void a_sibling_that_is_attached_elsewhere(void **state)
{
	(void)state;
	bench.opts.door = VFIOSAFE_DOOR_CDEV;
	fake_fail(&bench.k, FAKE_IOCTL, VFIO_DEVICE_ATTACH_IOMMUFD_PT, EINVAL, 1);
	assert_refused(OPEN(), EINVAL, ADDRESS, "iommu_of");
}

static void sysfs_that_makes_no_sense(void **state)
{
	(void)state;
	bench.opts.door = VFIOSAFE_DOOR_GROUP;
	fake_put(&bench.k, FAKE_LINK, "../iommu_groups/seven", DEVICE "/iommu_group");
	assert_refused(OPEN(), EBADMSG, "seven", "no group number");
	fake_put(&bench.k, FAKE_LINK, "../iommu_groups/", DEVICE "/iommu_group");
	assert_refused(OPEN(), EBADMSG, "no group number");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, bench_setup, bench_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_function_that_does_not_exist),
		TEST(a_function_bound_to_another_driver),
		TEST(a_function_bound_to_no_driver),
		TEST(a_variant_driver_is_a_vfio_driver),
		TEST(a_function_without_an_iommu),
		TEST(a_group_that_a_sibling_blocks),
		TEST(bridges_and_unbound_siblings_block_nothing),
		TEST(many_blockers_are_named_as_far_as_there_is_room),
		TEST(dma_owned_by_somebody_else),
		TEST(interrupts_that_are_not_isolated_at_the_group_door),
		TEST(the_second_function_of_a_group_without_iommu_of),
		TEST(a_device_that_is_open_by_its_group),
		TEST(a_device_that_is_open_by_its_cdev),
		TEST(nodes_without_permission_are_named),
		TEST(a_kernel_without_dev_iommu),
		TEST(a_kernel_without_the_cdev_door),
		TEST(a_kernel_without_the_group_door),
		TEST(a_kernel_without_type1),
		TEST(contention_that_does_not_end),
		TEST(a_node_that_is_another_device),
		TEST(a_virtual_function_that_wants_its_token),
		TEST(a_function_that_is_being_unbound),
		TEST(a_sibling_that_is_attached_elsewhere),
		TEST(sysfs_that_makes_no_sense),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* The simulated device by its address: sysfs, the device node, bind and attach. */
#include "sim_door_rig.h"

#include <sys/wait.h>

static struct rig the_rig; /* of the simulation; the program's is in a door */
static int iommu;

static int setup(void **state)
{
	struct vfiosafe_sim_opts opts = { .size = sizeof(opts), .window_us = 1 };

	assert_int_equal(vfiosafe_sim_open(&the_rig.sim, "sim:reg", &opts), 0);
	the_rig.sys = vfiosafe_sim_sys(the_rig.sim);
	iommu = door_open(&the_rig, "/dev/iommu");
	assert_true(iommu >= 0);
	*state = &the_rig;
	return 0;
}

static int teardown(void **state)
{
	struct rig *rig = *state;

	assert_int_equal(door_close(rig, iommu), 0);
	vfiosafe_sim_close(rig->sim);
	return 0;
}

static void sysfs_leads_to_the_device_node(void **state)
{
	struct rig *rig = *state;
	char node[32], group[32], path[64], text[32], want[32];
	uint64_t rdev = 0;
	int fd = door_open_node(rig);

	door_names(rig, node, group, sizeof(node));
	snprintf(path, sizeof(path), "vfio-dev/%s/dev", node);
	assert_int_equal(door_text(rig, path, text, sizeof(text)), 0);
	assert_int_equal(rig->sys->rdev(rig->sys->ctx, fd, &rdev), 0);
	snprintf(want, sizeof(want), "%u:%u", (unsigned int)(rdev >> 8) & 0xfff,
		 (unsigned int)((rdev & 0xff) | ((rdev >> 12) & 0xfff00)));
	assert_string_equal(text, want);
	assert_int_equal(door_text(rig, "vendor", text, sizeof(text)), 0);
	assert_string_equal(text, "0x1af4");
	assert_int_equal(door_text(rig, "reset_method", text, sizeof(text)), 0);
	assert_string_equal(text, "flr pm");
	assert_int_equal(door_text(rig, "sriov_numvfs", text, sizeof(text)), -ENOENT);
	assert_int_equal(door_close(rig, fd), 0);
}

static void sysfs_names_driver_and_group(void **state)
{
	struct rig *rig = *state;
	const struct vfiosafe_sys *sys = rig->sys;
	const char *address = vfiosafe_sim_address(rig->sim);
	char path[128], text[64];
	uint64_t position = 0;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/driver", address);
	assert_int_equal(sys->readlink(sys->ctx, path, text, sizeof(text)), 0);
	assert_string_equal(strrchr(text, '/'), "/vfio-pci");
	assert_int_equal(sys->readlink(sys->ctx, path, text, 8), -ENAMETOOLONG);
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/physfn", address);
	assert_int_equal(sys->readlink(sys->ctx, path, text, sizeof(text)), -ENOENT);
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/iommu_group/devices",
		 address);
	assert_int_equal(sys->dir_names(sys->ctx, path, &position, text, 4),
			 -ENAMETOOLONG);
	assert_int_equal(sys->dir_names(sys->ctx, path, &position, text, sizeof(text)),
			 1);
	assert_string_equal(text, address);
	assert_int_equal(sys->dir_names(sys->ctx, path, &position, text, sizeof(text)),
			 0);
}

static void two_devices_have_two_addresses(void **state)
{
	struct rig *rig = *state;
	struct vfiosafe_sim *other = NULL;

	assert_int_equal(vfiosafe_sim_open(&other, "sim:reg", NULL), 0);
	assert_string_not_equal(vfiosafe_sim_address(other),
				vfiosafe_sim_address(rig->sim));
	vfiosafe_sim_close(other);
}

static void other_paths_are_the_real_ones(void **state)
{
	struct rig *rig = *state;
	char text[64];

	assert_int_equal(door_open(rig, "/sys/bus/pci/devices/5afe:ff:1f.7/vendor"),
			 -ENOENT);
	assert_int_equal(rig->sys->readlink(rig->sys->ctx, "/proc/self", text, 64), 0);
	assert_int_equal(atoi(text), getpid());
	assert_true(door_name(rig, "/proc/self/task", text, 64) >= 1);
}

static void nothing_goes_before_the_device_is_bound(void **state)
{
	struct rig *rig = *state;
	struct vfio_device_info info = { .argsz = sizeof(info) };
	void *addr = NULL;
	uint32_t value;
	int fd = door_open_node(rig);
	const struct vfiosafe_sys *sys = rig->sys;

	assert_int_equal(door_ioctl(rig, fd, VFIO_DEVICE_GET_INFO, &info), -EINVAL);
	assert_int_equal(sys->pread(sys->ctx, fd, &value, 4, 0), -EINVAL);
	assert_int_equal(sys->pwrite(sys->ctx, fd, &value, 4, 0), -EINVAL);
	assert_int_equal(sys->mmap(sys->ctx, &addr, 4096, PROT_READ, MAP_SHARED, fd, 0),
			 -EINVAL);
	assert_int_equal(door_bind(rig, fd, iommu), 0);
	assert_int_equal(door_ioctl(rig, fd, VFIO_DEVICE_GET_INFO, &info), 0);
	assert_int_equal(sys->pread(sys->ctx, fd, &value, 4, 0), 4);
	assert_int_equal(value, VFIOSAFE_SIM_ID);
	assert_int_equal(door_close(rig, fd), 0);
}

static void bind_refuses_what_the_kernel_refuses(void **state)
{
	struct rig *rig = *state;
	struct vfio_device_bind_iommufd bind = { .argsz = 15, .iommufd = iommu };
	int fd = door_open_node(rig);
	int second = door_open_node(rig);

	assert_int_equal(door_ioctl(rig, fd, VFIO_DEVICE_BIND_IOMMUFD, &bind), -EINVAL);
	bind = (struct vfio_device_bind_iommufd){ sizeof(bind), 1, iommu, 0, 0 };
	assert_int_equal(door_ioctl(rig, fd, VFIO_DEVICE_BIND_IOMMUFD, &bind), -EINVAL);
	assert_int_equal(door_bind(rig, fd, -1), -EINVAL);
	assert_int_equal(door_bind(rig, fd, 12345), -EBADF);
	assert_int_equal(door_bind(rig, fd, fd), -EBADFD);
	assert_int_equal(door_bind(rig, fd, iommu), 0);
	assert_int_equal(door_bind(rig, fd, iommu), -EINVAL);
	/* one owner */
	assert_int_equal(door_bind(rig, second, iommu), -EINVAL);
	assert_int_equal(door_close(rig, fd), 0);
	assert_int_equal(door_bind(rig, second, iommu), 0);
	assert_int_equal(door_close(rig, second), 0);
}

static void attach_wants_an_address_space_of_the_same_iommufd(void **state)
{
	struct rig *rig = *state;
	struct vfio_device_attach_iommufd_pt attach = { .argsz = sizeof(attach),
							.flags = 1 };
	struct vfio_device_detach_iommufd_pt detach = { .argsz = sizeof(detach) };
	int fd = door_open_node(rig);
	int other = door_open(rig, "/dev/iommu");
	uint32_t ioas, foreign;

	assert_int_equal(door_ioas_alloc(rig, iommu, &ioas), 0);
	assert_int_equal(door_ioas_alloc(rig, other, &foreign), 0);
	assert_int_equal(door_attach(rig, fd, ioas), -EINVAL);
	assert_int_equal(door_bind(rig, fd, iommu), 0);
	assert_int_equal(door_attach(rig, fd, foreign), -ENOENT);
	assert_int_equal(door_ioctl(rig, fd, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &attach),
			 -EOPNOTSUPP);
	assert_int_equal(door_attach(rig, fd, ioas), 0);
	assert_int_equal(door_attach(rig, fd, ioas), 0);
	assert_int_equal(door_ioctl(rig, fd, VFIO_DEVICE_DETACH_IOMMUFD_PT, &detach), 0);
	assert_int_equal(door_close(rig, fd), 0);
	assert_int_equal(door_close(rig, other), 0);
}

static void open_fails_when_told_to_and_when_contended(void **state)
{
	struct rig *rig = *state;
	int fd = door_open_node(rig);

	vfiosafe_sim_fail(rig->sim, VFIOSAFE_SIM_CALL_OPEN, EPERM, 1);
	assert_int_equal(door_bind(rig, fd, iommu), -EPERM);
	assert_int_equal(vfiosafe_sim_set(rig->sim, VFIOSAFE_SIM_SET_CONTENTION, 100), 0);
	assert_int_equal(door_bind(rig, fd, iommu), -EAGAIN);
	assert_int_equal(vfiosafe_sim_set(rig->sim, VFIOSAFE_SIM_SET_CONTENTION, 0), 0);
	assert_int_equal(door_bind(rig, fd, iommu), 0);
	assert_int_equal(door_close(rig, fd), 0);
}

/* As vfio-pci does; the resets are not counted. */
static void the_last_close_gives_a_fresh_device_to_the_next(void **state)
{
	struct door door;
	struct rig *rig = &door.rig;
	int event = new_eventfd();
	uint32_t value = 7;

	(void)state;
	door_by_node(&door, the_rig.sim);
	rig_bus_master(rig, true);
	assert_int_equal(rig_set_fd(rig, VFIO_PCI_MSIX_IRQ_INDEX, 0, event), 0);
	assert_int_equal(rig_write(rig, VFIOSAFE_SIM_REG_HOLD, &value, 4), 4);
	vfiosafe_sim_aer(rig->sim, true);
	door_leave(&door);
	door_by_node(&door, the_rig.sim);
	assert_int_equal(config_get16(rig, PCI_COMMAND),
			 PCI_COMMAND_IO | PCI_COMMAND_MEMORY);
	assert_int_equal(rig_read(rig, VFIOSAFE_SIM_REG_HOLD, &value, 4), 4);
	assert_int_equal(value, 0);
	assert_int_equal(rig_irqs_off(rig, VFIO_PCI_MSIX_IRQ_INDEX), -EINVAL);
	assert_int_equal(rig_counts(rig).resets, 1);
	door_leave(&door);
	close(event);
}

static void what_is_held_is_known(void **state)
{
	struct door door;
	struct rig *rig = &door.rig;
	int copy;

	(void)state;
	assert_int_equal(door_held(&the_rig).fds, 0);
	door_by_node(&door, the_rig.sim);
	copy = dup(rig->fd);
	rig->bar = rig_map_bar(rig, PROT_READ);
	assert_int_equal(door_held(rig).fds, 2);
	assert_int_equal(door_held(rig).mappings, 1);
	assert_int_equal(close(copy), 0);
	assert_int_equal(door_held(rig).fds, 1);
	rig_unmap(rig, rig->bar, BAR0_LEN);
	assert_int_equal(door_held(rig).mappings, 0);
	door_leave(&door);
	assert_int_equal(door_held(&the_rig).fds, 0);
}

static void dup_onto_the_fd_gives_the_device_back(void **state)
{
	struct door door;
	struct rig *rig = &door.rig;
	int dead = new_eventfd();
	int again;

	(void)state;
	door_by_node(&door, the_rig.sim);
	assert_int_equal(rig->sys->dup_onto(rig->sys->ctx, dead, rig->fd), rig->fd);
	assert_int_equal(door_held(rig).fds, 0);
	again = door_open_node(rig);
	assert_int_equal(door_bind(rig, again, door.iommu), 0);
	assert_int_equal(door_close(rig, again), 0);
	door_leave(&door);
	close(dead);
}

static void a_mapping_keeps_the_device_open(void **state)
{
	struct door door;
	struct rig *rig = &door.rig;
	int fd;

	(void)state;
	door_by_node(&door, the_rig.sim);
	rig->bar = rig_map_bar(rig, PROT_READ | PROT_WRITE);
	*reg32(rig->bar, VFIOSAFE_SIM_REG_HOLD) = 7;
	assert_int_equal(door_close(rig, rig->fd), 0);
	assert_int_equal(*reg32(rig->bar, VFIOSAFE_SIM_REG_HOLD), 7);
	fd = door_open_node(rig);
	assert_int_equal(door_bind(rig, fd, door.iommu), -EINVAL);
	rig_unmap(rig, rig->bar, BAR0_LEN);
	assert_int_equal(door_bind(rig, fd, door.iommu), 0);
	rig->fd = fd;
	door_leave(&door);
}

static void a_child_that_inherited_the_fd_keeps_it_open(void **state)
{
	struct door door;
	struct rig *rig = &door.rig;
	int go[2];
	pid_t child;
	int fd;

	(void)state;
	door_by_node(&door, the_rig.sim);
	assert_int_equal(pipe(go), 0);
	child = fork();
	if (child == 0) {
		char byte;

		close(go[1]);
		_exit(read(go[0], &byte, 1) != 0);
	}
	close(go[0]);
	assert_int_equal(door_close(rig, rig->fd), 0);
	assert_int_equal(door_held(rig).fds, 1);
	fd = door_open_node(rig);
	assert_int_equal(door_bind(rig, fd, door.iommu), -EINVAL);
	close(go[1]);
	assert_int_equal(waitpid(child, NULL, 0), child);
	assert_int_equal(door_bind(rig, fd, door.iommu), 0);
	rig->fd = fd;
	door_leave(&door);
}

static void a_device_that_is_wanted_back_is_not_opened_again(void **state)
{
	struct rig *rig = *state;
	char node[32], group[32], path[128], text[32];
	int fd = door_open_node(rig);

	door_names(rig, node, group, sizeof(node));
	vfiosafe_sim_request_release(rig->sim);
	assert_int_equal(door_bind(rig, fd, iommu), -EAGAIN);
	assert_int_equal(door_close(rig, fd), 0);
	snprintf(path, sizeof(path), "/dev/vfio/devices/%s", node);
	assert_int_equal(door_open(rig, path), -ENOENT);
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/vfio-dev",
		 vfiosafe_sim_address(rig->sim));
	assert_int_equal(door_name(rig, path, text, sizeof(text)), -ENOENT);
}

static const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	TEST(sysfs_leads_to_the_device_node),
	TEST(sysfs_names_driver_and_group),
	TEST(two_devices_have_two_addresses),
	TEST(other_paths_are_the_real_ones),
	TEST(nothing_goes_before_the_device_is_bound),
	TEST(bind_refuses_what_the_kernel_refuses),
	TEST(attach_wants_an_address_space_of_the_same_iommufd),
	TEST(open_fails_when_told_to_and_when_contended),
	TEST(the_last_close_gives_a_fresh_device_to_the_next),
	TEST(what_is_held_is_known),
	TEST(dup_onto_the_fd_gives_the_device_back),
	TEST(a_mapping_keeps_the_device_open),
	TEST(a_child_that_inherited_the_fd_keeps_it_open),
	TEST(a_device_that_is_wanted_back_is_not_opened_again),
};

int main(void)
{
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* What the simulated device says of itself: device, regions, interrupts. */
#include "sim_rig.h"

static int setup(void **state)
{
	static struct rig rig;

	rig_open(&rig, VFIOSAFE_SIM_ALL_ONES, 0, 0);
	*state = &rig;
	return 0;
}

static int teardown(void **state)
{
	rig_close(*state);
	return 0;
}

static void device_info_names_nine_regions_and_five_irqs(void **state)
{
	struct vfio_device_info info = { .argsz = sizeof(info) };

	assert_int_equal(rig_ioctl(*state, VFIO_DEVICE_GET_INFO, &info), 0);
	assert_int_equal(info.flags, VFIO_DEVICE_FLAGS_PCI | VFIO_DEVICE_FLAGS_RESET);
	assert_int_equal(info.num_regions, 9);
	assert_int_equal(info.num_irqs, 5);
	assert_int_equal(info.argsz, sizeof(info));
}

/* The kernel's first version of the struct: nothing beyond it may be written. */
static void device_info_minds_argsz(void **state)
{
	struct vfio_device_info info = { .argsz = 16, .cap_offset = 77 };

	assert_int_equal(rig_ioctl(*state, VFIO_DEVICE_GET_INFO, &info), 0);
	assert_int_equal(info.num_irqs, 5);
	assert_int_equal(info.cap_offset, 77);
	info.argsz = 15;
	assert_int_equal(rig_ioctl(*state, VFIO_DEVICE_GET_INFO, &info), -EINVAL);
	assert_int_equal(rig_ioctl(*state, VFIO_DEVICE_GET_INFO, NULL), -EFAULT);
}

static void region_info_says_what_each_region_is(void **state)
{
	const uint32_t rw = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
	const struct {
		uint64_t len;
		uint32_t flags;
	} expected[] = {
		{ BAR0_LEN, rw | VFIO_REGION_INFO_FLAG_MMAP },
		{ 0, 0 },
		{ 32, rw },
		{ 0, 0 },
		{ 8, rw },
		{ 4096, rw | VFIO_REGION_INFO_FLAG_MMAP | VFIO_REGION_INFO_FLAG_CAPS },
		{ 0, 0 },
		{ 256, rw },
	};

	for (uint32_t i = 0; i < 8; i++) {
		struct vfio_region_info info = { .argsz = sizeof(info), .index = i };

		assert_int_equal(rig_ioctl(*state, VFIO_DEVICE_GET_REGION_INFO, &info),
				 0);
		assert_int_equal(info.size, expected[i].len);
		assert_int_equal(info.flags, expected[i].flags);
		assert_true(info.offset == REGION(i));
	}
}

/* As the kernel: a size that is too small is told, and no error. */
static void the_bar_of_the_msix_table_says_that_all_of_it_may_be_mapped(void **state)
{
	struct {
		struct vfio_region_info info;
		struct vfio_info_cap_header cap;
	} region = { .info = { .argsz = sizeof(region.info), .index = 5 } };

	assert_int_equal(rig_ioctl(*state, VFIO_DEVICE_GET_REGION_INFO, &region), 0);
	assert_int_equal(region.info.argsz, sizeof(region));
	assert_int_equal(region.info.cap_offset, 0);
	assert_int_equal(region.cap.id, 0);
	assert_int_equal(rig_ioctl(*state, VFIO_DEVICE_GET_REGION_INFO, &region), 0);
	assert_int_equal(region.info.cap_offset, sizeof(region.info));
	assert_int_equal(region.cap.id, VFIO_REGION_INFO_CAP_MSIX_MAPPABLE);
	assert_int_equal(region.cap.next, 0);
}

static void region_info_refuses_vga_and_beyond(void **state)
{
	struct vfio_region_info info = { .argsz = sizeof(info), .index = 8 };

	assert_int_equal(rig_ioctl(*state, VFIO_DEVICE_GET_REGION_INFO, &info), -EINVAL);
	info.index = 9;
	assert_int_equal(rig_ioctl(*state, VFIO_DEVICE_GET_REGION_INFO, &info), -EINVAL);
	info = (struct vfio_region_info){ .argsz = sizeof(info) - 1 };
	assert_int_equal(rig_ioctl(*state, VFIO_DEVICE_GET_REGION_INFO, &info), -EINVAL);
}

static void irq_info_counts_vectors(void **state)
{
	static const uint32_t counts[] = { 1, 4, 16, 1, 1 };

	for (uint32_t i = 0; i < 5; i++) {
		struct vfio_irq_info info = { .argsz = sizeof(info), .index = i };

		assert_int_equal(rig_ioctl(*state, VFIO_DEVICE_GET_IRQ_INFO, &info), 0);
		assert_int_equal(info.count, counts[i]);
		assert_int_equal(!!(info.flags & VFIO_IRQ_INFO_NORESIZE),
				 i != VFIO_PCI_INTX_IRQ_INDEX &&
					 i != VFIO_PCI_MSIX_IRQ_INDEX);
		assert_true(info.flags & VFIO_IRQ_INFO_EVENTFD);
		info.argsz = 15;
		assert_int_equal(rig_ioctl(*state, VFIO_DEVICE_GET_IRQ_INFO, &info),
				 -EINVAL);
	}
	struct vfio_irq_info beyond = { .argsz = sizeof(beyond), .index = 5 };

	assert_int_equal(rig_ioctl(*state, VFIO_DEVICE_GET_IRQ_INFO, &beyond), -EINVAL);
}

static const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	TEST(device_info_names_nine_regions_and_five_irqs),
	TEST(device_info_minds_argsz),
	TEST(region_info_says_what_each_region_is),
	TEST(the_bar_of_the_msix_table_says_that_all_of_it_may_be_mapped),
	TEST(region_info_refuses_vga_and_beyond),
	TEST(irq_info_counts_vectors),
};

int main(void)
{
	return cmocka_run_group_tests(tests, NULL, NULL);
}

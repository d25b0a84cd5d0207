/* SPDX-License-Identifier: MIT */
/* DMA of the simulated device: what is mapped for it by iommufd. */
#include "sim_iommu_rig.h"

#define RW (IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_WRITEABLE)
#define FIXED IOMMU_IOAS_MAP_FIXED_IOVA

static int setup(void **state)
{
	return iommu_setup(state, false);
}

static int map(struct door *door, uint32_t flags, uint64_t *iova, const void *addr,
	       uint64_t len)
{
	struct iommu_ioas_map map = {
		.size = sizeof(map),
		.flags = flags,
		.ioas_id = door->ioas,
		.user_va = (uintptr_t)addr,
		.length = len,
		.iova = *iova,
	};
	int rc = door_ioctl(&door->rig, door->iommu, IOMMU_IOAS_MAP, &map);

	*iova = map.iova;
	return rc;
}

static int map_at(struct door *door, uint64_t iova, const void *addr, uint64_t len)
{
	return map(door, RW | FIXED, &iova, addr, len);
}

static int unmap(struct door *door, uint64_t iova, uint64_t *len)
{
	struct iommu_ioas_unmap unmap = {
		.size = sizeof(unmap),
		.ioas_id = door->ioas,
		.iova = iova,
		.length = *len,
	};
	int rc = door_ioctl(&door->rig, door->iommu, IOMMU_IOAS_UNMAP, &unmap);

	*len = unmap.length;
	return rc;
}

static int unmap_len(struct door *door, uint64_t iova, uint64_t len)
{
	return unmap(door, iova, &len);
}

static void the_device_reaches_what_is_mapped_and_nothing_else(void **state)
{
	struct door *door = *state;

	memory[PAGE / 8 + 1] = 0x1234;
	assert_int_equal(dma(&door->rig, 0x10008), VFIOSAFE_SIM_DMA_FAILED);
	assert_int_equal(map_at(door, 0x10000, memory + PAGE / 8, PAGE), 0);
	assert_int_equal(dma(&door->rig, 0x10008), 0);
	assert_true(memory[PAGE / 8 + 1] == ~0x1234ull);
	assert_int_equal(dma(&door->rig, 0x0fff8), VFIOSAFE_SIM_DMA_FAILED);
	assert_int_equal(dma(&door->rig, 0x11000), VFIOSAFE_SIM_DMA_FAILED);
	/* over the end */
	assert_int_equal(dma(&door->rig, 0x10ffc), VFIOSAFE_SIM_DMA_FAILED);
	assert_int_equal(rig_counts(&door->rig).dma_faults, 4);
	assert_int_equal(rig_counts(&door->rig).dma, 2);
	assert_int_equal(unmap_len(door, 0x10000, PAGE), 0);
	assert_int_equal(dma(&door->rig, 0x10008), VFIOSAFE_SIM_DMA_FAILED);
}

static void dma_needs_bus_mastering(void **state)
{
	struct door *door = *state;

	assert_int_equal(map_at(door, 0, memory, PAGE), 0);
	rig_bus_master(&door->rig, false);
	assert_int_equal(dma(&door->rig, 0), VFIOSAFE_SIM_DMA_FAILED);
	assert_int_equal(rig_counts(&door->rig).dma_blocked, 1);
	rig_bus_master(&door->rig, true);
	assert_int_equal(dma(&door->rig, 0), 0);
	assert_true(memory[0] == UINT64_MAX);
}

static void what_is_mapped_survives_resets(void **state)
{
	struct door *door = *state;

	assert_int_equal(map_at(door, 0, memory, PAGE), 0);
	assert_int_equal(rig_reset(&door->rig), 0);
	assert_int_equal(dma(&door->rig, 0), 0);
	vfiosafe_sim_reset_behind(door->rig.sim);
	assert_int_equal(dma(&door->rig, 0), 0);
	assert_int_equal(rig_counts(&door->rig).dma_faults, 0);
}

static void directions_are_the_device_s(void **state)
{
	struct door *door = *state;
	uint64_t iova = 0;

	assert_int_equal(map(door, IOMMU_IOAS_MAP_READABLE | FIXED, &iova, memory, PAGE),
			 0);
	assert_int_equal(dma(&door->rig, 0), VFIOSAFE_SIM_DMA_FAILED);
	assert_int_equal(rig_counts(&door->rig).dma, 1);
	assert_int_equal(unmap_len(door, 0, PAGE), 0);
	assert_int_equal(map(door, IOMMU_IOAS_MAP_WRITEABLE | FIXED, &iova, memory, PAGE),
			 0);
	assert_int_equal(dma(&door->rig, 0), VFIOSAFE_SIM_DMA_FAILED);
	assert_int_equal(rig_counts(&door->rig).dma, 1);
}

static void map_refuses_what_the_kernel_refuses(void **state)
{
	struct door *door = *state;
	uint64_t iova = 0;

	assert_int_equal(map_at(door, 0x10000, memory, 2 * PAGE), 0);
	assert_int_equal(map_at(door, 0x11000, memory, PAGE), -EEXIST);
	assert_int_equal(map_at(door, 0xf000, memory, 3 * PAGE), -EEXIST);
	assert_int_equal(map_at(door, 0x10800, memory, PAGE), -EINVAL);
	assert_int_equal(map_at(door, 0x20000, memory, PAGE / 2), -EINVAL);
	assert_int_equal(map_at(door, 0x20000, memory + 1, PAGE), -EINVAL);
	assert_int_equal(map_at(door, 0x20000, memory, 0), -EINVAL);
	assert_int_equal(map_at(door, 0xfee00000, memory, PAGE), -EINVAL);
	assert_int_equal(map_at(door, 0xfedff000, memory, 2 * PAGE), -EINVAL);
	assert_int_equal(map_at(door, 1ull << 39, memory, PAGE), -EINVAL);
	assert_int_equal(map_at(door, UINT64_MAX - PAGE + 1, memory, 2 * PAGE),
			 -EOVERFLOW);
	assert_int_equal(map(door, FIXED, &iova, memory, PAGE), -EINVAL);
	assert_int_equal(map(door, RW | FIXED | 8, &iova, memory, PAGE), -EOPNOTSUPP);
	door->ioas += 1000;
	assert_int_equal(map_at(door, 0x20000, memory, PAGE), -ENOENT);
	door->ioas -= 1000;
	vfiosafe_sim_fail(door->rig.sim, VFIOSAFE_SIM_CALL_MAP, ENOMEM, 1);
	assert_int_equal(map_at(door, 0x20000, memory, PAGE), -ENOMEM);
	assert_int_equal(map_at(door, 0x20000, memory, PAGE), 0);
	assert_int_equal(door_held(&door->rig).iovas, 2);
}

static void memory_that_is_not_there_is_efault(void **state)
{
	struct door *door = *state;
	uint64_t iova = 0;

	assert_int_equal(munmap(memory + 3 * PAGE / 8, PAGE), 0);
	assert_int_equal(map_at(door, 0, memory, 4 * PAGE), -EFAULT);
	assert_int_equal(mprotect(memory, PAGE, PROT_READ), 0);
	assert_int_equal(map_at(door, 0, memory, PAGE), -EFAULT);
	assert_int_equal(map(door, IOMMU_IOAS_MAP_READABLE | FIXED, &iova, memory, PAGE),
			 0);
	/* a BAR is no memory */
	assert_int_equal(map_at(door, 0x10000, door->rig.bar, PAGE), -EFAULT);
}

static void memory_that_goes_away_faults_in_the_device_only(void **state)
{
	struct door *door = *state;

	assert_int_equal(map_at(door, 0, memory, PAGE), 0);
	/* nothing else may come to lie there */
	assert_ptr_equal(mmap(memory, 4 * PAGE, PROT_NONE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0),
			 memory);
	assert_int_equal(dma(&door->rig, 0), VFIOSAFE_SIM_DMA_FAILED);
	assert_int_equal(rig_counts(&door->rig).dma_faults, 1);
}

static void unmap_takes_whole_ranges(void **state)
{
	struct door *door = *state;
	uint64_t len = 4 * PAGE;

	assert_int_equal(unmap_len(door, 0, PAGE), -ENOENT);
	assert_int_equal(map_at(door, 0x10000, memory, 2 * PAGE), 0);
	assert_int_equal(map_at(door, 0x12000, memory, PAGE), 0);
	assert_int_equal(unmap_len(door, 0x10000, PAGE), -ENOENT);
	assert_int_equal(unmap_len(door, 0x11000, PAGE), -ENOENT);
	assert_int_equal(unmap_len(door, 0x10000, 0), -EINVAL);
	/* a whole one, and half of the next */
	assert_int_equal(map_at(door, 0xf000, memory, PAGE), 0);
	assert_int_equal(unmap_len(door, 0xf000, 2 * PAGE), -ENOENT);
	assert_int_equal(unmap(door, 0xf000, &len), 0);
	assert_int_equal(len, 3 * PAGE);
	assert_int_equal(map_at(door, 0x10000, memory, PAGE), 0);
	len = UINT64_MAX;
	vfiosafe_sim_fail(door->rig.sim, VFIOSAFE_SIM_CALL_UNMAP, EBUSY, 1);
	assert_int_equal(unmap(door, 0, &len), -EBUSY);
	assert_int_equal(unmap(door, 0, &len), 0);
	assert_int_equal(len, PAGE);
}

static void the_kernel_finds_a_place(void **state)
{
	struct door *door = *state;
	uint64_t first = 0, second = 0;

	assert_int_equal(map(door, RW, &first, memory, 4 * PAGE), 0);
	assert_int_equal(map(door, RW, &second, memory, PAGE), 0);
	assert_int_equal(first % (4 * PAGE), 0);
	assert_true(first > 0 && second > 0);
	assert_true(second + PAGE <= first || second >= first + 4 * PAGE);
	assert_int_equal(dma(&door->rig, first + 3 * PAGE), 0);
	assert_int_equal(dma(&door->rig, second), 0);
	assert_true(memory[0] == UINT64_MAX && memory[3 * PAGE / 8] == UINT64_MAX);
}

static void ranges_tell_what_is_reserved(void **state)
{
	struct door *door = *state;
	struct iommu_iova_range range[4];
	struct iommu_ioas_iova_ranges ask = {
		.size = sizeof(ask),
		.ioas_id = door->ioas,
		.num_iovas = 1,
		.allowed_iovas = (uintptr_t)range,
	};
	struct rig *rig = &door->rig;

	assert_int_equal(door_ioctl(rig, door->iommu, IOMMU_IOAS_IOVA_RANGES, &ask),
			 -EMSGSIZE);
	assert_int_equal(ask.num_iovas, 2);
	assert_int_equal(door_ioctl(rig, door->iommu, IOMMU_IOAS_IOVA_RANGES, &ask), 0);
	assert_true(range[0].start == 0 && range[0].last == 0xfedfffff);
	assert_true(range[1].start == 0xfef00000 && range[1].last == (1ull << 39) - 1);
	assert_int_equal(ask.out_iova_alignment, PAGE);
	/* without a device, nothing is */
	assert_int_equal(door_ioas_alloc(rig, door->iommu, &ask.ioas_id), 0);
	ask.num_iovas = 4;
	assert_int_equal(door_ioctl(rig, door->iommu, IOMMU_IOAS_IOVA_RANGES, &ask), 0);
	assert_int_equal(ask.num_iovas, 1);
	assert_true(range[0].last == UINT64_MAX);
}

static void a_conflict_with_what_is_reserved_shows_at_attach(void **state)
{
	struct door *door = *state;
	uint32_t first = door->ioas;

	assert_int_equal(door_ioas_alloc(&door->rig, door->iommu, &door->ioas), 0);
	assert_int_equal(map_at(door, 0xfee00000, memory, PAGE), 0);
	assert_int_equal(door_attach(&door->rig, door->rig.fd, door->ioas), -EADDRINUSE);
	assert_int_equal(unmap_len(door, 0xfee00000, PAGE), 0);
	assert_int_equal(map_at(door, 0, memory, PAGE), 0);
	assert_int_equal(dma(&door->rig, 0), VFIOSAFE_SIM_DMA_FAILED);
	assert_int_equal(door_attach(&door->rig, door->rig.fd, door->ioas), 0);
	assert_int_equal(dma(&door->rig, 0), 0);
	door->ioas = first;
}

static void a_file_is_mapped_and_outlives_its_fd(void **state)
{
	struct door *door = *state;
	int fd = memfd_create("dma", MFD_CLOEXEC);
	struct iommu_ioas_map_file map = {
		.size = sizeof(map),
		.flags = RW | FIXED,
		.ioas_id = door->ioas,
		.fd = 12345,
		.start = PAGE,
		.length = PAGE,
		.iova = 0x10000,
	};
	uint64_t *view;
	struct rig *rig = &door->rig;

	assert_int_equal(ftruncate(fd, 2 * PAGE), 0);
	view = mmap(NULL, 2 * PAGE, PROT_READ, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(view, MAP_FAILED);
	assert_int_equal(door_ioctl(rig, door->iommu, IOMMU_IOAS_MAP_FILE, &map), -EBADF);
	map.fd = fd;
	assert_int_equal(door_ioctl(rig, door->iommu, IOMMU_IOAS_MAP_FILE, &map), 0);
	close(fd);
	assert_int_equal(dma(rig, 0x10010), 0);
	assert_true(view[PAGE / 8 + 2] == UINT64_MAX);
	munmap(view, 2 * PAGE);
	assert_int_equal(unmap_len(door, 0x10000, PAGE), 0);
}

static void beyond_the_memlock_limit_is_enomem(void **state)
{
	struct door *door = *state;
	const struct vfiosafe_sys *sys = door->rig.sys;
	uint64_t limit = 0;

	assert_int_equal(
		vfiosafe_sim_set(door->rig.sim, VFIOSAFE_SIM_SET_MEMLOCK, 2 * PAGE), 0);
	assert_int_equal(sys->memlock_limit(sys->ctx, &limit), 0);
	assert_int_equal(limit, 2 * PAGE);
	assert_int_equal(map_at(door, 0, memory, 3 * PAGE), -ENOMEM);
	assert_int_equal(map_at(door, 0, memory, PAGE), 0);
	assert_int_equal(map_at(door, 0x10000, memory, PAGE), 0);
	assert_int_equal(map_at(door, 0x20000, memory, PAGE), -ENOMEM);
	assert_int_equal(unmap_len(door, 0, PAGE), 0);
	assert_int_equal(map_at(door, 0x20000, memory, PAGE), 0);
}

static const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, iommu_teardown)
	TEST(the_device_reaches_what_is_mapped_and_nothing_else),
	TEST(dma_needs_bus_mastering),
	TEST(what_is_mapped_survives_resets),
	TEST(directions_are_the_device_s),
	TEST(map_refuses_what_the_kernel_refuses),
	TEST(memory_that_is_not_there_is_efault),
	TEST(memory_that_goes_away_faults_in_the_device_only),
	TEST(unmap_takes_whole_ranges),
	TEST(the_kernel_finds_a_place),
	TEST(ranges_tell_what_is_reserved),
	TEST(a_conflict_with_what_is_reserved_shows_at_attach),
	TEST(a_file_is_mapped_and_outlives_its_fd),
	TEST(beyond_the_memlock_limit_is_enomem),
};

int main(void)
{
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* DMA of the simulated device: what is mapped for it in a container. */
#include "sim_iommu_rig.h"

#define RW (VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE)

static int setup(void **state)
{
	return iommu_setup(state, true);
}

static int map_dma(struct door *door, uint32_t flags, uint64_t iova, const void *addr,
		   uint64_t len)
{
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map),
		.flags = flags,
		.vaddr = (uintptr_t)addr,
		.iova = iova,
		.size = len,
	};

	return door_ioctl(&door->rig, door->iommu, VFIO_IOMMU_MAP_DMA, &map);
}

static int unmap_dma(struct door *door, uint32_t flags, uint64_t iova, uint64_t *len)
{
	struct vfio_iommu_type1_dma_unmap unmap = {
		.argsz = sizeof(unmap),
		.flags = flags,
		.iova = iova,
		.size = *len,
	};
	int rc = door_ioctl(&door->rig, door->iommu, VFIO_IOMMU_UNMAP_DMA, &unmap);

	*len = unmap.size;
	return rc;
}

static void type1_maps_too(void **state)
{
	struct door *door = *state;

	assert_int_equal(map_dma(door, RW, 0x10000, memory, PAGE), 0);
	assert_int_equal(dma(&door->rig, 0x10000), 0);
	assert_true(memory[0] == UINT64_MAX);
	assert_int_equal(map_dma(door, RW, 0x10000, memory, PAGE), -EEXIST);
	assert_int_equal(map_dma(door, 0, 0x20000, memory, PAGE), -EINVAL);
	assert_int_equal(map_dma(door, RW, 0x20800, memory, PAGE), -EINVAL);
	assert_int_equal(map_dma(door, RW, 0xfee00000, memory, PAGE), -EINVAL);
	assert_int_equal(map_dma(door, RW, 0x20000, (void *)PAGE, PAGE), -EFAULT);
	assert_int_equal(vfiosafe_sim_set(door->rig.sim, VFIOSAFE_SIM_SET_MEMLOCK, PAGE),
			 0);
	assert_int_equal(map_dma(door, RW, 0x20000, memory, PAGE), -ENOMEM);
}

/* Nothing there: success, and 0 bytes; half of something: an error. */
static void type1_unmaps_by_its_own_rules(void **state)
{
	struct door *door = *state;
	uint64_t len = PAGE;

	assert_int_equal(unmap_dma(door, 0, 0, &len), 0);
	assert_int_equal(len, 0);
	assert_int_equal(map_dma(door, RW, 0x10000, memory, 2 * PAGE), 0);
	assert_int_equal(map_dma(door, RW, 0x20000, memory, PAGE), 0);
	len = PAGE;
	assert_int_equal(unmap_dma(door, 0, 0x10000, &len), -EINVAL);
	assert_int_equal(unmap_dma(door, 0, 0x11000, &len), -EINVAL);
	len = 2 * PAGE;
	assert_int_equal(unmap_dma(door, 0, 0x10000, &len), 0);
	assert_int_equal(len, 2 * PAGE);
	len = 0;
	assert_int_equal(unmap_dma(door, VFIO_DMA_UNMAP_FLAG_ALL, 0, &len), 0);
	assert_int_equal(len, PAGE);
}

static void type1_tells_ranges_in_a_capability(void **state)
{
	struct door *door = *state;
	union {
		struct vfio_iommu_type1_info info;
		uint8_t room[256];
	} ask = { .info = { .argsz = sizeof(ask.info) } };
	const struct vfio_iommu_type1_info_cap_iova_range *cap;
	const struct vfio_info_cap_header *header;
	struct rig *rig = &door->rig;
	uint32_t at;

	assert_int_equal(door_ioctl(rig, door->iommu, VFIO_IOMMU_GET_INFO, &ask), 0);
	assert_int_equal(ask.info.cap_offset, 0);
	assert_in_range(ask.info.argsz, sizeof(ask.info) + 1, sizeof(ask));
	assert_int_equal(door_ioctl(rig, door->iommu, VFIO_IOMMU_GET_INFO, &ask), 0);
	assert_true(ask.info.iova_pgsizes & PAGE);
	for (at = ask.info.cap_offset; at; at = header->next) {
		header = (const void *)(ask.room + at);
		if (header->id == VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE)
			break;
	}
	assert_int_not_equal(at, 0);
	cap = (const void *)(ask.room + at);
	assert_int_equal(cap->nr_iovas, 2);
	assert_true(cap->iova_ranges[0].end == 0xfedfffff);
	assert_true(cap->iova_ranges[1].start == 0xfef00000);
}

static const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, iommu_teardown)
	TEST(type1_maps_too),
	TEST(type1_unmaps_by_its_own_rules),
	TEST(type1_tells_ranges_in_a_capability),
};

int main(void)
{
	return cmocka_run_group_tests(tests, NULL, NULL);
}

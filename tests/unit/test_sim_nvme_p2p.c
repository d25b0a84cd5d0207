/* SPDX-License-Identifier: MIT */
/* An NVMe controller reads from its disk into another device's BAR, and writes from it.
 */
#include "sim_nvme_rig.h"

#define MEM 0x9000u /* of the other's BAR 0: plain memory */
#define LEN (4 * PAGE)
#define PEER 0x800000u /* where the controller has it */

struct export_arg {
	uint32_t argsz, feature; /* struct vfio_device_feature */
	uint32_t bar, open_flags, flags, count;
	uint64_t offset, len;
};

static int export(const struct rig *rig)
{
	struct export_arg arg = {
		.argsz = sizeof(arg),
		.feature = VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_DMA_BUF,
		.open_flags = O_RDWR | O_CLOEXEC,
		.count = 1,
		.offset = MEM,
		.len = LEN,
	};

	return rig_ioctl(rig, VFIO_DEVICE_FEATURE, &arg);
}

static void map_peer(const struct nvme *nvme, int fd)
{
	struct iommu_ioas_map_file map = {
		.size = sizeof(map),
		.flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE |
			 IOMMU_IOAS_MAP_WRITEABLE,
		.ioas_id = nvme->door.ioas,
		.fd = fd,
		.length = LEN,
		.iova = PEER,
	};

	assert_int_equal(
		door_ioctl(&nvme->door.rig, nvme->door.iommu, IOMMU_IOAS_MAP_FILE, &map),
		0);
}

static void unmap_peer(const struct nvme *nvme)
{
	struct iommu_ioas_unmap unmap = { .size = sizeof(unmap),
					  .ioas_id = nvme->door.ioas,
					  .iova = PEER,
					  .length = LEN };

	assert_int_equal(
		door_ioctl(&nvme->door.rig, nvme->door.iommu, IOMMU_IOAS_UNMAP, &unmap),
		0);
}

/* Two pages of blocks, to or from the other device; the status. */
static uint32_t rw_peer(struct nvme *nvme, bool write, uint64_t at)
{
	struct command command = nvme_rw(nvme, write, 0, 16, DATA);

	command.prp[0] = PEER + at;
	command.prp[1] = PEER + at + PAGE;
	return nvme_run(nvme, 1, command);
}

static uint8_t byte_of(uint32_t i, uint32_t round)
{
	return (uint8_t)(i * 7 + i / 256 + round + 1);
}

static void to_disk(struct nvme *nvme, uint32_t round)
{
	for (uint32_t i = 0; i < 2 * PAGE; i++)
		nvme->memory[DATA + i] = byte_of(i, round);
	assert_int_equal(nvme_run(nvme, 1, nvme_rw(nvme, true, 0, 16, DATA)), 0);
}

/* Of the BAR: the two pages at @at are the disk's, the rest is 0. */
static void check_bar(const struct rig *rig, uint64_t at, uint32_t round)
{
	const volatile uint8_t *mem = (const volatile uint8_t *)rig->bar + MEM;
	unsigned int wrong = 0;

	for (uint32_t i = 0; i < LEN; i++) {
		bool inside = i >= at && i < at + 2 * PAGE;

		wrong += mem[i] != (inside ? byte_of(i - (uint32_t)at, round) : 0);
	}
	assert_int_equal(wrong, 0);
}

static void a_disk_is_read_into_another_device(void **state)
{
	struct nvme nvme;
	struct rig peer;
	int fd;

	(void)state;
	nvme_open(&nvme, (struct vfiosafe_sim_opts){ 0 });
	nvme_start(&nvme);
	rig_open(&peer, VFIOSAFE_SIM_ALL_ONES, 1, 0);
	fd = export(&peer);
	assert_true(fd >= 0);
	for (uint32_t round = 0; round < 50; round++) {
		map_peer(&nvme, fd);
		to_disk(&nvme, round);
		assert_int_equal(rw_peer(&nvme, false, PAGE), 0);
		check_bar(&peer, PAGE, round);
		/* And back. */
		assert_int_equal(rw_peer(&nvme, true, PAGE), 0);
		assert_int_equal(rw_peer(&nvme, false, 0), 0);
		assert_int_equal(rw_peer(&nvme, false, PAGE), 0);
		/* The other one is reset: nothing more arrives. */
		assert_int_equal(rig_reset(&peer), 0);
		assert_int_equal(rw_peer(&nvme, false, PAGE), 4);
		unmap_peer(&nvme);
		map_peer(&nvme, fd);
		assert_int_equal(rw_peer(&nvme, false, 2 * PAGE), 0);
		check_bar(&peer, 2 * PAGE, round);
		/* A reset of the controller leaves its address space alone. */
		assert_int_equal(rig_reset(&nvme.door.rig), 0);
		nvme_start(&nvme);
		assert_int_equal(rw_peer(&nvme, false, 2 * PAGE), 0);
		check_bar(&peer, 2 * PAGE, round);
		unmap_peer(&nvme);
		assert_int_equal(rig_reset(&peer), 0);
	}
	assert_int_equal(rig_counts(&nvme.door.rig).dma_faults, 50);
	close(fd);
	assert_int_equal(door_held(&peer).dmabufs, 0);
	rig_close(&peer);
	nvme_close(&nvme);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_disk_is_read_into_another_device),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

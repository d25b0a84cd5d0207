/* SPDX-License-Identifier: MIT */
/* Windows of a simulated device that others import from: what they revoke. */
#include "sim_dmabuf_pair.h"

static void by_reset(const struct rig *rig)
{
	assert_int_equal(rig_reset(rig), 0);
}

static void by_refused_reset(const struct rig *rig)
{
	vfiosafe_sim_fail(rig->sim, VFIOSAFE_SIM_CALL_RESET, EAGAIN, 1);
	assert_int_equal(rig_reset(rig), -EAGAIN);
}

static void by_reset_without_a_method(const struct rig *rig)
{
	assert_int_equal(vfiosafe_sim_set(rig->sim, VFIOSAFE_SIM_SET_NO_RESET_METHOD, 1),
			 0);
	assert_int_equal(rig_reset(rig), -ENOTTY);
	assert_int_equal(vfiosafe_sim_set(rig->sim, VFIOSAFE_SIM_SET_NO_RESET_METHOD, 0),
			 0);
}

static void by_flr(const struct rig *rig)
{
	uint32_t at = 0x50 + PCI_EXP_DEVCTL;

	config_set16(rig, at, config_get16(rig, at) | PCI_EXP_DEVCTL_BCR_FLR);
}

static void by_decode(const struct rig *rig)
{
	uint16_t command = config_get16(rig, PCI_COMMAND);

	config_set16(rig, PCI_COMMAND, (uint16_t)(command & ~PCI_COMMAND_MEMORY));
	assert_int_equal(map_all(), -ENODEV);
	config_set16(rig, PCI_COMMAND, command);
}

static void by_sleep(const struct rig *rig)
{
	config_set16(rig, CONFIG_PM + PCI_PM_CTRL, 3);
	assert_int_equal(map_all(), -ENODEV);
	config_set16(rig, CONFIG_PM + PCI_PM_CTRL, 0);
}

static void by_refused_sleep(const struct rig *rig)
{
	assert_int_equal(vfiosafe_sim_set(rig->sim, VFIOSAFE_SIM_SET_REFUSE_D3HOT, 1), 0);
	config_set16(rig, CONFIG_PM + PCI_PM_CTRL, 3);
	assert_int_equal(vfiosafe_sim_set(rig->sim, VFIOSAFE_SIM_SET_REFUSE_D3HOT, 0), 0);
}

static void by_low_power(const struct rig *rig)
{
	low_power(rig, VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY);
	assert_int_equal(map_all(), -ENODEV);
	low_power(rig, VFIO_DEVICE_FEATURE_LOW_POWER_EXIT);
}

/* The address stays taken, and the kernel never sets it back. */
static void each_window_kills_maps_and_frees_the_buffer_again(void **state)
{
	void (*const windows[])(const struct rig *rig) = {
		by_reset,  by_refused_reset, by_reset_without_a_method, by_flr,
		by_decode, by_sleep,	     by_refused_sleep,		by_low_power,
	};
	uint64_t faults = 0;

	for (size_t i = 0; i < 8; i++) {
		assert_int_equal(map_all(), 0);
		assert_int_equal(dma_to(IOVA + 8), 0);
		windows[i](*state);
		assert_int_equal(dma_to(IOVA), VFIOSAFE_SIM_DMA_FAILED);
		assert_int_equal(rig_counts(&t.to.rig).dma_faults, ++faults);
		assert_int_equal(map_all(), -EEXIST);
		assert_int_equal(unmap_at(&t.to, IOVA + PAGE, PAGE), -ENOENT);
		assert_int_equal(unmap_at(&t.to, IOVA, LEN), 0);
	}
	assert_true(in_bar(MEM) == 0);
}

/* These are not VFIO's. */
static void resets_behind_vfio_revoke_nothing(void **state)
{
	struct rig *rig = *state;

	assert_int_equal(map_all(), 0);
	vfiosafe_sim_reset_behind(rig->sim);
	assert_int_equal(dma_to(IOVA), 0);
	assert_true(in_bar(MEM) == UINT64_MAX);
	vfiosafe_sim_aer(rig->sim, false);
	assert_int_equal(dma_to(IOVA), 0);
	assert_true(in_bar(MEM) == 0);
	assert_int_equal(unmap_at(&t.to, IOVA, LEN), 0);
}

static void an_export_while_the_decode_is_off_is_revoked(void **state)
{
	struct rig *rig = *state;
	uint16_t command = config_get16(rig, PCI_COMMAND);

	assert_int_equal(door_close(rig, t.fd), 0);
	config_set16(rig, PCI_COMMAND, (uint16_t)(command & ~PCI_COMMAND_MEMORY));
	t.fd = export_range(rig, MEM, LEN);
	assert_int_equal(map_all(), -ENODEV);
	config_set16(rig, PCI_COMMAND, command);
	assert_int_equal(map_all(), 0);
	assert_int_equal(dma_to(IOVA), 0);
	assert_int_equal(unmap_at(&t.to, IOVA, LEN), 0);
}

static void low_power_with(const struct rig *rig, int32_t event)
{
	struct {
		uint32_t argsz, feature;
		int32_t event;
		uint32_t reserved;
	} arg = { .argsz = sizeof(arg),
		  .feature = VFIO_DEVICE_FEATURE_SET |
			     VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY_WITH_WAKEUP,
		  .event = event };

	assert_int_equal(rig_ioctl(rig, VFIO_DEVICE_FEATURE, &arg), 0);
}

/* LOW_POWER_EXIT gives it free, not the wake-up that ends low power. */
static void a_wakeup_leaves_it_revoked(void **state)
{
	struct rig *rig = *state;
	int event = new_eventfd();
	uint64_t count = 0;

	assert_int_equal(map_all(), 0);
	low_power_with(rig, event);
	vfiosafe_sim_wakeup(rig->sim);
	/* Awake, and the BAR is back. */
	assert_int_equal(read(event, &count, sizeof(count)), sizeof(count));
	assert_int_equal(*reg32(rig->bar, VFIOSAFE_SIM_REG_ID), VFIOSAFE_SIM_ID);
	close(event);
	assert_int_equal(unmap_at(&t.to, IOVA, LEN), 0);
	assert_int_equal(map_all(), -ENODEV);
	low_power(rig, VFIO_DEVICE_FEATURE_LOW_POWER_EXIT);
	assert_int_equal(map_all(), 0);
	assert_int_equal(unmap_at(&t.to, IOVA, LEN), 0);
}

static int type1_map(const struct door *door, void *addr, uint64_t len)
{
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map),
		.flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
		.vaddr = (uintptr_t)addr,
		.iova = IOVA,
		.size = len,
	};

	return door_ioctl(&door->rig, door->iommu, VFIO_IOMMU_MAP_DMA, &map);
}

static void type1_unmap(const struct door *door, uint64_t len)
{
	struct vfio_iommu_type1_dma_unmap unmap = { .argsz = sizeof(unmap),
						    .iova = IOVA,
						    .size = len };

	assert_int_equal(
		door_ioctl(&door->rig, door->iommu, VFIO_IOMMU_UNMAP_DMA, &unmap), 0);
	assert_int_equal(unmap.size, len);
}

/* It is told nothing: neither of the end of the mapping, nor of resets. */
static void type1_maps_the_pages_of_a_bar_for_good(void **state)
{
	struct rig *rig = *state;
	char *again = rig_map_bar(rig, PROT_READ | PROT_WRITE);
	uint16_t command = config_get16(rig, PCI_COMMAND);

	assert_int_equal(type1_map(&t.to, again + MEM, LEN), 0);
	rig_unmap(rig, again, BAR0_LEN);
	assert_int_equal(dma_to(IOVA + 8), 0);
	assert_true(in_bar(MEM + 8) == UINT64_MAX);
	assert_int_equal(rig_reset(rig), 0);
	assert_int_equal(dma_to(IOVA + 8), 0);
	assert_true(in_bar(MEM + 8) == UINT64_MAX);
	/* What does not answer is no fault: the store vanishes. */
	config_set16(rig, PCI_COMMAND, (uint16_t)(command & ~PCI_COMMAND_MEMORY));
	assert_int_equal(dma_to(IOVA + 8), 0);
	config_set16(rig, PCI_COMMAND, command);
	assert_true(in_bar(MEM + 8) == UINT64_MAX);
	assert_int_equal(rig_counts(&t.to.rig).dma_faults, 0);
	type1_unmap(&t.to, LEN);
	assert_int_equal(dma_to(IOVA + 8), VFIOSAFE_SIM_DMA_FAILED);
}

static void type1_does_not_map_a_bar_that_is_away(void **state)
{
	struct rig *rig = *state;
	uint16_t command = config_get16(rig, PCI_COMMAND);

	config_set16(rig, PCI_COMMAND, (uint16_t)(command & ~PCI_COMMAND_MEMORY));
	assert_int_equal(type1_map(&t.to, rig->bar, PAGE), -EFAULT);
	config_set16(rig, PCI_COMMAND, command);
	low_power(rig, VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY);
	assert_int_equal(type1_map(&t.to, rig->bar, PAGE), -EFAULT);
	low_power(rig, VFIO_DEVICE_FEATURE_LOW_POWER_EXIT);
	assert_int_equal(type1_map(&t.to, rig->bar, PAGE), 0);
	type1_unmap(&t.to, PAGE);
}

#define BY(before, test) cmocka_unit_test_setup_teardown(test, before, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		BY(setup, each_window_kills_maps_and_frees_the_buffer_again),
		BY(setup, resets_behind_vfio_revoke_nothing),
		BY(setup, an_export_while_the_decode_is_off_is_revoked),
		BY(setup, a_wakeup_leaves_it_revoked),
		BY(setup_group, type1_maps_the_pages_of_a_bar_for_good),
		BY(setup_group, type1_does_not_map_a_bar_that_is_away),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

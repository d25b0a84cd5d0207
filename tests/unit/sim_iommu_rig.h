/* SPDX-License-Identifier: MIT */
/*
 * sim_iommu_rig.h - a simulated device with an address space, and memory to map.
 */
#ifndef SIM_IOMMU_RIG_H
#define SIM_IOMMU_RIG_H

#include "sim_door_rig.h"

#define PAGE 4096u

static struct door the_door;
static uint64_t *memory; /* four pages */

static inline int iommu_setup(void **state, bool by_group)
{
	struct vfiosafe_sim_opts opts = { .size = sizeof(opts), .window_us = 1 };
	struct vfiosafe_sim *sim = NULL;

	assert_int_equal(vfiosafe_sim_open(&sim, "sim:reg", &opts), 0);
	if (by_group)
		door_by_group(&the_door, sim);
	else
		door_by_node(&the_door, sim);
	the_door.rig.bar = rig_map_bar(&the_door.rig, PROT_READ | PROT_WRITE);
	rig_bus_master(&the_door.rig, true);
	memory = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		      -1, 0);
	assert_ptr_not_equal(memory, MAP_FAILED);
	*state = &the_door;
	return 0;
}

static inline int iommu_teardown(void **state)
{
	struct door *door = *state;

	assert_int_equal(munmap(memory, 4 * PAGE), 0);
	rig_unmap(&door->rig, door->rig.bar, BAR0_LEN);
	door_leave(door);
	assert_int_equal(door_held(&door->rig).iovas, 0);
	vfiosafe_sim_close(door->rig.sim);
	return 0;
}

/* What the device says of its attempt. */
static inline uint32_t dma(struct rig *rig, uint64_t iova)
{
	volatile uint32_t *reg = reg32(rig->bar, VFIOSAFE_SIM_REG_DMA);

	*reg64(rig->bar, VFIOSAFE_SIM_REG_DMA_ADDRESS) = iova;
	*reg = VFIOSAFE_SIM_DMA_START;
	until(*reg != VFIOSAFE_SIM_DMA_START);
	return *reg;
}

#endif

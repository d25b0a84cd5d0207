/* SPDX-License-Identifier: MIT */
/* dma_rig.h - tests of mappings, each by both doors; memory that a test may map. */
#ifndef DMA_RIG_H
#define DMA_RIG_H

#include <sys/mman.h>
#include <unistd.h>

#include "unit.h"

#define PAGE ((uint64_t)FAKE_PAGE)
#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)

/* Plain memory for tests, 4 MiB of it from a multiple of 2 MiB. */
static uint8_t *dma_memory;

static inline void *memory(uint64_t offset)
{
	return dma_memory + offset;
}

static int dma_setup(void **state)
{
	enum vfiosafe_door door = (enum vfiosafe_door)(uintptr_t)*state;
	uintptr_t at;

	if (!dma_memory) {
		at = (uintptr_t)mmap(NULL, 6 * MIB, PROT_READ | PROT_WRITE,
				     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		dma_memory = (uint8_t *)((at + 2 * MIB - 1) & ~(uintptr_t)(2 * MIB - 1));
	}
	bench_setup(state);
	bench.opts.door = door;
	bench_open();
	return 0;
}

static inline struct vfiosafe_iommu_opts dma_opts(void)
{
	return (struct vfiosafe_iommu_opts){ .size = sizeof(struct vfiosafe_iommu_opts) };
}

/* Maps what must be mappable; where it went. */
static inline uint64_t mapped(uint64_t offset, uint64_t len,
			      const struct vfiosafe_iommu_opts *opts)
{
	uint64_t iova = 1;
	int rc = vfiosafe_iommu_map(bench.dev, memory(offset), len, opts, &iova);

	if (rc < 0)
		print_error("map: %d: %s\n", rc, vfiosafe_error_text());
	assert_ok(rc);
	return iova;
}

static inline int map_fixed(uint64_t offset, uint64_t len, uint64_t iova)
{
	struct vfiosafe_iommu_opts opts = dma_opts();

	opts.fixed = true;
	return vfiosafe_iommu_map(bench.dev, memory(offset), len, &opts, &iova);
}

#define DOOR(test, suffix, door)                                                         \
	{                                                                                \
		.name = #test suffix, .test_func = test, .setup_func = dma_setup,        \
		.teardown_func = bench_teardown,                                         \
		.initial_state = (void *)(uintptr_t)(door)                               \
	}
#define BOTH(test)                                                                       \
	DOOR(test, " (cdev)", VFIOSAFE_DOOR_CDEV),                                       \
		DOOR(test, " (group)", VFIOSAFE_DOOR_GROUP)

#endif

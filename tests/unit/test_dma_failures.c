/* SPDX-License-Identifier: MIT */
/* Every system call and every allocation of a mapping fails in turn. */
#include "dma_rig.h"
#include "each_fails.h"
#include "sys.h"

static uint64_t iova;
static struct vfiosafe_dma_memory mem;
static int file;

/* Of a map that failed nothing is left; what was mapped is undone. */
static void mapped_or_not(int rc)
{
	assert_int_equal(fake_dmas(&bench.k), rc == 0);
	if (rc == 0) {
		assert_ok(vfiosafe_iommu_unmap(bench.dev, iova, 2 * PAGE));
	} else if (rc != -ENOMEM) {
		assert_int_equal(rc, -ERR);
		assert_non_null(strstr(vfiosafe_error_text(), strerror(ERR)));
	}
	/* As if nothing had been. */
	assert_int_equal(mapped(0, PAGE, NULL), 0x10000);
}

static int map_now(void)
{
	return vfiosafe_iommu_map(bench.dev, memory(0), 2 * PAGE, NULL, &iova);
}

static int map_file_now(void)
{
	return vfiosafe_iommu_map_file(bench.dev, file, 0, 2 * PAGE, NULL, &iova);
}

static int setup_file(void **state)
{
	dma_setup(state);
	file = vsf_sys(&bench.k.sys, memfd, "test");
	return file < 0 || ftruncate(file, 4 * (off_t)PAGE) < 0 ? -1 : 0;
}

static void file_mapped_or_not(int rc)
{
	mapped_or_not(rc);
	assert_ok(vsf_sys(&bench.k.sys, close, file));
}

static int setup_mapping(void **state)
{
	dma_setup(state);
	iova = mapped(0, 2 * PAGE, NULL);
	return 0;
}

static int unmap_now(void)
{
	return vfiosafe_iommu_unmap(bench.dev, iova, 2 * PAGE);
}

static void unmapped_or_still_there(int rc)
{
	assert_int_equal(fake_dmas(&bench.k), rc < 0);
	if (rc < 0)
		assert_ok(unmap_now());
}

static int alloc_now(void)
{
	return vfiosafe_dma_alloc(&mem, bench.dev, 2 * PAGE, 0);
}

static void allocated_or_not(int rc)
{
	assert_int_equal(fake_dmas(&bench.k), rc == 0);
	if (rc == 0)
		assert_ok(vfiosafe_dma_free(&mem));
	assert_int_equal(mapped(0, PAGE, NULL), 0x10000);
}

static int setup_memory(void **state)
{
	dma_setup(state);
	return alloc_now();
}

static int free_now(void)
{
	return vfiosafe_dma_free(&mem);
}

static void freed_or_still_there(int rc)
{
	if (rc == 0) {
		assert_ptr_equal(mem.dev, NULL);
		return;
	}
	memset(mem.addr, 1, mem.len);
	assert_ok(free_now());
}

static const struct failing scenarios[] = {
	{ .setup = dma_setup, .run = map_now, .check = mapped_or_not },
	{ .setup = setup_file, .run = map_file_now, .check = file_mapped_or_not },
	{ .setup = setup_mapping, .run = unmap_now, .check = unmapped_or_still_there },
	{ .setup = dma_setup, .run = alloc_now, .check = allocated_or_not },
	{ .setup = setup_memory, .run = free_now, .check = freed_or_still_there },
};

static void fail_all(enum vfiosafe_door door)
{
	for (size_t i = 0; i < sizeof(scenarios) / sizeof(scenarios[0]); i++) {
		struct failing f = scenarios[i];
		bool makes = f.run != unmap_now && f.run != free_now;

		f.door = door;
		assert_true(each_call_fails(&f) > 0);
		assert_true(makes == (each_allocation_fails(&f) > 0));
	}
}

static void each_call_and_allocation_fails_through_the_cdev_door(void **state)
{
	(void)state;
	fail_all(VFIOSAFE_DOOR_CDEV);
}

static void each_call_and_allocation_fails_through_the_group_door(void **state)
{
	(void)state;
	fail_all(VFIOSAFE_DOOR_GROUP);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_call_and_allocation_fails_through_the_cdev_door),
		cmocka_unit_test(each_call_and_allocation_fails_through_the_group_door),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

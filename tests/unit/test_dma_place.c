/* SPDX-License-Identifier: MIT */
/* Where mappings go. */
#include "dma_rig.h"

static void the_lowest_free_address_is_taken(void **state)
{
	uint64_t first = mapped(0, PAGE, NULL);
	uint64_t second = mapped(PAGE, 2 * PAGE, NULL);

	(void)state;
	assert_int_equal(first, 0x10000);
	assert_int_equal(second, 0x11000);
	assert_ok(vfiosafe_iommu_unmap(bench.dev, first, PAGE));
	assert_int_equal(mapped(0, 2 * PAGE, NULL), 0x13000);
	assert_int_equal(mapped(0, PAGE, NULL), 0x10000);
}

static void a_null_pointer_in_a_descriptor_stays_a_fault(void **state)
{
	struct vfiosafe_iommu_opts opts = dma_opts();
	uint64_t iova = 0;

	(void)state;
	assert_true(mapped(0, PAGE, NULL) >= 0x10000);
	opts.below = 0x10000;
	assert_refused(vfiosafe_iommu_map(bench.dev, memory(0), PAGE, &opts, &iova),
		       ENOSPC, "below 0x10000");
}

static void large_memory_gets_addresses_for_large_pages(void **state)
{
	(void)state;
	assert_int_equal(mapped(PAGE, PAGE, NULL), 0x10000);
	assert_int_equal(mapped(0, 2 * MIB, NULL), 2 * MIB);
	/* Not aligned itself: no use. */
	assert_int_equal(mapped(PAGE, 2 * MIB, NULL), 4 * MIB);
}

static void without_room_for_large_pages_small_ones_do(void **state)
{
	(void)state;
	bench.k.iommu.range[0] = (struct fake_iova){ 0x11000, 0x11000 + 2 * MIB - 1 };
	bench.k.iommu.count = 1;
	assert_int_equal(mapped(0, 2 * MIB, NULL), 0x11000);
}

static void an_alignment_that_is_asked_for_is_kept(void **state)
{
	struct vfiosafe_iommu_opts opts = dma_opts();

	(void)state;
	opts.align = 16 * MIB;
	assert_int_equal(mapped(0, PAGE, &opts), 16 * MIB);
	assert_int_equal(mapped(0, PAGE, &opts), 32 * MIB);
	opts.align = 1;
	assert_int_equal(mapped(0, PAGE, &opts), 0x10000);
}

static void a_device_with_few_address_lines_gets_low_addresses(void **state)
{
	struct vfiosafe_iommu_opts opts = dma_opts();
	uint64_t iova;

	(void)state;
	opts.below = 0x10000 + 2 * PAGE;
	assert_int_equal(mapped(0, PAGE, &opts), 0x10000);
	assert_int_equal(mapped(0, PAGE, &opts), 0x11000);
	assert_refused(vfiosafe_iommu_map(bench.dev, memory(0), PAGE, &opts, &iova),
		       ENOSPC, "0x1000 bytes", "below 0x12000", "2 mappings");
	/* The last byte counts, not the first. */
	opts.below = 0x12000 + 2 * PAGE - 1;
	assert_refused(vfiosafe_iommu_map(bench.dev, memory(0), 2 * PAGE, &opts, &iova),
		       ENOSPC, "below");
}

static void a_chosen_address_is_used(void **state)
{
	(void)state;
	assert_ok(map_fixed(0, 2 * PAGE, 0x70000000));
	assert_non_null(fake_dma_at(&bench.k, 0x70001fff));
	assert_null(fake_dma_at(&bench.k, 0x70002000));
	/* The kernel's ranges allow 0: who asks for it gets it. */
	assert_ok(map_fixed(0, PAGE, 0));
	assert_ok(vfiosafe_iommu_unmap(bench.dev, 0, PAGE));
}

static void an_overlap_names_the_other_mapping(void **state)
{
	(void)state;
	assert_ok(map_fixed(0, 4 * PAGE, 0x100000));
	assert_refused(map_fixed(0, PAGE, 0x100000), EEXIST, "0x100000 + 0x1000 overlaps",
		       "0x100000 + 0x4000");
	assert_refused(map_fixed(0, PAGE, 0x103000), EEXIST, "0x100000 + 0x4000");
	assert_refused(map_fixed(0, 2 * PAGE, 0xff000), EEXIST, "0x100000 + 0x4000");
	assert_refused(map_fixed(0, 32 * PAGE, 0xf0000), EEXIST, "0x100000 + 0x4000");
	assert_ok(map_fixed(0, PAGE, 0xff000));
	assert_ok(map_fixed(0, PAGE, 0x104000));
	assert_int_equal(fake_dmas(&bench.k), 3);
}

static void addresses_that_the_iommu_does_not_take_are_refused(void **state)
{
	(void)state;
	assert_refused(map_fixed(0, PAGE, UINT64_C(1) << 48), ERANGE, "0x1000000000000",
		       "0x0-0xfedfffff, 0xfef00000-0xffffffffffff");
	assert_refused(map_fixed(0, 2 * PAGE, 0xfedff000), ERANGE, "does not take");
	assert_refused(map_fixed(0, 2 * PAGE, UINT64_MAX - PAGE + 1), ERANGE,
		       "0xfffffffffffff000");
	assert_refused(map_fixed(0, PAGE, 0x100), EINVAL, "IOVA 0x100", "0x1000");
	assert_int_equal(fake_dmas(&bench.k), 0);
}

/* On x86 a write there is an interrupt, whatever a kernel reports. */
static void the_addresses_of_interrupts_are_never_memory(void **state)
{
	struct vfiosafe_iommu_opts opts = dma_opts();

	(void)state;
	bench.k.iommu.count = 1;
	bench.k.iommu.range[0] = (struct fake_iova){ 0xfed00000, 0xffffffff };
	assert_refused(map_fixed(0, PAGE, 0xfee00000), ERANGE,
		       "0xfed00000-0xfedfffff, 0xfef00000-0xffffffff");
	opts.align = 2 * MIB;
	assert_int_equal(mapped(0, PAGE, &opts), 0xff000000);
	assert_int_equal(mapped(0, MIB, NULL), 0xfed00000);
	assert_int_equal(mapped(0, PAGE, NULL), 0xfef00000);
}

static void many_ranges_are_asked_for_again_with_more_room(void **state)
{
	(void)state;
	bench.k.iommu.count = FAKE_IOVAS;
	for (uint64_t i = 0; i < FAKE_IOVAS; i++)
		bench.k.iommu.range[i] =
			(struct fake_iova){ (i + 1) * MIB, (i + 1) * MIB + PAGE - 1 };
	for (uint64_t i = 0; i < FAKE_IOVAS; i++)
		assert_int_equal(mapped(0, PAGE, NULL), (i + 1) * MIB);
	assert_refused(map_fixed(0, PAGE, MIB + PAGE), ERANGE, "0x100000-0x100fff");
}

static void a_kernel_that_says_no_ranges_gets_low_addresses(void **state)
{
	(void)state;
	bench.k.iommu.count = 0;
	assert_int_equal(mapped(0, PAGE, NULL), 0x10000);
	bench.k.iommu.no_caps = true;
	assert_int_equal(mapped(0, PAGE, NULL), 0x11000);
	assert_refused(map_fixed(0, PAGE, UINT64_C(1) << 39), ERANGE,
		       "0x0-0xfedfffff, 0xfef00000-0x7fffffffff");
}

static void large_pages_of_the_iommu_are_the_granule(void **state)
{
	uint64_t iova = 0;

	(void)state;
	bench.k.iommu.align = 4 * PAGE;
	assert_refused(vfiosafe_iommu_map(bench.dev, memory(0), PAGE, NULL, &iova),
		       EINVAL, "length 0x1000", "0x4000");
	assert_int_equal(mapped(4 * PAGE, 4 * PAGE, NULL), 0x10000);
	assert_refused(map_fixed(0, 4 * PAGE, 0x21000), EINVAL, "IOVA 0x21000", "0x4000");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(the_lowest_free_address_is_taken),
		BOTH(a_null_pointer_in_a_descriptor_stays_a_fault),
		BOTH(large_memory_gets_addresses_for_large_pages),
		BOTH(without_room_for_large_pages_small_ones_do),
		BOTH(an_alignment_that_is_asked_for_is_kept),
		BOTH(a_device_with_few_address_lines_gets_low_addresses),
		BOTH(a_chosen_address_is_used),
		BOTH(an_overlap_names_the_other_mapping),
		BOTH(addresses_that_the_iommu_does_not_take_are_refused),
		BOTH(the_addresses_of_interrupts_are_never_memory),
		BOTH(many_ranges_are_asked_for_again_with_more_room),
		DOOR(a_kernel_that_says_no_ranges_gets_low_addresses, "",
		     VFIOSAFE_DOOR_GROUP),
		BOTH(large_pages_of_the_iommu_are_the_granule),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

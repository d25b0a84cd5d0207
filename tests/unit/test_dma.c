/* SPDX-License-Identifier: MIT */
/* Memory that the device can use: made, kept, undone. */
#include "dma_rig.h"
#include "sys.h"
#include "unit_driver.h"

static void memory_gets_an_address_for_the_device(void **state)
{
	uint64_t iova = mapped(0, 3 * PAGE, NULL);
	const struct fake_dma *dma = fake_dma_at(&bench.k, iova);

	(void)state;
	assert_non_null(dma);
	assert_int_equal(dma->iova, iova);
	assert_int_equal(dma->len, 3 * PAGE);
	assert_ptr_equal((void *)dma->vaddr, memory(0));
	assert_int_equal(dma->prot, 3);
	assert_ok(vfiosafe_iommu_unmap(bench.dev, iova, 3 * PAGE));
	assert_int_equal(fake_dmas(&bench.k), 0);
}

static void the_device_may_do_what_was_asked_for_and_no_more(void **state)
{
	struct vfiosafe_iommu_opts opts = dma_opts();
	uint64_t iova;

	(void)state;
	opts.prot = VFIOSAFE_DMA_READ;
	iova = mapped(0, PAGE, &opts);
	assert_int_equal(fake_dma_at(&bench.k, iova)->prot, 2);
	opts.prot = VFIOSAFE_DMA_WRITE;
	iova = mapped(PAGE, PAGE, &opts);
	assert_int_equal(fake_dma_at(&bench.k, iova)->prot, 1);
}

static void only_a_whole_mapping_is_unmapped(void **state)
{
	uint64_t iova = mapped(0, 4 * PAGE, NULL);

	(void)state;
	assert_refused(vfiosafe_iommu_unmap(bench.dev, iova, PAGE), ENOENT, "no mapping",
		       "0x10000 + 0x4000 is one", "as a whole");
	assert_refused(vfiosafe_iommu_unmap(bench.dev, iova + PAGE, PAGE), ENOENT,
		       "0x10000 + 0x4000 is one");
	assert_refused(vfiosafe_iommu_unmap(bench.dev, iova, 5 * PAGE), ENOENT, "is one");
	assert_refused(vfiosafe_iommu_unmap(bench.dev, iova, 0), ENOENT, "is one");
	assert_refused(vfiosafe_iommu_unmap(bench.dev, 0x5000, PAGE), ENOENT,
		       "nothing is mapped at IOVA 0x5000");
	assert_int_equal(fake_dmas(&bench.k), 1);
	assert_ok(vfiosafe_iommu_unmap(bench.dev, iova, 4 * PAGE));
	assert_refused(vfiosafe_iommu_unmap(bench.dev, iova, 4 * PAGE), ENOENT,
		       "nothing");
}

static void what_the_kernel_does_not_unmap_stays_known(void **state)
{
	uint64_t iova = mapped(0, PAGE, NULL);

	(void)state;
	fake_fail(&bench.k, FAKE_IOCTL, FAKE_ANY, EBUSY, 1);
	assert_refused(vfiosafe_iommu_unmap(bench.dev, iova, PAGE), EBUSY, "0x10000",
		       "still mapped");
	assert_ok(vfiosafe_iommu_unmap(bench.dev, iova, PAGE));
}

static int memory_file(uint64_t len)
{
	int fd = vsf_sys(&bench.k.sys, memfd, "test");

	assert_true(fd >= 0);
	assert_ok(ftruncate(fd, (off_t)len));
	return fd;
}

static void a_file_is_mapped_and_may_be_closed(void **state)
{
	bool cdev = bench.opts.door == VFIOSAFE_DOOR_CDEV;
	size_t before = fake_mapped(&bench.k);
	int fd = memory_file(8 * PAGE);
	const struct fake_dma *dma;
	uint64_t iova;

	(void)state;
	assert_ok(
		vfiosafe_iommu_map_file(bench.dev, fd, 2 * PAGE, 4 * PAGE, NULL, &iova));
	assert_ok(vsf_sys(&bench.k.sys, close, fd));
	dma = fake_dma_at(&bench.k, iova);
	assert_int_equal(dma->len, 4 * PAGE);
	if (cdev)
		assert_int_equal(dma->offset, 2 * PAGE);
	assert_int_equal(fake_mapped(&bench.k) - before, cdev ? 0 : 4 * PAGE);
	assert_ok(vfiosafe_iommu_unmap(bench.dev, iova, 4 * PAGE));
	assert_int_equal(fake_mapped(&bench.k), before);
	assert_int_equal(fake_dmas(&bench.k), 0);
}

static void an_older_kernel_gets_the_address_of_the_file(void **state)
{
	int fd = memory_file(8 * PAGE);
	size_t before = fake_mapped(&bench.k);
	const struct fake_dma *dma;
	uint64_t iova;

	(void)state;
	assert_int_equal(pwrite(fd, "there", 6, 2 * (off_t)PAGE), 6);
	bench.k.iommu.no_map_file = true;
	assert_ok(
		vfiosafe_iommu_map_file(bench.dev, fd, 2 * PAGE, 4 * PAGE, NULL, &iova));
	assert_ok(vsf_sys(&bench.k.sys, close, fd));
	assert_int_equal(fake_mapped(&bench.k) - before, 4 * PAGE);
	dma = fake_dma_at(&bench.k, iova);
	assert_string_equal((const char *)dma->vaddr, "there");
}

static void mappings_survive_resets_and_faults(void **state)
{
	uint64_t iova = mapped(0, PAGE, NULL), other;

	(void)state;
	assert_ok(vfiosafe_reset(bench.dev, NULL));
	assert_non_null(fake_dma_at(&bench.k, iova));
	assert_ok(vfiosafe_mark_lost(bench.dev, "for the test"));
	other = mapped(PAGE, PAGE, NULL);
	assert_ok(vfiosafe_recover(bench.dev, NULL));
	assert_int_equal(fake_dmas(&bench.k), 2);
	assert_ok(vfiosafe_iommu_unmap(bench.dev, iova, PAGE));
	assert_ok(vfiosafe_iommu_unmap(bench.dev, other, PAGE));
}

static uint64_t from_reinit;

static void map_in_reinit(struct vfiosafe_device *dev, enum callback which)
{
	if (which == REINIT)
		assert_ok(vfiosafe_iommu_map(dev, memory(0), PAGE, NULL, &from_reinit));
}

static void a_callback_may_map(void **state)
{
	(void)state;
	assert_ok(driver_set());
	driver.inside = map_in_reinit;
	assert_ok(vfiosafe_reset(bench.dev, NULL));
	assert_non_null(fake_dma_at(&bench.k, from_reinit));
}

static void what_is_still_mapped_at_close_is_given_back(void **state)
{
	struct vfiosafe_dma_memory mem;
	int fd = memory_file(PAGE);
	uint64_t iova;

	(void)state;
	(void)mapped(0, PAGE, NULL);
	assert_ok(vfiosafe_dma_alloc(&mem, bench.dev, 1, 0));
	assert_ok(vfiosafe_iommu_map_file(bench.dev, fd, 0, PAGE, NULL, &iova));
	assert_ok(vsf_sys(&bench.k.sys, close, fd));
	bench_close();
	assert_int_equal(fake_dmas(&bench.k), 0);
	assert_int_equal(fake_mapped(&bench.k), 0);
}

static void mappings_belong_to_the_context_that_devices_share(void **state)
{
	struct vfiosafe_device *sibling;
	uint64_t iova = mapped(0, PAGE, NULL), second;

	(void)state;
	fake_add(&bench.k, SIBLING, 7, 4);
	bench.opts.iommu_of = bench.dev;
	assert_ok(vfiosafe_device_open(&sibling, SIBLING, &bench.opts));
	assert_ok(vfiosafe_iommu_map(sibling, memory(PAGE), PAGE, NULL, &second));
	assert_int_not_equal(iova, second);
	bench_close();
	assert_int_equal(fake_dmas(&bench.k), 2);
	assert_ok(vfiosafe_iommu_unmap(sibling, iova, PAGE));
	assert_ok(vfiosafe_device_close(sibling, 1000));
	assert_int_equal(fake_dmas(&bench.k), 0);
}

/* The second device has a hole of its own where the first would have mapped next. */
static void the_ranges_are_those_of_all_devices_there_are_now(void **state)
{
	uint64_t iova = mapped(0, PAGE, NULL);

	(void)state;
	assert_int_equal(iova, 0x10000);
	bench.k.iommu.range[0] = (struct fake_iova){ 0, 0x10fff };
	assert_int_equal(mapped(PAGE, PAGE, NULL), 0xfef00000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(memory_gets_an_address_for_the_device),
		BOTH(the_device_may_do_what_was_asked_for_and_no_more),
		BOTH(only_a_whole_mapping_is_unmapped),
		BOTH(what_the_kernel_does_not_unmap_stays_known),
		BOTH(a_file_is_mapped_and_may_be_closed),
		BOTH(an_older_kernel_gets_the_address_of_the_file),
		BOTH(mappings_survive_resets_and_faults),
		BOTH(a_callback_may_map),
		BOTH(what_is_still_mapped_at_close_is_given_back),
		BOTH(mappings_belong_to_the_context_that_devices_share),
		BOTH(the_ranges_are_those_of_all_devices_there_are_now),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

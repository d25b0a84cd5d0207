/* SPDX-License-Identifier: MIT */
/* Memory for the program and the device in one. */
#include "dma_rig.h"

static struct fake_map *map_of(const void *addr)
{
	for (int i = 0; i < FAKE_MAPS; i++)
		if (bench.k.map[i].len && bench.k.map[i].at == (uintptr_t)addr)
			return &bench.k.map[i];
	return NULL;
}

static void memory_is_zeroed_and_known_to_the_device(void **state)
{
	struct vfiosafe_dma_memory mem = { 0 };
	const struct fake_dma *dma;

	(void)state;
	assert_ok(vfiosafe_dma_alloc(&mem, bench.dev, PAGE + 1, 0));
	assert_ptr_equal(mem.dev, bench.dev);
	assert_int_equal(mem.len, 2 * PAGE);
	for (uint64_t i = 0; i < mem.len; i++)
		assert_int_equal(((uint8_t *)mem.addr)[i], 0);
	memset(mem.addr, 0x5a, mem.len);
	dma = fake_dma_at(&bench.k, mem.iova);
	assert_ptr_equal((void *)dma->vaddr, mem.addr);
	assert_int_equal(dma->prot, 3);
}

static void a_forked_child_does_not_get_it(void **state)
{
	struct vfiosafe_dma_memory mem;

	(void)state;
	assert_ok(vfiosafe_dma_alloc(&mem, bench.dev, PAGE, 0));
	assert_true(map_of(mem.addr)->dontfork);
}

static void freeing_takes_it_from_the_device_first(void **state)
{
	struct vfiosafe_dma_memory mem, copy;
	size_t before = fake_mapped(&bench.k);

	(void)state;
	assert_ok(vfiosafe_dma_alloc(&mem, bench.dev, PAGE, 0));
	copy = mem;
	/* The device still reaches it: it stays. */
	fake_fail(&bench.k, FAKE_IOCTL, FAKE_ANY, EBUSY, 1);
	assert_refused(vfiosafe_dma_free(&mem), EBUSY, "still mapped");
	memset(mem.addr, 1, mem.len);
	assert_ok(vfiosafe_dma_free(&mem));
	assert_int_equal(fake_mapped(&bench.k), before);
	assert_int_equal(fake_dmas(&bench.k), 0);
	assert_ptr_equal(mem.dev, NULL);
	assert_ok(vfiosafe_dma_free(&mem));
	assert_refused(vfiosafe_dma_free(&copy), ENOENT, "nothing is mapped");
}

static void each_kind_of_mapping_has_its_own_way_back(void **state)
{
	struct vfiosafe_dma_memory mem, wrong;
	uint64_t iova = mapped(0, PAGE, NULL);

	(void)state;
	assert_ok(vfiosafe_dma_alloc(&mem, bench.dev, PAGE, 0));
	assert_refused(vfiosafe_iommu_unmap(bench.dev, mem.iova, mem.len), EINVAL,
		       "vfiosafe_dma_free() takes it back");
	wrong = mem;
	wrong.iova = iova;
	assert_refused(vfiosafe_dma_free(&wrong), EINVAL, "not memory of");
	assert_ok(vfiosafe_dma_free(&mem));
}

/* The machine may have none, or some: both answers are known. */
static void huge_pages_that_are_not_there_say_where_to_set_them_aside(void **state)
{
	struct vfiosafe_dma_memory mem;
	size_t before = fake_mapped(&bench.k);

	(void)state;
	fake_fail(&bench.k, FAKE_MMAP, false, ENOMEM, 1);
	assert_refused(vfiosafe_dma_alloc(&mem, bench.dev, 1, VFIOSAFE_DMA_HUGE_2M),
		       ENOMEM, "0x200000 bytes", "nr_hugepages", "go without");
	assert_int_equal(fake_mapped(&bench.k), before);
	fake_fail(&bench.k, FAKE_MMAP, false, ENOMEM, 1);
	assert_refused(vfiosafe_dma_alloc(&mem, bench.dev, 1, 0), ENOMEM, "0x1000 bytes",
		       "Cannot allocate");
}

static void what_makes_no_sense_is_refused(void **state)
{
	struct vfiosafe_dma_memory mem = { .len = 3 };

	(void)state;
	assert_refused(vfiosafe_dma_alloc(&mem, bench.dev, 0, 0), EINVAL, "0x0 bytes");
	assert_refused(vfiosafe_dma_alloc(&mem, bench.dev, UINT64_MAX, 0), EINVAL,
		       "0xffffffffffffffff bytes");
	assert_refused(vfiosafe_dma_alloc(&mem, bench.dev, 1, 8), EINVAL, "flags 0x8");
	assert_int_equal(mem.len, 3);
}

static void memory_that_cannot_be_mapped_is_freed(void **state)
{
	struct vfiosafe_dma_memory mem;
	size_t before = fake_mapped(&bench.k);

	(void)state;
	bench.k.memlock_limit = PAGE;
	assert_refused(vfiosafe_dma_alloc(&mem, bench.dev, 2 * PAGE, 0), ENOMEM,
		       "RLIMIT_MEMLOCK is 0x1000");
	assert_int_equal(fake_mapped(&bench.k), before);
	fake_fail(&bench.k, FAKE_MADVISE, MADV_DONTFORK, EINVAL, 1);
	assert_refused(vfiosafe_dma_alloc(&mem, bench.dev, PAGE, 0), EINVAL, "DONTFORK");
	assert_int_equal(fake_mapped(&bench.k), before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(memory_is_zeroed_and_known_to_the_device),
		BOTH(a_forked_child_does_not_get_it),
		BOTH(freeing_takes_it_from_the_device_first),
		BOTH(each_kind_of_mapping_has_its_own_way_back),
		BOTH(huge_pages_that_are_not_there_say_where_to_set_them_aside),
		BOTH(what_makes_no_sense_is_refused),
		BOTH(memory_that_cannot_be_mapped_is_freed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

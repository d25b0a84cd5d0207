/* SPDX-License-Identifier: MIT */
/* Threads that map and unmap at the same time, while the device is reset. */
#include "dma_rig.h"
#include "unit_thread.h"

#define ROUNDS 200

static int failures;

static void check(bool good)
{
	if (!good)
		__atomic_fetch_add(&failures, 1, __ATOMIC_RELAXED);
}

static int map_and_unmap(void)
{
	struct vfiosafe_dma_memory mem;
	uint64_t iova;

	for (int i = 0; i < ROUNDS; i++) {
		check(vfiosafe_iommu_map(bench.dev, memory(0), PAGE, NULL, &iova) == 0);
		check(vfiosafe_dma_alloc(&mem, bench.dev, PAGE, 0) == 0);
		check(mem.iova != iova);
		check(vfiosafe_iommu_unmap(bench.dev, iova, PAGE) == 0);
		check(vfiosafe_dma_free(&mem) == 0);
	}
	return 0;
}

static int reset_again(void)
{
	for (int i = 0; i < 50; i++)
		check(vfiosafe_reset(bench.dev, NULL) == 0);
	return 0;
}

static void threads_get_addresses_of_their_own(void **state)
{
	struct runner runner[3], resetter;

	(void)state;
	for (int i = 0; i < 3; i++)
		run_beside(&runner[i], map_and_unmap);
	run_beside(&resetter, reset_again);
	for (int i = 0; i < 3; i++)
		(void)run_ended(&runner[i]);
	(void)run_ended(&resetter);
	assert_int_equal(failures, 0);
	assert_int_equal(fake_dmas(&bench.k), 0);
}

/* The thread that is in the kernel for one and the same mapping. */
static uint64_t shared;
static sem_t inside, go_on;

static void stop_there(struct fake *fake, enum fake_call call, uint64_t key)
{
	(void)key;
	if (call != FAKE_IOCTL)
		return;
	fake->hook = NULL;
	sem_post(&inside);
	sem_wait(&go_on);
}

static int unmap_shared(void)
{
	return vfiosafe_iommu_unmap(bench.dev, shared, PAGE);
}

static void a_mapping_is_undone_by_one_thread_only(void **state)
{
	struct runner runner;

	(void)state;
	shared = mapped(0, PAGE, NULL);
	sem_init(&inside, 0, 0);
	sem_init(&go_on, 0, 0);
	bench.k.hook = stop_there;
	run_beside(&runner, unmap_shared);
	sem_wait(&inside);
	assert_refused(unmap_shared(), EBUSY, "another thread", "0x10000 + 0x1000");
	/* Its address is not given away before the kernel has let go of it. */
	assert_int_equal(mapped(0, PAGE, NULL), 0x11000);
	sem_post(&go_on);
	assert_ok(run_ended(&runner));
	assert_int_equal(mapped(0, PAGE, NULL), 0x10000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(threads_get_addresses_of_their_own),
		BOTH(a_mapping_is_undone_by_one_thread_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

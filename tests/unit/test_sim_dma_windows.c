/* SPDX-License-Identifier: MIT */
/* The library's mappings, reached by a simulated device, over windows, by both doors. */
#include "sim_rig.h"

#include <vfiosafe/vfiosafe.h>

#define PAGE UINT64_C(4096)
#define STEPS 600
#define SLOTS 48

static struct {
	struct vfiosafe_sim *sim;
	struct vfiosafe_device *dev;
	struct vfiosafe_bar *bar;
	struct vfiosafe_view view;
	bool stop;
	unsigned int odd;
} t;

static int reinit(struct vfiosafe_device *dev, void *ctx)
{
	(void)dev;
	(void)ctx;
	return vfiosafe_bar_view(t.bar, &t.view);
}

static int setup(void **state)
{
	struct vfiosafe_sim_opts sim_opts = { .size = sizeof(sim_opts), .window_us = 20 };
	struct vfiosafe_device_opts opts = { .size = sizeof(opts) };
	const struct vfiosafe_driver_ops ops = { .size = sizeof(ops), .reinit = reinit };

	memset(&t, 0, sizeof(t));
	opts.door = (enum vfiosafe_door)(uintptr_t)*state;
	assert_int_equal(vfiosafe_sim_open(&t.sim, "sim:reg", &sim_opts), 0);
	opts.sys = vfiosafe_sim_sys(t.sim);
	assert_int_equal(vfiosafe_device_open(&t.dev, vfiosafe_sim_address(t.sim), &opts),
			 0);
	assert_int_equal(vfiosafe_bar_map(&t.bar, t.dev, 0, 0, 0, 0), 0);
	assert_int_equal(vfiosafe_device_set_driver(t.dev, &ops, NULL), 0);
	assert_int_equal(vfiosafe_set_bus_master(t.dev, true), 0);
	return reinit(t.dev, NULL);
}

/* Whatever was still mapped. */
static int teardown(void **state)
{
	struct vfiosafe_sim_held held;

	(void)state;
	assert_int_equal(vfiosafe_device_close(t.dev, 1000), 0);
	vfiosafe_sim_held(t.sim, &held);
	assert_int_equal(held.fds + held.mappings + held.iovas, 0);
	vfiosafe_sim_close(t.sim);
	return 0;
}

/* The device complements 8 bytes at @iova; could it? */
static bool complements(uint64_t iova)
{
	uint32_t value;

	assert_int_equal(vfiosafe_write64(&t.view, VFIOSAFE_SIM_REG_DMA_ADDRESS, iova),
			 0);
	assert_int_equal(
		vfiosafe_write32(&t.view, VFIOSAFE_SIM_REG_DMA, VFIOSAFE_SIM_DMA_START),
		0);
	do
		assert_int_equal(vfiosafe_read32(&t.view, VFIOSAFE_SIM_REG_DMA, &value),
				 0);
	while (value == VFIOSAFE_SIM_DMA_START);
	return value == 0;
}

static uint64_t load(const void *at)
{
	return *(const volatile uint64_t *)at;
}

static int by_reset(void)
{
	return vfiosafe_reset(t.dev, NULL);
}

static int by_recovery(void)
{
	int rc = vfiosafe_mark_lost(t.dev, "for the test");

	return rc < 0 ? rc : vfiosafe_recover(t.dev, NULL);
}

static int by_d3hot(void)
{
	int rc = vfiosafe_set_power(t.dev, VFIOSAFE_D3HOT, NULL);

	return rc < 0 ? rc : vfiosafe_set_power(t.dev, VFIOSAFE_D0, NULL);
}

static int by_low_power(void)
{
	int rc = vfiosafe_low_power_enter(t.dev, false, NULL);

	return rc < 0 ? rc : vfiosafe_low_power_exit(t.dev, NULL);
}

static int by_decode(void)
{
	int rc = vfiosafe_set_decode(t.dev, false, NULL);

	return rc < 0 ? rc : vfiosafe_set_decode(t.dev, true, NULL);
}

static void memory_is_reached_after_each_kind_of_window(void **state)
{
	int (*const windows[])(void) = { by_reset, by_recovery, by_d3hot, by_low_power,
					 by_decode };
	struct vfiosafe_dma_memory mem;
	uint64_t want = 0;

	(void)state;
	assert_int_equal(vfiosafe_dma_alloc(&mem, t.dev, PAGE, 0), 0);
	for (unsigned int i = 0; i < 25; i++) {
		assert_int_equal(windows[i % 5](), 0);
		assert_int_equal(vfiosafe_bar_view(t.bar, &t.view), 0);
		assert_true(complements(mem.iova + 64));
		want = ~want;
		assert_true(load((uint8_t *)mem.addr + 64) == want);
	}
}

static void what_is_unmapped_is_not_reached(void **state)
{
	uint8_t *page = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct vfiosafe_iommu_opts opts = { .size = sizeof(opts),
					    .prot = VFIOSAFE_DMA_READ };
	uint64_t iova, readable;

	(void)state;
	assert_int_equal(vfiosafe_iommu_map(t.dev, page, PAGE, NULL, &iova), 0);
	assert_int_equal(vfiosafe_iommu_map(t.dev, page + PAGE, PAGE, &opts, &readable),
			 0);
	assert_true(complements(iova));
	assert_true(load(page) == UINT64_MAX);
	/* It may read this one, and not write it. */
	assert_false(complements(readable));
	assert_true(load(page + PAGE) == 0);
	assert_int_equal(vfiosafe_iommu_unmap(t.dev, iova, PAGE), 0);
	assert_false(complements(iova));
	assert_true(load(page) == UINT64_MAX);
	assert_int_equal(vfiosafe_iommu_unmap(t.dev, readable, PAGE), 0);
	munmap(page, 2 * PAGE);
}

static void beyond_the_limit_the_limit_is_named(void **state)
{
	struct vfiosafe_dma_memory mem;

	(void)state;
	assert_int_equal(vfiosafe_sim_set(t.sim, VFIOSAFE_SIM_SET_MEMLOCK, 4 * PAGE), 0);
	assert_int_equal(vfiosafe_dma_alloc(&mem, t.dev, 5 * PAGE, 0), -ENOMEM);
	assert_non_null(strstr(vfiosafe_error_text(), "RLIMIT_MEMLOCK is 0x4000 bytes"));
	assert_int_equal(vfiosafe_dma_alloc(&mem, t.dev, 4 * PAGE, 0), 0);
}

struct slot {
	uint64_t iova, len;
	uint8_t *at;
};

/* Maps or unmaps one of @slots, by chance; the memory is @at, many times over. */
static void one_step(struct slot *slot, uint8_t *memory)
{
	struct vfiosafe_iommu_opts opts = { .size = sizeof(opts) };
	uint64_t first = (uint64_t)rand() % 64;

	if (slot->len) {
		assert_true(complements(slot->iova + slot->len - 8));
		assert_int_equal(vfiosafe_iommu_unmap(t.dev, slot->iova, slot->len), 0);
		slot->len = 0;
		return;
	}
	slot->at = memory + first * PAGE;
	slot->len = (1 + (uint64_t)rand() % (64 - first)) * PAGE;
	opts.align = rand() % 3 ? 0 : PAGE << rand() % 10;
	opts.below = rand() % 3 ? 0 : UINT64_C(1) << (24 + rand() % 12);
	assert_int_equal(
		vfiosafe_iommu_map(t.dev, slot->at, slot->len, &opts, &slot->iova), 0);
	assert_true(opts.align == 0 || slot->iova % opts.align == 0);
	assert_true(opts.below == 0 || slot->iova + slot->len <= opts.below);
}

static void the_kernel_takes_each_address_that_is_chosen(void **state)
{
	uint8_t *memory = mmap(NULL, 64 * PAGE, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct slot slots[SLOTS] = { 0 };
	struct vfiosafe_sim_counts counts;

	(void)state;
	srand(1);
	for (int step = 0; step < STEPS; step++)
		one_step(&slots[rand() % SLOTS], memory);
	vfiosafe_sim_counts(t.sim, &counts);
	assert_int_equal(counts.dma_faults, 0);
	for (int i = 0; i < SLOTS; i++)
		if (slots[i].len)
			assert_int_equal(
				vfiosafe_iommu_unmap(t.dev, slots[i].iova, slots[i].len),
				0);
	munmap(memory, 64 * PAGE);
}

static void *map_on(void *arg)
{
	struct vfiosafe_dma_memory mem;

	(void)arg;
	while (!__atomic_load_n(&t.stop, __ATOMIC_RELAXED)) {
		if (vfiosafe_dma_alloc(&mem, t.dev, PAGE, 0) < 0 ||
		    vfiosafe_dma_free(&mem) < 0)
			__atomic_add_fetch(&t.odd, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

static void mapping_goes_on_while_the_device_is_reset(void **state)
{
	struct vfiosafe_dma_memory mem;
	pthread_t thread[2];

	(void)state;
	assert_int_equal(vfiosafe_dma_alloc(&mem, t.dev, PAGE, 0), 0);
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, map_on, NULL), 0);
	for (int i = 0; i < 50; i++) {
		assert_int_equal(vfiosafe_reset(t.dev, NULL), 0);
		assert_true(complements(mem.iova));
	}
	__atomic_store_n(&t.stop, true, __ATOMIC_RELAXED);
	for (int i = 0; i < 2; i++)
		pthread_join(thread[i], NULL);
	assert_int_equal(t.odd, 0);
	assert_true(load(mem.addr) == 0);
}

#define DOOR(test, suffix, by)                                                           \
	{                                                                                \
		.name = #test suffix, .test_func = test, .setup_func = setup,            \
		.teardown_func = teardown, .initial_state = (void *)(uintptr_t)(by)      \
	}
#define BOTH(test)                                                                       \
	DOOR(test, " (cdev)", VFIOSAFE_DOOR_CDEV),                                       \
		DOOR(test, " (group)", VFIOSAFE_DOOR_GROUP)

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(memory_is_reached_after_each_kind_of_window),
		BOTH(what_is_unmapped_is_not_reached),
		BOTH(beyond_the_limit_the_limit_is_named),
		BOTH(the_kernel_takes_each_address_that_is_chosen),
		BOTH(mapping_goes_on_while_the_device_is_reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

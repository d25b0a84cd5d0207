/* SPDX-License-Identifier: MIT */
/* The library opens the simulated device by its address, as it would a real one. */
#include "sim_rig.h"

#include <vfiosafe/vfiosafe.h>

static struct vfiosafe_sim *sim;

static int setup(void **state)
{
	struct vfiosafe_sim_opts opts = { .size = sizeof(opts), .window_us = 1 };

	*state = NULL;
	return vfiosafe_sim_open(&sim, "sim:reg", &opts);
}

static int teardown(void **state)
{
	(void)state;
	vfiosafe_sim_close(sim);
	return 0;
}

static struct vfiosafe_device *open_by(enum vfiosafe_door door)
{
	struct vfiosafe_device_opts opts = {
		.size = sizeof(opts),
		.door = door,
		.sys = vfiosafe_sim_sys(sim),
	};
	struct vfiosafe_device *dev = NULL;

	assert_int_equal(vfiosafe_device_open(&dev, vfiosafe_sim_address(sim), &opts), 0);
	return dev;
}

static void close_dev(struct vfiosafe_device *dev)
{
	struct vfiosafe_sim_held held;

	assert_int_equal(vfiosafe_device_close(dev, 1000), 0);
	vfiosafe_sim_held(sim, &held);
	assert_int_equal(held.fds + held.mappings + held.iovas, 0);
}

/* What a driver does: a register, a word of memory, a reset, both again. */
static void work(struct vfiosafe_device *dev)
{
	struct vfiosafe_dma_memory memory;
	struct vfiosafe_bar *bar = NULL;
	struct vfiosafe_view view;

	assert_int_equal(vfiosafe_set_bus_master(dev, true), 0);
	assert_int_equal(vfiosafe_bar_map(&bar, dev, 0, 0, BAR0_LEN, 0), 0);
	assert_int_equal(vfiosafe_dma_alloc(&memory, dev, 4096, 0), 0);
	for (int i = 0; i < 2; i++) {
		uint32_t value = 0;

		assert_int_equal(vfiosafe_bar_view(bar, &view), 0);
		assert_int_equal(vfiosafe_read32(&view, VFIOSAFE_SIM_REG_ID, &value), 0);
		assert_int_equal(value, VFIOSAFE_SIM_ID);
		assert_int_equal(vfiosafe_write64(&view, VFIOSAFE_SIM_REG_DMA_ADDRESS,
						  memory.iova),
				 0);
		assert_int_equal(vfiosafe_write32(&view, VFIOSAFE_SIM_REG_DMA,
						  VFIOSAFE_SIM_DMA_START),
				 0);
		do
			assert_int_equal(
				vfiosafe_read32(&view, VFIOSAFE_SIM_REG_DMA, &value), 0);
		while (value == VFIOSAFE_SIM_DMA_START);
		assert_int_equal(value, 0);
		assert_int_equal(vfiosafe_reset(dev, NULL), 0);
	}
	assert_true(*(uint64_t *)memory.addr == 0);
	assert_int_equal(vfiosafe_dma_free(&memory), 0);
}

static void by_its_node(void **state)
{
	struct vfiosafe_device *dev = open_by(VFIOSAFE_DOOR_CDEV);

	(void)state;
	work(dev);
	close_dev(dev);
}

static void by_its_group(void **state)
{
	struct vfiosafe_device *dev = open_by(VFIOSAFE_DOOR_GROUP);

	(void)state;
	work(dev);
	close_dev(dev);
}

static void again_and_again_by_either_door(void **state)
{
	(void)state;
	for (int i = 0; i < 4; i++) {
		struct vfiosafe_device *dev =
			open_by(i % 2 ? VFIOSAFE_DOOR_GROUP : VFIOSAFE_DOOR_AUTO);

		work(dev);
		close_dev(dev);
	}
}

static void contention_at_open_is_waited_out(void **state)
{
	struct vfiosafe_device *dev;

	(void)state;
	assert_int_equal(vfiosafe_sim_set(sim, VFIOSAFE_SIM_SET_CONTENTION, 60), 0);
	dev = open_by(VFIOSAFE_DOOR_CDEV);
	close_dev(dev);
}

static void set_without_methods(uint64_t without)
{
	assert_int_equal(
		vfiosafe_sim_set(sim, VFIOSAFE_SIM_SET_NO_RESET_METHOD, without), 0);
}

/* Refused, and nothing was lost; else the device would be in FAULT. */
static void a_reset_without_methods_is_refused_beforehand(void **state)
{
	struct vfiosafe_device *dev = open_by(VFIOSAFE_DOOR_CDEV);

	(void)state;
	set_without_methods(1);
	assert_int_equal(vfiosafe_reset(dev, NULL), -EOPNOTSUPP);
	assert_non_null(strstr(vfiosafe_error_text(), "was emptied"));
	assert_int_equal(vfiosafe_device_state(dev), VFIOSAFE_LIVE);
	set_without_methods(0);
	work(dev);
	close_dev(dev);
}

static const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	TEST(by_its_node),
	TEST(by_its_group),
	TEST(again_and_again_by_either_door),
	TEST(contention_at_open_is_waited_out),
	TEST(a_reset_without_methods_is_refused_beforehand),
};

int main(void)
{
	return cmocka_run_group_tests(tests, NULL, NULL);
}

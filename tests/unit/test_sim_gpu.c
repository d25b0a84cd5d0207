/* SPDX-License-Identifier: MIT */
/* The simulated display: what it shows, and what it loses. */
#include "sim_rig.h"

#define FRAME_LEN 0x20000u
#define MODE_LEN 0x1000u
#define ID 0x500u
#define XRES 0x502u
#define YRES 0x504u
#define BPP 0x506u
#define ENABLE 0x508u

static struct rig rig;
static void *frame, *mode;
static uint32_t pixels[64];

static void *map(uint32_t index, size_t len)
{
	void *at = NULL;

	assert_int_equal(rig_mmap(&rig, &at, len, PROT_READ | PROT_WRITE, MAP_SHARED,
				  REGION(index)),
			 0);
	return at;
}

static int setup(void **state)
{
	(void)state;
	assert_int_equal(vfiosafe_sim_open(&rig.sim, "sim:gpu", NULL), 0);
	rig.sys = vfiosafe_sim_sys(rig.sim);
	rig.fd = vfiosafe_sim_device_fd(rig.sim);
	frame = map(0, FRAME_LEN);
	mode = map(2, MODE_LEN);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	rig_unmap(&rig, frame, FRAME_LEN);
	rig_unmap(&rig, mode, MODE_LEN);
	vfiosafe_sim_close(rig.sim);
	return 0;
}

static volatile uint16_t *reg16(uint32_t at)
{
	return (volatile uint16_t *)(void *)((char *)mode + at);
}

static int look(size_t room)
{
	struct vfiosafe_sim_screen screen = { .pixels = pixels, .room = room };
	int rc = vfiosafe_sim_screen(rig.sim, &screen);

	if (rc == 0) {
		assert_int_equal(screen.width, 8);
		assert_int_equal(screen.height, 4);
	}
	return rc;
}

static void show(void)
{
	*reg16(XRES) = 8;
	*reg16(YRES) = 4;
	*reg16(BPP) = 32;
	*reg16(ENABLE) = 0x41;
	for (uint32_t i = 0; i < 32; i++)
		*reg32(frame, i * 4) = 0x100000 + i;
}

static void a_set_mode_shows_the_frame_buffer(void **state)
{
	(void)state;
	assert_int_equal(*reg16(ID), 0xb0c5);
	assert_int_equal(look(64), -ENODATA);
	show();
	assert_int_equal(look(64), 0);
	for (uint32_t i = 0; i < 32; i++)
		assert_int_equal(pixels[i], 0x100000 + i);
	assert_int_equal(look(31), -ENOSPC);
	*reg16(BPP) = 16;
	assert_int_equal(look(64), -ENODATA);
	*reg16(BPP) = 32;
	*reg16(YRES) = 0xffff;
	assert_int_equal(look(64), -ENODATA);
}

static void a_reset_loses_mode_and_picture(void **state)
{
	(void)state;
	for (int i = 0; i < 4; i++) {
		show();
		assert_int_equal(look(64), 0);
		if (i % 2)
			assert_int_equal(rig_reset(&rig), 0);
		else
			vfiosafe_sim_reset_behind(rig.sim);
		assert_int_equal(look(64), -ENODATA);
		assert_int_equal(*reg16(ID), 0xb0c5);
		assert_int_equal(*reg16(ENABLE), 0);
		assert_int_equal(*reg16(XRES), 0);
		for (uint32_t at = 0; at < FRAME_LEN; at += 4)
			assert_int_equal(*reg32(frame, at), 0);
	}
	assert_int_equal(rig_counts(&rig).resets, 4);
}

static void asleep_it_shows_nothing_and_keeps_nothing(void **state)
{
	(void)state;
	show();
	config_set16(&rig, CONFIG_PM + PCI_PM_CTRL, 3);
	assert_int_equal(look(64), -ENODATA);
	config_set16(&rig, CONFIG_PM + PCI_PM_CTRL, 0);
	assert_int_equal(look(64), -ENODATA);
	assert_int_equal(*reg32(frame, 0), 0);
}

static void other_models_have_no_screen(void **state)
{
	struct vfiosafe_sim_screen screen = { .pixels = pixels, .room = 64 };
	struct vfiosafe_sim *reg;

	(void)state;
	assert_int_equal(vfiosafe_sim_open(&reg, "sim:reg", NULL), 0);
	assert_int_equal(vfiosafe_sim_screen(reg, &screen), -EINVAL);
	vfiosafe_sim_close(reg);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_set_mode_shows_the_frame_buffer, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_reset_loses_mode_and_picture, setup,
						teardown),
		cmocka_unit_test_setup_teardown(asleep_it_shows_nothing_and_keeps_nothing,
						setup, teardown),
		cmocka_unit_test(other_models_have_no_screen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

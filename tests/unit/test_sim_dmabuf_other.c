/* SPDX-License-Identifier: MIT */
/* What another process sees that maps an export of a simulated device. */
#include "sim_dmabuf_rig.h"

#define MEM 0x9000u /* of BAR 0: beyond LOG, plain memory */

static struct {
	struct other other;
	struct door door;
} t;

static int setup_kind(void **state, enum vfiosafe_sim_window window)
{
	struct vfiosafe_sim_opts opts = { .size = sizeof(opts),
					  .window = window,
					  .window_us = 1000 };
	struct vfiosafe_sim *sim = NULL;

	memset(&t, 0, sizeof(t));
	other_start(&t.other);
	assert_int_equal(vfiosafe_sim_open(&sim, "sim:reg", &opts), 0);
	door_by_node(&t.door, sim);
	t.door.rig.bar = rig_map_bar(&t.door.rig, PROT_READ | PROT_WRITE);
	*state = &t.door.rig;
	return 0;
}

static int setup(void **state)
{
	return setup_kind(state, VFIOSAFE_SIM_ALL_ONES);
}

static int setup_stall(void **state)
{
	return setup_kind(state, VFIOSAFE_SIM_STALL);
}

static int setup_sigbus(void **state)
{
	return setup_kind(state, VFIOSAFE_SIM_SIGBUS);
}

/* Nothing is left of the export, nor of anything else. */
static int teardown(void **state)
{
	struct rig *rig = *state;

	if (rig->bar)
		rig_unmap(rig, rig->bar, BAR0_LEN);
	if (rig->fd >= 0)
		door_leave(&t.door);
	other_end(&t.other);
	assert_int_equal(door_held(rig).dmabufs, 0);
	assert_int_equal(door_held(rig).fds + door_held(rig).mappings, 0);
	vfiosafe_sim_close(rig->sim);
	return 0;
}

/* The fd goes to the other process, and only there. */
static void give(const struct rig *rig, uint64_t len)
{
	int fd = export_range(rig, 0, len);

	assert_int_equal(other_map(&t.other, fd, len), 0);
	assert_int_equal(door_close(rig, fd), 0);
	assert_int_equal(door_held(rig).dmabufs, 1);
}

static uint32_t seen(uint32_t offset)
{
	struct other_reply reply = other_load(&t.other, offset);

	assert_int_equal(reply.err, 0);
	return reply.value;
}

static void it_sees_and_stores_to_the_registers_of_the_device(void **state)
{
	struct rig *rig = *state;

	give(rig, BAR0_LEN);
	assert_int_equal(seen(VFIOSAFE_SIM_REG_ID), VFIOSAFE_SIM_ID);
	*reg32(rig->bar, MEM) = 0xcafe;
	assert_int_equal(seen(MEM), 0xcafe);
	assert_int_equal(other_store(&t.other, MEM + 4, 77), 0);
	assert_int_equal(*reg32(rig->bar, MEM + 4), 77);
	/* Not only memory: the device notices. */
	assert_int_equal(other_store(&t.other, VFIOSAFE_SIM_REG_INVERT, 0xf0f0f0f0), 0);
	until(seen(VFIOSAFE_SIM_REG_INVERT) == 0x0f0f0f0f);
	other_unmap(&t.other, BAR0_LEN);
}

static void its_stores_are_counted_by_generation(void **state)
{
	struct rig *rig = *state;

	give(rig, BAR0_LEN);
	assert_int_equal(rig_reset(rig), 0);
	/* The upper half of a slot: generation 1, then the past. */
	assert_int_equal(other_store(&t.other, VFIOSAFE_SIM_REG_LOG + 4, 1), 0);
	until(rig_counts(rig).stores == 1);
	assert_int_equal(rig_counts(rig).foreign_stores, 0);
	assert_int_equal(rig_reset(rig), 0);
	assert_int_equal(other_store(&t.other, VFIOSAFE_SIM_REG_LOG + 4, 1), 0);
	until(rig_counts(rig).stores == 2);
	assert_int_equal(rig_counts(rig).foreign_stores, 1);
	other_unmap(&t.other, BAR0_LEN);
}

static bool ones_attempt(struct rig *rig)
{
	struct resetter resetter;
	uint32_t id, mem;
	int rc;

	resetter_start(&resetter, rig, false);
	id = seen(VFIOSAFE_SIM_REG_ID);
	mem = seen(MEM);
	rc = other_store(&t.other, MEM, 5);
	if (!resetter_end(&resetter))
		return false;
	assert_int_equal(id, UINT32_MAX);
	assert_int_equal(mem, UINT32_MAX);
	assert_int_equal(rc, 0);
	return true;
}

/* A store of the window has vanished; what it sees is the reset device. */
static void in_a_window_it_sees_ones_and_then_the_reset_device(void **state)
{
	struct rig *rig = *state;
	uint32_t us = 10000;

	give(rig, BAR0_LEN);
	do {
		*reg32(rig->bar, MEM) = 0xcafe;
		assert_int_equal(
			vfiosafe_sim_set(rig->sim, VFIOSAFE_SIM_SET_WINDOW_US, us), 0);
		assert_true((us *= 8) < 100000000);
	} while (!ones_attempt(rig));
	assert_int_equal(seen(VFIOSAFE_SIM_REG_ID), VFIOSAFE_SIM_ID);
	assert_int_equal(seen(MEM), 0);
	other_unmap(&t.other, BAR0_LEN);
}

static bool sigbus_attempt(struct rig *rig)
{
	struct resetter resetter;
	int load, store;

	resetter_start(&resetter, rig, false);
	load = other_load(&t.other, VFIOSAFE_SIM_REG_ID).err;
	store = other_store(&t.other, MEM, 5);
	if (!resetter_end(&resetter))
		return false;
	assert_int_equal(load, EFAULT);
	assert_int_equal(store, EFAULT);
	return true;
}

static void in_a_window_that_faults_it_gets_sigbus(void **state)
{
	struct rig *rig = *state;
	uint32_t us = 10000;

	give(rig, BAR0_LEN);
	do {
		assert_int_equal(
			vfiosafe_sim_set(rig->sim, VFIOSAFE_SIM_SET_WINDOW_US, us), 0);
		assert_true((us *= 8) < 100000000);
	} while (!sigbus_attempt(rig));
	assert_int_equal(seen(VFIOSAFE_SIM_REG_ID), VFIOSAFE_SIM_ID);
	assert_int_equal(seen(MEM), 0);
	other_unmap(&t.other, BAR0_LEN);
}

static void while_the_decode_is_off_or_it_sleeps_it_gets_sigbus(void **state)
{
	struct rig *rig = *state;
	uint16_t command = config_get16(rig, PCI_COMMAND);

	give(rig, BAR0_LEN);
	*reg32(rig->bar, MEM) = 0xcafe;
	config_set16(rig, PCI_COMMAND, (uint16_t)(command & ~PCI_COMMAND_MEMORY));
	assert_int_equal(other_load(&t.other, MEM).err, EFAULT);
	config_set16(rig, PCI_COMMAND, command);
	assert_int_equal(seen(MEM), 0xcafe);
	config_set16(rig, CONFIG_PM + PCI_PM_CTRL, 3);
	assert_int_equal(other_load(&t.other, MEM).err, EFAULT);
	config_set16(rig, CONFIG_PM + PCI_PM_CTRL, 0);
	assert_int_equal(seen(MEM), 0);
	other_unmap(&t.other, BAR0_LEN);
}

static void after_many_resets_it_sees_what_the_program_sees(void **state)
{
	struct rig *rig = *state;

	give(rig, BAR0_LEN);
	for (uint32_t i = 1; i <= 100; i++) {
		assert_int_equal(other_store(&t.other, MEM, i), 0);
		assert_int_equal(*reg32(rig->bar, MEM), i);
		assert_int_equal(rig_reset(rig), 0);
		assert_int_equal(seen(MEM), 0);
		assert_int_equal(seen(VFIOSAFE_SIM_REG_ID), VFIOSAFE_SIM_ID);
	}
	other_unmap(&t.other, BAR0_LEN);
}

static void ranges_that_do_not_begin_at_0_cannot_be_mapped(void **state)
{
	struct rig *rig = *state;
	struct export_arg two = export_arg(0, 0, PAGE);
	int fd = export_range(rig, PAGE, PAGE);

	assert_int_equal(other_map(&t.other, fd, PAGE), ENODEV);
	assert_int_equal(door_close(rig, fd), 0);
	two.count = 2;
	two.part[1] = (struct part){ 4 * PAGE, PAGE };
	fd = export_call(rig, &two);
	assert_true(fd >= 0);
	assert_int_equal(other_map(&t.other, fd, PAGE), ENODEV);
	assert_int_equal(door_close(rig, fd), 0);
	assert_int_equal(door_held(rig).dmabufs, 0);
}

/* The next user's device is not the one that was shared. */
static void after_the_last_close_it_gets_sigbus_for_ever(void **state)
{
	struct rig *rig = *state;

	give(rig, BAR0_LEN);
	rig_unmap(rig, rig->bar, BAR0_LEN);
	/* Its mapping is not the program's, and holds nothing. */
	door_leave(&t.door);
	assert_int_equal(other_load(&t.other, VFIOSAFE_SIM_REG_ID).err, EFAULT);
	assert_int_equal(door_held(rig).dmabufs, 0);
	door_by_node(&t.door, rig->sim);
	rig->bar = rig_map_bar(rig, PROT_READ | PROT_WRITE);
	assert_int_equal(*reg32(rig->bar, VFIOSAFE_SIM_REG_ID), VFIOSAFE_SIM_ID);
	*reg32(rig->bar, MEM) = 0xcafe;
	assert_int_equal(other_load(&t.other, MEM).err, EFAULT);
	assert_int_equal(other_store(&t.other, MEM, 1), EFAULT);
	assert_int_equal(*reg32(rig->bar, MEM), 0xcafe);
	other_unmap(&t.other, BAR0_LEN);
	/* And that one can be shared as well. */
	give(rig, BAR0_LEN);
	assert_int_equal(seen(MEM), 0xcafe);
	other_unmap(&t.other, BAR0_LEN);
}

#define ROW(test, before) cmocka_unit_test_setup_teardown(test, before, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ROW(it_sees_and_stores_to_the_registers_of_the_device, setup),
		ROW(its_stores_are_counted_by_generation, setup),
		ROW(in_a_window_it_sees_ones_and_then_the_reset_device, setup),
		ROW(in_a_window_it_sees_ones_and_then_the_reset_device, setup_stall),
		ROW(in_a_window_that_faults_it_gets_sigbus, setup_sigbus),
		ROW(while_the_decode_is_off_or_it_sleeps_it_gets_sigbus, setup),
		ROW(after_many_resets_it_sees_what_the_program_sees, setup),
		ROW(after_many_resets_it_sees_what_the_program_sees, setup_stall),
		ROW(after_many_resets_it_sees_what_the_program_sees, setup_sigbus),
		ROW(ranges_that_do_not_begin_at_0_cannot_be_mapped, setup),
		ROW(after_the_last_close_it_gets_sigbus_for_ever, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

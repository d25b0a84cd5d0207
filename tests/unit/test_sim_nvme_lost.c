/* SPDX-License-Identifier: MIT */
/* The simulated NVMe controller in trouble: resets, memory out of reach, the end. */
#include "sim_nvme_rig.h"

static struct nvme the_nvme;

static int setup(void **state)
{
	nvme_open(&the_nvme, (struct vfiosafe_sim_opts){ 0 });
	*state = &the_nvme;
	return 0;
}

static int teardown(void **state)
{
	nvme_close(*state);
	return 0;
}

static void a_reset_loses_the_queues_and_keeps_the_disk(void **state)
{
	struct nvme *nvme = *state;
	struct rig *rig = &nvme->door.rig;

	for (uint32_t i = 0; i < 4; i++) {
		nvme_start(nvme);
		if (i > 0) {
			assert_int_equal(
				nvme_run(nvme, 1, nvme_rw(nvme, false, 7, 1, DATA)), 0);
			assert_int_equal(nvme->memory[DATA], i - 1);
		}
		nvme->memory[DATA] = (uint8_t)i;
		assert_int_equal(nvme_run(nvme, 1, nvme_rw(nvme, true, 7, 1, DATA)), 0);
		until(signals(nvme->event) > 0);
		if (i % 2)
			assert_int_equal(rig_reset(rig), 0);
		else
			vfiosafe_sim_reset_behind(rig->sim);
		assert_int_equal(*nvme_reg(nvme, CC), 0);
		assert_int_equal(*nvme_reg(nvme, CSTS), 0);
		assert_int_equal(*nvme_reg(nvme, AQA), 0);
		assert_int_equal(*nvme_reg(nvme, VS), 0x10400);
	}
	assert_int_equal(rig_counts(rig).lost_commands, 0);
}

static void lose(struct nvme *nvme)
{
	struct rig *rig = &nvme->door.rig;

	assert_int_equal(vfiosafe_sim_set(rig->sim, VFIOSAFE_SIM_SET_LATENCY_US, 0), 0);
	nvme_start(nvme);
	assert_int_equal(
		vfiosafe_sim_set(rig->sim, VFIOSAFE_SIM_SET_LATENCY_US, 1000000000), 0);
	nvme_submit(nvme, 1, nvme_rw(nvme, true, 7, 1, DATA));
	nvme_submit(nvme, 1, nvme_rw(nvme, true, 7, 1, DATA));
	/* the device looks: it has seen the doorbell */
	rig_counts(rig);
}

static void commands_in_flight_are_lost_with_the_state(void **state)
{
	struct nvme *nvme = *state;
	struct rig *rig = &nvme->door.rig;

	lose(nvme);
	assert_int_equal(rig_reset(rig), 0);
	assert_int_equal(rig_counts(rig).lost_commands, 2);
	lose(nvme);
	nvme_disable(nvme);
	assert_int_equal(rig_counts(rig).lost_commands, 4);
	assert_int_equal(signals(nvme->event), 0);
	assert_false(nvme_completed(nvme, 1));
}

static void data_out_of_reach_fails_the_command(void **state)
{
	struct nvme *nvme = *state;
	struct rig *rig = &nvme->door.rig;
	struct command command;

	nvme_start(nvme);
	command = nvme_rw(nvme, false, 0, 1, DATA);
	command.prp[0] = IOVA + MEMORY_LEN;
	assert_int_equal(nvme_run(nvme, 1, command), 0x04);
	assert_int_equal(rig_counts(rig).dma_faults, 1);
	/* the second page, after the first was written */
	command = nvme_rw(nvme, false, 0, 16, MEMORY_LEN - PAGE);
	assert_int_equal(nvme_run(nvme, 1, command), 0x04);
	assert_int_equal(nvme_run(nvme, 1, nvme_rw(nvme, false, 0, 1, DATA)), 0);
	assert_int_equal(*nvme_reg(nvme, CSTS), RDY);
}

static void a_queue_out_of_reach_fails_the_controller(void **state)
{
	struct nvme *nvme = *state;
	struct rig *rig = &nvme->door.rig;

	nvme_start(nvme);
	assert_int_equal(nvme_dma(nvme, false), 0);
	nvme_submit(nvme, 1, nvme_rw(nvme, false, 0, 1, DATA));
	until(*nvme_reg(nvme, CSTS) & CFS);
	assert_int_equal(rig_counts(rig).dma_faults, 1);
	assert_int_equal(nvme_dma(nvme, true), 0);
	rig_counts(rig);
	assert_false(nvme_completed(nvme, 1));
	nvme_disable(nvme);
	nvme_start(nvme);
	assert_int_equal(nvme_run(nvme, 1, nvme_rw(nvme, false, 0, 1, DATA)), 0);
}

static void without_bus_mastering_nothing_reaches_memory(void **state)
{
	struct nvme *nvme = *state;
	struct rig *rig = &nvme->door.rig;

	nvme_start(nvme);
	rig_bus_master(rig, false);
	nvme_submit(nvme, 1, nvme_rw(nvme, false, 0, 1, DATA));
	until(*nvme_reg(nvme, CSTS) & CFS);
	assert_int_equal(rig_counts(rig).dma_blocked, 1);
	assert_int_equal(rig_counts(rig).dma_faults, 0);
	assert_false(nvme_completed(nvme, 1));
}

static void asleep_it_does_nothing(void **state)
{
	struct nvme *nvme = *state;
	struct rig *rig = &nvme->door.rig;

	lose(nvme);
	config_set16(rig, CONFIG_PM + PCI_PM_CTRL, 3);
	assert_int_equal(vfiosafe_sim_set(rig->sim, VFIOSAFE_SIM_SET_LATENCY_US, 0), 0);
	rig_counts(rig); /* awake, it would look and find them due */
	assert_int_equal(rig_counts(rig).dma_blocked, 0);
	assert_false(nvme_completed(nvme, 1));
	config_set16(rig, CONFIG_PM + PCI_PM_CTRL, 0);
	assert_int_equal(rig_counts(rig).lost_commands, 2);
	assert_int_equal(*nvme_reg(nvme, CC), 0);
	nvme_start(nvme);
}

static void pulled_out_it_is_all_ones(void **state)
{
	struct nvme *nvme = *state;
	struct rig *rig = &nvme->door.rig;

	lose(nvme);
	vfiosafe_sim_unplug(rig->sim);
	for (uint32_t at = 0; at < NVME_BAR_LEN; at += 4)
		assert_int_equal(*nvme_reg(nvme, at), 0xffffffffu);
	assert_int_equal(rig_counts(rig).lost_commands, 2);
	assert_false(nvme_completed(nvme, 1));
}

/* COMMAND, then MSI-X off and on, then the driver as at first. */
static void after_a_fatal_error_it_can_be_brought_back(void **state)
{
	struct nvme *nvme = *state;
	struct rig *rig = &nvme->door.rig;

	nvme_start(nvme);
	nvme->memory[DATA] = 0x77;
	assert_int_equal(nvme_run(nvme, 1, nvme_rw(nvme, true, 7, 1, DATA)), 0);
	vfiosafe_sim_aer(rig->sim, true);
	assert_int_equal(*nvme_reg(nvme, CSTS), 0xffffffffu);
	config_set16(rig, PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	assert_int_equal(rig_irqs_off(rig, VFIO_PCI_MSIX_IRQ_INDEX), 0);
	assert_int_equal(rig_set_fd(rig, VFIO_PCI_MSIX_IRQ_INDEX, 1, nvme->event), 0);
	signals(nvme->event);
	nvme_start(nvme);
	nvme->memory[DATA] = 0;
	assert_int_equal(nvme_run(nvme, 1, nvme_rw(nvme, false, 7, 1, DATA)), 0);
	assert_int_equal(nvme->memory[DATA], 0x77);
	until(signals(nvme->event) > 0);
}

static void a_disk_is_as_long_as_it_was_told_to_be(void **state)
{
	struct vfiosafe_sim_opts opts = { .size = sizeof(opts), .disk_len = 1000 };
	struct vfiosafe_sim *sim = NULL;
	struct nvme nvme;

	(void)state;
	assert_int_equal(vfiosafe_sim_open(&sim, "sim:nvme", &opts), -EINVAL);
	nvme_open(&nvme, (struct vfiosafe_sim_opts){ .disk_len = 8 * 512 });
	nvme_start(&nvme);
	assert_int_equal(nvme_run(&nvme, 1, nvme_rw(&nvme, true, 7, 1, DATA)), 0);
	assert_int_equal(nvme_run(&nvme, 1, nvme_rw(&nvme, true, 8, 1, DATA)), 0x80);
	nvme_close(&nvme);
}

/* The driver starts anew after each, and every completion is of the new life. */
static void it_survives_many_resets_at_work(void **state)
{
	struct nvme nvme;
	struct rig *rig = &nvme.door.rig;

	(void)state;
	nvme_open(&nvme, (struct vfiosafe_sim_opts){ .window = VFIOSAFE_SIM_ALL_KINDS });
	for (uint32_t i = 0; i < 200; i++) {
		nvme_start(&nvme);
		for (uint32_t j = 0; j < i % 5; j++)
			nvme_submit(&nvme, 1, nvme_rw(&nvme, false, j, 1, DATA));
		if (i % 3 == 0 && i % 5 > 0)
			assert_int_equal(nvme_reap(&nvme, 1), 0);
		assert_int_equal(rig_reset(rig), 0);
	}
	assert_int_equal(rig_counts(rig).dma_faults, 0);
	assert_int_equal(rig_counts(rig).resets, 200);
	nvme_close(&nvme);
}

static const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	TEST(a_reset_loses_the_queues_and_keeps_the_disk),
	TEST(commands_in_flight_are_lost_with_the_state),
	TEST(data_out_of_reach_fails_the_command),
	TEST(a_queue_out_of_reach_fails_the_controller),
	TEST(without_bus_mastering_nothing_reaches_memory),
	TEST(asleep_it_does_nothing),
	TEST(pulled_out_it_is_all_ones),
	TEST(after_a_fatal_error_it_can_be_brought_back),
	cmocka_unit_test(a_disk_is_as_long_as_it_was_told_to_be),
	cmocka_unit_test(it_survives_many_resets_at_work),
};

int main(void)
{
	return cmocka_run_group_tests(tests, NULL, NULL);
}

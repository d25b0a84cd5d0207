/* SPDX-License-Identifier: MIT */
/* The simulated NVMe controller at work: a raw driver reads and writes its disk. */
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

static void registers_say_what_it_is(void **state)
{
	struct nvme *nvme = *state;
	uint64_t cap = *reg64(nvme->door.rig.bar, CAP);

	assert_int_equal(cap & 0xffff, 1023);
	assert_int_equal(cap >> 32 & 0xf, 0); /* stride */
	assert_true(cap & 1ull << 37);
	assert_int_equal(cap >> 48 & 0xf, 0); /* pages of 4 KiB */
	assert_int_equal(*nvme_reg(nvme, VS), 0x10400);
	*nvme_reg(nvme, VS) = 0;
	until(*nvme_reg(nvme, VS) == 0x10400);
	assert_int_equal(*nvme_reg(nvme, CSTS), 0);
}

static void it_gets_ready_as_late_as_it_was_told_to(void **state)
{
	struct nvme *nvme = *state;
	struct rig *rig = &nvme->door.rig;
	int64_t start = now_us();

	assert_int_equal(vfiosafe_sim_set(rig->sim, VFIOSAFE_SIM_SET_READY_US, 20000), 0);
	assert_true(nvme_enable(nvme));
	assert_true(now_us() - start >= 20000);
	nvme_disable(nvme);
	assert_int_equal(*nvme_reg(nvme, AQA), (ENTRIES - 1) << 16 | (ENTRIES - 1));
}

static void what_it_cannot_do_makes_it_fail(void **state)
{
	struct nvme *nvme = *state;

	*nvme_reg(nvme, AQA) = 0;
	*nvme_reg(nvme, CC) = CC_ON;
	until(*nvme_reg(nvme, CSTS) == CFS);
	nvme_disable(nvme);
	*nvme_reg(nvme, AQA) = 0x00070007;
	*nvme_reg(nvme, CC) = CC_ON | 1 << 7; /* pages of 8 KiB */
	until(*nvme_reg(nvme, CSTS) == CFS);
	nvme_disable(nvme);
	assert_true(nvme_enable(nvme));
}

static uint32_t identify(struct nvme *nvme, uint32_t what, uint32_t nsid)
{
	return nvme_run(nvme, 0,
			(struct command){
				.opcode = 6,
				.nsid = nsid,
				.prp = { IOVA + DATA },
				.dw10 = { what },
			});
}

static void identify_tells_of_controller_and_namespace(void **state)
{
	struct nvme *nvme = *state;
	uint64_t blocks;
	uint32_t count;

	assert_true(nvme_enable(nvme));
	assert_int_equal(identify(nvme, 1, 0), 0);
	assert_memory_equal(nvme->memory + DATA + 24, "vfiosafe simulated NVMe ", 24);
	assert_int_equal(nvme->memory[DATA + 77], 5);
	memcpy(&count, nvme->memory + DATA + 516, 4);
	assert_int_equal(count, 1);
	assert_int_equal(identify(nvme, 0, 1), 0);
	memcpy(&blocks, nvme->memory + DATA, 8);
	assert_int_equal(blocks, (64 << 20) / 512);
	assert_int_equal(nvme->memory[DATA + 130], 9);
	assert_int_equal(identify(nvme, 2, 0), 0);
	memcpy(&count, nvme->memory + DATA, 4);
	assert_int_equal(count, 1);
	assert_int_equal(identify(nvme, 0, 2), 0x0b);
	assert_int_equal(identify(nvme, 0x77, 1), 0x02);
}

static void features_tell_how_many_queues_there_are(void **state)
{
	struct nvme *nvme = *state;
	struct command command = { .opcode = 9, .dw10 = { 7, 3 << 16 | 3 } };

	assert_true(nvme_enable(nvme));
	assert_int_equal(nvme_run(nvme, 0, command), 0);
	assert_int_equal(nvme->result, 15 << 16 | 15);
	command.dw10[1] = 0xffff;
	assert_int_equal(nvme_run(nvme, 0, command), 0x02);
	command.dw10[0] = 0x77;
	assert_int_equal(nvme_run(nvme, 0, command), 0x02);
	command.opcode = 0x77;
	assert_int_equal(nvme_run(nvme, 0, command), 0x01);
}

static void queues_are_created_by_the_rules(void **state)
{
	struct nvme *nvme = *state;

	assert_true(nvme_enable(nvme));
	assert_int_equal(nvme_create_sq(nvme, 1, ENTRIES, 1), 0x100);
	assert_int_equal(nvme_create_cq(nvme, 0, ENTRIES, 1), 0x101);
	assert_int_equal(nvme_create_cq(nvme, 17, ENTRIES, 1), 0x101);
	assert_int_equal(nvme_create_cq(nvme, 1, 1, 1), 0x102);
	assert_int_equal(nvme_create_cq(nvme, 1, 2000, 1), 0x102);
	assert_int_equal(nvme_create_cq(nvme, 1, ENTRIES, 16), 0x108);
	assert_int_equal(nvme_create_cq(nvme, 1, ENTRIES, 1), 0);
	assert_int_equal(nvme_create_cq(nvme, 1, ENTRIES, 1), 0x101);
	assert_int_equal(nvme_create_sq(nvme, 1, ENTRIES, 1), 0);
	/* not while somebody needs it */
	assert_int_equal(
		nvme_run(nvme, 0, (struct command){ .opcode = 4, .dw10 = { 1 } }), 0x10c);
	assert_int_equal(
		nvme_run(nvme, 0, (struct command){ .opcode = 0, .dw10 = { 1 } }), 0);
	assert_int_equal(
		nvme_run(nvme, 0, (struct command){ .opcode = 4, .dw10 = { 1 } }), 0);
}

static void write_and_read(struct nvme *nvme, uint64_t block, uint32_t blocks,
			   uint32_t at)
{
	uint32_t len = blocks * 512;

	for (uint32_t i = 0; i < len; i++)
		nvme->memory[at + i] = (uint8_t)(i * 7 + blocks + i / 512);
	assert_int_equal(nvme_run(nvme, 1, nvme_rw(nvme, true, block, blocks, at)), 0);
	memset(nvme->memory + DATA, 0xee, MEMORY_LEN - DATA);
	assert_int_equal(nvme_run(nvme, 1, nvme_rw(nvme, false, block, blocks, at)), 0);
	for (uint32_t i = 0; i < len; i++)
		assert_int_equal(nvme->memory[at + i],
				 (uint8_t)(i * 7 + blocks + i / 512));
	/* and no byte around them */
	for (uint32_t i = DATA; i < at; i++)
		assert_int_equal(nvme->memory[i], 0xee);
	for (uint32_t i = at + len; i < MEMORY_LEN; i++)
		assert_int_equal(nvme->memory[i], 0xee);
}

static void what_is_written_is_read(void **state)
{
	struct nvme *nvme = *state;

	nvme_start(nvme);
	write_and_read(nvme, 0, 1, DATA);
	write_and_read(nvme, 1, 8, DATA);
	write_and_read(nvme, 100, 16, DATA);	   /* two pages */
	write_and_read(nvme, 100, 17, DATA);	   /* a list */
	write_and_read(nvme, 0, 256, DATA + PAGE); /* the most, by a long list */
	write_and_read(nvme, 5, 8, DATA + 512);	   /* across a page */
	write_and_read(nvme, 5, 40, DATA + 3 * 512);
	write_and_read(nvme, (64 << 20) / 512 - 1, 1, DATA);
	assert_int_equal(nvme_run(nvme, 1, (struct command){ .opcode = 0, .nsid = 1 }),
			 0);
	assert_int_equal(rig_counts(&nvme->door.rig).dma_faults, 0);
}

/* The list begins at the end of a page, and goes on in another one. */
static void a_list_goes_on_in_another_page(void **state)
{
	struct nvme *nvme = *state;
	uint64_t *list = (uint64_t *)(void *)(nvme->memory + LIST);
	struct command command = nvme_rw(nvme, true, 0, 40, DATA);

	nvme_start(nvme);
	for (uint32_t i = 0; i < 5 * PAGE; i++)
		nvme->memory[DATA + i] = (uint8_t)(i * 3 + i / PAGE);
	list[510] = IOVA + DATA + PAGE;
	list[511] = IOVA + LIST + PAGE;
	for (uint32_t i = 0; i < 3; i++)
		list[512 + i] = IOVA + DATA + (2 + i) * PAGE;
	command.prp[1] = IOVA + LIST + 510 * 8;
	assert_int_equal(nvme_run(nvme, 1, command), 0);
	memset(nvme->memory + DATA, 0, 5 * PAGE);
	command.opcode = 2;
	assert_int_equal(nvme_run(nvme, 1, command), 0);
	for (uint32_t i = 0; i < 5 * PAGE; i++)
		assert_int_equal(nvme->memory[DATA + i], (uint8_t)(i * 3 + i / PAGE));
}

static void commands_that_make_no_sense_are_refused(void **state)
{
	struct nvme *nvme = *state;
	struct command command;

	nvme_start(nvme);
	command = nvme_rw(nvme, true, (64 << 20) / 512 - 1, 2, DATA);
	assert_int_equal(nvme_run(nvme, 1, command), 0x80);
	command = nvme_rw(nvme, true, UINT64_MAX, 1, DATA);
	assert_int_equal(nvme_run(nvme, 1, command), 0x80);
	command = nvme_rw(nvme, true, 0, 257, DATA);
	assert_int_equal(nvme_run(nvme, 1, command), 0x02);
	command = nvme_rw(nvme, true, 0, 16, DATA);
	command.prp[1] += 512;
	assert_int_equal(nvme_run(nvme, 1, command), 0x13);
	command = nvme_rw(nvme, true, 0, 1, DATA);
	command.nsid = 2;
	assert_int_equal(nvme_run(nvme, 1, command), 0x0b);
	command.opcode = 0x77;
	assert_int_equal(nvme_run(nvme, 1, command), 0x01);
}

static void queues_go_around(void **state)
{
	struct nvme *nvme = *state;

	nvme_start(nvme);
	for (uint32_t i = 0; i < 5 * ENTRIES; i++) {
		nvme->memory[DATA] = (uint8_t)i;
		assert_int_equal(nvme_run(nvme, 1, nvme_rw(nvme, true, i, 1, DATA)), 0);
	}
	for (uint32_t i = 0; i < 5 * ENTRIES; i++) {
		assert_int_equal(nvme_run(nvme, 1, nvme_rw(nvme, false, i, 1, DATA)), 0);
		assert_int_equal(nvme->memory[DATA], (uint8_t)i);
	}
	assert_int_equal(rig_counts(&nvme->door.rig).commands, 2 + 10 * ENTRIES);
}

/* As many as the completion queue takes; the rest when there is room again. */
static void completions_wait_for_room(void **state)
{
	struct nvme *nvme = *state;
	const struct rig *rig = &nvme->door.rig;

	assert_true(nvme_enable(nvme));
	assert_int_equal(nvme_create_cq(nvme, 1, 2, 1), 0);
	assert_int_equal(nvme_create_sq(nvme, 1, ENTRIES, 1), 0);
	for (uint32_t i = 0; i < 3; i++)
		nvme_submit(nvme, 1, (struct command){ .opcode = 0, .nsid = 1 });
	until(rig_counts(rig).commands == 3);
	*nvme_reg(nvme, 0x100c) = 1;
	until(rig_counts(rig).commands == 4);
	*nvme_reg(nvme, 0x100c) = 0;
	until(rig_counts(rig).commands == 5);
}

static void completions_come_with_their_vector(void **state)
{
	struct nvme *nvme = *state;

	nvme_start(nvme);
	assert_int_equal(signals(nvme->event), 0);
	assert_int_equal(nvme_run(nvme, 1, nvme_rw(nvme, true, 0, 1, DATA)), 0);
	until(signals(nvme->event) > 0);
	assert_int_equal(identify(nvme, 1, 0), 0);
	rig_counts(&nvme->door.rig); /* the device looks */
	assert_int_equal(signals(nvme->event), 0);
}

static void the_line_is_up_until_completions_are_taken(void **state)
{
	struct nvme *nvme = *state;
	struct rig *rig = &nvme->door.rig;

	assert_int_equal(rig_irqs_off(rig, VFIO_PCI_MSIX_IRQ_INDEX), 0);
	assert_int_equal(rig_set_fd(rig, VFIO_PCI_INTX_IRQ_INDEX, 0, nvme->event), 0);
	assert_true(nvme_enable(nvme));
	*nvme_reg(nvme, INTMS) = 1;
	assert_int_equal(identify(nvme, 1, 0), 0);
	rig_counts(rig);
	assert_int_equal(signals(nvme->event), 0);
	*nvme_reg(nvme, INTMC) = 1;
	until(*nvme_reg(nvme, INTMS) == 0);
	nvme_submit(nvme, 0, (struct command){ .opcode = 8 });
	until(signals(nvme->event) == 1);
	/* still there */
	assert_int_equal(rig_set_irqs(rig,
				      VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_UNMASK,
				      VFIO_PCI_INTX_IRQ_INDEX, 0, 1, NULL),
			 0);
	assert_int_equal(signals(nvme->event), 1);
	assert_int_equal(nvme_reap(nvme, 0), 0);
	rig_counts(rig);
	assert_int_equal(rig_set_irqs(rig,
				      VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_UNMASK,
				      VFIO_PCI_INTX_IRQ_INDEX, 0, 1, NULL),
			 0);
	assert_int_equal(signals(nvme->event), 0);
}

static const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	TEST(registers_say_what_it_is),
	TEST(it_gets_ready_as_late_as_it_was_told_to),
	TEST(what_it_cannot_do_makes_it_fail),
	TEST(identify_tells_of_controller_and_namespace),
	TEST(features_tell_how_many_queues_there_are),
	TEST(queues_are_created_by_the_rules),
	TEST(what_is_written_is_read),
	TEST(a_list_goes_on_in_another_page),
	TEST(commands_that_make_no_sense_are_refused),
	TEST(queues_go_around),
	TEST(completions_wait_for_room),
	TEST(completions_come_with_their_vector),
	TEST(the_line_is_up_until_completions_are_taken),
};

int main(void)
{
	return cmocka_run_group_tests(tests, NULL, NULL);
}

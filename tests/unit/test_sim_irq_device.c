/* SPDX-License-Identifier: MIT */
/* Interrupts of the simulated device: the line, the MSI-X table, resets. */
#include "sim_irq_rig.h"

#define INTX VFIO_PCI_INTX_IRQ_INDEX
#define MSI VFIO_PCI_MSI_IRQ_INDEX
#define MSIX VFIO_PCI_MSIX_IRQ_INDEX
#define MASK (VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_MASK)
#define UNMASK (VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_UNMASK)
#define CONTROL(vector) ((vector)*16 + 12)
#define CONFIG_MSIX 0xb0u
#define PBA 0x800u

static struct rig the_rig;
static int event;
static void *table; /* BAR 5 */

static int setup(void **state)
{
	event = new_eventfd();
	table = NULL;
	rig_open(&the_rig, VFIOSAFE_SIM_ALL_ONES, 1, 0);
	rig_bus_master(&the_rig, true);
	assert_int_equal(rig_mmap(&the_rig, &table, 4096, PROT_READ | PROT_WRITE,
				  MAP_SHARED, REGION(5)),
			 0);
	*state = &the_rig;
	return 0;
}

static int teardown(void **state)
{
	rig_unmap(*state, table, 4096);
	rig_close(*state);
	close(event);
	return 0;
}

static int intx(const struct rig *rig, uint32_t flags)
{
	return rig_set_irqs(rig, flags, INTX, 0, 1, NULL);
}

static void assert_line(struct rig *rig)
{
	vfiosafe_sim_interrupt(rig->sim, 0);
}

static void lower_line(struct rig *rig)
{
	*reg32(rig->bar, VFIOSAFE_SIM_REG_ACK) = 1;
	until(*reg32(rig->bar, VFIOSAFE_SIM_REG_ACK) == 0);
}

static void the_line_signals_once_and_is_masked(void **state)
{
	struct rig *rig = *state;

	assert_int_equal(rig_set_fd(rig, INTX, 0, event), 0);
	assert_line(rig);
	assert_line(rig);
	assert_int_equal(signals(event), 1);
	/* nobody told the device to stop */
	assert_int_equal(intx(rig, UNMASK), 0);
	assert_int_equal(signals(event), 1);
	lower_line(rig);
	assert_int_equal(intx(rig, UNMASK), 0);
	assert_int_equal(signals(event), 0);
	assert_line(rig);
	assert_int_equal(signals(event), 1);
}

static void a_masked_line_signals_when_it_is_unmasked(void **state)
{
	struct rig *rig = *state;
	uint8_t no = 0;

	assert_int_equal(intx(rig, MASK), -EINVAL);
	assert_int_equal(rig_set_fd(rig, INTX, 0, event), 0);
	assert_int_equal(intx(rig, MASK), 0);
	assert_line(rig);
	assert_int_equal(signals(event), 0);
	assert_int_equal(rig_set_irqs(rig,
				      VFIO_IRQ_SET_DATA_BOOL | VFIO_IRQ_SET_ACTION_UNMASK,
				      INTX, 0, 1, &no),
			 0);
	assert_int_equal(signals(event), 0);
	assert_int_equal(intx(rig, UNMASK), 0);
	assert_int_equal(signals(event), 1);
	assert_int_equal(
		rig_set_irqs(rig, VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_MASK,
			     INTX, 0, 1, &event),
		-ENOTTY);
}

static void a_line_that_is_up_signals_when_it_is_enabled(void **state)
{
	struct rig *rig = *state;

	assert_line(rig);
	assert_int_equal(rig_set_fd(rig, INTX, 0, event), 0);
	assert_int_equal(signals(event), 1);
	assert_int_equal(rig_irqs_off(rig, INTX), 0);
	assert_line(rig);
	assert_int_equal(signals(event), 0);
}

/* VFIO keeps the hardware's bit for itself and shows the program's. */
static void intx_disable_in_command_masks_the_line(void **state)
{
	struct rig *rig = *state;
	uint16_t command = config_get16(rig, PCI_COMMAND);

	assert_int_equal(rig_set_fd(rig, INTX, 0, event), 0);
	config_set16(rig, PCI_COMMAND, command | PCI_COMMAND_INTX_DISABLE);
	assert_int_equal(config_get16(rig, PCI_COMMAND),
			 command | PCI_COMMAND_INTX_DISABLE);
	assert_line(rig);
	assert_int_equal(intx(rig, UNMASK), 0);
	assert_int_equal(signals(event), 0);
	config_set16(rig, PCI_COMMAND, command);
	assert_int_equal(signals(event), 1);
	/* Said once more: the line, which came, stays masked. */
	config_set16(rig, PCI_COMMAND, command);
	assert_int_equal(signals(event), 0);
	assert_int_equal(intx(rig, UNMASK), 0);
	assert_int_equal(signals(event), 1);
}

static void a_reset_lowers_the_line_and_keeps_the_mask(void **state)
{
	struct rig *rig = *state;

	assert_int_equal(rig_set_fd(rig, INTX, 0, event), 0);
	assert_line(rig);
	assert_int_equal(signals(event), 1);
	assert_int_equal(rig_reset(rig), 0);
	assert_line(rig);
	assert_int_equal(signals(event), 0);
	assert_int_equal(intx(rig, UNMASK), 0);
	assert_int_equal(signals(event), 1);
}

static void the_table_in_the_bar_shows_what_is_enabled(void **state)
{
	struct rig *rig = *state;
	uint32_t hidden = 0;

	assert_int_equal(*reg32(table, CONTROL(0)), 1);
	assert_int_equal(config_get16(rig, CONFIG_MSIX + PCI_MSIX_FLAGS), 15);
	assert_int_equal(rig_set_fd(rig, MSIX, 1, event), 0);
	assert_int_equal(config_get16(rig, CONFIG_MSIX + PCI_MSIX_FLAGS),
			 PCI_MSIX_FLAGS_ENABLE | 15);
	assert_int_equal(*reg32(table, CONTROL(0)), 1);
	assert_int_equal(*reg32(table, CONTROL(1)), 0);
	assert_int_not_equal(*reg32(table, 16), 0);
	/* pread does not: by design of VFIO */
	assert_int_equal(rig_read(rig, REGION(5) + 16, &hidden, 4), 4);
	assert_int_equal(hidden, 0xffffffffu);
	hidden = 1;
	assert_int_equal(rig_write(rig, REGION(5) + CONTROL(1), &hidden, 4), 4);
	assert_int_equal(*reg32(table, CONTROL(1)), 0);
	assert_int_equal(rig_irqs_off(rig, MSIX), 0);
	assert_int_equal(*reg32(table, CONTROL(1)), 1);
}

static void a_vector_masked_in_the_table_waits(void **state)
{
	struct rig *rig = *state;

	assert_int_equal(rig_set_fd(rig, MSIX, 3, event), 0);
	*reg32(table, CONTROL(3)) = 1;
	vfiosafe_sim_interrupt(rig->sim, 3);
	vfiosafe_sim_interrupt(rig->sim, 3);
	assert_int_equal(signals(event), 0);
	assert_int_equal(*reg64(table, PBA), 8);
	*reg32(table, CONTROL(3)) = 0;
	until(*reg64(table, PBA) == 0);
	assert_int_equal(signals(event), 1);
}

static void a_reset_restores_what_the_kernel_knows_of_the_table(void **state)
{
	struct rig *rig = *state;

	assert_int_equal(rig_set_fd(rig, MSIX, 3, event), 0);
	*reg32(table, CONTROL(3)) = 1;
	vfiosafe_sim_interrupt(rig->sim, 3);
	assert_int_equal(rig_reset(rig), 0);
	/* the mask and what waited behind it are lost */
	assert_int_equal(*reg32(table, CONTROL(3)), 0);
	assert_int_equal(*reg64(table, PBA), 0);
	assert_int_equal(signals(event), 0);
	vfiosafe_sim_interrupt(rig->sim, 3);
	assert_int_equal(signals(event), 1);
	vfiosafe_sim_reset_behind(rig->sim);
	vfiosafe_sim_interrupt(rig->sim, 3);
	assert_int_equal(signals(event), 1);
}

static bool try_table(struct rig *rig)
{
	struct resetter resetter;
	uint32_t control;
	uint64_t came;
	void *bar5 = NULL;

	assert_int_equal(rig_mmap(rig, &bar5, 4096, PROT_READ, MAP_SHARED, REGION(5)), 0);
	assert_int_equal(rig_set_fd(rig, MSIX, 0, event), 0);
	rig_bus_master(rig, true);
	resetter_start(&resetter, rig, false);
	control = *reg32(bar5, CONTROL(0));
	vfiosafe_sim_interrupt(rig->sim, 0);
	rig_unmap(rig, bar5, 4096);
	came = signals(event);
	if (!resetter_end(&resetter))
		return false;
	assert_int_equal(control, 0xffffffffu);
	assert_int_equal(came, 0);
	return true;
}

static void no_interrupt_comes_in_a_window(void **state)
{
	(void)state;
	inside_a_window(VFIOSAFE_SIM_ALL_ONES, try_table);
}

static void set_irqs_waits_for_the_end_of_a_reset(void **state)
{
	struct rig *rig = *state;
	struct resetter resetter;

	assert_int_equal(vfiosafe_sim_set(rig->sim, VFIOSAFE_SIM_SET_WINDOW_US, 50000),
			 0);
	resetter_start(&resetter, rig, false);
	assert_int_equal(rig_set_fd(rig, MSIX, 0, event), 0);
	assert_int_equal(rig_counts(rig).resets, 1);
	resetter_join(&resetter);
	vfiosafe_sim_interrupt(rig->sim, 0);
	assert_int_equal(signals(event), 1);
}

static void msi_without_enough_vectors_shares_the_last(void **state)
{
	struct rig *rig = *state;
	int other = new_eventfd();
	int32_t fds[] = { other, event };

	assert_int_equal(rig_set_irqs(rig, BY_FD, MSI, 0, 2, fds), 0);
	vfiosafe_sim_interrupt(rig->sim, 0);
	vfiosafe_sim_interrupt(rig->sim, 1);
	vfiosafe_sim_interrupt(rig->sim, 7);
	assert_int_equal(signals(other), 1);
	assert_int_equal(signals(event), 2);
	close(other);
}

static const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	TEST(the_line_signals_once_and_is_masked),
	TEST(a_masked_line_signals_when_it_is_unmasked),
	TEST(a_line_that_is_up_signals_when_it_is_enabled),
	TEST(intx_disable_in_command_masks_the_line),
	TEST(a_reset_lowers_the_line_and_keeps_the_mask),
	TEST(the_table_in_the_bar_shows_what_is_enabled),
	TEST(a_vector_masked_in_the_table_waits),
	TEST(a_reset_restores_what_the_kernel_knows_of_the_table),
	TEST(no_interrupt_comes_in_a_window),
	TEST(set_irqs_waits_for_the_end_of_a_reset),
	TEST(msi_without_enough_vectors_shares_the_last),
};

int main(void)
{
	return cmocka_run_group_tests(tests, NULL, NULL);
}

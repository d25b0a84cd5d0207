/* SPDX-License-Identifier: MIT */
/* The simulated device at rest: registers, regions, configuration space. */
#include "sim_rig.h"

static int setup(void **state)
{
	static struct rig rig;

	rig_open(&rig, VFIOSAFE_SIM_ALL_ONES, 0, 0);
	*state = &rig;
	return 0;
}

static int teardown(void **state)
{
	rig_close(*state);
	return 0;
}

static void id_is_known_and_comes_back_when_overwritten(void **state)
{
	struct rig *rig = *state;
	volatile uint32_t *id = reg32(rig->bar, VFIOSAFE_SIM_REG_ID);

	assert_int_equal(*id, VFIOSAFE_SIM_ID);
	*id = 1;
	until(*id == VFIOSAFE_SIM_ID);
}

static void ones_stay_ones(void **state)
{
	struct rig *rig = *state;
	volatile uint32_t *ones = reg32(rig->bar, VFIOSAFE_SIM_REG_ONES);

	assert_int_equal(*ones, 0xffffffffu);
	*ones = 1;
	until(*ones == 0xffffffffu);
}

static void ready_is_one_from_the_start_and_comes_back(void **state)
{
	struct rig *rig = *state;
	volatile uint32_t *ready = reg32(rig->bar, VFIOSAFE_SIM_REG_READY);

	assert_int_equal(*ready, 1);
	*ready = 0;
	until(*ready == 1);
}

static void invert_soon_reads_the_complement(void **state)
{
	struct rig *rig = *state;
	volatile uint32_t *invert = reg32(rig->bar, VFIOSAFE_SIM_REG_INVERT);

	assert_int_equal(*invert, 0);
	*invert = 0x12345678;
	until(*invert == ~0x12345678u);
}

struct looker {
	struct rig *rig;
	bool stop;
};

/* Makes the device look at its registers all the time. */
static void *look_all_the_time(void *arg)
{
	struct looker *looker = arg;

	while (!__atomic_load_n(&looker->stop, __ATOMIC_ACQUIRE))
		rig_counts(looker->rig);
	return NULL;
}

static void invert_loses_no_write_that_races_with_it(void **state)
{
	struct rig *rig = *state;
	volatile uint32_t *invert = reg32(rig->bar, VFIOSAFE_SIM_REG_INVERT);
	struct looker looker = { .rig = rig };
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, look_all_the_time, &looker), 0);
	for (uint32_t i = 1; i < 5000; i++) {
		/* for long enough to end anywhere between two looks */
		for (uint32_t j = 0; j < i * 7919 % 16384; j++)
			*invert = 0x10000000 + j;
		*invert = 0x20000000 + i;
		until(*invert == ~(0x20000000 + i));
	}
	__atomic_store_n(&looker.stop, true, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
}

static void counter_moves_by_itself(void **state)
{
	struct rig *rig = *state;
	volatile uint32_t *counter = reg32(rig->bar, VFIOSAFE_SIM_REG_COUNTER);
	uint32_t before = *counter;

	until(*counter > before);
	before = *counter;
	until(*counter > before + 10);
}

static void hold_registers_hold(void **state)
{
	struct rig *rig = *state;
	volatile uint32_t *counter = reg32(rig->bar, VFIOSAFE_SIM_REG_COUNTER);
	uint32_t before = *counter;

	*reg32(rig->bar, VFIOSAFE_SIM_REG_HOLD) = 0x11223344;
	*reg64(rig->bar, VFIOSAFE_SIM_REG_HOLD64) = 0x5566778899aabbcc;
	until(*counter > before + 3);
	assert_int_equal(*reg32(rig->bar, VFIOSAFE_SIM_REG_HOLD), 0x11223344);
	assert_true(*reg64(rig->bar, VFIOSAFE_SIM_REG_HOLD64) == 0x5566778899aabbcc);
}

static void log_counts_and_clears_stores(void **state)
{
	struct rig *rig = *state;
	struct vfiosafe_sim_counts counts;

	*log_slot(rig->bar, 0) = log_value(0);
	until(*log_slot(rig->bar, 0) == 0);
	for (uint32_t i = 0; i < VFIOSAFE_SIM_LOG_SLOTS; i++)
		*log_slot(rig->bar, i) = log_value(0);
	counts = rig_counts(rig);
	assert_int_equal(counts.stores, VFIOSAFE_SIM_LOG_SLOTS + 1);
	assert_int_equal(counts.foreign_stores, 0);
}

static void log_tells_foreign_stores(void **state)
{
	struct rig *rig = *state;

	*log_slot(rig->bar, 7) = log_value(1);
	*log_slot(rig->bar, VFIOSAFE_SIM_LOG_SLOTS - 1) = log_value(0);
	assert_int_equal(rig_counts(rig).stores, 2);
	assert_int_equal(rig_counts(rig).foreign_stores, 1);
}

/* The same bytes by pread and by pointer, whatever the alignment. */
static void pread_and_pointers_see_the_same_bar(void **state)
{
	struct rig *rig = *state;
	unsigned char there[64];
	unsigned char back[64];

	for (unsigned int i = 0; i < sizeof(there); i++)
		there[i] = (unsigned char)(i + 1);
	for (unsigned int at = 0; at < 9; at++) {
		volatile unsigned char *raw = (unsigned char *)rig->bar + 0xa000 + at;
		ssize_t len = (ssize_t)sizeof(there) - at;

		assert_int_equal(rig_write(rig, 0xa000 + at, there, (size_t)len), len);
		for (ssize_t i = 0; i < len; i++)
			assert_int_equal(raw[i], there[i]);
		assert_int_equal(rig_read(rig, 0xa000 + at, back, (size_t)len), len);
		assert_memory_equal(there, back, (size_t)len);
	}
}

static void small_bars_hold_and_ports_too(void **state)
{
	struct rig *rig = *state;
	uint8_t byte = 0x5a;
	uint64_t back = 0;

	assert_int_equal(rig_write(rig, REGION(2), &byte, 1), 1);
	assert_int_equal(rig_read(rig, REGION(2), &back, 8), 8);
	assert_int_equal(back, 0x5a);
	assert_int_equal(rig_write(rig, REGION(4), &byte, 1), 1);
	assert_int_equal(rig_read(rig, REGION(4), &back, 8), 8);
	assert_int_equal(back, 0x5a);
}

static void accesses_end_at_the_end_of_a_bar(void **state)
{
	struct rig *rig = *state;
	char buf[64];

	assert_int_equal(rig_read(rig, REGION(0), buf, 0), 0);
	assert_int_equal(rig_read(rig, REGION(2) + 30, buf, 64), 2);
	assert_int_equal(rig_read(rig, REGION(2) + 32, buf, 1), -EINVAL);
	assert_int_equal(rig_write(rig, REGION(0) + BAR0_LEN, buf, 1), -EINVAL);
	assert_int_equal(rig_read(rig, REGION(1), buf, 1), -EINVAL);
	assert_int_equal(rig_read(rig, REGION(VFIO_PCI_ROM_REGION_INDEX), buf, 1),
			 -EINVAL);
	assert_int_equal(rig_read(rig, REGION(100), buf, 1), -EINVAL);
}

static void memory_bars_refuse_while_decode_is_off(void **state)
{
	struct rig *rig = *state;
	uint16_t command = config_get16(rig, PCI_COMMAND);
	uint32_t value = 0;

	config_set16(rig, PCI_COMMAND, command & ~PCI_COMMAND_MEMORY);
	assert_int_equal(rig_read(rig, REGION(0), &value, 4), -EIO);
	assert_int_equal(rig_write(rig, REGION(2), &value, 4), -EIO);
	assert_int_equal(rig_read(rig, REGION(4), &value, 4), 4);
	config_set16(rig, PCI_COMMAND, command);
	assert_int_equal(rig_read(rig, REGION(0), &value, 4), 4);
	assert_int_equal(value, VFIOSAFE_SIM_ID);
}

static void ports_read_as_ones_while_decode_is_off(void **state)
{
	struct rig *rig = *state;
	uint16_t command = config_get16(rig, PCI_COMMAND);
	uint8_t value = 7;

	config_set16(rig, PCI_COMMAND, command & ~PCI_COMMAND_IO);
	assert_int_equal(rig_write(rig, REGION(4), &value, 1), 1);
	assert_int_equal(rig_read(rig, REGION(4), &value, 1), 1);
	assert_int_equal(value, 0xff);
	config_set16(rig, PCI_COMMAND, command);
	assert_int_equal(rig_read(rig, REGION(4), &value, 1), 1);
	assert_int_equal(value, 0);
}

static void memory_bars_refuse_in_d3hot(void **state)
{
	struct rig *rig = *state;
	uint32_t value = 0;

	config_set16(rig, CONFIG_PM + PCI_PM_CTRL, 3);
	assert_int_equal(config_get16(rig, CONFIG_PM + PCI_PM_CTRL), 3);
	assert_int_equal(rig_read(rig, REGION(0), &value, 4), -EIO);
	config_set16(rig, CONFIG_PM + PCI_PM_CTRL, 1);
	assert_int_equal(config_get16(rig, CONFIG_PM + PCI_PM_CTRL), 3);
	config_set16(rig, CONFIG_PM + PCI_PM_CTRL, 0);
	assert_int_equal(rig_read(rig, REGION(0), &value, 4), 4);
}

static void config_space_shows_a_device_with_four_capabilities(void **state)
{
	static const uint8_t ids[] = { PCI_CAP_ID_PM, PCI_CAP_ID_EXP, PCI_CAP_ID_MSI,
				       PCI_CAP_ID_MSIX };
	struct rig *rig = *state;
	uint8_t cap = (uint8_t)config_get16(rig, PCI_CAPABILITY_LIST);

	assert_true(config_get16(rig, PCI_STATUS) & PCI_STATUS_CAP_LIST);
	assert_int_equal(cap, CONFIG_PM);
	for (unsigned int i = 0; i < sizeof(ids); i++) {
		assert_int_equal(config_get16(rig, cap) & 0xff, ids[i]);
		cap = (uint8_t)(config_get16(rig, cap) >> 8);
	}
	assert_int_equal(cap, 0);
	assert_false(config_get16(rig, CONFIG_PM + PCI_PM_CTRL) &
		     PCI_PM_CTRL_NO_SOFT_RESET);
}

static void config_space_takes_command_and_nothing_else(void **state)
{
	struct rig *rig = *state;
	uint16_t vendor = config_get16(rig, PCI_VENDOR_ID);
	uint16_t on = PCI_COMMAND_IO | PCI_COMMAND_MEMORY;

	assert_int_equal(config_get16(rig, PCI_COMMAND), on);
	config_set16(rig, PCI_COMMAND, on | PCI_COMMAND_MASTER);
	assert_int_equal(config_get16(rig, PCI_COMMAND), on | PCI_COMMAND_MASTER);
	config_set16(rig, PCI_VENDOR_ID, 0x1234);
	assert_int_equal(config_get16(rig, PCI_VENDOR_ID), vendor);
	assert_true(vendor != 0xffff);
}

static void config_space_ends_after_256_bytes(void **state)
{
	struct rig *rig = *state;
	uint64_t config = REGION(VFIO_PCI_CONFIG_REGION_INDEX);
	uint8_t buf[257] = { 0 };

	assert_int_equal(rig_read(rig, config, buf, 256), 256);
	assert_int_equal(rig_read(rig, config, buf, 257), -EFAULT);
	assert_int_equal(rig_read(rig, config + 256, buf, 1), -EFAULT);
	assert_int_equal(rig_write(rig, config + 255, buf, 2), -EFAULT);
}

static const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	TEST(id_is_known_and_comes_back_when_overwritten),
	TEST(ones_stay_ones),
	TEST(ready_is_one_from_the_start_and_comes_back),
	TEST(invert_soon_reads_the_complement),
	TEST(invert_loses_no_write_that_races_with_it),
	TEST(counter_moves_by_itself),
	TEST(hold_registers_hold),
	TEST(log_counts_and_clears_stores),
	TEST(log_tells_foreign_stores),
	TEST(pread_and_pointers_see_the_same_bar),
	TEST(small_bars_hold_and_ports_too),
	TEST(accesses_end_at_the_end_of_a_bar),
	TEST(memory_bars_refuse_while_decode_is_off),
	TEST(ports_read_as_ones_while_decode_is_off),
	TEST(memory_bars_refuse_in_d3hot),
	TEST(config_space_shows_a_device_with_four_capabilities),
	TEST(config_space_takes_command_and_nothing_else),
	TEST(config_space_ends_after_256_bytes),
};

int main(void)
{
	return cmocka_run_group_tests(tests, NULL, NULL);
}

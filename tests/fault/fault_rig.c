/* SPDX-License-Identifier: MIT */
#include "fault_rig.h"

#include <errno.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define CONFIG_OFFSET ((uint64_t)VFIO_PCI_CONFIG_REGION_INDEX << 40)
#define PMCSR (0x40 + PCI_PM_CTRL) /* where the simulation has it */
#define D3 3

int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int program(struct rig *rig)
{
	int rc = vfiosafe_bar_view(rig->bar, &rig->view);

	if (rc < 0)
		return rc;
	rig->generation = rig_counts(rig).resets;
	rig->want = HOLD_MAGIC | (uint32_t)(rig->generation & 0xffffff);
	return vfiosafe_write32(&rig->view, VFIOSAFE_SIM_REG_HOLD, rig->want);
}

static int reinit(struct vfiosafe_device *dev, void *ctx)
{
	struct rig *rig = ctx;
	struct vfiosafe_view view;

	(void)dev;
	rig->reinits++;
	if (rig->take_away_times > 0) {
		rig->take_away_times--;
		rig_away(rig, rig->take_away);
	}
	rig->reinit_rc = program(rig);
	rig->view_rc = vfiosafe_bar_view(rig->bar, &view);
	return rig->ignore_failure ? 0 : rig->reinit_rc;
}

static void lost(struct vfiosafe_device *dev, void *ctx, enum vfiosafe_cause cause)
{
	struct rig *rig = ctx;

	(void)dev;
	rig->lost_cause = cause;
	__atomic_fetch_add(&rig->lost, 1, __ATOMIC_RELAXED);
}

void rig_open(struct rig *rig, const struct rig_opts *opts)
{
	static const struct rig_opts none;
	struct vfiosafe_sim_opts sim_opts = { .size = sizeof(sim_opts) };
	struct vfiosafe_device_opts dev_opts = { .size = sizeof(dev_opts) };
	struct vfiosafe_driver_ops ops = { .size = sizeof(ops),
					   .reinit = reinit,
					   .lost = lost };

	opts = opts ? opts : &none;
	memset(rig, 0, sizeof(*rig));
	sim_opts.window = opts->window;
	sim_opts.window_us = opts->window_us;
	sim_opts.flags = opts->flags;
	assert_int_equal(vfiosafe_sim_open(&rig->sim, "sim:reg", &sim_opts), 0);
	rig->sys = vfiosafe_sim_sys(rig->sim);
	dev_opts.sys = opts->sys ? opts->sys : rig->sys;
	dev_opts.recover_on_wait = opts->recover_on_wait;
	if (opts->by_address)
		assert_int_equal(vfiosafe_device_open(&rig->dev,
						      vfiosafe_sim_address(rig->sim),
						      &dev_opts),
				 0);
	else
		assert_int_equal(vfiosafe_device_from_fd(&rig->dev,
							 vfiosafe_sim_device_fd(rig->sim),
							 &dev_opts),
				 0);
	if (opts->no_bar)
		return;
	assert_int_equal(vfiosafe_bar_map(&rig->bar, rig->dev, 0, 0, 0, 0), 0);
	assert_int_equal(vfiosafe_device_set_driver(rig->dev, &ops, rig), 0);
	assert_int_equal(program(rig), 0);
}

void rig_close(struct rig *rig)
{
	assert_int_equal(vfiosafe_device_close(rig->dev, 10000), 0);
	vfiosafe_sim_close(rig->sim);
}

void rig_install(void)
{
	assert_int_equal(vfiosafe_sigbus_install(), 0);
}

void rig_restore(void)
{
	assert_int_equal(vfiosafe_sigbus_restore(), 0);
}

void rig_config16(const struct rig *rig, uint16_t at, uint16_t clear, uint16_t set)
{
	int fd = vfiosafe_sim_device_fd(rig->sim);
	uint16_t value = 0;

	(void)rig->sys->pread(rig->sys->ctx, fd, &value, 2, CONFIG_OFFSET + at);
	value = (uint16_t)((value & ~clear) | set);
	(void)rig->sys->pwrite(rig->sys->ctx, fd, &value, 2, CONFIG_OFFSET + at);
}

static void low_power(const struct rig *rig, uint32_t number)
{
	struct vfio_device_feature feature = { .argsz = sizeof(feature),
					       .flags =
						       VFIO_DEVICE_FEATURE_SET | number };

	(void)rig->sys->ioctl(rig->sys->ctx, vfiosafe_sim_device_fd(rig->sim),
			      VFIO_DEVICE_FEATURE, &feature);
}

void rig_away(const struct rig *rig, enum way way)
{
	if (way == DECODE_OFF)
		rig_config16(rig, PCI_COMMAND, PCI_COMMAND_MEMORY, 0);
	else if (way == D3HOT)
		rig_config16(rig, PMCSR, 0, D3);
	else
		low_power(rig, VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY);
}

void rig_back(const struct rig *rig, enum way way)
{
	if (way == DECODE_OFF)
		rig_config16(rig, PCI_COMMAND, 0, PCI_COMMAND_MEMORY);
	else if (way == D3HOT)
		rig_config16(rig, PMCSR, D3, 0);
	else
		low_power(rig, VFIO_DEVICE_FEATURE_LOW_POWER_EXIT);
}

struct vfiosafe_sim_counts rig_counts(const struct rig *rig)
{
	struct vfiosafe_sim_counts counts;

	vfiosafe_sim_counts(rig->sim, &counts);
	return counts;
}

volatile uint32_t *rig_reg32(const struct rig *rig, uint32_t offset)
{
	volatile uint8_t *base = vfiosafe_bar_address(rig->bar);

	return (volatile uint32_t *)(volatile void *)(base + offset);
}

volatile uint64_t *rig_log(const struct rig *rig, uint32_t slot)
{
	volatile uint8_t *base = vfiosafe_bar_address(rig->bar);

	return (volatile uint64_t *)(volatile void *)(base + VFIOSAFE_SIM_REG_LOG) +
	       slot % VFIOSAFE_SIM_LOG_SLOTS;
}

int rig_touch(const struct rig *rig, uint32_t offset, uint32_t *value)
{
	struct vfiosafe_section sec;
	int rc = vfiosafe_begin(&rig->view, &sec);

	if (rc < 0)
		return rc;
	*value = *rig_reg32(rig, offset);
	return vfiosafe_end(&sec);
}

void rig_assert_fault(struct rig *rig, enum vfiosafe_cause cause)
{
	uint32_t value = 0x1234;

	assert_int_equal(vfiosafe_device_state(rig->dev), VFIOSAFE_FAULT);
	assert_int_equal(vfiosafe_device_cause(rig->dev), cause);
	assert_int_equal(vfiosafe_read32(&rig->view, VFIOSAFE_SIM_REG_HOLD, &value),
			 -EIO);
	assert_int_equal(value, 0x1234);
	assert_int_equal(vfiosafe_write32(&rig->view, VFIOSAFE_SIM_REG_HOLD, 1), -EIO);
}

void rig_assert_live(struct rig *rig)
{
	uint32_t value = 0;

	assert_int_equal(vfiosafe_device_state(rig->dev), VFIOSAFE_LIVE);
	assert_int_equal(vfiosafe_read32(&rig->view, VFIOSAFE_SIM_REG_HOLD, &value), 0);
	assert_int_equal(value, rig->want);
	assert_int_equal(rig_touch(rig, VFIOSAFE_SIM_REG_ID, &value), 0);
	assert_int_equal(value, VFIOSAFE_SIM_ID);
}

unsigned int count_maps(const char *word)
{
	FILE *file = fopen("/proc/self/maps", "re");
	unsigned int n = 0;
	char line[512];

	assert_non_null(file);
	while (fgets(line, sizeof(line), file))
		n += !word || strstr(line, word);
	fclose(file);
	return n;
}

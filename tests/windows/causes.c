/* SPDX-License-Identifier: MIT */
/* causes.c - each way in which a device goes away. */
#include <linux/pci_regs.h>

#include "cause.h"

static int by_reset(struct rig *rig)
{
	return vfiosafe_reset(rig->dev, NULL);
}

static int by_config_flr(struct rig *rig)
{
	uint16_t at = 0, control = 0;
	int rc = vfiosafe_config_find(rig->dev, PCI_CAP_ID_EXP, &at);

	at = (uint16_t)(at + PCI_EXP_DEVCTL);
	if (rc == 0)
		rc = vfiosafe_config_read16(rig->dev, at, &control);
	if (rc < 0)
		return rc;
	return vfiosafe_config_write16(rig->dev, at, control | PCI_EXP_DEVCTL_BCR_FLR);
}

static int to_d3hot(struct rig *rig)
{
	return vfiosafe_set_power(rig->dev, VFIOSAFE_D3HOT, NULL);
}

static int to_d0(struct rig *rig)
{
	return vfiosafe_set_power(rig->dev, VFIOSAFE_D0, NULL);
}

static bool soft_reset_is_off(struct rig *rig)
{
	uint16_t at = 0, pmcsr = 0;

	return vfiosafe_config_find(rig->dev, PCI_CAP_ID_PM, &at) == 0 &&
	       vfiosafe_config_read16(rig->dev, (uint16_t)(at + PCI_PM_CTRL), &pmcsr) == 0 &&
	       (pmcsr & PCI_PM_CTRL_NO_SOFT_RESET);
}

static int low_power(struct rig *rig)
{
	return vfiosafe_low_power_enter(rig->dev, false, NULL);
}

static int no_low_power(struct rig *rig)
{
	return vfiosafe_low_power_exit(rig->dev, NULL);
}

static int decode_off(struct rig *rig)
{
	return vfiosafe_set_decode(rig->dev, false, NULL);
}

static int decode_on(struct rig *rig)
{
	return vfiosafe_set_decode(rig->dev, true, NULL);
}

static bool always(struct rig *rig)
{
	(void)rig;
	return true;
}

/* Those without a sentinel at the end of their kind: it is taken away, and set again. */
const struct cause causes[] = {
	{ .name = "VFIO_DEVICE_RESET", .round = round_ours, .leave = by_reset },
	{ .name = "config FLR", .round = round_ours, .leave = by_config_flr },
	{ .name = "D3hot and D0", .round = round_ours, .leave = to_d3hot,
	  .come_back = to_d0, .keeps = soft_reset_is_off },
	{ .name = "low power", .round = round_ours, .leave = low_power,
	  .come_back = no_low_power },
	{ .name = "decode off and on", .round = round_ours, .leave = decode_off,
	  .come_back = decode_on, .keeps = always },
	{ .name = "D3hot by a dup of the fd", .round = round_behind, .deed = DEED_SLEEP,
	  .can_be_undone = true },
	{ .name = "low power by a dup", .round = round_behind, .deed = DEED_LOW_POWER,
	  .can_be_undone = true },
	{ .name = "decode off by a dup", .round = round_behind, .deed = DEED_DECODE,
	  .can_be_undone = true },
	{ .name = "reset by a dup", .round = round_behind, .deed = DEED_RESET },
	{ .name = "config FLR by a dup", .round = round_behind, .deed = DEED_FLR },
	{ .name = "sysfs reset", .round = round_behind, .deed = DEED_SYSFS },
	{ .name = "reset by a dup, no sentinel", .round = round_blind, .deed = DEED_RESET, .blind = true,
	  .few = true },
	{ .name = "FLR by a dup, no sentinel", .round = round_blind, .deed = DEED_FLR, .blind = true,
	  .few = true },
	{ .name = "sysfs reset, no sentinel", .round = round_blind, .deed = DEED_SYSFS, .blind = true,
	  .few = true },
	{ .name = "AER, non-fatal", .round = round_error, .few = true },
	{ .name = "AER, fatal", .round = round_error, .harsh = true, .few = true },
	{ .name = "polite removal", .round = round_removal, .few = true },
	{ .name = "surprise removal", .round = round_removal, .harsh = true, .few = true },
};

const unsigned int cause_count = sizeof(causes) / sizeof(causes[0]);
_Static_assert(sizeof(causes) / sizeof(causes[0]) <= CAUSES_MAX, "rows");

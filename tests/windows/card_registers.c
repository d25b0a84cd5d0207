/* SPDX-License-Identifier: MIT */
/*
 * card_registers.c - devices of which only registers are used that hold what is
 * written: receive addresses of network cards, the register file of the simulation.
 */
#include <errno.h>

#include "rig.h"

/* Never 0, which a reset leaves there; another one in each generation and register. */
static uint32_t value_of(uint64_t generation, uint32_t offset)
{
	return 0x4d000000u | (uint32_t)(generation & 0xff) << 16 | (offset & 0xffff);
}

static void add_truth(struct truth *truth, uint32_t offset, uint32_t value)
{
	truth->reg[truth->count].offset = offset;
	truth->reg[truth->count++].value = value;
}

static void fill_truth(struct rig *rig)
{
	const struct card_registers *regs = rig->card->registers;
	struct truth *truth = &rig->truth;

	truth->generation = vfiosafe_device_generation(rig->dev);
	truth->count = 0;
	add_truth(truth, regs->hold, value_of(truth->generation, regs->hold));
	if (regs->constant)
		add_truth(truth, regs->constant, UINT32_MAX);
	truth->singles = truth->count;
	add_truth(truth, regs->also, value_of(truth->generation, regs->also));
}

/*
 * What a reset did not clear was stored after it. Low power may have been none: then
 * the other register still holds what it held.
 */
static int look_for_foreign(struct rig *rig)
{
	uint32_t held = 0, left = 0;
	int rc = vfiosafe_read32(&rig->regs, rig->card->registers->hold, &held);

	if (rc == 0)
		rc = vfiosafe_read32(&rig->regs, rig->card->registers->store, &left);
	if (rc == 0 && left && !held)
		rig->foreign++;
	return rc;
}

static int registers_reinit(struct rig *rig)
{
	const struct card_registers *regs = rig->card->registers;
	uint64_t generation = vfiosafe_device_generation(rig->dev);
	int rc = look_for_foreign(rig);

	if (rc == 0)
		rc = vfiosafe_write32(&rig->regs, regs->hold,
				      value_of(generation, regs->hold));
	if (rc == 0)
		rc = vfiosafe_write32(&rig->regs, regs->also,
				      value_of(generation, regs->also));
	if (rc == 0)
		fill_truth(rig);
	return rc;
}

static int registers_start(struct rig *rig)
{
	int rc = vfiosafe_bar_map(&rig->bar, rig->dev, 0, 0, 0, 0);

	if (rc == 0)
		rc = vfiosafe_bar_view(rig->bar, &rig->regs);
	return rc < 0 ? rc : registers_reinit(rig);
}

static int registers_stop(struct rig *rig)
{
	(void)rig;
	return 0;
}

static int registers_quiesce(struct rig *rig)
{
	(void)rig;
	return 0;
}

static void registers_lost(struct rig *rig, enum vfiosafe_cause cause)
{
	(void)rig;
	(void)cause;
}

/* Stores, and reads back what it has stored. */
static int registers_write(struct worker *worker, uint64_t n)
{
	struct rig *rig = worker->rig;
	uint32_t offset = rig->card->registers->store, value, back;
	struct vfiosafe_section sec;
	int rc = vfiosafe_begin(&rig->regs, &sec);

	if (rc < 0)
		return rc;
	value = value_of(rig->truth.generation, (uint32_t)n | 1);
	card_store32(vfiosafe_ptr(&sec), offset, value);
	back = card_load32(vfiosafe_ptr(&sec), offset);
	rc = card_end(rig, &sec);
	if (rc < 0)
		return rc;
	if (back != value)
		__atomic_fetch_add(&worker->wrong, 1, __ATOMIC_RELAXED);
	return 1;
}

static void registers_sentinel(const struct rig *rig, struct vfiosafe_sentinel *sentinel)
{
	sentinel->offset = rig->card->registers->sentinel;
	sentinel->width = rig->card->registers->width;
	sentinel->mask = sentinel->width == 8 ? UINT64_MAX : UINT32_MAX;
	sentinel->writable = true;
}

/* Receive addresses of these; the first is loaded from the EEPROM by a reset. */
static const struct card_registers receive_addresses = {
	.hold = 0x5408,
	.also = 0x5400,
	.store = 0x5410,
	.sentinel = 0x5418,
	.width = 4,
};

static const struct card_registers register_file = {
	.hold = VFIOSAFE_SIM_REG_HOLD,
	.also = 0x800,
	.store = 0x808,
	.constant = VFIOSAFE_SIM_REG_ONES,
	.sentinel = VFIOSAFE_SIM_REG_HOLD64,
	.width = 8,
};

#define REGISTERS_CARD                                                                 \
	.start = registers_start, .stop = registers_stop, .reinit = registers_reinit,  \
	.quiesce = registers_quiesce, .lost = registers_lost, .write = registers_write, \
	.sentinel = registers_sentinel

const struct card card_igb = { .name = "igb", .registers = &receive_addresses,
			       REGISTERS_CARD };
const struct card card_e1000e = { .name = "e1000e", .registers = &receive_addresses,
				  REGISTERS_CARD };
const struct card card_sim_reg = { .name = "sim:reg", .registers = &register_file,
				   REGISTERS_CARD };

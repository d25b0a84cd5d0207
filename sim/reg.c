/* SPDX-License-Identifier: MIT */
/*
 * reg.c - the model "sim:reg": a plain register file, see sim.h.
 */
#include <string.h>
#include "internal.h"
#include "memory.h"

#define BAR0_LEN 0x10000u
#define BAR2_LEN 32u
#define BAR4_LEN 8u
#define BAR5_LEN 4096u
#define REGS_END (VFIOSAFE_SIM_REG_DMA + 8u)
#define LOG_END (VFIOSAFE_SIM_REG_LOG + VFIOSAFE_SIM_LOG_SLOTS * 8u)

static uint64_t *word64(struct vfiosafe_sim *sim, uint64_t offset)
{
	return (uint64_t *)(void *)(sim->bar[0].mem + offset);
}

static uint32_t *word32(struct vfiosafe_sim *sim, uint64_t offset)
{
	return (uint32_t *)(void *)(sim->bar[0].mem + offset);
}

static void note_store(struct vfiosafe_sim *sim, uint64_t value)
{
	if (sim->down) {
		sim->counts.lost_stores++;
		return;
	}
	sim->counts.stores++;
	if (value >> 32 != (uint32_t)sim->counts.resets)
		sim->counts.foreign_stores++;
}

/* Empties LOG: slots that hold @idle, or 0, hold no store; leaves @next in all. */
static VSIM_BULK void drain_log(struct vfiosafe_sim *sim, uint64_t idle, uint64_t next)
{
	uint64_t *slot = word64(sim, VFIOSAFE_SIM_REG_LOG);

	for (unsigned int i = 0; i < VFIOSAFE_SIM_LOG_SLOTS; i++) {
		uint64_t value = vsim_get64(&slot[i]);

		if (value == idle && idle == next)
			continue;
		value = vsim_swap64(&slot[i], next);
		if (value != idle && value != 0)
			note_store(sim, value);
	}
}

/* Everything in BAR 0 from @start on, but LOG. */
static VSIM_BULK void fill(struct vfiosafe_sim *sim, uint64_t start, uint64_t value)
{
	for (uint64_t at = start; at < VFIOSAFE_SIM_REG_LOG; at += 8)
		if (vsim_get64(word64(sim, at)) != value)
			vsim_set64(word64(sim, at), value);
	for (uint64_t at = LOG_END; at < BAR0_LEN; at += 8)
		if (vsim_get64(word64(sim, at)) != value)
			vsim_set64(word64(sim, at), value);
}

static void restore(uint32_t *reg, uint32_t value)
{
	if (vsim_get32(reg) != value)
		vsim_set32(reg, value);
}

/*
 * A write is seen by the value not being what we left. If yet another one comes
 * before the exchange, that one is inverted at the next look.
 */
static void invert(struct vfiosafe_sim *sim)
{
	uint32_t *reg = word32(sim, VFIOSAFE_SIM_REG_INVERT);
	uint32_t value = vsim_get32(reg);

	if (value != sim->inverted && vsim_change32(reg, value, ~value))
		sim->inverted = ~value;
}

static bool is_ready(const struct vfiosafe_sim *sim)
{
	return vsim_now_ns() >= sim->ready_ns;
}

/* Interrupts that the program asks for. */
static void ring(struct vfiosafe_sim *sim)
{
	uint32_t *ring_reg = word32(sim, VFIOSAFE_SIM_REG_RING);
	uint32_t *ack_reg = word32(sim, VFIOSAFE_SIM_REG_ACK);
	uint32_t vector;

	if (vsim_get32(ack_reg)) {
		vsim_set32(ack_reg, 0);
		vsim_intx_line(sim, false);
	}
	vector = vsim_get32(ring_reg);
	if (vector && vsim_change32(ring_reg, vector, 0))
		vsim_irq_raise(sim, vector - 1);
}

/* Complements the word of memory whose address it was given. */
static uint32_t dma(struct vfiosafe_sim *sim)
{
	uint64_t iova = vsim_get64(word64(sim, VFIOSAFE_SIM_REG_DMA_ADDRESS));
	uint64_t value;

	if (vsim_dma_read(sim, iova, &value, sizeof(value)) < 0)
		return VFIOSAFE_SIM_DMA_FAILED;
	value = ~value;
	if (vsim_dma_write(sim, iova, &value, sizeof(value)) < 0)
		return VFIOSAFE_SIM_DMA_FAILED;
	return 0;
}

static void reg_tick(struct vfiosafe_sim *sim)
{
	restore(word32(sim, VFIOSAFE_SIM_REG_ID), VFIOSAFE_SIM_ID);
	restore(word32(sim, VFIOSAFE_SIM_REG_ONES), VSIM_ONES32);
	restore(word32(sim, VFIOSAFE_SIM_REG_READY), is_ready(sim));
	vsim_set32(word32(sim, VFIOSAFE_SIM_REG_COUNTER), ++sim->counter);
	invert(sim);
	ring(sim);
	if (vsim_get32(word32(sim, VFIOSAFE_SIM_REG_DMA)) == VFIOSAFE_SIM_DMA_START)
		vsim_set32(word32(sim, VFIOSAFE_SIM_REG_DMA), dma(sim));
	drain_log(sim, 0, 0);
}

/* What is in LOG arrived before the window: it counts as the old generation's. */
static void reg_down(struct vfiosafe_sim *sim)
{
	drain_log(sim, 0, vsim_dead(sim));
	fill(sim, 0, vsim_dead(sim));
}

static void reg_stay_down(struct vfiosafe_sim *sim)
{
	drain_log(sim, vsim_dead(sim), vsim_dead(sim));
	fill(sim, 0, vsim_dead(sim));
}

static void reset_registers(struct vfiosafe_sim *sim, bool ready)
{
	vsim_set32(word32(sim, VFIOSAFE_SIM_REG_INVERT), 0);
	vsim_set64(word64(sim, VFIOSAFE_SIM_REG_COUNTER), 0);
	vsim_set64(word64(sim, VFIOSAFE_SIM_REG_HOLD), 0);
	vsim_set64(word64(sim, VFIOSAFE_SIM_REG_HOLD64), 0);
	vsim_set32(word32(sim, VFIOSAFE_SIM_REG_ONES), VSIM_ONES32);
	vsim_set64(word64(sim, VFIOSAFE_SIM_REG_RING), 0);
	vsim_set64(word64(sim, VFIOSAFE_SIM_REG_DMA_ADDRESS), 0);
	vsim_set64(word64(sim, VFIOSAFE_SIM_REG_DMA), 0);
	/* Last: who sees these two sees the rest of the reset device. */
	vsim_set32(word32(sim, VFIOSAFE_SIM_REG_ID), VFIOSAFE_SIM_ID);
	vsim_set32(word32(sim, VFIOSAFE_SIM_REG_READY), ready);
}

/* A device that was just made is ready; one that was reset takes its time. */
static void reg_up(struct vfiosafe_sim *sim)
{
	uint32_t ready_us = sim->counts.resets ? sim->opts.ready_us : 0;

	sim->counter = 0;
	sim->inverted = 0;
	sim->ready_ns = vsim_now_ns() + (int64_t)ready_us * 1000;
	drain_log(sim, vsim_dead(sim), 0);
	fill(sim, REGS_END, 0);
	reset_registers(sim, ready_us == 0);
	memset(sim->bar[2].mem, 0, BAR2_LEN);
	memset(sim->bar[4].mem, 0, BAR4_LEN);
}

const struct vsim_model vsim_model_reg = {
	.name = "sim:reg",
	.bar = {
		[0] = { .len = BAR0_LEN, .mappable = true },
		[2] = { .len = BAR2_LEN },
		[4] = { .len = BAR4_LEN, .ports = true },
		[5] = { .len = BAR5_LEN, .mappable = true },
	},
	.msix_bar = 5,
	.msix_pba = 0x800,
	.msix_end = BAR5_LEN,
	.device_id = 0x5afe,
	.class_revision = 0xff000001,
	.tick = reg_tick,
	.down = reg_down,
	.stay_down = reg_stay_down,
	.up = reg_up,
};

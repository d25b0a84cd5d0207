/* SPDX-License-Identifier: MIT */
/*
 * card_nvme.c - a controller that works: its writer makes one admin command after the
 * other, whose completions come by MSI-X into memory that was mapped once. Its readers
 * read CC, which a reset clears, and where the admin queue is, which is elsewhere in
 * each generation.
 */
#include <errno.h>
#include <stdio.h>

#include "rig.h"

static int nvme_program(struct rig *rig)
{
	struct truth *truth = &rig->truth;

	truth->generation = vfiosafe_device_generation(rig->dev);
	truth->count = truth->singles = 2;
	truth->reg[0].offset = NVME_REG_CC;
	truth->reg[0].value = NVME_CC_ENABLED;
	truth->reg[1].offset = NVME_REG_ASQ;
	truth->reg[1].value = (uint32_t)rig->nvme.asq;
	return 0;
}

static int card_start(struct rig *rig)
{
	int rc = nvme_open(&rig->nvme, rig->dev);

	if (rc < 0)
		return rc;
	rig->bar = rig->nvme.bar;
	/* The controller says the same of itself as its config space does. */
	rc = vfiosafe_config_read16(rig->dev, 0, &rig->vendor);
	return rc < 0 ? rc : nvme_program(rig);
}

static int card_stop(struct rig *rig)
{
	rig->foreign += rig->nvme.foreign;
	return nvme_close(&rig->nvme);
}

static int card_reinit(struct rig *rig)
{
	int rc = nvme_reinit(rig->dev, &rig->nvme);

	return rc < 0 ? rc : nvme_program(rig);
}

static int card_quiesce(struct rig *rig)
{
	return nvme_quiesce(rig->dev, &rig->nvme);
}

static void card_lost(struct rig *rig, enum vfiosafe_cause cause)
{
	nvme_lost(rig->dev, &rig->nvme, cause);
}

/* A completion without an interrupt of its own proves nothing of the interrupts. */
static int card_write(struct worker *worker, uint64_t n)
{
	struct rig *rig = worker->rig;
	struct nvme_identity identity = { 0 };
	struct nvme_answer answer = { 0 };
	int rc = nvme_identify(&rig->nvme, &identity, vfiosafe_deadline_in_ms(PATIENCE_MS),
			       &answer);

	(void)n;
	if (rc < 0)
		return rc;
	if (identity.vendor != rig->vendor)
		__atomic_fetch_add(&worker->wrong, 1, __ATOMIC_RELAXED);
	return answer.rang;
}

static void card_sentinel(const struct rig *rig, struct vfiosafe_sentinel *sentinel)
{
	(void)rig;
	sentinel->offset = NVME_REG_CC;
	sentinel->width = 4;
	sentinel->mask = UINT32_MAX;
	sentinel->value = NVME_CC_ENABLED;
}

#define NVME_CARD                                                                      \
	.start = card_start, .stop = card_stop, .reinit = card_reinit,                 \
	.quiesce = card_quiesce, .lost = card_lost, .write = card_write,               \
	.sentinel = card_sentinel

const struct card card_nvme = { .name = "nvme", NVME_CARD };
const struct card card_sim_nvme = { .name = "sim:nvme", NVME_CARD };

/* SPDX-License-Identifier: MIT */
/*
 * nvme.c - registers and life of the NVMe controller.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include "internal.h"
#include "memory.h"
#include "nvme.h"

#define CAP 0x00u
#define VS 0x08u
#define INTMS 0x0cu
#define INTMC 0x10u
#define CC 0x14u
#define CSTS 0x1cu
#define AQA 0x24u
#define ASQ 0x28u
#define ACQ 0x30u
#define REGS_END 0x2000u /* doorbells included */
#define BAR_LEN 0x4000u

/* Queues of 1,024 contiguous entries; 10 s to get ready; the NVM command set. */
#define CAP_VALUE ((VSIM_NVME_ENTRIES - 1) | 1u << 16 | 20u << 24 | 1ull << 37)
#define VERSION 0x00010400u

#define CC_ENABLE 1u
#define CC_OTHERS 0x3ff0u /* command set, page size, arbitration: 0 is all we have */
#define CC_SHUTDOWN 0xc000u
#define CSTS_READY 1u
#define CSTS_FATAL 2u
#define CSTS_SHUT_DOWN 8u

#define DISK_LEN (64ull << 20)

static uint32_t *reg32(struct vfiosafe_sim *sim, uint32_t offset)
{
	return (uint32_t *)(void *)(sim->bar[0].mem + offset);
}

static uint64_t *reg64(struct vfiosafe_sim *sim, uint32_t offset)
{
	return (uint64_t *)(void *)(sim->bar[0].mem + offset);
}

static VSIM_BULK void fill(struct vfiosafe_sim *sim, uint64_t value)
{
	for (uint32_t at = 0; at < REGS_END; at += 8)
		if (vsim_get64(reg64(sim, at)) != value)
			vsim_set64(reg64(sim, at), value);
}

/* All queues, and what was in them. */
static void drop_queues(struct vfiosafe_sim *sim)
{
	struct vsim_nvme *nvme = sim->state;

	sim->counts.lost_commands += vsim_nvme_in_flight(sim);
	for (unsigned int i = 0; i < VSIM_NVME_QUEUES; i++) {
		nvme->sq[i] = (struct vsim_nvme_sq){ 0 };
		nvme->cq[i] = (struct vsim_nvme_cq){ 0 };
	}
	nvme->csts = 0;
	nvme->masked = 0;
	nvme->cc = 0;
}

static void init_admin_queues(struct vfiosafe_sim *sim)
{
	struct vsim_nvme *nvme = sim->state;
	uint32_t sizes = vsim_get32(reg32(sim, AQA));

	nvme->sq[0] = (struct vsim_nvme_sq){
		.on = true,
		.size = (uint16_t)((sizes & 0xfff) + 1),
		.base = vsim_get64(reg64(sim, ASQ)) & ~(VSIM_PAGE - 1),
	};
	nvme->cq[0] = (struct vsim_nvme_cq){
		.on = true,
		.interrupts = true,
		.phase = true,
		.size = (uint16_t)((sizes >> 16 & 0xfff) + 1),
		.base = vsim_get64(reg64(sim, ACQ)) & ~(VSIM_PAGE - 1),
	};
	vsim_set32(vsim_nvme_doorbell(sim, 0, false), 0);
	vsim_set32(vsim_nvme_doorbell(sim, 0, true), 0);
	if (nvme->sq[0].size < 2 || nvme->cq[0].size < 2)
		nvme->csts |= CSTS_FATAL;
}

/* A controller reset keeps the addresses and sizes of the admin queues. */
static void look_at_cc(struct vfiosafe_sim *sim)
{
	struct vsim_nvme *nvme = sim->state;
	uint32_t before = nvme->cc;
	uint32_t cc = vsim_get32(reg32(sim, CC));

	if ((before & CC_ENABLE) && !(cc & CC_ENABLE))
		drop_queues(sim);
	nvme->cc = cc;
	if (!(before & CC_ENABLE) && (cc & CC_ENABLE)) {
		nvme->ready_ns = vsim_now_ns() + (int64_t)sim->opts.ready_us * 1000;
		if (cc & CC_OTHERS)
			nvme->csts |= CSTS_FATAL;
		init_admin_queues(sim);
	}
	if ((cc & CC_ENABLE) && vsim_now_ns() >= nvme->ready_ns &&
	    !(nvme->csts & CSTS_FATAL))
		nvme->csts |= CSTS_READY;
	if ((cc & CC_SHUTDOWN) && !(before & CC_SHUTDOWN))
		nvme->csts |= CSTS_SHUT_DOWN;
}

/* For the line and for MSI. INTMC would read as the mask; ours reads 0. */
static void look_at_masks(struct vfiosafe_sim *sim)
{
	struct vsim_nvme *nvme = sim->state;
	uint32_t *set = reg32(sim, INTMS);
	uint32_t *clear = reg32(sim, INTMC);
	uint32_t bits = vsim_get32(clear);

	nvme->masked |= vsim_get32(set);
	if (bits && vsim_change32(clear, bits, 0))
		nvme->masked &= ~bits;
	if (vsim_get32(set) != nvme->masked)
		vsim_set32(set, nvme->masked);
}

static void restore_registers(struct vfiosafe_sim *sim)
{
	const struct vsim_nvme *nvme = sim->state;

	if (vsim_get64(reg64(sim, CAP)) != CAP_VALUE)
		vsim_set64(reg64(sim, CAP), CAP_VALUE);
	if (vsim_get32(reg32(sim, VS)) != VERSION)
		vsim_set32(reg32(sim, VS), VERSION);
	if (vsim_get32(reg32(sim, CSTS)) != nvme->csts)
		vsim_set32(reg32(sim, CSTS), nvme->csts);
}

static void nvme_tick(struct vfiosafe_sim *sim)
{
	struct vsim_nvme *nvme = sim->state;

	if (!vsim_awake(sim))
		return;
	look_at_cc(sim);
	look_at_masks(sim);
	if ((nvme->csts & CSTS_READY) && !(nvme->csts & CSTS_FATAL) &&
	    !vsim_nvme_run(sim))
		nvme->csts |= CSTS_FATAL;
	restore_registers(sim);
}

static void nvme_down(struct vfiosafe_sim *sim)
{
	drop_queues(sim);
	fill(sim, vsim_dead(sim));
}

static void nvme_stay_down(struct vfiosafe_sim *sim)
{
	fill(sim, vsim_dead(sim));
}

static void nvme_up(struct vfiosafe_sim *sim)
{
	fill(sim, 0);
	restore_registers(sim);
}

static int nvme_open(struct vfiosafe_sim *sim)
{
	uint64_t len = sim->opts.disk_len ? sim->opts.disk_len : DISK_LEN;
	struct vsim_nvme *nvme = calloc(1, sizeof(*nvme));

	if (!nvme)
		return -ENOMEM;
	sim->state = nvme;
	nvme->blocks = len / VSIM_NVME_BLOCK;
	nvme->disk = memfd_create("vfiosafe-sim-disk", MFD_CLOEXEC);
	if (nvme->disk < 0 || ftruncate(nvme->disk, (off_t)len) < 0)
		return -errno;
	return 0;
}

static void nvme_close(struct vfiosafe_sim *sim)
{
	struct vsim_nvme *nvme = sim->state;

	if (nvme && nvme->disk >= 0)
		close(nvme->disk);
	free(nvme);
}

const struct vsim_model vsim_model_nvme = {
	.name = "sim:nvme",
	.bar = { [0] = { .len = BAR_LEN, .mappable = true } },
	.msix_bar = 0,
	.msix_table = 0x2000,
	.msix_pba = 0x3000,
	.msix_end = BAR_LEN,
	.device_id = 0x5aff,
	.class_revision = 0x01080201,
	.open = nvme_open,
	.close = nvme_close,
	.tick = nvme_tick,
	.down = nvme_down,
	.stay_down = nvme_stay_down,
	.up = nvme_up,
};

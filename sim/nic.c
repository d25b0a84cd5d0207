/* SPDX-License-Identifier: MIT */
/*
 * nic.c - the model "sim:nic": as much of Intel's 82576 as a small driver polls. One
 * queue each way, advanced descriptors, one buffer to a frame; no interrupts, no filters.
 * Offsets and bits are those of its datasheet.
 */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "internal.h"
#include "memory.h"
#include "wire.h"

#define STATUS 0x0008u
#define MDIC 0x0020u
#define RCTL 0x0100u
#define TCTL 0x0400u
#define RX 0xc000u
#define TX 0xe000u
/* Of a queue: */
#define BASE 0x00u
#define LEN 0x08u
#define HEAD 0x10u
#define TAIL 0x18u
#define QUEUE 0x28u
#define BAR_LEN 0x10000u
#define MSIX_LEN 0x1000u

#define ENABLE 0x2u
#define QUEUE_ENABLE 0x2000000u
#define LINK_UP 0x2u
#define MDIC_WRITE 0x4000000u
#define MDIC_READY 0x10000000u
#define SEND 0x21300000u /* advanced, data, a whole frame: nothing else is known here */
#define REPORT 0x8000000u
#define DONE 0x1u
#define DONE_WHOLE 0x3u
#define AT_ONCE 16

struct nic {
	struct vsim_plug *plug;
	int64_t link_ns; /* when the link will be up; 0: it was not asked for */
	bool hung;	 /* memory was out of reach */
	struct vsim_frame frame;
};

struct desc {
	uint64_t address;
	uint32_t word[2];
};

static uint32_t *reg(struct vfiosafe_sim *sim, uint32_t offset)
{
	return (uint32_t *)(void *)(sim->bar[0].mem + offset);
}

static uint32_t get(struct vfiosafe_sim *sim, uint32_t offset)
{
	return le32toh(vsim_get32(reg(sim, offset)));
}

static VSIM_BULK void fill(struct vfiosafe_sim *sim, uint64_t value)
{
	for (uint32_t at = 0; at < BAR_LEN; at += 8) {
		uint64_t *word = (uint64_t *)(void *)(sim->bar[0].mem + at);

		if (vsim_get64(word) != value)
			vsim_set64(word, value);
	}
}

/* The PHY is told to negotiate by any write to it, and takes opts.ready_us. */
static void look_at_link(struct vfiosafe_sim *sim)
{
	struct nic *nic = sim->state;
	uint32_t mdic = get(sim, MDIC), status;

	if ((mdic & MDIC_WRITE) && !(mdic & MDIC_READY)) {
		vsim_set32(reg(sim, MDIC), htole32(mdic | MDIC_READY));
		nic->link_ns = vsim_now_ns() + (int64_t)sim->opts.ready_us * 1000;
	}
	status = nic->link_ns && vsim_now_ns() >= nic->link_ns ? LINK_UP : 0;
	if (get(sim, STATUS) != status)
		vsim_set32(reg(sim, STATUS), htole32(status));
}

/* Where the descriptor at a queue's head lies; false: it is the driver's, or nowhere. */
static bool next_desc(struct vfiosafe_sim *sim, uint32_t queue, uint32_t control,
		      uint64_t *at)
{
	uint32_t count = get(sim, queue + LEN) / (uint32_t)sizeof(struct desc);
	uint32_t head = get(sim, queue + HEAD), tail = get(sim, queue + TAIL);
	uint64_t base = get(sim, queue + BASE) |
			(uint64_t)get(sim, queue + BASE + 4) << 32;
	bool on = (get(sim, control) & ENABLE) && (get(sim, STATUS) & LINK_UP) &&
		  (get(sim, queue + QUEUE) & QUEUE_ENABLE);

	*at = base + head * sizeof(struct desc);
	return on && head < count && tail < count && head != tail;
}

static void step(struct vfiosafe_sim *sim, uint32_t queue)
{
	uint32_t count = get(sim, queue + LEN) / (uint32_t)sizeof(struct desc);
	uint32_t head = get(sim, queue + HEAD) + 1;

	vsim_set32(reg(sim, queue + HEAD), htole32(head < count ? head : 0));
}

static bool send_one(struct vfiosafe_sim *sim, uint64_t at)
{
	struct nic *nic = sim->state;
	struct desc desc;
	uint32_t command, status = htole32(DONE);

	if (vsim_dma_read(sim, at, &desc, sizeof(desc)) < 0)
		return false;
	command = le32toh(desc.word[0]);
	nic->frame.len = command & 0xffff;
	if ((command & SEND) != SEND || nic->frame.len > VSIM_FRAME ||
	    vsim_dma_read(sim, le64toh(desc.address), nic->frame.data, nic->frame.len) < 0)
		return false;
	sim->counts.frames++;
	sim->counts.lost_frames += !vsim_wire_put(nic->plug, &nic->frame);
	step(sim, TX);
	return !(command & REPORT) || vsim_dma_write(sim, at + 12, &status, 4) == 0;
}

/* The word with DONE is written last: a copy by the kernel has no order of its own. */
static bool receive_one(struct vfiosafe_sim *sim, uint64_t at)
{
	struct nic *nic = sim->state;
	struct desc desc, back = { .word = { 0, htole32((uint32_t)nic->frame.len) } };
	uint32_t status = htole32(DONE_WHOLE);

	step(sim, RX);
	return vsim_dma_read(sim, at, &desc, sizeof(desc)) == 0 &&
	       vsim_dma_write(sim, le64toh(desc.address), nic->frame.data,
			      nic->frame.len) == 0 &&
	       vsim_dma_write(sim, at, &back, sizeof(back)) == 0 &&
	       vsim_dma_write(sim, at + 8, &status, sizeof(status)) == 0;
}

/* A card that does not receive lets frames pass; one without descriptors keeps them. */
static void nic_tick(struct vfiosafe_sim *sim)
{
	struct nic *nic = sim->state;
	uint64_t at;

	if (!vsim_awake(sim))
		return;
	look_at_link(sim);
	if (!(get(sim, RCTL) & ENABLE) || !(get(sim, STATUS) & LINK_UP))
		sim->counts.lost_frames += vsim_wire_flush(nic->plug);
	for (int i = 0; i < AT_ONCE && !nic->hung && next_desc(sim, TX, TCTL, &at); i++)
		nic->hung = !send_one(sim, at);
	for (int i = 0; i < AT_ONCE && !nic->hung && next_desc(sim, RX, RCTL, &at) &&
			vsim_wire_get(nic->plug, &nic->frame); i++)
		nic->hung = !receive_one(sim, at);
}

static void nic_down(struct vfiosafe_sim *sim)
{
	fill(sim, vsim_dead(sim));
}

static void nic_up(struct vfiosafe_sim *sim)
{
	struct nic *nic = sim->state;

	sim->counts.lost_frames += vsim_wire_flush(nic->plug);
	nic->link_ns = 0;
	nic->hung = false;
	fill(sim, 0);
}

static int nic_open(struct vfiosafe_sim *sim)
{
	struct nic *nic = calloc(1, sizeof(*nic));

	if (!nic)
		return -ENOMEM;
	sim->state = nic;
	return vsim_wire_plug(&nic->plug, sim->opts.wire);
}

static void nic_close(struct vfiosafe_sim *sim)
{
	struct nic *nic = sim->state;

	if (nic)
		vsim_wire_unplug(nic->plug);
	free(nic);
}

const struct vsim_model vsim_model_nic = {
	.name = "sim:nic",
	.bar = {
		[0] = { .len = BAR_LEN, .mappable = true },
		[3] = { .len = MSIX_LEN, .mappable = true },
	},
	.msix_bar = 3,
	.msix_pba = 0x800,
	.msix_end = MSIX_LEN,
	.device_id = 0x5afd,
	.class_revision = 0x02000001,
	.open = nic_open,
	.close = nic_close,
	.tick = nic_tick,
	.down = nic_down,
	.stay_down = nic_down,
	.up = nic_up,
};

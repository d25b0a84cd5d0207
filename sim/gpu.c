/* SPDX-License-Identifier: MIT */
/*
 * gpu.c - the model "sim:gpu": a frame buffer, and registers that set its mode, see sim.h.
 *
 * The registers have the places of the Bochs display interface's (VBE) in the second BAR
 * of QEMU's displays, so that one driver drives both.
 */
#include <errno.h>
#include "internal.h"
#include "memory.h"

#define FRAME_LEN 0x20000u
#define MODE_LEN 0x1000u
#define MSIX_TABLE 0x800u
#define MSIX_PBA 0xc00u
#define MODE_AT 0x500u /* 16 bits each, by number */
#define ID_VALUE 0xb0c5u

enum mode_register {
	MODE_ID = 0,
	MODE_XRES = 1,
	MODE_YRES = 2,
	MODE_BPP = 3,
	MODE_ENABLE = 4,
};

#define ENABLED 0x41u /* on, with a linear frame buffer */
#define BITS 32u

static uint16_t *mode(struct vfiosafe_sim *sim, enum mode_register number)
{
	return (uint16_t *)(void *)(sim->bar[2].mem + MODE_AT + number * 2u);
}

static unsigned int get(struct vfiosafe_sim *sim, enum mode_register number)
{
	return (unsigned int)vsim_load(mode(sim, number), 2);
}

static VSIM_BULK void fill(uint8_t *mem, uint32_t len, uint64_t value)
{
	for (uint32_t at = 0; at < len; at += 8) {
		uint64_t *word = (uint64_t *)(void *)(mem + at);

		if (vsim_get64(word) != value)
			vsim_set64(word, value);
	}
}

static void fill_both(struct vfiosafe_sim *sim, uint64_t value)
{
	fill(sim->bar[0].mem, FRAME_LEN, value);
	fill(sim->bar[2].mem, MSIX_TABLE, value);
}

static void gpu_tick(struct vfiosafe_sim *sim)
{
	if (get(sim, MODE_ID) != ID_VALUE)
		vsim_store(mode(sim, MODE_ID), 2, ID_VALUE);
}

static void gpu_dead(struct vfiosafe_sim *sim)
{
	fill_both(sim, vsim_dead(sim));
}

static void gpu_up(struct vfiosafe_sim *sim)
{
	fill_both(sim, 0);
	/* Last: who sees it sees the rest of the reset device. */
	vsim_store(mode(sim, MODE_ID), 2, ID_VALUE);
}

const struct vsim_model vsim_model_gpu = {
	.name = "sim:gpu",
	.bar = {
		[0] = { .len = FRAME_LEN, .mappable = true },
		[2] = { .len = MODE_LEN, .mappable = true },
	},
	.msix_bar = 2,
	.msix_table = MSIX_TABLE,
	.msix_pba = MSIX_PBA,
	.msix_end = MODE_LEN,
	.device_id = 0x5afd,
	.class_revision = 0x03800001,
	.tick = gpu_tick,
	.down = gpu_dead,
	.stay_down = gpu_dead,
	.up = gpu_up,
};

static VSIM_BULK void copy_pixels(uint32_t *to, const uint8_t *from, size_t count)
{
	for (size_t i = 0; i < count; i++)
		to[i] = vsim_get32((const uint32_t *)(const void *)(from + i * 4));
}

/* Lock held. */
static int screen(struct vfiosafe_sim *sim, struct vfiosafe_sim_screen *shows)
{
	size_t count;

	if (!vsim_awake(sim))
		return -ENODATA;
	shows->width = get(sim, MODE_XRES);
	shows->height = get(sim, MODE_YRES);
	count = (size_t)shows->width * shows->height;
	if ((get(sim, MODE_ENABLE) & ENABLED) != ENABLED || get(sim, MODE_BPP) != BITS ||
	    count == 0 || count > FRAME_LEN / 4)
		return -ENODATA;
	if (count > shows->room)
		return -ENOSPC;
	copy_pixels(shows->pixels, sim->bar[0].mem, count);
	return 0;
}

VFIOSAFE_API int vfiosafe_sim_screen(struct vfiosafe_sim *sim,
				     struct vfiosafe_sim_screen *shows)
{
	int rc;

	if (sim->model != &vsim_model_gpu)
		return -EINVAL;
	pthread_mutex_lock(&sim->lock);
	rc = screen(sim, shows);
	pthread_mutex_unlock(&sim->lock);
	return rc;
}

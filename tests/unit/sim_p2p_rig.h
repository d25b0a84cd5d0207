/* SPDX-License-Identifier: MIT */
/*
 * sim_p2p_rig.h - two simulated devices driven by the library, of which one imports from
 * the other, and what the exporter's memory has to hold.
 */
#ifndef SIM_P2P_RIG_H
#define SIM_P2P_RIG_H

#include "sim_rig.h"

#include <dirent.h>
#include <vfiosafe/vfiosafe.h>

#define PAGE 4096u
#define MEM 0x9000u /* of BAR 0: beyond LOG, plain memory to its end */
#define LEN 0x7000u

struct side {
	struct vfiosafe_sim *sim;
	struct vfiosafe_device *dev;
	struct vfiosafe_bar *bar;
	struct vfiosafe_view view;
	unsigned int stops, starts;
	uint64_t want[LEN / 8]; /* in its memory */
};

/* Not each loss that there may have been was one: memory is as the driver leaves it. */
static inline int side_reinit(struct vfiosafe_device *dev, void *ctx)
{
	struct side *side = ctx;
	int rc = vfiosafe_bar_view(side->bar, &side->view);

	(void)dev;
	memset(side->want, 0, sizeof(side->want));
	return rc < 0 ? rc : vfiosafe_copy_to(&side->view, MEM, side->want, LEN, 8);
}

/* Views are renewed: a window that loses nothing keeps them good, but one may be old. */
static inline void side_renew(struct side *side)
{
	assert_int_equal(vfiosafe_bar_view(side->bar, &side->view), 0);
}

static inline void side_open(struct side *side, enum vfiosafe_door door,
			     enum vfiosafe_sim_window window,
			     const struct vfiosafe_driver_ops *ops)
{
	struct vfiosafe_sim_opts sim_opts = { .size = sizeof(sim_opts),
					      .window = window,
					      .window_us = 20 };
	struct vfiosafe_device_opts opts = { .size = sizeof(opts), .door = door };

	memset(side, 0, sizeof(*side));
	assert_int_equal(vfiosafe_sim_open(&side->sim, "sim:reg", &sim_opts), 0);
	opts.sys = vfiosafe_sim_sys(side->sim);
	assert_int_equal(
		vfiosafe_device_open(&side->dev, vfiosafe_sim_address(side->sim), &opts),
		0);
	assert_int_equal(vfiosafe_bar_map(&side->bar, side->dev, 0, 0, 0, 0), 0);
	assert_int_equal(vfiosafe_device_set_driver(side->dev, ops, side), 0);
	assert_int_equal(vfiosafe_set_bus_master(side->dev, true), 0);
	side_renew(side);
}

/* The kernel has all of it back. */
static inline void side_close(struct side *side)
{
	struct vfiosafe_sim_held held;

	if (side->dev)
		assert_int_equal(vfiosafe_device_close(side->dev, 5000), 0);
	vfiosafe_sim_held(side->sim, &held);
	assert_int_equal(held.fds + held.mappings, 0);
	assert_int_equal(held.iovas, 0);
	assert_int_equal(held.dmabufs, 0);
	vfiosafe_sim_close(side->sim);
}

static inline unsigned int open_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned int n = 0;

	assert_non_null(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static inline uint64_t side_faults(const struct side *side)
{
	struct vfiosafe_sim_counts counts;

	vfiosafe_sim_counts(side->sim, &counts);
	return counts.dma_faults;
}

/* Maps by others that were there when the kernel took the memory away. */
static inline uint64_t side_maps_left(const struct side *side)
{
	struct vfiosafe_sim_counts counts;

	vfiosafe_sim_counts(side->sim, &counts);
	return counts.maps_left;
}

/* The device complements 8 bytes at @iova: 0, what it says, or -errno of an access. */
static inline int side_complement(struct side *side, uint64_t iova)
{
	uint32_t value = VFIOSAFE_SIM_DMA_START;
	int rc = vfiosafe_write64(&side->view, VFIOSAFE_SIM_REG_DMA_ADDRESS, iova);

	if (rc == 0)
		rc = vfiosafe_write32(&side->view, VFIOSAFE_SIM_REG_DMA, value);
	while (rc == 0 && value == VFIOSAFE_SIM_DMA_START)
		rc = vfiosafe_read32(&side->view, VFIOSAFE_SIM_REG_DMA, &value);
	return rc < 0 ? rc : (int)value;
}

/* All of its memory is what it has to be. */
static inline void side_check(struct side *side)
{
	static uint64_t got[LEN / 8];
	unsigned int wrong = 0;

	side_renew(side);
	assert_int_equal(vfiosafe_copy_from(&side->view, MEM, got, LEN, 8), 0);
	for (unsigned int i = 0; i < LEN / 8; i++)
		wrong += got[i] != side->want[i];
	assert_int_equal(wrong, 0);
}

/* @to's DMA reaches the word of @from's memory that is at @iova, and that one alone. */
static inline void p2p_complement(struct side *to, struct side *from, uint64_t iova,
				  uint64_t offset)
{
	side_renew(to);
	assert_int_equal(side_complement(to, iova), 0);
	from->want[(offset - MEM) / 8] = ~from->want[(offset - MEM) / 8];
	side_check(from);
}

#endif

/* SPDX-License-Identifier: MIT */
/*
 * peer.h - a second device, which imports the first one's memory. It has windows of its
 * own, which always go well; its answers to p2p_stop and p2p_start may be bad.
 */
#ifndef SCHEDULER_PEER_H
#define SCHEDULER_PEER_H

#include "world.h"

#define PEER_MEM UINT64_C(0x9000) /* of BAR 0: plain memory to its end */
#define PEER_PAGES 7

struct peer {
	struct vfiosafe_sim *sim;
	struct vfiosafe_sys sys;
	struct vfiosafe_device *dev;
	struct vfiosafe_bar *bar;
	struct vfiosafe_view view;
	uint64_t generation;

	struct vfiosafe_dmabuf *buf; /* of the first device, or NULL */
	struct vfiosafe_area range[3];
	uint32_t ranges;
	bool revoked; /* for good */

	struct vfiosafe_p2p *map; /* or NULL */
	uint64_t iova;
	bool started; /* its DMA may go on */
	bool broken;  /* a callback failed, or was late */
	bool cut;     /* the kernel took the map away: nobody asked the library */
};

void peer_open(struct world *world);
void peer_close(struct world *world);
/* The first device is closed: what it exported is no more. */
void peer_lost(struct world *world);
/* What must hold after each step. */
void peer_look(struct world *world);
/* Has the second device write at @at of the map: did it get there? */
bool peer_dma(struct world *world, uint64_t at);
/* The first device's BAR is taken away behind the library's back. */
void peer_cut(struct world *world);

#endif

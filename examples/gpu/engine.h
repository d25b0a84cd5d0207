/* SPDX-License-Identifier: MIT */
/*
 * engine.h - another device that draws: it imports the display's dma-buf, and writes the
 * picture's band there by DMA. It is QEMU's edu, whose DMA takes 100 ms for a page.
 */
#ifndef GPU_ENGINE_H
#define GPU_ENGINE_H

#include <pthread.h>
#include <stdbool.h>
#include "display.h"

struct engine {
	struct vfiosafe_device *dev; /* edu; NULL: there is none */
	struct vfiosafe_bar *bar;
	struct vfiosafe_view regs;
	struct vfiosafe_dma_memory band; /* what is to be drawn */
	struct vfiosafe_p2p *map;
	uint64_t frame; /* where the display's memory is, for edu */
	uint64_t at;	/* of the band in there */
	pthread_t thread;
	pthread_mutex_t lock; /* held while a DMA is under way */
	pthread_cond_t changed;
	bool may_draw; /* atomic */
	bool end;
	unsigned int wanted; /* redraws */
	unsigned int drawn;
	int error;
};

/* Draws the band of @display once, and again whenever it was lost. */
int engine_start(struct engine *engine, struct vfiosafe_device *edu,
		 const struct display *display);
/* Until it is drawn. */
int engine_wait(struct engine *engine);
void engine_stop(struct engine *engine);

#endif

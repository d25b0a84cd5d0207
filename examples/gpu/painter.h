/* SPDX-License-Identifier: MIT */
/* painter.h - a second process that draws its box. */
#ifndef GPU_PAINTER_H
#define GPU_PAINTER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "display.h"

/* What it says, after each time that it had to redraw, and at its end. */
struct painter_note {
	uint64_t generation; /* of which its box is drawn */
	uint64_t redraws;
	uint64_t frames; /* with the next one at its end only */
	uint64_t refused;
	int32_t error; /* 0, or what ended it */
	bool mapped;   /* it has the frame buffer mapped, else by calls */
	bool last;
};

/* As the owner sees it. */
struct painter {
	pid_t pid;
	int notes; /* a socket; one byte sent: end */
	struct painter_note said;
};

/*
 * Starts it as a process of its own, and lets it have the frame buffer: by a dma-buf where
 * the kernel maps those, else by calls of the owner. @rights: of vfiosafe_grant.
 */
int painter_start(struct painter *painter, const struct display *display, uint32_t rights);
/* Until it has drawn its box in the device's generation of this moment. */
int painter_wait(struct painter *painter, const struct display *display);
/* Ends it; its last note is in painter->said. */
int painter_stop(struct painter *painter);

/* The process itself. */
int painter_main(char **argv);

#endif

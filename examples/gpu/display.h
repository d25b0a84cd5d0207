/* SPDX-License-Identifier: MIT */
/*
 * display.h - a driver for displays with the Bochs interface: QEMU's secondary-vga and
 * bochs-display, and sim:gpu.
 */
#ifndef GPU_DISPLAY_H
#define GPU_DISPLAY_H

#include <stdint.h>
#include <vfiosafe/vfiosafe.h>
#include "picture.h"

/* BAR 0 is the frame buffer. BAR 2 has VGA ports from 0x3c0 on, and the mode. */
#define DISPLAY_VGA_PORTS 0x400u
#define DISPLAY_MODE(number) (0x500u + (number) * 2u) /* 16 bits each */
#define DISPLAY_ID 0u
#define DISPLAY_XRES 1u
#define DISPLAY_YRES 2u
#define DISPLAY_BPP 3u
#define DISPLAY_ENABLE 4u
#define DISPLAY_ON 0x41u /* with a linear frame buffer */

struct display {
	struct vfiosafe_device *dev;
	struct picture picture;
	struct vfiosafe_bar *frame_bar;
	struct vfiosafe_bar *mode_bar;
	struct vfiosafe_view frame; /* of this generation, as */
	struct vfiosafe_view mode;
	unsigned int found_off; /* how often no mode was set when one was to be */
	struct vfiosafe_dmabuf *export; /* the frame buffer; NULL: not by this kernel */
};

/* display.c: first start, and what it has in common with the way back */
int display_start(struct display *display, struct vfiosafe_device *dev,
		  const struct picture *picture);
int display_program(struct display *display);
/* all of the owner's part, once more */
int display_draw(const struct display *display);
/* bytes of the picture, in whole pages */
uint64_t display_frame_len(const struct display *display);

/* reset.c: the whole of it */
extern const struct vfiosafe_driver_ops display_ops;
/* After @refused, from a call: 0: go on. */
int display_wait(const struct display *display, int refused);

#endif

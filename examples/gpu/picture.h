/* SPDX-License-Identifier: MIT */
/*
 * picture.h - what is drawn: a test card. The owner of the display draws all of it but a
 * box in its middle, which is another process's, and a band at its bottom, which another
 * device writes by DMA.
 */
#ifndef GPU_PICTURE_H
#define GPU_PICTURE_H

#include <stdbool.h>
#include <stdint.h>
#include <vfiosafe/vfiosafe.h>

#define PICTURE_WIDTH_MAX 1024u

/* 32 bits a pixel, 0x00RRGGBB, lines without a gap. Both are multiples of 8. */
struct picture {
	uint32_t width;
	uint32_t height;
	uint32_t band; /* lines of it; 0: there is no such device */
};

struct picture_box {
	uint32_t x, y, width, height;
};

/* The other device's part, the other process's, and one of four that the owner has. */
struct picture_box picture_band(const struct picture *picture);
struct picture_box picture_painters(const struct picture *picture);
struct picture_box picture_owners(const struct picture *picture, unsigned int part);

uint32_t picture_pixel(const struct picture *picture, uint32_t x, uint32_t y);

/* One line of @box into memory. */
void picture_line(const struct picture *picture, const struct picture_box *box, uint32_t line,
		  uint32_t *to);

/*
 * All of @box into a frame buffer, line by line, by guarded copies. Return: 0: every pixel
 * was stored in the view's generation; else as vfiosafe_copy_to().
 */
int picture_draw(const struct picture *picture, const struct picture_box *box,
		 const struct vfiosafe_view *frame);

/* Is this it? @pixels: all of them. */
bool picture_is(const struct picture *picture, const uint32_t *pixels);

/* As a PPM file, the way QEMU writes its screen dumps. */
int picture_write(const struct picture *picture, const char *path);

#endif

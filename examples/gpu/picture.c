/* SPDX-License-Identifier: MIT */
/* picture.c - the test card, pixel by pixel. */
#include <errno.h>
#include <stdio.h>
#include "picture.h"

#define WHITE 0xffffffu

struct picture_box picture_band(const struct picture *picture)
{
	return (struct picture_box){ .y = picture->height - picture->band,
				     .width = picture->width,
				     .height = picture->band };
}

struct picture_box picture_painters(const struct picture *picture)
{
	/*
	 * In steps of 8 pixels: copies are made of aligned 64-bit stores. Small, since by
	 * calls each of them is a message and an answer.
	 */
	uint32_t width = picture->width / 53 * 8, height = picture->height / 48 * 8;

	return (struct picture_box){ .x = (picture->width - width) / 16 * 8,
				     .y = (picture->height - height) / 2,
				     .width = width,
				     .height = height };
}

struct picture_box picture_owners(const struct picture *picture, unsigned int part)
{
	struct picture_box hole = picture_painters(picture);
	uint32_t right = hole.x + hole.width, below = hole.y + hole.height;
	const struct picture_box parts[4] = {
		{ 0, 0, picture->width, hole.y },
		{ 0, hole.y, hole.x, hole.height },
		{ right, hole.y, picture->width - right, hole.height },
		{ 0, below, picture->width, picture->height - picture->band - below },
	};

	return parts[part % 4];
}

/* Rings around its middle, and a yellow rim. */
static uint32_t painters_pixel(const struct picture_box *box, uint32_t x, uint32_t y)
{
	int32_t dx = (int32_t)(2 * x) - (int32_t)box->width;
	int32_t dy = (int32_t)(2 * y) - (int32_t)box->height;
	uint32_t ring = (uint32_t)(dx * dx + dy * dy) * 12 / (box->height * box->height);

	if (x < 2 || y < 2 || x >= box->width - 2 || y >= box->height - 2)
		return 0xffd000;
	return ring % 2 ? 0x102040 : 0x2060c0 + (ring << 20);
}

/* Bars of colour, a ramp below them, a white border; and the band. */
static uint32_t other_pixel(const struct picture *picture, uint32_t x, uint32_t y)
{
	static const uint32_t bars[8] = { 0xc0c0c0, 0xc0c000, 0x00c0c0, 0x00c000,
					  0xc000c0, 0xc00000, 0x0000c0, 0x202020 };

	if (y >= picture->height - picture->band)
		return x / 16 % 2 ? 0x00ff40 : 0x004010;
	if (x < 2 || y < 2 || x >= picture->width - 2 ||
	    y >= picture->height - picture->band - 2)
		return WHITE;
	if (y < picture->height / 4 * 3)
		return bars[x * 8 / picture->width];
	return x * 256 / picture->width / 8 * 8 * 0x010101u;
}

uint32_t picture_pixel(const struct picture *picture, uint32_t x, uint32_t y)
{
	struct picture_box box = picture_painters(picture);

	if (x - box.x < box.width && y - box.y < box.height)
		return painters_pixel(&box, x - box.x, y - box.y);
	return other_pixel(picture, x, y);
}

void picture_line(const struct picture *picture, const struct picture_box *box, uint32_t line,
		  uint32_t *to)
{
	for (uint32_t i = 0; i < box->width; i++)
		to[i] = picture_pixel(picture, box->x + i, box->y + line);
}

int picture_draw(const struct picture *picture, const struct picture_box *box,
		 const struct vfiosafe_view *frame)
{
	uint32_t line[PICTURE_WIDTH_MAX];
	int rc = 0;

	for (uint32_t i = 0; i < box->height && rc == 0; i++) {
		uint64_t first = (uint64_t)(box->y + i) * picture->width + box->x;

		picture_line(picture, box, i, line);
		rc = vfiosafe_copy_to(frame, first * 4, line, box->width * 4ul, 8);
	}
	return rc;
}

bool picture_is(const struct picture *picture, const uint32_t *pixels)
{
	for (uint32_t y = 0; y < picture->height; y++)
		for (uint32_t x = 0; x < picture->width; x++)
			if (*pixels++ != picture_pixel(picture, x, y))
				return false;
	return true;
}

int picture_write(const struct picture *picture, const char *path)
{
	FILE *file = fopen(path, "w");
	int rc;

	if (!file)
		return -errno;
	fprintf(file, "P6\n%u %u\n255\n", picture->width, picture->height);
	for (uint32_t y = 0; y < picture->height; y++) {
		for (uint32_t x = 0; x < picture->width; x++) {
			uint32_t pixel = picture_pixel(picture, x, y);

			for (int shift = 16; shift >= 0; shift -= 8)
				fputc((int)(pixel >> shift & 0xff), file);
		}
	}
	rc = ferror(file) ? -EIO : 0;
	return fclose(file) == 0 ? rc : -errno;
}

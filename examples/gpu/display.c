/* SPDX-License-Identifier: MIT */
/* display.c - sets a mode, draws, and lends the frame buffer out. */
#include <errno.h>
#include "display.h"

/* The attribute controller: its index comes after a look at the status register. */
#define VGA_ATTRIBUTE (DISPLAY_VGA_PORTS + 0x00u)
#define VGA_STATUS (DISPLAY_VGA_PORTS + 0x1au)
#define VGA_NOT_BLANK 0x20u

#define PAGE 4096u
#define WHITE 0xffffffu

static int set(const struct display *display, unsigned int number, uint32_t value)
{
	return vfiosafe_write16(&display->mode, DISPLAY_MODE(number), (uint16_t)value);
}

static int unblank(const struct display *display)
{
	uint8_t status;
	int rc = vfiosafe_read8(&display->mode, VGA_STATUS, &status);

	return rc < 0 ? rc : vfiosafe_write8(&display->mode, VGA_ATTRIBUTE, VGA_NOT_BLANK);
}

static int note_mode(struct display *display)
{
	uint16_t on;
	int rc = vfiosafe_read16(&display->mode, DISPLAY_MODE(DISPLAY_ENABLE), &on);

	display->found_off += rc == 0 && !(on & DISPLAY_ON);
	return rc;
}

/* Turning it on clears the frame buffer, in QEMU's model. */
static int set_mode(struct display *display)
{
	int rc = note_mode(display);

	if (rc == 0)
		rc = unblank(display);
	if (rc == 0)
		rc = set(display, DISPLAY_ENABLE, 0);
	if (rc == 0)
		rc = set(display, DISPLAY_XRES, display->picture.width);
	if (rc == 0)
		rc = set(display, DISPLAY_YRES, display->picture.height);
	if (rc == 0)
		rc = set(display, DISPLAY_BPP, 32);
	return rc < 0 ? rc : set(display, DISPLAY_ENABLE, DISPLAY_ON);
}

/* The width of the mode is lost in a reset: it tells of one that nobody announced. */
static int watch_mode(const struct display *display)
{
	const struct vfiosafe_sentinel width = { .size = sizeof(width),
						 .bar = display->mode_bar,
						 .offset = DISPLAY_MODE(DISPLAY_XRES),
						 .width = 2,
						 .mask = 0xffff,
						 .value = display->picture.width };

	return vfiosafe_set_sentinel(display->dev, &width);
}

/* The border, by plain stores: many accesses under one guard. */
static int draw_border(const struct display *display)
{
	const struct picture *p = &display->picture;
	struct vfiosafe_section sec;
	uint32_t height = p->height - p->band;
	volatile uint32_t *pixel;
	int rc = vfiosafe_begin(&display->frame, &sec);

	if (rc < 0)
		return rc;
	pixel = vfiosafe_ptr(&sec);
	for (uint32_t x = 0; x < 2 * p->width; x++)
		pixel[x] = pixel[p->width * (height - 2) + x] = WHITE;
	for (uint32_t y = 0; y < height; y++)
		pixel[y * p->width] = pixel[(y + 1) * p->width - 1] = WHITE;
	return vfiosafe_end_checked(&sec);
}

int display_draw(const struct display *display)
{
	int rc = 0;

	for (unsigned int part = 0; part < 4 && rc == 0; part++) {
		struct picture_box box = picture_owners(&display->picture, part);

		rc = picture_draw(&display->picture, &box, &display->frame);
	}
	return rc < 0 ? rc : draw_border(display);
}

/* From any state that the device may be in. */
int display_program(struct display *display)
{
	int rc = vfiosafe_bar_view(display->mode_bar, &display->mode);

	if (rc == 0)
		rc = vfiosafe_bar_view(display->frame_bar, &display->frame);
	if (rc == 0)
		rc = set_mode(display);
	if (rc == 0)
		rc = watch_mode(display);
	return rc < 0 ? rc : display_draw(display);
}

uint64_t display_frame_len(const struct display *display)
{
	uint64_t len = 4ull * display->picture.width * display->picture.height;

	return (len + PAGE - 1) / PAGE * PAGE;
}

/* For another device to draw into, or to scan out. */
static int lend(struct display *display)
{
	const struct vfiosafe_area frame = { 0, display_frame_len(display) };
	int rc = vfiosafe_dmabuf_export(&display->export, display->frame_bar, &frame, 1, 0);

	return rc == -EOPNOTSUPP ? 0 : rc;
}

int display_start(struct display *display, struct vfiosafe_device *dev,
		  const struct picture *picture)
{
	int rc;

	*display = (struct display){ .dev = dev, .picture = *picture };
	rc = vfiosafe_bar_map(&display->frame_bar, dev, 0, 0, 0, 0);
	if (rc == 0)
		rc = vfiosafe_bar_map(&display->mode_bar, dev, 2, 0, 0, 0);
	if (rc == 0 && !vfiosafe_bar_address(display->frame_bar))
		rc = -EOPNOTSUPP; /* then by copies alone; no display is so */
	if (rc == 0)
		rc = vfiosafe_device_set_driver(dev, &display_ops, display);
	if (rc == 0)
		rc = display_program(display);
	return rc < 0 ? rc : lend(display);
}

/* SPDX-License-Identifier: MIT */
/* raw.c - the same display by plain pointers and a plain ioctl, and one reset. */
#include <errno.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include "display.h"
#include "job.h"

#define FRAMES 20

struct raw {
	const struct bed *bed;
	volatile uint32_t *frame;
	volatile uint8_t *mode;
};

static int map(const struct bed *bed, uint32_t index, uint64_t len, void **at)
{
	struct vfio_region_info info = { .argsz = sizeof(info), .index = index };
	int fd = vfiosafe_device_fd(bed->dev);
	int rc = bed->sys->ioctl(bed->sys->ctx, fd, VFIO_DEVICE_GET_REGION_INFO, &info);

	if (rc < 0)
		return rc;
	*at = NULL;
	return bed->sys->mmap(bed->sys->ctx, at, len ? len : info.size,
			      PROT_READ | PROT_WRITE, MAP_SHARED, fd, info.offset);
}

static void set(const struct raw *raw, unsigned int number, uint32_t value)
{
	*(volatile uint16_t *)(raw->mode + DISPLAY_MODE(number)) = (uint16_t)value;
}

static unsigned int get(const struct raw *raw, unsigned int number)
{
	return *(volatile uint16_t *)(raw->mode + DISPLAY_MODE(number));
}

static void set_mode(const struct raw *raw)
{
	(void)raw->mode[DISPLAY_VGA_PORTS + 0x1a];
	raw->mode[DISPLAY_VGA_PORTS] = 0x20;
	set(raw, DISPLAY_ENABLE, 0);
	set(raw, DISPLAY_XRES, raw->bed->picture.width);
	set(raw, DISPLAY_YRES, raw->bed->picture.height);
	set(raw, DISPLAY_BPP, 32);
	set(raw, DISPLAY_ENABLE, DISPLAY_ON);
}

static void draw(const struct raw *raw)
{
	const struct picture *picture = &raw->bed->picture;

	for (uint32_t y = 0; y < picture->height; y++)
		for (uint32_t x = 0; x < picture->width; x++)
			raw->frame[y * picture->width + x] = picture_pixel(picture, x, y);
}

static int start(struct raw *raw, const struct bed *bed)
{
	void *frame, *mode;
	int rc = map(bed, 0, 4ull * bed->picture.width * bed->picture.height, &frame);

	if (rc == 0)
		rc = map(bed, 2, 0, &mode);
	if (rc < 0)
		return rc;
	*raw = (struct raw){ .bed = bed, .frame = frame, .mode = mode };
	set_mode(raw);
	draw(raw);
	return 0;
}

int job_raw(struct bed *bed)
{
	const struct vfiosafe_sys *sys = bed->sys;
	struct raw raw;
	int before, after, rc = start(&raw, bed);

	if (rc < 0)
		return fprintf(stderr, "gpu: raw: %s\n", strerror(-rc)), rc;
	before = bed_shows(bed, "raw-before");
	rc = sys->ioctl(sys->ctx, vfiosafe_device_fd(bed->dev), VFIO_DEVICE_RESET, NULL);
	for (int i = 0; i < FRAMES; i++)
		draw(&raw);
	after = bed_shows(bed, "raw-after");
	printf("by hand: picture before %s; reset %s; %u frames drawn since, no error; ENABLE "
	       "reads 0x%x, XRES %u; picture after %s\n",
	       before == 1 ? "there" : "not there", rc == 0 ? "done" : strerror(-rc), FRAMES,
	       get(&raw, DISPLAY_ENABLE), get(&raw, DISPLAY_XRES),
	       after == 1 ? "there" : "lost");
	return rc == 0 && before == 1 && after == 0 ? 0 : -EIO;
}

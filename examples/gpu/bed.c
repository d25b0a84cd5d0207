/* SPDX-License-Identifier: MIT */
/* bed.c - opens the display; looks at what it shows, past the library. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "bed.h"

static const struct picture small = { .width = 160, .height = 120 };
static const struct picture large = { .width = 640, .height = 480 };

/* Who finds the display in FAULT while it waits, brings it back. */
static int open_sim(struct bed *bed)
{
	struct vfiosafe_device_opts opts = { .size = sizeof(opts),
					     .address = "sim:gpu",
					     .recover_on_wait = true };
	int rc = vfiosafe_sim_open(&bed->sim, "sim:gpu", NULL);

	if (rc < 0)
		return rc;
	bed->picture = small;
	bed->sys = opts.sys = vfiosafe_sim_sys(bed->sim);
	return vfiosafe_device_from_fd(&bed->dev, vfiosafe_sim_device_fd(bed->sim), &opts);
}

static int open_real(struct bed *bed)
{
	struct vfiosafe_device_opts opts = { .size = sizeof(opts),
					     .door = bed->options->door,
					     .recover_on_wait = true };

	bed->picture = large;
	bed->sys = vfiosafe_sys_default();
	return vfiosafe_device_open(&bed->dev, bed->options->device, &opts);
}

static int nothing_to_do(struct vfiosafe_device *dev, void *ctx)
{
	(void)dev, (void)ctx;
	return 0;
}

/* A function that nobody uses: the audio beside a GPU. It has to agree all the same. */
static int open_sibling(struct bed *bed)
{
	static const struct vfiosafe_driver_ops ops = { .size = sizeof(ops),
							.reinit = nothing_to_do };
	const struct vfiosafe_device_opts opts = { .size = sizeof(opts),
						   .door = bed->options->door,
						   .iommu_of = bed->dev };
	int rc = vfiosafe_device_open(&bed->sibling, bed->options->sibling, &opts);

	return rc < 0 ? rc : vfiosafe_device_set_driver(bed->sibling, &ops, NULL);
}

/* In the display's address space: it imports its memory. */
static int open_engine(struct bed *bed)
{
	const struct vfiosafe_device_opts opts = { .size = sizeof(opts),
						   .door = bed->options->door,
						   .iommu_of = bed->dev };

	bed->picture.band = BED_BAND;
	return vfiosafe_device_open(&bed->engine, bed->options->engine, &opts);
}

int bed_open(struct bed *bed, const struct bed_options *options)
{
	int rc;

	*bed = (struct bed){ .options = options };
	rc = strcmp(options->device, "sim") == 0 ? open_sim(bed) : open_real(bed);
	if (rc == 0 && options->sibling)
		rc = open_sibling(bed);
	if (rc == 0 && options->engine)
		rc = open_engine(bed);
	return rc;
}

static void close_one(struct vfiosafe_device *dev)
{
	if (dev && vfiosafe_device_close(dev, 10000) < 0)
		fprintf(stderr, "gpu: close: %s\n", vfiosafe_error_text());
}

void bed_close(struct bed *bed)
{
	close_one(bed->engine);
	close_one(bed->sibling);
	close_one(bed->dev);
	vfiosafe_sim_close(bed->sim);
}

static int sim_shows(const struct bed *bed)
{
	static uint32_t pixels[160 * 120];
	struct vfiosafe_sim_screen screen = { .pixels = pixels, .room = 160 * 120 };
	int rc = vfiosafe_sim_screen(bed->sim, &screen);

	if (rc < 0)
		return rc == -ENODATA ? 0 : rc;
	return screen.width == bed->picture.width && screen.height == bed->picture.height &&
	       picture_is(&bed->picture, pixels);
}

int bed_shows(const struct bed *bed, const char *name)
{
	char command[256];
	int status;

	if (bed->sim)
		return sim_shows(bed);
	snprintf(command, sizeof(command), "%s %s", bed->options->look, name);
	status = system(command);
	if (!WIFEXITED(status) || WEXITSTATUS(status) > 1)
		return -EIO;
	return WEXITSTATUS(status) == 0;
}

int bed_reset_behind(const struct bed *bed)
{
	char path[96];
	int fd, rc;

	if (bed->sim) {
		vfiosafe_sim_reset_behind(bed->sim);
		return 0;
	}
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/reset", bed->options->device);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	rc = write(fd, "1", 1) == 1 ? 0 : -errno;
	close(fd);
	return rc;
}

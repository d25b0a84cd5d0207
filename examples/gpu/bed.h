/* SPDX-License-Identifier: MIT */
/* bed.h - where the display comes from, who looks at it, who resets it behind our back. */
#ifndef GPU_BED_H
#define GPU_BED_H

#include <stdbool.h>
#include <vfiosafe/sim.h>
#include <vfiosafe/vfiosafe.h>
#include "picture.h"

#define BED_BAND 8u /* lines that the engine draws */

struct bed_options {
	const char *device; /* "sim" or a PCI address */
	enum vfiosafe_door door;
	const char *sibling; /* a function that is reset with it, or NULL */
	const char *engine;  /* an edu that draws by DMA, or NULL */
	/*
	 * A command that takes a name: keeps what the display shows under it, and ends with
	 * 0 if that is the picture, with 1 if not. Not needed for "sim".
	 */
	const char *look;
};

struct bed {
	const struct bed_options *options;
	struct picture picture; /* of a size that the display has room for */
	struct vfiosafe_sim *sim; /* NULL: a real one */
	const struct vfiosafe_sys *sys;
	struct vfiosafe_device *dev;
	struct vfiosafe_device *sibling;
	struct vfiosafe_device *engine;
};

int bed_open(struct bed *bed, const struct bed_options *options);
void bed_close(struct bed *bed);

/* 1: the display shows the picture; 0: something else, or nothing; -errno */
int bed_shows(const struct bed *bed, const char *name);

/* A reset that the library is not told of. */
int bed_reset_behind(const struct bed *bed);

#endif

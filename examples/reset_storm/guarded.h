/* SPDX-License-Identifier: MIT */
/*
 * guarded.h - the driver with libvfiosafe: guarded.c is its data path, card.c
 * starts it and takes it through resets.
 */
#ifndef STORM_GUARDED_H
#define STORM_GUARDED_H

#include "storm.h"

/*
 * The view and what is known of the device belong together: the library runs
 * card_reinit(), which renews both, while no section is open.
 */
struct card {
	struct storm *storm;
	struct vfiosafe_device *dev;
	struct vfiosafe_bar *bar;
	struct vfiosafe_view regs;
	uint64_t generation;
	uint32_t programmed;
	volatile void *address; /* of the BAR at first start */
	int bystander_fd;	/* another holder's */
};

void guarded_read(struct storm *storm, struct storm_hand *hand, unsigned int index);
void guarded_write(struct storm *storm, struct storm_hand *hand);

#endif

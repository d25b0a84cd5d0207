/* SPDX-License-Identifier: MIT */
/*
 * reset.c - what this driver does about resets, all of it.
 *
 * There is nothing to stop before one: nothing that the display does goes on by itself, and
 * the library has seen all sections end. What it held comes back as it came at first start.
 * Its other users, a process that draws (painter.c) and who imported the dma-buf, are told
 * by the library.
 */
#include <errno.h>
#include "display.h"

#define WAIT_MS 60000

static int reinit(struct vfiosafe_device *dev, void *ctx)
{
	(void)dev;
	return display_program(ctx);
}

const struct vfiosafe_driver_ops display_ops = { .size = sizeof(display_ops), .reinit = reinit };

int display_wait(const struct display *display, int refused)
{
	/* It is LIVE again already, with the mode set and the views renewed. */
	if (refused == -ESTALE)
		return 0;
	/* A window is open: sleep until it is over. In FAULT: opened with recover_on_wait. */
	return vfiosafe_wait(display->dev, vfiosafe_deadline_in_ms(WAIT_MS));
}

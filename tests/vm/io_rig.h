/* SPDX-License-Identifier: MIT */
/* What both halves of vm_io share: an open device, eventfds, memory. */
#ifndef VM_IO_RIG_H
#define VM_IO_RIG_H

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "check.h"

#define PAGE 4096u

struct io {
	const char *address;
	struct vfiosafe_device_opts opts;
	struct vfiosafe_device *dev;
	struct vfiosafe_bar *bar;
	struct vfiosafe_view view;
	int event; /* of vector 0; a blocking one */
};

static inline void io_name(const struct io *io, const char *model)
{
	snprintf(check_prefix, sizeof(check_prefix), "%s/%s: ", model,
		 io->opts.door == VFIOSAFE_DOOR_CDEV ? "cdev" : "group");
}

static inline bool io_open(struct io *io)
{
	io->event = eventfd(0, EFD_CLOEXEC);
	return check(vfiosafe_device_open(&io->dev, io->address, &io->opts) == 0,
		     "opens") &&
	       check(vfiosafe_bar_map(&io->bar, io->dev, 0, 0, 0, 0) == 0 &&
			     vfiosafe_bar_view(io->bar, &io->view) == 0,
		     "maps BAR 0") &&
	       check(vfiosafe_set_bus_master(io->dev, true) == 0, "may do DMA");
}

static inline void io_close(struct io *io)
{
	check(vfiosafe_device_close(io->dev, 1000) == 0, "closes");
	close(io->event);
}

/* What @fd has counted, at most @ms from now; takes it. */
static inline unsigned int signals(int fd, int ms)
{
	struct pollfd readable = { .fd = fd, .events = POLLIN };
	uint64_t n = 0;

	if (poll(&readable, 1, ms) != 1 || read(fd, &n, sizeof(n)) != sizeof(n))
		return 0;
	return (unsigned int)n;
}

/* For what does come, sooner or later. */
#define SOON 20000

int io_edu(struct io *io);
int io_nvme(struct io *io);

#endif

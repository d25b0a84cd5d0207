/* SPDX-License-Identifier: MIT */
/*
 * eventfd.c - the program's eventfds, held as the kernel holds them: by a
 * reference of our own, so that the program may close its fd.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "irq.h"

static bool is_eventfd(int fd)
{
	char path[64];
	char target[64];
	ssize_t len;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	len = readlink(path, target, sizeof(target) - 1);
	if (len < 0)
		return false;
	target[len] = '\0';
	return strcmp(target, "anon_inode:[eventfd]") == 0;
}

int vsim_eventfd_get(int fd)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);

	if (copy < 0)
		return -errno;
	if (is_eventfd(copy))
		return copy;
	close(copy);
	return -EINVAL;
}

void vsim_eventfd_put(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void vsim_eventfd_signal(int fd)
{
	uint64_t one = 1;

	/* Full, or -1: nobody is there, or has been told already. */
	if (fd >= 0 && write(fd, &one, sizeof(one)) < 0)
		return;
}

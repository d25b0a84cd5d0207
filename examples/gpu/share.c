/* SPDX-License-Identifier: MIT */
/* share.c - the owner's side of the process that draws. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include "painter.h"

#define WAIT_MS 180000 /* by calls it may draw for long */

/* This program once more; it inherits the ends of two sockets. */
static void exec_painter(const struct picture *picture, int notes, int socket)
{
	char number[4][16];

	snprintf(number[0], sizeof(number[0]), "%d", dup(notes));
	snprintf(number[1], sizeof(number[1]), "%d", dup(socket));
	snprintf(number[2], sizeof(number[2]), "%u", picture->width);
	snprintf(number[3], sizeof(number[3]), "%u", picture->height);
	execl("/proc/self/exe", "gpu", "--paint", number[0], number[1], number[2], number[3],
	      (char *)NULL);
	_exit(127);
}

/* The picture and nothing else: not the mode. */
static int serve(const struct display *display, int socket, uint32_t rights)
{
	const struct vfiosafe_grant_range frame = {
		.bar = 0,
		.rights = VFIOSAFE_GRANT_READ | VFIOSAFE_GRANT_WRITE,
		.len = display_frame_len(display),
	};
	const struct vfiosafe_grant grant = {
		.size = sizeof(grant),
		.rights = rights,
		.ranges = &frame,
		.range_count = 1,
	};
	int rc = vfiosafe_share_serve(display->dev, socket, &grant);

	if (rc < 0) {
		close(socket);
		return rc;
	}
	return vfiosafe_agent_start(display->dev);
}

static int start(struct painter *painter, const struct display *display, uint32_t rights,
		 const int *notes)
{
	int ends[2], rc;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return -errno;
	painter->notes = notes[0];
	painter->pid = fork();
	if (painter->pid == 0)
		exec_painter(&display->picture, notes[1], ends[1]);
	rc = painter->pid < 0 ? -errno : serve(display, ends[0], rights);
	close(ends[1]);
	return rc;
}

int painter_start(struct painter *painter, const struct display *display, uint32_t rights)
{
	int notes[2], rc;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, notes) < 0)
		return -errno;
	rc = start(painter, display, rights, notes);
	close(notes[1]);
	return rc < 0 ? rc : painter_wait(painter, display);
}

/* The next note; -EPIPE: it has ended without. */
static int listen_to(struct painter *painter, int64_t deadline)
{
	struct pollfd note = { .fd = painter->notes, .events = POLLIN };
	int64_t left = (deadline - vfiosafe_deadline_in_ms(0)) / 1000000;

	if (poll(&note, 1, left > 0 ? (int)left : 0) != 1)
		return -ETIMEDOUT;
	if (recv(painter->notes, &painter->said, sizeof(painter->said), 0) !=
	    sizeof(painter->said))
		return -EPIPE;
	return painter->said.error;
}

int painter_wait(struct painter *painter, const struct display *display)
{
	int64_t deadline = vfiosafe_deadline_in_ms(WAIT_MS);
	int rc = 0;

	while (rc == 0 && !painter->said.last &&
	       painter->said.generation < vfiosafe_device_generation(display->dev))
		rc = listen_to(painter, deadline);
	if (rc == 0 && painter->said.last)
		rc = -EPIPE;
	if (rc < 0)
		fprintf(stderr, "gpu: the painter: %s\n", strerror(-rc));
	return rc;
}

int painter_stop(struct painter *painter)
{
	int64_t deadline = vfiosafe_deadline_in_ms(WAIT_MS);
	int status, rc = 0;

	(void)!send(painter->notes, "", 1, MSG_NOSIGNAL);
	while (rc == 0 && !painter->said.last)
		rc = listen_to(painter, deadline);
	close(painter->notes);
	if (waitpid(painter->pid, &status, 0) == painter->pid && status != 0 && rc == 0)
		rc = -ECHILD;
	return rc;
}

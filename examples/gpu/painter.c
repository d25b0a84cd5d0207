/* SPDX-License-Identifier: MIT */
/*
 * painter.c - the second process: joins the display, and draws its box over and over.
 *
 * Its part of a reset is reinit(): the library calls it when the owner has brought the
 * display back, and lets the process in again when it is done.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include "painter.h"

#define WAIT_MS 60000
#define PAUSE_MS 5 /* between frames; a byte of the owner's ends it */

struct process {
	struct vfiosafe_bar *bar;
	struct vfiosafe_view frame;
	struct picture picture;
	struct picture_box box;
	uint64_t frames, refused; /* of the thread that draws; the note is the agent's */
	int notes;
	struct painter_note note;
};

static void tell(struct process *process)
{
	/* An owner that does not listen any more has ended. */
	(void)!send(process->notes, &process->note, sizeof(process->note), MSG_NOSIGNAL);
}

static int draw(const struct process *process)
{
	return picture_draw(&process->picture, &process->box, &process->frame);
}

static int reinit(struct vfiosafe_device *dev, void *ctx)
{
	struct process *process = ctx;
	int rc = vfiosafe_bar_view(process->bar, &process->frame);

	if (rc == 0)
		rc = draw(process);
	if (rc < 0)
		return rc;
	process->note.generation = vfiosafe_device_generation(dev);
	process->note.redraws++;
	process->note.mapped = vfiosafe_bar_address(process->bar);
	tell(process);
	return 0;
}

static int join(struct process *process, struct vfiosafe_device **dev, int socket)
{
	static const struct vfiosafe_driver_ops ops = { .size = sizeof(ops), .reinit = reinit };
	const struct vfiosafe_join_opts opts = { .size = sizeof(opts), .name = "painter" };
	int rc = vfiosafe_join(dev, socket, &opts);

	if (rc == 0)
		rc = vfiosafe_wait(*dev, vfiosafe_deadline_in_ms(WAIT_MS));
	if (rc == 0)
		rc = vfiosafe_bar_map(&process->bar, *dev, 0, 0, 0, 0);
	if (rc == 0)
		rc = reinit(*dev, process);
	if (rc == 0)
		rc = vfiosafe_device_set_driver(*dev, &ops, process);
	return rc < 0 ? rc : vfiosafe_agent_start(*dev);
}

/* Until the owner says so, or the device is gone. */
static int run(struct process *process, struct vfiosafe_device *dev)
{
	struct pollfd end = { .fd = process->notes, .events = POLLIN };
	int rc = 0;
	while (rc == 0 && poll(&end, 1, PAUSE_MS) == 0) {
		rc = draw(process);
		if (rc == 0) {
			process->frames++;
			continue;
		}
		process->refused++;
		if (rc == -EAGAIN)
			rc = vfiosafe_wait(dev, vfiosafe_deadline_in_ms(WAIT_MS));
		/* Views are renewed by now; or it is in FAULT, and the owner's to recover. */
		if (rc == -ESTALE || rc == -EIO)
			rc = 0;
	}
	return rc;
}

/* --paint NOTES SOCKET WIDTH HEIGHT */
int painter_main(char **argv)
{
	struct process process = { .notes = atoi(argv[2]),
				   .picture = { .width = (uint32_t)atol(argv[4]),
						.height = (uint32_t)atol(argv[5]) } };
	struct vfiosafe_device *dev = NULL;
	char end;
	int rc;

	process.box = picture_painters(&process.picture);
	rc = join(&process, &dev, atoi(argv[3]));
	if (rc == 0)
		rc = run(&process, dev);
	if (rc < 0)
		fprintf(stderr, "painter: %s\n", vfiosafe_error_text());
	/* No callback runs any more when this is told. */
	if (dev && vfiosafe_device_close(dev, WAIT_MS) < 0)
		fprintf(stderr, "painter: close: %s\n", vfiosafe_error_text());
	process.note.frames = process.frames;
	process.note.refused = process.refused;
	process.note.error = rc;
	process.note.last = true;
	tell(&process);
	/* What is left unread at an exit takes our last words with it. */
	(void)!recv(process.notes, &end, 1, MSG_DONTWAIT);
	return rc < 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * wire.c - wires between simulated network cards of one process. A wire forgets what it
 * has no room for, as a receiver does that is too slow.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include "wire.h"

struct vsim_plug {
	uint32_t number;
	struct vsim_plug *next;
	struct vsim_plug *peer; /* where frames go: the other end, itself, or nobody */
	unsigned int first, count;
	struct vsim_frame arrived[VSIM_WIRE_FRAMES];
};

/* Of all plugs: who are whose peers, and what has arrived. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct vsim_plug *plugs;

/* With the lock. */
static int connect_to_peer(struct vsim_plug *plug)
{
	struct vsim_plug *other = plugs;

	while (other && other->number != plug->number)
		other = other->next;
	if (other && other->peer)
		return -EBUSY;
	plug->peer = other;
	if (other)
		other->peer = plug;
	return 0;
}

int vsim_wire_plug(struct vsim_plug **plug, uint32_t number)
{
	struct vsim_plug *new = calloc(1, sizeof(*new));
	int rc = 0;

	if (!new)
		return -ENOMEM;
	new->number = number;
	pthread_mutex_lock(&lock);
	if (number == 0)
		new->peer = new;
	else
		rc = connect_to_peer(new);
	if (rc == 0) {
		new->next = plugs;
		plugs = new;
		*plug = new;
	}
	pthread_mutex_unlock(&lock);
	if (rc < 0)
		free(new);
	return rc;
}

void vsim_wire_unplug(struct vsim_plug *plug)
{
	struct vsim_plug **at = &plugs;

	if (!plug)
		return;
	pthread_mutex_lock(&lock);
	while (*at != plug)
		at = &(*at)->next;
	*at = plug->next;
	if (plug->peer)
		plug->peer->peer = NULL;
	pthread_mutex_unlock(&lock);
	free(plug);
}

bool vsim_wire_put(struct vsim_plug *plug, const struct vsim_frame *frame)
{
	struct vsim_plug *to;
	bool room;

	pthread_mutex_lock(&lock);
	to = plug->peer;
	room = to && to->count < VSIM_WIRE_FRAMES;
	if (room)
		to->arrived[(to->first + to->count++) % VSIM_WIRE_FRAMES] = *frame;
	pthread_mutex_unlock(&lock);
	return room;
}

bool vsim_wire_get(struct vsim_plug *plug, struct vsim_frame *frame)
{
	bool any;

	pthread_mutex_lock(&lock);
	any = plug->count > 0;
	if (any) {
		*frame = plug->arrived[plug->first++ % VSIM_WIRE_FRAMES];
		plug->count--;
	}
	pthread_mutex_unlock(&lock);
	return any;
}

unsigned int vsim_wire_flush(struct vsim_plug *plug)
{
	unsigned int lost;

	pthread_mutex_lock(&lock);
	lost = plug->count;
	plug->count = 0;
	pthread_mutex_unlock(&lock);
	return lost;
}

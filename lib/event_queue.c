/* SPDX-License-Identifier: MIT */
/* The queue of events: what is put into one, what is lost, and what is said of it. */
#include <string.h>

#include "event.h"

static struct vfiosafe_event *at(struct vsf_queue *queue, unsigned int index)
{
	return &queue->ring[(queue->first + index) % VFIOSAFE_EVENTS_MAX];
}

/* One of each at most: they say that something is so, not when. */
static bool is_single(uint32_t type)
{
	return type == VFIOSAFE_EVENT_AER || type == VFIOSAFE_EVENT_RELEASE ||
	       type == VFIOSAFE_EVENT_WAKEUP;
}

static struct vfiosafe_event *find(struct vsf_queue *queue, uint32_t type)
{
	for (unsigned int i = 0; i < queue->used; i++)
		if (at(queue, i)->type == type)
			return at(queue, i);
	return NULL;
}

/* The newest of those that come in an order, if it is an OVERFLOW. */
static struct vfiosafe_event *open_overflow(struct vsf_queue *queue)
{
	for (unsigned int i = queue->used; i-- > 0;)
		if (!is_single(at(queue, i)->type))
			return at(queue, i)->type == VFIOSAFE_EVENT_OVERFLOW ? at(queue, i)
									    : NULL;
	return NULL;
}

/*
 * There is always a place: an ordinary event is put only if fewer than FLOW are used,
 * so of those and OVERFLOW there are never more than FLOW + 1; and three single ones.
 */
void vsf_queue_put(struct vsf_queue *queue, const struct vfiosafe_event *event)
{
	struct vfiosafe_event new = *event, *same = NULL;

	if (is_single(new.type)) {
		same = find(queue, new.type);
	} else if (queue->used >= VSF_EVENTS_FLOW) {
		new.type = VFIOSAFE_EVENT_OVERFLOW;
		new.result = 0;
		new.cause = VFIOSAFE_CAUSE_NONE;
		same = open_overflow(queue);
	}
	if (same)
		same->count = new.count < UINT32_MAX - same->count ? same->count + new.count
								   : UINT32_MAX;
	else
		*at(queue, queue->used++) = new;
}

unsigned int vsf_queue_take(struct vsf_queue *queue, void *events, unsigned int count,
			    size_t event_size)
{
	unsigned int n = 0;

	for (; n < count && queue->used > 0; n++) {
		unsigned char *to = (unsigned char *)events + n * event_size;
		size_t known = sizeof(struct vfiosafe_event);

		/* A program may have been compiled with another version's struct. */
		if (known > event_size)
			known = event_size;
		memset(to, 0, event_size);
		memcpy(to, at(queue, 0), known);
		queue->first = (queue->first + 1) % VFIOSAFE_EVENTS_MAX;
		queue->used--;
	}
	return n;
}

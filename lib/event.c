/* SPDX-License-Identifier: MIT */
/* The queue of a device, and reading it. */
#include <errno.h>

#include "epoch.h"
#include "error.h"
#include "fault.h"
#include "window.h"
#include <vfiosafe/event.h>

/* What the first version of the library had; programs of that time pass it for ever. */
#define EVENT_SIZE_MIN 32
_Static_assert(offsetof(struct vfiosafe_event, cookie) == EVENT_SIZE_MIN,
	       "grows at its end only");

/*
 * The queue's fd is written after the queue, and read before it, and written again if
 * something was left: so it is never still while there is something that nobody is about
 * to read. The lock is not held over that.
 */
static void tell(const struct vfiosafe_device *dev)
{
	(void)vsf_sys(dev->sys, event_write, dev->events.queue_fd);
}

static void put(struct vfiosafe_device *dev, struct vfiosafe_event event)
{
	event.generation = vsf_word_generation(vsf_device_word(dev));
	event.time_ns = vsf_now(dev->sys);
	/* A window of the parent's that a child ends: its locks are void there. */
	if (vsf_words_forked(dev->words))
		return;
	pthread_mutex_lock(&dev->events.lock);
	vsf_queue_put(&dev->events.queue, &event);
	pthread_mutex_unlock(&dev->events.lock);
	tell(dev);
}

void vsf_event_put(struct vfiosafe_device *dev, enum vfiosafe_event_type type, int result,
		   enum vfiosafe_cause cause, uint64_t count)
{
	put(dev, (struct vfiosafe_event){
			 .type = type,
			 .result = result,
			 .cause = cause,
			 .count = count < UINT32_MAX ? (uint32_t)count : UINT32_MAX,
		 });
}

void vsf_event_put_peer(struct vfiosafe_device *dev, int result, uint64_t cookie)
{
	put(dev, (struct vfiosafe_event){
			 .type = VFIOSAFE_EVENT_PEER,
			 .result = result,
			 .count = 1,
			 .cookie = cookie,
		 });
}

void vsf_event_opened(const struct vsf_run *run)
{
	enum vfiosafe_cause cause = VFIOSAFE_CAUSE_POWER;

	if (run->wish.kind == VSF_KIND_EXCLUSIVE)
		return;
	if (vsf_kind_resets(run->wish.kind))
		cause = run->from_fault ? VFIOSAFE_CAUSE_RECOVER : VFIOSAFE_CAUSE_RESET;
	vsf_event_put(run->dev, VFIOSAFE_EVENT_WINDOW_OPENED, 0, cause, 1);
}

void vsf_event_closed(const struct vsf_run *run)
{
	if (run->wish.kind != VSF_KIND_EXCLUSIVE)
		vsf_event_put(run->dev, VFIOSAFE_EVENT_WINDOW_CLOSED, run->result,
			      VFIOSAFE_CAUSE_NONE, 1);
}

VFIOSAFE_API int vfiosafe_event_fd(const struct vfiosafe_device *dev)
{
	return dev->events.epoll_fd;
}

/* What is no event yet. First the fd, then the state: what comes later tells again. */
static void look_around(struct vfiosafe_device *dev)
{
	uint64_t count;

	if (vsf_depth() > 0)
		return;
	(void)vsf_sys(dev->sys, event_read, dev->fault_event_fd, &count);
	vsf_fault_collect(dev);
	vsf_events_collect(dev);
	if (vsf_sys(dev->sys, event_read, dev->wakeup_fd, &count) == 0)
		vsf_event_put(dev, VFIOSAFE_EVENT_WAKEUP, 0, VFIOSAFE_CAUSE_NONE, count);
}

static int take(struct vfiosafe_device *dev, void *events, unsigned int count,
		size_t event_size)
{
	struct vsf_queue *queue = &dev->events.queue;
	uint64_t told;
	unsigned int n;
	bool more;

	(void)vsf_sys(dev->sys, event_read, dev->events.queue_fd, &told);
	pthread_mutex_lock(&dev->events.lock);
	n = vsf_queue_take(queue, events, count, event_size);
	more = queue->used > 0;
	pthread_mutex_unlock(&dev->events.lock);
	if (more)
		tell(dev);
	if (n > 0)
		return (int)n;
	if (vsf_device_state(dev) == VFIOSAFE_GONE)
		return vsf_state_error(0, 0);
	return vsf_fail_static(EAGAIN, "no event; poll vfiosafe_event_fd() for one");
}

VFIOSAFE_API int vfiosafe_event_read(struct vfiosafe_device *dev,
				     struct vfiosafe_event *events, unsigned int count,
				     size_t event_size)
{
	int rc;

	if (event_size < EVENT_SIZE_MIN)
		return vsf_fail(EINVAL, "event_size is %zu: set it to "
					"sizeof(struct vfiosafe_event)",
				event_size);
	if (!events || count == 0)
		return vsf_fail(EINVAL, "there is room for no event");
	if (vsf_words_forked(dev->words))
		return vsf_state_error(0, 0);
	vsf_count_inside(dev, 1);
	look_around(dev);
	rc = take(dev, events, count < INT32_MAX ? count : INT32_MAX, event_size);
	vsf_count_inside(dev, -1);
	return rc;
}

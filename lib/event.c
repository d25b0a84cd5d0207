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
_Static_assert(sizeof(struct vfiosafe_event) == EVENT_SIZE_MIN, "grows at its end only");

/* The fd says that there is something, until somebody has seen that there is nothing. */
static void tell(struct vfiosafe_device *dev)
{
	struct vsf_events *events = &dev->events;
	uint64_t count;
	int rc;

	if (events->queue.used > 0 && !events->told) {
		events->told = vsf_sys(dev->sys, event_write, events->queue_fd) >= 0;
	} else if (events->queue.used == 0 && events->told) {
		rc = vsf_sys(dev->sys, event_read, events->queue_fd, &count);
		events->told = rc < 0 && rc != -EAGAIN;
	}
}

void vsf_event_put_locked(struct vfiosafe_device *dev, enum vfiosafe_event_type type,
			  int result, enum vfiosafe_cause cause, uint64_t count)
{
	struct vfiosafe_event event = {
		.type = type,
		.result = result,
		.generation = vsf_word_generation(vsf_device_word(dev)),
		.time_ns = vsf_now(dev->sys),
		.cause = cause,
		.count = count < UINT32_MAX ? (uint32_t)count : UINT32_MAX,
	};

	vsf_queue_put(&dev->events.queue, &event);
	tell(dev);
}

void vsf_event_put(struct vfiosafe_device *dev, enum vfiosafe_event_type type, int result,
		   enum vfiosafe_cause cause, uint64_t count)
{
	pthread_mutex_lock(&dev->events.lock);
	vsf_event_put_locked(dev, type, result, cause, count);
	pthread_mutex_unlock(&dev->events.lock);
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
	unsigned int n;

	pthread_mutex_lock(&dev->events.lock);
	n = vsf_queue_take(&dev->events.queue, events, count, event_size);
	tell(dev);
	pthread_mutex_unlock(&dev->events.lock);
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

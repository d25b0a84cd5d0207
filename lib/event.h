/* SPDX-License-Identifier: MIT */
/*
 * What happened to a device: the queue that programs read, and the eventfds by which
 * the kernel adds to it.
 */
#ifndef VSF_EVENT_H
#define VSF_EVENT_H

#include <pthread.h>
#include <stdbool.h>
#include <vfiosafe/event.h>

/* Of the queue's places, for what may come in any number; see queue_put(). */
#define VSF_EVENTS_FLOW (VFIOSAFE_EVENTS_MAX - 4)

struct vsf_run;

struct vsf_queue {
	struct vfiosafe_event ring[VFIOSAFE_EVENTS_MAX];
	unsigned int first, used;
};

struct vsf_events {
	/* Constant after open. */
	int epoll_fd; /* readable while one of the others is */
	int queue_fd; /* readable if the queue is not empty, and now and then if it is */
	int err_fd;   /* written by the kernel; -1: not armed */
	int req_fd;
	bool armed_for_us; /* of an adopted device: to be disarmed at close */

	pthread_mutex_t look_lock; /* held over a look at err_fd and req_fd */
	pthread_mutex_t lock;	   /* innermost: held over no call at all */
	struct vsf_queue queue;

	/* Atomic. */
	bool aer;     /* an error was reported, and no state has followed yet */
	bool release; /* the kernel wants the device back; for good */
};

/* event_queue.c: pure code */
void vsf_queue_put(struct vsf_queue *queue, const struct vfiosafe_event *event);
unsigned int vsf_queue_take(struct vsf_queue *queue, void *events, unsigned int count,
			    size_t event_size);

/*
 * event_source.c: makes all eventfds of the device, the SIGBUS handler's too, and arms
 * ERR and REQ if @arm and where the device has them. -errno with a text.
 */
int vsf_events_open(struct vfiosafe_device *dev, bool arm);
void vsf_events_close(struct vfiosafe_device *dev);

/* Before the fd of an adopted device is given up: the kernel forgets our eventfds. */
void vsf_events_disarm(struct vfiosafe_device *dev);

/*
 * A look at ERR and REQ that does not block; the device's state follows: into FAULT, or
 * a mark in a window. Nothing happens inside a section.
 */
void vsf_events_collect(struct vfiosafe_device *dev);

/* Inside a section too: was an error reported that no state has followed yet? */
bool vsf_events_reported(struct vfiosafe_device *dev);
#define VSF_EVENTS_AER_WHY                                                               \
	"the kernel reported a PCIe error (AER) of the device, or of another one below " \
	"the same port"

/*
 * The kernel reports an error first, and then, if it was a fatal one, resets the link:
 * the device forgets COMMAND. Ours may come in between; then it is the lock that our
 * reset has just given back which the kernel is waiting for, and it takes it, and that of
 * the config space, at once. So after the reset of a device that had an error there is a
 * moment's pause; what comes after it waits for the link, and writes COMMAND.
 *
 * The time at which that moment is over.
 */
int64_t vsf_events_settled(const struct vsf_run *run);

/* At the end of a window: the link reset came still later, or the next error. */
void vsf_events_look_again(const struct vsf_run *run);

/* -EBUSY, with a text, if the kernel wants the device back. */
int vsf_events_refuse(const struct vfiosafe_device *dev);

/* Takes note, once, that the state follows a reported error now. */
static inline bool vsf_events_take_aer(struct vsf_events *events)
{
	return __atomic_exchange_n(&events->aer, false, __ATOMIC_ACQ_REL);
}

/* event.c: into the queue; with dev->lock held or without */
void vsf_event_put(struct vfiosafe_device *dev, enum vfiosafe_event_type type, int result,
		   enum vfiosafe_cause cause, uint64_t count);
/* PEER, with the cookie of the client's grant. */
void vsf_event_put_peer(struct vfiosafe_device *dev, int result, uint64_t cookie);
/* A window; not those that are changes of ours. */
void vsf_event_opened(const struct vsf_run *run);
void vsf_event_closed(const struct vsf_run *run);

#endif

/* SPDX-License-Identifier: MIT */
/* The eventfds of a device: what the kernel says by them, and what follows. */
#include <errno.h>
#include <string.h>

#include "config.h"
#include "epoch.h"
#include "error.h"
#include "uapi.h"
#include "window.h"

#define SETTLE_MS 20

/* An eventfd that makes the device's epoll fd readable. */
static int event_new(struct vfiosafe_device *dev, int *fd)
{
	int rc = vsf_sys(dev->sys, eventfd);

	if (rc < 0)
		return vsf_fail(-rc, "no eventfd: %s", strerror(-rc));
	*fd = rc;
	rc = vsf_sys(dev->sys, epoll_add, dev->events.epoll_fd, *fd);
	if (rc < 0)
		return vsf_fail(-rc, "no room in the epoll fd of %s: %s", dev->address,
				strerror(-rc));
	return 0;
}

static void event_free(const struct vfiosafe_device *dev, int *fd)
{
	if (*fd >= 0)
		vsf_sys(dev->sys, close, *fd);
	*fd = -1;
}

/* 1, 0, or -errno with a text. A kernel that does not know the index has no such. */
static int has_irq(const struct vfiosafe_device *dev, uint32_t index)
{
	struct vfio_irq_info info = { .argsz = sizeof(info), .index = index };
	int rc = vsf_sys(dev->sys, ioctl, dev->fd, VFIO_DEVICE_GET_IRQ_INFO, &info);

	if (rc == -EINVAL || rc == -ENOTTY)
		return 0;
	if (rc < 0)
		return vsf_fail(-rc, "VFIO_DEVICE_GET_IRQ_INFO(%u) of %s failed: %s", index,
				dev->address, strerror(-rc));
	return info.count > 0 && (info.flags & VFIO_IRQ_INFO_EVENTFD);
}

/* Has the kernel write to @event_fd, or to nothing if it is -1. */
static int set_irq(const struct vfiosafe_device *dev, uint32_t index, int32_t event_fd)
{
	_Alignas(struct vfio_irq_set) uint8_t arg[sizeof(struct vfio_irq_set) +
						  sizeof(event_fd)];
	struct vfio_irq_set head = {
		.argsz = sizeof(head),
		.flags = VFIO_IRQ_SET_ACTION_TRIGGER | VFIO_IRQ_SET_DATA_NONE,
		.index = index,
	};

	if (event_fd >= 0) {
		head.argsz = sizeof(arg);
		head.flags = VFIO_IRQ_SET_ACTION_TRIGGER | VFIO_IRQ_SET_DATA_EVENTFD;
		head.count = 1;
	}
	memcpy(arg, &head, sizeof(head));
	memcpy(arg + sizeof(head), &event_fd, sizeof(event_fd));
	return vsf_sys(dev->sys, ioctl, dev->fd, VFIO_DEVICE_SET_IRQS, arg);
}

static int arm(struct vfiosafe_device *dev, uint32_t index, int *fd)
{
	int rc = has_irq(dev, index);

	if (rc <= 0)
		return rc;
	rc = event_new(dev, fd);
	if (rc < 0)
		return rc;
	rc = set_irq(dev, index, *fd);
	if (rc == 0)
		return 0;
	event_free(dev, fd);
	if (rc == -ENOTTY)
		return 0;
	return vsf_fail(-rc, "VFIO_DEVICE_SET_IRQS(%s) of %s failed: %s",
			index == VFIO_PCI_ERR_IRQ_INDEX ? "ERR" : "REQ", dev->address,
			strerror(-rc));
}

static int make_all(struct vfiosafe_device *dev, bool armed)
{
	struct vsf_events *events = &dev->events;
	int rc = vsf_sys(dev->sys, epoll);

	if (rc < 0)
		return vsf_fail(-rc, "no epoll fd: %s", strerror(-rc));
	events->epoll_fd = rc;
	rc = event_new(dev, &events->queue_fd);
	if (rc == 0)
		rc = event_new(dev, &dev->fault_event_fd);
	if (rc == 0)
		rc = event_new(dev, &dev->wakeup_fd);
	if (rc == 0 && armed)
		rc = arm(dev, VFIO_PCI_ERR_IRQ_INDEX, &events->err_fd);
	if (rc == 0 && armed)
		rc = arm(dev, VFIO_PCI_REQ_IRQ_INDEX, &events->req_fd);
	return rc;
}

int vsf_events_open(struct vfiosafe_device *dev, bool armed)
{
	struct vsf_events *events = &dev->events;
	int rc;

	events->epoll_fd = events->queue_fd = events->err_fd = events->req_fd = -1;
	dev->fault_event_fd = dev->wakeup_fd = -1;
	events->armed_for_us = armed && dev->door == VFIOSAFE_DOOR_FD;
	pthread_mutex_init(&events->look_lock, NULL);
	pthread_mutex_init(&events->lock, NULL);
	rc = make_all(dev, armed);
	if (rc < 0)
		vsf_events_close(dev);
	return rc;
}

/* Others hold the device too: the kernel would write to an eventfd of nobody. */
void vsf_events_disarm(struct vfiosafe_device *dev)
{
	struct vsf_events *events = &dev->events;

	if (!events->armed_for_us || vsf_words_forked(dev->words))
		return;
	events->armed_for_us = false;
	if (events->err_fd >= 0)
		(void)set_irq(dev, VFIO_PCI_ERR_IRQ_INDEX, -1);
	if (events->req_fd >= 0)
		(void)set_irq(dev, VFIO_PCI_REQ_IRQ_INDEX, -1);
}

void vsf_events_close(struct vfiosafe_device *dev)
{
	struct vsf_events *events = &dev->events;

	vsf_events_disarm(dev);
	event_free(dev, &events->req_fd);
	event_free(dev, &events->err_fd);
	event_free(dev, &dev->wakeup_fd);
	event_free(dev, &dev->fault_event_fd);
	event_free(dev, &events->queue_fd);
	event_free(dev, &events->epoll_fd);
	pthread_mutex_destroy(&events->lock);
	pthread_mutex_destroy(&events->look_lock);
}

/* How often the kernel wrote to @fd since the last look. */
static uint64_t signals(const struct vfiosafe_device *dev, int fd)
{
	uint64_t count = 0;

	if (fd < 0 || vsf_sys(dev->sys, event_read, fd, &count) < 0)
		return 0;
	return count;
}

/* Under a lock, so that a second thread which finds nothing here finds the flag. */
static void take_signals(struct vfiosafe_device *dev, bool *asked)
{
	struct vsf_events *events = &dev->events;
	uint64_t errors, requests;

	pthread_mutex_lock(&events->look_lock);
	errors = signals(dev, events->err_fd);
	if (errors > 0) {
		vsf_event_put(dev, VFIOSAFE_EVENT_AER, 0, VFIOSAFE_CAUSE_NONE, errors);
		__atomic_store_n(&events->aer, true, __ATOMIC_RELEASE);
	}
	requests = signals(dev, events->req_fd);
	if (requests > 0) {
		vsf_event_put(dev, VFIOSAFE_EVENT_RELEASE, 0, VFIOSAFE_CAUSE_NONE, requests);
		*asked = !__atomic_exchange_n(&events->release, true, __ATOMIC_ACQ_REL);
	}
	pthread_mutex_unlock(&events->look_lock);
}

bool vsf_events_reported(struct vfiosafe_device *dev)
{
	bool asked = false;

	take_signals(dev, &asked);
	/* Whoever sleeps in a wait looks again. */
	if (asked)
		vsf_words_ring(dev->words, dev->sys);
	return __atomic_load_n(&dev->events.aer, __ATOMIC_ACQUIRE);
}

void vsf_events_collect(struct vfiosafe_device *dev)
{
	if (vsf_depth() > 0 || vsf_words_forked(dev->words))
		return;
	if (vsf_events_reported(dev))
		vsf_device_fault(dev, VFIOSAFE_CAUSE_AER, VSF_EVENTS_AER_WHY);
}

static bool had_error(const struct vsf_run *run)
{
	return (run->from_fault || run->from_parked) &&
	       vfiosafe_device_cause(run->dev) == VFIOSAFE_CAUSE_AER;
}

int64_t vsf_events_settled(const struct vsf_run *run)
{
	return had_error(run) ? vsf_deadline(run->dev->sys, SETTLE_MS) : 0;
}

void vsf_events_look_again(const struct vsf_run *run)
{
	struct vfiosafe_device *dev = run->dev;
	uint16_t now = 0;

	vsf_events_collect(dev);
	if (!had_error(run))
		return;
	if (vsf_config_read16(dev, VSF_PCI_COMMAND, &now) == 0 && now != UINT16_MAX &&
	    (now & VSF_PCI_COMMAND_MEMORY))
		return;
	__atomic_store_n(&dev->events.aer, true, __ATOMIC_RELEASE);
	vsf_device_fault(dev, VFIOSAFE_CAUSE_AER,
			 "the link was reset after the device had come back from a PCIe error");
}

int vsf_events_refuse(const struct vfiosafe_device *dev)
{
	if (!__atomic_load_n(&dev->events.release, __ATOMIC_ACQUIRE) ||
	    vsf_device_state(dev) == VFIOSAFE_GONE)
		return 0;
	return vsf_fail(EBUSY, "%s: a release request is pending (the kernel wants the device "
			       "back): close the device",
			dev->address);
}

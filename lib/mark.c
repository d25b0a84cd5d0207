/* SPDX-License-Identifier: MIT */
/* State was lost behind the library's back: into FAULT. */
#include <errno.h>
#include <stdio.h>

#include "error.h"
#include "join.h"
#include "log.h"
#include "share.h"
#include "window.h"

/*
 * Was it a closed gate, seen without the lock, and has a window begun since? It heals
 * the fault, or looks at the gate itself before it says LIVE.
 */
static bool is_over(struct vfiosafe_device *dev, enum vfiosafe_cause cause)
{
	/* Two threads may have met one report. */
	if (cause == VFIOSAFE_CAUSE_AER)
		return !vsf_events_take_aer(&dev->events);
	return cause == VFIOSAFE_CAUSE_FAULT &&
	       (vsf_device_state(dev) != VFIOSAFE_LIVE ||
		vsf_gate_state(dev) != VFIOSAFE_FAULT);
}

bool vsf_device_mark(struct vfiosafe_device *dev, enum vfiosafe_cause cause,
		     const char *why)
{
	bool faulted = false;

	/* The owner's to decide: it is told, when the section has ended. */
	if (dev->join)
		return cause != VFIOSAFE_CAUSE_DEAD;
	pthread_mutex_lock(&dev->lock);
	if (is_over(dev, cause)) {
		pthread_mutex_unlock(&dev->lock);
		return false;
	}
	switch (vsf_device_state(dev)) {
	case VFIOSAFE_LIVE:
		faulted = vsf_words_move(dev->words, dev->sys, VFIOSAFE_LIVE,
					 VFIOSAFE_FAULT) == 0;
		dev->losing = faulted;
		break;
	case VFIOSAFE_QUIESCE:
		/* Open sections must not end well; the window goes on from FAULT. */
		(void)vsf_words_move(dev->words, dev->sys, VFIOSAFE_QUIESCE, VFIOSAFE_FAULT);
		dev->lost_mark = true;
		break;
	case VFIOSAFE_RESETTING:
	case VFIOSAFE_REINIT:
		/* The window's end meets the mark, unless its reset comes first. */
		dev->lost_mark = true;
		break;
	case VFIOSAFE_FAULT:
	case VFIOSAFE_GONE:
		pthread_mutex_unlock(&dev->lock);
		return false;
	}
	__atomic_store_n(&dev->cause, cause, __ATOMIC_RELAXED);
	snprintf(dev->why, sizeof(dev->why), "%s", why);
	pthread_mutex_unlock(&dev->lock);
	return faulted;
}

/* In a p2p callback: that one first. */
static bool is_owed(struct vfiosafe_device *dev)
{
	bool owed;

	pthread_mutex_lock(&dev->lock);
	owed = dev->lost_owed = dev->peer;
	pthread_mutex_unlock(&dev->lock);
	return owed;
}

void vsf_device_lost_call(struct vfiosafe_device *dev, enum vfiosafe_cause cause)
{
	vsf_callback_lost(dev, cause);
	pthread_mutex_lock(&dev->lock);
	dev->losing = false;
	/* Under the lock: after it, a close may free the device. */
	vsf_words_ring(dev->words, dev->sys);
	pthread_mutex_unlock(&dev->lock);
}

void vsf_device_lost(struct vfiosafe_device *dev, enum vfiosafe_cause cause,
		     const char *why)
{
	if (dev->join) {
		(void)vsf_join_lost(dev, why);
		return;
	}
	vsf_event_put(dev, VFIOSAFE_EVENT_FAULT, 0, cause, 1);
	vsf_log(VFIOSAFE_LOG_ERROR, "%s: FAULT: %s", dev->address, why);
	vsf_share_tell(dev);
	if (!is_owed(dev))
		vsf_device_lost_call(dev, cause);
}

void vsf_device_fault(struct vfiosafe_device *dev, enum vfiosafe_cause cause,
		      const char *why)
{
	if (vsf_device_mark(dev, cause, why))
		vsf_device_lost(dev, cause, why);
}

VFIOSAFE_API int vfiosafe_mark_lost(struct vfiosafe_device *dev, const char *why)
{
	int rc = vsf_state_error(vsf_device_word(dev), vsf_gate_word(dev));

	if (rc == -ENODEV || rc == -EOWNERDEAD)
		return rc;
	if (dev->join)
		return vsf_join_lost(dev, why ? why : "marked lost");
	vsf_device_fault(dev, VFIOSAFE_CAUSE_MARKED, why ? why : "marked lost");
	return 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * The end of a device. The kernel waits for it when it unbinds or removes one, with a
 * lock held that resets need: so it gets its device back first, whoever is still in a
 * section. What is left then is memory, and waits for them.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent.h"
#include "dmabuf.h"
#include "door.h"
#include "error.h"
#include "fault.h"
#include "join.h"
#include "p2p.h"
#include "share.h"
#include "share_dma.h"
#include "succeed.h"
#include "window.h"

/*
 * Sections are short: most have ended before it is worth to put memory under them.
 * Well below the second in which the kernel is to have its device back.
 */
#define GRACE_MS 50

static void device_free(struct vfiosafe_device *dev)
{
	vsf_agent_free(dev);
	vsf_share_end(dev);
	vsf_former_free(dev);
	if (!vsf_words_forked(dev->words))
		vsf_iommu_remove(dev);
	vsf_p2p_free_imports(dev);
	vsf_dmabufs_free(dev);
	vsf_bars_free(dev);
	vsf_irq_disarm(dev);
	vsf_irqs_free(dev);
	vsf_events_close(dev);
	if (dev->fd >= 0)
		vsf_sys(dev->sys, close, dev->fd);
	vsf_share_return(dev);
	vsf_join_free(dev);
	if (dev->ones_fd >= 0)
		vsf_sys(dev->sys, close, dev->ones_fd);
	if (vsf_words_forked(dev->words))
		vsf_iommu_forget(dev->iommu);
	vsf_iommu_put(dev->iommu);
	vsf_words_free(dev->words, dev->sys);
	pthread_mutex_destroy(&dev->map_lock);
	pthread_mutex_destroy(&dev->lock);
	free(dev);
}

static bool is_used(struct vfiosafe_device *dev, bool *window)
{
	bool used;

	pthread_mutex_lock(&dev->lock);
	*window = dev->run != NULL;
	used = *window || dev->inside > 0 || dev->losing;
	pthread_mutex_unlock(&dev->lock);
	return used;
}

/* Until no window and no thread in a call is left. The device is GONE. */
static int wait_calls(struct vfiosafe_device *dev, int64_t deadline)
{
	uint32_t seen = vsf_device_bell(dev);
	bool window;

	while (is_used(dev, &window)) {
		if (vsf_device_sleep(dev, &seen, deadline) == -ETIMEDOUT)
			return vsf_fail(EBUSY, "%s: %s", dev->address,
					window ? "a window is open; end it, then close again"
					       : "a thread is still in a call on the device");
	}
	return 0;
}

/* Nor a section. One that ends in FAULT becomes a call: once more. */
static int wait_unused(struct vfiosafe_device *dev, int64_t deadline)
{
	int rc = wait_calls(dev, deadline);

	if (rc == 0)
		rc = vsf_drain(dev, deadline);
	return rc < 0 ? rc : wait_calls(dev, deadline);
}

/*
 * No mapping and no fd of ours holds the device any more. The fd's number stays taken:
 * a call that is under way on another thread would meet whoever got it next. The IOMMU
 * context stays, with the memory that was mapped into it for DMA: sections may be using
 * that, and the kernel does not wait for it.
 */
static int give_back(struct vfiosafe_device *dev)
{
	int rc = 0, cover;

	pthread_mutex_lock(&dev->map_lock);
	if (!dev->given_back) {
		cover = vsf_fault_cover(dev);
		vsf_irq_disarm(dev);
		vsf_events_disarm(dev);
		rc = dev->join ? vsf_join_give_back(dev)
			       : vsf_sys(dev->sys, dup_onto, dev->events.epoll_fd, dev->fd);
		rc = cover < 0 ? cover : rc;
		dev->given_back = rc >= 0;
	}
	pthread_mutex_unlock(&dev->map_lock);
	return rc;
}

/* Who keeps the kernel waiting, after who keeps us waiting. */
static int not_freed(struct vfiosafe_device *dev, int back)
{
	char who[256];
	bool all;

	snprintf(who, sizeof(who), "%.255s", vfiosafe_error_text());
	pthread_mutex_lock(&dev->map_lock);
	all = vsf_fault_can_poison(dev);
	pthread_mutex_unlock(&dev->map_lock);
	if (back < 0)
		return vsf_fail(EBUSY, "%s; nor could the device be given back (%s): close it "
				       "again",
				who, strerror(-back));
	if (!all)
		return vsf_fail(EBUSY, "%s; a mapping of the device was adopted as it is: its "
				       "maker must unmap it before the kernel gets the device "
				       "back. To free the memory, close again",
				who);
	return vsf_fail(EBUSY, "%s; this process no longer holds the device%s. To free the "
			       "memory, close again",
			who, dev->door == VFIOSAFE_DOOR_FD ? ", but whoever it was adopted from"
							   : "");
}

static int end(struct vfiosafe_device *dev, uint32_t timeout_ms)
{
	int64_t deadline = vsf_deadline(dev->sys, timeout_ms);
	int64_t soon = vsf_deadline(dev->sys, GRACE_MS);
	int rc, back, importers;

	vsf_words_move_any(dev->words, dev->sys, VFIOSAFE_GONE);
	vsf_agent_stop(dev);
	vsf_share_tell(dev);
	vsf_share_gone(dev);
	vsf_join_leave(dev);
	soon = soon < deadline ? soon : deadline;
	/* Importers first: nothing tells type1 that the BAR is somebody else's. */
	importers = vsf_dmabuf_gone(dev, deadline, wait_calls(dev, soon) == 0);
	rc = wait_unused(dev, soon);
	if (rc == 0 && importers == 0)
		return 0;
	back = vsf_p2p_type1_left(dev) ? -EBUSY : give_back(dev);
	rc = wait_unused(dev, deadline);
	if (rc == 0)
		rc = vsf_dmabuf_gone(dev, deadline, true);
	return rc < 0 ? not_freed(dev, back) : 0;
}

VFIOSAFE_API int vfiosafe_device_close(struct vfiosafe_device *dev, uint32_t timeout_ms)
{
	int rc;

	if (!dev)
		return 0;
	rc = vsf_refuse_inside(dev, "vfiosafe_device_close");
	if (rc < 0)
		return rc;
	/* In a forked child nobody else uses the copy, and its locks are void. */
	rc = vsf_words_forked(dev->words) ? 0 : end(dev, timeout_ms);
	if (rc == 0)
		device_free(dev);
	return rc;
}

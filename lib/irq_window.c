/* SPDX-License-Identifier: MIT */
/* Interrupts around a reset: the same ones as before, without what is stale. */
#include <errno.h>
#include <string.h>

#include "error.h"
#include "log.h"
#include "uapi.h"
#include "window.h"

/* One signal at a time, if it is an eventfd of that sort: then not for ever. */
#define DRAIN_MAX 4096

void vsf_irq_before_reset(const struct vsf_run *run)
{
	struct vsf_irqs *irqs = &run->dev->irqs;
	int rc = 0;

	if (!run->from_fault)
		return;
	pthread_mutex_lock(&irqs->lock);
	if (irqs->set && !irqs->off) {
		rc = vsf_irq_off(run->dev, irqs->set->index);
		irqs->off = rc == 0;
	}
	pthread_mutex_unlock(&irqs->lock);
	/* Then it is on, and is told anew all the same. */
	if (rc < 0)
		vsf_log(VFIOSAFE_LOG_WARN, "%s: interrupts stay on over the reset: %s",
			run->dev->address, strerror(-rc));
}

/*
 * Arming has waited for handlers that were running, and bus mastering is off: from
 * here on nothing is signalled that is older than the reset.
 */
static void drain(const struct vfiosafe_device *dev, const struct vfio_irq_set *set)
{
	uint64_t count;

	for (uint32_t i = 0; i < set->count; i++)
		for (int n = 0; vsf_irq_fds(set)[i] >= 0 && n < DRAIN_MAX; n++)
			if (vsf_sys(dev->sys, event_read, vsf_irq_fds(set)[i], &count) <
			    0)
				break;
}

/*
 * An INTx that had come is masked by the kernel, and its signal was just taken away:
 * nobody else would ever unmask it. One that is pending now is signalled again.
 */
static int mask_as_before(const struct vfiosafe_device *dev)
{
	if (dev->irqs.set->index != VFIO_PCI_INTX_IRQ_INDEX)
		return 0;
	return vsf_irq_act(dev, VFIO_PCI_INTX_IRQ_INDEX, 0,
			   dev->irqs.masked ? VFIO_IRQ_SET_ACTION_MASK
					    : VFIO_IRQ_SET_ACTION_UNMASK);
}

/* With the lock held. */
static int repeat(struct vfiosafe_device *dev)
{
	struct vsf_irqs *irqs = &dev->irqs;
	int rc = vsf_irq_arm(dev, irqs->set);

	if (rc != 0)
		return vsf_irq_arm_failed(dev, irqs->set, rc);
	irqs->off = false;
	irqs->carried = true;
	drain(dev, irqs->set);
	rc = mask_as_before(dev);
	return rc < 0 ? vsf_fail(-rc, "INTx of %s cannot be masked as before: %s",
				 dev->address, strerror(-rc))
		      : 0;
}

int vsf_irq_after_reset(struct vfiosafe_device *dev)
{
	struct vsf_irqs *irqs = &dev->irqs;
	int rc = 0;

	pthread_mutex_lock(&irqs->lock);
	irqs->carried = false;
	if (irqs->set)
		rc = repeat(dev);
	pthread_mutex_unlock(&irqs->lock);
	return rc;
}

void vsf_irq_disarm(struct vfiosafe_device *dev)
{
	struct vsf_irqs *irqs = &dev->irqs;

	if (dev->door != VFIOSAFE_DOOR_FD || vsf_words_forked(dev->words))
		return;
	pthread_mutex_lock(&irqs->lock);
	if (irqs->set && !irqs->off) {
		(void)vsf_irq_off(dev, irqs->set->index);
		irqs->off = true;
	}
	pthread_mutex_unlock(&irqs->lock);
}

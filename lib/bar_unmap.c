/* SPDX-License-Identifier: MIT */
/* The end of a mapped range: by the program, or with the device. */
#include <errno.h>
#include <stdlib.h>

#include "device.h"
#include "error.h"
#include "fault.h"
#include "join.h"
#include "window.h"

/*
 * In a forked child a handler may be counted that does not exist: it is not waited
 * for. An adopted mapping goes back to its maker as it was made; as private memory if
 * the device was given back over open sections.
 */
static void unwatch_all(struct vfiosafe_bar *bar)
{
	bool forked = vsf_words_forked(bar->dev->words);

	for (uint32_t i = 0; i < bar->area_count; i++) {
		if (!bar->range[i])
			continue;
		if (forked)
			vsf_fault_forget(bar->range[i]);
		else if (vsf_fault_unwatch(bar->range[i]) && bar->adopted &&
			 !bar->dev->given_back)
			(void)vsf_bar_map_area(bar, &bar->area[i]);
	}
}

void vsf_bar_release(struct vfiosafe_bar *bar)
{
	unwatch_all(bar);
	/* A forked child did not inherit it: what is there now is the child's own. */
	if (bar->reserved_len && !vsf_words_forked(bar->dev->words))
		vsf_sys(bar->dev->sys, munmap, bar->base, bar->reserved_len);
	free(bar);
}

static void unlink_bar(struct vfiosafe_bar *bar)
{
	struct vfiosafe_device *dev = bar->dev;
	struct vfiosafe_bar **at = &dev->bars;

	pthread_mutex_lock(&dev->lock);
	while (*at != bar)
		at = &(*at)->next;
	*at = bar->next;
	pthread_mutex_unlock(&dev->lock);
}

/* Nobody in a section of the device, and nobody gets into one. */
static int exclusive_begin(struct vsf_run **run, struct vfiosafe_device *dev,
			   uint32_t timeout_ms)
{
	*run = NULL;
	return dev->join ? vsf_join_exclusive_begin(dev, timeout_ms)
			 : vsf_exclusive_begin(run, dev, timeout_ms);
}

static void exclusive_end(struct vfiosafe_device *dev, struct vsf_run *run)
{
	if (dev->join)
		vsf_join_exclusive_end(dev);
	else
		vsf_exclusive_end(run);
}

VFIOSAFE_API int vfiosafe_bar_unmap(struct vfiosafe_bar *bar, uint32_t timeout_ms)
{
	struct vfiosafe_device *dev;
	struct vsf_run *run;
	int rc;

	if (!bar)
		return 0;
	dev = bar->dev;
	/* A forked child has the object, not the mapping, and no use of locks. */
	if (vsf_words_forked(dev->words))
		return vsf_state_error(0, 0);
	rc = vsf_refuse_inside(dev, "vfiosafe_bar_unmap");
	if (rc < 0)
		return rc;
	rc = exclusive_begin(&run, dev, timeout_ms);
	if (rc < 0)
		return rc;
	/* Nobody asks it of a device that is gone. */
	if (run && dev->sentinel.bar == bar) {
		vsf_exclusive_end(run);
		return vsf_fail(EBUSY, "the sentinel lies in this range: "
				       "vfiosafe_set_sentinel(dev, NULL) first");
	}
	/* A close on another thread may be going through the list. */
	pthread_mutex_lock(&dev->map_lock);
	unlink_bar(bar);
	vsf_bar_release(bar);
	pthread_mutex_unlock(&dev->map_lock);
	exclusive_end(dev, run);
	return 0;
}

void vsf_bars_free(struct vfiosafe_device *dev)
{
	while (dev->bars) {
		struct vfiosafe_bar *bar = dev->bars;

		dev->bars = bar->next;
		vsf_bar_release(bar);
	}
}

/* SPDX-License-Identifier: MIT */
/* Maps come back, and importers start. See p2p.h for who starts what. */
#include <errno.h>
#include <string.h>

#include "device.h"
#include "dmabuf.h"
#include "epoch.h"
#include "error.h"
#include "p2p.h"
#include "window.h"

/* What a p2p_start is told that runs beside no window of its own device. */
#define START_MS 10000

static bool is_away(const struct vfiosafe_p2p *map)
{
	return !map->mapped && !map->broken &&
	       vsf_dmabuf_state(map->buf) != VFIOSAFE_DMABUF_DEAD;
}

/* Holds the first that is away; false: it is held by somebody else. */
static bool hold_away(struct vfiosafe_device *dev, const struct vsf_thread *self,
		      struct vfiosafe_p2p **out)
{
	struct vfiosafe_p2p *first = NULL;
	bool free;

	vsf_p2p_lock();
	for (struct vfiosafe_p2p *map = dev->exports; map; map = map->next_export)
		if (is_away(map) && (!first || strcmp(map->importer, first->importer) <= 0))
			first = map;
	free = !first || !first->holder;
	if (first && free)
		first->holder = self;
	*out = first;
	vsf_p2p_unlock();
	return free;
}

/* The old dma-buf first; one that is dead is made anew, once in a window. */
static int map_again(struct vfiosafe_p2p *map, struct vfiosafe_dmabuf *buf)
{
	int rc = vsf_p2p_door_map(map, buf);

	if (rc == -ENODEV && !buf->renewed) {
		rc = vsf_dmabuf_renew(buf);
		if (rc < 0)
			return rc;
		rc = vsf_p2p_door_map(map, buf);
	}
	if (rc < 0)
		return vsf_p2p_door_refused(map, buf, rc);
	/* A close may not have waited for us. */
	if (vsf_device_state(buf->dev) == VFIOSAFE_GONE) {
		(void)vsf_p2p_door_unmap(map);
		return vsf_state_error(0, 0);
	}
	vsf_p2p_set_mapped(map, true); /* (1) */
	return 0;
}

int vsf_p2p_map_exports(struct vfiosafe_device *dev, int64_t deadline)
{
	struct vfiosafe_p2p *map;
	struct vsf_thread *self;
	int rc = vsf_thread_get(&self);

	for (unsigned int round = 0; rc == 0; round++) {
		if (!hold_away(dev, self, &map)) {
			if (vsf_now(dev->sys) >= deadline)
				return vsf_fail(ETIMEDOUT, "%s: another thread does not let go "
							   "of a map of its BAR",
						dev->address);
			vsf_drain_pause(dev, round, deadline);
			continue;
		}
		if (!map)
			return 0;
		/* Constant while we hold it and lead the exporter's window. */
		rc = map_again(map, map->buf);
		vsf_p2p_let_go(map);
	}
	return rc;
}

static bool may_start(const struct vfiosafe_p2p *map)
{
	return map->mapped && !map->started && !map->broken && !map->holder;
}

static struct vfiosafe_p2p *first_to_start(const struct vfiosafe_device *dev)
{
	struct vfiosafe_p2p *map = dev->imports;

	while (map && !may_start(map))
		map = map->next_import;
	return map;
}

/* By who has the turn with @dev, or leads its window, and holds the map. */
static void start(struct vfiosafe_device *dev, const struct vsf_p2p_call *call)
{
	struct vfiosafe_p2p *map = call->map;
	int rc = vsf_callback_p2p(dev, call);

	/* Late is late, but it goes. */
	rc = rc == -ETIME ? 0 : rc;
	if (rc < 0 && vsf_p2p_door_unmap(map) == 0)
		vsf_p2p_set_mapped(map, false);
	vsf_p2p_lock();
	map->started = rc == 0;
	map->broken = rc < 0;
	vsf_p2p_unlock();
	if (rc < 0)
		vsf_p2p_tell(dev, map, rc);
}

void vsf_p2p_start_own(const struct vsf_run *run)
{
	struct vsf_p2p_call call = { .start = true, .own = true, .deadline = run->deadline };
	struct vfiosafe_device *dev = run->dev;
	struct vsf_thread *self;

	if (vsf_thread_get(&self) < 0)
		return;
	do {
		vsf_p2p_lock();
		call.map = first_to_start(dev);
		if (call.map)
			call.map->holder = self;
		vsf_p2p_unlock();
		if (!call.map)
			return;
		start(dev, &call);
		vsf_p2p_let_go(call.map);
	} while (true);
}

/* (B), (2): with the lock held. Our turn, and what to start in it. */
static struct vfiosafe_p2p *take_turn(struct vfiosafe_device *dev,
				      const struct vsf_thread *self, int64_t deadline)
{
	struct vfiosafe_p2p *map = first_to_start(dev);

	if (!map || vsf_p2p_turn(dev, false, deadline) != VSF_TURN_CALL)
		return NULL;
	map->holder = self;
	return map;
}

void vsf_p2p_start_imports(struct vfiosafe_device *dev, const struct vfiosafe_device *leads)
{
	struct vsf_p2p_call call = { .start = true,
				     .leads = leads ? leads->word : NULL };
	struct vsf_thread *self;

	if (vsf_thread_get(&self) < 0)
		return;
	do {
		call.deadline = vsf_deadline(dev->sys, START_MS);
		vsf_p2p_lock();
		call.map = take_turn(dev, self, call.deadline);
		vsf_p2p_unlock();
		if (!call.map)
			return;
		start(dev, &call);
		vsf_p2p_let_go(call.map);
		vsf_p2p_turn_over(dev);
	} while (true);
}

/* With the lock held: an importer, kept from being freed, with a map to start. */
static struct vfiosafe_device *next_importer(struct vfiosafe_device *dev, uint64_t round)
{
	struct vfiosafe_device *importer = NULL;

	for (struct vfiosafe_p2p *map = dev->exports; map && !importer;
	     map = map->next_export) {
		if (map->seen == round || map->dev == dev || !may_start(map))
			continue;
		map->seen = round;
		importer = vsf_p2p_stay(map);
	}
	return importer;
}

void vsf_p2p_start_exports(struct vfiosafe_device *dev, uint64_t round)
{
	struct vfiosafe_device *importer;

	do {
		vsf_p2p_lock();
		importer = next_importer(dev, round);
		vsf_p2p_unlock();
		if (!importer)
			return;
		vsf_p2p_start_imports(importer, dev);
		vsf_count_inside(importer, -1);
	} while (true);
}

void vsf_p2p_quiesced(const struct vsf_run *run)
{
	vsf_p2p_lock();
	for (struct vfiosafe_p2p *map = run->dev->imports; map; map = map->next_import)
		map->started = false;
	vsf_p2p_unlock();
}

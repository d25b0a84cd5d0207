/* SPDX-License-Identifier: MIT */
/* Who has which map, and whose turn it is with an importer. See p2p.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "device.h"
#include "dmabuf.h"
#include "door.h"
#include "error.h"
#include "p2p.h"
#include "window.h"

static pthread_mutex_t all_maps = PTHREAD_MUTEX_INITIALIZER;

void vsf_p2p_lock(void)
{
	pthread_mutex_lock(&all_maps);
}

void vsf_p2p_unlock(void)
{
	pthread_mutex_unlock(&all_maps);
}

void vsf_p2p_link(struct vfiosafe_p2p *map)
{
	map->next_import = map->dev->imports;
	map->dev->imports = map;
	map->next_export = map->buf->dev->exports;
	map->buf->dev->exports = map;
}

void vsf_p2p_unlink_import(struct vfiosafe_p2p *map)
{
	struct vfiosafe_p2p **at = &map->dev->imports;

	while (*at != map)
		at = &(*at)->next_import;
	*at = map->next_import;
}

void vsf_p2p_unlink_export(struct vfiosafe_p2p *map)
{
	struct vfiosafe_p2p **at;

	if (!map->buf)
		return;
	at = &map->buf->dev->exports;
	while (*at != map)
		at = &(*at)->next_export;
	*at = map->next_export;
	map->buf = NULL;
}

/* Nobody can say what it does, or it does nothing. */
static bool is_out(const struct vfiosafe_device *dev)
{
	enum vfiosafe_state state = vsf_device_state(dev);

	if (state == VFIOSAFE_GONE || state == VFIOSAFE_FAULT)
		return true;
	return !dev->run &&
	       (state != VFIOSAFE_LIVE || vsf_gate_state(dev) != VFIOSAFE_LIVE);
}

enum vsf_turn vsf_p2p_turn(struct vfiosafe_device *dev, bool stop, int64_t deadline)
{
	enum vsf_turn turn;

	pthread_mutex_lock(&dev->lock);
	if (is_out(dev)) {
		turn = VSF_TURN_SKIP;
	} else if (dev->run || dev->peer) {
		/*
		 * What is started is not quiesced yet, and may be called off with all DMA
		 * going on; or it was started again, and is LIVE soon. What is not
		 * started, the end of the window or of the turn starts.
		 */
		turn = stop ? VSF_TURN_WAIT : VSF_TURN_SKIP;
	} else {
		turn = VSF_TURN_CALL;
		dev->peer = true;
		dev->peer_deadline = deadline;
	}
	pthread_mutex_unlock(&dev->lock);
	return turn;
}

void vsf_p2p_turn_over(struct vfiosafe_device *dev)
{
	bool lost;

	pthread_mutex_lock(&dev->lock);
	dev->peer = false;
	lost = dev->lost_owed;
	dev->lost_owed = false;
	vsf_words_ring(dev->words, dev->sys);
	pthread_mutex_unlock(&dev->lock);
	/* It was lost while the callback ran: one callback at a time. */
	if (lost)
		vsf_device_lost_call(dev, vfiosafe_device_cause(dev));
}

struct vfiosafe_device *vsf_p2p_stay(const struct vfiosafe_p2p *map)
{
	struct vfiosafe_device *dev = map->dev;

	if (!dev)
		return NULL;
	pthread_mutex_lock(&dev->lock);
	/* A close looks at the count after it has said GONE. */
	if (vsf_device_state(dev) == VFIOSAFE_GONE)
		dev = NULL;
	else
		dev->inside++;
	pthread_mutex_unlock(&map->dev->lock);
	return dev;
}

void vsf_p2p_end(struct vfiosafe_p2p *map)
{
	bool gone = !map->mapped || vsf_p2p_door_unmap(map) == 0;

	vsf_p2p_lock();
	vsf_p2p_unlink_export(map);
	vsf_p2p_unlock();
	/* Where the kernel does not let go, the address stays taken. */
	if (gone)
		vsf_dma_settle(map->iommu, map->iova, NULL, false);
	vsf_iommu_put(map->iommu);
	free(map);
}

void vsf_p2p_set_mapped(struct vfiosafe_p2p *map, bool mapped)
{
	vsf_p2p_lock();
	map->mapped = mapped;
	vsf_p2p_unlock();
}

void vsf_p2p_let_go(struct vfiosafe_p2p *map)
{
	bool orphan;

	vsf_p2p_lock();
	orphan = !map->dev;
	if (!orphan)
		map->holder = NULL;
	vsf_p2p_unlock();
	if (orphan)
		vsf_p2p_end(map);
}

bool vsf_p2p_type1_left(const struct vfiosafe_device *dev)
{
	bool left = false;

	vsf_p2p_lock();
	for (const struct vfiosafe_p2p *map = dev->exports; map; map = map->next_export)
		left = left || (!map->iommu->dma->map_file && (map->mapped || map->holder));
	vsf_p2p_unlock();
	return left;
}

int vsf_p2p_refuse_free(const struct vfiosafe_dmabuf *buf)
{
	char who[256] = "";
	size_t used = 0;

	vsf_p2p_lock();
	for (const struct vfiosafe_p2p *map = buf->dev->exports; map; map = map->next_export)
		if (map->buf == buf && used < sizeof(who))
			used += (size_t)snprintf(who + used, sizeof(who) - used, "%s%s",
						 used ? ", " : "", map->importer);
	vsf_p2p_unlock();
	if (used == 0)
		return 0;
	return vsf_fail(EBUSY, "the buffer of BAR %u of %s is mapped for %s: "
			       "vfiosafe_p2p_unmap() first, or vfiosafe_dmabuf_revoke()",
			buf->index, buf->dev->address, who);
}

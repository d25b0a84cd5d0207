/* SPDX-License-Identifier: MIT */
/* Maps: made, looked at, given up; and the end of an importer. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "device.h"
#include "dmabuf.h"
#include "door.h"
#include "epoch.h"
#include "error.h"
#include "p2p.h"
#include "window.h"

/* Its place in the importer's address space, and the object, which this thread holds. */
static int map_new(struct vfiosafe_p2p **out, struct vfiosafe_device *importer,
		   struct vfiosafe_dmabuf *buf, const struct vfiosafe_iommu_opts *opts,
		   uint64_t iova)
{
	struct vsf_dma_request req = { .fd = -1, .len = buf->len, .iova = iova };
	struct vfiosafe_p2p *map = calloc(1, sizeof(*map));
	int rc;

	if (!map)
		return vsf_fail(ENOMEM, "out of memory");
	rc = vsf_dma_reserve(importer->iommu, &req, VSF_MAPPING_P2P, opts);
	if (rc < 0) {
		free(map);
		return rc;
	}
	/* Reserved for the life of the map, whether something is mapped there or not. */
	vsf_dma_settle(importer->iommu, req.iova, NULL, true);
	vsf_iommu_get(importer->iommu);
	map->iommu = importer->iommu;
	map->iova = req.iova;
	map->len = req.len;
	map->prot = req.prot;
	snprintf(map->importer, sizeof(map->importer), "%s", importer->address);
	map->dev = importer;
	map->buf = buf;
	map->holder = vsf_self;
	*out = map;
	return 0;
}

static int map_in_kernel(struct vfiosafe_p2p *map, struct vfiosafe_dmabuf *buf)
{
	int rc = map->iommu->dma->map_file ? vsf_dmabuf_split(buf) : 0;

	if (rc == 0) {
		rc = vsf_p2p_door_map(map, buf);
		vsf_p2p_set_mapped(map, rc == 0);
		rc = rc < 0 ? vsf_p2p_door_refused(map, buf, rc) : 0;
	}
	/* A close by another thread: it waits for who holds the map, but not for ever. */
	return vsf_device_state(buf->dev) == VFIOSAFE_GONE ? vsf_state_error(0, 0) : rc;
}

/* From here on a close of either device finds it. -ENODEV: too late. */
static int link_map(struct vfiosafe_p2p *map)
{
	int rc = 0;

	vsf_p2p_lock();
	if (vsf_device_state(map->buf->dev) == VFIOSAFE_GONE)
		rc = vsf_state_error(0, 0);
	else
		vsf_p2p_link(map);
	vsf_p2p_unlock();
	return rc;
}

static int give_up(struct vfiosafe_p2p *map, int rc)
{
	vsf_p2p_lock();
	vsf_p2p_unlink_import(map);
	vsf_p2p_unlock();
	vsf_p2p_end(map);
	return rc;
}

/* With the exporter's windows kept out. */
static int map_held(struct vfiosafe_p2p **out, struct vfiosafe_device *importer,
		    struct vfiosafe_dmabuf *buf, const struct vfiosafe_iommu_opts *opts,
		    uint64_t *iova)
{
	struct vfiosafe_device *dev = buf->dev;
	struct vfiosafe_p2p *map = NULL;
	int rc = vsf_dmabuf_refuse(buf);

	if (rc == 0)
		rc = vsf_state_error(vsf_device_word(dev), vsf_gate_word(dev));
	if (rc == 0)
		rc = map_new(&map, importer, buf, opts, *iova);
	if (rc < 0)
		return rc;
	rc = link_map(map);
	if (rc < 0) {
		map->buf = NULL; /* on no list */
		vsf_p2p_end(map);
		return rc;
	}
	rc = map_in_kernel(map, buf);
	if (rc < 0)
		return give_up(map, rc);
	vsf_p2p_lock();
	/* In a window of the importer its end starts it. */
	map->started = vsf_device_state(importer) == VFIOSAFE_LIVE;
	*out = map;
	*iova = map->iova;
	map->holder = NULL;
	vsf_p2p_unlock();
	return 0;
}

static int refuse_map(const struct vfiosafe_device *importer,
		      const struct vfiosafe_dmabuf *buf)
{
	int rc = vsf_dma_refuse(importer, "vfiosafe_p2p_map");

	if (rc < 0)
		return rc;
	if (vsf_device_state(importer) == VFIOSAFE_GONE || vsf_words_forked(buf->dev->words))
		return vsf_state_error(0, 0);
	return vsf_dmabuf_refuse(buf);
}

VFIOSAFE_API int vfiosafe_p2p_map(struct vfiosafe_p2p **map,
				  struct vfiosafe_device *importer,
				  struct vfiosafe_dmabuf *buf,
				  const struct vfiosafe_iommu_opts *opts, uint64_t *iova)
{
	int rc = refuse_map(importer, buf);

	if (rc < 0)
		return rc;
	vsf_count_inside(importer, 1);
	rc = vsf_dmabuf_hold(buf->dev, "vfiosafe_p2p_map");
	if (rc == 0) {
		rc = map_held(map, importer, buf, opts, iova);
		vsf_dmabuf_let_go(buf->dev);
	}
	/* What its window did not find yet. */
	if (rc == 0)
		vsf_p2p_start_imports(importer, NULL);
	vsf_count_inside(importer, -1);
	return rc;
}

/* 0: held by this thread. Others are waited for: their callbacks are the program's. */
static int hold(struct vfiosafe_p2p *map, struct vfiosafe_device *importer)
{
	struct vsf_thread *self;
	int rc = vsf_thread_get(&self);

	for (unsigned int round = 0; rc == 0; round++) {
		const struct vsf_thread *holder;

		vsf_p2p_lock();
		holder = map->holder;
		if (!holder)
			map->holder = self;
		vsf_p2p_unlock();
		if (!holder)
			return 0;
		if (holder == self)
			return vsf_fail(EDEADLK, "vfiosafe_p2p_unmap in a callback for this map");
		vsf_drain_pause(importer, round, VFIOSAFE_FOREVER);
	}
	return vsf_fail(-rc, "no record for this thread: %s", strerror(-rc));
}

static int unmap_held(struct vfiosafe_p2p *map)
{
	int rc = map->mapped ? vsf_p2p_door_unmap(map) : 0;

	if (rc < 0) {
		vsf_p2p_let_go(map);
		return vsf_fail(-rc, "unmapping IOVA 0x%llx failed: %s; it is still mapped",
				(unsigned long long)map->iova, strerror(-rc));
	}
	vsf_p2p_set_mapped(map, false);
	return give_up(map, 0);
}

VFIOSAFE_API int vfiosafe_p2p_unmap(struct vfiosafe_p2p *map)
{
	struct vfiosafe_device *importer;
	int rc;

	if (!map)
		return 0;
	/* Not closed: that would have freed the map. */
	importer = map->dev;
	rc = vsf_dma_refuse(importer, "vfiosafe_p2p_unmap");
	if (rc < 0)
		return rc;
	vsf_count_inside(importer, 1);
	rc = hold(map, importer);
	if (rc == 0)
		rc = unmap_held(map);
	vsf_count_inside(importer, -1);
	return rc;
}

VFIOSAFE_API enum vfiosafe_p2p_state vfiosafe_p2p_state(const struct vfiosafe_p2p *map)
{
	enum vfiosafe_p2p_state state = VFIOSAFE_P2P_AWAY;

	vsf_p2p_lock();
	if (!map->buf)
		state = VFIOSAFE_P2P_DEAD;
	else if (map->broken)
		state = VFIOSAFE_P2P_BROKEN;
	else if (map->mapped)
		state = VFIOSAFE_P2P_MAPPED;
	vsf_p2p_unlock();
	return state;
}

VFIOSAFE_API uint64_t vfiosafe_p2p_iova(const struct vfiosafe_p2p *map)
{
	return map->iova;
}

VFIOSAFE_API uint64_t vfiosafe_p2p_len(const struct vfiosafe_p2p *map)
{
	return map->len;
}

/* One thread, and locks that may have been held when it was forked. */
static void forget(struct vfiosafe_device *dev)
{
	while (dev->imports) {
		struct vfiosafe_p2p *map = dev->imports;

		dev->imports = map->next_import;
		vsf_p2p_unlink_export(map);
		vsf_iommu_forget(map->iommu);
		vsf_iommu_put(map->iommu);
		free(map);
	}
	while (dev->exports)
		vsf_p2p_unlink_export(dev->exports);
}

void vsf_p2p_free_imports(struct vfiosafe_device *dev)
{
	static const struct vsf_thread closing; /* holds what nobody else does */
	struct vfiosafe_p2p *map;
	bool free_it;

	if (vsf_words_forked(dev->words)) {
		forget(dev);
		return;
	}
	do {
		vsf_p2p_lock();
		map = dev->imports;
		free_it = map && !map->holder;
		if (map) {
			vsf_p2p_unlink_import(map);
			map->dev = NULL;
		}
		/* Else who holds it, for the exporter, frees it. */
		if (free_it)
			map->holder = &closing;
		vsf_p2p_unlock();
		if (free_it)
			vsf_p2p_end(map);
	} while (map);
}

/* SPDX-License-Identifier: MIT */
/*
 * iommu.c - address spaces of devices, as tables of what is mapped where.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include "dmabuf.h"
#include "internal.h"

struct vsim_ioas *vsim_ioas_new(struct vfiosafe_sim *sim, struct vsim_file *owner)
{
	struct vsim_ioas *ioas = calloc(1, sizeof(*ioas));

	if (!ioas)
		return NULL;
	ioas->owner = owner;
	ioas->id = vsim_new_id(sim);
	ioas->next = sim->ioases;
	sim->ioases = ioas;
	return ioas;
}

/* Without an owner, any: the simulation's own device fd was bound to none. */
struct vsim_ioas *vsim_ioas_by_id(const struct vfiosafe_sim *sim,
				  const struct vsim_file *owner, uint32_t id)
{
	struct vsim_ioas *ioas = sim->ioases;

	while (ioas && (ioas->id != id || (owner && ioas->owner != owner)))
		ioas = ioas->next;
	return ioas;
}

static void free_map(struct vsim_map *map)
{
	if (map->peer)
		vsim_peer_put(map->peer, map->peer_epoch);
	else if (map->file)
		munmap(map->addr, (size_t)(map->last - map->iova + 1));
	free(map);
}

void vsim_ioas_end(struct vfiosafe_sim *sim, struct vsim_ioas *ioas)
{
	struct vsim_ioas **at = &sim->ioases;

	while (*at != ioas)
		at = &(*at)->next;
	*at = ioas->next;
	if (sim->ioas == ioas)
		sim->ioas = NULL;
	while (ioas->maps) {
		struct vsim_map *map = ioas->maps;

		ioas->maps = map->next;
		free_map(map);
	}
	free(ioas);
}

void vsim_ioas_end_all(struct vfiosafe_sim *sim, const struct vsim_file *owner)
{
	for (struct vsim_ioas *ioas = sim->ioases, *next; ioas; ioas = next) {
		next = ioas->next;
		if (!owner || ioas->owner == owner)
			vsim_ioas_end(sim, ioas);
	}
}

/* Where messages go, and what is beyond the table's reach. */
static bool is_reserved(uint64_t first, uint64_t last)
{
	return last >= VSIM_IOVA_END ||
	       (first < VSIM_MSI_WINDOW_END && last >= VSIM_MSI_WINDOW);
}

int vsim_ioas_attach(struct vfiosafe_sim *sim, struct vsim_ioas *ioas)
{
	for (const struct vsim_map *map = ioas->maps; map; map = map->next)
		if (is_reserved(map->iova, map->last))
			return -EADDRINUSE;
	ioas->attached = true;
	sim->ioas = ioas;
	return 0;
}

/* The first one that ends at @iova or after it. */
static struct vsim_map **at_or_after(struct vsim_ioas *ioas, uint64_t iova)
{
	struct vsim_map **at = &ioas->maps;

	while (*at && (*at)->last < iova)
		at = &(*at)->next;
	return at;
}

uint64_t vsim_iovas(const struct vfiosafe_sim *sim)
{
	uint64_t count = 0;

	for (const struct vsim_ioas *ioas = sim->ioases; ioas; ioas = ioas->next)
		for (const struct vsim_map *map = ioas->maps; map; map = map->next)
			count++;
	return count;
}

static uint64_t locked_bytes(const struct vfiosafe_sim *sim)
{
	uint64_t bytes = 0;

	for (const struct vsim_ioas *ioas = sim->ioases; ioas; ioas = ioas->next)
		for (const struct vsim_map *map = ioas->maps; map; map = map->next)
			bytes += map->peer ? 0 : map->last - map->iova + 1;
	return bytes;
}

/* What is no memory does not count. */
static bool exceeds_limit(const struct vfiosafe_sim *sim, const struct vsim_dma *dma)
{
	return !dma->peer &&
	       (dma->len > sim->memlock || locked_bytes(sim) > sim->memlock - dma->len);
}

int vsim_ioas_map(struct vfiosafe_sim *sim, struct vsim_ioas *ioas,
		  const struct vsim_dma *dma)
{
	uint64_t last = dma->iova + dma->len - 1;
	struct vsim_map **at = at_or_after(ioas, dma->iova);
	struct vsim_map *map;

	if (ioas->attached && is_reserved(dma->iova, last))
		return -EINVAL;
	if (*at && (*at)->iova <= last)
		return -EEXIST;
	if (exceeds_limit(sim, dma))
		return -ENOMEM;
	map = malloc(sizeof(*map));
	if (!map)
		return -ENOMEM;
	*map = (struct vsim_map){
		.next = *at,
		.iova = dma->iova,
		.last = last,
		.addr = dma->addr,
		.file = dma->file,
		.prot = dma->prot,
		.peer = dma->peer,
		.peer_at = dma->peer_at,
		.peer_epoch = dma->peer_epoch,
	};
	*at = map;
	return 0;
}

/* Whole ranges only, as many as there are. */
int vsim_ioas_unmap(struct vsim_ioas *ioas, uint64_t first, uint64_t last, uint64_t *len)
{
	struct vsim_map **at = at_or_after(ioas, first);

	*len = 0;
	while (*at && (*at)->iova <= last) {
		struct vsim_map *map = *at;

		if (map->iova < first || map->last > last)
			return -ENOENT;
		*len += map->last - map->iova + 1;
		*at = map->next;
		free_map(map);
	}
	return 0;
}

bool vsim_ioas_splits(struct vsim_ioas *ioas, uint64_t first, uint64_t last)
{
	const struct vsim_map *at_first = *at_or_after(ioas, first);
	const struct vsim_map *at_last = *at_or_after(ioas, last);

	return (at_first && at_first->iova < first) ||
	       (at_last && at_last->iova <= last && at_last->last > last);
}

static uint64_t align_up(uint64_t value, uint64_t alignment)
{
	return (value + alignment - 1) & ~(alignment - 1);
}

/* As the kernel: not at 0, and so that large ranges can have large pages. */
int vsim_ioas_place(const struct vsim_ioas *ioas, uint64_t len, uint64_t *iova)
{
	const struct vsim_map *map = ioas->maps;
	uint64_t alignment = VSIM_PAGE;
	uint64_t at = VSIM_PAGE;

	while (alignment < len && alignment < 1u << 21)
		alignment *= 2;
	while ((at = align_up(at, alignment)) < VSIM_IOVA_END &&
	       len <= VSIM_IOVA_END - at) {
		while (map && map->last < at)
			map = map->next;
		if (is_reserved(at, at + len - 1)) {
			at = VSIM_MSI_WINDOW_END;
		} else if (map && map->iova <= at + len - 1) {
			at = map->last + 1;
		} else {
			*iova = at;
			return 0;
		}
	}
	return -ENOSPC;
}

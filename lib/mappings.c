/* SPDX-License-Identifier: MIT */
/* The books of an IOMMU context: an array in order of address. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dma.h"
#include "error.h"
#include "sys.h"

typedef unsigned long long ull;

void vsf_mappings_init(struct vsf_mappings *maps)
{
	pthread_mutex_init(&maps->lock, NULL);
}

void vsf_mappings_free(struct vsf_mappings *maps, const struct vfiosafe_sys *sys)
{
	for (uint32_t i = 0; i < maps->count; i++)
		if (maps->at[i].own)
			vsf_sys(sys, munmap, maps->at[i].own, maps->at[i].len);
	free(maps->at);
	pthread_mutex_destroy(&maps->lock);
}

void vsf_mappings_forget(struct vsf_mappings *maps)
{
	maps->count = 0;
}

uint32_t vsf_mappings_find(const struct vsf_mappings *maps, uint64_t iova)
{
	uint32_t low = 0, high = maps->count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (maps->at[middle].iova < iova)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct vsf_mapping *vsf_mappings_overlap(struct vsf_mappings *maps, uint64_t iova,
					 uint64_t len)
{
	uint32_t i = vsf_mappings_find(maps, iova);

	/* The one before may reach into it; the one found may begin in it. */
	if (i > 0 && vsf_mapping_last(&maps->at[i - 1]) >= iova)
		return &maps->at[i - 1];
	if (i < maps->count && maps->at[i].iova - iova <= len - 1)
		return &maps->at[i];
	return NULL;
}

static int make_room(struct vsf_mappings *maps)
{
	uint32_t room = maps->room ? 2 * maps->room : 16;
	struct vsf_mapping *at;

	if (maps->count < maps->room)
		return 0;
	at = calloc(room, sizeof(*at));
	if (!at)
		return vsf_fail(ENOMEM, "out of memory");
	if (maps->at)
		memcpy(at, maps->at, maps->count * sizeof(*at));
	free(maps->at);
	maps->at = at;
	maps->room = room;
	return 0;
}

int vsf_mappings_add(struct vsf_mappings *maps, const struct vsf_mapping *map)
{
	uint32_t i = vsf_mappings_find(maps, map->iova);
	int rc = make_room(maps);

	if (rc < 0)
		return rc;
	memmove(&maps->at[i + 1], &maps->at[i], (maps->count - i) * sizeof(*map));
	maps->at[i] = *map;
	maps->count++;
	return 0;
}

void vsf_mappings_remove(struct vsf_mappings *maps, uint64_t iova)
{
	uint32_t i = vsf_mappings_find(maps, iova);

	memmove(&maps->at[i], &maps->at[i + 1],
		(maps->count - i - 1) * sizeof(maps->at[i]));
	maps->count--;
}

/* Whose way back it has to be. */
static int check_kind(const struct vsf_mapping *map, enum vsf_mapping_of as)
{
	bool alloc = as == VSF_MAPPING_ALLOC;
	ull iova = map->iova, len = map->len;

	if (map->of == VSF_MAPPING_P2P)
		return vsf_fail(EINVAL, "0x%llx + 0x%llx is a map of another device's BAR: "
					"vfiosafe_p2p_unmap() takes it back",
				iova, len);
	if (map->of == VSF_MAPPING_LENT && as != VSF_MAPPING_LENT)
		return vsf_fail(EPERM, "0x%llx + 0x%llx is memory of a client (share.h)", iova,
				len);
	if (map->of != VSF_MAPPING_LENT && (map->of == VSF_MAPPING_ALLOC) != alloc)
		return vsf_fail(EINVAL, "0x%llx + 0x%llx is %s", iova, len,
				alloc ? "not memory of vfiosafe_dma_alloc()"
				      : "memory of vfiosafe_dma_alloc(): "
					"vfiosafe_dma_free() takes it back");
	return 0;
}

static int claim(struct vsf_mappings *maps, uint64_t iova, uint64_t len,
		 enum vsf_mapping_of as, void **own)
{
	uint32_t i = vsf_mappings_find(maps, iova);
	struct vsf_mapping *map = i < maps->count ? &maps->at[i] : NULL;
	int rc;

	if (!map || map->iova != iova || map->len != len)
		return vsf_dma_refuse_unmap(maps, iova, len);
	if (map->busy)
		return vsf_fail(EBUSY,
				"another thread is mapping or unmapping 0x%llx + 0x%llx",
				(ull)iova, (ull)len);
	rc = check_kind(map, as);
	if (rc < 0)
		return rc;
	map->busy = true;
	*own = map->own;
	return 0;
}

int vsf_mappings_claim(struct vsf_mappings *maps, uint64_t iova, uint64_t len,
		       enum vsf_mapping_of as, void **own)
{
	int rc;

	pthread_mutex_lock(&maps->lock);
	rc = claim(maps, iova, len, as, own);
	pthread_mutex_unlock(&maps->lock);
	return rc;
}

void vsf_mappings_settle(struct vsf_mappings *maps, uint64_t iova, void *own, bool there)
{
	struct vsf_mapping *map;

	pthread_mutex_lock(&maps->lock);
	map = &maps->at[vsf_mappings_find(maps, iova)];
	map->busy = false;
	map->own = own;
	if (!there)
		vsf_mappings_remove(maps, iova);
	pthread_mutex_unlock(&maps->lock);
}

/* SPDX-License-Identifier: MIT */
/* What tests ask of the address spaces. */
#include "fake_parts.h"

struct fake_dma *fake_dma_at(struct fake *fake, uint64_t iova)
{
	for (int i = 0; i < FAKE_DMAS; i++)
		if (fake->iommu.dma[i].file && iova >= fake->iommu.dma[i].iova &&
		    iova - fake->iommu.dma[i].iova < fake->iommu.dma[i].len)
			return &fake->iommu.dma[i];
	return NULL;
}

/* A device that is attached: to an IOAS of its iommufd, or by its group's container. */
static const struct fake_file *space_of(struct fake *fake, const struct fake_function *fn)
{
	if (fn->pt_id)
		return fn->owner->parent;
	return fake_group_of(fake, fn->group)->container;
}

bool fake_dma_works(struct fake *fake, const struct fake_function *fn, uint64_t iova)
{
	const struct fake_file *space;
	bool works = false;

	pthread_mutex_lock(&fake->lock);
	space = space_of(fake, fn);
	for (int i = 0; i < FAKE_DMAS; i++) {
		const struct fake_dma *dma = &fake->iommu.dma[i];

		if (dma->file == space && iova >= dma->iova && iova - dma->iova < dma->len)
			works = !dma->hole;
	}
	pthread_mutex_unlock(&fake->lock);
	return works;
}

unsigned int fake_dmas(struct fake *fake)
{
	unsigned int n = 0;

	for (int i = 0; i < FAKE_DMAS; i++)
		n += fake->iommu.dma[i].file != NULL;
	return n;
}

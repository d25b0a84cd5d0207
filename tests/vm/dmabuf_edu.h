/* SPDX-License-Identifier: MIT */
/* The edu model's DMA engine, without interrupts. It reaches 28 bits of address. */
#ifndef VM_DMABUF_EDU_H
#define VM_DMABUF_EDU_H

#include "dmabuf_rig.h"

#define EDU_INVERTER 0x04 /* gives the inverse of what was written to it */
#define EDU_DMA_SRC 0x80
#define EDU_DMA_DST 0x88
#define EDU_DMA_LEN 0x90
#define EDU_DMA_CMD 0x98
#define EDU_BUFFER 0x40000 /* of its own, one page; not in the BAR */
#define EDU_DMA_START 1u
#define EDU_DMA_TO_MEMORY 2u

static inline struct vfiosafe_iommu_opts edu_opts(void)
{
	return (struct vfiosafe_iommu_opts){ .size = sizeof(struct vfiosafe_iommu_opts),
					     .below = UINT64_C(1) << 28 };
}

static inline bool edu_copies(struct device *edu, uint64_t src, uint64_t dst, uint64_t len,
			      uint32_t cmd)
{
	const struct vfiosafe_view *view = &edu->view;

	return vfiosafe_write64(view, EDU_DMA_SRC, src) == 0 &&
	       vfiosafe_write64(view, EDU_DMA_DST, dst) == 0 &&
	       vfiosafe_write64(view, EDU_DMA_LEN, len) == 0 &&
	       vfiosafe_write64(view, EDU_DMA_CMD, cmd | EDU_DMA_START) == 0 &&
	       vfiosafe_poll32(view, EDU_DMA_CMD, EDU_DMA_START, 0,
			       vfiosafe_deadline_in_ms(SOON_MS), NULL) == 0;
}

static inline bool edu_moves(struct device *edu, uint64_t from, uint64_t to, uint64_t len)
{
	return edu_copies(edu, from, EDU_BUFFER, len, 0) &&
	       edu_copies(edu, EDU_BUFFER, to, len, EDU_DMA_TO_MEMORY);
}

#endif

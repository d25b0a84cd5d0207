/* SPDX-License-Identifier: MIT */
/* fake_iommu.h - what devices of the fake kernel reach: memory, and BARs as dma-bufs. */
#ifndef FAKE_IOMMU_H
#define FAKE_IOMMU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fake;
struct fake_file;
struct fake_function;

#define FAKE_BUFS 40
#define FAKE_BUF_RANGES 64

struct fake_iova {
	uint64_t start, last;
};

struct fake_dmabuf {
	bool used;
	struct fake_function *fn; /* NULL: of a heap */
	int memfd;		  /* of that */
	uint32_t open_flags;
	uint32_t index, count;
	uint64_t len;
	struct fake_iova range[FAKE_BUF_RANGES]; /* here: offset, length */
	bool revoked, dead;
};

#define FAKE_DMAS 1100
#define FAKE_IOVAS 40

/* What a device can reach, and as what. */
struct fake_dma {
	const struct fake_file *file; /* container or iommufd; NULL: a free entry */
	uint64_t iova, len;
	uintptr_t vaddr;
	int fd; /* or -1 */
	uint64_t offset;
	uint32_t prot; /* 1: the device writes, 2: it reads */

	/* Of a BAR: */
	struct fake_function *fn;
	uint64_t bar_at;       /* offset in its device fd */
	struct fake_file *buf; /* by a dma-buf, that is held; else by its address */
	bool hole;	       /* was revoked */
};

struct fake_iommu {
	/* Behaviour that tests choose. */
	struct fake_iova range[FAKE_IOVAS];
	unsigned int count;
	uint64_t align;
	int entries;	  /* that there may be */
	bool no_caps;	  /* type1 does not say ranges */
	bool no_map_file; /* iommufd takes addresses only */

	struct fake_dma dma[FAKE_DMAS];
};

/* fake_iommu.c: the mapping that @iova lies in, or NULL, and how many there are. */
struct fake_dma *fake_dma_at(struct fake *fake, uint64_t iova);
unsigned int fake_dmas(struct fake *fake);
/* For threads: is there something at @iova of the device's address space, now? */
bool fake_dma_works(struct fake *fake, const struct fake_function *fn, uint64_t iova);

/* fake_dmabuf.c: a dma-buf that is no BAR's */
int fake_heap_fd(struct fake *fake, uint64_t len);

#endif

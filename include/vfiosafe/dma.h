/* SPDX-License-Identifier: MIT */
/*
 * dma.h - memory that the device reads and writes by itself.
 *
 *      struct vfiosafe_dma_memory ring;
 *
 *      vfiosafe_dma_alloc(&ring, dev, 4096, 0);
 *      vfiosafe_write64(&regs, RING_BASE, ring.iova);  // what the device is told
 *      memset(ring.addr, 0, ring.len);                 // what the program sees
 *
 * A mapping belongs to the IOMMU context, which devices opened with opts.iommu_of
 * share: it is made and undone through any of them, all of them reach it, and it
 * ends with the close of the last one. Resets do not touch it: it is not made again
 * in the reinit callback. What the device does with an address of a mapping that is
 * gone, the IOMMU stops; what it writes into memory that the program uses for
 * something else meanwhile, nobody does: stop the device's queues before unmapping.
 *
 * None of these calls looks at the device: they work in FAULT and in any window too.
 *
 * For a client of a shared device the owner does it; share.h says with what differences.
 */
#ifndef VFIOSAFE_DMA_H
#define VFIOSAFE_DMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <vfiosafe/api.h>

VFIOSAFE_BEGIN_DECLS

struct vfiosafe_device;

/* What the device may do with a mapping: vfiosafe_iommu_opts.prot. */
#define VFIOSAFE_DMA_READ (1u << 0)
#define VFIOSAFE_DMA_WRITE (1u << 1)

/* Flag of vfiosafe_dma_alloc(). */
#define VFIOSAFE_DMA_HUGE_2M (1u << 0) /* pages of 2 MiB that were set aside */

/* Options; zeroed members (and members beyond @size) mean the default. */
struct vfiosafe_iommu_opts {
	size_t size;	/* sizeof(struct vfiosafe_iommu_opts) */
	uint32_t prot;	/* VFIOSAFE_DMA_*; 0 = both */
	bool fixed;	/* *iova says where, instead of the library */
	uint64_t align; /* of the IOVA, in bytes; a power of two; 0 = a page */
	/*
	 * First address that the device cannot reach, for one with few address
	 * lines: UINT64_C(1) << 28, say. 0 = none.
	 */
	uint64_t below;
};

/**
 * vfiosafe_iommu_map - give memory an address that the device can use
 * @dev: a device that this library opened
 * @vaddr: start of the memory; starts a page
 * @len: bytes; whole pages
 * @opts: may be NULL
 * @iova: written on success: the address of @vaddr for the device, @len bytes long.
 *        With opts.fixed it is read.
 *
 * The kernel pins the memory: it is not swapped, and stays allocated until it is
 * unmapped, also if the program unmaps @vaddr. Memory that may be copied by fork(2)
 * needs MADV_DONTFORK: after a fork the first write gives the parent another page
 * than the device has. vfiosafe_dma_alloc() sees to that.
 *
 * The library chooses the lowest free address, above 64 KiB, aligned to 2 MiB or
 * 1 GiB if the memory is, so that the IOMMU can use large pages.
 *
 * Return: 0, or
 *   -EINVAL      @vaddr or @len are not whole pages (or not what this IOMMU's pages
 *                are), options contradict each other, or the memory is a BAR
 *   -ENOMEM      more than RLIMIT_MEMLOCK allows (the text names the limit and how it
 *                is raised), or the kernel is out of memory
 *   -EFAULT      it is not all memory that may be pinned for @prot
 *   -ENOSPC      no free range that fits, or the kernel takes no more mappings
 *   -EEXIST      opts.fixed: overlaps a mapping (the text names it)
 *   -ERANGE      opts.fixed: the IOMMU does not take these addresses, or they are
 *                those of interrupts
 *   -EOPNOTSUPP  the device was adopted from an fd: its IOMMU context is its opener's
 *   -EDEADLK     inside a section
 *   -ENODEV      the device is gone, or this is a forked child
 * Context: any thread, callbacks included, outside of sections; blocks while pages
 * are pinned.
 */
VFIOSAFE_API VFIOSAFE_MUST_CHECK int
vfiosafe_iommu_map(struct vfiosafe_device *dev, void *vaddr, uint64_t len,
		   const struct vfiosafe_iommu_opts *opts, uint64_t *iova);

/**
 * vfiosafe_iommu_map_file - the same for a part of a file in memory
 * @fd: a memfd, a file of hugetlbfs, or a dma-buf; may be closed afterwards
 * @offset: bytes, whole pages
 *
 * Through the cdev door the kernel takes the file itself, if it can (Linux 6.13).
 * Else, and through the group door, the library maps the file into this process, for
 * as long as the mapping for the device lasts, and maps that.
 *
 * A dma-buf of memory (udmabuf, a heap's) is mapped in that second way, where the kernel
 * can: Linux 7.3 does so through neither door. A dma-buf of another process's BAR is taken by
 * the cdev door if it is of one range; each reset of its device ends such a mapping, for
 * good: vfiosafe_p2p_map() (p2p.h) is for those of this process, and brings them back.
 *
 * Return: as vfiosafe_iommu_map(); -EBADF; -EACCES if @fd is not open for what
 * opts.prot needs; -EINVAL also if the kernel cannot pin such a file, or the file is
 * shorter; -EOPNOTSUPP also if @fd is a dma-buf that the kernel does not map (the text
 * says what to do instead); -ENODEV also if it is one that was revoked.
 */
VFIOSAFE_API VFIOSAFE_MUST_CHECK int
vfiosafe_iommu_map_file(struct vfiosafe_device *dev, int fd, uint64_t offset,
			uint64_t len, const struct vfiosafe_iommu_opts *opts,
			uint64_t *iova);

/**
 * vfiosafe_iommu_unmap - take an address back from the device
 * @iova: as vfiosafe_iommu_map() gave it
 * @len: as it was given there: mappings are not cut into parts
 *
 * Return: 0: the device cannot reach the memory any more; -ENOENT: there is no such
 * mapping (the text names one that overlaps); -EBUSY: another thread is just mapping
 * or unmapping it; -EINVAL: it is vfiosafe_dma_alloc()'s; -EOPNOTSUPP, -EDEADLK,
 * -ENODEV (forked child only) as vfiosafe_iommu_map(); other errors of the kernel:
 * it is still mapped.
 * Context: as vfiosafe_iommu_map().
 */
VFIOSAFE_API VFIOSAFE_MUST_CHECK int vfiosafe_iommu_unmap(struct vfiosafe_device *dev,
							  uint64_t iova, uint64_t len);

/* Memory for the program and the device. Plain values: copy them freely. */
struct vfiosafe_dma_memory {
	void *addr;    /* for the program */
	uint64_t iova; /* for the device */
	uint64_t len;  /* bytes, rounded up to whole pages */
	struct vfiosafe_device *dev;
};

/**
 * vfiosafe_dma_alloc - allocate memory that the device can use
 * @mem: written on success only; free with vfiosafe_dma_free() before @dev is closed,
 *       or leave it to the close of the last device that shares the IOMMU context
 * @dev: a device that this library opened
 * @len: bytes; rounded up to whole pages, of 2 MiB with VFIOSAFE_DMA_HUGE_2M
 * @flags: VFIOSAFE_DMA_HUGE_2M or 0
 *
 * Zeroed, for reading and writing by the device. A forked child does not have it.
 *
 * Return: 0; -ENOMEM also if not enough huge pages are set aside (the text says how
 * many bytes were asked for and where to set more): whether ordinary pages will do
 * is the caller's decision; else as vfiosafe_iommu_map().
 * Context: as vfiosafe_iommu_map().
 */
VFIOSAFE_API VFIOSAFE_MUST_CHECK int vfiosafe_dma_alloc(struct vfiosafe_dma_memory *mem,
							struct vfiosafe_device *dev,
							uint64_t len, uint32_t flags);

/**
 * vfiosafe_dma_free - take it back from the device, and free it
 * @mem: zeroed on success; nothing is done for one that is zeroed
 *
 * Return: as vfiosafe_iommu_unmap().
 * Context: as vfiosafe_iommu_map().
 */
VFIOSAFE_API VFIOSAFE_MUST_CHECK int vfiosafe_dma_free(struct vfiosafe_dma_memory *mem);

VFIOSAFE_END_DECLS

#endif

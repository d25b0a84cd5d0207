/* SPDX-License-Identifier: MIT */
/*
 * iommu.h - address spaces: what of the program's memory the device reaches.
 *
 * All calls are made with sim->lock held, unless they say otherwise.
 */
#ifndef VSIM_IOMMU_H
#define VSIM_IOMMU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VSIM_PAGE 4096ull
#define VSIM_IOVA_END (1ull << 39) /* as a three-level IOMMU */
#define VSIM_MSI_WINDOW 0xfee00000ull
#define VSIM_MSI_WINDOW_END 0xfef00000ull

/* What the device may do. */
#define VSIM_DMA_READ 1u
#define VSIM_DMA_WRITE 2u

struct vfiosafe_sim;
struct vsim_dmabuf;
struct vsim_file;

struct vsim_map {
	struct vsim_map *next; /* by address */
	uint64_t iova;
	uint64_t last;
	uint8_t *addr;
	bool file; /* @addr is a mapping of our own */
	uint32_t prot;
	struct vsim_dmabuf *peer; /* no memory, but a BAR (dmabuf.h) */
	uint64_t peer_at;	  /* where in it */
	uint64_t peer_epoch;
};

struct vsim_ioas {
	struct vsim_ioas *next;
	struct vsim_file *owner; /* iommufd or container */
	uint32_t id;
	bool attached; /* now or once: reserved ranges and pages count */
	struct vsim_map *maps;
};

/* What is to be mapped; @addr was looked at by vsim_dma_pin(). */
struct vsim_dma {
	uint64_t iova;
	uint64_t len;
	uint8_t *addr;
	bool file;
	uint32_t prot;
	struct vsim_dmabuf *peer; /* with a reference; or NULL */
	uint64_t peer_at;
	uint64_t peer_epoch;
};

/* iommu.c */
struct vsim_ioas *vsim_ioas_new(struct vfiosafe_sim *sim, struct vsim_file *owner);
struct vsim_ioas *vsim_ioas_by_id(const struct vfiosafe_sim *sim,
				  const struct vsim_file *owner, uint32_t id);
int vsim_ioas_attach(struct vfiosafe_sim *sim, struct vsim_ioas *ioas);
void vsim_ioas_end(struct vfiosafe_sim *sim, struct vsim_ioas *ioas);
void vsim_ioas_end_all(struct vfiosafe_sim *sim, const struct vsim_file *owner);
/* -EEXIST, -EINVAL (reserved), -ENOMEM (also beyond RLIMIT_MEMLOCK) */
int vsim_ioas_map(struct vfiosafe_sim *sim, struct vsim_ioas *ioas,
		  const struct vsim_dma *dma);
/* all that is between @first and @last, bytes into @len; -ENOENT: part of one is */
int vsim_ioas_unmap(struct vsim_ioas *ioas, uint64_t first, uint64_t last, uint64_t *len);
/* does either end of the range lie inside what is mapped as one? */
bool vsim_ioas_splits(struct vsim_ioas *ioas, uint64_t first, uint64_t last);
/* -ENOSPC */
int vsim_ioas_place(const struct vsim_ioas *ioas, uint64_t len, uint64_t *iova);
/* ranges that are mapped, in all address spaces */
uint64_t vsim_iovas(const struct vfiosafe_sim *sim);

/* pin.c; lock not held */
/* @addr is memory that can be reached in this way: -EFAULT */
int vsim_dma_pin(const struct vsim_dma *dma);

/* dma.c: 0, or -EFAULT: the device is told so */
int vsim_dma_read(struct vfiosafe_sim *sim, uint64_t iova, void *buf, size_t len);
int vsim_dma_write(struct vfiosafe_sim *sim, uint64_t iova, const void *buf, size_t len);

/* iommufd.c, type1.c; lock not held */
int vsim_iommufd_ioctl(struct vfiosafe_sim *sim, struct vsim_file *file,
		       unsigned long request, void *arg);
int vsim_type1_ioctl(struct vfiosafe_sim *sim, struct vsim_file *file,
		     unsigned long request, void *arg);

#endif

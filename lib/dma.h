/* SPDX-License-Identifier: MIT */
/*
 * The address space of an IOMMU context, and who has which part of it.
 *
 * The mappings of a context are all ours: nobody else has its fd. So the library
 * chooses addresses itself, alike for both doors, and knows what an address means.
 */
#ifndef VSF_DMA_H
#define VSF_DMA_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct vfiosafe_sys;
struct vsf_iommu;

/* Never chosen, so that a null pointer in a descriptor, or one near it, faults. */
#define VSF_IOVA_FIRST UINT64_C(0x10000)

/*
 * On x86 a write to these addresses is an interrupt. The kernel leaves them out of
 * what it reports; the fallback for kernels that report nothing must, too.
 */
#define VSF_IOVA_MSI_START UINT64_C(0xfee00000)
#define VSF_IOVA_MSI_LAST UINT64_C(0xfeefffff)

struct vsf_iova_range {
	uint64_t start, last;
};

/* What the IOMMU takes now: attaching another device may make it smaller. */
struct vsf_iova_space {
	uint64_t align; /* of addresses and lengths: the smallest page of the IOMMU */
	uint32_t count, room;
	struct vsf_iova_range *range; /* ascending */
};

enum vsf_mapping_of {
	VSF_MAPPING_CALLER, /* memory of the caller */
	VSF_MAPPING_FILE,   /* a file, mapped by us if @own is set */
	VSF_MAPPING_P2P,    /* a place for a device's BAR, which comes and goes */
	VSF_MAPPING_ALLOC,  /* vfiosafe_dma_alloc() */
	VSF_MAPPING_LENT,   /* a client's file (share_dma.h), mapped as VSF_MAPPING_FILE is */
};

struct vsf_mapping {
	uint64_t iova, len;
	void *own; /* memory that goes with it, or NULL; @len bytes */
	enum vsf_mapping_of of;
	bool busy; /* a thread is in the kernel to make or undo it */
};

/* The mappings of a context, by address. */
struct vsf_mappings {
	pthread_mutex_t lock; /* held for a look, never across a system call */
	struct vsf_mapping *at;
	uint32_t count, room;
};

/* A mapping to be made. */
struct vsf_dma_request {
	void *vaddr; /* or NULL: */
	int fd;
	uint64_t offset;
	uint64_t len;
	uint64_t iova;
	uint32_t prot; /* VFIOSAFE_DMA_* */
};

/* How a door does it: dma_cdev.c, dma_group.c. All return 0 or the kernel's -errno. */
struct vsf_dma_door {
	int (*space)(const struct vsf_iommu *iommu, struct vsf_iova_space *space);
	int (*map)(const struct vsf_iommu *iommu, const struct vsf_dma_request *req);
	/* NULL, or -ENOTTY: this kernel maps addresses only */
	int (*map_file)(const struct vsf_iommu *iommu, const struct vsf_dma_request *req);
	int (*unmap)(const struct vsf_iommu *iommu, uint64_t iova, uint64_t len);
};
extern const struct vsf_dma_door vsf_dma_cdev __attribute__((visibility("hidden")));
extern const struct vsf_dma_door vsf_dma_group __attribute__((visibility("hidden")));

/* dma.c: the whole way of a mapping; -errno with a text. */
struct vfiosafe_device;
struct vfiosafe_iommu_opts;
int vsf_dma_map(struct vfiosafe_device *dev, struct vsf_dma_request *req,
		enum vsf_mapping_of of, const struct vfiosafe_iommu_opts *opts,
		uint64_t *iova);
/* @as: what it has to be; VSF_MAPPING_CALLER: the caller's, memory or file. */
int vsf_dma_unmap(struct vfiosafe_device *dev, uint64_t iova, uint64_t len,
		  enum vsf_mapping_of as);

/* vsf_mappings_settle() of its books */
void vsf_dma_settle(struct vsf_iommu *iommu, uint64_t iova, void *own, bool there);

/* 0, or why there can be no mapping through @dev: in a section, adopted, forked. */
int vsf_dma_refuse(const struct vfiosafe_device *dev, const char *call);
/* The same, but a client may go on that was granted DMA memory. */
int vsf_dma_refuse_shared(const struct vfiosafe_device *dev, const char *call);

/*
 * dma_place.c: chooses req->iova, or checks it, and enters the mapping as busy.
 * Fills req->prot.
 */
int vsf_dma_read_opts(struct vfiosafe_iommu_opts *to,
		      const struct vfiosafe_iommu_opts *from);
int vsf_dma_reserve(struct vsf_iommu *iommu, struct vsf_dma_request *req,
		    enum vsf_mapping_of of, const struct vfiosafe_iommu_opts *opts);

/* dma_text.c: refusals in words. What the kernel means by @err; returns @err. */
int vsf_dma_map_failed(struct vsf_iommu *iommu, const struct vsf_dma_request *req,
		       int err);

/* -ERANGE: the IOMMU does not take these addresses. */
int vsf_dma_refuse_range(const struct vsf_iova_space *space, uint64_t iova, uint64_t len);
/* -ENOSPC: nothing is free. */
int vsf_dma_refuse_space(const struct vsf_iova_space *space,
			 const struct vsf_mappings *maps, uint64_t len, uint64_t align,
			 uint64_t last);
/* -ENOENT: not a mapping. With the lock held. */
int vsf_dma_refuse_unmap(struct vsf_mappings *maps, uint64_t iova, uint64_t len);

/* mappings.c */
void vsf_mappings_init(struct vsf_mappings *maps);
/* Frees the books, and the memory that went with the mappings. */
void vsf_mappings_free(struct vsf_mappings *maps, const struct vfiosafe_sys *sys);
/* In a forked child, which does not have that memory. */
void vsf_mappings_forget(struct vsf_mappings *maps);

/* The following with the lock held. The first mapping that is not below @iova. */
uint32_t vsf_mappings_find(const struct vsf_mappings *maps, uint64_t iova);
/* One that has an address in common, or NULL. */
struct vsf_mapping *vsf_mappings_overlap(struct vsf_mappings *maps, uint64_t iova,
					 uint64_t len);
int vsf_mappings_add(struct vsf_mappings *maps, const struct vsf_mapping *map);
void vsf_mappings_remove(struct vsf_mappings *maps, uint64_t iova);

/* Without the lock: marks one as busy, so that nobody else takes it back too. */
int vsf_mappings_claim(struct vsf_mappings *maps, uint64_t iova, uint64_t len,
		       enum vsf_mapping_of as, void **own);
/* The kernel has answered: the mapping is there, with @own, or is forgotten. */
void vsf_mappings_settle(struct vsf_mappings *maps, uint64_t iova, void *own, bool there);

/* iova.c: pure code */
static inline uint64_t vsf_mapping_last(const struct vsf_mapping *map)
{
	return map->iova + (map->len - 1);
}

/* Appends a range, without the addresses of interrupts. -EBADMSG, -ENOMEM. */
int vsf_iova_add(struct vsf_iova_space *space, uint64_t start, uint64_t last);
void vsf_iova_free(struct vsf_iova_space *space);

/* Do all addresses from @iova to @last lie in one range? */
bool vsf_iova_inside(const struct vsf_iova_space *space, uint64_t iova, uint64_t last);

/*
 * The lowest free @len bytes that start at a multiple of @align and end at @last
 * or before; -ENOSPC.
 */
int vsf_iova_find(const struct vsf_iova_space *space, const struct vsf_mappings *maps,
		  uint64_t len, uint64_t align, uint64_t last, uint64_t *iova);

/* dma_group.c: what VFIO_IOMMU_GET_INFO says, @len bytes at @buf. Pure code. */
int vsf_iova_parse_group(const void *buf, size_t len, struct vsf_iova_space *space);

#endif

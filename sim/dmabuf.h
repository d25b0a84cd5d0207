/* SPDX-License-Identifier: MIT */
/*
 * dmabuf.h - ranges of BARs that other devices, and other processes, reach.
 *
 * What a program gets is an open file of its own: of the memory of the BAR, if the
 * ranges are its beginning, so that whoever has it can map it; else of a pipe, that
 * nobody can map. Which export a file is, and whether anybody has it still, is told by
 * a lock on one byte of it, which the kernel drops with the last fd or mapping.
 *
 * The list of all exports of this process has a lock of its own, taken after any
 * sim->lock: devices reach into each other's BARs under it, and one that takes its
 * memory away does so under it.
 */
#ifndef VSIM_DMABUF_H
#define VSIM_DMABUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct vfiosafe_sim;
struct vfio_device_feature;
struct vsim_dma;
struct vsim_map;

/* From the start of the BAR. */
struct vsim_part {
	uint64_t offset;
	uint64_t len;
};

struct vsim_dmabuf {
	struct vsim_dmabuf *next;
	struct vfiosafe_sim *sim; /* whose BAR; NULL: its last user closed it */
	unsigned int bar;
	uint64_t id; /* the byte with the lock */
	int base;    /* the same file, opened by us; -1: nobody has an fd */
	dev_t dev;   /* of @base */
	ino_t ino;
	unsigned int maps;  /* in address spaces */
	unsigned int alive; /* of them, not revoked */
	bool pages; /* no dma-buf: pages that a type1 mapped, and nobody revokes */
	bool revoked;
	uint64_t epoch; /* how often it was; maps of another one are dead */
	uint64_t len;
	uint32_t count;
	struct vsim_part part[];
};

/* dmabuf.c */
/* every device, from its open to its close; what is exported ends with it */
void vsim_peer_add(struct vfiosafe_sim *sim);
void vsim_peer_remove(struct vfiosafe_sim *sim);
/* sim->lock held: the last user closed the device; exports are dead */
void vsim_dmabufs_end(struct vfiosafe_sim *sim);
/* sim->lock held: taken away from all who have it, and given free again */
void vsim_dmabufs_revoke(struct vfiosafe_sim *sim);
void vsim_dmabufs_allow(struct vfiosafe_sim *sim);
/* sim->lock held: an fd for what @buf says, which is the list's from now on */
int vsim_dmabuf_add(struct vfiosafe_sim *sim, struct vsim_dmabuf *buf, uint32_t flags);
/* those that nobody has any more are freed */
void vsim_dmabufs_reap(void);
uint64_t vsim_dmabufs_of(const struct vfiosafe_sim *sim);

/* export.c: VFIO_DEVICE_FEATURE_DMA_BUF; lock not held; the fd, or -errno */
int vsim_export(struct vfiosafe_sim *sim, const struct vfio_device_feature *arg);

/* peer.c: BARs in address spaces */
/*
 * Is @fd a dma-buf of ours? 1: @dma is filled with a reference to it; 0: no; -errno of
 * IOMMU_IOAS_MAP_FILE.
 */
int vsim_peer_file(int fd, uint64_t start, struct vsim_dma *dma);
/* Are these addresses a BAR of ours? Likewise, of VFIO_IOMMU_MAP_DMA. */
int vsim_peer_pages(struct vsim_dma *dma);
/* is any of it a program's mapping of a BAR of ours? */
bool vsim_peer_mapped(uintptr_t from, uintptr_t to);
void vsim_peer_put(struct vsim_dmabuf *buf, uint64_t epoch);
/* DMA; false: the IOMMU refuses */
bool vsim_peer_copy(const struct vsim_map *map, uint64_t at, uint8_t *buf, size_t len,
		    bool write);
/* dma-buf's own ioctl, by any of these tables; -ENOSYS: not of ours */
int vsim_peer_ioctl(struct vfiosafe_sim *sim, int fd, unsigned long request, void *arg);
/*
 * A mapping of @fd, if it is a dma-buf of @sim: 1 and where it is in the BAR, which is
 * @fd's no more; 0: it is not; -errno.
 */
int vsim_peer_mmap(struct vfiosafe_sim *sim, int *fd, size_t len, uint64_t *offset);

#endif

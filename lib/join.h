/* SPDX-License-Identifier: MIT */
/*
 * A client's side of a device that is shared. Its device word is the owner's, in a page
 * that it can only read (dev->word); its gate says where its own driver stands:
 *
 *      word        gate
 *      LIVE        LIVE           may be accessed
 *      QUIESCE...  QUIESCE        asked to leave: sections end, then the quiesce callback
 *      LIVE        REINIT         the reinit callback runs; the generation is one on
 *      any         FAULT          SIGBUS, or the reinit callback failed
 *      any         GONE           closed, or the owner has ended (VSF_GATE_OWNER_DEAD)
 *
 * The gate's generation counts what was lost here: a view that was taken before is stale.
 */
#ifndef VSF_JOIN_H
#define VSF_JOIN_H

#include <stdbool.h>
#include <stdint.h>
#include <vfiosafe/window.h>

#include "dma.h"

struct vfiosafe_bar;
struct vfiosafe_device;
struct vfiosafe_section;
struct vsf_verdict;

/* join_bar.c */

/* -EPERM, naming @call: the owner's alone. 0 if @dev is this process's own. */
int vsf_join_refuse(const struct vfiosafe_device *dev, const char *call);

/*
 * The range has to lie within one that was granted, else -EPERM; *@len of 0 becomes the
 * rest of that. Nothing of this if @dev is this process's own.
 */
int vsf_join_clip(const struct vfiosafe_device *dev, uint32_t index, uint64_t offset,
		  uint64_t *len);

/* After that: how it is reached, and what of it is mapped. */
void vsf_join_bar(struct vfiosafe_bar *bar, uint64_t offset, bool map);

/* Close gives the device back over open sections: no fd of it is kept. */
int vsf_join_give_back(struct vfiosafe_device *dev);

/* join_dma.c: as vsf_dma_map() and vsf_dma_unmap(), by the owner */
struct vfiosafe_dma_memory;
struct vfiosafe_iommu_opts;
int vsf_join_dma_refuse(const struct vfiosafe_device *dev, const char *call);
int vsf_join_map(struct vfiosafe_device *dev, const struct vsf_dma_request *req,
		 enum vsf_mapping_of of, const struct vfiosafe_iommu_opts *opts,
		 uint64_t *iova);
int vsf_join_unmap(struct vfiosafe_device *dev, uint64_t iova, uint64_t len,
		   enum vsf_mapping_of as);
/* @mem->len is whole pages. */
int vsf_join_alloc(struct vfiosafe_dma_memory *mem, uint32_t flags);

/* join_calls.c */

/* One access of a range that is not mapped, by the owner. 0 or -errno. */
int vsf_join_access(const struct vfiosafe_bar *bar, uint64_t word, uint64_t offset,
		    unsigned int width, uint64_t *value, bool write);

/* Ends a section in which that failed with @err. */
int vsf_join_end_access(struct vfiosafe_bar *bar, struct vfiosafe_section *sec, int err);

/* Has the owner look whether it is alive; fills @verdict. */
void vsf_join_classify(struct vfiosafe_device *dev, struct vsf_verdict *verdict);
/* The same: 0 it is alive, -EIO it was found lost; other: cannot tell. */
int vsf_join_probe(struct vfiosafe_device *dev);

/* Tells the owner why this process thinks that state was lost. */
int vsf_join_lost(struct vfiosafe_device *dev, const char *why);

/* join_window.c */

/* 0 if the driver of this process is up in the generation of @word; -EAGAIN. */
int vsf_join_is_back(const struct vfiosafe_device *dev, uint64_t word);

/* Both words in one, for display. */
enum vfiosafe_state vsf_join_state(const struct vfiosafe_device *dev);

/* Are callbacks of this client's driver to come? */
bool vsf_join_is_busy(const struct vfiosafe_device *dev);
int64_t vsf_join_deadline(const struct vfiosafe_device *dev);

/* The gate to REINIT: faults close it again. */
void vsf_join_open_to_driver(struct vfiosafe_device *dev);

/* Takes note, once, of a gate that a fault has closed. */
void vsf_join_fault_collect(struct vfiosafe_device *dev);

/* join_wait.c */

int vsf_join_wait(struct vfiosafe_device *dev, int64_t deadline);
int vsf_join_reset(struct vfiosafe_device *dev, const struct vfiosafe_reset_opts *opts);
int vsf_join_recover(struct vfiosafe_device *dev, const struct vfiosafe_reset_opts *opts);

/* Between them nobody is in a section of the device. -EBUSY after @timeout_ms. */
int vsf_join_exclusive_begin(struct vfiosafe_device *dev, uint32_t timeout_ms);
void vsf_join_exclusive_end(struct vfiosafe_device *dev);

/* join.c: close; the gate, and then, when nobody uses it any more, the rest. */
void vsf_join_leave(struct vfiosafe_device *dev);
void vsf_join_free(struct vfiosafe_device *dev);

/* agent.c: the fd, and one round. */
int vsf_join_fd(const struct vfiosafe_device *dev);
int vsf_join_dispatch(struct vfiosafe_device *dev);

#endif

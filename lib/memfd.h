/* SPDX-License-Identifier: MIT */
/* Whether a memfd can be memory for DMA of a client: both sides look, the owner decides. */
#ifndef VSF_MEMFD_H
#define VSF_MEMFD_H

#include <stdint.h>
#include <vfiosafe/sys.h>

/*
 * Sealed so that it does not shrink, open for what @prot (VFIOSAFE_DMA_*, not 0) needs,
 * and long enough for whole pages at @offset; else -EINVAL or -EACCES with a text.
 *
 * What the kernel does without that seal: both doors pin the pages, so a file that is
 * cut, or has a hole punched into it, leaves them to the device, and has others from then
 * on. Nobody else is harmed, and nothing faults. But a length that was checked can be
 * another when the kernel looks; and the client would not see what the device writes.
 * Against holes there is no seal that leaves a file writable: that is between a client
 * and itself.
 *
 * IOMMU_IOAS_MAP_FILE does not look at how a memfd is open, nor at its seals against
 * writing, before a device may write it (type1 gets an mmap, which does): without the
 * check here a client could have the device write into what it was sent to read, the
 * owner's control page for one. VM suite `client` tries all of this.
 */
int vsf_memfd_check(const struct vfiosafe_memfd *memfd, uint64_t offset, uint64_t len,
		    uint32_t prot);

#endif

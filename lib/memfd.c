/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <vfiosafe/dma.h>

#include "error.h"
#include "memfd.h"

#define SEALS_OF_READERS (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)

static int check_mode(const struct vfiosafe_memfd *memfd, uint32_t prot)
{
	if ((prot & VFIOSAFE_DMA_WRITE) &&
	    (memfd->mode != O_RDWR || (memfd->seals & SEALS_OF_READERS)))
		return vsf_fail(EACCES, "the memfd is sealed against writing, or not open for it; "
					"see opts.prot");
	if (memfd->mode == O_WRONLY)
		return vsf_fail(EACCES, "the memfd is not open for reading");
	return 0;
}

int vsf_memfd_check(const struct vfiosafe_memfd *memfd, uint64_t offset, uint64_t len,
		    uint32_t prot)
{
	typedef unsigned long long ull;

	if (!(memfd->seals & F_SEAL_SHRINK))
		return vsf_fail(EINVAL, "the memfd can shrink under the DMA: seal it with "
					"F_SEAL_SHRINK");
	if (len == 0 || ((offset | len) & (memfd->page - 1)))
		return vsf_fail(EINVAL, "0x%llx + 0x%llx is not whole pages of 0x%llx",
				(ull)offset, (ull)len, (ull)memfd->page);
	if (offset > memfd->len || len > memfd->len - offset)
		return vsf_fail(EINVAL, "0x%llx + 0x%llx ends beyond the 0x%llx bytes of the memfd",
				(ull)offset, (ull)len, (ull)memfd->len);
	return check_mode(memfd, prot);
}

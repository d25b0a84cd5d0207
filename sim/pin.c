/* SPDX-License-Identifier: MIT */
/*
 * pin.c - memory that is to be mapped for DMA has to be there. It is not pinned:
 * a program that unmaps it first sees DMA faults.
 */
#include <errno.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>
#include "dmabuf.h"
#include "iommu.h"

/* Kernels before 5.14 cannot be asked; they say so in the same way as a refusal. */
static bool can_populate(void)
{
	static char here;
	uintptr_t page = (uintptr_t)&here & ~(uintptr_t)(VSIM_PAGE - 1);

	return madvise((void *)page, VSIM_PAGE, MADV_POPULATE_READ) == 0;
}

static bool is_readable(uint8_t *addr)
{
	char byte;
	struct iovec remote = { addr, 1 };
	struct iovec local = { &byte, 1 };

	return process_vm_readv(getpid(), &local, 1, &remote, 1, 0) == 1;
}

/* A BAR is no memory, even if it can be reached as such here. */
int vsim_dma_pin(const struct vsim_dma *dma)
{
	uintptr_t start = (uintptr_t)dma->addr;
	int advice =
		dma->prot & VSIM_DMA_WRITE ? MADV_POPULATE_WRITE : MADV_POPULATE_READ;
	uintptr_t page = start & ~(uintptr_t)(VSIM_PAGE - 1);

	if (vsim_peer_mapped(start, start + dma->len))
		return -EFAULT;
	if (madvise((void *)page, start - page + dma->len, advice) == 0)
		return 0;
	if (errno == EINVAL && !can_populate())
		return is_readable(dma->addr) && is_readable(dma->addr + dma->len - 1)
			       ? 0
			       : -EFAULT;
	return errno == EAGAIN || errno == EINTR || errno == EHWPOISON ? -errno : -EFAULT;
}

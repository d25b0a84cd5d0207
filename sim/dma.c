/* SPDX-License-Identifier: MIT */
/*
 * dma.c - the device reads and writes memory.
 *
 * The kernel copies for us, so that memory that the program has unmapped meanwhile
 * is an error and no crash (a real device would reach the pages that were pinned),
 * and a thread sanitizer does not see the device.
 */
#include <errno.h>
#include <sys/uio.h>
#include <unistd.h>
#include "dmabuf.h"
#include "internal.h"

static const struct vsim_map *find(const struct vfiosafe_sim *sim, uint64_t iova)
{
	const struct vsim_map *map = sim->ioas ? sim->ioas->maps : NULL;

	while (map && map->last < iova)
		map = map->next;
	return map && map->iova <= iova ? map : NULL;
}

static bool copy(uint8_t *memory, void *buf, size_t len, bool write)
{
	struct iovec remote = { memory, len };
	struct iovec local = { buf, len };
	ssize_t n;

	if (write)
		n = process_vm_writev(getpid(), &local, 1, &remote, 1, 0);
	else
		n = process_vm_readv(getpid(), &local, 1, &remote, 1, 0);
	return n == (ssize_t)len;
}

/* One piece, inside one range; 0: the IOMMU, or the memory, refused. */
static size_t piece(struct vfiosafe_sim *sim, uint64_t iova, uint8_t *buf, size_t len,
		    bool write)
{
	const struct vsim_map *map = find(sim, iova);
	uint32_t wanted = write ? VSIM_DMA_WRITE : VSIM_DMA_READ;
	uint8_t *memory;

	if (!map || !(map->prot & wanted))
		return 0;
	if (len > map->last - iova + 1)
		len = (size_t)(map->last - iova + 1);
	if (map->peer)
		return vsim_peer_copy(map, iova - map->iova, buf, len, write) ? len : 0;
	memory = map->addr + (iova - map->iova);
	/* A mapping of the BAR may stall, and we hold what would let it go on. */
	if (vsim_stall_covers(&sim->stall, memory, len))
		return 0;
	return copy(memory, buf, len, write) ? len : 0;
}

static int transfer(struct vfiosafe_sim *sim, uint64_t iova, uint8_t *buf, size_t len,
		    bool write)
{
	if (!vsim_bus_master(sim)) {
		sim->counts.dma_blocked++;
		return -EFAULT;
	}
	for (size_t done = 0, n; done < len; done += n) {
		n = piece(sim, iova + done, buf + done, len - done, write);
		if (n == 0) {
			sim->counts.dma_faults++;
			return -EFAULT;
		}
	}
	sim->counts.dma++;
	/* What was written is there before what is written next, or is signalled. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return 0;
}

int vsim_dma_read(struct vfiosafe_sim *sim, uint64_t iova, void *buf, size_t len)
{
	return transfer(sim, iova, buf, len, false);
}

int vsim_dma_write(struct vfiosafe_sim *sim, uint64_t iova, const void *buf, size_t len)
{
	union {
		const void *from;
		void *buf;
	} any = { .from = buf };

	return transfer(sim, iova, any.buf, len, true);
}

/* SPDX-License-Identifier: MIT */
/*
 * peer.c - BARs of simulated devices in address spaces, and what DMA does to them.
 *
 * iommufd knows a dma-buf, and loses it when that is revoked. A type1 knows pages, and
 * nothing of resets: DMA goes on to a device that does not answer.
 */
#include <errno.h>
#include <linux/dma-buf.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "dmabuf.h"
#include "internal.h"
#include "memory.h"
#include "peers.h"

static struct vsim_dmabuf *find(int fd)
{
	struct vsim_dmabuf *buf = vsim_peers.bufs;
	struct stat st;

	if (fstat(fd, &st) < 0)
		return NULL;
	while (buf && !vsim_dmabuf_is(buf, fd, &st))
		buf = buf->next;
	return buf;
}

static int check(const struct vsim_dmabuf *buf, uint64_t start, uint64_t len)
{
	if (buf->count != 1)
		return -EOPNOTSUPP;
	if (start > buf->len || len > buf->len - start)
		return -EINVAL;
	return buf->revoked ? -ENODEV : 0;
}

int vsim_peer_file(int fd, uint64_t start, struct vsim_dma *dma)
{
	struct vsim_dmabuf *buf;
	int rc = 0;

	pthread_mutex_lock(&vsim_peers.lock);
	buf = find(fd);
	if (buf)
		rc = check(buf, start, dma->len);
	if (buf && rc == 0) {
		buf->maps++;
		buf->alive++;
		dma->peer = buf;
		dma->peer_at = start;
		dma->peer_epoch = buf->epoch;
		rc = 1;
	}
	pthread_mutex_unlock(&vsim_peers.lock);
	return rc;
}

/* With sim->lock: waits for the end of a reset, as the fault of such an address. */
static int use_pages(struct vfiosafe_sim *sim, unsigned int bar, uint64_t offset,
		     struct vsim_dma *dma)
{
	struct vsim_dmabuf *buf;

	while (sim->memory_locked)
		pthread_cond_wait(&sim->changed, &sim->lock);
	if (!vsim_config_memory_on(sim) || sim->low_power)
		return -EFAULT;
	buf = calloc(1, sizeof(*buf) + sizeof(buf->part[0]));
	if (!buf)
		return -ENOMEM;
	*buf = (struct vsim_dmabuf){ .sim = sim,
				     .bar = bar,
				     .base = -1,
				     .maps = 1,
				     .alive = 1,
				     .pages = true,
				     .len = dma->len,
				     .count = 1 };
	buf->part[0] = (struct vsim_part){ offset, dma->len };
	dma->peer = buf;
	pthread_mutex_lock(&vsim_peers.lock);
	buf->next = vsim_peers.bufs;
	vsim_peers.bufs = buf;
	pthread_mutex_unlock(&vsim_peers.lock);
	return 1;
}

/* The device stays: somebody has its BAR mapped. */
int vsim_peer_pages(struct vsim_dma *dma)
{
	uintptr_t from = (uintptr_t)dma->addr, to = from + dma->len;
	struct vfiosafe_sim *sim;
	unsigned int bar = 0;
	uint64_t offset = 0;
	int rc;

	pthread_mutex_lock(&vsim_peers.lock);
	sim = vsim_peers.sims;
	while (sim && !vsim_bar_at(sim, from, to, &bar, &offset))
		sim = sim->next_peer;
	pthread_mutex_unlock(&vsim_peers.lock);
	if (!sim)
		return 0;
	pthread_mutex_lock(&sim->lock);
	rc = use_pages(sim, bar, offset, dma);
	pthread_mutex_unlock(&sim->lock);
	return rc;
}

bool vsim_peer_mapped(uintptr_t from, uintptr_t to)
{
	struct vfiosafe_sim *sim;

	pthread_mutex_lock(&vsim_peers.lock);
	sim = vsim_peers.sims;
	while (sim && !vsim_bars_mapped(sim, from, to))
		sim = sim->next_peer;
	pthread_mutex_unlock(&vsim_peers.lock);
	return sim;
}

void vsim_peer_put(struct vsim_dmabuf *buf, uint64_t epoch)
{
	struct vsim_dmabuf **at = &vsim_peers.bufs;

	pthread_mutex_lock(&vsim_peers.lock);
	buf->alive -= epoch == buf->epoch;
	if (--buf->maps == 0 && buf->base < 0) {
		while (*at != buf)
			at = &(*at)->next;
		*at = buf->next;
		free(buf);
	}
	pthread_mutex_unlock(&vsim_peers.lock);
}

/* The widest access that is aligned at @at and fits, as a device would make it. */
static unsigned int width_at(uint64_t at, size_t left)
{
	unsigned int width = 8;

	while (width > left || at % width)
		width /= 2;
	return width;
}

static VSIM_BULK void copy_bar(uint8_t *bar, uint64_t at, uint8_t *buf, size_t len,
			       bool write)
{
	for (size_t done = 0; done < len;) {
		unsigned int width = width_at(at + done, len - done);
		uint64_t value = 0;

		if (write) {
			memcpy(&value, buf + done, width);
			vsim_store(bar + at + done, width, value);
		} else {
			value = vsim_load(bar + at + done, width);
			memcpy(buf + done, &value, width);
		}
		done += width;
	}
}

/* Where nobody answers, loads give ones and stores vanish: no error of the IOMMU's. */
static void copy(const struct vsim_dmabuf *buf, uint64_t at, uint8_t *data, size_t len,
		 bool write)
{
	const struct vsim_bar *bar = buf->sim ? &buf->sim->bar[buf->bar] : NULL;

	if (bar && bar->mem == bar->mapped)
		copy_bar(bar->mapped, buf->part[0].offset + at, data, len, write);
	else if (!write)
		memset(data, 0xff, len);
}

bool vsim_peer_copy(const struct vsim_map *map, uint64_t at, uint8_t *buf, size_t len,
		    bool write)
{
	const struct vsim_dmabuf *peer = map->peer;
	bool alive;

	pthread_mutex_lock(&vsim_peers.lock);
	alive = peer->pages || (!peer->revoked && peer->epoch == map->peer_epoch);
	if (alive)
		copy(peer, map->peer_at + at, buf, len, write);
	pthread_mutex_unlock(&vsim_peers.lock);
	return alive;
}

static bool is_one(int fd)
{
	bool found;

	if (__atomic_load_n(&vsim_peers.files, __ATOMIC_RELAXED) == 0)
		return false;
	pthread_mutex_lock(&vsim_peers.lock);
	found = find(fd);
	pthread_mutex_unlock(&vsim_peers.lock);
	return found;
}

int vsim_peer_ioctl(struct vfiosafe_sim *sim, int fd, unsigned long request, void *arg)
{
	const struct dma_buf_sync *sync = arg;

	if (request != DMA_BUF_IOCTL_SYNC || getpid() != sim->pid || !is_one(fd))
		return -ENOSYS;
	if (!sync)
		return -EFAULT;
	if (sync->flags & ~(uint64_t)DMA_BUF_SYNC_VALID_FLAGS_MASK ||
	    !(sync->flags & DMA_BUF_SYNC_RW))
		return -EINVAL;
	return 0;
}

/* What a mapping of @buf is one of: -EINVAL as where no dma-buf can be mapped. */
static int place(const struct vsim_dmabuf *buf, size_t len, uint64_t *offset)
{
	if (buf->count != 1 || *offset > buf->len || len > buf->len - *offset)
		return -EINVAL;
	*offset += buf->part[0].offset;
	return 1;
}

int vsim_peer_mmap(struct vfiosafe_sim *sim, int *fd, size_t len, uint64_t *offset)
{
	struct vsim_dmabuf *buf;
	int rc = 0;

	if (__atomic_load_n(&vsim_peers.files, __ATOMIC_RELAXED) == 0)
		return 0;
	pthread_mutex_lock(&vsim_peers.lock);
	buf = find(*fd);
	if (buf && !buf->sim)
		rc = -ENODEV;
	else if (buf && buf->sim == sim)
		rc = place(buf, len, offset);
	if (rc == 1)
		*fd = sim->bar[buf->bar].fd;
	pthread_mutex_unlock(&vsim_peers.lock);
	return rc;
}

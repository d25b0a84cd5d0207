/* SPDX-License-Identifier: MIT */
/*
 * dmabuf.c - all exports of this process: whose they are, and whether they may be used.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "dmabuf.h"
#include "internal.h"
#include "peers.h"

struct vsim_peers vsim_peers = { .lock = PTHREAD_MUTEX_INITIALIZER };

void vsim_peer_add(struct vfiosafe_sim *sim)
{
	pthread_mutex_lock(&vsim_peers.lock);
	sim->next_peer = vsim_peers.sims;
	vsim_peers.sims = sim;
	pthread_mutex_unlock(&vsim_peers.lock);
}

/* Does an open file other than that of @fd have the lock on the byte of @id? */
static bool is_held_elsewhere(int fd, uint64_t id)
{
	struct flock byte = {
		.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = (off_t)id, .l_len = 1
	};

	return fcntl(fd, F_OFD_GETLK, &byte) == 0 && byte.l_type != F_UNLCK;
}

bool vsim_dmabuf_is(const struct vsim_dmabuf *buf, int fd, const struct stat *st)
{
	return buf->base >= 0 && buf->ino == st->st_ino && buf->dev == st->st_dev &&
	       is_held_elsewhere(buf->base, buf->id) && !is_held_elsewhere(fd, buf->id);
}

/* With the lock of the list. */
static void reap(void)
{
	struct vsim_dmabuf **at = &vsim_peers.bufs;

	while (*at) {
		struct vsim_dmabuf *buf = *at;

		if (buf->base >= 0 && !is_held_elsewhere(buf->base, buf->id)) {
			close(buf->base);
			buf->base = -1;
			__atomic_sub_fetch(&vsim_peers.files, 1, __ATOMIC_RELAXED);
		}
		if (buf->base >= 0 || buf->maps > 0) {
			at = &buf->next;
			continue;
		}
		*at = buf->next;
		free(buf);
	}
}

/* Not worth the lock if there are none: who closes an fd has been told its number. */
void vsim_dmabufs_reap(void)
{
	if (__atomic_load_n(&vsim_peers.files, __ATOMIC_RELAXED) == 0)
		return;
	pthread_mutex_lock(&vsim_peers.lock);
	reap();
	pthread_mutex_unlock(&vsim_peers.lock);
}

/* With the lock of the list. */
static void take_from_all(struct vsim_dmabuf *buf)
{
	if (!buf->revoked) {
		buf->epoch++;
		buf->alive = 0;
	}
	buf->revoked = true;
}

void vsim_dmabufs_revoke(struct vfiosafe_sim *sim)
{
	pthread_mutex_lock(&vsim_peers.lock);
	for (struct vsim_dmabuf *buf = vsim_peers.bufs; buf; buf = buf->next)
		if (buf->sim == sim) {
			sim->counts.maps_left += buf->alive;
			if (!buf->pages)
				take_from_all(buf);
		}
	pthread_mutex_unlock(&vsim_peers.lock);
}

/* Low power does not matter here, as in the kernel. */
void vsim_dmabufs_allow(struct vfiosafe_sim *sim)
{
	if (!vsim_config_memory_on(sim))
		return;
	pthread_mutex_lock(&vsim_peers.lock);
	for (struct vsim_dmabuf *buf = vsim_peers.bufs; buf; buf = buf->next)
		if (buf->sim == sim)
			buf->revoked = false;
	pthread_mutex_unlock(&vsim_peers.lock);
}

static void end(struct vfiosafe_sim *sim, bool pages)
{
	for (struct vsim_dmabuf *buf = vsim_peers.bufs; buf; buf = buf->next) {
		if (buf->sim != sim || (buf->pages && !pages))
			continue;
		take_from_all(buf);
		buf->sim = NULL;
	}
	reap();
}

void vsim_dmabufs_end(struct vfiosafe_sim *sim)
{
	pthread_mutex_lock(&vsim_peers.lock);
	end(sim, false);
	pthread_mutex_unlock(&vsim_peers.lock);
}

void vsim_peer_remove(struct vfiosafe_sim *sim)
{
	struct vfiosafe_sim **at = &vsim_peers.sims;

	pthread_mutex_lock(&vsim_peers.lock);
	end(sim, true);
	while (*at && *at != sim)
		at = &(*at)->next_peer;
	if (*at)
		*at = sim->next_peer;
	pthread_mutex_unlock(&vsim_peers.lock);
}

/* The same file, opened once more: a lock belongs to that. */
static int open_again(int fd, uint32_t flags)
{
	char path[64];
	int again;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	again = open(path, (int)(flags & (O_ACCMODE | O_CLOEXEC | O_NONBLOCK)));
	return again < 0 ? -errno : again;
}

static int lock_byte(int fd, uint64_t id)
{
	struct flock byte = {
		.l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = (off_t)id, .l_len = 1
	};

	return fcntl(fd, F_OFD_SETLK, &byte) < 0 ? -errno : 0;
}

/* Offsets in the memory of the BAR are those in the buffer only from 0 on. */
static int base_of(const struct vfiosafe_sim *sim, const struct vsim_dmabuf *buf)
{
	return buf->count == 1 && buf->part[0].offset == 0 ? sim->bar[buf->bar].fd
							   : sim->unmappable[0];
}

/* Two of ours, one with the lock: that is the program's. */
static int open_files(struct vfiosafe_sim *sim, struct vsim_dmabuf *buf, uint32_t flags)
{
	int from = base_of(sim, buf);
	struct stat st;
	int fd, rc;

	buf->base = open_again(from, O_RDWR | O_CLOEXEC);
	if (buf->base < 0)
		return buf->base;
	fd = open_again(from, flags);
	rc = fd < 0 ? fd : lock_byte(fd, buf->id);
	if (rc == 0 && fstat(fd, &st) < 0)
		rc = -errno;
	if (rc < 0)
		goto err;
	buf->dev = st.st_dev;
	buf->ino = st.st_ino;
	return fd;
err:
	if (fd >= 0)
		close(fd);
	close(buf->base);
	return rc;
}

int vsim_dmabuf_add(struct vfiosafe_sim *sim, struct vsim_dmabuf *buf, uint32_t flags)
{
	int fd;

	pthread_mutex_lock(&vsim_peers.lock);
	reap();
	buf->sim = sim;
	buf->id = ++vsim_peers.last_id;
	buf->revoked = !vsim_config_memory_on(sim);
	fd = open_files(sim, buf, flags);
	if (fd >= 0) {
		buf->next = vsim_peers.bufs;
		vsim_peers.bufs = buf;
		__atomic_add_fetch(&vsim_peers.files, 1, __ATOMIC_RELAXED);
		sim->exported = true;
	}
	pthread_mutex_unlock(&vsim_peers.lock);
	return fd;
}

uint64_t vsim_dmabufs_of(const struct vfiosafe_sim *sim)
{
	uint64_t count = 0;

	pthread_mutex_lock(&vsim_peers.lock);
	reap();
	for (const struct vsim_dmabuf *buf = vsim_peers.bufs; buf; buf = buf->next)
		count += buf->sim == sim && !buf->pages;
	pthread_mutex_unlock(&vsim_peers.lock);
	return count;
}

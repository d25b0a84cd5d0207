/* SPDX-License-Identifier: MIT */
/* Exported parts of BARs, and who has to be told before they go. */
#ifndef VSF_DMABUF_H
#define VSF_DMABUF_H

#include <stdbool.h>
#include <stdint.h>
#include <vfiosafe/dmabuf.h>

struct vsf_run;

struct vsf_watch {
	struct vsf_watch *next;
	struct vfiosafe_dmabuf_watch_ops ops;
	void *ctx;
	bool away; /* before returned 0, after is owed */
};

/* A range, from the start of the BAR; and a dma-buf of it alone. */
struct vsf_dmabuf_part {
	struct vfiosafe_area area;
	int fd; /* -1: not made; iommufd takes one range at a time */
};

/*
 * Buffers come, go and get watches while who does that keeps windows out
 * (dev->configuring), under dev->lock. Who leads a window reads without; nobody else
 * changes @fd and those of the parts.
 */
struct vfiosafe_dmabuf {
	struct vfiosafe_dmabuf *next;
	struct vsf_watch *watches;
	int fd; /* of all ranges; -1 once revoked */
	bool renewed; /* in this window: another dma-buf under the same number */

	/* Constant. */
	struct vfiosafe_device *dev;
	uint32_t index; /* BAR */
	uint64_t len;

	/* Atomic. */
	uint32_t state;
	uint64_t generation;
	bool given; /* the fd was */

	uint32_t count;
	struct vsf_dmabuf_part part[];
};

static inline enum vfiosafe_dmabuf_state vsf_dmabuf_state(const struct vfiosafe_dmabuf *buf)
{
	return (enum vfiosafe_dmabuf_state)__atomic_load_n(&buf->state, __ATOMIC_ACQUIRE);
}

static inline void vsf_dmabuf_set_state(struct vfiosafe_dmabuf *buf,
					enum vfiosafe_dmabuf_state state)
{
	__atomic_store_n(&buf->state, state, __ATOMIC_RELEASE);
}

/* dmabuf_check.c: 0, or what is wrong with these ranges, in words. */
int vsf_dmabuf_check(const struct vfiosafe_bar *bar, const struct vfiosafe_area *ranges,
		     uint32_t n, uint32_t flags);

/* dmabuf_kernel.c: all -errno with a text. Fills buf->fd. */
int vsf_dmabuf_ask(struct vfiosafe_dmabuf *buf);
/* A dma-buf of each range. */
int vsf_dmabuf_split(struct vfiosafe_dmabuf *buf);
/* Of the i-th range. */
int vsf_dmabuf_part_fd(const struct vfiosafe_dmabuf *buf, uint32_t i);
/* The old ones are dead: new ones, under the same numbers. */
int vsf_dmabuf_renew(struct vfiosafe_dmabuf *buf);
void vsf_dmabuf_close_fds(struct vfiosafe_dmabuf *buf);

/* dmabuf.c: 0; -ENODEV, -ESTALE with a text if @buf is dead. */
int vsf_dmabuf_refuse(const struct vfiosafe_dmabuf *buf);
/* Keeps windows out; -errno if one is open, or in a section or callback. */
int vsf_dmabuf_hold(struct vfiosafe_device *dev, const char *call);
void vsf_dmabuf_let_go(struct vfiosafe_device *dev);
/* At the end of a device. */
void vsf_dmabufs_free(struct vfiosafe_device *dev);

/* dmabuf_watch.c: 0, or the veto, with a text; *@late: it returned after the deadline. */
int vsf_watches_before(struct vfiosafe_dmabuf *buf, int64_t deadline, bool *late);
void vsf_watches_after(struct vfiosafe_dmabuf *buf, int result);
/* The buffer goes for good; no veto. @result is told, and the watches end. */
void vsf_watches_end(struct vfiosafe_dmabuf *buf, int64_t deadline, int result);
void vsf_watches_free(struct vfiosafe_dmabuf *buf);

/*
 * dmabuf_window.c: before the kernel takes the memory of @run's device away: watches
 * and importers stop, maps go. Fails with the window ended.
 */
int vsf_dmabuf_before(struct vsf_run *run);
/*
 * The memory is back: what was taken away comes back, importers start; so do this
 * device's own maps. -errno with a text: that failed; the window is still open.
 */
int vsf_dmabuf_after(const struct vsf_run *run);
/*
 * The device is GONE: its buffers die, those with watches only if it is @idle: in no
 * call. -ETIMEDOUT with a text: an importer is busy.
 */
int vsf_dmabuf_gone(struct vfiosafe_device *dev, int64_t deadline, bool idle);

#endif

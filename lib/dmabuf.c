/* SPDX-License-Identifier: MIT */
/* Buffers: made, looked at, given up. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "device.h"
#include "dmabuf.h"
#include "epoch.h"
#include "error.h"
#include "join.h"
#include "p2p.h"
#include "window.h"

typedef unsigned long long ull;

int vsf_dmabuf_refuse(const struct vfiosafe_dmabuf *buf)
{
	if (vsf_device_state(buf->dev) == VFIOSAFE_GONE)
		return vsf_state_error(0, 0);
	if (vsf_dmabuf_state(buf) == VFIOSAFE_DMABUF_DEAD)
		return vsf_fail(ESTALE, "the buffer of BAR %u of %s was revoked", buf->index,
				buf->dev->address);
	return 0;
}

int vsf_dmabuf_hold(struct vfiosafe_device *dev, const char *call)
{
	int rc;

	if (vsf_words_forked(dev->words))
		return vsf_state_error(0, 0);
	rc = vsf_refuse_inside(dev, call);
	if (rc < 0)
		return rc;
	vsf_count_inside(dev, 1);
	rc = vsf_windows_hold(dev, false);
	if (rc < 0) {
		rc = vsf_state_error(vsf_device_word(dev), vsf_gate_word(dev));
		if (rc == 0 || rc == -EIO)
			rc = vsf_fail(EAGAIN, "%s: a window is open; vfiosafe_wait() sleeps "
					      "until it is over",
				      dev->address);
	} else if (vsf_device_state(dev) == VFIOSAFE_GONE) {
		vsf_windows_let(dev);
		rc = vsf_state_error(0, 0);
	}
	if (rc < 0)
		vsf_count_inside(dev, -1);
	return rc;
}

void vsf_dmabuf_let_go(struct vfiosafe_device *dev)
{
	vsf_windows_let(dev);
	vsf_count_inside(dev, -1);
}

static struct vfiosafe_dmabuf *buf_new(const struct vfiosafe_bar *bar,
				       const struct vfiosafe_area *ranges, uint32_t n)
{
	uint64_t start = bar->fd_offset - bar->dev->region[bar->index].fd_offset;
	struct vfiosafe_dmabuf *buf = calloc(1, sizeof(*buf) + n * sizeof(buf->part[0]));

	if (!buf) {
		vsf_fail(ENOMEM, "out of memory");
		return NULL;
	}
	buf->dev = bar->dev;
	buf->fd = -1;
	buf->index = bar->index;
	buf->count = n;
	for (uint32_t i = 0; i < n; i++) {
		buf->part[i].area.offset = start + ranges[i].offset;
		buf->part[i].area.len = ranges[i].len;
		buf->part[i].fd = -1;
		buf->len += ranges[i].len;
	}
	buf->state = VFIOSAFE_DMABUF_OK;
	buf->generation = vsf_word_generation(vsf_device_word(bar->dev));
	return buf;
}

/* Behind the others. */
static void link_buf(struct vfiosafe_dmabuf *buf)
{
	struct vfiosafe_dmabuf **at = &buf->dev->dmabufs;

	pthread_mutex_lock(&buf->dev->lock);
	while (*at)
		at = &(*at)->next;
	*at = buf;
	pthread_mutex_unlock(&buf->dev->lock);
}

static void unlink_buf(struct vfiosafe_dmabuf *buf)
{
	struct vfiosafe_dmabuf **at = &buf->dev->dmabufs;

	pthread_mutex_lock(&buf->dev->lock);
	while (*at != buf)
		at = &(*at)->next;
	*at = buf->next;
	pthread_mutex_unlock(&buf->dev->lock);
}

static void buf_free(struct vfiosafe_dmabuf *buf)
{
	vsf_watches_free(buf);
	vsf_dmabuf_close_fds(buf);
	free(buf);
}

static int export(struct vfiosafe_dmabuf **out, const struct vfiosafe_bar *bar,
		  const struct vfiosafe_area *ranges, uint32_t n)
{
	struct vfiosafe_device *dev = bar->dev;
	struct vfiosafe_dmabuf *buf;
	int rc = vsf_state_error(vsf_device_word(dev), vsf_gate_word(dev));

	if (rc < 0)
		return rc;
	buf = buf_new(bar, ranges, n);
	if (!buf)
		return -ENOMEM;
	rc = vsf_dmabuf_ask(buf);
	if (rc < 0) {
		free(buf);
		return rc;
	}
	link_buf(buf);
	*out = buf;
	return 0;
}

VFIOSAFE_API int vfiosafe_dmabuf_export(struct vfiosafe_dmabuf **out,
					struct vfiosafe_bar *bar,
					const struct vfiosafe_area *ranges, uint32_t n,
					uint32_t flags)
{
	struct vfiosafe_device *dev = bar->dev;
	int rc = vsf_join_refuse(dev, "vfiosafe_dmabuf_export");

	if (rc == 0)
		rc = vsf_dmabuf_check(bar, ranges, n, flags);
	if (rc == 0)
		rc = vsf_dmabuf_hold(dev, "vfiosafe_dmabuf_export");
	if (rc < 0)
		return rc;
	rc = export(out, bar, ranges, n);
	vsf_dmabuf_let_go(dev);
	return rc;
}

VFIOSAFE_API int vfiosafe_dmabuf_free(struct vfiosafe_dmabuf *buf)
{
	struct vfiosafe_device *dev;
	int rc;

	if (!buf)
		return 0;
	dev = buf->dev;
	rc = vsf_dmabuf_hold(dev, "vfiosafe_dmabuf_free");
	if (rc < 0)
		return rc;
	rc = vsf_p2p_refuse_free(buf);
	if (rc == 0) {
		unlink_buf(buf);
		buf_free(buf);
	}
	vsf_dmabuf_let_go(dev);
	return rc;
}

void vsf_dmabufs_free(struct vfiosafe_device *dev)
{
	while (dev->dmabufs) {
		struct vfiosafe_dmabuf *buf = dev->dmabufs;

		dev->dmabufs = buf->next;
		buf_free(buf);
	}
}

VFIOSAFE_API int vfiosafe_dmabuf_fd(struct vfiosafe_dmabuf *buf)
{
	int rc = vsf_dmabuf_refuse(buf);

	if (rc < 0)
		return rc;
	__atomic_store_n(&buf->given, true, __ATOMIC_RELEASE);
	return __atomic_load_n(&buf->fd, __ATOMIC_ACQUIRE);
}

VFIOSAFE_API uint64_t vfiosafe_dmabuf_len(const struct vfiosafe_dmabuf *buf)
{
	return buf->len;
}

VFIOSAFE_API enum vfiosafe_dmabuf_state
vfiosafe_dmabuf_state(const struct vfiosafe_dmabuf *buf, uint64_t *generation)
{
	if (generation)
		*generation = __atomic_load_n(&buf->generation, __ATOMIC_ACQUIRE);
	return vsf_device_state(buf->dev) == VFIOSAFE_GONE ? VFIOSAFE_DMABUF_DEAD
							  : vsf_dmabuf_state(buf);
}

VFIOSAFE_API unsigned int vfiosafe_dmabuf_list(struct vfiosafe_device *dev,
					       struct vfiosafe_dmabuf **bufs,
					       unsigned int room)
{
	unsigned int n = 0;

	if (vsf_words_forked(dev->words))
		return 0;
	pthread_mutex_lock(&dev->lock);
	for (struct vfiosafe_dmabuf *buf = dev->dmabufs; buf; buf = buf->next, n++)
		if (n < room)
			bufs[n] = buf;
	pthread_mutex_unlock(&dev->lock);
	return n;
}

static int check_mmap(const struct vfiosafe_dmabuf *buf, uint64_t offset, uint64_t len)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	int rc = vsf_dmabuf_refuse(buf);

	if (rc < 0)
		return rc;
	if (vsf_depth() > 0)
		return vsf_fail(EDEADLK, "vfiosafe_dmabuf_mmap inside a section");
	if (len == 0 || (offset | len) & (page - 1))
		return vsf_fail(EINVAL, "0x%llx + 0x%llx is not whole pages", (ull)offset,
				(ull)len);
	if (offset >= buf->len || len > buf->len - offset)
		return vsf_fail(ERANGE, "0x%llx + 0x%llx is beyond the buffer, which has "
					"0x%llx bytes",
				(ull)offset, (ull)len, (ull)buf->len);
	return 0;
}

VFIOSAFE_API int vfiosafe_dmabuf_mmap(struct vfiosafe_dmabuf *buf, uint64_t offset,
				      uint64_t len, void **address)
{
	const struct vfiosafe_sys *sys = buf->dev->sys;
	void *at = NULL;
	int rc = check_mmap(buf, offset, len);

	if (rc < 0)
		return rc;
	rc = vsf_sys(sys, mmap, &at, len, PROT_READ | PROT_WRITE, MAP_SHARED, buf->fd, offset);
	if (rc == -EINVAL || rc == -ENODEV || rc == -ENOTTY || rc == -EOPNOTSUPP)
		return vsf_fail(EOPNOTSUPP, "this kernel does not map a dma-buf of a BAR into "
					    "a process (%s); vfiosafe_bar_map() maps the BAR",
				strerror(-rc));
	if (rc < 0)
		return vsf_fail(-rc, "mapping the dma-buf failed: %s", strerror(-rc));
	rc = vsf_sys(sys, madvise, at, len, MADV_DONTFORK);
	if (rc < 0) {
		vsf_sys(sys, munmap, at, len);
		return vsf_fail(-rc, "MADV_DONTFORK failed: %s", strerror(-rc));
	}
	*address = at;
	return 0;
}

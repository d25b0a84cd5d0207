/* SPDX-License-Identifier: MIT */
/*
 * dma-bufs: of BARs, as vfio-pci exports them, revoked and given back with the memory
 * decode; and of something else, as a heap makes them.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fake_parts.h"
#include "uapi.h"

static struct fake_dmabuf *buf_new(struct fake *fake)
{
	struct fake_dmabuf *buf = fake->buf;

	while (buf->used)
		buf++;
	*buf = (struct fake_dmabuf){ .used = true, .memfd = -1 };
	return buf;
}

static int fd_of(struct fake *fake, struct fake_dmabuf *buf)
{
	struct fake_file *file = fake_file_new(fake, FAKE_DMABUF);

	file->buf = buf;
	return fake_fd_new(fake, file);
}

void fake_dmabuf_release(struct fake_dmabuf *buf)
{
	if (buf->memfd >= 0)
		close(buf->memfd);
	buf->used = false;
}

/* What VFIO believes: memory decode on, and not in D3hot. */
static bool memory_enabled(const struct fake_function *fn)
{
	return (fake_command(fn) & 2) && (fn->config[FAKE_PMCSR] & 3) != 3;
}

static int check_ranges(const struct fake_bar *bar, struct fake_dmabuf *buf)
{
	for (uint32_t i = 0; i < buf->count; i++) {
		const struct fake_iova *range = &buf->range[i];

		if (range->last == 0 || (range->start | range->last) % FAKE_PAGE ||
		    range->start + range->last > bar->len)
			return -EINVAL;
		buf->len += range->last;
	}
	return 0;
}

/* As the kernel checks it, in its order. */
static int check(const struct fake_function *fn, const struct vfio_device_feature *head,
		 struct vfio_device_feature_dma_buf *body, struct fake_dmabuf *buf)
{
	const struct fake_bar *bar;

	if (fn->no_dmabuf)
		return -ENOTTY;
	if (!(head->flags & VFIO_DEVICE_FEATURE_GET) ||
	    head->argsz < sizeof(*head) + sizeof(*body))
		return -EINVAL;
	memcpy(body, head->data, sizeof(*body));
	if (body->nr_ranges == 0 || body->flags || body->nr_ranges > FAKE_BUF_RANGES)
		return -EINVAL;
	if (body->region_index >= FAKE_BARS)
		return -ENODEV;
	bar = &fn->bar[body->region_index];
	if (bar->len == 0)
		return -ENODEV;
	if (bar->io_port || bar->no_mmap)
		return -EINVAL;
	buf->index = body->region_index;
	buf->count = body->nr_ranges;
	memcpy(buf->range, head->data + sizeof(*body),
	       body->nr_ranges * sizeof(buf->range[0]));
	return check_ranges(bar, buf);
}

int fake_dmabuf_export(struct fake *fake, struct fake_function *fn,
		       const struct vfio_device_feature *head)
{
	struct fake_dmabuf asked = { .used = true, .memfd = -1 };
	struct vfio_device_feature_dma_buf body;
	struct fake_dmabuf *buf;
	int rc = check(fn, head, &body, &asked);

	if (rc < 0)
		return rc;
	fake_log_locked(fake, "EXPORT");
	buf = buf_new(fake);
	*buf = asked;
	buf->fn = fn;
	buf->open_flags = body.open_flags;
	buf->revoked = !memory_enabled(fn);
	return fd_of(fake, buf);
}

int fake_heap_fd(struct fake *fake, uint64_t len)
{
	struct fake_dmabuf *buf = buf_new(fake);

	buf->len = len;
	buf->memfd = memfd_create("fake-heap", MFD_CLOEXEC);
	if (buf->memfd < 0 || ftruncate(buf->memfd, (off_t)len) < 0)
		return -ENOMEM;
	return fd_of(fake, buf);
}

/* iommufd's mapping of it becomes a hole, for good; type1's stays, into whatever. */
static void cut_importers(struct fake *fake, const struct fake_function *fn)
{
	for (int i = 0; i < FAKE_DMAS; i++) {
		struct fake_dma *dma = &fake->iommu.dma[i];

		if (!dma->file || dma->fn != fn || dma->hole)
			continue;
		fake->cut++;
		if (dma->buf)
			dma->hole = true;
		else
			fake->misuse = "type1 maps a BAR that goes away";
	}
}

void fake_dmabuf_revoke(struct fake *fake, struct fake_function *fn)
{
	for (int i = 0; i < FAKE_BUFS; i++) {
		struct fake_dmabuf *buf = &fake->buf[i];

		if (buf->used && buf->fn == fn) {
			buf->revoked = true;
			buf->dead = buf->dead || fn->dmabufs_die;
		}
	}
	cut_importers(fake, fn);
}

void fake_dmabuf_unrevoke(struct fake *fake, const struct fake_function *fn)
{
	for (int i = 0; i < FAKE_BUFS; i++) {
		struct fake_dmabuf *buf = &fake->buf[i];

		if (buf->used && buf->fn == fn && memory_enabled(fn))
			buf->revoked = buf->dead;
	}
}

void fake_dmabuf_last_close(struct fake *fake, struct fake_function *fn)
{
	fake_dmabuf_revoke(fake, fn);
	for (int i = 0; i < FAKE_BUFS; i++)
		if (fake->buf[i].used && fake->buf[i].fn == fn)
			fake->buf[i].dead = true;
}

int fake_dmabuf_map(const struct fake_dmabuf *buf, struct fake_dma *dma)
{
	if (buf->fn && buf->revoked)
		return -ENODEV;
	if (!buf->fn || buf->count != 1)
		return -EOPNOTSUPP;
	if (dma->offset + dma->len > buf->len)
		return -EINVAL;
	dma->fn = buf->fn;
	dma->bar_at = FAKE_REGION(buf->index) + buf->range[0].start + dma->offset;
	return 0;
}

int fake_dmabuf_mmap(const struct fake *fake, const struct fake_dmabuf *buf, size_t len,
		     int *fd, uint64_t *offset)
{
	if (!buf->fn) {
		*fd = buf->memfd;
		return *offset + len <= buf->len ? 0 : -EINVAL;
	}
	if (!fake->dmabuf_mmap || buf->count != 1)
		return -EINVAL;
	*fd = buf->fn->memfd;
	*offset += buf->index * FAKE_BAR_MAX + buf->range[0].start;
	return 0;
}

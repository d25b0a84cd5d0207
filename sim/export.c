/* SPDX-License-Identifier: MIT */
/*
 * export.c - VFIO_DEVICE_FEATURE_DMA_BUF, by the rules of the kernel.
 */
#include <errno.h>
#include <uapi.h>
#include <stdlib.h>
#include <string.h>
#include "dmabuf.h"
#include "internal.h"

/* The order of the checks is the kernel's. */
static int check_head(const struct vfiosafe_sim *sim,
		      const struct vfio_device_feature_dma_buf *body)
{
	if (body->nr_ranges == 0 || body->flags)
		return -EINVAL;
	if (body->region_index >= VSIM_BARS ||
	    sim->model->bar[body->region_index].len == 0)
		return -ENODEV;
	return 0;
}

static int check_parts(const struct vfiosafe_sim *sim, struct vsim_dmabuf *buf)
{
	const struct vsim_bar_kind *kind = &sim->model->bar[buf->bar];

	for (uint32_t i = 0; i < buf->count; i++) {
		uint64_t offset = buf->part[i].offset, len = buf->part[i].len;

		if (len == 0 || (offset | len) % VSIM_PAGE)
			return -EINVAL;
		if (!kind->mappable || offset > kind->len || len > kind->len - offset)
			return -EINVAL;
		buf->len += len;
	}
	return 0;
}

/* As the kernel: the parts are read whatever argsz says. */
static struct vsim_dmabuf *copy_parts(const struct vfio_device_feature_dma_buf *body)
{
	size_t len = body->nr_ranges * sizeof(struct vsim_part);
	struct vsim_dmabuf *buf = calloc(1, sizeof(*buf) + len);

	_Static_assert(sizeof(struct vsim_part) == sizeof(struct vfio_region_dma_range),
		       "copied as they are");
	if (!buf)
		return NULL;
	buf->bar = body->region_index;
	buf->base = -1;
	buf->count = body->nr_ranges;
	memcpy(buf->part, body->dma_ranges, len);
	return buf;
}

/* Takes @buf over, or frees it. */
static int add(struct vfiosafe_sim *sim, struct vsim_dmabuf *buf, uint32_t flags)
{
	bool kept = false;
	int rc;

	pthread_mutex_lock(&sim->lock);
	rc = vsim_fail_once(sim, VFIOSAFE_SIM_CALL_EXPORT);
	while (rc == 0 && sim->memory_locked)
		pthread_cond_wait(&sim->changed, &sim->lock);
	if (rc == 0) {
		rc = vsim_dmabuf_add(sim, buf, flags);
		kept = rc >= 0;
	}
	pthread_mutex_unlock(&sim->lock);
	if (!kept)
		free(buf);
	return rc;
}

int vsim_export(struct vfiosafe_sim *sim, const struct vfio_device_feature *arg)
{
	const struct vfio_device_feature_dma_buf *body = (const void *)arg->data;
	struct vsim_dmabuf *buf;
	int rc;

	if (arg->argsz - sizeof(*arg) < sizeof(*body))
		return -EINVAL;
	rc = check_head(sim, body);
	if (rc < 0)
		return rc;
	buf = copy_parts(body);
	if (!buf)
		return -ENOMEM;
	rc = check_parts(sim, buf);
	if (rc == 0)
		return add(sim, buf, body->open_flags);
	free(buf);
	return rc;
}

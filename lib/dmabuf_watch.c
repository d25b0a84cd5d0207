/* SPDX-License-Identifier: MIT */
/* Importers that the library does not know: told before, told after. */
#include <errno.h>
#include <stdlib.h>

#include "device.h"
#include "dmabuf.h"
#include "error.h"
#include "log.h"
#include "p2p.h"
#include "window.h"

static struct vsf_watch **find(struct vfiosafe_dmabuf *buf, const void *ctx)
{
	struct vsf_watch **at = &buf->watches;

	while (*at && (*at)->ctx != ctx)
		at = &(*at)->next;
	return at;
}

/* With windows kept out. */
static int add(struct vfiosafe_dmabuf *buf, const struct vfiosafe_dmabuf_watch_ops *ops,
	       void *ctx)
{
	struct vfiosafe_device *dev = buf->dev;
	struct vsf_watch **at = find(buf, ctx), *watch;
	int rc = vsf_dmabuf_refuse(buf);

	if (rc == 0)
		rc = vsf_state_error(vsf_device_word(dev), vsf_gate_word(dev));
	if (rc < 0)
		return rc;
	if (*at)
		return vsf_fail(EEXIST, "this ctx watches the buffer already");
	watch = calloc(1, sizeof(*watch));
	if (!watch)
		return vsf_fail(ENOMEM, "out of memory");
	watch->ops = *ops;
	watch->ctx = ctx;
	pthread_mutex_lock(&dev->lock);
	*at = watch;
	pthread_mutex_unlock(&dev->lock);
	return 0;
}

VFIOSAFE_API int vfiosafe_dmabuf_watch(struct vfiosafe_dmabuf *buf,
				       const struct vfiosafe_dmabuf_watch_ops *ops, void *ctx)
{
	struct vfiosafe_dmabuf_watch_ops copy;
	int rc = vsf_copy_opts(&copy, sizeof(copy), ops, ops->size, "ops->size",
			       "struct vfiosafe_dmabuf_watch_ops");

	if (rc == 0)
		rc = vsf_dmabuf_hold(buf->dev, "vfiosafe_dmabuf_watch");
	if (rc < 0)
		return rc;
	rc = add(buf, &copy, ctx);
	vsf_dmabuf_let_go(buf->dev);
	return rc;
}

VFIOSAFE_API int vfiosafe_dmabuf_unwatch(struct vfiosafe_dmabuf *buf, void *ctx)
{
	struct vsf_watch **at, *watch;
	int rc = vsf_dmabuf_hold(buf->dev, "vfiosafe_dmabuf_unwatch");

	if (rc < 0)
		return rc;
	pthread_mutex_lock(&buf->dev->lock);
	at = find(buf, ctx);
	watch = *at;
	if (watch)
		*at = watch->next;
	pthread_mutex_unlock(&buf->dev->lock);
	if (!watch)
		rc = vsf_fail(ENOENT, "this ctx does not watch the buffer");
	free(watch);
	vsf_dmabuf_let_go(buf->dev);
	return rc;
}

/* As 0, or -errno; -ETIME if it was too late, though it has let go. */
static int call_before(struct vfiosafe_dmabuf *buf, struct vsf_watch *watch, int64_t deadline)
{
	struct vsf_callback_guard guard;
	int rc = 0;

	if (watch->away || !watch->ops.before) {
		watch->away = true;
		return 0;
	}
	if (vsf_callback_enter(&guard, buf->dev) < 0)
		return -ENOMEM;
	rc = watch->ops.before(buf, watch->ctx, deadline);
	vsf_callback_leave(&guard);
	watch->away = rc == 0;
	if (rc == 0 && vsf_now(buf->dev->sys) > deadline)
		return -ETIME;
	return rc > 0 ? -EINVAL : rc;
}

int vsf_watches_before(struct vfiosafe_dmabuf *buf, int64_t deadline, bool *late)
{
	int rc = 0;

	for (struct vsf_watch *watch = buf->watches; watch && rc == 0; watch = watch->next)
		rc = call_before(buf, watch, deadline);
	*late = rc == -ETIME;
	if (rc < 0)
		return vsf_fail(*late ? ETIMEDOUT : ECANCELED,
				*late ? "a watch of the buffer of BAR %u of %s returned after "
					"the deadline"
				      : "a watch of the buffer of BAR %u of %s vetoed (%d)",
				buf->index, buf->dev->address, rc);
	return 0;
}

static void call_after(struct vfiosafe_dmabuf *buf, struct vsf_watch *watch, int result)
{
	struct vsf_callback_guard guard;

	if (!watch->away)
		return;
	watch->away = false;
	if (!watch->ops.after || vsf_callback_enter(&guard, buf->dev) < 0)
		return;
	watch->ops.after(buf, watch->ctx, result);
	vsf_callback_leave(&guard);
}

void vsf_watches_after(struct vfiosafe_dmabuf *buf, int result)
{
	for (struct vsf_watch *watch = buf->watches; watch; watch = watch->next)
		call_after(buf, watch, result);
}

/* Ours alone, whoever looks meanwhile. */
static struct vsf_watch *take(struct vfiosafe_dmabuf *buf)
{
	struct vsf_watch *watch;

	pthread_mutex_lock(&buf->dev->lock);
	watch = buf->watches;
	if (watch)
		buf->watches = watch->next;
	pthread_mutex_unlock(&buf->dev->lock);
	return watch;
}

void vsf_watches_end(struct vfiosafe_dmabuf *buf, int64_t deadline, int result)
{
	struct vsf_watch *watch;

	while ((watch = take(buf))) {
		if (call_before(buf, watch, deadline) < 0)
			vsf_log(VFIOSAFE_LOG_WARN,
				"%s: a watch does not let go of the buffer of BAR %u, or does "
				"so late; it goes all the same",
				buf->dev->address, buf->index);
		call_after(buf, watch, result);
		free(watch);
	}
}

void vsf_watches_free(struct vfiosafe_dmabuf *buf)
{
	while (buf->watches) {
		struct vsf_watch *watch = buf->watches;

		buf->watches = watch->next;
		free(watch);
	}
}

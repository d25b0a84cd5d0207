/* SPDX-License-Identifier: MIT */
/* Running the driver's callbacks, and letting threads through beside them. */
#include <errno.h>
#include <string.h>

#include "device.h"
#include "epoch.h"
#include "error.h"
#include "join.h"
#include "window.h"

VFIOSAFE_API int vfiosafe_device_set_driver(struct vfiosafe_device *dev,
					    const struct vfiosafe_driver_ops *ops, void *ctx)
{
	struct vfiosafe_driver_ops copy = { 0 };
	int rc = vsf_refuse_inside(dev, "vfiosafe_device_set_driver");

	if (rc < 0)
		return rc;
	if (vsf_words_forked(dev->words))
		return vsf_state_error(0, 0);
	if (ops) {
		rc = vsf_copy_opts(&copy, sizeof(copy), ops, ops->size,
				   "ops->size", "struct vfiosafe_driver_ops");
		if (rc < 0)
			return rc;
	}
	pthread_mutex_lock(&dev->lock);
	if (dev->run || dev->peer || vsf_join_is_busy(dev)) {
		rc = -EBUSY;
	} else {
		dev->ops = copy;
		dev->ops_ctx = ctx;
	}
	pthread_mutex_unlock(&dev->lock);
	return rc < 0 ? vsf_fail(EBUSY, "%s: a window is open and may be running the "
					"callbacks",
				 dev->address)
		      : 0;
}

/* What a thread had before it was let through, to be given back. */
struct pass {
	const uint64_t *word;
	uint64_t value, gate;
};

static struct pass pass_enter(struct vsf_thread *self, const struct vfiosafe_device *dev,
			      uint64_t value)
{
	struct pass before = { self->pass_word, self->pass_value, self->pass_gate };

	self->pass_word = dev->word;
	self->pass_value = value;
	self->pass_gate = vsf_gate_word(dev);
	return before;
}

static void pass_leave(struct vsf_thread *self, struct pass before)
{
	self->pass_word = before.word;
	self->pass_value = before.value;
	self->pass_gate = before.gate;
}

static void set_callback_runs(struct vfiosafe_device *dev, bool runs, enum vsf_callback which)
{
	pthread_mutex_lock(&dev->lock);
	dev->callback_runs = runs;
	dev->ready_runs = runs && which == VSF_READY;
	pthread_mutex_unlock(&dev->lock);
}

/* ops is constant while a window is open: no lock needed to read it. */
static int call(struct vfiosafe_device *dev, enum vsf_callback which)
{
	switch (which) {
	case VSF_QUIESCE:
		return dev->ops.quiesce ? dev->ops.quiesce(dev, dev->ops_ctx) : 0;
	case VSF_RESUME:
		return dev->ops.resume ? dev->ops.resume(dev, dev->ops_ctx) : 0;
	case VSF_READY:
		return dev->ops.ready ? dev->ops.ready(dev, dev->ops_ctx) : 0;
	case VSF_REINIT:
		return dev->ops.reinit ? dev->ops.reinit(dev, dev->ops_ctx) : 0;
	}
	return 0;
}

int vsf_callback_under(struct vfiosafe_device *dev, enum vsf_callback which, uint64_t word,
		       int64_t deadline)
{
	struct vsf_thread *self;
	const uint64_t *leads;
	struct pass before;
	size_t depth;
	int rc = vsf_thread_get(&self);

	if (rc < 0)
		return rc;
	depth = vsf_depth();
	before = pass_enter(self, dev, word);
	leads = self->leads;
	/* In a client the word may move on under it: a callback it is all the same. */
	if (dev->join)
		self->leads = dev->word;
	set_callback_runs(dev, true, which);
	rc = call(dev, which);
	set_callback_runs(dev, false, which);
	self->leads = leads;
	pass_leave(self, before);
	if (vsf_depth() != depth)
		return vsf_fail(EINVAL, "a callback returned inside a section that it began");
	if (rc == 0 && vsf_now(dev->sys) > deadline)
		return -ETIME;
	return rc > 0 ? -EINVAL : rc;
}

int vsf_callback(struct vfiosafe_device *dev, enum vsf_callback which, int64_t deadline)
{
	return vsf_callback_under(dev, which, vsf_device_word(dev), deadline);
}

int vsf_callback_p2p(struct vfiosafe_device *dev, const struct vsf_p2p_call *call)
{
	int (*fn)(struct vfiosafe_device *dev, void *ctx, struct vfiosafe_p2p *map) =
		call->start ? dev->ops.p2p_start : dev->ops.p2p_stop;
	struct vsf_thread *self;
	const uint64_t *leads;
	struct pass before;
	size_t depth = vsf_depth();
	int rc = fn ? vsf_thread_get(&self) : 0;

	if (rc < 0 || !fn)
		return rc;
	before = pass_enter(self, dev, call->own ? vsf_device_word(dev) : VSF_PASS_NOTHING);
	leads = self->leads;
	self->leads = call->leads;
	if (call->own)
		set_callback_runs(dev, true, VSF_REINIT);
	rc = fn(dev, dev->ops_ctx, call->map);
	if (call->own)
		set_callback_runs(dev, false, VSF_REINIT);
	self->leads = leads;
	pass_leave(self, before);
	if (vsf_depth() != depth)
		return vsf_fail(EINVAL, "a callback returned inside a section that it began");
	if (rc == 0 && vsf_now(dev->sys) > call->deadline)
		return -ETIME;
	return rc > 0 ? -EINVAL : rc;
}

static int guard_enter(struct vsf_callback_guard *guard, const struct vfiosafe_device *dev,
		       uint64_t value)
{
	struct pass before;
	int rc = vsf_thread_get(&guard->self);

	if (rc < 0)
		return rc;
	before = pass_enter(guard->self, dev, value);
	guard->word = before.word;
	guard->value = before.value;
	guard->gate = before.gate;
	return 0;
}

int vsf_callback_enter(struct vsf_callback_guard *guard, struct vfiosafe_device *dev)
{
	return guard_enter(guard, dev, VSF_PASS_NOTHING);
}

int vsf_callback_beside(struct vsf_callback_guard *guard, struct vfiosafe_device *dev,
			uint64_t word)
{
	return guard_enter(guard, dev, word);
}

void vsf_callback_leave(const struct vsf_callback_guard *guard)
{
	pass_leave(guard->self, (struct pass){ guard->word, guard->value, guard->gate });
}

int vsf_callback_drain(struct vsf_run *run)
{
	struct vfiosafe_device *dev = run->dev;
	struct vsf_thread *self;
	struct pass before;
	int rc;

	if (!dev->drain)
		return 0;
	rc = vsf_thread_get(&self);
	if (rc < 0)
		return rc;
	before = pass_enter(self, dev, VSF_PASS_NOTHING);
	rc = dev->drain(dev->drain_ctx, run->id, run->deadline);
	pass_leave(self, before);
	return rc > 0 ? -EINVAL : rc;
}

void vsf_callback_lost(struct vfiosafe_device *dev, enum vfiosafe_cause cause)
{
	void (*lost)(struct vfiosafe_device *dev, void *ctx, enum vfiosafe_cause cause);
	struct vsf_thread *self;
	struct pass before;
	void *ctx;

	/* In a section no callback of ours may run: the driver sees FAULT at its end. */
	if (vsf_thread_get(&self) < 0 || vsf_depth() > 0)
		return;
	pthread_mutex_lock(&dev->lock);
	lost = dev->ops.lost;
	ctx = dev->ops_ctx;
	pthread_mutex_unlock(&dev->lock);
	if (!lost)
		return;
	before = pass_enter(self, dev, VSF_PASS_NOTHING);
	lost(dev, ctx, cause);
	pass_leave(self, before);
}

VFIOSAFE_API int vfiosafe_window_pass(struct vfiosafe_device *dev, bool admit)
{
	struct vsf_thread *self;
	bool runs;
	int rc = vsf_thread_get(&self);

	if (rc < 0)
		return vsf_fail(-rc, "no record for this thread: %s", strerror(-rc));
	if (vsf_depth() > 0)
		return vsf_fail(EDEADLK, "vfiosafe_window_pass inside a section");
	if (!admit) {
		self->pass_word = NULL;
		return 0;
	}
	pthread_mutex_lock(&dev->lock);
	runs = dev->callback_runs;
	if (runs)
		(void)pass_enter(self, dev, vsf_device_word(dev));
	pthread_mutex_unlock(&dev->lock);
	if (!runs)
		return vsf_fail(EINVAL, "%s: no callback runs, there is nothing to pass beside",
				dev->address);
	return 0;
}

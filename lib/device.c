/* SPDX-License-Identifier: MIT */
/* An open device: what it says of itself, and waiting for it. */
#include <errno.h>

#include "device.h"
#include "epoch.h"
#include "error.h"
#include "fault.h"
#include "join.h"
#include "window.h"

VFIOSAFE_API int64_t vfiosafe_deadline_in_ms(uint32_t ms)
{
	return vsf_deadline(vfiosafe_sys_default(), ms);
}

VFIOSAFE_API enum vfiosafe_state vfiosafe_device_state(const struct vfiosafe_device *dev)
{
	enum vfiosafe_state state = vsf_device_state(dev);

	if (dev->join)
		return vsf_join_state(dev);
	/* The handler closed the gate; the word follows at the next slow path. */
	return state == VFIOSAFE_LIVE && vsf_gate_state(dev) == VFIOSAFE_FAULT
		       ? VFIOSAFE_FAULT
		       : state;
}

VFIOSAFE_API uint64_t vfiosafe_device_generation(const struct vfiosafe_device *dev)
{
	return vsf_word_generation(vsf_device_word(dev));
}

VFIOSAFE_API enum vfiosafe_cause vfiosafe_device_cause(const struct vfiosafe_device *dev)
{
	/* As the state above: the handler tells nobody but the gate. */
	if (!dev->join && vsf_device_state(dev) == VFIOSAFE_LIVE &&
	    vsf_gate_state(dev) == VFIOSAFE_FAULT)
		return VFIOSAFE_CAUSE_FAULT;
	return __atomic_load_n(&dev->cause, __ATOMIC_RELAXED);
}

VFIOSAFE_API int vfiosafe_device_fd(const struct vfiosafe_device *dev)
{
	return dev->fd >= 0 ? dev->fd : vsf_join_refuse(dev, "vfiosafe_device_fd");
}

VFIOSAFE_API enum vfiosafe_door vfiosafe_device_door(const struct vfiosafe_device *dev)
{
	return dev->door;
}

VFIOSAFE_API const char *vfiosafe_device_address(const struct vfiosafe_device *dev)
{
	return dev->address;
}

VFIOSAFE_API bool vfiosafe_device_fenced(const struct vfiosafe_device *dev)
{
	return dev->fenced;
}

int vsf_refuse_inside(const struct vfiosafe_device *dev, const char *call)
{
	const struct vsf_thread *self = vsf_self;

	if (!self)
		return 0;
	if (vsf_depth() > 0)
		return vsf_fail(EDEADLK, "%s inside a section: it would wait for itself", call);
	/* A pass that was not given back ends with the state it was given for. */
	if (self->pass_word == dev->word &&
	    (self->pass_value == VSF_PASS_NOTHING ||
	     self->pass_value == vsf_device_word(dev)))
		return vsf_fail(EDEADLK, "%s inside a callback of %s's window", call,
				dev->address);
	if (self->leads == dev->word)
		return vsf_fail(EDEADLK, "%s inside a callback that %s waits for", call,
				dev->address);
	return 0;
}

uint32_t vsf_device_bell(const struct vfiosafe_device *dev)
{
	/* Before the words are looked at: a change in between ends the sleep. */
	return __atomic_load_n(&dev->words->bell, __ATOMIC_SEQ_CST);
}

int vsf_device_sleep(struct vfiosafe_device *dev, uint32_t *seen, int64_t deadline)
{
	int rc = vsf_sys(dev->sys, futex_wait, &dev->words->bell, *seen, deadline);

	*seen = vsf_device_bell(dev);
	return rc == -ETIMEDOUT ? rc : 0;
}

void vsf_count_inside(struct vfiosafe_device *dev, int by)
{
	pthread_mutex_lock(&dev->lock);
	dev->inside += (unsigned int)by;
	if (dev->inside == 0)
		vsf_words_ring(dev->words, dev->sys);
	pthread_mutex_unlock(&dev->lock);
}

/* recover_on_wait: the first that waits leads the window, the others join. */
static int recover_until(struct vfiosafe_device *dev, int64_t deadline)
{
	struct vfiosafe_reset_opts opts = { .size = sizeof(opts) };
	int64_t left = (deadline - vsf_now(dev->sys)) / 1000000;

	if (left <= 0)
		return vsf_fail(ETIMEDOUT, "%s is in FAULT, and no time is left to recover it",
				dev->address);
	opts.timeout_ms = left < UINT32_MAX ? (uint32_t)left : UINT32_MAX;
	return vfiosafe_recover(dev, &opts);
}

static int still_waiting(struct vfiosafe_device *dev)
{
	enum vsf_park park = vsf_parked(dev);

	if (park != VSF_AWAKE)
		return vsf_fail(ETIMEDOUT, "%s is parked: %s; that call undoes it, or a reset",
				dev->address, vsf_park_name(park));
	return vsf_fail(ETIMEDOUT, "%s is still in %s", dev->address,
			vfiosafe_state_name(vsf_device_state(dev)));
}

static int wait_live(struct vfiosafe_device *dev, int64_t deadline)
{
	uint32_t seen = vsf_device_bell(dev);
	int rc;

	for (;;) {
		uint64_t word, gate;

		vsf_fault_collect(dev);
		vsf_events_collect(dev);
		gate = __atomic_load_n(&dev->words->gate, __ATOMIC_ACQUIRE);
		word = vsf_device_word(dev);
		/* A gate that a fault has closed: the window that is open may open it. */
		if (vsf_word_state(gate) == VFIOSAFE_FAULT &&
		    vsf_word_state(word) != VFIOSAFE_LIVE && vsf_parked(dev) == VSF_AWAKE)
			gate = vsf_word(0, VFIOSAFE_LIVE);
		rc = vsf_state_error(word, gate);
		/* A device that was parked on purpose is left where it is. */
		if (rc == -EIO && dev->recover_on_wait && vsf_parked(dev) == VSF_AWAKE)
			rc = recover_until(dev, deadline);
		if (rc != -EAGAIN)
			return rc;
		rc = vsf_events_refuse(dev);
		if (rc < 0)
			return rc;
		if (vsf_device_sleep(dev, &seen, deadline) == -ETIMEDOUT)
			return still_waiting(dev);
	}
}

VFIOSAFE_API int vfiosafe_wait(struct vfiosafe_device *dev, int64_t deadline_ns)
{
	int rc = vsf_refuse_inside(dev, "vfiosafe_wait");

	if (rc < 0)
		return rc;
	if (vsf_words_forked(dev->words))
		return vsf_state_error(0, 0);
	vsf_count_inside(dev, 1);
	rc = dev->join ? vsf_join_wait(dev, deadline_ns) : wait_live(dev, deadline_ns);
	vsf_count_inside(dev, -1);
	return rc;
}

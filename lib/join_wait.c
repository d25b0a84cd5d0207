/* SPDX-License-Identifier: MIT */
/* Calls of a client that wait: they look after the owner's messages meanwhile. */
#include <errno.h>
#include <string.h>

#include "epoch.h"
#include "error.h"
#include "fault.h"
#include "join_inside.h"
#include "window.h"

/*
 * One thread at a time pumps: it sleeps on the fds, the others on the bell. Who changes
 * something rings the bell, and writes to wake_fd if somebody pumps: so that is read
 * after the own round, and before what is waited for is looked at.
 */
int vsf_join_wait_until(struct vfiosafe_device *dev, int64_t deadline, vsf_join_over is_over)
{
	struct vsf_join *join = dev->join;
	int rc, ready[2];

	for (;;) {
		uint32_t seen = vsf_device_bell(dev);
		bool pump = !__atomic_exchange_n(&join->pumping, true, __ATOMIC_SEQ_CST);
		int turn = pump ? vsf_join_round(dev) : -EAGAIN;
		uint64_t count;
		bool late;

		if (pump)
			(void)vsf_sys(dev->sys, event_read, join->wake_fd, &count);
		rc = is_over(dev);
		late = vsf_now(dev->sys) >= deadline;
		if (rc == -EAGAIN && !late && turn == -EAGAIN)
			(void)vsf_device_sleep(dev, &seen, deadline);
		else if (rc == -EAGAIN && !late)
			(void)vsf_sys(dev->sys, epoll_wait, join->wait_fd, ready, 2, deadline);
		if (pump) {
			__atomic_store_n(&join->pumping, false, __ATOMIC_SEQ_CST);
			vsf_words_ring(dev->words, dev->sys);
		}
		if (rc != -EAGAIN || late)
			return rc == -EAGAIN ? -ETIMEDOUT : rc;
	}
}

/* As an access would fare; a gate that a fault has closed may be opened by a window. */
int vsf_join_stands(const struct vfiosafe_device *dev)
{
	uint64_t word = vsf_device_word(dev), gate = vsf_gate_word(dev);
	bool back = __atomic_load_n(&dev->join->synced, __ATOMIC_ACQUIRE) ==
		    vsf_word_generation(word);
	int rc;

	if (vsf_word_state(gate) == VFIOSAFE_FAULT &&
	    (vsf_word_state(word) != VFIOSAFE_LIVE || !back))
		gate = vsf_word(0, VFIOSAFE_LIVE);
	rc = vsf_state_error(word, gate);
	return rc == 0 ? vsf_join_is_back(dev, word) : rc;
}

int vsf_join_wait(struct vfiosafe_device *dev, int64_t deadline)
{
	int rc = vsf_join_wait_until(dev, deadline, vsf_join_stands);

	if (rc != -ETIMEDOUT)
		return rc;
	return vsf_fail(ETIMEDOUT, "%s is still in %s", dev->address,
			vfiosafe_state_name(vsf_join_state(dev)));
}

int vsf_join_lock_until(struct vfiosafe_device *dev, int64_t deadline)
{
	for (;;) {
		uint32_t seen = vsf_device_bell(dev);

		if (vsf_join_trylock(dev))
			return 0;
		if (vsf_device_sleep(dev, &seen, deadline) == -ETIMEDOUT)
			return vsf_fail(EBUSY, "%s: another thread of this process is in a "
					       "callback, or in a call, that does not end",
					dev->address);
	}
}

int vsf_join_exclusive_begin(struct vfiosafe_device *dev, uint32_t timeout_ms)
{
	int64_t deadline = vsf_deadline(dev->sys, timeout_ms);
	int rc = vsf_join_lock_until(dev, deadline);

	if (rc < 0)
		return rc;
	dev->join->exclusive = vsf_gate_move(dev->words, dev->sys, VFIOSAFE_LIVE,
					     VFIOSAFE_QUIESCE) == 0;
	rc = vsf_drain(dev, deadline);
	if (rc < 0)
		vsf_join_exclusive_end(dev);
	return rc;
}

void vsf_join_exclusive_end(struct vfiosafe_device *dev)
{
	if (dev->join->exclusive)
		(void)vsf_gate_move(dev->words, dev->sys, VFIOSAFE_QUIESCE, VFIOSAFE_LIVE);
	dev->join->exclusive = false;
	vsf_join_unlock(dev);
}

/* SPDX-License-Identifier: MIT */
/* The driver of a client comes back: after a reset, a call-off, or a fault of its own. */
#include <errno.h>

#include "epoch.h"
#include "error.h"
#include "fault.h"
#include "join_inside.h"
#include "log.h"
#include "window.h"

void vsf_join_open_to_driver(struct vfiosafe_device *dev)
{
	/* Before the gate: a fault from now on is another one. */
	__atomic_store_n(&dev->join->fault_told, false, __ATOMIC_SEQ_CST);
	if (vsf_gate_move(dev->words, dev->sys, VFIOSAFE_FAULT, VFIOSAFE_REINIT) < 0)
		(void)vsf_gate_move(dev->words, dev->sys, VFIOSAFE_QUIESCE, VFIOSAFE_REINIT);
}

static void to_fault(struct vfiosafe_device *dev, enum vfiosafe_cause cause, const char *why)
{
	__atomic_store_n(&dev->cause, cause, __ATOMIC_RELAXED);
	vsf_event_put(dev, VFIOSAFE_EVENT_FAULT, 0, cause, 1);
	vsf_log(VFIOSAFE_LOG_ERROR, "%s: FAULT in this process: %s", dev->address, why);
	vsf_callback_lost(dev, cause);
}

void vsf_join_fault_collect(struct vfiosafe_device *dev)
{
	struct vsf_join *join = dev->join;

	/* Who holds the lock, or runs a callback, looks when that is over. */
	if (vsf_depth() > 0 || vsf_gate_state(dev) != VFIOSAFE_FAULT ||
	    __atomic_load_n(&join->fault_told, __ATOMIC_ACQUIRE) || !vsf_join_trylock(dev))
		return;
	vsf_join_unlock(dev);
}

/* Under the lock: the same. */
static void say_fault(struct vfiosafe_device *dev)
{
	if (vsf_gate_state(dev) == VFIOSAFE_FAULT &&
	    !__atomic_exchange_n(&dev->join->fault_told, true, __ATOMIC_ACQ_REL))
		to_fault(dev, VFIOSAFE_CAUSE_FAULT,
			 "SIGBUS in a mapped BAR: its owner has taken it away, or memory decode "
			 "is off");
}

/* A callback failed; not because the device went away under it. */
static int failed(struct vfiosafe_device *dev, enum vfiosafe_state from, const char *which,
		  int rc)
{
	rc = vsf_fail(EIO, "the %s callback of %s failed (%d)", which, dev->address, rc);
	/* Or a fault has closed it: that is told. */
	if (vsf_gate_move(dev->words, dev->sys, from, VFIOSAFE_FAULT) == 0) {
		__atomic_store_n(&dev->join->fault_told, true, __ATOMIC_RELEASE);
		to_fault(dev, VFIOSAFE_CAUSE_DRIVER, vfiosafe_error_text());
	}
	return rc;
}

/* Is the device the same as when @word was read: the driver had its chance? */
static bool is_same(const struct vfiosafe_device *dev, uint64_t word)
{
	uint64_t now = vsf_device_word(dev);
	enum vfiosafe_state state = vsf_word_state(now);

	return vsf_word_generation(now) == vsf_word_generation(word) &&
	       (state == VFIOSAFE_LIVE || state == VFIOSAFE_QUIESCE);
}

/* 1: the device went away meanwhile; once more when it is LIVE again. */
static int run_reinit(struct vfiosafe_device *dev, uint64_t word)
{
	int rc = vsf_fault_map_back(dev);

	if (rc == 0)
		rc = vsf_callback_under(dev, VSF_REINIT, word, VFIOSAFE_FOREVER);
	if (rc == 0 || is_same(dev, word))
		return rc;
	(void)vsf_gate_move(dev->words, dev->sys, VFIOSAFE_REINIT, VFIOSAFE_QUIESCE);
	return 1;
}

int vsf_join_reinit(struct vfiosafe_device *dev, uint64_t word)
{
	struct vsf_join *join = dev->join;
	int rc = run_reinit(dev, word);

	join->quiesced = false;
	if (rc > 0)
		return rc;
	/* Before the gate: who finds that open may take views of this generation. */
	__atomic_store_n(&join->synced, vsf_word_generation(word), __ATOMIC_SEQ_CST);
	if (rc < 0)
		return failed(dev, VFIOSAFE_REINIT, "reinit", rc);
	if (vsf_gate_move(dev->words, dev->sys, VFIOSAFE_REINIT, VFIOSAFE_LIVE) < 0)
		return vsf_fail(EIO, "%s faulted in the reinit callback", dev->address);
	return 0;
}

/* The same generation: nothing was lost. 1: as above. */
static int resume(struct vfiosafe_device *dev, uint64_t word)
{
	struct vsf_join *join = dev->join;
	int rc = 0;

	if (join->quiesced)
		rc = vsf_callback_under(dev, VSF_RESUME, word, VFIOSAFE_FOREVER);
	join->quiesced = false;
	if (rc < 0 && !is_same(dev, word))
		return 1;
	if (rc < 0)
		return failed(dev, VFIOSAFE_QUIESCE, "resume", rc);
	if (vsf_gate_move(dev->words, dev->sys, VFIOSAFE_QUIESCE, VFIOSAFE_LIVE) < 0)
		return vsf_fail(EIO, "%s faulted while its window was open", dev->address);
	return 0;
}

void vsf_join_say_back(struct vfiosafe_device *dev, uint64_t word, int rc)
{
	struct vsf_join *join = dev->join;

	join->back = (struct vsf_msg){ .type = VSF_MSG_BACK, .word = word, .result = rc };
	join->owes_back = true;
}

/* Is the driver where it is to be, or has it failed to be? */
static bool is_back(const struct vfiosafe_device *dev, uint64_t word)
{
	enum vfiosafe_state gate = vsf_gate_state(dev);

	return dev->join->synced == vsf_word_generation(word) &&
	       (gate == VFIOSAFE_LIVE || gate == VFIOSAFE_FAULT);
}

void vsf_join_come_back(struct vfiosafe_device *dev)
{
	struct vsf_join *join = dev->join;
	uint64_t word = vsf_device_word(dev);
	int rc;

	if (vsf_word_state(word) != VFIOSAFE_LIVE)
		return;
	if (!is_back(dev, word)) {
		/* Nobody asked: a reset went over this process. */
		vsf_join_close_gate(dev);
		if (!vsf_join_drained(dev))
			return;
		rc = join->synced == vsf_word_generation(word) ? resume(dev, word)
							       : vsf_join_reinit(dev, word);
		if (rc > 0)
			return;
		if (rc < 0)
			join->over_result = rc;
		vsf_join_say_back(dev, word, rc);
	}
	join->phase = VSF_JOIN_OPEN;
	vsf_join_say_closed(dev);
}

bool vsf_join_trylock(struct vfiosafe_device *dev)
{
	return pthread_mutex_trylock(&dev->join->lock) == 0;
}

void vsf_join_unlock(struct vfiosafe_device *dev)
{
	struct vsf_join *join = dev->join;

	do {
		say_fault(dev);
		pthread_mutex_unlock(&join->lock);
		/* Closed after that look, and its finder found the lock taken? */
	} while (vsf_gate_state(dev) == VFIOSAFE_FAULT &&
		 !__atomic_load_n(&join->fault_told, __ATOMIC_SEQ_CST) && vsf_join_trylock(dev));
	vsf_join_wake(dev);
}

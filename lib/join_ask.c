/* SPDX-License-Identifier: MIT */
/* Resets and recoveries, which the owner makes; and those of this process alone. */
#include <errno.h>
#include <string.h>

#include "epoch.h"
#include "error.h"
#include "fault.h"
#include "join_inside.h"
#include "window.h"

#define ASK_TIMEOUT_MS 10000
/* The owner keeps the deadline itself, and may be late by a call of the kernel. */
#define ANSWER_MS 1000

static int is_answered(const struct vfiosafe_device *cdev)
{
	struct vfiosafe_device *dev = (struct vfiosafe_device *)(uintptr_t)cdev;
	bool done;

	if (vsf_is_gone(dev))
		return vsf_gone_error(dev);
	pthread_mutex_lock(&dev->lock);
	done = dev->join->ask.done;
	pthread_mutex_unlock(&dev->lock);
	return done ? 0 : -EAGAIN;
}

/* Is no question open? One that is, of another kind, has to be answered first. */
static int is_free(const struct vfiosafe_device *cdev)
{
	struct vfiosafe_device *dev = (struct vfiosafe_device *)(uintptr_t)cdev;
	bool busy;

	if (vsf_is_gone(dev))
		return vsf_gone_error(dev);
	pthread_mutex_lock(&dev->lock);
	busy = dev->join->ask.users > 0;
	pthread_mutex_unlock(&dev->lock);
	return busy ? -EAGAIN : 0;
}

/* 1: it is to be sent; 0: another thread has sent it; -EAGAIN: not yet. */
static int claim(struct vfiosafe_device *dev, enum vsf_ask kind, uint64_t *id)
{
	struct vsf_join_ask *ask = &dev->join->ask;
	int rc = -EAGAIN;

	pthread_mutex_lock(&dev->lock);
	if (ask->users == 0) {
		*ask = (struct vsf_join_ask){ .id = ask->id + 1,
					      .kind = kind,
					      .users = 1 };
		rc = 1;
	} else if (ask->kind == kind && !ask->done) {
		ask->users++;
		rc = 0;
	}
	*id = ask->id;
	pthread_mutex_unlock(&dev->lock);
	return rc;
}

/* With what was answered; @rc if nothing was. */
static int give_up_claim(struct vfiosafe_device *dev, int rc)
{
	struct vsf_join_ask *ask = &dev->join->ask;
	char text[VSF_WIRE_TEXT] = "the owner did not answer";

	pthread_mutex_lock(&dev->lock);
	if (rc == 0) {
		rc = ask->result;
		memcpy(text, ask->text, sizeof(text));
	}
	ask->users--;
	pthread_mutex_unlock(&dev->lock);
	vsf_join_wake(dev);
	if (rc == 0 || rc == -EOWNERDEAD || rc == -ENODEV)
		return rc;
	/* The owner mostly says itself of which device it speaks. */
	if (strncmp(text, dev->address, strlen(dev->address)) == 0)
		return vsf_fail(-rc, "%s", text);
	return vsf_fail(-rc, "%s: %s", dev->address, text);
}

static int send_ask(struct vfiosafe_device *dev, const struct vsf_msg *msg,
		    int64_t deadline)
{
	int rc;

	while ((rc = vsf_join_send(dev, dev->join->sock, msg)) == -EAGAIN) {
		if (vsf_now(dev->sys) >= deadline)
			return -ETIMEDOUT;
		vsf_pause(dev->sys, 1000000, deadline);
	}
	return rc;
}

static int ask_owner(struct vfiosafe_device *dev, enum vsf_ask kind, int64_t deadline)
{
	struct vsf_msg msg = { .type = VSF_MSG_ASK, .kind = kind };
	int64_t left, last = deadline + ANSWER_MS * INT64_C(1000000);
	int rc;

	while ((rc = claim(dev, kind, &msg.id)) == -EAGAIN) {
		rc = vsf_join_wait_until(dev, deadline, is_free);
		if (rc < 0)
			return rc == -ETIMEDOUT
				       ? vsf_fail(EBUSY,
						  "%s: another thread's reset is "
						  "still open",
						  dev->address)
				       : rc;
	}
	left = (deadline - vsf_now(dev->sys)) / 1000000;
	msg.ms = left < 1 ? 1 : left < UINT32_MAX ? (uint32_t)left : UINT32_MAX;
	rc = rc == 1 ? send_ask(dev, &msg, deadline) : 0;
	if (rc == 0)
		rc = vsf_join_wait_until(dev, last, is_answered);
	return give_up_claim(dev, rc);
}

static int read_opts(struct vfiosafe_device *dev, const struct vfiosafe_reset_opts *from,
		     int64_t *deadline, const char *call)
{
	struct vfiosafe_reset_opts opts = { 0 };
	int rc = vsf_refuse_inside(dev, call);

	if (rc == 0 && vsf_words_forked(dev->words))
		rc = vsf_state_error(0, 0);
	if (rc == 0 && from)
		rc = vsf_copy_opts(&opts, sizeof(opts), from, from->size, "opts.size",
				   "struct vfiosafe_reset_opts");
	if (rc < 0)
		return rc;
	if (opts.policy == VFIOSAFE_POLICY_FORCE)
		return vsf_fail(EPERM, "%s: a reset by force is for its owner to make",
				dev->address);
	if (opts.policy != VFIOSAFE_POLICY_ABORT)
		return vsf_fail(EINVAL, "opts.policy is %d; it may be ABORT",
				(int)opts.policy);
	*deadline = vsf_deadline(dev->sys,
				 opts.timeout_ms ? opts.timeout_ms : ASK_TIMEOUT_MS);
	return 0;
}

int vsf_join_reset(struct vfiosafe_device *dev, const struct vfiosafe_reset_opts *opts)
{
	int64_t deadline = 0;
	int rc = read_opts(dev, opts, &deadline, "vfiosafe_reset");

	if (rc < 0)
		return rc;
	vsf_count_inside(dev, 1);
	rc = ask_owner(dev, VSF_ASK_RESET, deadline);
	if (rc == 0)
		rc = vsf_join_wait(dev, deadline + ANSWER_MS * INT64_C(1000000));
	vsf_count_inside(dev, -1);
	return rc;
}

/* SIGBUS, or a callback, closed the gate; the device itself is LIVE. */
static bool is_local(const struct vfiosafe_device *dev)
{
	const struct vsf_join *join = dev->join;
	uint64_t word = vsf_device_word(dev);

	return vsf_word_state(word) == VFIOSAFE_LIVE &&
	       vsf_gate_state(dev) == VFIOSAFE_FAULT &&
	       __atomic_load_n(&join->synced, __ATOMIC_ACQUIRE) ==
		       vsf_word_generation(word);
}

/* Under the lock. -EAGAIN: it is not, or no longer, so. */
static int mend_locked(struct vfiosafe_device *dev, int64_t deadline)
{
	struct vsf_join *join = dev->join;
	uint64_t word = vsf_device_word(dev);
	int rc;

	if (join->phase != VSF_JOIN_OPEN || join->asked || !is_local(dev) ||
	    vsf_word_state(word) != VFIOSAFE_LIVE)
		return -EAGAIN;
	rc = vsf_drain(dev, deadline);
	if (rc < 0)
		return rc;
	rc = vsf_join_reinit(dev, word);
	vsf_join_say_back(dev, word, rc < 0 ? rc : 0);
	if (rc > 0)
		join->phase = VSF_JOIN_CLOSED;
	return rc > 0 ? -EAGAIN : rc;
}

static int mend(struct vfiosafe_device *dev, int64_t deadline)
{
	int rc = vsf_join_probe(dev);

	/* Found lost: the word says so by now, and it is asked about that. */
	if (rc < 0)
		return rc == -EIO ? -EAGAIN : rc;
	rc = vsf_join_lock_until(dev, deadline);
	if (rc < 0)
		return rc;
	rc = mend_locked(dev, deadline);
	vsf_join_step(dev);
	vsf_join_unlock(dev);
	return rc;
}

/* Until no window is open: it may be what is wanted. */
static int is_settled(const struct vfiosafe_device *dev)
{
	if (vsf_device_state(dev) == VFIOSAFE_FAULT || is_local(dev))
		return 0;
	return vsf_join_stands(dev);
}

static int recover_once(struct vfiosafe_device *dev, int64_t deadline)
{
	int rc;

	if (vsf_device_state(dev) == VFIOSAFE_FAULT)
		return ask_owner(dev, VSF_ASK_RECOVER, deadline);
	if (!is_local(dev))
		return vsf_join_stands(dev);
	rc = mend(dev, deadline);
	/* Messages of the owner come first, or its word. */
	if (rc == -EAGAIN)
		vsf_pause(dev->sys, 1000000, deadline);
	return rc;
}

static int recover(struct vfiosafe_device *dev, int64_t deadline)
{
	int64_t last = deadline + ANSWER_MS * INT64_C(1000000);
	int rc;

	do {
		rc = vsf_join_wait_until(dev, deadline, is_settled);
		if (rc == 0 && !is_local(dev) && vsf_join_stands(dev) == 0)
			return 0;
		if (rc == -ETIMEDOUT)
			return vsf_fail(ETIMEDOUT, "%s is still in %s", dev->address,
					vfiosafe_state_name(vsf_join_state(dev)));
		if (rc == 0)
			rc = recover_once(dev, deadline);
	} while (rc == -EAGAIN);
	return rc < 0 ? rc : vsf_join_wait(dev, last);
}

int vsf_join_recover(struct vfiosafe_device *dev, const struct vfiosafe_reset_opts *opts)
{
	int64_t deadline;
	int rc = read_opts(dev, opts, &deadline, "vfiosafe_recover");

	if (rc < 0)
		return rc;
	vsf_count_inside(dev, 1);
	rc = recover(dev, deadline);
	vsf_count_inside(dev, -1);
	return rc;
}

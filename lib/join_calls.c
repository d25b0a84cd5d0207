/* SPDX-License-Identifier: MIT */
/*
 * Questions to the owner, each with one answer, which is waited for: accesses of ranges
 * that are not mapped, and whether the device is alive. One at a time; sections may wait
 * here, but not longer than the owner takes, or CALL_MS.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "access.h"
#include "device.h"
#include "error.h"
#include "join_inside.h"

#define CALL_MS 2000

/* The next answer; -EAGAIN: none by the deadline. */
static int next_answer(struct vfiosafe_device *dev, struct vsf_msg *msg, int64_t deadline)
{
	struct vsf_join *join = dev->join;
	struct vfiosafe_received with;
	int rc, n, ready[2];

	for (;;) {
		rc = vsf_join_receive(dev, join->calls, VSF_RESULT, msg, &with);
		if (rc != -EAGAIN)
			return rc;
		if (vsf_is_gone(dev))
			return vsf_gone_error(dev);
		n = vsf_sys(dev->sys, epoll_wait, join->calls_epoll, ready, 2, deadline);
		if (n < 0)
			return vsf_fail(-n, "cannot wait for the owner: %s", strerror(-n));
		/* Once more: it may have answered before it ended. */
		if (n == 1 && ready[0] == join->pidfd) {
			rc = vsf_join_receive(dev, join->calls, VSF_RESULT, msg, &with);
			return rc == -EAGAIN ? vsf_fail(EOWNERDEAD, "the owner has ended") : rc;
		}
		if (n == 0 && vsf_now(dev->sys) >= deadline)
			return -EAGAIN;
	}
}

/*
 * Another's question may take longer: mapping memory does. Should the calendar be set back
 * meanwhile, that is waited for.
 */
static int take_turn(struct vfiosafe_device *dev, int64_t deadline)
{
	int64_t left = deadline - vsf_now(dev->sys);
	struct timespec until;

	if (pthread_mutex_trylock(&dev->join->calls_lock) == 0)
		return 0;
	timespec_get(&until, TIME_UTC);
	left += until.tv_nsec;
	until.tv_sec += left / 1000000000;
	until.tv_nsec = left % 1000000000;
	return pthread_mutex_timedlock(&dev->join->calls_lock, &until) == 0 ? 0 : -EAGAIN;
}

/* Answers to questions whose time was over come first. */
static int ask_in_turn(struct vfiosafe_device *dev, struct vsf_msg *msg, int with,
		       int64_t deadline)
{
	struct vsf_join *join = dev->join;
	struct vsf_msg old;
	int rc = 0;

	for (; join->late > 0 && rc == 0; join->late -= rc == 0)
		rc = next_answer(dev, &old, deadline);
	if (rc == 0)
		rc = vsf_join_send_with(dev, join->calls, msg, with);
	if (rc < 0)
		return rc;
	rc = next_answer(dev, msg, deadline);
	join->late += rc == -EAGAIN;
	return rc;
}

static bool is_owners_end(int rc)
{
	return rc == -EOWNERDEAD || rc == -EPROTO || rc == -EPROTONOSUPPORT;
}

/* The question becomes the answer. -errno with a text: there was none. */
static int ask_with(struct vfiosafe_device *dev, struct vsf_msg *msg, int with, uint32_t ms)
{
	int64_t deadline = vsf_deadline(dev->sys, ms);
	struct vsf_join *join = dev->join;
	int rc;

	if (vsf_is_gone(dev))
		return vsf_gone_error(dev);
	rc = take_turn(dev, deadline);
	if (rc == 0) {
		rc = ask_in_turn(dev, msg, with, deadline);
		pthread_mutex_unlock(&join->calls_lock);
	}
	if (is_owners_end(rc)) {
		vsf_join_cut(dev, vfiosafe_error_text());
		return vsf_gone_error(dev);
	}
	if (rc == -EAGAIN)
		return vsf_fail(ETIMEDOUT, "%s: its owner, process %llu, did not answer within "
					   "%u ms",
				dev->address, (unsigned long long)join->owner, ms);
	return rc;
}

static int ask(struct vfiosafe_device *dev, struct vsf_msg *msg)
{
	return ask_with(dev, msg, -1, CALL_MS);
}

/* In its own words. */
static int refused(const struct vfiosafe_device *dev, const struct vsf_msg *msg)
{
	return vsf_fail(-msg->result, "%s, by its owner: %s", dev->address,
			msg->text[0] ? msg->text : strerror(-msg->result));
}

int vsf_join_question(struct vfiosafe_device *dev, struct vsf_msg *msg, int with,
		      uint32_t ms)
{
	int rc = ask_with(dev, msg, with, ms);

	return rc < 0 || msg->result == 0 ? rc : refused(dev, msg);
}

int vsf_join_access(const struct vfiosafe_bar *bar, uint64_t word, uint64_t offset,
		    unsigned int width, uint64_t *value, bool write)
{
	struct vfiosafe_device *dev = bar->dev;
	struct vsf_msg msg = { .type = write ? VSF_MSG_WRITE : VSF_MSG_READ,
			       .index = (uint32_t)bar->grant,
			       .offset = bar->bar_offset + offset,
			       .width = width,
			       .word = word,
			       .value = write ? *value : 0 };
	int rc = ask(dev, &msg);

	if (rc < 0)
		return rc;
	if (msg.result < 0)
		return refused(dev, &msg);
	if (!write)
		*value = width == 8 ? msg.value : msg.value & ((UINT64_C(1) << 8 * width) - 1);
	return 0;
}

/* If the words moved, that is why it failed, and says more. */
int vsf_join_end_access(struct vfiosafe_bar *bar, struct vfiosafe_section *sec, int err)
{
	char why[256];
	int rc;

	snprintf(why, sizeof(why), "%.255s", vfiosafe_error_text());
	/* From here on a close waits for this call. */
	vsf_count_inside(bar->dev, 1);
	rc = vfiosafe_end(sec);
	vsf_count_inside(bar->dev, -1);
	return rc < 0 ? rc : vsf_fail(-err, "%s", why);
}

/* Which generation is meant: that of the section in which it is asked. */
static uint64_t word_now(const struct vfiosafe_device *dev)
{
	return vsf_word(vsf_word_generation(vsf_device_word(dev)), VFIOSAFE_LIVE);
}

int vsf_join_probe(struct vfiosafe_device *dev)
{
	struct vsf_msg msg = { .type = VSF_MSG_PROBE, .word = word_now(dev) };
	int rc;

	/* A device that is gone has no word to be sent. */
	if (vsf_is_gone(dev))
		return vsf_gone_error(dev);
	rc = ask(dev, &msg);
	if (rc < 0 || msg.result == 0)
		return rc;
	return refused(dev, &msg);
}

void vsf_join_classify(struct vfiosafe_device *dev, struct vsf_verdict *verdict)
{
	int rc = vsf_join_probe(dev);

	if (rc == 0)
		return;
	vsf_verdict_lost(verdict, VSF_SAYS_NOBODY, VFIOSAFE_CAUSE_DEAD,
			 rc == -EIO ? "its owner found it lost"
				    : "its owner cannot tell now whether it is alive");
	verdict->err = -rc;
}

int vsf_join_lost(struct vfiosafe_device *dev, const char *why)
{
	struct vsf_msg msg = { .type = VSF_MSG_LOST, .word = word_now(dev) };

	vsf_join_text(msg.text, sizeof(msg.text), why);
	return ask(dev, &msg);
}

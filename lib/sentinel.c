/* SPDX-License-Identifier: MIT */
/*
 * A register that a reset does not leave alone: what catches one that leaves neither
 * all-ones nor a fault behind.
 *
 *      reader                          somebody else
 *      value = load                    reset: the register loses what it held
 *      look at the sentinel
 *
 * If the sentinel holds after the load, no reset came before that since the sentinel was
 * stored. One look that fails is enough: a second that held would not say that the
 * value was read from the same device.
 */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "access.h"
#include "device.h"
#include "error.h"
#include "section.h"

static int access(const struct vsf_sentinel *s, uint64_t *value, bool write)
{
	return vsf_one_access(s->bar, 0, s->offset, s->width, value, write);
}

static uint64_t generation_now(const struct vfiosafe_device *dev)
{
	return vsf_word_generation(vsf_device_word(dev));
}

bool vsf_sentinel_look(const struct vfiosafe_device *dev, struct vsf_verdict *verdict)
{
	const struct vsf_sentinel *s = &dev->sentinel;
	char why[sizeof(verdict->why)];
	uint64_t value = 0;
	int rc;

	/* After a reset it is not there before reinit is done. */
	if (!s->bar || s->generation != generation_now(dev))
		return false;
	rc = access(s, &value, false);
	if (rc < 0) {
		snprintf(why, sizeof(why), "the kernel refused to read the sentinel: %s",
			 strerror(-rc));
		vsf_verdict_lost(verdict, VSF_SAYS_KERNEL, VFIOSAFE_CAUSE_ACCESS, why);
		verdict->err = -rc;
	} else if ((value & s->mask) != s->expect) {
		snprintf(why, sizeof(why),
			 "the sentinel reads 0x%llx in the bits 0x%llx, not 0x%llx: "
			 "reset behind the library",
			 (unsigned long long)(value & s->mask),
			 (unsigned long long)s->mask, (unsigned long long)s->expect);
		vsf_verdict_lost(verdict, VSF_SAYS_SENTINEL, VFIOSAFE_CAUSE_SENTINEL,
				 why);
	}
	return true;
}

static int refused(int rc)
{
	return vsf_fail(-rc, "the kernel refused an access to the sentinel: %s",
			strerror(-rc));
}

/* @s with a value that it did not have, stored, and seen to be there. @found before. */
static int store_nonce(struct vsf_sentinel *s, uint64_t generation, uint64_t *found)
{
	uint64_t value;
	int rc = access(s, found, false);

	if (rc < 0)
		return refused(rc);
	s->expect = vsf_sentinel_nonce(s->salt ^ generation, s->mask, *found, s->expect);
	value = s->others | s->expect;
	rc = access(s, &value, true);
	return rc < 0 ? refused(rc) : 0;
}

/* The read also pushes the store out to the device. */
static int check_holds(const struct vsf_sentinel *s)
{
	uint64_t value = 0;
	int rc = access(s, &value, false);

	if (rc < 0)
		return refused(rc);
	if ((value & s->mask) == s->expect)
		return 0;
	return vsf_fail(EINVAL,
			"the sentinel, 0x%llx of BAR %u, %s: it reads 0x%llx, not "
			"0x%llx, in the bits 0x%llx",
			(unsigned long long)s->offset, s->bar->index,
			s->writable ? "does not hold what is written"
				    : "does not read what it should",
			(unsigned long long)(value & s->mask),
			(unsigned long long)s->expect, (unsigned long long)s->mask);
}

static bool is_same(const struct vsf_sentinel *s, const struct vsf_sentinel *before)
{
	return before->bar == s->bar && before->offset == s->offset &&
	       before->width == s->width && before->mask == s->mask && before->writable;
}

/* One that does not hold gets back what was there: it may be another's. */
static int try_writable(struct vsf_sentinel *s, bool same)
{
	uint64_t found;
	int rc = access(s, &found, false);

	if (rc < 0)
		return refused(rc);
	if (!same)
		s->others = found & ~s->mask;
	rc = store_nonce(s, s->generation, &found);
	if (rc == 0)
		rc = check_holds(s);
	if (rc < 0)
		(void)access(s, &found, true);
	return rc;
}

int vsf_sentinel_try(struct vsf_sentinel *s, const struct vfiosafe_device *dev)
{
	const struct vsf_sentinel *before = &dev->sentinel;
	bool same = is_same(s, before);
	int rc;

	s->generation = generation_now(dev);
	if (!s->writable)
		return check_holds(s);
	if (same) {
		s->expect = before->expect;
		s->others = before->others;
	}
	/* Not stored anew: what it holds would be taken for what a reset leaves. */
	rc = same && before->generation == s->generation ? check_holds(s) : -EINVAL;
	return rc == -EINVAL ? try_writable(s, same) : rc;
}

/* For a generation of which it knows nothing yet. */
static int renew(struct vsf_sentinel *s, uint64_t generation)
{
	uint64_t found;
	int rc = 0;

	if (s->writable)
		rc = store_nonce(s, generation, &found);
	if (rc == 0)
		rc = check_holds(s);
	if (rc == 0)
		s->generation = generation;
	return rc;
}

int vsf_sentinel_after_reinit(struct vfiosafe_device *dev)
{
	struct vsf_sentinel *s = &dev->sentinel;

	if (!s->bar)
		return 0;
	return s->generation == generation_now(dev) ? check_holds(s)
						    : renew(s, generation_now(dev));
}

VFIOSAFE_API int vfiosafe_end_checked(struct vfiosafe_section *sec)
{
	struct vsf_verdict verdict = { .err = 0 };
	struct vfiosafe_device *dev;
	int rc = vsf_section_look(sec);

	if (rc < 0)
		return vfiosafe_end(sec);
	dev = vsf_words_of(sec->gate_word)->dev;
	if (!vsf_sentinel_look(dev, &verdict) && !dev->sentinel.bar) {
		rc = vfiosafe_end(sec);
		if (rc < 0)
			return rc;
		return vsf_fail_static(EINVAL, "there is no sentinel to check: "
					       "vfiosafe_set_sentinel()");
	}
	return vsf_end_judged(dev, sec, &verdict);
}

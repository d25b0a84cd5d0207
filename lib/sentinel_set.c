/* SPDX-License-Identifier: MIT */
/* Naming a sentinel: arguments, trying the register, and the moment when nobody looks. */
#include <errno.h>
#include <stddef.h>

#include "access.h"
#include "epoch.h"
#include "error.h"
#include "join.h"
#include "window.h"

#define SET_TIMEOUT_MS 10000

static int check_register(const struct vfiosafe_device *dev,
			  const struct vfiosafe_sentinel *want)
{
	unsigned int width = want->width;

	if (!want->bar || want->bar->dev != dev)
		return vsf_fail(EINVAL, "sentinel.bar is not a BAR of %s", dev->address);
	if (width != 1 && width != 2 && width != 4 && width != 8)
		return vsf_fail(EINVAL, "sentinel.width is %u; it may be 1, 2, 4 or 8",
				width);
	return vsf_check_range(want->bar, want->offset, width, width);
}

static int check_bits(const struct vfiosafe_sentinel *want)
{
	uint64_t all = UINT64_MAX >> (64 - 8 * want->width);

	if (want->mask == 0 || (want->mask & ~all))
		return vsf_fail(EINVAL,
				"sentinel.mask is 0x%llx; it names bits of a register "
				"of %u bytes, at least one",
				(unsigned long long)want->mask, want->width);
	if (want->value & (want->writable ? UINT64_MAX : ~want->mask))
		return vsf_fail(EINVAL, "sentinel.value is 0x%llx; %s",
				(unsigned long long)want->value,
				want->writable
					? "the value of a writable one is chosen here"
					: "it has bits that sentinel.mask does not name");
	return 0;
}

static int read_want(struct vsf_sentinel *s, const struct vfiosafe_device *dev,
		     const struct vfiosafe_sentinel *from)
{
	struct vfiosafe_sentinel want = { 0 };
	int rc = vsf_copy_opts(&want, sizeof(want), from, from->size, "sentinel.size",
			       "struct vfiosafe_sentinel");

	if (rc == 0)
		rc = check_register(dev, &want);
	if (rc == 0)
		rc = check_bits(&want);
	if (rc < 0)
		return rc;
	*s = (struct vsf_sentinel){
		.bar = want.bar,
		.offset = want.offset,
		.mask = want.mask,
		.expect = want.value,
		.width = want.width,
		.writable = want.writable,
		.salt = (uint64_t)vsf_now(dev->sys) ^ (uintptr_t)dev,
	};
	return 0;
}

/* In a window: nobody looks at it. */
static int install(struct vfiosafe_device *dev, struct vsf_sentinel *s)
{
	int rc = s->bar ? vsf_sentinel_try(s, dev) : 0;

	if (rc == 0)
		dev->sentinel = *s;
	return rc;
}

/* What the register holds is of no use where the device cannot be accessed. */
static int install_in(const struct vsf_run *run, struct vsf_sentinel *s)
{
	struct vfiosafe_device *dev = run->dev;

	if (s->bar && (run->from_fault || run->from_parked))
		return vsf_state_error(vsf_device_word(dev), vsf_gate_word(dev));
	return install(dev, s);
}

static int set(struct vfiosafe_device *dev, struct vsf_sentinel *s)
{
	struct vsf_run *run;
	int rc = vsf_exclusive_begin(&run, dev, SET_TIMEOUT_MS);

	if (rc < 0)
		return rc;
	rc = run ? install_in(run, s) : vsf_state_error(0, 0);
	vsf_exclusive_end(run);
	/* A fault or a close meanwhile explains what was read. */
	if (rc == -EINVAL && (vsf_device_state(dev) == VFIOSAFE_FAULT ||
			      vsf_device_state(dev) == VFIOSAFE_GONE))
		rc = vsf_state_error(vsf_device_word(dev), vsf_gate_word(dev));
	return rc;
}

static bool in_reinit(struct vfiosafe_device *dev)
{
	uint64_t word = vsf_device_word(dev);

	return vsf_word_state(word) == VFIOSAFE_REINIT && vsf_depth() == 0 &&
	       vsf_beside_callback(dev, word) && !vsf_in_ready(dev);
}

VFIOSAFE_API int vfiosafe_set_sentinel(struct vfiosafe_device *dev,
				       const struct vfiosafe_sentinel *sentinel)
{
	bool reinit = !vsf_words_forked(dev->words) && in_reinit(dev);
	struct vsf_sentinel s = { 0 };
	int rc = reinit ? 0 : vsf_refuse_inside(dev, "vfiosafe_set_sentinel");

	if (rc == 0 && vsf_words_forked(dev->words))
		rc = vsf_state_error(0, 0);
	if (rc == 0)
		rc = vsf_join_refuse(dev, "vfiosafe_set_sentinel");
	if (rc == 0 && sentinel)
		rc = read_want(&s, dev, sentinel);
	if (rc < 0)
		return rc;
	if (reinit)
		return install(dev, &s);
	vsf_count_inside(dev, 1);
	rc = set(dev, &s);
	vsf_count_inside(dev, -1);
	return rc;
}

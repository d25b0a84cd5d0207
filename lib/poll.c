/* SPDX-License-Identifier: MIT */
/* Polling a register: reads with pauses between them that a window ends. */
#include <errno.h>

#include "device.h"
#include "epoch.h"
#include "error.h"
#include "section.h"
#include <vfiosafe/mmio.h>
#include <vfiosafe/poll.h>

#define EAGER_READS 8
#define PAUSE_MIN_NS 1000
#define PAUSE_MAX_NS 1000000

/* Until @deadline, the pause is over, or the bell rings: something changed. */
static void pause_read(struct vfiosafe_device *dev, unsigned int reads, uint32_t *seen,
		       int64_t deadline)
{
	unsigned int doublings = reads - EAGER_READS;
	int64_t ns = doublings < 10 ? (int64_t)PAUSE_MIN_NS << doublings : PAUSE_MAX_NS;
	int64_t until = vsf_now(dev->sys) + ns;

	(void)vsf_device_sleep(dev, seen, until < deadline ? until : deadline);
}

static int timed_out(const struct vfiosafe_device *dev, uint64_t offset, uint32_t mask,
		     uint32_t want, uint32_t got)
{
	return vsf_fail(ETIMEDOUT,
			"%s: the register at 0x%llx is 0x%x; 0x%x in the bits 0x%x "
			"was waited for",
			dev->address, (unsigned long long)offset, got, want, mask);
}

static int poll32(struct vfiosafe_device *dev, const struct vfiosafe_view *view,
		  uint64_t offset, uint32_t mask, uint32_t want, int64_t deadline,
		  uint32_t *got)
{
	uint32_t seen = vsf_device_bell(dev);

	for (unsigned int reads = 1;; reads++) {
		/* Before the read: the last one is made after the deadline. */
		bool late = vsf_now(dev->sys) >= deadline;
		int rc = vfiosafe_read32(view, offset, got);

		if (rc < 0)
			return rc;
		if ((*got & mask) == want)
			return 0;
		if (late)
			return timed_out(dev, offset, mask, want, *got);
		if (reads >= EAGER_READS)
			pause_read(dev, reads, &seen, deadline);
	}
}

VFIOSAFE_API int vfiosafe_poll32(const struct vfiosafe_view *view, uint64_t offset,
				 uint32_t mask, uint32_t want, int64_t deadline_ns,
				 uint32_t *value)
{
	struct vfiosafe_bar *bar = vsf_view_load(view, bar);
	uint32_t got;
	int rc;

	if (!bar)
		return vsf_fail_static(EINVAL,
				       "this view was never taken: vfiosafe_bar_view()");
	if (want & ~mask)
		return vsf_fail(EINVAL, "0x%x can never be read in the bits 0x%x", want,
				mask);
	if (vsf_depth() > 0)
		return vsf_fail(EDEADLK,
				"vfiosafe_poll32 inside a section: a reset would wait "
				"for it");
	if (vsf_words_forked(bar->dev->words))
		return vsf_state_error(0, 0);
	vsf_count_inside(bar->dev, 1);
	rc = poll32(bar->dev, view, offset, mask, want, deadline_ns, &got);
	if (value && (rc == 0 || rc == -ETIMEDOUT))
		*value = got;
	vsf_count_inside(bar->dev, -1);
	return rc;
}

/* SPDX-License-Identifier: MIT */
/*
 * Buffers around a window, at a revoke, and at the end of their device.
 *
 *      REVOKED
 *      watches: before    may veto: nothing has happened yet
 *      importers: p2p_stop, unmap
 *      ...                now the kernel may take the memory away
 *      map                at the same addresses
 *      OK
 *      importers: p2p_start
 *      watches: after
 */
#include <errno.h>

#include "dmabuf.h"
#include "error.h"
#include "p2p.h"
#include "window.h"

/* What bounds a call-off, which has no time left of its own, and a revoke. */
#define RESTORE_MS 1000
#define REVOKE_MS 10000

/* What was marked lost in a window is recovered by it. */
static bool in_fault(const struct vsf_run *run)
{
	return run->from_fault || vsf_device_state(run->dev) == VFIOSAFE_FAULT;
}

/* With a text: importers are still there. */
static int not_free(struct vsf_run *run, int err)
{
	const char *text = vfiosafe_error_text();

	if (vsf_device_state(run->dev) == VFIOSAFE_GONE)
		return vsf_run_gone(run);
	if (run->unknown || in_fault(run))
		return vsf_run_fault(run, VFIOSAFE_CAUSE_DRIVER, "%s", text);
	return vsf_run_call_off(run, err, "%s", text);
}

static int stop_all(struct vsf_run *run)
{
	struct vfiosafe_device *dev = run->dev;
	bool late = false;
	int rc = 0;

	for (struct vfiosafe_dmabuf *buf = dev->dmabufs; buf && rc == 0; buf = buf->next)
		if (vsf_dmabuf_state(buf) == VFIOSAFE_DMABUF_REVOKED)
			rc = vsf_watches_before(buf, run->deadline, &late);
	if (rc == 0)
		rc = vsf_p2p_stop_exports(dev, 2 * run->id, run->deadline);
	return rc == -ETIMEDOUT ? rc : rc < 0 ? -ECANCELED : 0;
}

int vsf_dmabuf_before(struct vsf_run *run)
{
	struct vfiosafe_device *dev = run->dev;
	int rc;

	if (!dev->dmabufs)
		return 0;
	for (struct vfiosafe_dmabuf *buf = dev->dmabufs; buf; buf = buf->next) {
		buf->renewed = false;
		if (vsf_dmabuf_state(buf) == VFIOSAFE_DMABUF_OK)
			vsf_dmabuf_set_state(buf, VFIOSAFE_DMABUF_REVOKED);
	}
	rc = stop_all(run);
	if (rc < 0)
		return not_free(run, -rc);
	if (run->unknown || in_fault(run) || vsf_now(dev->sys) < run->deadline)
		return 0;
	(void)vsf_fail(ETIMEDOUT, "%s: importers of its BARs took until the deadline to stop",
		       dev->address);
	return not_free(run, ETIMEDOUT);
}

static int64_t restore_deadline(const struct vsf_run *run)
{
	int64_t soon = vsf_deadline(run->dev->sys, RESTORE_MS);

	return run->deadline > soon ? run->deadline : soon;
}

static int restore(const struct vsf_run *run)
{
	struct vfiosafe_device *dev = run->dev;
	uint64_t generation = vsf_word_generation(vsf_device_word(dev));
	int rc = vsf_p2p_map_exports(dev, restore_deadline(run));

	if (rc < 0)
		return rc;
	for (struct vfiosafe_dmabuf *buf = dev->dmabufs; buf; buf = buf->next) {
		if (vsf_dmabuf_state(buf) != VFIOSAFE_DMABUF_REVOKED)
			continue;
		__atomic_store_n(&buf->generation, generation, __ATOMIC_RELEASE);
		vsf_dmabuf_set_state(buf, VFIOSAFE_DMABUF_OK);
	}
	vsf_p2p_start_exports(dev, 2 * run->id + 1);
	for (struct vfiosafe_dmabuf *buf = dev->dmabufs; buf; buf = buf->next)
		if (vsf_dmabuf_state(buf) == VFIOSAFE_DMABUF_OK)
			vsf_watches_after(buf, buf->renewed);
	return 0;
}

int vsf_dmabuf_after(const struct vsf_run *run)
{
	int rc = run->dev->dmabufs ? restore(run) : 0;

	if (rc == 0)
		vsf_p2p_start_own(run);
	return rc;
}

int vsf_dmabuf_gone(struct vfiosafe_device *dev, int64_t deadline, bool idle)
{
	int rc = vsf_p2p_end_exports(dev, NULL, deadline, -ENODEV);

	/* Nobody changes the list of a device that is GONE and in no call. */
	for (struct vfiosafe_dmabuf *buf = dev->dmabufs; buf && idle; buf = buf->next)
		vsf_watches_end(buf, deadline, -ENODEV);
	return rc;
}

VFIOSAFE_API int vfiosafe_dmabuf_revoke(struct vfiosafe_dmabuf *buf)
{
	struct vfiosafe_device *dev = buf->dev;
	int64_t deadline = vsf_deadline(dev->sys, REVOKE_MS);
	bool given;
	int rc = vsf_dmabuf_hold(dev, "vfiosafe_dmabuf_revoke");

	if (rc < 0)
		return rc;
	/* From now on windows leave it alone, and there are no new maps. */
	vsf_dmabuf_set_state(buf, VFIOSAFE_DMABUF_DEAD);
	vsf_windows_let(dev);
	rc = vsf_p2p_end_exports(dev, buf, deadline, -ESTALE);
	if (rc == 0) {
		vsf_watches_end(buf, deadline, -ESTALE);
		vsf_dmabuf_close_fds(buf);
	}
	given = __atomic_load_n(&buf->given, __ATOMIC_ACQUIRE);
	vsf_count_inside(dev, -1);
	if (rc < 0)
		return vsf_fail(EBUSY, "%s", vfiosafe_error_text());
	return given ? VFIOSAFE_REVOKED_OURS : VFIOSAFE_REVOKED_FOR_ALL;
}

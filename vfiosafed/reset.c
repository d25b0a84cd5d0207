/* SPDX-License-Identifier: MIT */
/*
 * Nobody finds in a device what another left: it is reset when it has been opened, when
 * a client that may write has ended, and out of FAULT. In steps, so that one device does
 * not keep the others waiting.
 *
 * First the other clients are asked; what is called off is made once more by force, which
 * cuts off who is late (share.h). What fails is tried again, at intervals.
 */
#include <errno.h>

#include "broker.h"

#define STEP_NS INT64_C(1000000)
#define AGAIN_MS 1000

static struct vfiosafe_reset_opts opts_of(const struct device *device)
{
	return (struct vfiosafe_reset_opts){
		.size = sizeof(struct vfiosafe_reset_opts),
		.timeout_ms = device->policy->timeout_ms,
		.policy = device->tries ? VFIOSAFE_POLICY_FORCE : VFIOSAFE_POLICY_ABORT,
	};
}

/* The function cannot be reset alone: its set, if it is all ours. This one blocks. */
static int hot(struct device *device, int rc)
{
	struct vfiosafe_reset_opts opts = opts_of(device);

	if (rc != -EOPNOTSUPP &&
	    !(rc == -EIO &&
	      vfiosafe_device_cause(device->dev) == VFIOSAFE_CAUSE_RESET_FAILED))
		return rc;
	opts.allow_hot = true;
	device->due = false;
	return vfiosafe_reset(device->dev, &opts);
}

static bool has_dma(const struct device *device)
{
	for (const struct client *client = device->clients; client; client = client->next)
		if (client->dma)
			return true;
	return false;
}

/*
 * The device has forgotten what its clients told it. Memory of who has ended is unmapped
 * by then, but of a process that lives on and may still reach the device.
 */
static void is_clean(struct device *device)
{
	uint64_t held = vfiosafe_share_held(device->dev);

	device->tries = 0;
	if (device->master && !has_dma(device))
		device->master = vfiosafe_set_bus_master(device->dev, false) < 0;
	log_event(LOG_INFO, "reset", "device=%s generation=%llu held=%llu",
		  device->policy->name,
		  (unsigned long long)vfiosafe_device_generation(device->dev),
		  (unsigned long long)held);
	if (held > 0) {
		device->due = true;
		device->reset_at = vfiosafe_deadline_in_ms(AGAIN_MS);
	}
}

static void over(struct device *device, int rc)
{
	char quoted[LOG_QUOTED];

	vfiosafe_window_end(device->win);
	device->win = NULL;
	rc = hot(device, rc);
	if (rc == 0) {
		is_clean(device);
		return;
	}
	device->due = true;
	/* By force at once; then not so often that it is all that is done. */
	device->reset_at = device->tries++ ? vfiosafe_deadline_in_ms(AGAIN_MS) : 0;
	log_event(LOG_WARNING, "reset-failed", "device=%s tries=%u result=%d text=%s",
		  device->policy->name, device->tries, rc,
		  log_quote(quoted, vfiosafe_error_text()));
}

/* Not while a client's window is open: that reset may be over already. */
static void begin(struct device *device)
{
	enum vfiosafe_state state = vfiosafe_device_state(device->dev);
	struct vfiosafe_reset_opts opts = opts_of(device);
	int rc;

	if ((state != VFIOSAFE_LIVE && state != VFIOSAFE_FAULT) || now_ns() < device->reset_at)
		return;
	rc = vfiosafe_window_begin(&device->win, device->dev, &opts);
	if (rc < 0)
		over(device, rc);
}

/* False: not now. */
static bool step(struct device *device)
{
	int rc = vfiosafe_window_poll(device->win);

	switch (rc) {
	case -EAGAIN:
		return false;
	case VFIOSAFE_STEP_COMMIT:
		/* Who ends after this may have written to the device that was reset. */
		device->due = false;
		rc = vfiosafe_window_commit(device->win);
		if (rc < 0)
			over(device, rc);
		return rc == 0;
	case VFIOSAFE_STEP_FINISH:
		over(device, vfiosafe_window_finish(device->win));
		return false;
	default:
		over(device, rc == VFIOSAFE_STEP_DONE ? 0 : rc);
		return false;
	}
}

void device_reset(struct device *device)
{
	if (device->due && !device->win)
		begin(device);
	while (device->win && step(device))
		continue;
}

int64_t device_reset_next(const struct device *device)
{
	int64_t soon = now_ns() + STEP_NS;

	if (!device->win && !device->due)
		return VFIOSAFE_FOREVER;
	return device->win || device->reset_at < soon ? soon : device->reset_at;
}

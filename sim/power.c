/* SPDX-License-Identifier: MIT */
/*
 * power.c - low power by VFIO_DEVICE_FEATURE.
 *
 * The program lets go of the device; some time later the host suspends it. Every
 * ioctl, pread and pwrite resumes it for its own time. With a wakeup eventfd the
 * first resume ends low power altogether.
 */
#include <errno.h>
#include <uapi.h>
#include <string.h>
#include "dmabuf.h"
#include "internal.h"

static bool is_suspended(const struct vfiosafe_sim *sim)
{
	return sim->low_power && vsim_now_ns() >= sim->suspend_ns;
}

static void leave(struct vfiosafe_sim *sim)
{
	sim->low_power = false;
	vsim_eventfd_put(&sim->wake_fd);
	vsim_bars_update(sim);
	vsim_intx_look(sim);
}

void vsim_resume(struct vfiosafe_sim *sim)
{
	if (!is_suspended(sim))
		return;
	if ((sim->opts.flags & VFIOSAFE_SIM_D3COLD) && !sim->lost) {
		sim->lost = true;
		vsim_lose_state(sim);
	}
	sim->suspend_ns = vsim_now_ns() + (int64_t)sim->suspend_us * 1000;
	if (sim->wake_fd < 0)
		return;
	vsim_eventfd_signal(sim->wake_fd);
	leave(sim);
}

/* A D3hot that the program had asked for is lost. */
static int enter(struct vfiosafe_sim *sim, int wake_fd)
{
	int rc;

	rc = wake_fd < 0 ? -1 : vsim_eventfd_get(wake_fd);
	if (wake_fd >= 0 && rc < 0)
		return rc;
	/* Also what is refused then. */
	vsim_dmabufs_revoke(sim);
	if (sim->low_power) {
		vsim_eventfd_put(&rc);
		return -EINVAL;
	}
	sim->wake_fd = rc;
	sim->low_power = true;
	sim->lost = false;
	sim->suspend_ns = vsim_now_ns() + (int64_t)sim->suspend_us * 1000;
	vsim_config_to_d0(sim);
	vsim_bars_update(sim);
	return 0;
}

static size_t payload_len(uint32_t feature)
{
	return feature == VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY_WITH_WAKEUP
		       ? sizeof(struct vfio_device_low_power_entry_with_wakeup)
		       : 0;
}

/* Idempotent. A wake-up by itself does not give exports free again. */
static int leave_by_call(struct vfiosafe_sim *sim)
{
	if (sim->low_power)
		leave(sim);
	vsim_dmabufs_allow(sim);
	return 0;
}

static int set_low_power(struct vfiosafe_sim *sim, uint32_t feature, int wake_fd)
{
	int rc;

	pthread_mutex_lock(&sim->lock);
	rc = vsim_fail_once(sim, VFIOSAFE_SIM_CALL_FEATURE);
	while (rc == 0 && sim->memory_locked)
		pthread_cond_wait(&sim->changed, &sim->lock);
	if (rc == 0 && feature != VFIO_DEVICE_FEATURE_LOW_POWER_EXIT)
		rc = enter(sim, wake_fd);
	else if (rc == 0)
		rc = leave_by_call(sim);
	pthread_mutex_unlock(&sim->lock);
	return rc;
}

int vsim_low_power(struct vfiosafe_sim *sim, const struct vfio_device_feature *arg)
{
	uint32_t feature = arg->flags & VFIO_DEVICE_FEATURE_MASK;
	int32_t wake_fd = -1;

	if (arg->argsz - sizeof(*arg) < payload_len(feature))
		return -EINVAL;
	if (payload_len(feature)) {
		memcpy(&wake_fd, arg->data, sizeof(wake_fd));
		if (wake_fd < 0)
			return -EINVAL;
	}
	return set_low_power(sim, feature, wake_fd);
}

VFIOSAFE_API void vfiosafe_sim_wakeup(struct vfiosafe_sim *sim)
{
	pthread_mutex_lock(&sim->lock);
	vsim_resume(sim);
	pthread_mutex_unlock(&sim->lock);
}

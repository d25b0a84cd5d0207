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

	if (sim->low_power)
		return -EINVAL;
	rc = wake_fd < 0 ? -1 : vsim_eventfd_get(wake_fd);
	if (wake_fd >= 0 && rc < 0)
		return rc;
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

/* 0 to go on, with the rules of the kernel; 1 if only asked whether it exists. */
static int check(const struct vfio_device_feature *arg)
{
	uint32_t ops = VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_SET;
	uint32_t known = VFIO_DEVICE_FEATURE_MASK | VFIO_DEVICE_FEATURE_PROBE | ops;
	bool probe = arg->flags & VFIO_DEVICE_FEATURE_PROBE;
	uint32_t feature = arg->flags & VFIO_DEVICE_FEATURE_MASK;

	if (arg->argsz < sizeof(*arg) || (arg->flags & ~known))
		return -EINVAL;
	if (!probe && (arg->flags & ops) == ops)
		return -EINVAL;
	if (feature != VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY &&
	    feature != VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY_WITH_WAKEUP &&
	    feature != VFIO_DEVICE_FEATURE_LOW_POWER_EXIT)
		return -ENOTTY;
	if (arg->flags & VFIO_DEVICE_FEATURE_GET)
		return -EINVAL;
	if (probe)
		return 1;
	if (!(arg->flags & VFIO_DEVICE_FEATURE_SET) ||
	    arg->argsz - sizeof(*arg) < payload_len(feature))
		return -EINVAL;
	return 0;
}

/* Leaving is idempotent. */
static int set_low_power(struct vfiosafe_sim *sim, uint32_t feature, int wake_fd)
{
	int rc;

	pthread_mutex_lock(&sim->lock);
	rc = vsim_fail_once(sim, VFIOSAFE_SIM_CALL_FEATURE);
	while (rc == 0 && sim->memory_locked)
		pthread_cond_wait(&sim->changed, &sim->lock);
	if (rc == 0 && feature != VFIO_DEVICE_FEATURE_LOW_POWER_EXIT)
		rc = enter(sim, wake_fd);
	else if (rc == 0 && sim->low_power)
		leave(sim);
	pthread_mutex_unlock(&sim->lock);
	return rc;
}

int vsim_device_feature(struct vfiosafe_sim *sim, const struct vfio_device_feature *arg)
{
	uint32_t feature = arg->flags & VFIO_DEVICE_FEATURE_MASK;
	int32_t wake_fd = -1;
	int rc = check(arg);

	if (rc != 0)
		return rc < 0 ? rc : 0;
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

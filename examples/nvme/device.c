/* SPDX-License-Identifier: MIT */
/* device.c - the controller in software, or one behind VFIO; and somebody else's fd. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "job.h"

int job_fail(struct job *job, int rc, const char *format, ...)
{
	char why[sizeof(job->result->why)];
	va_list args;

	va_start(args, format);
	vsnprintf(why, sizeof(why), format, args);
	va_end(args);
	if (!job->result->why[0])
		memcpy(job->result->why, why, sizeof(why));
	return rc;
}

static int open_sim(struct job *job)
{
	struct vfiosafe_sim_opts opts = {
		.size = sizeof(opts),
		.window = VFIOSAFE_SIM_ALL_KINDS,
		.flags = VFIOSAFE_SIM_NO_SOFT_RESET, /* as QEMU's: resume has work */
		.disk_len = job->options->mib << 20,
	};
	int rc = vfiosafe_sim_open(&job->sim, job->options->address, &opts);

	if (rc == -EPERM) { /* no stalls without userfaultfd */
		opts.window = VFIOSAFE_SIM_ALL_ONES;
		rc = vfiosafe_sim_open(&job->sim, job->options->address, &opts);
	}
	if (rc < 0)
		return job_fail(job, rc, "%s: %s", job->options->address, strerror(-rc));
	job->sys = vfiosafe_sim_sys(job->sim);
	return 0;
}

int job_device_open(struct job *job)
{
	struct vfiosafe_device_opts opts = { .size = sizeof(opts),
					     .door = job->options->door,
					     .recover_on_wait = true };
	const char *address = job->options->address;
	int rc = 0;

	job->other_fd = -1;
	job->sys = vfiosafe_sys_default();
	if (strncmp(address, "sim:", 4) == 0)
		rc = open_sim(job);
	if (rc < 0)
		return rc;
	if (job->sim)
		address = vfiosafe_sim_address(job->sim);
	opts.sys = job->sys;
	rc = vfiosafe_device_open(&job->dev, address, &opts);
	if (rc < 0)
		return job_fail(job, rc, "%s", vfiosafe_error_text());
	job->result->door = vfiosafe_device_door(job->dev);
	job->other_fd = job->sys->dup(job->sys->ctx, vfiosafe_device_fd(job->dev));
	return job->other_fd < 0 ? job_fail(job, job->other_fd, "dup failed") : 0;
}

void job_device_close(struct job *job)
{
	if (job->other_fd >= 0)
		job->sys->close(job->sys->ctx, job->other_fd);
	if (job->dev && vfiosafe_device_close(job->dev, 10000) < 0)
		job_fail(job, -EBUSY, "close: %s", vfiosafe_error_text());
	vfiosafe_sim_close(job->sim);
}

/* SPDX-License-Identifier: MIT */
/*
 * raw.c - what raw.h puts in the place of the guard; and the child in which the job runs
 * with it.
 */
#define NVME_RAW_ITSELF
#include "raw.h"

#include <endian.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "job.h"

#define CHILD_S 120u
#define STUCK_MS 10000u

/* Of the child. */
static struct {
	const struct job *job;
	struct vfiosafe_driver_ops ops;
	void *ctx;
} raw;

int raw_device_open(struct job *job)
{
	raw.job = job;
	return job_device_open(job);
}

int raw_begin(const struct vfiosafe_view *view, struct vfiosafe_section *sec)
{
	sec->base = view->base;
	return 0;
}

int raw_end(struct vfiosafe_section *sec)
{
	(void)sec;
	return 0;
}

int raw_bar_view(struct vfiosafe_bar *bar, struct vfiosafe_view *view)
{
	view->base = vfiosafe_bar_address(bar);
	return view->base ? 0 : -EOPNOTSUPP;
}

int raw_read32(const struct vfiosafe_view *view, uint64_t offset, uint32_t *value)
{
	volatile uint8_t *regs = view->base;

	*value = le32toh(*(volatile uint32_t *)(regs + offset));
	return 0;
}

int raw_write32(const struct vfiosafe_view *view, uint64_t offset, uint32_t value)
{
	volatile uint8_t *regs = view->base;

	*(volatile uint32_t *)(regs + offset) = htole32(value);
	return 0;
}

int raw_read64(const struct vfiosafe_view *view, uint64_t offset, uint64_t *value)
{
	uint32_t lo, hi;

	raw_read32(view, offset, &lo);
	raw_read32(view, offset + 4, &hi);
	*value = lo | (uint64_t)hi << 32;
	return 0;
}

int raw_write64(const struct vfiosafe_view *view, uint64_t offset, uint64_t value)
{
	raw_write32(view, offset, (uint32_t)value);
	return raw_write32(view, offset + 4, (uint32_t)(value >> 32));
}

int raw_poll32(const struct vfiosafe_view *view, uint64_t offset, uint32_t mask,
	       uint32_t want, int64_t deadline_ns, uint32_t *value)
{
	const struct timespec pause = { .tv_nsec = 50000 };
	uint32_t now;

	for (;;) {
		raw_read32(view, offset, &now);
		if (value)
			*value = now;
		if ((now & mask) == want)
			return 0;
		if (vfiosafe_deadline_in_ms(0) > deadline_ns)
			return -ETIMEDOUT;
		clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
	}
}

int raw_set_driver(struct vfiosafe_device *dev, const struct vfiosafe_driver_ops *ops,
		   void *ctx)
{
	(void)dev;
	raw.ops = ops ? *ops : (struct vfiosafe_driver_ops){ 0 };
	raw.ctx = ctx;
	return 0;
}

int raw_reset(struct vfiosafe_device *dev, const struct vfiosafe_reset_opts *opts)
{
	int rc = behind_reset(raw.job);

	(void)opts;
	return rc < 0 ? rc : raw.ops.reinit(dev, raw.ctx);
}

int raw_set_power(struct vfiosafe_device *dev, enum vfiosafe_power power,
		  const struct vfiosafe_reset_opts *opts)
{
	int rc = behind_power(raw.job, power);

	(void)opts;
	return rc < 0 || power != VFIOSAFE_D0 ? rc : raw.ops.reinit(dev, raw.ctx);
}

uint64_t raw_generation(const struct vfiosafe_device *dev)
{
	(void)dev;
	return 1;
}

int raw_nothing(struct vfiosafe_device *dev, ...)
{
	(void)dev;
	return 0;
}

int raw_no_handler(void)
{
	return 0;
}

static void be_child(const struct job_options *options, struct job_result *result)
{
	const struct rlimit none = { 0, 0 };

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setrlimit(RLIMIT_CORE, &none);
	signal(SIGBUS, SIG_DFL); /* a sanitizer may have set another one */
	alarm(CHILD_S);
	raw_job_run(options, result);
	exit(0);
}

static bool describe(const struct job_result *result, int status, char *end, size_t len)
{
	if (WIFSIGNALED(status))
		snprintf(end, len, "died: %s", strsignal(WTERMSIG(status)));
	else if (result->why[0])
		snprintf(end, len, "%.80s", result->why);
	else if (result->lost || result->corrupt)
		snprintf(end, len, "wrong data");
	else if (result->failed)
		snprintf(end, len, "%llu commands were refused",
			 (unsigned long long)result->failed);
	else
		snprintf(end, len, "well");
	return strcmp(end, "well") != 0;
}

bool raw_run(const struct job_options *options, struct job_result *result, char *end,
	     size_t len)
{
	struct job_options raw_options = *options;
	int status = 0;
	pid_t pid;

	raw_options.stuck_ms = STUCK_MS;
	raw_options.reactor = false;
	fflush(NULL);
	pid = fork();
	if (pid == 0)
		be_child(&raw_options, result);
	if (pid < 0) {
		snprintf(end, len, "no child");
		return false;
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return describe(result, status, end, len);
}

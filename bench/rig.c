/* SPDX-License-Identifier: MIT */
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "rig.h"

void bench_die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(1);
}

int64_t bench_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

/* As at start: what bench_pin() narrows later does not count. */
static const cpu_set_t *cpus_at_start(void)
{
	static cpu_set_t cpus;

	if (CPU_COUNT(&cpus) == 0 && sched_getaffinity(0, sizeof(cpus), &cpus) < 0)
		bench_die("sched_getaffinity failed");
	return &cpus;
}

int bench_cpus(void)
{
	return CPU_COUNT(cpus_at_start());
}

void bench_pin(int nth)
{
	int left = nth % bench_cpus();
	cpu_set_t one;

	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, cpus_at_start()) || left-- > 0)
			continue;
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		if (sched_setaffinity(0, sizeof(one), &one) < 0)
			bench_die("sched_setaffinity failed");
		return;
	}
}

static struct bench_locks *locks_new(void)
{
	struct bench_locks *locks = calloc(1, sizeof(*locks));

	if (!locks)
		bench_die("out of memory");
	pthread_rwlock_init(&locks->rwlock, NULL);
	pthread_mutex_init(&locks->mutex, NULL);
	locks->fd = memfd_create("bench-register", MFD_CLOEXEC);
	if (locks->fd < 0 || ftruncate(locks->fd, sysconf(_SC_PAGESIZE)) < 0)
		bench_die("memfd_create failed");
	return locks;
}

static void map_register(struct bench_rig *rig)
{
	struct vfiosafe_bar *bar;
	int rc = vfiosafe_bar_map(&bar, rig->dev, 0, 0, 0, 0);

	if (rc == 0)
		rc = vfiosafe_bar_view(bar, &rig->view);
	if (rc < 0)
		bench_die("bar: %s", vfiosafe_error_text());
	rig->reg =
		(volatile uint32_t *)((uintptr_t)vfiosafe_bar_address(bar) + BENCH_REG);
}

void bench_rig_open(struct bench_rig *rig)
{
	struct vfiosafe_device_opts opts = { .size = sizeof(opts) };
	int rc;

	memset(rig, 0, sizeof(*rig));
	/* The device's own thread inherits this place; the measured one leaves it. */
	bench_pin(1);
	rc = vfiosafe_sim_open(&rig->sim, "sim:reg", NULL);
	if (rc < 0)
		bench_die("sim:reg: %s", strerror(-rc));
	bench_pin(0);
	opts.sys = vfiosafe_sim_sys(rig->sim);
	rc = vfiosafe_device_from_fd(&rig->dev, vfiosafe_sim_device_fd(rig->sim), &opts);
	if (rc < 0)
		bench_die("device: %s", vfiosafe_error_text());
	if (vfiosafe_device_fenced(rig->dev))
		bench_die("no membarrier(2) here: there is no fast path to measure");
	map_register(rig);
	rig->locks = locks_new();
}

void bench_rig_close(struct bench_rig *rig)
{
	close(rig->locks->fd);
	free(rig->locks);
	if (vfiosafe_device_close(rig->dev, 1000) < 0)
		bench_die("close: %s", vfiosafe_error_text());
	vfiosafe_sim_close(rig->sim);
}

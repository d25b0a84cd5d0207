/* SPDX-License-Identifier: MIT */
/* What drivers do without the library: nothing, a lock, or the kernel. */
#include <unistd.h>

#include "case.h"

BENCH_LOOPS(raw, , )
BENCH_LOOPS(rwlock, pthread_rwlock_rdlock(&rig->locks->rwlock),
	    pthread_rwlock_unlock(&rig->locks->rwlock))
BENCH_LOOPS(mutex, pthread_mutex_lock(&rig->locks->mutex),
	    pthread_mutex_unlock(&rig->locks->mutex))

static uint32_t by_pread(struct bench_rig *rig)
{
	uint32_t value;

	if (pread(rig->locks->fd, &value, sizeof(value), 0) != sizeof(value))
		bench_die("pread failed");
	return value;
}

static void by_pwrite(struct bench_rig *rig, uint32_t value)
{
	if (pwrite(rig->locks->fd, &value, sizeof(value), 0) != sizeof(value))
		bench_die("pwrite failed");
}

BENCH_READ(kernel, , by_pread(rig), )
BENCH_WRITE(kernel, , by_pwrite(rig, (uint32_t)n), )
BENCH_SECTION(kernel, , by_pread(rig), )

const struct bench_case bench_case_raw = {
	.name = "raw volatile",
	.read = raw_read,
	.write = raw_write,
	.section = raw_section,
};

const struct bench_case bench_case_rwlock = {
	.name = "pthread_rwlock",
	.read = rwlock_read,
	.write = rwlock_write,
	.section = rwlock_section,
};

const struct bench_case bench_case_mutex = {
	.name = "pthread_mutex",
	.read = mutex_read,
	.write = mutex_write,
	.section = mutex_section,
};

const struct bench_case bench_case_pread = {
	.name = "pread, pwrite",
	.read = kernel_read,
	.write = kernel_write,
	.section = kernel_section,
};

/* SPDX-License-Identifier: MIT */
/*
 * Time, and what threads wait for. The fake clock stands still until somebody
 * sleeps; a wait that nobody ends is over at its deadline, at once.
 */
#include <errno.h>
#include <sched.h>

#include "fake_parts.h"
#include "sys.h"

static int64_t now_ns(void *ctx)
{
	struct fake *fake = ctx;

	if (fake->real_clock)
		return vsf_now(vfiosafe_sys_default());
	return __atomic_load_n(&fake->now, __ATOMIC_RELAXED);
}

void fake_advance_ms(struct fake *fake, int64_t ms)
{
	__atomic_fetch_add(&fake->now, ms * 1000000, __ATOMIC_RELAXED);
}

static int sleep_ns(void *ctx, int64_t ns)
{
	struct fake *fake = ctx;
	int rc = fake_leave(fake, fake_enter(fake, FAKE_SLEEP, FAKE_ANY));

	if (rc < 0)
		return rc;
	if (fake->real_clock)
		return vsf_sys(vfiosafe_sys_default(), sleep_ns, ns);
	__atomic_fetch_add(&fake->now, ns, __ATOMIC_RELAXED);
	sched_yield();
	return 0;
}

static int futex_wait(void *ctx, const uint32_t *word, uint32_t value, int64_t deadline)
{
	struct fake *fake = ctx;
	int rc = fake_leave(fake, fake_enter(fake, FAKE_FUTEX_WAIT, FAKE_ANY));

	if (rc < 0)
		return rc;
	if (fake->real_clock)
		return vsf_sys(vfiosafe_sys_default(), futex_wait, word, value, deadline);
	if (__atomic_load_n(word, __ATOMIC_SEQ_CST) != value)
		return -EAGAIN;
	if (deadline == INT64_MAX)
		fake->misuse = "a wait for ever on a clock that stands still";
	if (deadline != INT64_MAX && deadline > __atomic_load_n(&fake->now, __ATOMIC_RELAXED))
		__atomic_store_n(&fake->now, deadline, __ATOMIC_RELAXED);
	return -ETIMEDOUT;
}

static int futex_wake(void *ctx, const uint32_t *word)
{
	(void)ctx;
	return vsf_sys(vfiosafe_sys_default(), futex_wake, word);
}

static int membarrier(void *ctx, int command)
{
	struct fake *fake = ctx;
	int rc = fake_leave(fake, fake_enter(fake, FAKE_MEMBARRIER, (uint64_t)command));

	if (rc < 0)
		return rc;
	if (fake->no_membarrier)
		return -ENOSYS;
	return vsf_sys(vfiosafe_sys_default(), membarrier, command);
}

void fake_clock_install(struct vfiosafe_sys *sys)
{
	sys->now_ns = now_ns;
	sys->sleep_ns = sleep_ns;
	sys->futex_wait = futex_wait;
	sys->futex_wake = futex_wake;
	sys->membarrier = membarrier;
}

/* SPDX-License-Identifier: MIT */
/* The SIGBUS disposition of the process: ours if asked for, watched otherwise. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>

#include "error.h"
#include "fault.h"
#include "log.h"
#include <vfiosafe/fault.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int levels; /* how many of ours are installed */

/* Which of ours it is; -1: none. */
static int level_of(const struct sigaction *action)
{
	if (!(action->sa_flags & SA_SIGINFO))
		return -1;
	if (action->sa_sigaction == vsf_sigbus_handler)
		return 0;
	return action->sa_sigaction == vsf_sigbus_handler_again ? 1 : -1;
}

/* Somebody put back what was there before ours: it is out of the chain. */
static bool was_removed(const struct sigaction *now)
{
	const struct sigaction *before = &vsf_sigbus_before[levels - 1];

	if ((now->sa_flags ^ before->sa_flags) & SA_SIGINFO)
		return false;
	return now->sa_flags & SA_SIGINFO ? now->sa_sigaction == before->sa_sigaction
					  : now->sa_handler == before->sa_handler;
}

static int put_in_front(const struct sigaction *now)
{
	/* On the alternate stack if the thread has one; restarting as before. */
	struct sigaction ours = { .sa_sigaction = levels ? vsf_sigbus_handler_again
							 : vsf_sigbus_handler };

	vsf_sigbus_before[levels] = *now;
	sigemptyset(&ours.sa_mask);
	ours.sa_flags = SA_SIGINFO | SA_ONSTACK | (now->sa_flags & SA_RESTART);
	if (sigaction(SIGBUS, &ours, NULL) < 0)
		return vsf_fail(errno, "sigaction: %s", strerror(errno));
	levels++;
	return 0;
}

static int install(void)
{
	struct sigaction now;

	if (sigaction(SIGBUS, NULL, &now) < 0)
		return vsf_fail(errno, "sigaction: %s", strerror(errno));
	if (level_of(&now) >= 0)
		return vsf_fail(EALREADY, "the SIGBUS handler is installed already");
	if (levels && was_removed(&now))
		levels--;
	if (levels == VSF_SIGBUS_LEVELS)
		return vsf_fail(EBUSY, "the SIGBUS handler was put in front of another "
				       "one already, and one more came after it");
	return put_in_front(&now);
}

static int restore(void)
{
	struct sigaction now;
	int level;

	if (!levels)
		return vsf_fail(ENOENT, "no SIGBUS handler of this library is installed");
	if (sigaction(SIGBUS, NULL, &now) < 0)
		return vsf_fail(errno, "sigaction: %s", strerror(errno));
	level = level_of(&now);
	if (level < 0)
		return vsf_fail(EBUSY, "another SIGBUS handler was installed after ours and "
				       "may be chaining to it: restore that one first");
	if (sigaction(SIGBUS, &vsf_sigbus_before[level], NULL) < 0)
		return vsf_fail(errno, "sigaction: %s", strerror(errno));
	levels = level;
	return 0;
}

VFIOSAFE_API int vfiosafe_sigbus_install(void)
{
	int rc;

	pthread_mutex_lock(&lock);
	rc = install();
	pthread_mutex_unlock(&lock);
	return rc;
}

VFIOSAFE_API int vfiosafe_sigbus_restore(void)
{
	int rc;

	pthread_mutex_lock(&lock);
	rc = restore();
	pthread_mutex_unlock(&lock);
	return rc;
}

void vsf_sigbus_check_disposition(void)
{
	struct sigaction now;
	bool ours_expected;

	pthread_mutex_lock(&lock);
	ours_expected = levels > 0;
	pthread_mutex_unlock(&lock);
	if (sigaction(SIGBUS, NULL, &now) < 0 || level_of(&now) >= 0)
		return;
	if (ours_expected)
		vsf_log(VFIOSAFE_LOG_WARN, "another SIGBUS handler was installed after ours: it "
					   "must call vfiosafe_sigbus_handle(), or chain with "
					   "its three arguments, or let the program call "
					   "vfiosafe_sigbus_install() again");
	else if (!(now.sa_flags & SA_SIGINFO))
		vsf_log(VFIOSAFE_LOG_WARN, "SIGBUS in a BAR would kill this process: install "
					   "a handler that calls vfiosafe_sigbus_handle(), "
					   "or call vfiosafe_sigbus_install()");
}

void vsf_sigbus_check_mask(void)
{
	sigset_t mask;

	if (pthread_sigmask(SIG_BLOCK, NULL, &mask) == 0 && sigismember(&mask, SIGBUS) == 1)
		vsf_log(VFIOSAFE_LOG_WARN, "this thread blocks SIGBUS: the kernel will kill "
					   "the process if it faults in a BAR");
}

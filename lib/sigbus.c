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
static bool installed;

static bool is_ours(const struct sigaction *action)
{
	return (action->sa_flags & SA_SIGINFO) &&
	       action->sa_sigaction == vsf_sigbus_handler;
}

static int install(void)
{
	/* On the alternate stack if the thread has one; restarting as before. */
	struct sigaction ours = { .sa_sigaction = vsf_sigbus_handler };

	if (installed)
		return vsf_fail(EALREADY, "the SIGBUS handler is installed already");
	if (sigaction(SIGBUS, NULL, &vsf_sigbus_before) < 0)
		return vsf_fail(errno, "sigaction: %s", strerror(errno));
	sigemptyset(&ours.sa_mask);
	ours.sa_flags = SA_SIGINFO | SA_ONSTACK | (vsf_sigbus_before.sa_flags & SA_RESTART);
	if (sigaction(SIGBUS, &ours, NULL) < 0)
		return vsf_fail(errno, "sigaction: %s", strerror(errno));
	installed = true;
	return 0;
}

static int restore(void)
{
	struct sigaction now;

	if (!installed)
		return vsf_fail(ENOENT, "no SIGBUS handler of this library is installed");
	if (sigaction(SIGBUS, NULL, &now) < 0)
		return vsf_fail(errno, "sigaction: %s", strerror(errno));
	if (!is_ours(&now))
		return vsf_fail(EBUSY, "another SIGBUS handler was installed after ours and "
				       "may be chaining to it: restore that one first");
	if (sigaction(SIGBUS, &vsf_sigbus_before, NULL) < 0)
		return vsf_fail(errno, "sigaction: %s", strerror(errno));
	installed = false;
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
	ours_expected = installed;
	pthread_mutex_unlock(&lock);
	if (sigaction(SIGBUS, NULL, &now) < 0 || is_ours(&now))
		return;
	if (ours_expected)
		vsf_log(VFIOSAFE_LOG_WARN, "another SIGBUS handler was installed after ours: "
					   "it must chain, or call vfiosafe_sigbus_handle()");
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

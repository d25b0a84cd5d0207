/* SPDX-License-Identifier: MIT */
/* Who looks after the messages of other processes: an event loop, or a thread. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "agent.h"
#include "device.h"
#include "error.h"
#include "join.h"
#include "share.h"

/* While another thread dispatches, the fd stays readable: look again after so long. */
#define BUSY_NS 1000000

struct vsf_agent {
	pthread_t thread;
	int epoll_fd; /* readable when there is something to do, or the thread is to end */
	int stop_fd;
	bool stop; /* atomic */
};

static int fd_of(const struct vfiosafe_device *dev)
{
	return dev->join ? vsf_join_fd(dev) : vsf_share_fd(dev);
}

static int one_round(struct vfiosafe_device *dev)
{
	return dev->join ? vsf_join_dispatch(dev) : vsf_share_dispatch(dev);
}

static int check(const struct vfiosafe_device *dev, const char *call)
{
	int rc = vsf_refuse_inside(dev, call);

	if (rc < 0)
		return rc;
	if (vsf_words_forked(dev->words))
		return vsf_state_error(0, 0);
	if (fd_of(dev) < 0)
		return vsf_fail(EINVAL, "%s is not shared: vfiosafe_share_serve() first",
				dev->address);
	return 0;
}

VFIOSAFE_API int vfiosafe_agent_fd(const struct vfiosafe_device *dev)
{
	int fd = vsf_words_forked(dev->words) ? -EINVAL : fd_of(dev);

	return fd < 0 ? vsf_fail(EINVAL, "this device is not shared") : fd;
}

VFIOSAFE_API int vfiosafe_agent_dispatch(struct vfiosafe_device *dev)
{
	int rc = check(dev, "vfiosafe_agent_dispatch");

	if (rc < 0)
		return rc;
	vsf_count_inside(dev, 1);
	rc = one_round(dev);
	vsf_count_inside(dev, -1);
	return rc;
}

static bool is_stopped(struct vsf_agent *agent)
{
	return __atomic_load_n(&agent->stop, __ATOMIC_ACQUIRE);
}

static void *agent_main(void *arg)
{
	struct vfiosafe_device *dev = arg;
	struct vsf_agent *agent = dev->agent;
	int ready[2], rc = 0;

	/* What a round cannot mend (no memory, say) is looked at again with the next. */
	while (!is_stopped(agent) && rc != -ENODEV && rc != -EOWNERDEAD) {
		(void)vsf_sys(dev->sys, epoll_wait, agent->epoll_fd, ready, 2,
			      VFIOSAFE_FOREVER);
		if (is_stopped(agent))
			break;
		rc = one_round(dev);
		if (rc < 0)
			vsf_sys(dev->sys, sleep_ns, BUSY_NS);
	}
	/* The last that it does with the device: see vsf_agent_stop(). */
	vsf_count_inside(dev, -1);
	return NULL;
}

/* A fault in it is a fault of the program; all other signals are other threads'. */
static int start_thread(struct vfiosafe_device *dev, struct vsf_agent *agent)
{
	static const int faults[] = { SIGBUS, SIGSEGV, SIGFPE, SIGILL, SIGTRAP, SIGSYS };
	sigset_t block, before;
	int rc;

	sigfillset(&block);
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
		sigdelset(&block, faults[i]);
	pthread_sigmask(SIG_SETMASK, &block, &before);
	rc = pthread_create(&agent->thread, NULL, agent_main, dev);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return rc ? vsf_fail(EAGAIN, "no thread for the agent: %s", strerror(rc)) : 0;
}

static void close_fd(const struct vfiosafe_device *dev, int fd)
{
	if (fd >= 0)
		vsf_sys(dev->sys, close, fd);
}

static int open_fds(const struct vfiosafe_device *dev, struct vsf_agent *agent)
{
	int rc = agent->epoll_fd = vsf_sys(dev->sys, epoll);

	if (rc >= 0)
		rc = agent->stop_fd = vsf_sys(dev->sys, eventfd);
	if (rc >= 0)
		rc = vsf_sys(dev->sys, epoll_add, agent->epoll_fd, agent->stop_fd);
	if (rc >= 0)
		rc = vsf_sys(dev->sys, epoll_add, agent->epoll_fd, fd_of(dev));
	return rc < 0 ? vsf_fail(-rc, "no file descriptors for the agent: %s", strerror(-rc))
		      : 0;
}

static void agent_free(const struct vfiosafe_device *dev, struct vsf_agent *agent)
{
	close_fd(dev, agent->stop_fd);
	close_fd(dev, agent->epoll_fd);
	free(agent);
}

/* 1: there is one. From here on a close knows of it. */
static int claim(struct vfiosafe_device *dev, struct vsf_agent *agent)
{
	int rc = 0;

	pthread_mutex_lock(&dev->lock);
	if (vsf_device_state(dev) == VFIOSAFE_GONE)
		rc = -ENODEV;
	else if (dev->agent)
		rc = 1;
	else
		dev->agent = agent;
	pthread_mutex_unlock(&dev->lock);
	return rc;
}

static void unclaim(struct vfiosafe_device *dev)
{
	pthread_mutex_lock(&dev->lock);
	dev->agent = NULL;
	pthread_mutex_unlock(&dev->lock);
}

static int run_thread(struct vfiosafe_device *dev, struct vsf_agent *agent)
{
	int rc;

	vsf_count_inside(dev, 1); /* the thread's */
	rc = start_thread(dev, agent);
	if (rc < 0) {
		vsf_count_inside(dev, -1);
		unclaim(dev);
	}
	return rc;
}

/* Gives @agent to the device, or frees it. */
static int start(struct vfiosafe_device *dev, struct vsf_agent *agent)
{
	int rc = open_fds(dev, agent);

	if (rc == 0)
		rc = claim(dev, agent);
	if (rc == 0)
		rc = run_thread(dev, agent);
	if (rc == 0)
		return 0;
	agent_free(dev, agent);
	if (rc == -ENODEV)
		return vsf_state_error(0, 0);
	return rc < 0 ? rc : 0;
}

VFIOSAFE_API int vfiosafe_agent_start(struct vfiosafe_device *dev)
{
	struct vsf_agent *agent;
	int rc = check(dev, "vfiosafe_agent_start");

	if (rc < 0)
		return rc;
	agent = calloc(1, sizeof(*agent));
	if (!agent)
		return vsf_fail(ENOMEM, "out of memory");
	agent->epoll_fd = agent->stop_fd = -1;
	vsf_count_inside(dev, 1);
	rc = start(dev, agent);
	vsf_count_inside(dev, -1);
	return rc;
}

void vsf_agent_stop(struct vfiosafe_device *dev)
{
	struct vsf_agent *agent;

	/* One that is being started on another thread may be given up again. */
	pthread_mutex_lock(&dev->lock);
	agent = dev->agent;
	if (agent) {
		__atomic_store_n(&agent->stop, true, __ATOMIC_RELEASE);
		(void)vsf_sys(dev->sys, event_write, agent->stop_fd);
	}
	pthread_mutex_unlock(&dev->lock);
}

void vsf_agent_free(struct vfiosafe_device *dev)
{
	if (!dev->agent)
		return;
	/* A forked child has no such thread. */
	if (!vsf_words_forked(dev->words))
		pthread_join(dev->agent->thread, NULL);
	agent_free(dev, dev->agent);
}

/* SPDX-License-Identifier: MIT */
/* The kernel under a client: the real one, that a test can make fail. */
#include "join_rig.h"

static int enter(enum rig_call call)
{
	__atomic_fetch_add(&rig.count[call], 1, __ATOMIC_SEQ_CST);
	if (rig.fail_err[call])
		return -rig.fail_err[call];
	if (rig.fail_nth == 0 || --rig.fail_nth > 0)
		return 0;
	rig.failed = true;
	rig.failed_call = call;
	return -EDOM;
}

#define ARGS(...) (NULL, __VA_ARGS__)
#define WRAP(which, type, name, params, args)                                            \
	static type sys_##name params                                                    \
	{                                                                                \
		int rc = enter(which);                                                   \
                                                                                         \
		(void)ctx;                                                               \
		return rc < 0 ? rc : vfiosafe_sys_default()->name args;                  \
	}

WRAP(RIG_MMAP, int, mmap,
     (void *ctx, void **at, size_t len, int prot, int flags, int fd, uint64_t offset),
     ARGS(at, len, prot, flags, fd, offset))
WRAP(RIG_MADVISE, int, madvise, (void *ctx, void *at, size_t len, int advice),
     ARGS(at, len, advice))
WRAP(RIG_MEMFD, int, memfd, (void *ctx, const char *name), ARGS(name))
WRAP(RIG_EVENTFD, int, eventfd, (void *ctx), (NULL))
WRAP(RIG_EPOLL, int, epoll, (void *ctx), (NULL))
WRAP(RIG_EPOLL_ADD, int, epoll_add, (void *ctx, int epoll_fd, int fd), ARGS(epoll_fd, fd))
WRAP(RIG_CREDENTIALS, int, credentials, (void *ctx, int fd), ARGS(fd))
WRAP(RIG_SEND, int, send,
     (void *ctx, int fd, const void *buf, size_t len, const int *fds, unsigned int count),
     ARGS(fd, buf, len, fds, count))
WRAP(RIG_RECEIVE, ssize_t, receive,
     (void *ctx, int fd, void *buf, size_t len, struct vfiosafe_received *with),
     ARGS(fd, buf, len, with))
WRAP(RIG_TIMER, int, timer, (void *ctx), (NULL))
WRAP(RIG_TIMER_SET, int, timer_set, (void *ctx, int fd, int64_t at), ARGS(fd, at))
WRAP(RIG_PIDFD, int, pidfd, (void *ctx, pid_t pid), ARGS(pid))
WRAP(RIG_SEALED, int, sealed, (void *ctx, int fd, unsigned int *seals, uint64_t *len),
     ARGS(fd, seals, len))
WRAP(RIG_MEMBARRIER, int, membarrier, (void *ctx, int command), ARGS(command))
WRAP(RIG_PWRITE, ssize_t, pwrite,
     (void *ctx, int fd, const void *buf, size_t len, uint64_t offset),
     ARGS(fd, buf, len, offset))
WRAP(RIG_SEALABLE, int, sealable, (void *ctx, const char *name, size_t len), ARGS(name, len))
WRAP(RIG_SEAL, int, seal, (void *ctx, int fd, unsigned int seals), ARGS(fd, seals))
WRAP(RIG_MEMFD_LOOK, int, memfd_look, (void *ctx, int fd, struct vfiosafe_memfd *memfd),
     ARGS(fd, memfd))

static int64_t sys_now(void *ctx)
{
	(void)ctx;
	return vfiosafe_sys_default()->now_ns(NULL) +
	       __atomic_load_n(&rig.skipped, __ATOMIC_SEQ_CST);
}

static int sys_epoll_wait(void *ctx, int epoll_fd, int *fds, unsigned int count,
			  int64_t deadline)
{
	int rc = enter(RIG_EPOLL_WAIT);
	int64_t left = deadline - sys_now(ctx);

	if (rc < 0)
		return rc;
	if (!rig.no_waits)
		return vfiosafe_sys_default()->epoll_wait(NULL, epoll_fd, fds, count, deadline);
	rc = vfiosafe_sys_default()->epoll_wait(NULL, epoll_fd, fds, count, 0);
	if (rc == 0 && left > 0)
		__atomic_fetch_add(&rig.skipped, left, __ATOMIC_SEQ_CST);
	return rc;
}

void rig_install(void)
{
	rig.sys = *vfiosafe_sys_default();
	rig.sys.mmap = sys_mmap;
	rig.sys.madvise = sys_madvise;
	rig.sys.memfd = sys_memfd;
	rig.sys.eventfd = sys_eventfd;
	rig.sys.epoll = sys_epoll;
	rig.sys.epoll_add = sys_epoll_add;
	rig.sys.epoll_wait = sys_epoll_wait;
	rig.sys.credentials = sys_credentials;
	rig.sys.send = sys_send;
	rig.sys.receive = sys_receive;
	rig.sys.timer = sys_timer;
	rig.sys.timer_set = sys_timer_set;
	rig.sys.pidfd = sys_pidfd;
	rig.sys.sealed = sys_sealed;
	rig.sys.membarrier = sys_membarrier;
	rig.sys.pwrite = sys_pwrite;
	rig.sys.sealable = sys_sealable;
	rig.sys.seal = sys_seal;
	rig.sys.memfd_look = sys_memfd_look;
	rig.sys.now_ns = sys_now;
}

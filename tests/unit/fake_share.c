/* SPDX-License-Identifier: MIT */
/* What shared devices need: counted and made to fail here, done by the real kernel. */
#include <errno.h>

#include "fake_parts.h"

#define REAL(call, ...) (vfiosafe_sys_default()->call(NULL __VA_OPT__(, ) __VA_ARGS__))

/* One call that makes no fd. */
#define PASS(fake, which, call, ...)                                    \
	do {                                                            \
		int rc_ = fake_enter((fake), (which), FAKE_ANY);        \
									\
		return fake_leave((fake), rc_ < 0 ? rc_ : REAL(call, __VA_ARGS__)); \
	} while (0)

static int new_fd(struct fake *fake, int fd)
{
	fake->real_fds += fd >= 0;
	return fake_leave(fake, fd);
}

static int fake_socketpair(void *ctx, int fds[2])
{
	struct fake *fake = ctx;
	int rc = fake_enter(fake, FAKE_SOCKETPAIR, FAKE_ANY);

	if (rc == 0)
		rc = REAL(socketpair, fds);
	if (rc == 0)
		fake->real_fds += 2;
	return fake_leave(fake, rc);
}

static int fake_credentials(void *ctx, int fd)
{
	PASS(ctx, FAKE_CREDENTIALS, credentials, fd);
}

/* What a client gets of a fake file is the memory behind it. */
static int real_fd(struct fake *fake, int fd)
{
	const struct fake_file *file = fake_file_of(fake, fd);

	if (fd < FAKE_FD0)
		return fd;
	if (file && file->fn)
		return file->fn->memfd;
	if (file && file->buf)
		return file->buf->fn ? file->buf->fn->memfd : file->buf->memfd;
	return -1;
}

static int fake_send(void *ctx, int fd, const void *buf, size_t len, const int *fds,
		     unsigned int count)
{
	struct fake *fake = ctx;
	int rc = fake_enter(fake, FAKE_SEND, FAKE_ANY);
	int real[VFIOSAFE_RECEIVED_FDS];

	for (unsigned int i = 0; i < count && i < VFIOSAFE_RECEIVED_FDS; i++)
		real[i] = real_fd(fake, fds[i]);
	return fake_leave(fake, rc < 0 ? rc : REAL(send, fd, buf, len, real, count));
}

static ssize_t fake_receive(void *ctx, int fd, void *buf, size_t len,
			    struct vfiosafe_received *with)
{
	struct fake *fake = ctx;
	ssize_t n = fake_enter(fake, FAKE_RECEIVE, FAKE_ANY);

	with->count = 0;
	if (n == 0)
		n = REAL(receive, fd, buf, len, with);
	fake->real_fds += with->count;
	fake_leave(fake, 0);
	return n;
}

/* As a kernel does that does not tell, unless a test wants to know. */
static ssize_t fake_receive_no_fds(void *ctx, int fd, void *buf, size_t len,
				   struct vfiosafe_received *with, int *pidfd)
{
	struct fake *fake = ctx;
	ssize_t n = fake_enter(fake, FAKE_RECEIVE, FAKE_ANY);

	with->count = 0;
	if (pidfd)
		*pidfd = -EOPNOTSUPP;
	if (n == 0)
		n = REAL(receive_no_fds, fd, buf, len, with,
			 fake->tells_pidfd ? pidfd : NULL);
	fake->real_fds += with->count + (pidfd && *pidfd >= 0);
	fake_leave(fake, 0);
	return n;
}

static int fake_epoll_del(void *ctx, int epoll_fd, int fd)
{
	PASS(ctx, FAKE_EPOLL_DEL, epoll_del, epoll_fd, fd);
}

/* On the fake clock, a wait in which nothing comes is over at once, and its time gone. */
static int fake_epoll_wait(void *ctx, int epoll_fd, int *fds, unsigned int count,
			   int64_t deadline)
{
	struct fake *fake = ctx;
	int rc = fake_leave(fake, fake_enter(fake, FAKE_EPOLL_WAIT, FAKE_ANY));

	if (rc < 0)
		return rc;
	if (fake->real_clock)
		return REAL(epoll_wait, epoll_fd, fds, count, deadline);
	rc = REAL(epoll_wait, epoll_fd, fds, count, 0);
	if (rc == 0 && deadline == INT64_MAX)
		fake->misuse = "a wait for ever on a clock that stands still";
	else if (rc == 0 && deadline > __atomic_load_n(&fake->now, __ATOMIC_RELAXED))
		__atomic_store_n(&fake->now, deadline, __ATOMIC_RELAXED);
	return rc;
}

static int fake_timer(void *ctx)
{
	int rc = fake_enter(ctx, FAKE_TIMER, FAKE_ANY);

	return new_fd(ctx, rc < 0 ? rc : REAL(timer));
}

/* On the fake clock it goes off at once: who then looks at the time decides. */
static int fake_timer_set(void *ctx, int fd, int64_t at_ns)
{
	struct fake *fake = ctx;
	int rc = fake_enter(fake, FAKE_TIMER_SET, FAKE_ANY);
	bool soon = !fake->real_clock && at_ns != INT64_MAX && at_ns != 0;

	return fake_leave(fake, rc < 0 ? rc : REAL(timer_set, fd, soon ? 1 : at_ns));
}

static int fake_pidfd(void *ctx, pid_t pid)
{
	int rc = fake_enter(ctx, FAKE_PIDFD, FAKE_ANY);

	return new_fd(ctx, rc < 0 ? rc : REAL(pidfd, pid));
}

static int fake_kill(void *ctx, int pidfd)
{
	PASS(ctx, FAKE_KILL, kill, pidfd);
}

static int fake_sealable(void *ctx, const char *name, size_t len)
{
	int rc = fake_enter(ctx, FAKE_SEALABLE, FAKE_ANY);

	return new_fd(ctx, rc < 0 ? rc : REAL(sealable, name, len));
}

static int fake_seal(void *ctx, int fd, unsigned int seals)
{
	PASS(ctx, FAKE_SEAL, seal, fd, seals);
}

static int fake_sealed(void *ctx, int fd, unsigned int *seals, uint64_t *len)
{
	PASS(ctx, FAKE_SEALED, sealed, fd, seals, len);
}

static int fake_memfd_look(void *ctx, int fd, struct vfiosafe_memfd *memfd)
{
	PASS(ctx, FAKE_MEMFD_LOOK, memfd_look, fd, memfd);
}

static int fake_close_stranger(void *ctx, int fd)
{
	struct fake *fake = ctx;
	int rc = fake_enter(fake, FAKE_CLOSE_STRANGER, FAKE_ANY);

	fake->real_fds--;
	REAL(close, fd);
	return fake_leave(fake, rc);
}

int fake_adopt(struct fake *fake, int fd)
{
	pthread_mutex_lock(&fake->lock);
	return new_fd(fake, fd);
}

void fake_disown(struct fake *fake)
{
	pthread_mutex_lock(&fake->lock);
	fake->real_fds--;
	pthread_mutex_unlock(&fake->lock);
}

void fake_share_install(struct vfiosafe_sys *sys)
{
	sys->socketpair = fake_socketpair;
	sys->credentials = fake_credentials;
	sys->send = fake_send;
	sys->receive = fake_receive;
	sys->receive_no_fds = fake_receive_no_fds;
	sys->epoll_del = fake_epoll_del;
	sys->epoll_wait = fake_epoll_wait;
	sys->timer = fake_timer;
	sys->timer_set = fake_timer_set;
	sys->pidfd = fake_pidfd;
	sys->kill = fake_kill;
	sys->sealable = fake_sealable;
	sys->seal = fake_seal;
	sys->sealed = fake_sealed;
	sys->memfd_look = fake_memfd_look;
	sys->close_stranger = fake_close_stranger;
}

/* SPDX-License-Identifier: MIT */
/* Sockets, timers, pidfds and sealed memory of the real kernel: see sys.h. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include <vfiosafe/state.h>

#include "sys_share.h"

/* Of Linux 6.5; what older headers lack. */
#ifndef SO_PASSPIDFD
#define SO_PASSPIDFD 76
#endif
#ifndef SCM_PIDFD
#define SCM_PIDFD 0x04
#endif

static int result(long rc)
{
	return rc < 0 ? -errno : (int)rc;
}

int vsf_real_socketpair(void *ctx, int fds[2])
{
	(void)ctx;
	return result(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds));
}

int vsf_real_credentials(void *ctx, int fd)
{
	const int on = 1;
	int type = 0;
	socklen_t len = sizeof(type);

	(void)ctx;
	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) < 0)
		return -errno;
	if (type != SOCK_SEQPACKET)
		return -EPROTOTYPE;
	return result(setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)));
}

int vsf_real_send(void *ctx, int fd, const void *buf, size_t len, const int *fds,
		  unsigned int count)
{
	_Alignas(struct cmsghdr) char room[CMSG_SPACE(sizeof(int) * VFIOSAFE_RECEIVED_FDS)] = { 0 };
	struct iovec iov = { (void *)(uintptr_t)buf, len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n;

	(void)ctx;
	if (count > VFIOSAFE_RECEIVED_FDS)
		return -EINVAL;
	if (count > 0) {
		struct cmsghdr *head;

		msg.msg_control = room;
		msg.msg_controllen = CMSG_SPACE(sizeof(int) * count);
		head = CMSG_FIRSTHDR(&msg);
		head->cmsg_level = SOL_SOCKET;
		head->cmsg_type = SCM_RIGHTS;
		head->cmsg_len = CMSG_LEN(sizeof(int) * count);
		memcpy(CMSG_DATA(head), fds, sizeof(int) * count);
	}
	n = sendmsg(fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n < 0)
		return -errno;
	return (size_t)n == len ? 0 : -EMSGSIZE;
}

static void take_fds(const struct cmsghdr *head, struct vfiosafe_received *with)
{
	size_t count = (head->cmsg_len - CMSG_LEN(0)) / sizeof(int);

	for (size_t i = 0; i < count; i++) {
		int fd;

		memcpy(&fd, CMSG_DATA(head) + i * sizeof(int), sizeof(fd));
		if (with->count < VFIOSAFE_RECEIVED_FDS)
			with->fd[with->count++] = fd;
		else
			close(fd);
	}
}

static void take_credentials(const struct cmsghdr *head, struct vfiosafe_received *with)
{
	struct ucred who;

	memcpy(&who, CMSG_DATA(head), sizeof(who));
	with->pid = who.pid;
	with->uid = who.uid;
	with->gid = who.gid;
}

#define ROOM_WHO CMSG_SPACE(sizeof(struct ucred))
#define ROOM_FDS CMSG_SPACE(sizeof(int) * VFIOSAFE_RECEIVED_FDS)
#define ROOM_PIDFD CMSG_SPACE(sizeof(int))

/* How one message is received: the room decides what may come with it. */
struct way {
	size_t room;
	int flags;
	int *pidfd; /* or NULL */
};

/* Who sends comes first: what there is no room for are fds. */
static ssize_t receive(int fd, void *buf, size_t len, const struct way *way,
		       struct vfiosafe_received *with)
{
	_Alignas(struct cmsghdr) char room[ROOM_WHO + ROOM_FDS];
	struct iovec iov = { buf, len };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = room,
			      .msg_controllen = way->room };
	ssize_t n;

	memset(with, 0, sizeof(*with));
	n = recvmsg(fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC | way->flags);
	if (n < 0)
		return -errno;
	for (struct cmsghdr *head = CMSG_FIRSTHDR(&msg); head; head = CMSG_NXTHDR(&msg, head)) {
		if (head->cmsg_level != SOL_SOCKET)
			continue;
		if (head->cmsg_type == SCM_RIGHTS)
			take_fds(head, with);
		else if (head->cmsg_type == SCM_CREDENTIALS)
			take_credentials(head, with);
		else if (head->cmsg_type == SCM_PIDFD && way->pidfd)
			memcpy(way->pidfd, CMSG_DATA(head), sizeof(int));
	}
	return msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC) ? -EMSGSIZE : n;
}

ssize_t vsf_real_receive(void *ctx, int fd, void *buf, size_t len,
			 struct vfiosafe_received *with)
{
	(void)ctx;
	return receive(fd, buf, len, &(struct way){ .room = ROOM_WHO + ROOM_FDS }, with);
}

static int pass_pidfd(int fd, int on)
{
	return setsockopt(fd, SOL_SOCKET, SO_PASSPIDFD, &on, sizeof(on));
}

/*
 * The kernel puts fds that come before the pidfd (since Linux 6.8), where there would be
 * room for them then. So a message that has some is refused at a look at it.
 */
ssize_t vsf_real_receive_no_fds(void *ctx, int fd, void *buf, size_t len,
				struct vfiosafe_received *with, int *pidfd)
{
	const struct way plain = { .room = ROOM_WHO };
	const struct way peek = { .room = ROOM_WHO, .flags = MSG_PEEK };
	const struct way who = { .room = ROOM_WHO + ROOM_PIDFD, .pidfd = pidfd };
	ssize_t n;

	(void)ctx;
	if (!pidfd)
		return receive(fd, buf, len, &plain, with);
	*pidfd = -EOPNOTSUPP;
	n = receive(fd, buf, len, &peek, with);
	if (n <= 0 && n != -EMSGSIZE)
		return n;
	if (n == -EMSGSIZE || pass_pidfd(fd, 1) < 0)
		return receive(fd, buf, len, &plain, with);
	n = receive(fd, buf, len, &who, with);
	(void)pass_pidfd(fd, 0);
	return n;
}

int vsf_real_epoll_del(void *ctx, int epoll_fd, int fd)
{
	(void)ctx;
	return result(epoll_ctl(epoll_fd, EPOLL_CTL_DEL, fd, NULL));
}

/* To the next millisecond, so that nobody spins before the deadline. */
static int milliseconds_until(int64_t deadline_ns)
{
	struct timespec now;
	int64_t left;

	if (deadline_ns == VFIOSAFE_FOREVER)
		return -1;
	clock_gettime(CLOCK_MONOTONIC, &now);
	left = deadline_ns - (now.tv_sec * INT64_C(1000000000) + now.tv_nsec);
	if (left <= 0)
		return 0;
	left = (left + 999999) / 1000000;
	return left < INT_MAX ? (int)left : INT_MAX;
}

int vsf_real_epoll_wait(void *ctx, int epoll_fd, int *fds, unsigned int count,
			int64_t deadline_ns)
{
	struct epoll_event event[16];
	int n;

	(void)ctx;
	if (count > 16)
		count = 16;
	n = epoll_wait(epoll_fd, event, (int)count, milliseconds_until(deadline_ns));
	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	for (int i = 0; i < n; i++)
		fds[i] = event[i].data.fd;
	return n;
}

int vsf_real_timer(void *ctx)
{
	(void)ctx;
	return result(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
}

int vsf_real_timer_set(void *ctx, int fd, int64_t at_ns)
{
	struct itimerspec at = { 0 };

	(void)ctx;
	if (at_ns != VFIOSAFE_FOREVER) {
		at.it_value.tv_sec = at_ns / 1000000000;
		at.it_value.tv_nsec = at_ns % 1000000000;
	}
	return result(timerfd_settime(fd, TFD_TIMER_ABSTIME, &at, NULL));
}

int vsf_real_pidfd(void *ctx, pid_t pid)
{
	(void)ctx;
	return result(syscall(SYS_pidfd_open, pid, 0));
}

int vsf_real_kill(void *ctx, int pidfd)
{
	(void)ctx;
	return result(syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0));
}

int vsf_real_sealable(void *ctx, const char *name, size_t len)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int rc;

	(void)ctx;
	if (fd < 0 || ftruncate(fd, (off_t)len) == 0)
		return result(fd);
	rc = -errno;
	close(fd);
	return rc;
}

int vsf_real_seal(void *ctx, int fd, unsigned int seals)
{
	(void)ctx;
	return result(fcntl(fd, F_ADD_SEALS, seals));
}

int vsf_real_sealed(void *ctx, int fd, unsigned int *seals, uint64_t *len)
{
	struct stat st;
	int rc = result(fcntl(fd, F_GET_SEALS));

	(void)ctx;
	if (rc < 0)
		return rc;
	if (fstat(fd, &st) < 0)
		return -errno;
	*seals = (unsigned int)rc;
	*len = (uint64_t)st.st_size;
	return 0;
}

/* The seals first: only files in memory have them, and those do not block. */
int vsf_real_memfd_look(void *ctx, int fd, struct vfiosafe_memfd *memfd)
{
	struct statfs fs;
	struct stat st;
	int seals, flags;

	(void)ctx;
	seals = fcntl(fd, F_GET_SEALS);
	if (seals < 0)
		return -errno;
	flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fstat(fd, &st) < 0 || fstatfs(fd, &fs) < 0)
		return -errno;
	memfd->seals = (unsigned int)seals;
	memfd->mode = flags & O_ACCMODE;
	memfd->len = (uint64_t)st.st_size;
	memfd->page = (uint64_t)fs.f_bsize;
	return 0;
}

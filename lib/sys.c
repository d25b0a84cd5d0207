/* SPDX-License-Identifier: MIT */
/* The real kernel behind <vfiosafe/sys.h>: the only file that makes system calls. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "sys.h"
#include "sys_share.h"

static int result(long rc)
{
	return rc < 0 ? -errno : (int)rc;
}

static int sys_open(void *ctx, const char *path, int flags)
{
	(void)ctx;
	return result(open(path, flags | O_CLOEXEC));
}

static int sys_close(void *ctx, int fd)
{
	(void)ctx;
	return result(close(fd));
}

static int sys_dup(void *ctx, int fd)
{
	(void)ctx;
	return result(fcntl(fd, F_DUPFD_CLOEXEC, 0));
}

static int sys_dup_onto(void *ctx, int from, int onto)
{
	(void)ctx;
	return result(dup3(from, onto, O_CLOEXEC));
}

static int sys_ioctl(void *ctx, int fd, unsigned long request, void *arg)
{
	(void)ctx;
	return result(ioctl(fd, request, arg));
}

static ssize_t sys_pread(void *ctx, int fd, void *buf, size_t len, uint64_t offset)
{
	(void)ctx;
	ssize_t n = pread(fd, buf, len, (off_t)offset);

	return n < 0 ? -errno : n;
}

static ssize_t sys_pwrite(void *ctx, int fd, const void *buf, size_t len, uint64_t offset)
{
	(void)ctx;
	ssize_t n = pwrite(fd, buf, len, (off_t)offset);

	return n < 0 ? -errno : n;
}

static int sys_rdev(void *ctx, int fd, uint64_t *rdev)
{
	struct stat st;

	(void)ctx;
	if (fstat(fd, &st) < 0)
		return -errno;
	*rdev = st.st_rdev;
	return 0;
}

static int sys_readlink(void *ctx, const char *path, char *buf, size_t len)
{
	(void)ctx;
	ssize_t n = readlink(path, buf, len);

	if (n < 0)
		return -errno;
	if ((size_t)n >= len)
		return -ENAMETOOLONG;
	buf[n] = '\0';
	return 0;
}

/* Those of @entries that fit; a place where none are is no place to stop. */
static int copy_names(const char *entries, ssize_t bytes, uint64_t *position, char *buf,
		      size_t len)
{
	int count = 0;

	for (ssize_t at = 0; at < bytes;) {
		const struct dirent64 *entry = (const void *)(entries + at);
		size_t need = strlen(entry->d_name) + 1;

		if (entry->d_name[0] != '.') {
			if (need > len)
				return count > 0 ? count : -ENAMETOOLONG;
			memcpy(buf, entry->d_name, need);
			buf += need;
			len -= need;
			count++;
		}
		*position = (uint64_t)entry->d_off;
		at += entry->d_reclen;
	}
	return count;
}

/*
 * By the kernel's own position: an entry that goes away moves no other. Not by
 * readdir(), which reads far ahead: in /proc that is most of the work.
 */
static int sys_dir_names(void *ctx, const char *path, uint64_t *position, char *buf,
			 size_t len)
{
	_Alignas(struct dirent64) char entries[2048];
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ssize_t n;
	int rc;

	(void)ctx;
	if (fd < 0)
		return -errno;
	rc = lseek(fd, (off_t)*position, SEEK_SET) < 0 ? -errno : 0;
	while (rc == 0) {
		n = getdents64(fd, entries, sizeof(entries));
		if (n <= 0) {
			rc = n < 0 ? -errno : 0;
			break;
		}
		rc = copy_names(entries, n, position, buf, len);
	}
	close(fd);
	return rc;
}

static void *map_memory(void *at, size_t len, int prot, int flags, int fd, off_t offset)
{
#ifdef __SANITIZE_THREAD__
	/*
	 * It takes mmap() for a write to the memory. Replacing a BAR under code that is
	 * still touching it is no race, but the purpose: hidden.
	 */
	if (flags & MAP_FIXED)
		return (void *)syscall(SYS_mmap, at, len, prot, flags, fd, offset);
#endif
	return mmap(at, len, prot, flags, fd, offset);
}

static int sys_mmap(void *ctx, void **addr, size_t len, int prot, int flags, int fd,
		    uint64_t offset)
{
	(void)ctx;
	void *p = map_memory(*addr, len, prot, flags, fd, (off_t)offset);

	if (p == MAP_FAILED)
		return -errno;
	*addr = p;
	return 0;
}

static int sys_munmap(void *ctx, void *addr, size_t len)
{
	(void)ctx;
	return result(munmap(addr, len));
}

static int sys_madvise(void *ctx, void *addr, size_t len, int advice)
{
	(void)ctx;
	return result(madvise(addr, len, advice));
}

static int sys_memfd(void *ctx, const char *name)
{
	(void)ctx;
	return result(memfd_create(name, MFD_CLOEXEC));
}

/* Non-blocking: a signal handler writes it, and full means told. */
static int sys_eventfd(void *ctx)
{
	(void)ctx;
	return result(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
}

/*
 * Does not block, also on an eventfd of the program's, which may be a blocking one: the
 * flag is shared with the program. Before Linux 5.8 it has to be looked at first.
 */
static int sys_event_read(void *ctx, int fd, uint64_t *count)
{
	struct iovec to = { count, sizeof(*count) };
	struct pollfd readable = { .fd = fd, .events = POLLIN };
	ssize_t n = preadv2(fd, &to, 1, -1, RWF_NOWAIT);

	(void)ctx;
	if (n >= 0 || errno != EOPNOTSUPP)
		return n < 0 ? -errno : 0;
	if (poll(&readable, 1, 0) != 1)
		return -EAGAIN;
	return read(fd, count, sizeof(*count)) < 0 ? -errno : 0;
}

/* A counter that is full has told as much. */
static int sys_event_write(void *ctx, int fd)
{
	uint64_t one = 1;

	(void)ctx;
	return write(fd, &one, sizeof(one)) < 0 && errno != EAGAIN ? -errno : 0;
}

static int sys_epoll(void *ctx)
{
	(void)ctx;
	return result(epoll_create1(EPOLL_CLOEXEC));
}

static int sys_epoll_add(void *ctx, int epoll_fd, int fd)
{
	struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };

	(void)ctx;
	return result(epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event));
}

static int sys_memlock_limit(void *ctx, uint64_t *bytes)
{
	struct rlimit limit;

	(void)ctx;
	if (getrlimit(RLIMIT_MEMLOCK, &limit) < 0)
		return -errno;
	*bytes = limit.rlim_cur;
	return 0;
}

static int sys_membarrier(void *ctx, int command)
{
	(void)ctx;
	return result(syscall(SYS_membarrier, command, 0, 0));
}

static struct timespec to_timespec(int64_t ns)
{
	return (struct timespec){ .tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000 };
}

/* FUTEX_WAIT_BITSET takes an absolute time of CLOCK_MONOTONIC. */
static int sys_futex_wait(void *ctx, const uint32_t *word, uint32_t value,
			  int64_t deadline_ns)
{
	struct timespec ts = to_timespec(deadline_ns);

	(void)ctx;
	return result(syscall(SYS_futex, word, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG,
			      value, &ts, NULL, FUTEX_BITSET_MATCH_ANY));
}

static int sys_futex_wake(void *ctx, const uint32_t *word)
{
	(void)ctx;
	return result(syscall(SYS_futex, word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, INT_MAX,
			      NULL, NULL, 0));
}

static int64_t sys_now_ns(void *ctx)
{
	struct timespec ts;

	(void)ctx;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static int sys_sleep_ns(void *ctx, int64_t ns)
{
	struct timespec ts = to_timespec(ns);

	(void)ctx;
	if (ns == 0)
		return result(sched_yield());
	return -clock_nanosleep(CLOCK_MONOTONIC, 0, &ts, NULL);
}

static const struct vfiosafe_sys real = {
	.size = sizeof(struct vfiosafe_sys),
	.open = sys_open,
	.close = sys_close,
	.dup = sys_dup,
	.dup_onto = sys_dup_onto,
	.ioctl = sys_ioctl,
	.pread = sys_pread,
	.pwrite = sys_pwrite,
	.rdev = sys_rdev,
	.readlink = sys_readlink,
	.dir_names = sys_dir_names,
	.mmap = sys_mmap,
	.munmap = sys_munmap,
	.madvise = sys_madvise,
	.memfd = sys_memfd,
	.eventfd = sys_eventfd,
	.event_read = sys_event_read,
	.event_write = sys_event_write,
	.epoll = sys_epoll,
	.epoll_add = sys_epoll_add,
	.memlock_limit = sys_memlock_limit,
	.socketpair = vsf_real_socketpair,
	.credentials = vsf_real_credentials,
	.send = vsf_real_send,
	.receive = vsf_real_receive,
	.receive_no_fds = vsf_real_receive_no_fds,
	.epoll_del = vsf_real_epoll_del,
	.epoll_wait = vsf_real_epoll_wait,
	.timer = vsf_real_timer,
	.timer_set = vsf_real_timer_set,
	.pidfd = vsf_real_pidfd,
	.kill = vsf_real_kill,
	.sealable = vsf_real_sealable,
	.seal = vsf_real_seal,
	.sealed = vsf_real_sealed,
	.memfd_look = vsf_real_memfd_look,
	.close_stranger = sys_close,
	.membarrier = sys_membarrier,
	.futex_wait = sys_futex_wait,
	.futex_wake = sys_futex_wake,
	.now_ns = sys_now_ns,
	.sleep_ns = sys_sleep_ns,
};

VFIOSAFE_API const struct vfiosafe_sys *vfiosafe_sys_default(void)
{
	return &real;
}

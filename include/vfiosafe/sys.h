/* SPDX-License-Identifier: MIT */
/*
 * sys.h - the door to the kernel, replaceable per device.
 *
 * Everything that the library asks of the kernel on behalf of a device goes
 * through this table. Tests put a mock behind it, libvfiosafe_sim a device in
 * software. Programs that only drive devices never need this header.
 *
 * Every function takes the table's @ctx first and returns 0 or a positive
 * result, or a negative errno.
 */
#ifndef VFIOSAFE_SYS_H
#define VFIOSAFE_SYS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <vfiosafe/api.h>

VFIOSAFE_BEGIN_DECLS

#define VFIOSAFE_RECEIVED_FDS 20

/* What came with a message. */
struct vfiosafe_received {
	unsigned int count;
	int fd[VFIOSAFE_RECEIVED_FDS];
	/* who sent it, as the kernel says; pid 0 if it was not asked for */
	pid_t pid;
	uid_t uid;
	gid_t gid;
};

/* A memfd, or another file that takes seals. */
struct vfiosafe_memfd {
	unsigned int seals; /* F_SEAL_... */
	int mode;	    /* O_RDONLY, O_WRONLY or O_RDWR: how it is open */
	uint64_t len;
	uint64_t page; /* in bytes: of hugetlbfs more than the system's */
};

struct vfiosafe_sys {
	size_t size; /* sizeof(struct vfiosafe_sys) */
	void *ctx;

	int (*open)(void *ctx, const char *path, int flags);
	int (*close)(void *ctx, int fd);
	int (*dup)(void *ctx, int fd); /* with close-on-exec */
	/* @onto means what @from means, from one moment to the next; likewise */
	int (*dup_onto)(void *ctx, int from, int onto);
	int (*ioctl)(void *ctx, int fd, unsigned long request, void *arg);
	ssize_t (*pread)(void *ctx, int fd, void *buf, size_t len, uint64_t offset);
	ssize_t (*pwrite)(void *ctx, int fd, const void *buf, size_t len,
			  uint64_t offset);
	/* st_rdev of an open character device */
	int (*rdev)(void *ctx, int fd, uint64_t *rdev);
	/* target of a symbolic link, NUL-terminated; -ENAMETOOLONG if cut */
	int (*readlink)(void *ctx, const char *path, char *buf, size_t len);
	/*
	 * Names in a directory, in no order, each NUL-terminated, as many as fit
	 * into @buf; those that begin with a dot are left out. *@position is 0 at
	 * first, and where to go on afterwards. Their number, 0 past the last;
	 * -ENAMETOOLONG if not one fits.
	 */
	int (*dir_names)(void *ctx, const char *path, uint64_t *position, char *buf,
			 size_t len);

	/* MAP_FAILED never comes back: the address is stored on success only */
	int (*mmap)(void *ctx, void **addr, size_t len, int prot, int flags, int fd,
		    uint64_t offset);
	int (*munmap)(void *ctx, void *addr, size_t len);
	int (*madvise)(void *ctx, void *addr, size_t len, int advice);

	/* an empty anonymous file in memory, and an eventfd; close-on-exec */
	int (*memfd)(void *ctx, const char *name);
	int (*eventfd)(void *ctx);
	/* takes what an eventfd has counted; -EAGAIN if nothing */
	int (*event_read)(void *ctx, int fd, uint64_t *count);
	int (*event_write)(void *ctx, int fd); /* counts one more */
	/* an epoll fd, close-on-exec; readable while one that was added is */
	int (*epoll)(void *ctx);
	int (*epoll_add)(void *ctx, int epoll_fd, int fd);
	/* what RLIMIT_MEMLOCK allows this process, in bytes */
	int (*memlock_limit)(void *ctx, uint64_t *bytes);

	/*
	 * For devices that several processes share. Sockets are SOCK_SEQPACKET; send and
	 * receive never block (-EAGAIN) and never raise SIGPIPE. Fds that come are
	 * close-on-exec and the caller's, also if the message is refused.
	 */
	int (*socketpair)(void *ctx, int fds[2]);
	/* credentials come with each message from now on; -EPROTOTYPE: no SOCK_SEQPACKET */
	int (*credentials)(void *ctx, int fd);
	int (*send)(void *ctx, int fd, const void *buf, size_t len, const int *fds,
		    unsigned int count);
	/* its length, 0 at the end; -EMSGSIZE if it was longer, or had more fds */
	ssize_t (*receive)(void *ctx, int fd, void *buf, size_t len,
			   struct vfiosafe_received *with);
	/*
	 * The same, from somebody who has no fds to send: the kernel drops those that
	 * come, also -EMSGSIZE. To close a stranger's fd may block for ever.
	 *
	 * @pidfd: or NULL. Of the process that sent it, the caller's to close: of that
	 * one, also if it has ended and its number is another's. -EOPNOTSUPP: the kernel
	 * does not tell (before Linux 6.5), or nothing came; else why there is none.
	 */
	ssize_t (*receive_no_fds)(void *ctx, int fd, void *buf, size_t len,
				  struct vfiosafe_received *with, int *pidfd);
	int (*epoll_del)(void *ctx, int epoll_fd, int fd);
	/* fds of those that are readable, at most @count; 0 if none by @deadline_ns */
	int (*epoll_wait)(void *ctx, int epoll_fd, int *fds, unsigned int count,
			  int64_t deadline_ns);
	/* readable from a point of CLOCK_MONOTONIC on; 0 or VFIOSAFE_FOREVER: never */
	int (*timer)(void *ctx);
	int (*timer_set)(void *ctx, int fd, int64_t at_ns);
	int (*pidfd)(void *ctx, pid_t pid);
	int (*kill)(void *ctx, int pidfd);
	/* a memfd that can be sealed; the seals of a file (F_SEAL_...), and its length */
	int (*sealable)(void *ctx, const char *name, size_t len);
	int (*seal)(void *ctx, int fd, unsigned int seals);
	int (*sealed)(void *ctx, int fd, unsigned int *seals, uint64_t *len);
	/* -EINVAL: it is none. Of a stranger's fd too: asks no file system that may block */
	int (*memfd_look)(void *ctx, int fd, struct vfiosafe_memfd *memfd);
	/*
	 * An fd that a client sent and that is no memory (VFIOSAFE_GRANT_DMA). By default
	 * as close: of a file of FUSE that blocks until its file system answers. A program
	 * that serves clients it does not trust closes it on a thread that may block.
	 */
	int (*close_stranger)(void *ctx, int fd);

	int (*membarrier)(void *ctx, int command);
	/* sleeps while *@word == @value, until @deadline_ns; spurious wake-ups
	 * are allowed; -ETIMEDOUT */
	int (*futex_wait)(void *ctx, const uint32_t *word, uint32_t value,
			  int64_t deadline_ns);
	int (*futex_wake)(void *ctx, const uint32_t *word);
	int64_t (*now_ns)(void *ctx); /* CLOCK_MONOTONIC */
	int (*sleep_ns)(void *ctx, int64_t ns);
};

/**
 * vfiosafe_sys_default - the table that talks to the real kernel
 *
 * To replace one call, copy the table and change that member.
 * Return: a static table.
 * Context: any.
 */
VFIOSAFE_API const struct vfiosafe_sys *vfiosafe_sys_default(void);

VFIOSAFE_END_DECLS

#endif

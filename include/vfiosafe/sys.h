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
 */
VFIOSAFE_API const struct vfiosafe_sys *vfiosafe_sys_default(void);

VFIOSAFE_END_DECLS

#endif

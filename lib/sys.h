/* SPDX-License-Identifier: MIT */
/* How the library calls the table of <vfiosafe/sys.h>. */
#ifndef VSF_SYS_H
#define VSF_SYS_H

#include <vfiosafe/sys.h>

/* vsf_sys(s, ioctl, fd, request, arg): every system call is made like this. */
#define vsf_sys(s, call, ...) ((s)->call((s)->ctx __VA_OPT__(, ) __VA_ARGS__))
#define vsf_now(s) ((s)->now_ns((s)->ctx))

/* Adds without overflow: far deadlines stay far. */
static inline int64_t vsf_deadline(const struct vfiosafe_sys *s, uint32_t ms)
{
	return vsf_now(s) + (int64_t)ms * 1000000;
}

/* Sleeps for @ns, but not beyond @deadline. */
static inline void vsf_pause(const struct vfiosafe_sys *s, int64_t ns, int64_t deadline)
{
	int64_t left = deadline - vsf_now(s);

	if (left > 0)
		vsf_sys(s, sleep_ns, ns < left ? ns : left);
}

/* A zeroed page, private to the process, that the kernel wipes in a forked child. */
int vsf_page_new(const struct vfiosafe_sys *sys, void **page);
void vsf_page_free(const struct vfiosafe_sys *sys, void *page);

/* A file of sysfs, cut to @len - 1 bytes, without its newline; length or -errno. */
int vsf_sysfs_read(const struct vfiosafe_sys *s, const char *path, char *buf, size_t len);

/* A walk over the names in a directory, in no order; begin with { sys, path }. */
struct vsf_dir {
	const struct vfiosafe_sys *sys;
	const char *path;
	uint64_t position;
	int left; /* names in @buf that were not given out yet */
	const char *next;
	char buf[2048]; /* names of one read of the real kernel */
};

/* 1 and the next name, which is good until the next call; 0 past the last; -errno. */
int vsf_dir_next(struct vsf_dir *dir, const char **name);

/* The last component of a symbolic link's target; 0 or -errno. */
int vsf_sysfs_link(const struct vfiosafe_sys *s, const char *path, char *buf, size_t len);

#endif

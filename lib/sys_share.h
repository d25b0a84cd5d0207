/* SPDX-License-Identifier: MIT */
/* The part of the real kernel that only shared devices need; a part of sys.c. */
#ifndef VSF_SYS_SHARE_H
#define VSF_SYS_SHARE_H

#include <vfiosafe/sys.h>

int vsf_real_socketpair(void *ctx, int fds[2]);
int vsf_real_credentials(void *ctx, int fd);
int vsf_real_send(void *ctx, int fd, const void *buf, size_t len, const int *fds,
		  unsigned int count);
ssize_t vsf_real_receive(void *ctx, int fd, void *buf, size_t len,
			 struct vfiosafe_received *with);
ssize_t vsf_real_receive_no_fds(void *ctx, int fd, void *buf, size_t len,
				struct vfiosafe_received *with, int *pidfd);
int vsf_real_epoll_del(void *ctx, int epoll_fd, int fd);
int vsf_real_epoll_wait(void *ctx, int epoll_fd, int *fds, unsigned int count,
			int64_t deadline_ns);
int vsf_real_timer(void *ctx);
int vsf_real_timer_set(void *ctx, int fd, int64_t at_ns);
int vsf_real_pidfd(void *ctx, pid_t pid);
int vsf_real_kill(void *ctx, int pidfd);
int vsf_real_sealable(void *ctx, const char *name, size_t len);
int vsf_real_seal(void *ctx, int fd, unsigned int seals);
int vsf_real_sealed(void *ctx, int fd, unsigned int *seals, uint64_t *len);
int vsf_real_memfd_look(void *ctx, int fd, struct vfiosafe_memfd *memfd);

#endif

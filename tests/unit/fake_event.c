/* SPDX-License-Identifier: MIT */
/* Eventfds, epoll and limits: counted and made to fail here, done by the real kernel. */
#include <errno.h>

#include "fake_parts.h"

static int real_fd(struct fake *fake, int rc, int fd)
{
	if (rc == 0 && fd >= 0)
		fake->real_fds++;
	return fake_leave(fake, rc < 0 ? rc : fd);
}

static int fake_memfd(void *ctx, const char *name)
{
	int rc = fake_enter(ctx, FAKE_MEMFD, FAKE_ANY);

	return real_fd(ctx, rc, rc < 0 ? -1 : vfiosafe_sys_default()->memfd(NULL, name));
}

static int fake_eventfd(void *ctx)
{
	int rc = fake_enter(ctx, FAKE_EVENTFD, FAKE_ANY);

	return real_fd(ctx, rc, rc < 0 ? -1 : vfiosafe_sys_default()->eventfd(NULL));
}

static int fake_epoll(void *ctx)
{
	int rc = fake_enter(ctx, FAKE_EPOLL, FAKE_ANY);

	return real_fd(ctx, rc, rc < 0 ? -1 : vfiosafe_sys_default()->epoll(NULL));
}

static int fake_epoll_add(void *ctx, int epoll_fd, int fd)
{
	int rc = fake_enter(ctx, FAKE_EPOLL_ADD, FAKE_ANY);

	if (rc == 0)
		rc = vfiosafe_sys_default()->epoll_add(NULL, epoll_fd, fd);
	return fake_leave(ctx, rc);
}

static int fake_event_read(void *ctx, int fd, uint64_t *count)
{
	int rc = fake_enter(ctx, FAKE_EVENT_READ, FAKE_ANY);

	if (rc == 0)
		rc = vfiosafe_sys_default()->event_read(NULL, fd, count);
	return fake_leave(ctx, rc);
}

static int fake_event_write(void *ctx, int fd)
{
	int rc = fake_enter(ctx, FAKE_EVENT_WRITE, FAKE_ANY);

	if (rc == 0)
		rc = vfiosafe_sys_default()->event_write(NULL, fd);
	return fake_leave(ctx, rc);
}

/* @onto becomes @from, or, if that is of the real kernel, a file that answers nothing. */
static int fake_dup_onto(void *ctx, int from, int onto)
{
	struct fake *fake = ctx;
	int rc = fake_enter(fake, FAKE_DUP_ONTO, FAKE_ANY);
	struct fake_file *file = fake_file_of(fake, onto), *new = fake_file_of(fake, from);

	if (rc == 0 && !file)
		rc = -EBADF;
	if (rc == 0) {
		if (new)
			new->refs++;
		else
			new = fake_file_new(fake, FAKE_NOTHING);
		fake->fd[onto - FAKE_FD0] = new;
		fake_file_put(fake, file);
		rc = onto;
	}
	return fake_leave(fake, rc);
}

static int fake_memlock_limit(void *ctx, uint64_t *bytes)
{
	struct fake *fake = ctx;
	int rc = fake_enter(fake, FAKE_MEMLOCK_LIMIT, FAKE_ANY);

	*bytes = fake->memlock_limit;
	return fake_leave(fake, rc);
}

void fake_events_install(struct vfiosafe_sys *sys)
{
	sys->memfd = fake_memfd;
	sys->eventfd = fake_eventfd;
	sys->epoll = fake_epoll;
	sys->epoll_add = fake_epoll_add;
	sys->event_read = fake_event_read;
	sys->event_write = fake_event_write;
	sys->dup_onto = fake_dup_onto;
	sys->memlock_limit = fake_memlock_limit;
}

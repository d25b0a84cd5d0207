/* SPDX-License-Identifier: MIT */
/* How a process becomes a client, and stops being one. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "device.h"
#include "epoch.h"
#include "error.h"
#include "join_inside.h"

#define JOIN_TIMEOUT_MS 10000

static int read_opts(struct vfiosafe_join_opts *to, const struct vfiosafe_join_opts *from)
{
	memset(to, 0, sizeof(*to));
	if (from) {
		int rc = vsf_copy_opts(to, sizeof(*to), from, from->size, "opts.size",
				       "struct vfiosafe_join_opts");

		if (rc < 0)
			return rc;
	}
	if (!to->sys)
		to->sys = vfiosafe_sys_default();
	if (to->sys->size < sizeof(struct vfiosafe_sys))
		return vsf_fail(EINVAL, "opts.sys was built for another version of sys.h");
	if (to->timeout_ms == 0)
		to->timeout_ms = JOIN_TIMEOUT_MS;
	return 0;
}

static struct vsf_join *join_new(const struct vfiosafe_join_opts *opts)
{
	struct vsf_join *join = calloc(1, sizeof(*join));

	if (!join)
		return NULL;
	join->sock = join->calls = join->pidfd = join->timer_fd = join->wake_fd = -1;
	join->epoll_fd = join->wait_fd = join->calls_epoll = -1;
	for (unsigned int i = 0; i < VFIOSAFE_GRANT_RANGES; i++)
		join->range[i].fd = -1;
	join->deadline = VFIOSAFE_FOREVER;
	vsf_join_text(join->name, sizeof(join->name), opts->name ? opts->name : "");
	pthread_mutex_init(&join->lock, NULL);
	pthread_mutex_init(&join->calls_lock, NULL);
	vsf_mappings_init(&join->maps);
	return join;
}

static struct vfiosafe_device *device_new(const struct vfiosafe_join_opts *opts)
{
	struct vfiosafe_device *dev = calloc(1, sizeof(*dev));

	if (!dev)
		return NULL;
	dev->join = join_new(opts);
	if (!dev->join) {
		free(dev);
		return NULL;
	}
	dev->sys = opts->sys;
	dev->fd = -1;
	dev->door = VFIOSAFE_DOOR_SHARED;
	dev->ones_fd = -1;
	snprintf(dev->address, sizeof(dev->address), "shared device");
	pthread_mutex_init(&dev->lock, NULL);
	pthread_mutex_init(&dev->map_lock, NULL);
	vsf_irqs_init(dev);
	return dev;
}

static void device_free(struct vfiosafe_device *dev)
{
	vsf_irqs_free(dev);
	pthread_mutex_destroy(&dev->map_lock);
	pthread_mutex_destroy(&dev->lock);
	free(dev);
}

/* *@fd = @got, and into the epoll fds. */
static int keep(const struct vfiosafe_device *dev, int *fd, int got, int epoll_fd)
{
	int rc = got;

	if (got >= 0) {
		*fd = got;
		rc = epoll_fd < 0 ? 0 : vsf_sys(dev->sys, epoll_add, epoll_fd, got);
	}
	return rc < 0 ? vsf_fail(-rc, "no file descriptor to wait with: %s", strerror(-rc)) : 0;
}

static int open_fds(const struct vfiosafe_device *dev)
{
	const struct vfiosafe_sys *sys = dev->sys;
	struct vsf_join *join = dev->join;
	int unused, rc = keep(dev, &join->epoll_fd, vsf_sys(sys, epoll), -1);

	if (rc == 0)
		rc = keep(dev, &join->wait_fd, vsf_sys(sys, epoll), -1);
	if (rc == 0)
		rc = keep(dev, &join->calls_epoll, vsf_sys(sys, epoll), -1);
	if (rc == 0)
		rc = keep(dev, &join->timer_fd, vsf_sys(sys, timer), join->epoll_fd);
	if (rc == 0)
		rc = keep(dev, &join->wake_fd, vsf_sys(sys, eventfd), join->wait_fd);
	if (rc == 0)
		rc = keep(dev, &unused, dev->fault_event_fd, join->epoll_fd);
	if (rc == 0)
		rc = keep(dev, &unused, join->sock, join->epoll_fd);
	if (rc == 0)
		rc = keep(dev, &unused, join->epoll_fd, join->wait_fd);
	return rc;
}

/* Everything but what the owner has to say. */
static int prepare(struct vfiosafe_device *dev)
{
	int rc = vsf_epoch_init(dev->sys, &dev->fenced);

	if (rc < 0)
		return rc;
	rc = vsf_words_new(&dev->words, dev->sys, 1);
	if (rc < 0)
		return vsf_fail(-rc, "no page for the gate: %s", strerror(-rc));
	dev->words->dev = dev;
	dev->word = &dev->words->device;
	rc = vsf_events_open(dev, false);
	if (rc < 0) {
		vsf_words_free(dev->words, dev->sys);
		dev->words = NULL;
		return rc;
	}
	return open_fds(dev);
}

static int handshake(struct vfiosafe_device *dev, uint32_t timeout_ms)
{
	struct vsf_msg hello = { .type = VSF_MSG_HELLO };
	struct vsf_join *join = dev->join;
	int rc;

	memcpy(hello.text, join->name, sizeof(join->name));
	rc = vsf_join_send(dev, join->sock, &hello);
	if (rc == -EAGAIN)
		rc = vsf_fail(EAGAIN, "the socket is full of messages");
	join->said_hello = rc == 0;
	if (rc == 0)
		rc = vsf_join_welcome(dev, vsf_deadline(dev->sys, timeout_ms));
	return rc;
}

/* Nothing of the device is held here any more. Without a text: it may be too late. */
static void say_bye(const struct vfiosafe_device *dev, int sock)
{
	const struct vsf_msg bye = { .type = VSF_MSG_BYE };
	uint8_t buf[VSF_WIRE_LEN];

	vsf_wire_encode(&bye, buf);
	(void)vsf_sys(dev->sys, send, sock, buf, sizeof(buf), NULL, 0);
}

/*
 * The socket stays the caller's until all is well. The owner may have let us in, and given
 * us fds: it would wait for this process.
 */
static void undo(struct vfiosafe_device *dev)
{
	int sock = dev->join->said_hello ? dev->join->sock : -1;

	dev->join->sock = -1;
	if (dev->words)
		vsf_events_close(dev);
	vsf_join_free(dev);
	if (dev->fd >= 0)
		vsf_sys(dev->sys, close, dev->fd);
	if (sock >= 0)
		say_bye(dev, sock);
	if (dev->words)
		vsf_words_free(dev->words, dev->sys);
	device_free(dev);
}

VFIOSAFE_API int vfiosafe_join(struct vfiosafe_device **out, int socket_fd,
			       const struct vfiosafe_join_opts *user_opts)
{
	struct vfiosafe_join_opts opts;
	struct vfiosafe_device *dev;
	int rc;

	if (vsf_depth() > 0)
		return vsf_fail(EDEADLK, "vfiosafe_join inside a section");
	rc = read_opts(&opts, user_opts);
	if (rc < 0)
		return rc;
	dev = device_new(&opts);
	if (!dev)
		return vsf_fail(ENOMEM, "out of memory");
	dev->join->sock = socket_fd;
	rc = vsf_sys(dev->sys, credentials, socket_fd);
	rc = rc < 0 ? vsf_socket_error(rc, socket_fd) : prepare(dev);
	if (rc == 0)
		rc = handshake(dev, opts.timeout_ms);
	if (rc < 0) {
		undo(dev);
		return rc;
	}
	*out = dev;
	return 0;
}

void vsf_join_leave(struct vfiosafe_device *dev)
{
	if (!dev->join)
		return;
	(void)vsf_gate_end(dev->words, dev->sys, VFIOSAFE_GONE);
	vsf_join_wake(dev);
}

static void close_fd(const struct vfiosafe_device *dev, int fd)
{
	if (fd >= 0)
		vsf_sys(dev->sys, close, fd);
}

void vsf_join_free(struct vfiosafe_device *dev)
{
	struct vsf_join *join = dev->join;

	if (!join)
		return;
	for (uint32_t i = 0; i < VFIOSAFE_GRANT_RANGES; i++)
		close_fd(dev, join->range[i].fd);
	/* A forked child does not speak for us. */
	if (join->sock >= 0 && !vsf_words_forked(dev->words))
		say_bye(dev, join->sock);
	close_fd(dev, join->calls_epoll);
	close_fd(dev, join->wait_fd);
	close_fd(dev, join->epoll_fd);
	close_fd(dev, join->wake_fd);
	close_fd(dev, join->timer_fd);
	close_fd(dev, join->pidfd);
	close_fd(dev, join->calls);
	close_fd(dev, join->sock);
	if (join->page)
		vsf_control_free(dev->sys, join->page);
	/* A forked child did not inherit that memory. */
	if (dev->words && vsf_words_forked(dev->words))
		vsf_mappings_forget(&join->maps);
	vsf_mappings_free(&join->maps, dev->sys);
	pthread_mutex_destroy(&join->calls_lock);
	pthread_mutex_destroy(&join->lock);
	free(join);
	dev->join = NULL;
}

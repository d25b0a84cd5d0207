/* SPDX-License-Identifier: MIT */
/*
 * A new owner of device fds that a dead one left. It knows the processes that may still
 * have the device mapped from the ledger (ledger.h), watches them by pidfds, and makes no
 * reset while one lives: nobody would ask it, nor wait for its sections.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "device.h"
#include "error.h"
#include "ledger.h"
#include "succeed.h"

/* Under dev->lock once the device has it; before, of one thread. */
struct vsf_former {
	int epoll_fd;
	unsigned int left, room;
	struct {
		int pidfd;
		pid_t pid;
	} who[];
};

static int read_at(const struct vfiosafe_sys *sys, int fd, void *to, size_t len,
		   uint64_t at)
{
	ssize_t n = vsf_sys(sys, pread, fd, to, len, at);

	return n < 0 ? (int)n : n == (ssize_t)len;
}

static int read_head(const struct vfiosafe_sys *sys, int fd, struct vsf_ledger_head *head)
{
	int rc = read_at(sys, fd, head, sizeof(*head), 0);

	if (rc == 1 && head->magic == VSF_LEDGER_MAGIC &&
	    head->version == VSF_LEDGER_VERSION)
		return 0;
	return vsf_fail(EINVAL, "fd %d is not the ledger of an owner (of this version)",
			fd);
}

/* Not another process by now, with the same number. */
static bool may_hold(const struct vfiosafe_sys *sys, const struct vsf_ledger_entry *entry)
{
	uint64_t started = vsf_process_started(sys, (pid_t)entry->pid);

	return !started || !entry->started || started == entry->started;
}

/* The pidfd first: what /proc then says is of that process, or of none. */
static int watch(const struct vfiosafe_sys *sys, struct vsf_former *former,
		 const struct vsf_ledger_entry *entry)
{
	int fd, rc;

	if (former->left == former->room)
		return vsf_fail(EBUSY, "the ledger grew while it was read: its owner has not "
				       "ended; end it, then try again");
	fd = vsf_sys(sys, pidfd, (pid_t)entry->pid);
	if (fd == -ESRCH)
		return 0;
	if (fd < 0)
		return vsf_fail(-fd, "no pidfd of process %u: %s", entry->pid,
				strerror(-fd));
	if (!may_hold(sys, entry)) {
		vsf_sys(sys, close, fd);
		return 0;
	}
	rc = vsf_sys(sys, epoll_add, former->epoll_fd, fd);
	if (rc < 0) {
		vsf_sys(sys, close, fd);
		return vsf_fail(-rc, "cannot watch process %u: %s", entry->pid,
				strerror(-rc));
	}
	former->who[former->left].pidfd = fd;
	former->who[former->left++].pid = (pid_t)entry->pid;
	return 0;
}

/* After an exec this process has the pid of what it was, and no memory of it. */
static bool is_another(const struct vsf_ledger_entry *entry)
{
	return entry->pid != 0 && entry->pid != (uint32_t)getpid();
}

/* Takes what is in the ledger into @former; with NULL, only counts. */
static int read_ledger(const struct vfiosafe_sys *sys, struct vsf_former *former, int fd)
{
	struct vsf_ledger_entry entry;
	uint64_t from = sizeof(struct vsf_ledger_head);
	int rc, count = 0;

	while ((rc = read_at(sys, fd, &entry, sizeof(entry), from)) == 1) {
		from += sizeof(entry);
		count += is_another(&entry);
		if (!former || !is_another(&entry))
			continue;
		rc = watch(sys, former, &entry);
		if (rc < 0)
			return rc;
	}
	return rc < 0 ? vsf_fail(-rc, "cannot read the ledger: %s", strerror(-rc))
		      : count;
}

static void former_free(const struct vfiosafe_sys *sys, struct vsf_former *former)
{
	if (!former)
		return;
	for (unsigned int i = 0; i < former->left; i++)
		vsf_sys(sys, close, former->who[i].pidfd);
	if (former->epoll_fd >= 0)
		vsf_sys(sys, close, former->epoll_fd);
	free(former);
}

static int former_new(const struct vfiosafe_sys *sys, struct vsf_former **out,
		      int ledger_fd)
{
	int rc = read_ledger(sys, NULL, ledger_fd);
	struct vsf_former *former;

	if (rc < 0)
		return rc;
	former = calloc(1, sizeof(*former) + (size_t)rc * sizeof(former->who[0]));
	if (!former)
		return vsf_fail(ENOMEM, "out of memory");
	former->room = (unsigned int)rc;
	rc = former->epoll_fd = vsf_sys(sys, epoll);
	rc = rc < 0 ? vsf_fail(-rc, "no file descriptor to watch processes: %s",
			       strerror(-rc))
		    : read_ledger(sys, former, ledger_fd);
	if (rc < 0)
		former_free(sys, former);
	else
		*out = former;
	return rc < 0 ? rc : 0;
}

static void forget(const struct vfiosafe_sys *sys, struct vsf_former *former, int pidfd)
{
	unsigned int i = 0;

	while (i < former->left && former->who[i].pidfd != pidfd)
		i++;
	if (i == former->left)
		return;
	(void)vsf_sys(sys, epoll_del, former->epoll_fd, pidfd);
	vsf_sys(sys, close, pidfd);
	former->who[i] = former->who[--former->left];
}

int vsf_former_refuse(struct vfiosafe_device *dev)
{
	unsigned int left = 0;
	int ready[16], n;
	pid_t pid = 0;

	pthread_mutex_lock(&dev->lock);
	do {
		n = dev->former ? vsf_sys(dev->sys, epoll_wait, dev->former->epoll_fd,
					  ready, 16, 0)
				: 0;
		for (int i = 0; i < n; i++)
			forget(dev->sys, dev->former, ready[i]);
	} while (n > 0);
	if (dev->former && dev->former->left > 0) {
		left = dev->former->left;
		pid = dev->former->who[0].pid;
	}
	pthread_mutex_unlock(&dev->lock);
	if (left == 0)
		return 0;
	return vsf_fail(EBUSY,
			"%s: process %d, to which a former owner gave the device, has "
			"not ended, and may have it mapped (one of %u); end it, then try "
			"again",
			dev->address, (int)pid, left);
}

void vsf_former_free(struct vfiosafe_device *dev)
{
	former_free(dev->sys, dev->former);
}

/* With dev->lock. */
static bool take_over(struct vfiosafe_device *dev, struct vsf_former *former,
		     uint64_t generation)
{
	if (dev->bars || dev->run || dev->share || dev->former ||
	    vsf_device_state(dev) != VFIOSAFE_LIVE)
		return false;
	dev->former = former;
	vsf_words_advance(dev->words, generation);
	return true;
}

static int succeed(struct vfiosafe_device *dev, int ledger_fd)
{
	struct vsf_ledger_head head;
	struct vsf_former *former = NULL;
	unsigned int left;
	bool taken;
	int rc = read_head(dev->sys, ledger_fd, &head);

	if (rc == 0)
		rc = former_new(dev->sys, &former, ledger_fd);
	if (rc < 0)
		return rc;
	left = former->left;
	pthread_mutex_lock(&dev->lock);
	/* One that had begun when the owner died is not in the ledger yet. */
	taken = take_over(dev, former, head.generation + 2);
	pthread_mutex_unlock(&dev->lock);
	if (!taken) {
		former_free(dev->sys, former);
		return vsf_fail(EBUSY,
				"%s is in use: vfiosafe_share_succeed() comes right after "
				"vfiosafe_device_from_fd()",
				dev->address);
	}
	vsf_device_fault(dev, VFIOSAFE_CAUSE_MARKED,
			 "its former owner has ended, and may have left it in any state");
	return (int)left;
}

VFIOSAFE_API int vfiosafe_share_succeed(struct vfiosafe_device *dev, int ledger_fd)
{
	int rc = vsf_refuse_inside(dev, "vfiosafe_share_succeed");

	if (rc < 0)
		return rc;
	if (dev->join)
		return vsf_fail(EPERM, "%s belongs to another process", dev->address);
	if (vsf_words_forked(dev->words) || vsf_device_state(dev) == VFIOSAFE_GONE)
		return vsf_state_error(0, 0);
	vsf_count_inside(dev, 1);
	rc = succeed(dev, ledger_fd);
	vsf_count_inside(dev, -1);
	return rc;
}

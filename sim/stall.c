/* SPDX-License-Identifier: MIT */
/*
 * stall.c - makes touches of a BAR block, as a page fault in the kernel's reset.
 *
 * Every mapping of a BAR is registered with userfaultfd in minor mode for as long
 * as it exists, with all its page table entries in place: nothing faults. A
 * window takes the entries away. A touch then blocks inside the kernel until the
 * entries come back, and runs on the device as it is then. The device's own
 * mapping is not registered.
 *
 * The kernel forgets a registration together with the mapping. So a page is ours
 * to zap only if userfaultfd still knows it: a program that replaced a mapping
 * without asking the table keeps its new memory.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "internal.h"

#ifndef UFFD_USER_MODE_ONLY
#define UFFD_USER_MODE_ONLY 1
#endif
#ifndef MADV_DONTNEED_LOCKED
#define MADV_DONTNEED_LOCKED 24
#endif

static uintptr_t page_size(void)
{
	return (uintptr_t)sysconf(_SC_PAGESIZE);
}

static struct vsim_range range_of(const void *addr, size_t len)
{
	uintptr_t start = (uintptr_t)addr;
	uintptr_t mask = page_size() - 1;

	return (struct vsim_range){ start, (start + len + mask) & ~mask };
}

int vsim_stall_open(struct vsim_stall *stall, bool wanted)
{
	struct uffdio_api api = { .api = UFFD_API, .features = UFFD_FEATURE_MINOR_SHMEM };

	if (!wanted)
		return 0;
	stall->uffd = (int)syscall(SYS_userfaultfd,
				   O_CLOEXEC | O_NONBLOCK | UFFD_USER_MODE_ONLY);
	if (stall->uffd < 0)
		return errno == EMFILE || errno == ENFILE || errno == ENOMEM ? -errno
									     : -EPERM;
	return ioctl(stall->uffd, UFFDIO_API, &api) < 0 ? -EPERM : 0;
}

/* Whoever is still blocked goes on. */
void vsim_stall_close(struct vsim_stall *stall)
{
	if (stall->uffd >= 0)
		close(stall->uffd);
}

static void wake(const struct vsim_stall *stall, struct vsim_range range)
{
	struct uffdio_range what = { range.start, range.end - range.start };

	ioctl(stall->uffd, UFFDIO_WAKE, &what);
}

/* Puts page table entries in place; 0, or the errno that stopped it at *start. */
static int restore(const struct vsim_stall *stall, uintptr_t *start, uintptr_t end)
{
	while (*start < end) {
		struct uffdio_continue what = { .range = { *start, end - *start } };

		if (ioctl(stall->uffd, UFFDIO_CONTINUE, &what) == 0)
			*start = end;
		else if (errno != EAGAIN)
			return errno;
		else if (what.mapped > 0)
			*start += (uintptr_t)what.mapped;
	}
	return 0;
}

/* The same for a whole range, whatever the state of single pages. */
static void restore_all(const struct vsim_stall *stall, struct vsim_range range)
{
	uintptr_t at = range.start;

	while (restore(stall, &at, range.end) != 0)
		at += page_size();
	wake(stall, range);
}

/* EEXIST: the entry is there; so the mapping is still one of ours. */
static bool page_is_ours(const struct vsim_stall *stall, uintptr_t page)
{
	int err = restore(stall, &page, page + page_size());

	return err == 0 || err == EEXIST;
}

static void zap(uintptr_t start, uintptr_t end)
{
	void *addr = (void *)start;

	if (start == end)
		return;
	/* The first form also takes locked memory; old kernels do not know it. */
	if (madvise(addr, end - start, MADV_DONTNEED_LOCKED) < 0)
		madvise(addr, end - start, MADV_DONTNEED);
}

/* In runs that are as long as possible: each costs all cores a TLB flush. */
static void zap_ours(const struct vsim_stall *stall, struct vsim_range range)
{
	uintptr_t run = range.start;

	for (uintptr_t at = range.start; at < range.end; at += page_size()) {
		if (page_is_ours(stall, at))
			continue;
		zap(run, at);
		run = at + page_size();
	}
	zap(run, range.end);
}

void vsim_stall_begin(struct vsim_stall *stall)
{
	stall->active = true;
	for (size_t i = 0; i < stall->count; i++)
		zap_ours(stall, stall->range[i]);
}

void vsim_stall_refresh(struct vsim_stall *stall)
{
	if (stall->active)
		return;
	for (size_t i = 0; i < stall->count; i++)
		restore_all(stall, stall->range[i]);
}

void vsim_stall_end(struct vsim_stall *stall)
{
	stall->active = false;
	vsim_stall_refresh(stall);
}

/* Outside of windows only memory pressure takes entries away. */
void vsim_stall_serve(struct vsim_stall *stall)
{
	struct uffd_msg msg;

	while (stall->uffd >= 0 && read(stall->uffd, &msg, sizeof(msg)) == sizeof(msg)) {
		uintptr_t page =
			(uintptr_t)msg.arg.pagefault.address & ~(page_size() - 1);

		if (msg.event == UFFD_EVENT_PAGEFAULT)
			restore_all(stall,
				    (struct vsim_range){ page, page + page_size() });
	}
}

bool vsim_stall_covers(const struct vsim_stall *stall, const void *addr, size_t len)
{
	struct vsim_range what = range_of(addr, len);

	for (size_t i = 0; i < stall->count; i++)
		if (stall->range[i].start < what.end && what.start < stall->range[i].end)
			return true;
	return false;
}

/* Does this take something out of the middle, so that two pieces are left? */
static bool splits(const struct vsim_stall *stall, struct vsim_range gone)
{
	for (size_t i = 0; i < stall->count; i++)
		if (stall->range[i].start < gone.start && gone.end < stall->range[i].end)
			return true;
	return false;
}

/* The account of mappings. Room for one more piece was made sure of. */
static void forget(struct vsim_stall *stall, struct vsim_range gone)
{
	for (size_t i = stall->count; i-- > 0;) {
		struct vsim_range *range = &stall->range[i];
		struct vsim_range left = { range->start, gone.start };
		struct vsim_range right = { gone.end, range->end };

		if (gone.end <= range->start || range->end <= gone.start)
			continue;
		*range = stall->range[--stall->count];
		if (left.start < left.end)
			stall->range[stall->count++] = left;
		if (right.start < right.end)
			stall->range[stall->count++] = right;
	}
	wake(stall, gone);
}

/* A mapping that is made inside a window stalls from its first touch. */
static int follow(struct vsim_stall *stall, struct vsim_range range)
{
	struct uffdio_register what = {
		.range = { range.start, range.end - range.start },
		.mode = UFFDIO_REGISTER_MODE_MINOR,
	};

	if (ioctl(stall->uffd, UFFDIO_REGISTER, &what) < 0)
		return -errno;
	stall->range[stall->count++] = range;
	if (!stall->active)
		restore_all(stall, range);
	return 0;
}

/*
 * A mapping put over another one in an open window is touchable for the moment
 * between the two calls. Such a touch meets ones, as in the other kind of window:
 * the device is down.
 */
int vsim_stall_mmap(struct vfiosafe_sim *sim, void **addr, size_t len, int prot,
		    int flags, int fd, uint64_t offset, bool bar)
{
	const struct vfiosafe_sys *host = sim->host;
	struct vsim_stall *stall = &sim->stall;
	void *at = *addr;
	int rc;

	if (stall->uffd < 0)
		return host->mmap(host->ctx, addr, len, prot, flags, fd, offset);
	pthread_mutex_lock(&sim->lock);
	/* What is put over the middle of a range leaves three. */
	rc = stall->count + 2 > VSIM_RANGES ? -ENOMEM : 0;
	if (rc == 0)
		rc = host->mmap(host->ctx, &at, len, prot, flags, fd, offset);
	if (rc < 0)
		goto out;
	forget(stall, range_of(at, len));
	if (bar)
		rc = follow(stall, range_of(at, len));
	if (rc < 0)
		host->munmap(host->ctx, at, len);
	else
		*addr = at;
out:
	pthread_mutex_unlock(&sim->lock);
	return rc;
}

int vsim_stall_munmap(struct vfiosafe_sim *sim, void *addr, size_t len)
{
	const struct vfiosafe_sys *host = sim->host;
	int rc;

	if (sim->stall.uffd < 0)
		return host->munmap(host->ctx, addr, len);
	pthread_mutex_lock(&sim->lock);
	if (sim->stall.count == VSIM_RANGES && splits(&sim->stall, range_of(addr, len)))
		rc = -ENOMEM;
	else
		rc = host->munmap(host->ctx, addr, len);
	if (rc == 0)
		forget(&sim->stall, range_of(addr, len));
	pthread_mutex_unlock(&sim->lock);
	return rc;
}

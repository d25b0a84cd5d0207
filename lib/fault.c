/* SPDX-License-Identifier: MIT */
/* Ranges that the SIGBUS handler may repair, and taking the repair back. */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "device.h"
#include "epoch.h"
#include "error.h"
#include "fault.h"
#include "join.h"
#include "log.h"
#include <vfiosafe/fault.h>

/* A range of which one fault replaces 1 in 1,024, so that many faults stay few maps. */
#define CHUNKS 1024

static pthread_mutex_t table_lock = PTHREAD_MUTEX_INITIALIZER; /* writers of ranges */

size_t vsf_fault_chunk(size_t len)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	return (len / CHUNKS + page - 1) / page * page ?: page;
}

/* Grows the device's file of ones to @len bytes. Under no lock: open-time calls. */
static int ones_grow(struct vfiosafe_device *dev, size_t len)
{
	uint8_t ones[4096];
	int rc;

	if (dev->ones_fd < 0) {
		rc = vsf_sys(dev->sys, memfd, "vfiosafe-ones");
		if (rc < 0)
			return vsf_fail(-rc, "no memory file: %s", strerror(-rc));
		dev->ones_fd = rc;
	}
	memset(ones, 0xff, sizeof(ones));
	while (dev->ones_len < len) {
		ssize_t n = vsf_sys(dev->sys, pwrite, dev->ones_fd, ones, sizeof(ones),
				    dev->ones_len);

		if (n <= 0)
			return vsf_fail(n ? (int)-n : ENOSPC,
					"no memory for %zu bytes of ones: %s", len,
					strerror(n ? (int)-n : ENOSPC));
		dev->ones_len += (uint64_t)n;
	}
	return 0;
}

/* A free range; under the lock. */
static struct vsf_fault_range *find_free(void)
{
	struct vsf_fault_block *block = &vsf_fault_first;

	for (;;) {
		for (int i = 0; i < VSF_FAULT_BLOCK; i++)
			if (!block->range[i].gate)
				return &block->range[i];
		if (!block->next) {
			struct vsf_fault_block *more = calloc(1, sizeof(*more));

			/* Release: the handler sees it whole. */
			__atomic_store_n(&block->next, more, __ATOMIC_RELEASE);
		}
		if (!block->next)
			return NULL;
		block = block->next;
	}
}

int vsf_fault_watch(struct vsf_fault_range **out, struct vfiosafe_device *dev, void *start,
		    size_t len)
{
	struct vsf_fault_range *range;
	size_t chunk = vsf_fault_chunk(len);
	int rc;

	pthread_mutex_lock(&dev->lock);
	rc = ones_grow(dev, chunk);
	pthread_mutex_unlock(&dev->lock);
	if (rc < 0)
		return rc;
	pthread_mutex_lock(&table_lock);
	range = find_free();
	if (range) {
		range->len = len;
		range->chunk = chunk;
		range->ones_fd = dev->ones_fd;
		range->event_fd = dev->fault_event_fd;
		range->poisoned = 0;
		range->map_seq = 0;
		range->gate = &dev->words->gate;
		__atomic_store_n(&range->start, (uintptr_t)start, __ATOMIC_RELEASE);
	}
	pthread_mutex_unlock(&table_lock);
	if (!range)
		return vsf_fail(ENOMEM, "out of memory");
	*out = range;
	return 0;
}

bool vsf_fault_overlaps(uintptr_t start, size_t len)
{
	const struct vsf_fault_block *block = &vsf_fault_first;
	bool found = false;

	pthread_mutex_lock(&table_lock);
	for (; block && !found; block = block->next) {
		for (int i = 0; i < VSF_FAULT_BLOCK && !found; i++) {
			const struct vsf_fault_range *range = &block->range[i];
			uintptr_t at = __atomic_load_n(&range->start, __ATOMIC_RELAXED);

			found = range->gate && at != 0 && at < start + len &&
				start < at + range->len;
		}
	}
	pthread_mutex_unlock(&table_lock);
	return found;
}

/* (B): handlers are short, but may wait for the kernel's mmap lock. */
static void wait_handlers(const struct vfiosafe_sys *sys)
{
	while (__atomic_load_n(&vsf_fault_inside, __ATOMIC_SEQ_CST) != 0)
		vsf_sys(sys, sleep_ns, 0);
}

void vsf_fault_forget(struct vsf_fault_range *range)
{
	__atomic_store_n(&range->start, 0, __ATOMIC_RELAXED);
}

bool vsf_fault_unwatch(struct vsf_fault_range *range)
{
	bool poisoned;

	/* (A) */
	__atomic_store_n(&range->start, 0, __ATOMIC_SEQ_CST);
	wait_handlers(vfiosafe_sys_default());
	poisoned = range->poisoned;
	pthread_mutex_lock(&table_lock);
	range->gate = NULL;
	pthread_mutex_unlock(&table_lock);
	return poisoned;
}

/* Calls @fn for each mapped range of the device until it fails. */
static int each_range(struct vfiosafe_device *dev,
		      int (*fn)(struct vfiosafe_bar *bar, uint32_t area))
{
	int rc = 0;

	/* BARs may be added meanwhile, in front; taken out they are in windows only. */
	for (struct vfiosafe_bar *bar = __atomic_load_n(&dev->bars, __ATOMIC_ACQUIRE);
	     bar && rc == 0; bar = bar->next)
		for (uint32_t i = 0; i < bar->area_count && rc == 0; i++)
			if (bar->range[i])
				rc = fn(bar, i);
	return rc;
}

static int map_private(const struct vfiosafe_bar *bar, uintptr_t from, size_t len, int prot,
		       int fd)
{
	int flags = MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE | (fd < 0 ? MAP_ANONYMOUS : 0);
	void *at = (void *)from;

	return vsf_sys(bar->dev->sys, mmap, &at, len, prot, flags, fd, 0);
}

static int poison_range(struct vfiosafe_bar *bar, uint32_t area)
{
	struct vsf_fault_range *range = bar->range[area];
	int rc = 0;

	__atomic_store_n(&range->poisoned, 1, __ATOMIC_RELEASE);
	for (size_t at = 0; at < range->len && rc == 0; at += range->chunk) {
		size_t len = range->len - at;

		rc = map_private(bar, range->start + at,
				 len < range->chunk ? len : range->chunk,
				 PROT_READ | PROT_WRITE, range->ones_fd);
	}
	return rc;
}

/* Ones are many mappings; zeroes are one; what may not be touched costs nothing. */
static int cover_range(struct vfiosafe_bar *bar, uint32_t area)
{
	const struct vsf_fault_range *range = bar->range[area];
	int rc = poison_range(bar, area);

	if (rc < 0)
		rc = map_private(bar, range->start, range->len, PROT_READ | PROT_WRITE, -1);
	if (rc == 0)
		return 0;
	vsf_log(VFIOSAFE_LOG_ERROR, "%s: no memory to put under BAR %u (%s): code that is "
				    "still in a section of it will die of SIGSEGV",
		bar->dev->address, bar->index, strerror(-rc));
	return map_private(bar, range->start, range->len, PROT_NONE, -1);
}

bool vsf_fault_can_poison(const struct vfiosafe_device *dev)
{
	const struct vfiosafe_bar *bar = __atomic_load_n(&dev->bars, __ATOMIC_ACQUIRE);

	for (; bar; bar = bar->next)
		for (uint32_t i = 0; i < bar->area_count; i++)
			if (!bar->range[i])
				return false;
	return true;
}

int vsf_fault_poison(struct vfiosafe_device *dev)
{
	return each_range(dev, poison_range);
}

int vsf_fault_cover(struct vfiosafe_device *dev)
{
	int rc = 0;

	/* One that fails must not keep the others. */
	for (struct vfiosafe_bar *bar = dev->bars; bar; bar = bar->next) {
		for (uint32_t i = 0; i < bar->area_count; i++) {
			int one = bar->range[i] ? cover_range(bar, i) : 0;

			rc = one < 0 ? one : rc;
		}
	}
	return rc;
}

static bool is_held(const struct vsf_fault_range *range)
{
	return __atomic_load_n(&range->map_seq, __ATOMIC_RELAXED) & 1;
}

/* From here on a fault in it only retries the access. */
static int hold_range(struct vfiosafe_bar *bar, uint32_t area)
{
	struct vsf_fault_range *range = bar->range[area];

	if (!is_held(range))
		__atomic_add_fetch(&range->map_seq, 1, __ATOMIC_SEQ_CST); /* (A) */
	return 0;
}

static int let_go_range(struct vfiosafe_bar *bar, uint32_t area)
{
	struct vsf_fault_range *range = bar->range[area];

	if (is_held(range))
		__atomic_add_fetch(&range->map_seq, 1, __ATOMIC_SEQ_CST);
	return 0;
}

/* A BAR that was mapped meanwhile is not held, and needs nothing. */
static int map_back_range(struct vfiosafe_bar *bar, uint32_t area)
{
	struct vsf_fault_range *range = bar->range[area];
	int rc;

	if (!is_held(range) || !__atomic_load_n(&range->poisoned, __ATOMIC_ACQUIRE))
		return 0;
	rc = vsf_bar_map_area(bar, &bar->area[area]); /* (C) */
	if (rc == 0)
		__atomic_store_n(&range->poisoned, 0, __ATOMIC_RELEASE);
	return rc;
}

int vsf_fault_map_back(struct vfiosafe_device *dev)
{
	int rc;

	(void)each_range(dev, hold_range);
	wait_handlers(dev->sys); /* (B) */
	/* Now: a fault after the BARs are back finds it open, and closes it again. */
	if (dev->join)
		vsf_join_open_to_driver(dev);
	else
		vsf_words_reopen_gate(dev->words);
	pthread_mutex_lock(&dev->map_lock);
	/* After that close has replaced the fd and the BARs. */
	rc = vsf_is_gone(dev) ? vsf_gone_error(dev) : each_range(dev, map_back_range);
	pthread_mutex_unlock(&dev->map_lock);
	(void)each_range(dev, let_go_range);
	return rc;
}

static int is_poisoned(struct vfiosafe_bar *bar, uint32_t area)
{
	return __atomic_load_n(&bar->range[area]->poisoned, __ATOMIC_ACQUIRE) != 0;
}

bool vsf_fault_poisoned(struct vfiosafe_device *dev)
{
	return each_range(dev, is_poisoned) != 0;
}

void vsf_fault_collect(struct vfiosafe_device *dev)
{
	if (dev->join)
		vsf_join_fault_collect(dev);
	else if (vsf_gate_state(dev) == VFIOSAFE_FAULT && vsf_device_state(dev) == VFIOSAFE_LIVE)
		vsf_device_fault(dev, VFIOSAFE_CAUSE_FAULT,
				 "SIGBUS in a mapped BAR: memory decode is off, or the device "
				 "sleeps");
}

VFIOSAFE_API int vfiosafe_fault_fd(const struct vfiosafe_device *dev)
{
	return dev->fault_event_fd;
}

VFIOSAFE_API void vfiosafe_fault_notice(struct vfiosafe_device *dev)
{
	if (!vsf_words_forked(dev->words) && vsf_depth() == 0)
		vsf_fault_collect(dev);
}

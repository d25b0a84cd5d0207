/* SPDX-License-Identifier: MIT */
/*
 * A range of a BAR at a stable address: first an empty reservation, then the
 * mappable parts over it. The address belongs to the object until it is freed.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "device.h"
#include "epoch.h"
#include "error.h"
#include "fault.h"
#include "join.h"
#include "window.h"

#define HUGE_ALIGN (UINT64_C(2) << 20)

static uint64_t page_up(uint64_t len)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);

	return (len + page - 1) & ~(page - 1);
}

static int check_request(const struct vfiosafe_device *dev, uint32_t index,
			 uint64_t offset, uint64_t *len, uint32_t flags, uint32_t known)
{
	uint64_t bar_len;

	if (index >= VSF_BARS)
		return vsf_fail(EINVAL, "there is no BAR %u: they count from 0 to 5", index);
	if (flags & ~known)
		return vsf_fail(EINVAL, "unknown flags 0x%x", flags);
	bar_len = dev->region[index].info.len;
	if (bar_len == 0)
		return vsf_fail(ENODEV, "%s has no BAR %u (or it is the upper half of a "
					"64-bit BAR)",
				dev->address, index);
	if (offset != page_up(offset))
		return vsf_fail(EINVAL, "offset 0x%llx does not start a page",
				(unsigned long long)offset);
	if (offset >= bar_len || *len > bar_len - offset)
		return vsf_fail(ERANGE, "0x%llx + 0x%llx is beyond the end of BAR %u, which "
					"has 0x%llx bytes",
				(unsigned long long)offset, (unsigned long long)*len, index,
				(unsigned long long)bar_len);
	if (*len == 0)
		*len = bar_len - offset;
	return 0;
}

/* The mappable parts that lie in the range, relative to its start. */
static void clip_areas(struct vfiosafe_bar *bar, const struct vfiosafe_region *region,
		       uint64_t offset)
{
	for (uint32_t i = 0; i < region->area_count; i++) {
		uint64_t from = region->area[i].offset;
		uint64_t to = from + region->area[i].len;

		if (from < offset)
			from = offset;
		if (to > offset + bar->len)
			to = offset + bar->len;
		if (from < to)
			bar->area[bar->area_count++] =
				(struct vfiosafe_area){ from - offset, to - from };
	}
	bar->whole = bar->area_count == 1 && bar->area[0].len == bar->len;
}

/*
 * Nothing but addresses. Those of a big BAR are congruent with the BAR modulo
 * 2 MiB, so that the kernel can use huge pages.
 */
static int reserve(struct vfiosafe_bar *bar)
{
	const struct vfiosafe_sys *sys = bar->dev->sys;
	size_t want = page_up(bar->len);
	size_t slack = want >= HUGE_ALIGN ? HUGE_ALIGN : 0;
	void *p = NULL;
	uintptr_t at;
	int rc = vsf_sys(sys, mmap, &p, want + slack, PROT_NONE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (rc < 0)
		return vsf_fail(-rc, "no address range of 0x%zx bytes: %s", want + slack,
				strerror(-rc));
	at = (uintptr_t)p;
	if (slack) {
		at = (at + HUGE_ALIGN - 1) & ~(uintptr_t)(HUGE_ALIGN - 1);
		if (at > (uintptr_t)p)
			vsf_sys(sys, munmap, p, at - (uintptr_t)p);
		if ((uintptr_t)p + slack > at)
			vsf_sys(sys, munmap, (void *)(at + want), (uintptr_t)p + slack - at);
	}
	bar->base = (uint8_t *)at;
	bar->reserved_len = want;
	return 0;
}

int vsf_bar_map_area(struct vfiosafe_bar *bar, const struct vfiosafe_area *area)
{
	const struct vfiosafe_device *dev = bar->dev;
	void *at = bar->base + area->offset;
	uint64_t len = page_up(area->len);
	int rc = vsf_sys(dev->sys, mmap, &at, len, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_FIXED, bar->fd, bar->fd_offset + area->offset);

	if (rc < 0)
		return vsf_fail(-rc, "mapping 0x%llx bytes of BAR %u failed: %s%s",
				(unsigned long long)len, bar->index, strerror(-rc),
				rc == -EBUSY ? " (another kernel driver owns that BAR)" : "");
	if (bar->adopted)
		return 0; /* its owner decides about forks */
	/* A child's copy would keep the device open and escape the guard. */
	rc = vsf_sys(dev->sys, madvise, at, len, MADV_DONTFORK);
	if (rc < 0)
		return vsf_fail(-rc, "MADV_DONTFORK on BAR %u failed: %s", bar->index,
				strerror(-rc));
	return 0;
}

static int map_all(struct vfiosafe_bar *bar)
{
	int rc;

	if (bar->area_count == 0)
		return 0;
	rc = reserve(bar);
	for (uint32_t i = 0; i < bar->area_count && rc == 0; i++) {
		rc = vsf_bar_map_area(bar, &bar->area[i]);
		if (rc == 0)
			rc = vsf_fault_watch(&bar->range[i], bar->dev,
					     bar->base + bar->area[i].offset,
					     page_up(bar->area[i].len));
	}
	return rc;
}

/* A device that is gone takes no BARs; SIGBUS is looked after from here on. */
static int check_device(const struct vfiosafe_device *dev, const char *call)
{
	if (vsf_depth() > 0)
		return vsf_fail(EDEADLK, "%s inside a section", call);
	if (vsf_is_gone(dev))
		return vsf_gone_error(dev);
	vsf_sigbus_check_disposition();
	vsf_sigbus_check_mask();
	return 0;
}

static struct vfiosafe_bar *bar_new(struct vfiosafe_device *dev, uint32_t index,
				    uint64_t offset, uint64_t len)
{
	struct vfiosafe_bar *bar = calloc(1, sizeof(*bar));

	if (!bar) {
		vsf_fail(ENOMEM, "out of memory");
		return NULL;
	}
	bar->dev = dev;
	bar->index = index;
	bar->fd = dev->fd;
	bar->fd_offset = dev->region[index].fd_offset + offset;
	bar->len = len;
	bar->rights = VFIOSAFE_GRANT_READ | VFIOSAFE_GRANT_WRITE;
	bar->grant = -1;
	return bar;
}

static void link_bar(struct vfiosafe_bar *bar)
{
	struct vfiosafe_device *dev = bar->dev;

	pthread_mutex_lock(&dev->lock);
	bar->next = dev->bars;
	/* Release: a window that maps BARs back walks the list without the lock. */
	__atomic_store_n(&dev->bars, bar, __ATOMIC_RELEASE);
	pthread_mutex_unlock(&dev->lock);
}

/* With @map, NULL if it is mapped, it is the device's; not once that is GONE. */
static int install(struct vfiosafe_bar *bar, int (*map)(struct vfiosafe_bar *bar))
{
	struct vfiosafe_device *dev = bar->dev;
	int rc = 0;

	pthread_mutex_lock(&dev->map_lock);
	if (vsf_is_gone(dev))
		rc = vsf_gone_error(dev);
	else if (map)
		rc = map(bar);
	if (rc == 0)
		link_bar(bar);
	pthread_mutex_unlock(&dev->map_lock);
	return rc;
}

VFIOSAFE_API int vfiosafe_bar_map(struct vfiosafe_bar **out, struct vfiosafe_device *dev,
				  uint32_t index, uint64_t offset, uint64_t len,
				  uint32_t flags)
{
	struct vfiosafe_bar *bar;
	int rc;

	rc = check_device(dev, "vfiosafe_bar_map");
	if (rc == 0)
		rc = vsf_join_clip(dev, index, offset, &len);
	if (rc == 0)
		rc = check_request(dev, index, offset, &len, flags, VFIOSAFE_BAR_NO_MMAP);
	if (rc < 0)
		return rc;
	bar = bar_new(dev, index, offset, len);
	if (!bar)
		return -ENOMEM;
	if (dev->join)
		vsf_join_bar(bar, offset, !(flags & VFIOSAFE_BAR_NO_MMAP));
	else if (!(flags & VFIOSAFE_BAR_NO_MMAP))
		clip_areas(bar, &dev->region[index].info, offset);
	rc = install(bar, map_all);
	if (rc < 0) {
		vsf_bar_release(bar);
		return rc;
	}
	*out = bar;
	return 0;
}

static int watch_adopted(struct vfiosafe_bar *bar)
{
	return vsf_fault_watch(&bar->range[0], bar->dev, bar->base, page_up(bar->len));
}

VFIOSAFE_API int vfiosafe_bar_adopt(struct vfiosafe_bar **out, struct vfiosafe_device *dev,
				    uint32_t index, uint64_t offset, void *address,
				    uint64_t len, uint32_t flags)
{
	struct vfiosafe_bar *bar;
	int rc = check_device(dev, "vfiosafe_bar_adopt");

	if (rc == 0)
		rc = vsf_join_refuse(dev, "vfiosafe_bar_adopt");
	if (rc == 0)
		rc = check_request(dev, index, offset, &len, flags, VFIOSAFE_BAR_REPLACE);
	if (rc == 0 && (!address || (uintptr_t)address != page_up((uintptr_t)address)))
		rc = vsf_fail(EINVAL, "address %p does not start a page", address);
	if (rc < 0)
		return rc;
	bar = bar_new(dev, index, offset, len);
	if (!bar)
		return -ENOMEM;
	bar->adopted = true;
	bar->base = address;
	bar->whole = true;
	bar->area_count = 1;
	bar->area[0] = (struct vfiosafe_area){ 0, len };
	rc = install(bar, flags & VFIOSAFE_BAR_REPLACE ? watch_adopted : NULL);
	if (rc < 0) {
		free(bar);
		return rc;
	}
	*out = bar;
	return 0;
}

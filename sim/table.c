/* SPDX-License-Identifier: MIT */
/*
 * table.c - the table of sys.h with the device in it.
 *
 * Calls that name our device fd are answered here, all others by the real
 * kernel. The fd is known by its inode, so every duplicate is the device too,
 * however it was made, and a number that was reused for something else is not.
 */
#include <errno.h>
#include <uapi.h>
#include <sys/mman.h>
#include "internal.h"

static bool is_ours(const struct vfiosafe_sim *sim, int fd)
{
	struct stat st;

	return fd >= 0 && fstat(fd, &st) == 0 && st.st_dev == sim->device_stat.st_dev &&
	       st.st_ino == sim->device_stat.st_ino;
}

static int table_ioctl(void *ctx, int fd, unsigned long request, void *arg)
{
	struct vfiosafe_sim *sim = ctx;

	if (is_ours(sim, fd))
		return vsim_ioctl(sim, request, arg);
	return sim->host->ioctl(sim->host->ctx, fd, request, arg);
}

static ssize_t table_pread(void *ctx, int fd, void *buf, size_t len, uint64_t offset)
{
	struct vfiosafe_sim *sim = ctx;

	if (is_ours(sim, fd))
		return vsim_read(sim, buf, len, offset);
	return sim->host->pread(sim->host->ctx, fd, buf, len, offset);
}

static ssize_t table_pwrite(void *ctx, int fd, const void *buf, size_t len,
			    uint64_t offset)
{
	struct vfiosafe_sim *sim = ctx;

	if (is_ours(sim, fd))
		return vsim_write(sim, buf, len, offset);
	return sim->host->pwrite(sim->host->ctx, fd, buf, len, offset);
}

/* The kernel's rules: shared, of a mappable BAR, inside it. */
static int bar_to_map(const struct vfiosafe_sim *sim, size_t len, int flags,
		      uint64_t offset)
{
	uint64_t index = offset >> VSIM_REGION_SHIFT;
	uint64_t pos = offset & ((1ull << VSIM_REGION_SHIFT) - 1);
	int type = flags & MAP_TYPE;

	if (type != MAP_SHARED && type != MAP_SHARED_VALIDATE)
		return -EINVAL;
	if (index >= VSIM_BARS || !sim->model->bar[index].mappable)
		return -EINVAL;
	if (pos >= sim->model->bar[index].len || len > sim->model->bar[index].len - pos)
		return -EINVAL;
	return (int)index;
}

static int table_mmap(void *ctx, void **addr, size_t len, int prot, int flags, int fd,
		      uint64_t offset)
{
	struct vfiosafe_sim *sim = ctx;
	int index;

	if (!is_ours(sim, fd) || (flags & MAP_ANONYMOUS))
		return vsim_stall_mmap(sim, addr, len, prot, flags, fd, offset, false);
	index = bar_to_map(sim, len, flags, offset);
	if (index < 0)
		return index;
	offset &= (1ull << VSIM_REGION_SHIFT) - 1;
	return vsim_stall_mmap(sim, addr, len, prot, flags, sim->bar[index].fd, offset,
			       true);
}

static int table_munmap(void *ctx, void *addr, size_t len)
{
	return vsim_stall_munmap(ctx, addr, len);
}

/*
 * What is not overridden gets our ctx: the default table's functions talk to the
 * kernel and take no notice of theirs. An fd of ours is a real one, so close,
 * dup and rdev need nothing.
 */
void vsim_table_init(struct vfiosafe_sim *sim)
{
	sim->host = vfiosafe_sys_default();
	sim->sys = *sim->host;
	sim->sys.ctx = sim;
	sim->sys.ioctl = table_ioctl;
	sim->sys.pread = table_pread;
	sim->sys.pwrite = table_pwrite;
	sim->sys.mmap = table_mmap;
	sim->sys.munmap = table_munmap;
}

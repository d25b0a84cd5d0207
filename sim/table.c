/* SPDX-License-Identifier: MIT */
/*
 * table.c - the table of sys.h with the device in it.
 *
 * Calls that name one of our files (file.h) or paths (doors.c) are answered here, all
 * others by the real kernel. A file is known by its inode, so every duplicate is the
 * file too, however it was made, and a number that was reused is not.
 */
#include <errno.h>
#include <sys/mman.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "dmabuf.h"
#include "internal.h"

/*
 * A call that is under way may look at a file whose last fd another thread is closing:
 * then it finds none.
 */
static enum vsim_file_kind kind_of(const struct vsim_file *file)
{
	return file ? __atomic_load_n(&file->kind, __ATOMIC_RELAXED) : VSIM_FILE_NONE;
}

/* A device that may be used; else NULL, and in @rc why if it is one of ours. */
static struct vsim_file *device_of(struct vfiosafe_sim *sim, int fd, int *rc)
{
	struct vsim_file *file = vsim_file_of(sim, fd);

	*rc = 0;
	if (kind_of(file) != VSIM_FILE_DEVICE)
		return NULL;
	if (vsim_file_granted(file))
		return file;
	*rc = -EINVAL;
	return NULL;
}

static int table_open(void *ctx, const char *path, int flags)
{
	struct vfiosafe_sim *sim = ctx;
	int rc = vsim_door_open(sim, path);

	return rc == -ENOSYS ? sim->host->open(sim->host->ctx, path, flags) : rc;
}

/* Not in a forked child: the lock may be held by a thread that it does not have. */
static void reap(struct vfiosafe_sim *sim)
{
	if (getpid() == sim->pid)
		vsim_dmabufs_reap();
	/* Pairs with vsim_file_new(). */
	if (__atomic_load_n(&sim->files_open, __ATOMIC_ACQUIRE) == 0 ||
	    getpid() != sim->pid)
		return;
	pthread_mutex_lock(&sim->lock);
	vsim_files_reap(sim);
	pthread_mutex_unlock(&sim->lock);
}

/* Any of these may have been the last one. */
static int table_close(void *ctx, int fd)
{
	struct vfiosafe_sim *sim = ctx;
	int rc = sim->host->close(sim->host->ctx, fd);

	reap(sim);
	return rc;
}

static int table_dup_onto(void *ctx, int from, int onto)
{
	struct vfiosafe_sim *sim = ctx;
	int rc = sim->host->dup_onto(sim->host->ctx, from, onto);

	reap(sim);
	return rc;
}

static int table_ioctl(void *ctx, int fd, unsigned long request, void *arg)
{
	struct vfiosafe_sim *sim = ctx;
	struct vsim_file *file = vsim_file_of(sim, fd);
	int rc;

	switch (kind_of(file)) {
	case VSIM_FILE_DEVICE:
		return vsim_device_ioctl(sim, file, request, arg);
	case VSIM_FILE_IOMMUFD:
		return vsim_iommufd_ioctl(sim, file, request, arg);
	case VSIM_FILE_CONTAINER:
		return vsim_container_ioctl(sim, file, request, arg);
	case VSIM_FILE_GROUP:
		return vsim_group_ioctl(sim, file, request, arg);
	default:
		rc = vsim_peer_ioctl(sim, fd, request, arg);
		if (rc != -ENOSYS)
			return rc;
		return sim->host->ioctl(sim->host->ctx, fd, request, arg);
	}
}

static ssize_t table_pread(void *ctx, int fd, void *buf, size_t len, uint64_t offset)
{
	struct vfiosafe_sim *sim = ctx;
	int rc;

	if (device_of(sim, fd, &rc))
		return vsim_read(sim, buf, len, offset);
	return rc < 0 ? rc : sim->host->pread(sim->host->ctx, fd, buf, len, offset);
}

static ssize_t table_pwrite(void *ctx, int fd, const void *buf, size_t len,
			    uint64_t offset)
{
	struct vfiosafe_sim *sim = ctx;
	int rc;

	if (device_of(sim, fd, &rc))
		return vsim_write(sim, buf, len, offset);
	return rc < 0 ? rc : sim->host->pwrite(sim->host->ctx, fd, buf, len, offset);
}

static int table_rdev(void *ctx, int fd, uint64_t *rdev)
{
	struct vfiosafe_sim *sim = ctx;
	const struct vsim_file *file = vsim_file_of(sim, fd);

	if (kind_of(file) != VSIM_FILE_DEVICE)
		return sim->host->rdev(sim->host->ctx, fd, rdev);
	*rdev = makedev(VSIM_MAJOR, sim->number);
	return 0;
}

static int table_readlink(void *ctx, const char *path, char *buf, size_t len)
{
	struct vfiosafe_sim *sim = ctx;
	int rc = vsim_door_readlink(sim, path, buf, len);

	return rc == -ENOSYS ? sim->host->readlink(sim->host->ctx, path, buf, len) : rc;
}

static int table_dir_names(void *ctx, const char *path, uint64_t *position, char *buf,
			   size_t len)
{
	struct vfiosafe_sim *sim = ctx;
	int rc = vsim_door_names(sim, path, position, buf, len);

	return rc == -ENOSYS
		       ? sim->host->dir_names(sim->host->ctx, path, position, buf, len)
		       : rc;
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

/* Memory, a file, or an export: that is the BAR once more. */
static int map_other(struct vfiosafe_sim *sim, void **addr, size_t len, int prot,
		     int flags, int fd, uint64_t offset)
{
	int rc = 0;

	/* A forked child is another process. */
	if (!(flags & MAP_ANONYMOUS) && getpid() == sim->pid)
		rc = vsim_peer_mmap(sim, &fd, len, &offset);
	if (rc < 0)
		return rc;
	return vsim_stall_mmap(sim, addr, len, prot, flags, fd, offset, rc == 1);
}

static int table_mmap(void *ctx, void **addr, size_t len, int prot, int flags, int fd,
		      uint64_t offset)
{
	struct vfiosafe_sim *sim = ctx;
	int index = 0;

	if ((flags & MAP_ANONYMOUS) || !device_of(sim, fd, &index))
		return index < 0 ? index
				 : map_other(sim, addr, len, prot, flags, fd, offset);
	index = bar_to_map(sim, len, flags, offset);
	if (index < 0)
		return index;
	offset &= (1ull << VSIM_REGION_SHIFT) - 1;
	return vsim_stall_mmap(sim, addr, len, prot, flags, sim->bar[index].fd, offset,
			       true);
}

static int table_munmap(void *ctx, void *addr, size_t len)
{
	struct vfiosafe_sim *sim = ctx;
	int rc = vsim_stall_munmap(sim, addr, len);

	reap(sim);
	return rc;
}

static int table_memlock_limit(void *ctx, uint64_t *bytes)
{
	struct vfiosafe_sim *sim = ctx;

	pthread_mutex_lock(&sim->lock);
	*bytes = sim->memlock;
	pthread_mutex_unlock(&sim->lock);
	return 0;
}

/*
 * What is not overridden gets our ctx: the default table's functions talk to the
 * kernel and take no notice of theirs.
 */
void vsim_table_init(struct vfiosafe_sim *sim)
{
	sim->host = vfiosafe_sys_default();
	sim->sys = *sim->host;
	sim->sys.ctx = sim;
	sim->sys.open = table_open;
	sim->sys.close = table_close;
	sim->sys.dup_onto = table_dup_onto;
	sim->sys.ioctl = table_ioctl;
	sim->sys.pread = table_pread;
	sim->sys.pwrite = table_pwrite;
	sim->sys.rdev = table_rdev;
	sim->sys.readlink = table_readlink;
	sim->sys.dir_names = table_dir_names;
	sim->sys.mmap = table_mmap;
	sim->sys.munmap = table_munmap;
	sim->sys.memlock_limit = table_memlock_limit;
}

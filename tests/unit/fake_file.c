/* SPDX-License-Identifier: MIT */
/* File descriptors of the fake kernel, and the calls that take one. */
#include <errno.h>
#include <linux/dma-buf.h>
#include <stdio.h>
#include <string.h>

#include "fake_parts.h"
#include "uapi.h"

struct fake_file *fake_file_new(struct fake *fake, enum fake_kind kind)
{
	struct fake_file *file = fake->file;

	while (file->refs > 0)
		file++;
	*file = (struct fake_file){ .kind = kind, .refs = 1 };
	return file;
}

void fake_file_put(struct fake *fake, struct fake_file *file)
{
	if (file && --file->refs == 0)
		fake_door_release(fake, file);
}

struct fake_file *fake_file_of(struct fake *fake, int fd)
{
	return fd >= FAKE_FD0 && fd < FAKE_FD0 + FAKE_FDS ? fake->fd[fd - FAKE_FD0]
							  : NULL;
}

/* Takes over the caller's reference. */
int fake_fd_new(struct fake *fake, struct fake_file *file)
{
	for (int i = 0; i < FAKE_FDS; i++) {
		if (!fake->fd[i]) {
			fake->fd[i] = file;
			return FAKE_FD0 + i;
		}
	}
	return -EMFILE;
}

unsigned int fake_open_fds(struct fake *fake)
{
	unsigned int n;

	pthread_mutex_lock(&fake->lock);
	n = fake->real_fds;
	for (int i = 0; i < FAKE_FDS; i++)
		n += fake->fd[i] != NULL;
	pthread_mutex_unlock(&fake->lock);
	return n;
}

static int open_path(struct fake *fake, const char *path)
{
	const struct fake_node *node = fake_find(fake, path);
	struct fake_file *file;
	int rc = 0;

	if (!node)
		return -ENOENT;
	if (node->refuse)
		return -node->refuse;
	if (node->kind == FAKE_DIR || node->kind == FAKE_LINK)
		return -EISDIR;
	file = fake_file_new(fake, node->kind);
	file->node = node;
	if (node->kind != FAKE_TEXT)
		rc = fake_door_open(fake, node, file);
	if (rc < 0) {
		file->refs = 0;
		return rc;
	}
	return fake_fd_new(fake, file);
}

static int fake_open(void *ctx, const char *path, int flags)
{
	struct fake *fake = ctx;
	int rc = fake_enter(fake, FAKE_OPEN, FAKE_ANY);

	(void)flags;
	return fake_leave(fake, rc < 0 ? rc : open_path(fake, path));
}

/* As Linux does: an fd is closed even if close reports an error. */
static int fake_close(void *ctx, int fd)
{
	struct fake *fake = ctx;
	int rc = fake_enter(fake, FAKE_CLOSE, FAKE_ANY);
	struct fake_file *file = fake_file_of(fake, fd);

	if (file) {
		fake->fd[fd - FAKE_FD0] = NULL;
		fake_file_put(fake, file);
	} else if (fd >= 0 && fd < FAKE_FD0 && fake->real_fds > 0) {
		fake->real_fds--;
		vfiosafe_sys_default()->close(NULL, fd);
	} else {
		fake->misuse = "close of an fd that is not open";
		rc = -EBADF;
	}
	return fake_leave(fake, rc);
}

static int fake_dup(void *ctx, int fd)
{
	struct fake *fake = ctx;
	int rc = fake_enter(fake, FAKE_DUP, FAKE_ANY);
	struct fake_file *file = fake_file_of(fake, fd);

	if (rc == 0 && fd >= 0 && fd < FAKE_FD0) {
		rc = vfiosafe_sys_default()->dup(NULL, fd);
		fake->real_fds += rc >= 0;
	} else if (rc == 0 && !file) {
		rc = -EBADF;
	} else if (rc == 0) {
		file->refs++;
		rc = fake_fd_new(fake, file);
	}
	return fake_leave(fake, rc);
}

static int dispatch(struct fake *fake, struct fake_file *file, unsigned long request,
		    void *arg)
{
	if (file->kind == FAKE_CDEV || file->kind == FAKE_DEVICE)
		return fake_device_ioctl(fake, file, request, arg);
	/* Its flags say nothing. */
	if (file->kind == FAKE_DMABUF && request == DMA_BUF_IOCTL_SYNC)
		return -EINVAL;
	return fake_door_ioctl(fake, file, request, arg);
}

static int fake_ioctl(void *ctx, int fd, unsigned long request, void *arg)
{
	struct fake *fake = ctx;
	int rc = fake_enter(fake, FAKE_IOCTL, request);
	struct fake_file *file = fake_file_of(fake, fd);

	if (rc == 0 && !file)
		rc = -EBADF;
	/* A reset that is refused has taken the BARs away first. */
	if (rc < 0 && rc != -EINVAL && request == VFIO_DEVICE_RESET && file->fn) {
		fake_dmabuf_revoke(fake, file->fn);
		fake_dmabuf_unrevoke(fake, file->fn);
	}
	if (rc == 0)
		rc = dispatch(fake, file, request, arg);
	return fake_leave(fake, rc);
}

static ssize_t read_text(const struct fake_file *file, void *buf, size_t len)
{
	size_t n = strlen(file->node->text);

	n = n < len ? n : len;
	memcpy(buf, file->node->text, n);
	return (ssize_t)n;
}

static ssize_t rw(struct fake *fake, int fd, void *buf, size_t len, uint64_t offset,
		  bool write)
{
	int rc = fake_enter(fake, write ? FAKE_PWRITE : FAKE_PREAD, offset);
	const struct fake_file *file = fake_file_of(fake, fd);
	ssize_t n = rc;

	if (rc == 0 && !file)
		n = -EBADF;
	else if (rc == 0 && file->kind == FAKE_TEXT && !write)
		n = read_text(file, buf, len);
	else if (rc == 0 && !fake_bound(file))
		n = -EINVAL;
	else if (rc == 0)
		n = fake_device_rw(fake, file->fn, buf, len, offset, write);
	fake_leave(fake, 0);
	return n;
}

static ssize_t real_pread(struct fake *fake, int fd, void *buf, size_t len, uint64_t offset)
{
	int rc = fake_enter(fake, FAKE_PREAD, offset);

	fake_leave(fake, rc);
	return rc < 0 ? rc : vfiosafe_sys_default()->pread(NULL, fd, buf, len, offset);
}

static ssize_t fake_pread(void *ctx, int fd, void *buf, size_t len, uint64_t offset)
{
	if (fd >= 0 && fd < FAKE_FD0)
		return real_pread(ctx, fd, buf, len, offset);
	return rw(ctx, fd, buf, len, offset, false);
}

static ssize_t real_pwrite(struct fake *fake, int fd, const void *buf, size_t len,
			   uint64_t offset)
{
	int rc = fake_enter(fake, FAKE_PWRITE, offset);

	fake_leave(fake, rc);
	return rc < 0 ? rc : vfiosafe_sys_default()->pwrite(NULL, fd, buf, len, offset);
}

static ssize_t fake_pwrite(void *ctx, int fd, const void *buf, size_t len,
			   uint64_t offset)
{
	uint8_t copy[16];

	if (fd >= 0 && fd < FAKE_FD0)
		return real_pwrite(ctx, fd, buf, len, offset);
	if (len > sizeof(copy))
		return -EINVAL;
	memcpy(copy, buf, len);
	return rw(ctx, fd, copy, len, offset, true);
}

static int fake_rdev(void *ctx, int fd, uint64_t *rdev)
{
	struct fake *fake = ctx;
	int rc = fake_enter(fake, FAKE_RDEV, FAKE_ANY);
	const struct fake_file *file = fake_file_of(fake, fd);

	if (rc == 0 && !(file && file->node))
		rc = -EBADF;
	if (rc == 0)
		*rdev = file->node->rdev;
	return fake_leave(fake, rc);
}

void fake_files_install(struct vfiosafe_sys *sys)
{
	sys->open = fake_open;
	sys->close = fake_close;
	sys->dup = fake_dup;
	sys->ioctl = fake_ioctl;
	sys->pread = fake_pread;
	sys->pwrite = fake_pwrite;
	sys->rdev = fake_rdev;
}

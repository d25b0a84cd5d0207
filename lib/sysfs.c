/* SPDX-License-Identifier: MIT */
/* Small texts out of sysfs. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "sys.h"

int vsf_sysfs_read(const struct vfiosafe_sys *s, const char *path, char *buf, size_t len)
{
	int fd = vsf_sys(s, open, path, O_RDONLY);
	ssize_t n;

	if (fd < 0)
		return fd;
	n = vsf_sys(s, pread, fd, buf, len - 1, 0);
	vsf_sys(s, close, fd);
	if (n < 0)
		return (int)n;
	buf[n] = '\0';
	buf[strcspn(buf, "\n")] = '\0';
	return (int)strlen(buf);
}

int vsf_sysfs_link(const struct vfiosafe_sys *s, const char *path, char *buf, size_t len)
{
	char target[PATH_MAX];
	const char *name;
	int rc = vsf_sys(s, readlink, path, target, sizeof(target));

	if (rc < 0)
		return rc;
	name = strrchr(target, '/');
	name = name ? name + 1 : target;
	if ((size_t)snprintf(buf, len, "%s", name) >= len)
		return -ENAMETOOLONG;
	return 0;
}

int vsf_dir_next(struct vsf_dir *dir, const char **name)
{
	if (dir->left == 0) {
		dir->left = vsf_sys(dir->sys, dir_names, dir->path, &dir->position, dir->buf,
				    sizeof(dir->buf));
		dir->next = dir->buf;
	}
	if (dir->left <= 0)
		return dir->left;
	dir->left--;
	*name = dir->next;
	dir->next += strlen(dir->next) + 1;
	return 1;
}

/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "epoch.h"
#include "error.h"

/* A thread without a record has no memory for one, or is in a forked child. */
static const char no_record[] =
	"no memory for this thread's record, or a forked child: handles of the parent do not work here";

int vsf_fail(int err, const char *fmt, ...)
{
	struct vsf_thread *self;
	va_list ap;

	if (vsf_thread_get(&self) < 0)
		return -err;
	va_start(ap, fmt);
	vsnprintf(self->text_buf, sizeof(self->text_buf), fmt, ap);
	va_end(ap);
	self->text = self->text_buf;
	return -err;
}

int vsf_fail_static(int err, const char *text)
{
	struct vsf_thread *self;

	if (vsf_thread_get(&self) == 0)
		self->text = text;
	return -err;
}

int vsf_socket_error(int rc, int fd)
{
	bool misuse = rc == -EBADF || rc == -ENOTSOCK || rc == -EOPNOTSUPP ||
		      rc == -EPROTOTYPE || rc == -EEXIST;

	return vsf_fail(misuse ? EINVAL : -rc,
			"fd %d cannot be used: %s; it has to be a connected AF_UNIX socket, "
			"SOCK_SEQPACKET",
			fd, rc == -EEXIST ? "it is shared already" : strerror(-rc));
}

static bool is_zero(const unsigned char *p, size_t len)
{
	while (len > 0 && p[len - 1] == 0)
		len--;
	return len == 0;
}

int vsf_copy_opts(void *to, size_t to_size, const void *from, size_t from_size,
		  const char *member, const char *type)
{
	size_t known = from_size < to_size ? from_size : to_size;

	if (from_size < sizeof(size_t))
		return vsf_fail(EINVAL, "%s is %zu: set it to sizeof(%s)", member, from_size,
				type);
	if (!is_zero((const unsigned char *)from + known, from_size - known))
		return vsf_fail(EINVAL, "%s is %zu, with members set that this version of the "
					"library (sizeof(%s) is %zu) does not know",
				member, from_size, type, to_size);
	memset(to, 0, to_size);
	memcpy(to, from, known);
	return 0;
}

VFIOSAFE_API const char *vfiosafe_error_text(void)
{
	if (!vsf_self)
		return no_record;
	return vsf_self->text ? vsf_self->text : "no call of this thread has failed";
}

/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stdio.h>

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
	if (vsf_self)
		vsf_self->text = text;
	return -err;
}

VFIOSAFE_API const char *vfiosafe_error_text(void)
{
	if (!vsf_self)
		return no_record;
	return vsf_self->text ? vsf_self->text : "no call of this thread has failed";
}

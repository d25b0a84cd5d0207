/* SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>

#include "log.h"

static struct {
	pthread_mutex_t lock; /* fn, ctx and level belong together */
	vfiosafe_log_fn fn;
	void *ctx;
	enum vfiosafe_log_level level;
} sink = { .lock = PTHREAD_MUTEX_INITIALIZER };

VFIOSAFE_API void vfiosafe_log_set(vfiosafe_log_fn fn, void *ctx,
				   enum vfiosafe_log_level level)
{
	pthread_mutex_lock(&sink.lock);
	sink.fn = fn;
	sink.ctx = ctx;
	sink.level = level;
	pthread_mutex_unlock(&sink.lock);
}

void vsf_log(enum vfiosafe_log_level level, const char *fmt, ...)
{
	vfiosafe_log_fn fn;
	char line[512];
	va_list ap;
	void *ctx;

	pthread_mutex_lock(&sink.lock);
	fn = level <= sink.level ? sink.fn : NULL;
	ctx = sink.ctx;
	pthread_mutex_unlock(&sink.lock);
	if (!fn)
		return;
	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	fn(ctx, level, line);
}

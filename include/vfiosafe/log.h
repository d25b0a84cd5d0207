/* SPDX-License-Identifier: MIT */
/*
 * log.h - the one way in which the library says something unasked: a callback
 * that the program sets. Without one it is silent.
 */
#ifndef VFIOSAFE_LOG_H
#define VFIOSAFE_LOG_H

#include <vfiosafe/api.h>

VFIOSAFE_BEGIN_DECLS

enum vfiosafe_log_level {
	VFIOSAFE_LOG_ERROR = 1, /* something was lost, or will be */
	VFIOSAFE_LOG_WARN = 2,	/* works, but not as the caller may believe */
	VFIOSAFE_LOG_INFO = 3,	/* windows opening and closing */
	VFIOSAFE_LOG_DEBUG = 4,
};

typedef void (*vfiosafe_log_fn)(void *ctx, enum vfiosafe_log_level level,
				const char *line);

/**
 * vfiosafe_log_set - set or remove the log callback of this process
 * @fn: called with one line without newline, on the thread that has something
 *      to say, never inside a section and never from a signal handler; must
 *      not call back into the library. NULL removes it.
 * @ctx: handed to @fn
 * @level: the most talkative level wanted
 *
 * Replacing the callback does not wait for a call of the old one that runs on
 * another thread; keep the old @ctx until that cannot be.
 *
 * Context: any thread; not signal-safe.
 */
VFIOSAFE_API void vfiosafe_log_set(vfiosafe_log_fn fn, void *ctx,
				   enum vfiosafe_log_level level);

VFIOSAFE_END_DECLS

#endif

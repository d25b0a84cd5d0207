/* SPDX-License-Identifier: MIT */
#ifndef VSF_LOG_H
#define VSF_LOG_H

#include <vfiosafe/log.h>

/* Hands one line to the program's callback, if it set one. */
void vsf_log(enum vfiosafe_log_level level, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

#endif

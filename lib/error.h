/* SPDX-License-Identifier: MIT */
#ifndef VSF_ERROR_H
#define VSF_ERROR_H

#include <vfiosafe/error.h>

/* Notes why this thread's call fails; returns -@err, to be returned in turn. */
int vsf_fail(int err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The same for accesses: keeps the pointer, formats nothing. */
int vsf_fail_static(int err, const char *text);

#endif

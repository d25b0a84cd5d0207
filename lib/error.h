/* SPDX-License-Identifier: MIT */
#ifndef VSF_ERROR_H
#define VSF_ERROR_H

#include <stddef.h>
#include <vfiosafe/error.h>

/* Notes why this thread's call fails; returns -@err, to be returned in turn. */
int vsf_fail(int err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The same for accesses: keeps the pointer, formats nothing. */
int vsf_fail_static(int err, const char *text);

/* Why a socket that the program gave cannot be used: @rc, or -EINVAL; with a text. */
int vsf_socket_error(int rc, int fd);

/*
 * Copies a caller's struct that begins with its size: what it does not know is zero
 * here; what we do not know must be zero there, else -EINVAL.
 */
int vsf_copy_opts(void *to, size_t to_size, const void *from, size_t from_size,
		  const char *member, const char *type);

#endif

/* SPDX-License-Identifier: MIT */
/* The test output of programs that run in the guest: "ok NAME", "not ok NAME". */
#ifndef VM_CHECK_H
#define VM_CHECK_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <vfiosafe/vfiosafe.h>

static int check_failures;
static char check_prefix[64];

/* Prints one result; on failure what the library said last. */
static inline bool check(bool good, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static inline bool check(bool good, const char *fmt, ...)
{
	va_list ap;

	printf("%s %s", good ? "ok" : "not ok", check_prefix);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	if (!good) {
		printf(" # %s", vfiosafe_error_text());
		check_failures++;
	}
	printf("\n");
	return good;
}

#endif

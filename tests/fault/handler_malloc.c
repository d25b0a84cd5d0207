/* SPDX-License-Identifier: MIT */
/* The handler with a call that it must not make: handler_symbols.sh has to see it. */
#include <stdlib.h>

#include "fault_handler.c"

void *vsf_deliberate_malloc(size_t len);
void *vsf_deliberate_malloc(size_t len)
{
	return malloc(len);
}

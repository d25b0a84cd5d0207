/* SPDX-License-Identifier: MIT */
/*
 * Counts the heap of the static library and of the test. Linked with
 * --wrap=malloc,calloc,free; shared libraries do not come here.
 */
#include <malloc.h>
#include <stdlib.h>

#include "fake_kernel.h"

void *__real_malloc(size_t len);
void *__real_calloc(size_t n, size_t len);
void __real_free(void *p);
void *__wrap_malloc(size_t len);
void *__wrap_calloc(size_t n, size_t len);
void __wrap_free(void *p);

static struct {
	int64_t blocks, bytes;
	int fail_nth;
	bool failed;
} heap;

static bool fails(void)
{
	int n = __atomic_load_n(&heap.fail_nth, __ATOMIC_RELAXED);

	if (n == 0)
		return false;
	__atomic_store_n(&heap.fail_nth, n - 1, __ATOMIC_RELAXED);
	heap.failed = heap.failed || n == 1;
	return n == 1;
}

static void *counted(void *p)
{
	if (p) {
		__atomic_fetch_add(&heap.blocks, 1, __ATOMIC_RELAXED);
		__atomic_fetch_add(&heap.bytes, (int64_t)malloc_usable_size(p),
				   __ATOMIC_RELAXED);
	}
	return p;
}

void *__wrap_malloc(size_t len)
{
	return fails() ? NULL : counted(__real_malloc(len));
}

void *__wrap_calloc(size_t n, size_t len)
{
	return fails() ? NULL : counted(__real_calloc(n, len));
}

void __wrap_free(void *p)
{
	if (p) {
		__atomic_fetch_sub(&heap.blocks, 1, __ATOMIC_RELAXED);
		__atomic_fetch_sub(&heap.bytes, (int64_t)malloc_usable_size(p),
				   __ATOMIC_RELAXED);
	}
	__real_free(p);
}

int64_t heap_blocks(void)
{
	return __atomic_load_n(&heap.blocks, __ATOMIC_RELAXED);
}

int64_t heap_bytes(void)
{
	return __atomic_load_n(&heap.bytes, __ATOMIC_RELAXED);
}

void heap_fail_nth(int n)
{
	heap.failed = false;
	heap.fail_nth = n;
}

bool heap_failed(void)
{
	return heap.failed;
}

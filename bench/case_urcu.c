/* SPDX-License-Identifier: MIT */
/*
 * liburcu by hand: lock, load, unlock. Compiled per flavour, and per way to reach
 * it: inline in the program (_LGPL_SOURCE), or by calls into liburcu's own shared
 * object. It guards nothing here: there is no generation to compare.
 */
#include "case.h"
#include "flavour.h"

#ifdef _LGPL_SOURCE
#define WAY _inline
#define WAY_NAME ", inline"
#else
#define WAY _call
#define WAY_NAME ", calls"
#endif
#define WAY_CASE2(way) FLAVOUR_ID(bench_case_, way)
#define WAY_CASE1(way) WAY_CASE2(way)

BENCH_LOOPS(urcu, flavour_enter(), flavour_leave())

const struct bench_case WAY_CASE1(WAY) = {
	.name = "urcu " FLAVOUR_NAME WAY_NAME,
#ifndef _LGPL_SOURCE
	/* Once per thread and flavour. */
	.thread_begin = flavour_thread_begin,
	.thread_end = flavour_thread_end,
#endif
	.read = urcu_read,
	.write = urcu_write,
	.section = urcu_section,
};

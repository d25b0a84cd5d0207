/* SPDX-License-Identifier: MIT */
/*
 * case.h - one way to guard an access, and how to write it down.
 *
 * BENCH_CASE makes the three loops that are timed out of four statements, so
 * that all ways are measured by the same loops. A way that cannot do one of them
 * leaves it NULL.
 */
#ifndef BENCH_CASE_H
#define BENCH_CASE_H

#include <stdint.h>

#include "rig.h"

struct bench_case {
	const char *name;
	void (*thread_begin)(void); /* may be NULL */
	void (*thread_end)(void);
	void (*read)(struct bench_rig *rig, uint64_t n);
	void (*write)(struct bench_rig *rig, uint64_t n);
	/* @n sections of @len reads each */
	void (*section)(struct bench_rig *rig, uint64_t n, uint64_t len);
};

/* The value is needed: it cannot be optimised away. */
#define bench_use(value) __asm__ volatile("" : : "r"(value))

#define BENCH_READ(id, enter, load, leave)                                               \
	static void id##_read(struct bench_rig *rig, uint64_t n)                         \
	{                                                                                \
		uint32_t sum = 0;                                                        \
                                                                                         \
		for (; n > 0; n--) {                                                     \
			enter;                                                           \
			sum += (load);                                                   \
			leave;                                                           \
		}                                                                        \
		bench_use(sum);                                                          \
	}

#define BENCH_WRITE(id, enter, store, leave)                                             \
	static void id##_write(struct bench_rig *rig, uint64_t n)                        \
	{                                                                                \
		for (; n > 0; n--) {                                                     \
			enter;                                                           \
			store;                                                           \
			leave;                                                           \
		}                                                                        \
	}

/* Unrolled: the end of a long loop, mispredicted or not, is not what is measured. */
#define BENCH_SECTION(id, enter, load, leave)                                            \
	static void id##_section(struct bench_rig *rig, uint64_t n, uint64_t len)        \
	{                                                                                \
		uint32_t sum = 0;                                                        \
                                                                                         \
		for (; n > 0; n--) {                                                     \
			enter;                                                           \
			_Pragma("GCC unroll 8") for (uint64_t i = 0; i < len; i++)       \
				sum += (load);                                           \
			leave;                                                           \
		}                                                                        \
		bench_use(sum);                                                          \
	}

#define BENCH_LOAD *rig->reg
#define BENCH_STORE *rig->reg = (uint32_t)n

/* A lock of some kind around plain accesses. */
#define BENCH_LOOPS(id, enter, leave)                                                    \
	BENCH_READ(id, enter, BENCH_LOAD, leave)                                         \
	BENCH_WRITE(id, enter, BENCH_STORE, leave)                                       \
	BENCH_SECTION(id, enter, BENCH_LOAD, leave)

/* case_guard.c, case_plain.c; case_urcu.c and case_inside.c once per flavour */
extern const struct bench_case bench_case_guard, bench_case_raw, bench_case_rwlock,
	bench_case_mutex, bench_case_pread;
extern const struct bench_case bench_case_memb_inline, bench_case_bp_inline,
	bench_case_qsbr_inline;
extern const struct bench_case bench_case_memb_call, bench_case_bp_call,
	bench_case_qsbr_call;
extern const struct bench_case bench_case_memb_inside, bench_case_bp_inside,
	bench_case_qsbr_inside;

#endif

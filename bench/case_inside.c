/* SPDX-License-Identifier: MIT */
/* The guarded read with liburcu inside (inside.h), as seen by a program. */
#include "case.h"
#include "inside.h"

#define CASE(flavour)                                                                    \
	static inline uint32_t flavour##_one(struct bench_rig *rig)                      \
	{                                                                                \
		uint32_t value;                                                          \
                                                                                         \
		if (inside_##flavour##_read32(&rig->view, BENCH_REG, &value) < 0)        \
			bench_die("inside " #flavour " failed");                         \
		return value;                                                            \
	}                                                                                \
	static inline void flavour##_must(int rc)                                        \
	{                                                                                \
		if (rc < 0)                                                              \
			bench_die("inside " #flavour " failed");                         \
	}                                                                                \
	BENCH_READ(flavour, , flavour##_one(rig), )                                      \
	BENCH_SECTION(flavour, flavour##_must(inside_##flavour##_begin(&rig->view)),     \
		      BENCH_LOAD, flavour##_must(inside_##flavour##_end(&rig->view)))    \
	const struct bench_case bench_case_##flavour##_inside = {                        \
		.name = "guard on urcu " #flavour,                                       \
		.read = flavour##_read,                                                  \
		.section = flavour##_section,                                            \
	};

CASE(memb)
CASE(bp)
CASE(qsbr)

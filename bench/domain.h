/* SPDX-License-Identifier: MIT */
/*
 * domain.h - something whose readers can be waited for: a device of the library,
 * or a liburcu flavour.
 */
#ifndef BENCH_DOMAIN_H
#define BENCH_DOMAIN_H

#include "rig.h"

#define DOMAIN_SECTION_READS 64

struct bench_domain {
	const char *name;
	void (*thread_begin)(void);
	void (*thread_end)(void);
	/* before a reader sleeps, and after */
	void (*rest)(void);
	void (*wake)(void);
	/* one section with DOMAIN_SECTION_READS loads */
	void (*section)(struct bench_rig *rig);
	/* waits until sections that were open have ended; how long that took */
	int64_t (*drain)(struct bench_rig *rig);
};

/* domain_guard.c; domain_urcu.c once per flavour */
extern const struct bench_domain bench_domain_guard, bench_domain_memb, bench_domain_bp,
	bench_domain_qsbr;

#endif

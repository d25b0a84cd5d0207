/* SPDX-License-Identifier: MIT */
/* unit.h - what every test on the fake kernel starts from. */
#ifndef UNIT_H
#define UNIT_H

#ifdef NDEBUG
#error "tests must not be built with NDEBUG"
#endif

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <vfiosafe/vfiosafe.h>

#include "fake_kernel.h"

#define ADDRESS "0000:01:00.0"
#define SIBLING "0000:01:00.1"

/* A kernel, and a device of it that a test may open. */
struct bench {
	struct fake k;
	struct fake_function *fn;
	struct vfiosafe_device_opts opts; /* with the fake kernel in it */
	struct vfiosafe_device *dev;
	struct vfiosafe_bar *bar; /* BAR 0, whole */
	struct vfiosafe_view view;
};

/* One for each test program; set up afresh for each test. */
extern struct bench bench;

int bench_setup(void **state);	    /* nothing open */
int bench_setup_open(void **state); /* device open, BAR 0 mapped, view taken */
/* Closes what is open; fails if something leaked. */
int bench_teardown(void **state);

/* Opens bench.dev with bench.opts, maps BAR 0 and takes the view. */
void bench_open(void);
void bench_close(void);
struct vfiosafe_bar *bench_map(uint32_t index, uint64_t offset, uint64_t len,
			       uint32_t flags);
struct vfiosafe_view bench_view(struct vfiosafe_bar *bar);

/*
 * The call failed with -@err, and the text that the library gives for it names
 * each of the words.
 */
#define assert_refused(call, err, ...)                                                   \
	bench_refused(__FILE__, __LINE__, #call, (call), (err),                          \
		      (const char *const[]){ __VA_ARGS__ __VA_OPT__(, ) NULL })
void bench_refused(const char *file, int line, const char *call, int rc, int err,
		   const char *const *words);

#define assert_ok(call) assert_int_equal((call), 0)
#define assert_state(state)                                                              \
	assert_string_equal(vfiosafe_state_name(vfiosafe_device_state(bench.dev)), #state)
#define assert_generation(g) assert_int_equal(vfiosafe_device_generation(bench.dev), (g))

#endif

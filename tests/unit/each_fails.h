/* SPDX-License-Identifier: MIT */
/*
 * each_fails.h - runs a scenario again and again, and makes each of its system
 * calls, or of its allocations, fail in turn.
 */
#ifndef EACH_FAILS_H
#define EACH_FAILS_H

#include "unit.h"

/* No call of the kernel's gives it a meaning of its own here. */
#define ERR EPROTO

struct failing {
	int (*setup)(void **state);
	int (*teardown)(void **state); /* NULL: bench_teardown */
	enum vfiosafe_door door;
	int (*run)(void);      /* what is put under failures; 0 or its first error */
	void (*check)(int rc); /* what must hold after it returned @rc */
};

static inline void failing_start(const struct failing *f)
{
	void *state = (void *)(uintptr_t)f->door;

	assert_ok(f->setup(&state));
}

static inline void failing_stop(const struct failing *f)
{
	void *state = &bench;

	assert_ok(f->teardown ? f->teardown(&state) : bench_teardown(&state));
}

/* How many calls there were. */
static inline unsigned int each_call_fails(const struct failing *f)
{
	unsigned int n = 0;
	bool failed;

	do {
		failing_start(f);
		bench.k.fail_err = ERR;
		bench.k.fail_nth = ++n;
		int rc = f->run();

		bench.k.fail_nth = 0;
		failed = bench.k.failed;
		if (failed)
			print_message("call %u (%s 0x%llx) fails: %d\n", n,
				      fake_call_name(bench.k.failed_call),
				      (unsigned long long)bench.k.failed_key, rc);
		f->check(rc);
		failing_stop(f);
	} while (failed);
	return n - 1;
}

/* How many allocations there were. */
static inline unsigned int each_allocation_fails(const struct failing *f)
{
	unsigned int n = 0;
	bool failed;

	do {
		failing_start(f);
		heap_fail_nth((int)++n);
		int rc = f->run();

		failed = heap_failed();
		heap_fail_nth(0);
		if (failed) {
			print_message("allocation %u fails: %d\n", n, rc);
			assert_int_equal(rc, -ENOMEM);
			assert_non_null(strstr(vfiosafe_error_text(), "memory"));
		}
		f->check(rc);
		failing_stop(f);
	} while (failed);
	return n - 1;
}

#endif

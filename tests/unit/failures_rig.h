/* SPDX-License-Identifier: MIT */
/*
 * failures_rig.h - every system call of a scenario, and every allocation, fails in turn.
 * Each time: the right errno, a handle that still works or was never made, and nothing
 * leaked.
 */
#ifndef FAILURES_RIG_H
#define FAILURES_RIG_H

#include "sys.h"
#include "unit_driver.h"
#include "unit_thread.h"

/* No call of the kernel's gives it a meaning of its own here. */
#define ERR EPROTO

struct scenario {
	const char *name;
	enum vfiosafe_door door;
	bool allocates;	  /* not a close, which frees; events have their place */
	int (*run)(void); /* what is put under failures; 0 or its first error */
	int (*prepare)(void);
	/* After @run returned @rc: what must hold. */
	void (*check)(int rc);
};

static const struct scenario *now;
static int given_fd;

static inline int open_now(void)
{
	if (now->door == VFIOSAFE_DOOR_FD)
		return vfiosafe_device_from_fd(&bench.dev, given_fd, &bench.opts);
	return vfiosafe_device_open(&bench.dev, ADDRESS, &bench.opts);
}

static inline int open_and_map(void)
{
	int rc = open_now();

	return rc ? rc : vfiosafe_bar_map(&bench.bar, bench.dev, 0, 0, 0, 0);
}

static inline int open_map_view(void)
{
	int rc = open_and_map();

	return rc ? rc : vfiosafe_bar_view(bench.bar, &bench.view);
}

static inline void works(void)
{
	uint32_t value;

	bench.k.fail_nth = 0;
	memset(bench.k.rule, 0, sizeof(bench.k.rule));
	if (!bench.bar)
		return;
	assert_ok(vfiosafe_bar_view(bench.bar, &bench.view));
	assert_ok(vfiosafe_read32(&bench.view, 0, &value));
	assert_ok(vfiosafe_reset(bench.dev, NULL));
}

static struct holder holder;
static bool held;

static inline void let_go(void)
{
	if (held)
		assert_int_equal(release(&holder),
				 vfiosafe_device_state(bench.dev) ? 0 : -ENODEV);
	held = false;
}

#define DOORS(what, allocates, run, prepare, check)                                        \
	{ what " by cdev", VFIOSAFE_DOOR_CDEV, allocates, run, prepare, check },           \
		{ what " by group", VFIOSAFE_DOOR_GROUP, allocates, run, prepare, check }, \
	{                                                                                  \
		what " from an fd", VFIOSAFE_DOOR_FD, allocates, run, prepare, check       \
	}

static inline void start(const struct scenario *scenario)
{
	void *state;

	bench_setup(&state);
	now = scenario;
	bench.opts.door = scenario->door;
	bench.fn->bar[3].len = FAKE_BAR_MAX;
	if (scenario->door == VFIOSAFE_DOOR_FD) {
		bench.opts.door = VFIOSAFE_DOOR_AUTO;
		given_fd = fake_device_fd(&bench.k, bench.fn);
	}
	if (scenario->prepare)
		assert_ok(scenario->prepare());
}

static inline void stop(void)
{
	void *state = &bench;

	bench.k.fail_nth = 0;
	let_go();
	if (now->door == VFIOSAFE_DOOR_FD)
		assert_ok(vsf_sys(&bench.k.sys, close, given_fd));
	assert_ok(bench_teardown(&state));
}

/* The number of calls that were made to fail. */
static inline unsigned int fail_each_call(const struct scenario *scenario)
{
	unsigned int n = 0;
	bool failed;

	do {
		start(scenario);
		bench.k.fail_err = ERR;
		bench.k.fail_nth = ++n;
		int rc = scenario->run();

		bench.k.fail_nth = 0;
		failed = bench.k.failed;
		if (failed)
			print_message("%s: call %u (%s 0x%llx) fails: %d\n",
				      scenario->name, n,
				      fake_call_name(bench.k.failed_call),
				      (unsigned long long)bench.k.failed_key, rc);
		scenario->check(rc);
		stop();
	} while (failed);
	return n - 1;
}

static inline unsigned int fail_each_allocation(const struct scenario *scenario)
{
	unsigned int n = 0;
	bool failed;

	do {
		start(scenario);
		heap_fail_nth((int)++n);
		int rc = scenario->run();

		failed = heap_failed();
		heap_fail_nth(0);
		if (failed) {
			print_message("%s: allocation %u fails: %d\n", scenario->name, n,
				      rc);
			assert_int_equal(rc, -ENOMEM);
			assert_non_null(strstr(vfiosafe_error_text(), "memory"));
		}
		if (bench.dev && vfiosafe_device_state(bench.dev) == VFIOSAFE_LIVE)
			works();
		stop();
	} while (failed);
	return n - 1;
}

static inline void every_call_fails_in_turn(void **state)
{
	const struct scenario *scenario = *state;

	assert_true(fail_each_call(scenario) > 0);
}

static inline void every_allocation_fails_in_turn(void **state)
{
	const struct scenario *scenario = *state;
	unsigned int n = fail_each_allocation(scenario);

	assert_true(scenario->allocates ? n > 0 : n == 0);
}

#define NAME_LEN 96

/* Two tests of each scenario. */
static inline void name_tests(struct CMUnitTest *tests, char (*names)[NAME_LEN],
			      const struct scenario *scenarios, size_t count)
{
	for (size_t i = 0; i < 2 * count; i++) {
		const struct scenario *scenario = &scenarios[i / 2];

		snprintf(names[i], NAME_LEN, "every_%s_fails_in_turn: %s",
			 i % 2 ? "allocation" : "call", scenario->name);
		tests[i].name = names[i];
		tests[i].test_func =
			i % 2 ? every_allocation_fails_in_turn : every_call_fails_in_turn;
		tests[i].initial_state = (void *)(uintptr_t)scenario;
	}
}

#endif

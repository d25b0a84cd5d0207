/* SPDX-License-Identifier: MIT */
/*
 * Asking a device, and setting a sentinel, with every system call and every allocation
 * failing in turn: an errno that says so, a device that still works, nothing leaked.
 */
#include "epoch.h"
#include "unit_driver.h"

#define ERR EPROTO
#define REG 0x40u

struct scenario {
	const char *name;
	int (*run)(void);
};

static struct vfiosafe_bar *ports;

static struct vfiosafe_sentinel sentinel(void)
{
	return (struct vfiosafe_sentinel){ .size = sizeof(struct vfiosafe_sentinel),
					   .bar = ports,
					   .width = 4,
					   .mask = 0xffff,
					   .writable = true };
}

static int set_now(void)
{
	struct vfiosafe_sentinel s = sentinel();

	return vfiosafe_set_sentinel(bench.dev, &s);
}

static int probe_now(void)
{
	return vfiosafe_probe(bench.dev);
}

static int read_now(void)
{
	uint32_t value = 5;
	int rc = vfiosafe_read32(&bench.view, REG, &value);

	assert_int_equal(value, rc == 0 ? UINT32_MAX : 5);
	return rc;
}

static int end_now(void)
{
	struct vfiosafe_section sec;
	int rc = vfiosafe_begin(&bench.view, &sec);

	return rc ?: vfiosafe_end_checked(&sec);
}

static int copy_now(void)
{
	uint32_t to[4];

	return vfiosafe_copy_from(&bench.view, REG, to, sizeof(to), 4);
}

static int copy_ports_now(void)
{
	struct vfiosafe_view view;
	uint32_t bytes[4] = { 0 };
	int rc = vfiosafe_bar_view(ports, &view);

	if (rc == 0)
		rc = vfiosafe_copy_to(&view, 0x10, bytes, sizeof(bytes), 4);
	return rc ?: vfiosafe_copy_from(&view, 0x10, bytes, sizeof(bytes), 4);
}

static int poll_now(void)
{
	int64_t soon = bench.k.sys.now_ns(&bench.k) + 10000000;
	int rc = vfiosafe_poll32(&bench.view, REG + 8, 1, 1, soon, NULL);

	return rc == -ETIMEDOUT ? 0 : rc;
}

static const struct scenario scenarios[] = {
	{ "set a sentinel", set_now },
	{ "probe", probe_now },
	{ "a read of all-ones", read_now },
	{ "the checked end of a section", end_now },
	{ "a copy of all-ones", copy_now },
	{ "copies through the kernel", copy_ports_now },
	{ "a poll", poll_now },
};

static void start(void)
{
	void *state;

	bench_setup_open(&state);
	ports = bench_map(2, 0, 0, 0);
	memset(fake_bar(bench.fn, 0) + REG, 0xff, 4);
	assert_ok(set_now());
}

static void stop(void)
{
	void *state = &bench;

	bench.k.fail_nth = 0;
	memset(bench.k.rule, 0, sizeof(bench.k.rule));
	assert_int_equal(vsf_depth(), 0);
	assert_state(LIVE);
	assert_generation(1);
	/* Whatever failed: the sentinel that is set holds, and a reset finds no fault. */
	assert_ok(vfiosafe_probe(bench.dev));
	assert_ok(vfiosafe_reset(bench.dev, NULL));
	assert_ok(vfiosafe_probe(bench.dev));
	assert_ok(bench_teardown(&state));
}

static bool is_forgiven(enum fake_call call)
{
	return call == FAKE_FUTEX_WAIT || call == FAKE_SLEEP || call == FAKE_EVENT_READ ||
	       call == FAKE_EVENT_WRITE;
}

static void every_call_fails_in_turn(void **state)
{
	const struct scenario *scenario = *state;
	bool failed;
	int rc;

	for (unsigned int n = 1;; n++) {
		start();
		bench.k.fail_err = ERR;
		bench.k.fail_nth = n;
		rc = scenario->run();
		bench.k.fail_nth = 0;
		failed = bench.k.failed;
		if (failed && bench.k.failed_call == FAKE_MEMBARRIER)
			assert_int_equal(rc, -EBUSY);
		else
			assert_int_equal(rc, failed && !is_forgiven(bench.k.failed_call)
						     ? -ERR
						     : 0);
		if (rc == -ERR)
			assert_non_null(strstr(vfiosafe_error_text(), strerror(ERR)));
		stop();
		if (!failed)
			break;
	}
}

static void every_allocation_fails_in_turn(void **state)
{
	const struct scenario *scenario = *state;
	bool failed;
	int rc;

	for (int n = 1;; n++) {
		start();
		heap_fail_nth(n);
		rc = scenario->run();
		failed = heap_failed();
		heap_fail_nth(0);
		assert_int_equal(rc, failed ? -ENOMEM : 0);
		stop();
		if (!failed)
			break;
	}
}

#define SCENARIOS (sizeof(scenarios) / sizeof(scenarios[0]))

int main(void)
{
	static struct CMUnitTest tests[2 * SCENARIOS];
	static char names[2 * SCENARIOS][96];

	for (size_t i = 0; i < 2 * SCENARIOS; i++) {
		snprintf(names[i], sizeof(names[i]), "every_%s_fails_in_turn: %s",
			 i % 2 ? "allocation" : "call", scenarios[i / 2].name);
		tests[i].name = names[i];
		tests[i].test_func =
			i % 2 ? every_allocation_fails_in_turn : every_call_fails_in_turn;
		tests[i].initial_state = (void *)(uintptr_t)&scenarios[i / 2];
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}

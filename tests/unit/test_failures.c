/* SPDX-License-Identifier: MIT */
/*
 * Every system call of a scenario, and every allocation, fails in turn. Each time:
 * the right errno, a handle that still works or was never made, and nothing leaked.
 */
#include "sys.h"
#include "uapi.h"
#include "unit_driver.h"
#include "unit_thread.h"

/* No call of the kernel's gives it a meaning of its own here. */
#define ERR EPROTO

struct scenario {
	const char *name;
	enum vfiosafe_door door;
	int (*run)(void); /* what is put under failures; 0 or its first error */
	int (*prepare)(void);
	/* After @run returned @rc: what must hold. */
	void (*check)(int rc);
};

static const struct scenario *now;
static int given_fd;

static int open_now(void)
{
	if (now->door == VFIOSAFE_DOOR_FD)
		return vfiosafe_device_from_fd(&bench.dev, given_fd, &bench.opts);
	return vfiosafe_device_open(&bench.dev, ADDRESS, &bench.opts);
}

static int open_and_map(void)
{
	int rc = open_now();

	return rc ? rc : vfiosafe_bar_map(&bench.bar, bench.dev, 0, 0, 0, 0);
}

static int open_map_view(void)
{
	int rc = open_and_map();

	return rc ? rc : vfiosafe_bar_view(bench.bar, &bench.view);
}

static int map_now(void)
{
	return vfiosafe_bar_map(&bench.bar, bench.dev, 0, 0, 0, 0);
}

static int map_big(void)
{
	return vfiosafe_bar_map(&bench.bar, bench.dev, 3, 0, 0, 0);
}

static int unmap_now(void)
{
	int rc = vfiosafe_bar_unmap(bench.bar, 100);

	if (rc == 0)
		bench.bar = NULL;
	return rc;
}

static int reset_now(void)
{
	return reset_ms(1000);
}

static int recover_now(void)
{
	return vfiosafe_recover(bench.dev, NULL);
}

static int open_map_fault(void)
{
	int rc = open_map_view();

	return rc ? rc : vfiosafe_mark_lost(bench.dev, "for the scenario");
}

static int open_map_refusing(void)
{
	int rc = open_map_view();

	fake_set_command(bench.fn, 0x0006);
	fake_fail(&bench.k, FAKE_IOCTL, VFIO_DEVICE_RESET, EAGAIN, 100000);
	return rc;
}

static int open_map_asleep(void)
{
	int rc = open_map_view();

	fake_set_power_state(bench.fn, 3);
	return rc;
}

static int close_now(void)
{
	int rc = vfiosafe_device_close(bench.dev, 100);

	if (rc == 0)
		bench.dev = NULL;
	return rc;
}

/* What we asked about and could do without, or did after the fact. */
static bool is_forgiven(void)
{
	switch (bench.k.failed_call) {
	case FAKE_MEMBARRIER: /* at open: the device is fenced */
	case FAKE_CLOSE:
	case FAKE_MUNMAP:
	case FAKE_SLEEP:
	case FAKE_FUTEX_WAIT:
		return true;
	default:
		return false;
	}
}

/* An open, or a map, that fails says why, and leaves no handle. */
static void made_nothing(int rc)
{
	assert_int_equal(rc, bench.k.failed && !is_forgiven() ? -ERR : 0);
	if (rc < 0)
		assert_non_null(strstr(vfiosafe_error_text(), strerror(ERR)));
}

static void opened_or_not(int rc)
{
	made_nothing(rc);
	if (rc < 0)
		assert_null(bench.dev);
}

static void mapped_or_not(int rc)
{
	made_nothing(rc);
	if (rc < 0)
		assert_null(bench.bar);
	assert_state(LIVE);
}

static void works(void)
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

/* LIVE as before, LIVE one higher, or FAULT and recovered: nothing in between. */
static void reset_or_not(int rc)
{
	uint64_t generation = vfiosafe_device_generation(bench.dev);
	enum vfiosafe_state state = vfiosafe_device_state(bench.dev);

	if (rc == 0) {
		assert_int_equal(state, VFIOSAFE_LIVE);
		assert_int_equal(generation, 2);
		assert_int_equal(fake_command(bench.fn) & 2, 2);
	} else if (rc == -EIO) {
		assert_int_equal(state, VFIOSAFE_FAULT);
		assert_ok(vfiosafe_recover(bench.dev, NULL));
	} else {
		assert_true(rc == -ERR || rc == -ETIMEDOUT || rc == -ECANCELED);
		assert_int_equal(state, VFIOSAFE_LIVE);
		assert_int_equal(generation, 1);
		assert_int_equal(bench.fn->resets, 0);
	}
	works();
}

/* Called off by contention: LIVE means that bus mastering is as it was. */
static void called_off(int rc)
{
	if (vfiosafe_device_state(bench.dev) == VFIOSAFE_LIVE)
		assert_int_equal(fake_command(bench.fn), 0x0006);
	memset(bench.k.rule, 0, sizeof(bench.k.rule));
	assert_true(rc < 0);
	reset_or_not(rc);
}

static void recovered_or_not(int rc)
{
	if (rc < 0) {
		assert_int_equal(rc, -EIO);
		assert_state(FAULT);
		assert_ok(vfiosafe_recover(bench.dev, NULL));
	}
	assert_state(LIVE);
	works();
}

static void unmapped_or_not(int rc)
{
	assert_state(LIVE);
	assert_generation(1);
	if (rc < 0) {
		assert_int_equal(rc, -EBUSY);
		assert_ok(unmap_now());
	}
}

static void closed_or_again(int rc)
{
	if (rc == 0)
		return;
	assert_int_equal(rc, -EBUSY);
	assert_state(GONE);
	assert_ok(close_now());
}

static struct holder holder;
static bool held;

static int open_map_hold(void)
{
	int rc = open_map_view();

	if (rc == 0) {
		memset(&holder, 0, sizeof(holder));
		hold(&holder, &bench.view);
		held = true;
	}
	return rc;
}

static void let_go(void)
{
	if (held)
		assert_int_equal(release(&holder),
				 vfiosafe_device_state(bench.dev) ? 0 : -ENODEV);
	held = false;
}

/* Adopted, it is its giver's too: then only the mapping can be looked for. */
static bool is_given_back(void)
{
	for (int i = 0; i < FAKE_MAPS; i++)
		if (bench.k.map[i].len > 0 && bench.k.map[i].file)
			return false;
	return now->door == VFIOSAFE_DOOR_FD || !bench.fn->owner;
}

/* Over a section: what is left is memory, or the next close sees to the rest. */
static void given_back_or_again(int rc)
{
	assert_int_equal(rc, -EBUSY);
	assert_state(GONE);
	bench.k.fail_nth = 0;
	if (!is_given_back()) {
		assert_int_equal(bench.k.failed_call, FAKE_DUP_ONTO);
		assert_non_null(strstr(vfiosafe_error_text(), strerror(ERR)));
		assert_int_equal(close_now(), -EBUSY);
	}
	assert_true(is_given_back());
	let_go();
	assert_ok(close_now());
}

static int events_now(void)
{
	struct vfiosafe_event events[8];
	int rc = vfiosafe_event_read(bench.dev, events, 8, sizeof(events[0]));

	return rc > 0 ? 0 : rc;
}

static int open_map_report(void)
{
	int rc = open_map_view();

	if (now->door == VFIOSAFE_DOOR_FD)
		return vfiosafe_mark_lost(bench.dev, "for the scenario");
	assert_true(fake_signal(bench.fn, 3));
	return rc;
}

/* What one read did not find is there for the next. */
static void read_or_again(int rc)
{
	assert_true(rc == 0 || rc == -EAGAIN);
	bench.k.fail_nth = 0;
	assert_true(rc == 0 || events_now() == 0);
	assert_state(FAULT);
	recovered_or_not(vfiosafe_recover(bench.dev, NULL));
}

#define DOORS(what, run, prepare, check)                                                 \
	{ what " by cdev", VFIOSAFE_DOOR_CDEV, run, prepare, check },                    \
		{ what " by group", VFIOSAFE_DOOR_GROUP, run, prepare, check },          \
	{                                                                                \
		what " from an fd", VFIOSAFE_DOOR_FD, run, prepare, check                \
	}

static const struct scenario scenarios[] = {
	DOORS("open", open_now, NULL, opened_or_not),
	DOORS("map", map_now, open_now, mapped_or_not),
	DOORS("map of a big BAR", map_big, open_now, mapped_or_not),
	DOORS("unmap", unmap_now, open_and_map, unmapped_or_not),
	DOORS("reset", reset_now, open_map_view, reset_or_not),
	DOORS("reset of a device asleep", reset_now, open_map_asleep, reset_or_not),
	DOORS("reset called off", reset_now, open_map_refusing, called_off),
	DOORS("recovery", recover_now, open_map_fault, recovered_or_not),
	DOORS("close", close_now, open_and_map, closed_or_again),
	DOORS("close over a section", close_now, open_map_hold, given_back_or_again),
	DOORS("reading events", events_now, open_map_report, read_or_again),
};

static void start(const struct scenario *scenario)
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

static void stop(void)
{
	void *state = &bench;

	bench.k.fail_nth = 0;
	let_go();
	if (now->door == VFIOSAFE_DOOR_FD)
		assert_ok(vsf_sys(&bench.k.sys, close, given_fd));
	assert_ok(bench_teardown(&state));
}

/* The number of calls that were made to fail. */
static unsigned int fail_each_call(const struct scenario *scenario)
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

static unsigned int fail_each_allocation(const struct scenario *scenario)
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

static void every_call_fails_in_turn(void **state)
{
	const struct scenario *scenario = *state;

	assert_true(fail_each_call(scenario) > 0);
}

static void every_allocation_fails_in_turn(void **state)
{
	const struct scenario *scenario = *state;
	unsigned int n = fail_each_allocation(scenario);

	/* A close frees, events have their place; all the rest allocates. */
	assert_true(scenario->run == close_now || scenario->run == events_now ? n == 0
									       : n > 0);
}

#define SCENARIOS (sizeof(scenarios) / sizeof(scenarios[0]))

int main(void)
{
	static struct CMUnitTest tests[2 * SCENARIOS];
	static char names[2 * SCENARIOS][96];

	for (size_t i = 0; i < 2 * SCENARIOS; i++) {
		const struct scenario *scenario = &scenarios[i / 2];

		snprintf(names[i], sizeof(names[i]), "every_%s_fails_in_turn: %s",
			 i % 2 ? "allocation" : "call", scenario->name);
		tests[i].name = names[i];
		tests[i].test_func =
			i % 2 ? every_allocation_fails_in_turn : every_call_fails_in_turn;
		tests[i].initial_state = (void *)(uintptr_t)scenario;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}

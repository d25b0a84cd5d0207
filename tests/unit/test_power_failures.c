/* SPDX-License-Identifier: MIT */
/*
 * Every system call, and every allocation, of parking, waking and taking over fails in
 * turn. Each time the device is where its call says, the way out works, nothing leaks.
 */
#include "power_rig.h"
#include "uapi.h"

/* No call of the kernel's gives it a meaning of its own here. */
#define ERR EPROTO

static int run_reset(enum way way)
{
	(void)way;
	return vfiosafe_reset(bench.dev, NULL);
}

static int run_set_master(enum way way)
{
	(void)way;
	return vfiosafe_set_bus_master(bench.dev, false);
}

static int run_config(enum way way)
{
	uint16_t at, command = 0;
	int rc = vfiosafe_config_find(bench.dev, 1, &at);

	(void)way;
	if (rc == 0)
		rc = vfiosafe_config_read16(bench.dev, 4, &command);
	if (rc == 0)
		rc = vfiosafe_config_write8(bench.dev, 0x3c, 1);
	return rc ? rc : vfiosafe_config_write16(bench.dev, 4, command);
}

static void works(enum way way)
{
	assert_ok(vfiosafe_bar_view(bench.bar, &bench.view));
	assert_ok(vfiosafe_write32(&bench.view, 0, 1));
	assert_int_equal(fake_command(bench.fn), 0x0006);
	assert_ok(park(way));
	assert_parked();
	assert_ok(wake(way));
	assert_int_equal(fake_command(bench.fn), 0x0006);
	assert_ok(vfiosafe_reset(bench.dev, NULL));
}

static void recovered(enum way way)
{
	assert_state(FAULT);
	assert_int_equal(driver.count[LOST], 1);
	assert_ok(vfiosafe_recover(bench.dev, NULL));
	works(way);
}

static bool is_clean_refusal(int rc)
{
	return rc == -ERR || rc == -ECANCELED || rc == -ENOMEM || rc == -EBUSY;
}

static void parked_or_not(enum way way, int rc)
{
	if (rc == -EIO) {
		recovered(way);
		return;
	}
	if (rc == 0) {
		assert_parked();
		assert_ok(wake(way));
	}
	assert_true(rc == 0 || is_clean_refusal(rc));
	assert_awake(rc < 0 || ways[way].keeps ? 1 : 2);
	assert_int_equal(driver.count[LOST], 0);
	assert_int_equal(driver.count[QUIESCE],
			 driver.count[RESUME] + driver.count[REINIT]);
	works(way);
}

static void woken_or_not(enum way way, int rc)
{
	if (rc == -EIO) {
		recovered(way);
		return;
	}
	if (rc < 0) {
		assert_true(is_clean_refusal(rc));
		assert_parked();
		assert_ok(wake(way));
	}
	/* If PMCSR cannot be read, its state may have been lost. */
	if (rc == 0 && bench.k.failed && way == D3HOT_KEPT &&
	    bench.k.failed_key == FAKE_CONFIG + FAKE_PMCSR)
		assert_awake(2);
	else
		assert_awake(ways[way].keeps ? 1 : 2);
	works(way);
}

static void taken_or_not(enum way way, int rc)
{
	if (rc == -EIO) {
		recovered(way);
		return;
	}
	if (rc < 0) {
		assert_true(is_clean_refusal(rc));
		assert_parked();
		assert_ok(vfiosafe_reset(bench.dev, NULL));
	}
	assert_awake(2);
	works(way);
}

static void set_or_not(enum way way, int rc)
{
	assert_true(rc == 0 || rc == -ERR);
	assert_state(LIVE);
	assert_int_equal(fake_command(bench.fn), rc < 0 ? 0x0006 : 0x0002);
	assert_ok(vfiosafe_set_bus_master(bench.dev, true));
	works(way);
}

static void accessed_or_not(enum way way, int rc)
{
	assert_true(rc == 0 || rc == -ERR);
	assert_state(LIVE);
	works(way);
}

struct scenario {
	const char *name;
	bool parked; /* at the start */
	int (*run)(enum way way);
	void (*check)(enum way way, int rc);
};

static const struct scenario scenarios[] = {
	{ "park", false, park, parked_or_not },
	{ "wake", true, wake, woken_or_not },
	{ "reset of a parked device", true, run_reset, taken_or_not },
	{ "set_bus_master", false, run_set_master, set_or_not },
	{ "config", false, run_config, accessed_or_not },
};

static void start(const struct scenario *scenario, enum way way)
{
	void *state;

	assert_ok(driver_setup(&state));
	assert_ok(vfiosafe_set_bus_master(bench.dev, true));
	if (scenario->parked)
		assert_ok(park(way));
}

static void stop(void)
{
	void *state = &bench;

	assert_ok(bench_teardown(&state));
}

static unsigned int fail_each_call(const struct scenario *scenario, enum way way)
{
	unsigned int n = 0;
	bool failed;

	do {
		int rc;

		start(scenario, way);
		bench.k.fail_err = ERR;
		bench.k.fail_nth = ++n;
		rc = scenario->run(way);
		bench.k.fail_nth = 0;
		failed = bench.k.failed;
		if (failed)
			print_message("%s, %s: call %u (%s 0x%llx) fails: %d\n",
				      scenario->name, ways[way].name, n,
				      fake_call_name(bench.k.failed_call),
				      (unsigned long long)bench.k.failed_key, rc);
		scenario->check(way, rc);
		stop();
	} while (failed);
	return n - 1;
}

static void fail_each_allocation(const struct scenario *scenario, enum way way)
{
	bool failed;
	int n = 0;

	do {
		int rc;

		start(scenario, way);
		heap_fail_nth(++n);
		rc = scenario->run(way);
		failed = heap_failed();
		heap_fail_nth(0);
		if (failed)
			assert_int_equal(rc, -ENOMEM);
		scenario->check(way, rc);
		stop();
	} while (failed);
}

static void each_in_turn(void **state)
{
	const struct scenario *scenario = *state;

	for (int way = 0; way < WAYS; way++) {
		assert_in_range(fail_each_call(scenario, (enum way)way), 2, 100);
		fail_each_allocation(scenario, (enum way)way);
	}
}

#define SCENARIOS (sizeof(scenarios) / sizeof(scenarios[0]))

int main(void)
{
	static struct CMUnitTest tests[SCENARIOS];
	static char names[SCENARIOS][96];

	for (size_t i = 0; i < SCENARIOS; i++) {
		snprintf(names[i], sizeof(names[i]), "each_call_fails_in_turn: %s",
			 scenarios[i].name);
		tests[i].name = names[i];
		tests[i].test_func = each_in_turn;
		tests[i].initial_state = (void *)(uintptr_t)&scenarios[i];
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* What fails in turn: opens, maps, resets, recoveries and reads of events. */
#include "failures_rig.h"
#include "uapi.h"

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

static const struct scenario scenarios[] = {
	DOORS("open", true, open_now, NULL, opened_or_not),
	DOORS("map", true, map_now, open_now, mapped_or_not),
	DOORS("map of a big BAR", true, map_big, open_now, mapped_or_not),
	DOORS("unmap", true, unmap_now, open_and_map, unmapped_or_not),
	DOORS("reset", true, reset_now, open_map_view, reset_or_not),
	DOORS("reset of a device asleep", true, reset_now, open_map_asleep, reset_or_not),
	DOORS("reset called off", true, reset_now, open_map_refusing, called_off),
	DOORS("recovery", true, recover_now, open_map_fault, recovered_or_not),
	DOORS("reading events", false, events_now, open_map_report, read_or_again),
};

#define SCENARIOS (sizeof(scenarios) / sizeof(scenarios[0]))

int main(void)
{
	static struct CMUnitTest tests[2 * SCENARIOS];
	static char names[2 * SCENARIOS][NAME_LEN];

	name_tests(tests, names, scenarios, SCENARIOS);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

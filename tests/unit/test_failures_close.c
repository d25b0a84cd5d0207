/* SPDX-License-Identifier: MIT */
/* What fails in turn: closes, with sections open and without. */
#include "failures_rig.h"

static int close_now(void)
{
	int rc = vfiosafe_device_close(bench.dev, 5);

	if (rc == 0)
		bench.dev = NULL;
	return rc;
}

static void closed_or_again(int rc)
{
	if (rc == 0)
		return;
	assert_int_equal(rc, -EBUSY);
	assert_state(GONE);
	assert_ok(close_now());
}

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

static const struct scenario scenarios[] = {
	DOORS("close", false, close_now, open_and_map, closed_or_again),
	DOORS("close over a section", false, close_now, open_map_hold, given_back_or_again),
};

#define SCENARIOS (sizeof(scenarios) / sizeof(scenarios[0]))

int main(void)
{
	static struct CMUnitTest tests[2 * SCENARIOS];
	static char names[2 * SCENARIOS][NAME_LEN];

	name_tests(tests, names, scenarios, SCENARIOS);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

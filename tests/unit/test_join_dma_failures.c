/* SPDX-License-Identifier: MIT */
/* Every call and every allocation of a client's mapping fails in turn. */
#include "join_dma_rig.h"

/* Answers for the questions that come: if the first was not asked, nobody misses them. */
static int alloc_and_free(void)
{
	struct vfiosafe_dma_memory mem = { 0 };
	int rc;

	rig_result(0, IOVA);
	rig_result(0, 0);
	rc = vfiosafe_dma_alloc(&mem, rig.dev, RIG_PAGE, 0);
	if (rc == 0)
		rc = vfiosafe_dma_free(&mem);
	else
		assert_null(mem.dev);
	return rc;
}

static void every_call_fails_in_turn(void **state)
{
	unsigned int n = 0;
	bool failed;
	int rc;

	(void)state;
	do {
		setup_dma(state);
		rig.fail_nth = ++n;
		rc = alloc_and_free();
		rig.fail_nth = 0;
		failed = rig.failed;
		if (failed) {
			print_message("call %u (kind %d) fails: %d\n", n, rig.failed_call, rc);
			assert_true(rc == -EDOM || rc == -EINVAL);
			assert_rig_state(LIVE);
		}
		rig_teardown(state);
	} while (failed);
	assert_ok(rc);
	assert_true(n >= 8);
}

static void every_allocation_fails_in_turn(void **state)
{
	bool failed;
	int n = 0, rc;

	(void)state;
	do {
		setup_dma(state);
		heap_fail_nth(++n);
		rc = alloc_and_free();
		failed = heap_failed();
		heap_fail_nth(0);
		if (failed)
			assert_int_equal(rc, -ENOMEM);
		rig_teardown(state);
	} while (failed);
	assert_ok(rc);
	assert_true(n > 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_call_fails_in_turn),
		cmocka_unit_test(every_allocation_fails_in_turn),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

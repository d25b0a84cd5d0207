/* SPDX-License-Identifier: MIT */
/*
 * Each system call and each allocation of the owner fails in turn, for a client's memory:
 * when it is mapped, unmapped, and taken back after the client's end. Nothing is leaked
 * (the teardown counts), and what is mapped is what the books say.
 */
#include "each_fails.h"
#include "share_dma_rig.h"

static struct peer client;
static uint64_t first; /* what is mapped at the start */

static int setup(void **state)
{
	dma_setup(state);
	client = joined_dma();
	first = mapped(&client, 1);
	return 0;
}

static int setup_gone(void **state)
{
	setup(state);
	peer_close(&client);
	look();
	return 0;
}

/* The result, or -EPIPE: there was no answer. */
static int answered(void)
{
	struct vfiosafe_received with;
	uint8_t buf[VSF_WIRE_LEN_MAX];
	struct vsf_msg msg;
	ssize_t n;

	(void)vfiosafe_agent_dispatch(bench.dev);
	n = vsf_sys(vfiosafe_sys_default(), receive, client.calls, buf, sizeof(buf), &with);
	if (n <= 0)
		return -EPIPE;
	assert_ok(vsf_wire_parse(&msg, buf, (size_t)n, VSF_RESULT, with.count));
	return msg.result;
}

static int map_now(void)
{
	int fd = memory(1, F_SEAL_SHRINK);
	struct vsf_msg msg = { .type = VSF_MSG_MAP, .len = PAGE };

	(void)say_with_fds(client.calls, msg, &fd, 1);
	close(fd);
	return answered();
}

static int unmap_now(void)
{
	(void)say_on(client.calls, (struct vsf_msg){ .type = VSF_MSG_UNMAP,
						     .value = first,
						     .len = PAGE });
	return answered();
}

/* As many as before, one more or one less; all of them are gone after its end and a reset. */
static void balances(int rc)
{
	unsigned int mapped_now = fake_dmas(&bench.k);

	(void)rc;
	assert_in_range(mapped_now, 0, 2);
	bench.k.fail_nth = 0;
	peer_close(&client);
	fake_advance_ms(&bench.k, 1000);
	look();
	assert_int_equal(vfiosafe_share_held(bench.dev), mapped_now * PAGE);
	if (vfiosafe_device_state(bench.dev) == VFIOSAFE_FAULT)
		assert_ok(vfiosafe_recover(bench.dev, NULL));
	else
		assert_ok(vfiosafe_reset(bench.dev, NULL));
	assert_int_equal(vfiosafe_share_held(bench.dev), 0);
	assert_int_equal(fake_dmas(&bench.k), 0);
}

static int reset_now(void)
{
	return vfiosafe_reset(bench.dev, NULL);
}

static void held_or_not(int rc)
{
	unsigned int mapped_now = fake_dmas(&bench.k);

	(void)rc;
	assert_in_range(mapped_now, 0, 1);
	assert_int_equal(vfiosafe_share_held(bench.dev), mapped_now * PAGE);
	balances(0);
}

static void each_call_fails_by_both(int (*set)(void **state), int (*run)(void),
				    void (*check)(int rc), unsigned int min)
{
	const struct failing cdev = {
		.setup = set, .door = VFIOSAFE_DOOR_CDEV, .run = run, .check = check
	};
	struct failing group = cdev;

	group.door = VFIOSAFE_DOOR_GROUP;
	assert_in_range(each_call_fails(&cdev), min, 90);
	assert_in_range(each_call_fails(&group), min, 90);
}

static void each_call_of_a_MAP_fails(void **state)
{
	(void)state;
	each_call_fails_by_both(setup, map_now, balances, 8);
}

static void each_call_of_an_UNMAP_fails(void **state)
{
	(void)state;
	each_call_fails_by_both(setup, unmap_now, balances, 5);
}

static void each_call_of_a_reset_that_frees_it_fails(void **state)
{
	(void)state;
	each_call_fails_by_both(setup_gone, reset_now, held_or_not, 10);
}

static void each_allocation_of_a_MAP_fails(void **state)
{
	const struct failing f = {
		.setup = setup, .door = VFIOSAFE_DOOR_CDEV, .run = map_now, .check = balances
	};
	unsigned int n = 0;
	bool failed;

	(void)state;
	do {
		failing_start(&f);
		heap_fail_nth((int)++n);
		int rc = f.run();

		failed = heap_failed();
		heap_fail_nth(0);
		assert_int_equal(rc, failed ? -ENOMEM : 0);
		f.check(rc);
		failing_stop(&f);
	} while (failed);
	assert_in_range(n, 3, 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_call_of_a_MAP_fails),
		cmocka_unit_test(each_call_of_an_UNMAP_fails),
		cmocka_unit_test(each_call_of_a_reset_that_frees_it_fails),
		cmocka_unit_test(each_allocation_of_a_MAP_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

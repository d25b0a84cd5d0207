/* SPDX-License-Identifier: MIT */
/* A reset by force over readers that only opts.drain knows. */
#include "drain_rig.h"
#include "uapi.h"

static const struct vfiosafe_reset_opts force = { .size = sizeof(force),
						  .timeout_ms = 100,
						  .policy = VFIOSAFE_POLICY_FORCE };

/* Such a reader's load, through the pointer that it has. */
static uint32_t raw_load(void)
{
	return *(volatile uint32_t *)vfiosafe_bar_address(bench.bar);
}

static void mark_the_bar(void)
{
	assert_ok(vfiosafe_write32(&bench.view, 0, 0x1234));
	assert_int_equal(raw_load(), 0x1234);
}

/* The reader leaves while the device comes back: not before, not at once. */
static unsigned int asked_after;

static void look_at_the_bar(void)
{
	if (bench.fn->resets == 0)
		return;
	assert_int_equal(own.state, VFIOSAFE_REINIT);
	assert_int_equal(raw_load(), UINT32_MAX);
	if (++asked_after == 5)
		own.rc = 0;
}

static void the_bars_come_back_when_they_have_left(void **state)
{
	(void)state;
	asked_after = 0;
	mark_the_bar();
	own.rc = -EAGAIN;
	own.inside = look_at_the_bar;
	assert_ok(vfiosafe_reset(bench.dev, &force));
	assert_int_equal(asked_after, 5);
	/* It is one window, with one number. */
	assert_int_equal(own.windows, 1);
	assert_live(2);
	assert_int_equal(driver.count[QUIESCE], 0);
	assert_int_equal(raw_load(), 0);
	assert_ok(vfiosafe_bar_view(bench.bar, &bench.view));
	mark_the_bar();
}

static void if_they_do_not_it_is_a_fault(void **state)
{
	(void)state;
	mark_the_bar();
	own.rc = -EAGAIN;
	assert_refused(vfiosafe_reset(bench.dev, &force), EIO, ADDRESS, "by force",
		       "opts.drain", "private");
	assert_state(FAULT);
	assert_int_equal(driver.cause, VFIOSAFE_CAUSE_STUCK);
	assert_int_equal(driver.count[REINIT], 0);
	assert_int_equal(raw_load(), UINT32_MAX);
	own.rc = 0;
	assert_ok(vfiosafe_recover(bench.dev, NULL));
	assert_live(3);
	assert_int_equal(raw_load(), 0);
}

static void refuse_afterwards(void)
{
	own.rc = bench.fn->resets ? -EPERM : -EAGAIN;
}

static void so_it_is_if_the_program_refuses(void **state)
{
	(void)state;
	mark_the_bar();
	own.inside = refuse_afterwards;
	own.rc = -EAGAIN;
	/* Asked, then told by what it just did: once more. */
	assert_refused(vfiosafe_reset(bench.dev, &force), EIO, "opts.drain", "refuses");
	assert_state(FAULT);
	assert_int_equal(raw_load(), UINT32_MAX);
	own.inside = NULL;
	own.rc = 0;
	assert_ok(vfiosafe_recover(bench.dev, NULL));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, drain_setup, bench_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_bars_come_back_when_they_have_left),
		TEST(if_they_do_not_it_is_a_fault),
		TEST(so_it_is_if_the_program_refuses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

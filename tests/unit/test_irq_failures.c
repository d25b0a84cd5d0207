/* SPDX-License-Identifier: MIT */
/* Every system call and every allocation around interrupts fails in turn. */
#include "each_fails.h"
#include "irq_rig.h"

/* Nothing is left half way: what failed can be asked for again. */
static void works(void)
{
	if (vfiosafe_device_state(bench.dev) == VFIOSAFE_FAULT)
		assert_ok(vfiosafe_recover(bench.dev, NULL));
	assert_state(LIVE);
	assert_ok(vfiosafe_irq_disable(bench.dev, MSIX));
	enabled(MSIX, 4);
	for (int i = 0; i < EVENTS; i++)
		(void)counted(i);
	assert_true(interrupt(3));
	assert_int_equal(counted(3), 1);
	assert_ok(reset_ms(1000));
	assert_true(interrupt(3));
	assert_int_equal(counted(3), 1);
}

static void failed_with(int rc)
{
	if (rc == 0 || rc == -ENOMEM)
		return;
	assert_int_equal(rc, -ERR);
	assert_non_null(strstr(vfiosafe_error_text(), strerror(ERR)));
}

static int enable_now(void)
{
	return vfiosafe_irq_enable(bench.dev, MSIX, 4, events);
}

static void enabled_or_not(int rc)
{
	failed_with(rc);
	assert_int_equal(bench.fn->irq.kind, rc == 0 ? MSIX : -1);
	works();
}

static int count_now(void)
{
	uint32_t count;

	return vfiosafe_irq_count(bench.dev, MSIX, &count);
}

static void counted_or_not(int rc)
{
	failed_with(rc);
	works();
}

static int setup_enabled(void **state)
{
	irq_setup(state);
	bench.fn->irq.grows = true;
	return enable_now();
}

static int disable_now(void)
{
	return vfiosafe_irq_disable(bench.dev, MSIX);
}

static void disabled_or_not(int rc)
{
	failed_with(rc);
	assert_int_equal(bench.fn->irq.kind, rc < 0 ? MSIX : -1);
	works();
}

static int set_now(void)
{
	return vfiosafe_irq_set_fd(bench.dev, MSIX, 1, events[5]);
}

static int grow_now(void)
{
	return vfiosafe_irq_set_fd(bench.dev, MSIX, 6, events[5]);
}

/* The one or the other, and all others as before. */
static void set_or_not(int rc)
{
	failed_with(rc);
	assert_true(interrupt(0));
	assert_int_equal(counted(0), 1);
	if (bench.fn->irq.fd[1] >= 0)
		assert_true(interrupt(1));
	works();
}

static int reset_now(void)
{
	return reset_ms(1000);
}

static void reset_or_not(int rc)
{
	assert_true(rc == 0 || rc == -EIO || rc == -ETIMEDOUT || rc == -ECANCELED ||
		    rc == -ERR || rc == -ENOMEM);
	if (vfiosafe_device_state(bench.dev) == VFIOSAFE_FAULT)
		assert_ok(vfiosafe_recover(bench.dev, NULL));
	(void)counted(1);
	assert_true(interrupt(1));
	assert_int_equal(counted(1), 1);
	works();
}

static int setup_fault(void **state)
{
	setup_enabled(state);
	return vfiosafe_mark_lost(bench.dev, "for the test");
}

static int recover_now(void)
{
	return vfiosafe_recover(bench.dev, NULL);
}

static int setup_intx(void **state)
{
	irq_setup(state);
	assert_ok(vfiosafe_irq_enable(bench.dev, INTX, 1, events));
	assert_true(interrupt(0));
	bench.fn->irq.pending = false;
	return 0;
}

static void intx_or_not(int rc)
{
	(void)rc;
	if (vfiosafe_device_state(bench.dev) == VFIOSAFE_FAULT)
		assert_ok(vfiosafe_recover(bench.dev, NULL));
	assert_ok(vfiosafe_irq_mask(bench.dev, INTX, 0, false));
	(void)counted(0);
	assert_true(interrupt(0));
	assert_int_equal(counted(0), 1);
}

static int unmask_now(void)
{
	return vfiosafe_irq_mask(bench.dev, INTX, 0, false);
}

/* The setup, and what is put under failures. */
static const struct scenario {
	const char *name;
	struct failing f;
	bool allocates;
} scenarios[] = {
	{ "count",
	  { .setup = irq_setup, .run = count_now, .check = counted_or_not },
	  false },
	{ "enable",
	  { .setup = irq_setup, .run = enable_now, .check = enabled_or_not },
	  true },
	{ "disable",
	  { .setup = setup_enabled, .run = disable_now, .check = disabled_or_not },
	  false },
	{ "set one",
	  { .setup = setup_enabled, .run = set_now, .check = set_or_not },
	  false },
	{ "add one",
	  { .setup = setup_enabled, .run = grow_now, .check = set_or_not },
	  true },
	{ "reset",
	  { .setup = setup_enabled, .run = reset_now, .check = reset_or_not },
	  true },
	{ "recovery",
	  { .setup = setup_fault, .run = recover_now, .check = reset_or_not },
	  true },
	{ "reset with INTx",
	  { .setup = setup_intx, .run = reset_now, .check = intx_or_not },
	  true },
	{ "unmask",
	  { .setup = setup_intx, .run = unmask_now, .check = intx_or_not },
	  false },
};

static void each_call_and_each_allocation_fails(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(scenarios) / sizeof(scenarios[0]); i++) {
		struct failing f = scenarios[i].f;

		print_message("%s\n", scenarios[i].name);
		f.teardown = irq_teardown;
		assert_true(each_call_fails(&f) > 0);
		assert_true(scenarios[i].allocates == (each_allocation_fails(&f) > 0));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_call_and_each_allocation_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

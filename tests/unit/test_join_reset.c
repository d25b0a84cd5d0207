/* SPDX-License-Identifier: MIT */
/* A client after a reset: its driver comes back, or does not. */
#include "join_rig.h"
#include "unit_thread.h"

static void open_window(uint64_t window)
{
	rig_word(3, VFIOSAFE_QUIESCE);
	rig_prepare(window, 1000, 0);
}

/* The owner has reset: LIVE in the next generation. */
static void reset_done(uint64_t window)
{
	rig_word(3, VFIOSAFE_RESETTING);
	rig_word(4, VFIOSAFE_REINIT);
	rig_word(4, VFIOSAFE_LIVE);
	rig_state(window, 0);
}

static int read_old_view(void)
{
	uint32_t value;

	return vfiosafe_read32(&rig.view, 0, &value);
}

static struct vfiosafe_view renewed;

static int read_renewed(void)
{
	uint32_t value;

	return vfiosafe_read32(&renewed, 0, &value);
}

static int take_view(void)
{
	struct vfiosafe_view view;

	return vfiosafe_bar_view(rig.bar, &view);
}

/* In reinit: the old view is stale, the new one works here and nowhere else. */
static void renew(const char *which)
{
	if (strcmp(which, "reinit") != 0)
		return;
	assert_int_equal(read_old_view(), -ESTALE);
	assert_ok(vfiosafe_bar_view(rig.bar, &renewed));
	assert_ok(read_renewed());
	assert_int_equal(on_another_thread(read_renewed), -EAGAIN);
	assert_int_equal(on_another_thread(read_old_view), -EAGAIN);
	assert_int_equal(on_another_thread(take_view), -EAGAIN);
	assert_rig_state(REINIT);
}

static void after_a_reset_the_view_of_reinit_is_the_live_one(void **state)
{
	struct vsf_msg msg;

	(void)state;
	rig.inside = renew;
	open_window(RIG_WINDOW);
	assert_int_equal(rig_dispatch_until_heard().type, VSF_MSG_READY);
	reset_done(RIG_WINDOW);
	/* Before the driver is back nobody gets a view, though the word is LIVE. */
	assert_int_equal(take_view(), -EAGAIN);
	msg = rig_dispatch_until_heard();
	assert_int_equal(msg.type, VSF_MSG_BACK);
	assert_int_equal(msg.result, 0);
	assert_int_equal(msg.word, vsf_word(4, VFIOSAFE_LIVE));
	assert_driver(" quiesce reinit");
	assert_int_equal(read_old_view(), -ESTALE);
	assert_ok(read_renewed());
	assert_ok(on_another_thread(read_renewed));
	assert_rig_state(LIVE);
	assert_int_equal(vfiosafe_device_generation(rig.dev), 4);
}

static void a_reset_that_went_over_this_process_is_followed_by_reinit(void **state)
{
	struct holder holder = { 0 };

	(void)state;
	hold(&holder, &rig.view);
	open_window(RIG_WINDOW);
	assert_ok(dispatch());
	reset_done(RIG_WINDOW);
	assert_ok(dispatch());
	/* Its view is of another generation; there is none of this one. */
	assert_int_equal(take_view(), -EAGAIN);
	assert_driver("");
	assert_int_equal(release(&holder), -EAGAIN);
	assert_int_equal(rig_dispatch_until_heard().type, VSF_MSG_BACK);
	assert_driver(" reinit");
	assert_ok(take_view());
}

static void a_reset_that_was_not_announced_is_followed_by_reinit(void **state)
{
	(void)state;
	reset_done(RIG_WINDOW);
	assert_int_equal(take_view(), -EAGAIN);
	assert_rig_state(REINIT);
	assert_int_equal(rig_dispatch_until_heard().type, VSF_MSG_BACK);
	assert_driver(" reinit");
	assert_ok(take_view());
}

static void reinit_that_fails_is_fault_here_and_the_owner_is_told(void **state)
{
	struct vsf_msg msg;

	(void)state;
	rig.rc[RIG_REINIT] = -EBUSY;
	open_window(RIG_WINDOW);
	assert_int_equal(rig_dispatch_until_heard().type, VSF_MSG_READY);
	reset_done(RIG_WINDOW);
	msg = rig_dispatch_until_heard();
	assert_int_equal(msg.type, VSF_MSG_BACK);
	assert_int_equal(msg.result, -EIO);
	assert_driver(" quiesce reinit lost");
	assert_int_equal(rig.cause, VFIOSAFE_CAUSE_DRIVER);
	assert_int_equal(vfiosafe_device_cause(rig.dev), VFIOSAFE_CAUSE_DRIVER);
	assert_rig_state(FAULT);
	assert_int_equal(take_view(), -EIO);
	assert_ok(dispatch());
	assert_driver("");
	/* The next window goes on all the same, and heals it. */
	rig.rc[RIG_REINIT] = 0;
	rig_word(4, VFIOSAFE_QUIESCE);
	rig_prepare(RIG_WINDOW + 1, 1000, 0);
	assert_int_equal(rig_dispatch_until_heard().type, VSF_MSG_READY);
	assert_driver("");
	rig_word(5, VFIOSAFE_LIVE);
	rig_state(RIG_WINDOW + 1, 0);
	assert_int_equal(rig_dispatch_until_heard().type, VSF_MSG_BACK);
	assert_driver(" reinit");
	assert_ok(take_view());
}

int main(void)
{
#define MAPPED(test) cmocka_unit_test_setup_teardown(test, rig_setup_mapped, rig_teardown)
	const struct CMUnitTest tests[] = {
		MAPPED(after_a_reset_the_view_of_reinit_is_the_live_one),
		MAPPED(a_reset_that_went_over_this_process_is_followed_by_reinit),
		MAPPED(a_reset_that_was_not_announced_is_followed_by_reinit),
		MAPPED(reinit_that_fails_is_fault_here_and_the_owner_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

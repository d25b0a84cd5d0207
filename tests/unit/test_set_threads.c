/* SPDX-License-Identifier: MIT */
/* Sections that a set waits for, and others that want the same devices meanwhile. */
#include "device.h"
#include "set_rig.h"
#include "unit_thread.h"

static struct holder holder;
static struct runner runner;
static struct vfiosafe_set *other;

static int setup(void **state)
{
	set_setup(state);
	assert_ok(vfiosafe_set_of(&other, rig.m[1].dev));
	return 0;
}

static int teardown(void **state)
{
	vfiosafe_set_free(other);
	other = NULL;
	return set_teardown(state);
}

static int reset_long(void)
{
	return vfiosafe_set_reset(rig.set, NULL);
}

static int reset_other(void)
{
	return vfiosafe_set_reset(other, NULL);
}

static int reset_second(void)
{
	return vfiosafe_reset(rig.m[1].dev, NULL);
}

static int close_second(void)
{
	return vfiosafe_device_close(rig.m[1].dev, 10000);
}

static bool both_are(enum vfiosafe_state state)
{
	return vfiosafe_device_state(rig.m[0].dev) == state &&
	       vfiosafe_device_state(rig.m[1].dev) == state;
}

static void a_section_of_any_member_is_waited_for(void **state)
{
	(void)state;
	bench.k.real_clock = true;
	for (unsigned int i = 0; i < 2; i++) {
		unsigned int resets = rig.m[0].fn->resets, slept;

		assert_ok(vfiosafe_bar_view(rig.m[i].bar, &rig.m[i].view));
		hold(&holder, &rig.m[i].view);
		run_beside(&runner, reset_long);
		until(both_are(VFIOSAFE_QUIESCE));
		slept = times_called(FAKE_SLEEP);
		until(times_called(FAKE_SLEEP) > slept + 100);
		assert_int_equal(rig.m[0].fn->resets, resets);
		assert_int_equal(rig.m[0].count[QUIESCE], i);
		assert_ok(release(&holder));
		assert_ok(run_ended(&runner));
		assert_int_equal(rig.m[0].fn->resets, resets + 1);
	}
}

static void a_section_that_does_not_end_calls_off_all(void **state)
{
	(void)state;
	hold(&holder, &rig.m[1].view);
	assert_refused(set_reset_ms(500), ETIMEDOUT, SIBLING, "thread", "section");
	assert_set_log("");
	assert_states("LIVE 1, LIVE 1");
	assert_result(0, ECANCELED, "because of " SIBLING);
	assert_ok(release(&holder));
}

static void let_go_when_ready(struct set_member *m, enum callback which)
{
	if (which == READY && m->count[READY] == 1)
		holder.end_rc = release(&holder);
}

static void by_force_a_section_is_passed_over(void **state)
{
	const struct vfiosafe_reset_opts opts = { .size = sizeof(opts),
						  .timeout_ms = 500,
						  .policy = VFIOSAFE_POLICY_FORCE };

	(void)state;
	hold(&holder, &rig.m[1].view);
	rig.m[1].inside = let_go_when_ready;
	fake_log_clear(&bench.k);
	assert_ok(vfiosafe_set_reset(rig.set, &opts));
	assert_set_log("quiesce0 HOT ready0 ready1 reinit0 reinit1");
	assert_states("LIVE 2, LIVE 2");
	assert_int_equal(holder.end_rc, -EAGAIN);
}

static void join_it(struct set_member *m, enum callback which)
{
	unsigned int waits = times_called(FAKE_FUTEX_WAIT);

	if (m->count[which] > 1 || which != QUIESCE)
		return;
	run_beside(&runner, reset_other);
	until(times_called(FAKE_FUTEX_WAIT) > waits);
}

static const struct vfiosafe_set_member *second_of(const struct vfiosafe_set *set)
{
	return vfiosafe_set_members(set)->next;
}

static void who_wants_the_same_set_joins(void **state)
{
	(void)state;
	bench.k.real_clock = true;
	rig.m[1].inside = join_it;
	assert_ok(reset_long());
	assert_ok(run_ended(&runner));
	assert_states("LIVE 2, LIVE 2");
	assert_int_equal(rig.m[0].fn->resets, 1);
	assert_int_equal(second_of(other)->result, 0);
}

static void who_joined_is_called_off_too(void **state)
{
	(void)state;
	bench.k.real_clock = true;
	rig.m[1].inside = join_it;
	rig.m[1].rc[QUIESCE] = -EPERM;
	assert_refused(reset_long(), ECANCELED, SIBLING, "vetoed");
	assert_int_equal(run_ended(&runner), -ECANCELED);
	assert_states("LIVE 1, LIVE 1");
	assert_int_equal(vfiosafe_set_members(other)->result, -ECANCELED);
	assert_non_null(strstr(vfiosafe_set_members(other)->text, "because of " SIBLING));
	assert_non_null(strstr(second_of(other)->text, "vetoed"));
}

static void who_joined_hears_of_a_failure(void **state)
{
	(void)state;
	bench.k.real_clock = true;
	rig.m[0].inside = join_it;
	rig.m[1].rc[REINIT] = -EPERM;
	assert_refused(reset_long(), EIO, SIBLING, "reinit");
	assert_int_equal(run_ended(&runner), -EIO);
	assert_int_equal(vfiosafe_set_members(other)->result, 0);
	assert_int_equal(second_of(other)->result, -EIO);
}

static void reset_one_beside(struct set_member *m, enum callback which)
{
	unsigned int waits = times_called(FAKE_FUTEX_WAIT);

	if (m->count[which] > 1 || which != QUIESCE)
		return;
	run_beside(&runner, reset_second);
	until(times_called(FAKE_FUTEX_WAIT) > waits);
}

static void a_reset_of_one_member_joins(void **state)
{
	(void)state;
	bench.k.real_clock = true;
	rig.m[1].inside = reset_one_beside;
	assert_ok(reset_long());
	assert_ok(run_ended(&runner));
	assert_states("LIVE 2, LIVE 2");
	assert_int_equal(rig.m[1].fn->resets, 1);
}

/* It is less than what is wanted: the set comes after it, and takes the first meanwhile. */
static void a_reset_of_one_member_is_waited_for(void **state)
{
	struct vfiosafe_window *win;

	(void)state;
	bench.k.real_clock = true;
	assert_ok(vfiosafe_window_begin(&win, rig.m[1].dev, NULL));
	assert_int_equal(vfiosafe_window_poll(win), VFIOSAFE_STEP_COMMIT);
	assert_ok(vfiosafe_window_commit(win));
	run_beside(&runner, reset_long);
	until(vfiosafe_device_state(rig.m[0].dev) == VFIOSAFE_QUIESCE);
	assert_int_equal(rig.m[0].fn->resets, 0);
	assert_int_equal(vfiosafe_window_poll(win), VFIOSAFE_STEP_FINISH);
	assert_ok(vfiosafe_window_finish(win));
	vfiosafe_window_end(win);
	assert_ok(run_ended(&runner));
	assert_states("LIVE 2, LIVE 3");
}

static void a_window_that_does_not_end_calls_off_all(void **state)
{
	struct vfiosafe_window *win;

	(void)state;
	assert_ok(vfiosafe_window_begin(&win, rig.m[1].dev, NULL));
	assert_refused(set_reset_ms(500), ETIMEDOUT, SIBLING, "another window");
	assert_result(0, ECANCELED, "because of " SIBLING);
	assert_result(1, ETIMEDOUT, "another window");
	vfiosafe_window_end(win);
	assert_states("LIVE 1, LIVE 1");
}

/* Closed while its siblings drain: it goes, and they stay. */
static void a_member_that_is_closed_meanwhile_calls_off_the_others(void **state)
{
	struct runner closer;

	(void)state;
	bench.k.real_clock = true;
	hold(&holder, &rig.m[0].view);
	run_beside(&runner, reset_long);
	until(both_are(VFIOSAFE_QUIESCE));
	run_beside(&closer, close_second);
	until(vfiosafe_device_state(rig.m[1].dev) == VFIOSAFE_GONE);
	assert_ok(release(&holder));
	assert_int_equal(run_ended(&runner), -ENODEV);
	assert_ok(run_ended(&closer));
	rig.m[1].dev = NULL;
	assert_int_equal(vfiosafe_device_state(rig.m[0].dev), VFIOSAFE_LIVE);
	assert_int_equal(vfiosafe_device_generation(rig.m[0].dev), 1);
	assert_int_equal(rig.m[0].fn->resets, 0);
}

static void mark_first(struct set_member *m, enum callback which)
{
	if (which == QUIESCE && m->count[QUIESCE] == 1)
		assert_ok(vfiosafe_mark_lost(rig.m[0].dev, "in between"));
}

/* The reset heals what came before it. */
static void a_loss_before_the_reset_is_healed(void **state)
{
	(void)state;
	rig.m[1].inside = mark_first;
	assert_ok(set_reset_ms(1000));
	assert_states("LIVE 2, LIVE 2");
	rig.m[1].count[QUIESCE] = 0;
	rig.m[1].rc[QUIESCE] = -EPERM;
	assert_refused(set_reset_ms(1000), EIO, "in between");
	assert_states("FAULT 2, LIVE 2");
}

#define T(name) BY(setup, name)
#undef BY
#define BY(set_up, name)                                                                 \
	{ #name " by cdev", name, set_up, teardown, (void *)VFIOSAFE_DOOR_CDEV },        \
	{ #name " by group", name, set_up, teardown, (void *)VFIOSAFE_DOOR_GROUP }

int main(void)
{
	static const struct CMUnitTest tests[] = {
		T(a_section_of_any_member_is_waited_for),
		T(a_section_that_does_not_end_calls_off_all),
		T(by_force_a_section_is_passed_over),
		T(who_wants_the_same_set_joins),
		T(who_joined_is_called_off_too),
		T(who_joined_hears_of_a_failure),
		T(a_reset_of_one_member_joins),
		T(a_reset_of_one_member_is_waited_for),
		T(a_window_that_does_not_end_calls_off_all),
		T(a_member_that_is_closed_meanwhile_calls_off_the_others),
		T(a_loss_before_the_reset_is_healed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* Resets by force, over clients that do not answer: cut off, killed, or FAULT. */
#include "share_process.h"


/* A window by force whose deadline has passed. */
static struct vfiosafe_window *forced(void)
{
	struct vfiosafe_window *win = asking(100, VFIOSAFE_POLICY_FORCE);

	assert_int_equal(poll_window(win), -EAGAIN);
	fake_advance_ms(&bench.k, 101);
	return win;
}

static void who_only_calls_is_cut_off(void **state)
{
	struct peer late = joined_with(0), good = joined_with(0);
	struct vfiosafe_window *win = asking(100, VFIOSAFE_POLICY_FORCE);

	(void)state;
	agree(&good);
	assert_int_equal(poll_window(win), -EAGAIN);
	fake_advance_ms(&bench.k, 101);
	assert_ok(take_through(win));
	assert_generation(2);
	assert_state(LIVE);
	assert_int_equal(next_peer_event(), -ETIMEDOUT);
	assert_true(is_hung_up(late.sock));
	assert_true(is_hung_up(late.calls));
	assert_int_equal(vfiosafe_share_count(bench.dev), 1);
	assert_int_equal(hear(&good, VSF_MSG_STATE).word, vsf_word(2, VFIOSAFE_LIVE));
	peer_close(&late);
	peer_close(&good);
}

/* The reset does not wait; LIVE does. */
static void who_maps_the_device_keeps_it_in_FAULT(void **state)
{
	struct peer late = joined_with(VFIOSAFE_GRANT_DEVICE_FD);
	struct vfiosafe_window *win = forced();

	(void)state;
	assert_int_equal(poll_window(win), VFIOSAFE_STEP_COMMIT);
	assert_ok(vfiosafe_window_commit(win));
	assert_int_equal(bench.fn->resets, 1);
	assert_int_equal(poll_window(win), -EAGAIN);
	fake_advance_ms(&bench.k, 101);
	assert_refused(poll_window(win), EIO, "by force", "(tester)", "did not answer");
	vfiosafe_window_end(win);
	assert_state(FAULT);
	assert_int_equal(vfiosafe_device_cause(bench.dev), VFIOSAFE_CAUSE_STUCK);
	assert_int_equal(driver.count[REINIT], 0);
	assert_int_equal(bench.k.count[FAKE_KILL], 0);
	peer_close(&late);
}

static void who_answers_after_the_reset_lets_it_become_LIVE(void **state)
{
	struct peer late = joined_with(VFIOSAFE_GRANT_DEVICE_FD);
	struct vfiosafe_window *win = forced();

	(void)state;
	assert_int_equal(poll_window(win), VFIOSAFE_STEP_COMMIT);
	assert_ok(vfiosafe_window_commit(win));
	assert_int_equal(poll_window(win), -EAGAIN);
	agree(&late);
	assert_ok(take_through(win));
	assert_generation(2);
	assert_state(LIVE);
	peer_close(&late);
}

static void who_may_be_killed_is_killed(void **state)
{
	struct vfiosafe_grant grant =
		grant_of(VFIOSAFE_GRANT_DEVICE_FD | VFIOSAFE_GRANT_KILL);
	struct process child = spawn(&grant, IS_ASKED, true);
	struct vfiosafe_window *win;
	siginfo_t info;

	(void)state;
	look_until_reached(&child, SAYS_HELLO);
	win = forced();
	assert_int_equal(poll_window(win), VFIOSAFE_STEP_COMMIT);
	assert_ok(vfiosafe_window_commit(win));
	assert_int_equal(poll_until_told(win), VFIOSAFE_STEP_FINISH);
	assert_ok(vfiosafe_window_finish(win));
	vfiosafe_window_end(win);
	assert_state(LIVE);
	assert_generation(2);
	assert_int_equal(waitid(P_PID, (id_t)child.pid, &info, WEXITED | WNOWAIT), 0);
	assert_int_equal(info.si_code, CLD_KILLED);
	assert_int_equal(info.si_status, SIGKILL);
	assert_int_equal(next_peer_event(), -ESRCH);
	collect(&child);
}

static void who_hung_up_with_its_mapping_is_killed_too(void **state)
{
	struct vfiosafe_grant grant =
		grant_of(VFIOSAFE_GRANT_DEVICE_FD | VFIOSAFE_GRANT_KILL);
	struct process child = spawn(&grant, HANGS_UP, false);
	struct vfiosafe_window *win;

	(void)state;
	look_until_reached(&child, HANGS_UP);
	look();
	win = forced();
	assert_int_equal(poll_window(win), VFIOSAFE_STEP_COMMIT);
	assert_ok(vfiosafe_window_commit(win));
	assert_int_equal(poll_until_told(win), VFIOSAFE_STEP_FINISH);
	assert_ok(vfiosafe_window_finish(win));
	vfiosafe_window_end(win);
	assert_state(LIVE);
	collect(&child);
}

static void who_is_killed_and_does_not_end_is_named(void **state)
{
	struct vfiosafe_grant grant =
		grant_of(VFIOSAFE_GRANT_DEVICE_FD | VFIOSAFE_GRANT_KILL);
	struct process child = spawn(&grant, IS_ASKED, false);
	struct vfiosafe_window *win;

	(void)state;
	look_until_reached(&child, SAYS_HELLO);
	fake_fail(&bench.k, FAKE_KILL, FAKE_ANY, EPERM, 1);
	win = forced();
	assert_int_equal(poll_window(win), VFIOSAFE_STEP_COMMIT);
	assert_ok(vfiosafe_window_commit(win));
	fake_advance_ms(&bench.k, 101);
	assert_refused(poll_window(win), EIO, "(child)", "did not answer");
	vfiosafe_window_end(win);
	assert_state(FAULT);
	collect(&child);
}

/* An answer is an answer: nobody is passed over who says no in time. */
static void a_veto_in_time_counts_by_force_too(void **state)
{
	struct peer peer = joined_with(0);
	struct vfiosafe_window *win = asking(100, VFIOSAFE_POLICY_FORCE);
	struct vsf_msg msg = hear(&peer, VSF_MSG_PREPARE);

	(void)state;
	say(&peer, .type = VSF_MSG_VETO, .window = msg.window, .result = -EBUSY);
	assert_refused(poll_window(win), ECANCELED, "vetoed", "no reason given");
	vfiosafe_window_end(win);
	assert_state(LIVE);
	assert_int_equal(bench.fn->resets, 0);
	peer_close(&peer);
}

static void a_dma_buf_is_a_mapping_too(void **state)
{
	struct peer late;
	struct vfiosafe_window *win;

	(void)state;
	bench.k.dmabuf_mmap = true;
	late = joined_with(0);
	assert_int_equal(late.range[0].kind, VSF_REACH_DMABUF);
	win = forced();
	assert_int_equal(poll_window(win), VFIOSAFE_STEP_COMMIT);
	assert_ok(vfiosafe_window_commit(win));
	fake_advance_ms(&bench.k, 101);
	assert_refused(poll_window(win), EIO, "(tester)");
	vfiosafe_window_end(win);
	assert_state(FAULT);
	peer_close(&late);
}

/* Stopped past the deadline, and let go on: it is asked again like any other. */
static void a_client_that_was_stopped_is_asked_again(void **state)
{
	struct vfiosafe_grant grant = grant_of(0);
	struct process child = spawn(&grant, IS_READY, false);
	struct vfiosafe_window *win;

	(void)state;
	look_until_reached(&child, SAYS_HELLO);
	assert_int_equal(kill(child.pid, SIGSTOP), 0);
	win = asking(100, VFIOSAFE_POLICY_ABORT);
	assert_int_equal(poll_window(win), -EAGAIN);
	fake_advance_ms(&bench.k, 101);
	assert_refused(poll_window(win), ETIMEDOUT, "(child)");
	vfiosafe_window_end(win);
	assert_int_equal(kill(child.pid, SIGCONT), 0);
	look_until_reached(&child, IS_READY);
	assert_int_equal(vfiosafe_share_count(bench.dev), 1);
	collect(&child);
}

#define with_device(test) cmocka_unit_test_setup_teardown(test, driver_setup, bench_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_device(who_only_calls_is_cut_off),
		with_device(who_maps_the_device_keeps_it_in_FAULT),
		with_device(who_answers_after_the_reset_lets_it_become_LIVE),
		with_device(who_may_be_killed_is_killed),
		with_device(who_hung_up_with_its_mapping_is_killed_too),
		with_device(who_is_killed_and_does_not_end_is_named),
		with_device(a_veto_in_time_counts_by_force_too),
		with_device(a_dma_buf_is_a_mapping_too),
		with_device(a_client_that_was_stopped_is_asked_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

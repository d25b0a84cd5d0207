/* SPDX-License-Identifier: MIT */
/* The end of an owner, as its client meets it. */
#include <sys/socket.h>
#include <sys/wait.h>

#include "join_rig.h"
#include "unit_thread.h"

static void everything_says_so(void)
{
	struct vfiosafe_section sec;
	struct vfiosafe_view view;
	struct vfiosafe_bar *bar;
	uint32_t value = 3;

	assert_refused(vfiosafe_read32(&rig.view, 0, &value), EOWNERDEAD, "ended");
	assert_int_equal(value, 3);
	assert_refused(vfiosafe_write32(&rig.view, 0, 1), EOWNERDEAD, "ended");
	assert_int_equal(vfiosafe_begin(&rig.view, &sec), -EOWNERDEAD);
	assert_int_equal(vfiosafe_bar_view(rig.bar, &view), -EOWNERDEAD);
	assert_int_equal(vfiosafe_bar_map(&bar, rig.dev, 0, 0, 0, 0), -EOWNERDEAD);
	assert_int_equal(vfiosafe_wait(rig.dev, VFIOSAFE_FOREVER), -EOWNERDEAD);
	assert_int_equal(vfiosafe_reset(rig.dev, NULL), -EOWNERDEAD);
	assert_int_equal(vfiosafe_recover(rig.dev, NULL), -EOWNERDEAD);
	assert_int_equal(vfiosafe_probe(rig.dev), -EOWNERDEAD);
	assert_int_equal(vfiosafe_mark_lost(rig.dev, NULL), -EOWNERDEAD);
	assert_int_equal(dispatch(), -EOWNERDEAD);
	assert_rig_state(GONE);
	assert_driver("");
}

static void when_it_hangs_up_everything_says_so(void **state)
{
	struct vfiosafe_event event;

	(void)state;
	rig_hang_up();
	assert_int_equal(dispatch(), -EOWNERDEAD);
	everything_says_so();
	event = rig_event();
	assert_int_equal(event.type, VFIOSAFE_EVENT_PEER);
	assert_int_equal(event.result, -EOWNERDEAD);
	assert_int_equal(rig_event().type, 0);
}

/* An event loop is not kept busy by a socket that is at its end for good. */
static void the_agents_fd_is_still_afterwards(void **state)
{
	int fd = vsf_join_fd(rig.dev);

	(void)state;
	rig_hang_up();
	assert_int_equal(dispatch(), -EOWNERDEAD);
	assert_int_equal(rig.sys.epoll_wait(NULL, fd, &(int){ 0 }, 1, 0), 0);
}

static void what_it_said_before_is_heard(void **state)
{
	(void)state;
	rig_word(3, VFIOSAFE_GONE);
	rig_state(1, 0);
	rig_hang_up();
	assert_int_equal(dispatch(), -ENODEV);
	assert_int_equal(vfiosafe_write32(&rig.view, 0, 1), -ENODEV);
}

static void a_section_in_which_it_ended_does_not_end_well(void **state)
{
	struct vfiosafe_section sec;
	struct runner runner;

	(void)state;
	assert_ok(vfiosafe_begin(&rig.view, &sec));
	rig_hang_up();
	run_beside(&runner, dispatch);
	assert_int_equal(run_ended(&runner), -EOWNERDEAD);
	assert_int_equal(vfiosafe_end(&sec), -EOWNERDEAD);
}

static int wait_for_ever(void)
{
	return vfiosafe_wait(rig.dev, VFIOSAFE_FOREVER);
}

static void a_wait_ends_at_once(void **state)
{
	struct runner one, other;

	(void)state;
	rig_word(3, VFIOSAFE_QUIESCE);
	run_beside(&one, wait_for_ever);
	run_beside(&other, wait_for_ever);
	until(__atomic_load_n(&rig.count[RIG_EPOLL_WAIT], __ATOMIC_SEQ_CST) >= 2);
	rig_hang_up();
	assert_int_equal(run_ended(&one), -EOWNERDEAD);
	assert_int_equal(run_ended(&other), -EOWNERDEAD);
}

static int lives_until;

static void let_go(const int *child)
{
	assert_int_equal(write(child[1], "x", 1), 1);
	close(child[0]);
	close(child[1]);
}

/*
 * A process that sends the welcome, and ends; its child keeps its sockets open. What
 * tells the end is the pidfd.
 */
static pid_t owner_with_a_child(int *child_lives)
{
	int pipes[2];
	pid_t pid;
	char byte;

	assert_ok(pipe(pipes));
	pid = fork();
	if (pid == 0) {
		rig_welcome(1);
		rig_range(0, VSF_REACH_DMABUF, BOTH, 0, RIG_BAR);
		/* Until the client has joined. */
		close(pipes[1]);
		(void)!read(pipes[0], &byte, 1);
		if (fork() == 0) {
			(void)!read(lives_until, &byte, 1);
			_exit(0);
		}
		_exit(0);
	}
	close(pipes[0]);
	*child_lives = pipes[1];
	return pid;
}

static void a_child_that_keeps_its_socket_open_does_not_hide_it(void **state)
{
	int child[2], owner;
	pid_t pid;

	(void)state;
	assert_ok(pipe(child));
	lives_until = child[0];
	pid = owner_with_a_child(&owner);
	assert_ok(rig_join());
	rig_use();
	/* Only the owner and its child have the other ends. */
	rig_hang_up();
	assert_ok(vfiosafe_write32(&rig.view, 0, 1));
	close(owner);
	rig_word(3, VFIOSAFE_QUIESCE);
	assert_int_equal(wait_for_ever(), -EOWNERDEAD);
	rig_word(3, VFIOSAFE_LIVE);
	everything_says_so();
	let_go(child);
	waitpid(pid, NULL, 0);
}

static void a_call_to_one_that_ended_does_not_wait(void **state)
{
	int child[2], owner, status;
	pid_t pid;

	(void)state;
	assert_ok(pipe(child));
	lives_until = child[0];
	pid = owner_with_a_child(&owner);
	assert_ok(rig_join());
	rig_hang_up();
	close(owner);
	waitpid(pid, &status, 0);
	assert_int_equal(vfiosafe_probe(rig.dev), -EOWNERDEAD);
	let_go(child);
}

static void an_owner_that_ended_before_the_join_is_found_out(void **state)
{
	pid_t pid = fork();

	(void)state;
	if (pid == 0) {
		rig_welcome(0);
		_exit(0);
	}
	waitpid(pid, NULL, 0);
	assert_refused(rig_join(), EOWNERDEAD, "owner");
}

static void fault_of_the_owner_is_seen_by_the_next_access(void **state)
{
	(void)state;
	rig_word(3, VFIOSAFE_FAULT);
	assert_int_equal(vfiosafe_write32(&rig.view, 0, 1), -EIO);
	assert_rig_state(FAULT);
	/* Told of it, the driver hears of it, once. */
	rig_state(0, 0);
	rig_state(0, 0);
	assert_ok(dispatch());
	assert_driver(" lost");
	assert_int_equal(rig.cause, VFIOSAFE_CAUSE_DEAD);
	assert_int_equal(vfiosafe_device_cause(rig.dev), VFIOSAFE_CAUSE_DEAD);
	assert_int_equal(rig_event().type, VFIOSAFE_EVENT_FAULT);
	assert_int_equal(rig_event().type, 0);
	assert_int_equal(vfiosafe_wait(rig.dev, VFIOSAFE_FOREVER), -EIO);
	/* It recovers: nothing is to be quiesced. */
	rig_prepare(RIG_WINDOW, 1000, VSF_PREPARE_RECOVER);
	assert_int_equal(rig_dispatch_until_heard().type, VSF_MSG_READY);
	assert_driver("");
	rig_word(4, VFIOSAFE_LIVE);
	rig_state(RIG_WINDOW, 0);
	assert_int_equal(rig_dispatch_until_heard().type, VSF_MSG_BACK);
	assert_driver(" reinit");
	assert_rig_state(LIVE);
}

static void fault_in_a_window_is_told_when_it_is_over(void **state)
{
	(void)state;
	rig_word(3, VFIOSAFE_QUIESCE);
	rig_prepare(RIG_WINDOW, 1000, 0);
	assert_int_equal(rig_dispatch_until_heard().type, VSF_MSG_READY);
	rig_word(3, VFIOSAFE_FAULT);
	rig_state(RIG_WINDOW, -EIO);
	assert_ok(dispatch());
	assert_driver(" quiesce lost");
	rig_word(4, VFIOSAFE_LIVE);
	rig_state(RIG_WINDOW + 1, 0);
	assert_int_equal(rig_dispatch_until_heard().type, VSF_MSG_BACK);
	assert_driver(" reinit");
}

static void windows_are_events_here_too(void **state)
{
	struct vfiosafe_event event;

	(void)state;
	rig_word(3, VFIOSAFE_QUIESCE);
	rig_prepare(RIG_WINDOW, 1000, 0);
	assert_int_equal(rig_dispatch_until_heard().type, VSF_MSG_READY);
	event = rig_event();
	assert_int_equal(event.type, VFIOSAFE_EVENT_WINDOW_OPENED);
	assert_int_equal(event.cause, VFIOSAFE_CAUSE_RESET);
	assert_int_equal(rig_event().type, 0);
	rig_word(3, VFIOSAFE_LIVE);
	rig_state(RIG_WINDOW, -ECANCELED);
	assert_int_equal(rig_dispatch_until_heard().type, VSF_MSG_BACK);
	event = rig_event();
	assert_int_equal(event.type, VFIOSAFE_EVENT_WINDOW_CLOSED);
	assert_int_equal(event.result, -ECANCELED);
	assert_int_equal(rig_event().type, 0);
}

int main(void)
{
#define FRESH(test) cmocka_unit_test_setup_teardown(test, rig_setup, rig_teardown)
#define MAPPED(test) cmocka_unit_test_setup_teardown(test, rig_setup_mapped, rig_teardown)
	const struct CMUnitTest tests[] = {
		MAPPED(when_it_hangs_up_everything_says_so),
		MAPPED(the_agents_fd_is_still_afterwards),
		MAPPED(what_it_said_before_is_heard),
		MAPPED(a_section_in_which_it_ended_does_not_end_well),
		MAPPED(a_wait_ends_at_once),
		FRESH(a_child_that_keeps_its_socket_open_does_not_hide_it),
		FRESH(a_call_to_one_that_ended_does_not_wait),
		FRESH(an_owner_that_ended_before_the_join_is_found_out),
		MAPPED(fault_of_the_owner_is_seen_by_the_next_access),
		MAPPED(fault_in_a_window_is_told_when_it_is_over),
		MAPPED(windows_are_events_here_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

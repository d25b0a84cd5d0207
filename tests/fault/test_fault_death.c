/* SPDX-License-Identifier: MIT */
/* What a process dies of, and not, with the handler in front: tried in children. */
#include "fault_foreign.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/* Runs @fn in a child with plain dispositions; how it ended. */
static int in_child(void (*fn)(void))
{
	struct rlimit no_core = { 0, 0 };
	int status = 0;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		setrlimit(RLIMIT_CORE, &no_core);
		signal(SIGBUS, SIG_DFL);
		alarm(30);
		fn();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void assert_dies_of_sigbus(void (*fn)(void))
{
	int status = in_child(fn);

	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGBUS);
}

static void install_or_exit(void)
{
	if (vfiosafe_sigbus_install() < 0)
		_exit(1);
	foreign = foreign_page();
}

static void fault_by_default(void)
{
	install_or_exit();
	(void)touch_foreign(0);
}

static void killed_by_default(void)
{
	install_or_exit();
	kill(getpid(), SIGBUS);
}

static void raised_by_default(void)
{
	install_or_exit();
	raise(SIGBUS);
}

/* As the kernel tells of a broken page that nobody has touched: does not come back. */
static void broken_page(void)
{
	siginfo_t info = { .si_signo = SIGBUS, .si_code = BUS_MCEERR_AO };

	if (syscall(SYS_rt_sigqueueinfo, getpid(), SIGBUS, &info) < 0)
		_exit(2);
}

static void broken_page_by_default(void)
{
	install_or_exit();
	broken_page();
}

static void by_default_the_process_dies_of_it(void **state)
{
	(void)state;
	assert_dies_of_sigbus(fault_by_default);
	assert_dies_of_sigbus(killed_by_default);
	assert_dies_of_sigbus(raised_by_default);
	assert_dies_of_sigbus(broken_page_by_default);
}

static void ignore(void)
{
	signal(SIGBUS, SIG_IGN);
	install_or_exit();
	kill(getpid(), SIGBUS);
	raise(SIGBUS);
	broken_page();
}

static void ignore_and_fault(void)
{
	ignore();
	(void)touch_foreign(0);
}

static void what_was_ignored_is_ignored_but_not_a_fault(void **state)
{
	int status = in_child(ignore);

	(void)state;
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_dies_of_sigbus(ignore_and_fault);
}

static volatile int calls;

static void repair_once(int sig)
{
	(void)sig;
	calls++;
	repair_foreign();
}

static void reset_hand(void)
{
	struct sigaction action = { .sa_handler = repair_once, .sa_flags = SA_RESETHAND };

	sigaction(SIGBUS, &action, NULL);
	install_or_exit();
	(void)touch_foreign(0);
	if (calls != 1)
		_exit(3);
}

static void reset_hand_and_again(void)
{
	reset_hand();
	munmap(foreign, PAGE);
	foreign = foreign_page();
	(void)touch_foreign(0);
}

static void a_handler_for_one_time_is_called_once(void **state)
{
	int status;

	(void)state;
	calls = 0;
	status = in_child(reset_hand);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_dies_of_sigbus(reset_hand_and_again);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(by_default_the_process_dies_of_it),
	cmocka_unit_test(what_was_ignored_is_ignored_but_not_a_fault),
	cmocka_unit_test(a_handler_for_one_time_is_called_once),
};

int main(void)
{
	return cmocka_run_group_tests(tests, NULL, NULL);
}

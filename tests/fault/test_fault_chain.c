/* SPDX-License-Identifier: MIT */
/*
 * The handler in front of another one: what is not ours gets there as if we had
 * never been.
 */
#include "fault_foreign.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <string.h>

#define STACK_LEN 65536

static uint8_t stack[STACK_LEN];

/* What the application's handler saw at its last call. */
static struct {
	volatile int calls;
	volatile int sig, code;
	volatile uintptr_t address;
	volatile bool on_stack, bus_blocked, usr1_blocked;
} seen;

static void look(int sig)
{
	uint8_t here;
	sigset_t mask;

	pthread_sigmask(SIG_BLOCK, NULL, &mask);
	seen.calls++;
	seen.sig = sig;
	seen.on_stack = &here >= stack && &here < stack + STACK_LEN;
	seen.bus_blocked = sigismember(&mask, SIGBUS);
	seen.usr1_blocked = sigismember(&mask, SIGUSR1);
	repair_foreign();
}

static void one_argument(int sig)
{
	look(sig);
}

static void three_arguments(int sig, siginfo_t *info, void *context)
{
	seen.address = (uintptr_t)info->si_addr;
	seen.code = info->si_code;
	assert_non_null(context);
	look(sig);
}

static struct sigaction cmocka_action;

/* The application's handler, and ours before it. */
static void chain(int flags, bool block_usr1, bool block_bus)
{
	struct sigaction action = { .sa_flags = flags };

	sigemptyset(&action.sa_mask);
	if (flags & SA_SIGINFO)
		action.sa_sigaction = three_arguments;
	else
		action.sa_handler = one_argument;
	if (block_usr1)
		sigaddset(&action.sa_mask, SIGUSR1);
	if (block_bus)
		sigaddset(&action.sa_mask, SIGBUS);
	assert_int_equal(sigaction(SIGBUS, &action, &cmocka_action), 0);
	rig_install();
	memset(&seen, 0, sizeof(seen));
	foreign = foreign_page();
}

static void unchain(void)
{
	rig_restore();
	assert_int_equal(sigaction(SIGBUS, &cmocka_action, NULL), 0);
	munmap(foreign, PAGE);
}

static void assert_mask_is_empty(void)
{
	sigset_t mask;

	assert_int_equal(pthread_sigmask(SIG_BLOCK, NULL, &mask), 0);
	assert_int_equal(sigismember(&mask, SIGBUS), 0);
	assert_int_equal(sigismember(&mask, SIGUSR1), 0);
}

static void a_foreign_fault_reaches_the_former_handler_unchanged(void **state)
{
	(void)state;
	chain(SA_SIGINFO, false, false);
	assert_int_equal(touch_foreign(0x123), 0);
	assert_int_equal(seen.calls, 1);
	assert_int_equal(seen.sig, SIGBUS);
	assert_int_equal(seen.code, BUS_ADRERR);
	assert_int_equal(seen.address, (uintptr_t)foreign + 0x123);
	assert_true(seen.bus_blocked);
#ifndef __SANITIZE_THREAD__ /* which blocks all signals in all handlers */
	assert_false(seen.usr1_blocked);
#endif
	assert_mask_is_empty();
	unchain();
}

static void a_former_handler_with_one_argument_is_called_with_one(void **state)
{
	(void)state;
	chain(0, false, false);
	assert_int_equal(touch_foreign(0), 0);
	assert_int_equal(seen.calls, 1);
	assert_int_equal(seen.sig, SIGBUS);
	assert_true(seen.bus_blocked);
	unchain();
}

static void the_former_handlers_mask_holds_while_it_runs(void **state)
{
	(void)state;
	chain(SA_SIGINFO, true, false);
	assert_int_equal(touch_foreign(0), 0);
	assert_true(seen.usr1_blocked);
	assert_mask_is_empty();
	unchain();
}

static void nodefer_leaves_sigbus_open_unless_the_mask_names_it(void **state)
{
	(void)state;
	chain(SA_SIGINFO | SA_NODEFER, false, false);
	assert_int_equal(touch_foreign(0), 0);
	assert_false(seen.bus_blocked);
	assert_mask_is_empty();
	unchain();
	chain(SA_SIGINFO | SA_NODEFER, false, true);
	assert_int_equal(touch_foreign(0), 0);
	assert_true(seen.bus_blocked);
	assert_mask_is_empty();
	unchain();
}

static void an_alternate_stack_is_used(void **state)
{
	stack_t ours = { .ss_sp = stack, .ss_size = STACK_LEN }, before;

	(void)state;
	assert_int_equal(sigaltstack(&ours, &before), 0);
	chain(SA_SIGINFO | SA_ONSTACK, false, false);
	assert_int_equal(touch_foreign(0), 0);
	assert_true(seen.on_stack);
	unchain();
	assert_int_equal(sigaltstack(&before, NULL), 0);
}

/* Both in one process, one after the other, again and again. */
static void our_faults_do_not_reach_the_former_handler(void **state)
{
	struct rig rig;
	uint32_t value;

	(void)state;
	chain(SA_SIGINFO, false, false);
	rig_open(&rig, NULL);
	for (int i = 1; i <= 20; i++) {
		rig_away(&rig, DECODE_OFF);
		assert_int_equal(rig_touch(&rig, 0, &value), -EIO);
		assert_int_equal(seen.calls, i - 1);
		munmap(foreign, PAGE);
		foreign = foreign_page();
		assert_int_equal(touch_foreign(8), 0);
		assert_int_equal(seen.calls, i);
		assert_int_equal(vfiosafe_recover(rig.dev, NULL), 0);
	}
	rig_close(&rig);
	unchain();
}

static sigjmp_buf out;

static void jump_out(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)info;
	(void)context;
	seen.calls++;
	siglongjmp(out, 1);
}

static void a_former_handler_may_jump_out(void **state)
{
	struct sigaction action = { .sa_sigaction = jump_out, .sa_flags = SA_SIGINFO };
	struct rig rig;
	uint32_t value;

	(void)state;
	assert_int_equal(sigaction(SIGBUS, &action, &cmocka_action), 0);
	rig_install();
	seen.calls = 0;
	foreign = foreign_page();
	rig_open(&rig, NULL);
	for (int i = 1; i <= 20; i++) {
		if (sigsetjmp(out, 1) == 0) {
			(void)touch_foreign(0);
			fail_msg("a foreign fault ran on");
		}
		assert_int_equal(seen.calls, i);
		assert_mask_is_empty();
		/* Nobody is counted as being in the handler: nothing hangs. */
		rig_away(&rig, DECODE_OFF);
		assert_int_equal(rig_touch(&rig, 0, &value), -EIO);
		assert_int_equal(vfiosafe_recover(rig.dev, NULL), 0);
	}
	rig_close(&rig);
	unchain();
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_foreign_fault_reaches_the_former_handler_unchanged),
	cmocka_unit_test(a_former_handler_with_one_argument_is_called_with_one),
	cmocka_unit_test(the_former_handlers_mask_holds_while_it_runs),
	cmocka_unit_test(nodefer_leaves_sigbus_open_unless_the_mask_names_it),
	cmocka_unit_test(an_alternate_stack_is_used),
	cmocka_unit_test(our_faults_do_not_reach_the_former_handler),
	cmocka_unit_test(a_former_handler_may_jump_out),
};

int main(void)
{
	return cmocka_run_group_tests(tests, NULL, NULL);
}

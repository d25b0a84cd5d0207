/* SPDX-License-Identifier: MIT */
/* Whose SIGBUS it is: installing, restoring, being told that it cannot work. */
#include "fault_rig.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>

static struct {
	unsigned int warnings;
	char line[512];
} logged;

static void take_log(void *ctx, enum vfiosafe_log_level level, const char *line)
{
	(void)ctx;
	if (level != VFIOSAFE_LOG_WARN)
		return;
	logged.warnings++;
	strncpy(logged.line, line, sizeof(logged.line) - 1);
}

static void listen(void)
{
	memset(&logged, 0, sizeof(logged));
	vfiosafe_log_set(take_log, NULL, VFIOSAFE_LOG_WARN);
}

static void stop_listening(void)
{
	vfiosafe_log_set(NULL, NULL, VFIOSAFE_LOG_WARN);
}

static void assert_warned(const char *about)
{
	assert_true(logged.warnings > 0);
	assert_non_null(strstr(logged.line, about));
	memset(&logged, 0, sizeof(logged));
}

static volatile int own_calls, own_handled;

/* Ten lines: an application that keeps its handler. */
static void own_handler(int sig, siginfo_t *info, void *context)
{
	own_calls++;
	if (vfiosafe_sigbus_handle(sig, info, context))
		own_handled++;
	else
		signal(sig, SIG_DFL);
}

static struct sigaction set_action(void (*handler)(int, siginfo_t *, void *), int flags)
{
	struct sigaction action = { .sa_sigaction = handler, .sa_flags = flags }, before;

	sigemptyset(&action.sa_mask);
	assert_int_equal(sigaction(SIGBUS, &action, &before), 0);
	return before;
}

static void put_back(const struct sigaction *action)
{
	assert_int_equal(sigaction(SIGBUS, action, NULL), 0);
}

static void the_applications_own_handler_can_ask(void **state)
{
	struct sigaction before = set_action(own_handler, SA_SIGINFO);
	struct rig rig;
	uint32_t value;

	(void)state;
	own_calls = own_handled = 0;
	listen();
	rig_open(&rig, NULL);
	for (int i = 1; i <= 10; i++) {
		rig_away(&rig, i % WAYS);
		assert_int_equal(rig_touch(&rig, 0, &value), -EIO);
		assert_int_equal(own_handled, i);
		assert_int_equal(vfiosafe_recover(rig.dev, NULL), 0);
	}
	assert_int_equal(own_calls, 10);
	/* It takes three arguments: it may know us, so nothing is said. */
	assert_int_equal(logged.warnings, 0);
	rig_close(&rig);
	stop_listening();
	put_back(&before);
}

static void other_signals_and_other_codes_are_not_ours(void **state)
{
	siginfo_t info = { .si_signo = SIGBUS, .si_code = BUS_ADRERR };
	struct rig rig;

	(void)state;
	rig_install();
	rig_open(&rig, NULL);
	info.si_addr = (void *)(uintptr_t)rig_reg32(&rig, 0);
	assert_int_equal(vfiosafe_sigbus_handle(SIGSEGV, &info, NULL), 0);
	info.si_code = BUS_OBJERR;
	assert_int_equal(vfiosafe_sigbus_handle(SIGBUS, &info, NULL), 0);
	info.si_code = SI_USER;
	assert_int_equal(vfiosafe_sigbus_handle(SIGBUS, &info, NULL), 0);
	info.si_code = BUS_ADRERR;
	info.si_addr = (void *)((uintptr_t)rig_reg32(&rig, 0) + BAR_LEN);
	assert_int_equal(vfiosafe_sigbus_handle(SIGBUS, &info, NULL), 0);
	info.si_addr = NULL;
	assert_int_equal(vfiosafe_sigbus_handle(SIGBUS, &info, NULL), 0);
	rig_assert_live(&rig);
	rig_close(&rig);
	rig_restore();
}

static void install_and_restore_leave_what_was_there(void **state)
{
	struct sigaction before, after;

	(void)state;
	assert_int_equal(vfiosafe_sigbus_restore(), -ENOENT);
	assert_int_equal(sigaction(SIGBUS, NULL, &before), 0);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(vfiosafe_sigbus_install(), 0);
		assert_int_equal(vfiosafe_sigbus_install(), -EALREADY);
		assert_int_equal(vfiosafe_sigbus_restore(), 0);
		assert_int_equal(vfiosafe_sigbus_restore(), -ENOENT);
		assert_int_equal(sigaction(SIGBUS, NULL, &after), 0);
		assert_ptr_equal(before.sa_sigaction, after.sa_sigaction);
		assert_int_equal(before.sa_flags, after.sa_flags);
	}
}

static struct sigaction chained_to;

/* A later handler that chains, as it should. */
static void later_handler(int sig, siginfo_t *info, void *context)
{
	own_calls++;
	chained_to.sa_sigaction(sig, info, context);
}

static void a_later_handler_is_noticed_at_map_and_at_each_window(void **state)
{
	struct vfiosafe_bar *bar;
	struct rig rig;

	(void)state;
	rig_install();
	listen();
	rig_open(&rig, NULL);
	assert_int_equal(vfiosafe_reset(rig.dev, NULL), 0);
	assert_int_equal(logged.warnings, 0);
	chained_to = set_action(later_handler, SA_SIGINFO);
	assert_int_equal(vfiosafe_bar_map(&bar, rig.dev, 0, 0, PAGE, 0), 0);
	assert_warned("installed after ours");
	assert_int_equal(vfiosafe_reset(rig.dev, NULL), 0);
	assert_warned("installed after ours");
	assert_int_equal(vfiosafe_reset(rig.dev, NULL), 0);
	assert_warned("installed after ours");
	put_back(&chained_to);
	assert_int_equal(vfiosafe_reset(rig.dev, NULL), 0);
	assert_int_equal(logged.warnings, 0);
	stop_listening();
	rig_close(&rig);
	rig_restore();
}

static void a_later_handler_that_chains_works_and_keeps_restore_out(void **state)
{
	struct rig rig;
	uint32_t value;

	(void)state;
	rig_install();
	rig_open(&rig, NULL);
	chained_to = set_action(later_handler, SA_SIGINFO);
	own_calls = 0;
	rig_away(&rig, DECODE_OFF);
	assert_int_equal(rig_touch(&rig, 0, &value), -EIO);
	assert_int_equal(own_calls, 1);
	assert_int_equal(vfiosafe_sigbus_restore(), -EBUSY);
	assert_int_equal(vfiosafe_recover(rig.dev, NULL), 0);
	rig_away(&rig, DECODE_OFF);
	assert_int_equal(rig_touch(&rig, 0, &value), -EIO);
	assert_int_equal(own_calls, 2);
	put_back(&chained_to);
	rig_close(&rig);
	rig_restore();
}

static void a_process_that_would_die_is_warned(void **state)
{
	struct sigaction dfl = { .sa_handler = SIG_DFL }, before;
	struct rig rig;

	(void)state;
	assert_int_equal(sigaction(SIGBUS, &dfl, &before), 0);
	listen();
	rig_open(&rig, NULL);
	assert_warned("would kill this process");
	assert_int_equal(vfiosafe_reset(rig.dev, NULL), 0);
	assert_warned("would kill this process");
	rig_close(&rig);
	stop_listening();
	put_back(&before);
}

static void *first_use(void *arg)
{
	struct rig *rig = arg;
	uint32_t value;
	sigset_t bus;

	sigemptyset(&bus);
	sigaddset(&bus, SIGBUS);
	pthread_sigmask(SIG_BLOCK, &bus, NULL);
	return rig_touch(rig, 0, &value) == 0 ? rig : NULL;
}

static void a_thread_that_blocks_sigbus_is_warned(void **state)
{
	struct vfiosafe_bar *bar;
	sigset_t bus, before;
	pthread_t thread;
	struct rig rig;
	void *good;

	(void)state;
	rig_install();
	rig_open(&rig, NULL);
	listen();
	/* A thread of the data path, at its first access. */
	assert_int_equal(pthread_create(&thread, NULL, first_use, &rig), 0);
	assert_int_equal(pthread_join(thread, &good), 0);
	assert_non_null(good);
	assert_int_equal(logged.warnings, 1);
	assert_warned("blocks SIGBUS");
	/* A thread that maps. */
	sigemptyset(&bus);
	sigaddset(&bus, SIGBUS);
	assert_int_equal(pthread_sigmask(SIG_BLOCK, &bus, &before), 0);
	assert_int_equal(vfiosafe_bar_map(&bar, rig.dev, 0, 0, PAGE, 0), 0);
	assert_int_equal(pthread_sigmask(SIG_SETMASK, &before, NULL), 0);
	assert_warned("blocks SIGBUS");
	assert_int_equal(vfiosafe_bar_map(&bar, rig.dev, 0, 0, PAGE, 0), 0);
	assert_int_equal(logged.warnings, 0);
	stop_listening();
	rig_close(&rig);
	rig_restore();
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(the_applications_own_handler_can_ask),
	cmocka_unit_test(other_signals_and_other_codes_are_not_ours),
	cmocka_unit_test(install_and_restore_leave_what_was_there),
	cmocka_unit_test(a_later_handler_is_noticed_at_map_and_at_each_window),
	cmocka_unit_test(a_later_handler_that_chains_works_and_keeps_restore_out),
	cmocka_unit_test(a_process_that_would_die_is_warned),
	cmocka_unit_test(a_thread_that_blocks_sigbus_is_warned),
};

int main(void)
{
	return cmocka_run_group_tests(tests, NULL, NULL);
}

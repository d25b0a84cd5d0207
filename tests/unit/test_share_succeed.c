/* SPDX-License-Identifier: MIT */
/* A new owner of the device fd of a dead one: who may still hold the device is waited
 * for. */
#include <fcntl.h>

#include "ledger.h"
#include "share_process.h"

static struct vfiosafe_device *heir;
static int ledger = -1;

static int heir_setup(void **state)
{
	heir = NULL;
	ledger = -1;
	return driver_setup(state);
}

static int heir_teardown(void **state)
{
	if (heir)
		assert_ok(vfiosafe_device_close(heir, 0));
	if (ledger >= 0)
		close(ledger);
	return bench_teardown(state);
}

static void open_heir(void)
{
	int fd = fake_device_fd(&bench.k, bench.k.fn);

	assert_ok(vfiosafe_device_from_fd(&heir, fd, &bench.opts));
	vsf_sys(&bench.k.sys, close, fd);
}

/* Of the owner that is on the bench: a copy that outlives it. */
static void keep_ledger(void)
{
	ledger = fcntl(vfiosafe_share_ledger_fd(bench.dev), F_DUPFD_CLOEXEC, 0);
	assert_true(ledger >= 0);
}

static struct process client_that_holds(uint32_t rights)
{
	struct vfiosafe_grant grant = grant_of(rights);
	struct process child = spawn(&grant, SAYS_HELLO, false);

	look_until_reached(&child, SAYS_HELLO);
	while (vfiosafe_share_count(bench.dev) == 0)
		look();
	return child;
}

static void no_reset_while_a_client_of_the_former_owner_lives(void **state)
{
	struct process child = client_that_holds(VFIOSAFE_GRANT_DEVICE_FD);
	uint64_t before;
	char pid[16];

	(void)state;
	before = vfiosafe_device_generation(bench.dev);
	keep_ledger();
	open_heir();
	assert_int_equal(vfiosafe_share_succeed(heir, ledger), 1);
	assert_int_equal(vfiosafe_device_state(heir), VFIOSAFE_FAULT);
	assert_true(vfiosafe_device_generation(heir) > before);
	assert_int_equal(vfiosafe_recover(heir, NULL), -EBUSY);
	snprintf(pid, sizeof(pid), " %d,", (int)child.pid);
	assert_non_null(strstr(vfiosafe_error_text(), pid));
	kill_it(&child);
	assert_ok(vfiosafe_recover(heir, NULL));
	assert_int_equal(vfiosafe_device_state(heir), VFIOSAFE_LIVE);
	collect(&child);
}

static void who_only_calls_is_not_waited_for(void **state)
{
	struct process child = client_that_holds(VFIOSAFE_GRANT_CALLS_ONLY);

	(void)state;
	keep_ledger();
	open_heir();
	assert_int_equal(vfiosafe_share_succeed(heir, ledger), 0);
	assert_ok(vfiosafe_recover(heir, NULL));
	collect(&child);
}

static void who_has_ended_is_struck_out(void **state)
{
	struct process child = client_that_holds(VFIOSAFE_GRANT_DEVICE_FD);
	struct vsf_ledger_entry entry;

	(void)state;
	keep_ledger();
	assert_int_equal(pread(ledger, &entry, sizeof(entry),
			       sizeof(struct vsf_ledger_head) + sizeof(entry)),
			 sizeof(entry));
	assert_int_equal(entry.pid, child.pid);
	kill_it(&child);
	while (vfiosafe_share_count(bench.dev) > 0)
		look();
	assert_int_equal(pread(ledger, &entry, sizeof(entry),
			       sizeof(struct vsf_ledger_head) + sizeof(entry)),
			 sizeof(entry));
	assert_int_equal(entry.pid, 0);
	collect(&child);
}

/* Hand-made, as an owner would have left it. */
static void write_ledger(uint32_t pid, uint64_t started)
{
	const struct vsf_ledger_head head = { VSF_LEDGER_MAGIC, VSF_LEDGER_VERSION, 7 };
	const struct vsf_ledger_entry entry = { .started = started, .pid = pid };

	ledger = memfd_create("ledger", MFD_CLOEXEC);
	assert_int_equal(write(ledger, &head, sizeof(head)), sizeof(head));
	assert_int_equal(write(ledger, &entry, sizeof(entry)), sizeof(entry));
}

static void say_started(pid_t pid, unsigned int when)
{
	char text[128];

	snprintf(text, sizeof(text),
		 "%d (a) b) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 %u 0",
		 (int)pid, when);
	fake_put(&bench.k, FAKE_TEXT, text, "/proc/%d/stat", (int)pid);
}

static void a_number_that_is_another_process_by_now_is_not_waited_for(void **state)
{
	(void)state;
	say_started(getppid(), 4711);
	write_ledger((uint32_t)getppid(), 4712);
	open_heir();
	assert_int_equal(vfiosafe_share_succeed(heir, ledger), 0);
	assert_int_equal(vfiosafe_device_generation(heir), 9);
}

static void a_process_that_started_then_is_waited_for(void **state)
{
	(void)state;
	say_started(getppid(), 4711);
	write_ledger((uint32_t)getppid(), 4711);
	open_heir();
	assert_int_equal(vfiosafe_share_succeed(heir, ledger), 1);
	assert_int_equal(vfiosafe_recover(heir, NULL), -EBUSY);
}

static void a_process_of_which_nobody_says_when_it_started_is_waited_for(void **state)
{
	(void)state;
	write_ledger((uint32_t)getppid(), 4711);
	open_heir();
	assert_int_equal(vfiosafe_share_succeed(heir, ledger), 1);
}

static void what_is_no_ledger_is_refused(void **state)
{
	(void)state;
	open_heir();
	assert_int_equal(vfiosafe_share_succeed(heir, -1), -EINVAL);
	ledger = memfd_create("empty", MFD_CLOEXEC);
	assert_int_equal(vfiosafe_share_succeed(heir, ledger), -EINVAL);
	assert_int_equal(vfiosafe_device_state(heir), VFIOSAFE_LIVE);
}

/* Between the look how many there are and the look who they are. */
static void more_clients_come(struct fake *fake, enum fake_call call, uint64_t key)
{
	const struct vsf_ledger_entry entry = { .pid = (uint32_t)getppid() };

	(void)key;
	if (call != FAKE_EPOLL)
		return;
	fake->hook = NULL;
	for (int i = 0; i < 100; i++)
		assert_int_equal(write(ledger, &entry, sizeof(entry)), sizeof(entry));
}

static void an_owner_that_lets_more_clients_in_has_not_died(void **state)
{
	(void)state;
	write_ledger((uint32_t)getppid(), 0);
	open_heir();
	bench.k.hook = more_clients_come;
	assert_refused(vfiosafe_share_succeed(heir, ledger), EBUSY, "the ledger grew",
		       "end it");
	assert_int_equal(vfiosafe_device_state(heir), VFIOSAFE_LIVE);
	assert_int_equal(vfiosafe_share_succeed(heir, ledger), 101);
}

static void a_device_in_use_is_refused(void **state)
{
	struct vfiosafe_bar *bar;

	(void)state;
	write_ledger((uint32_t)getppid(), 0);
	open_heir();
	assert_ok(vfiosafe_bar_map(&bar, heir, 0, 0, 0, 0));
	assert_int_equal(vfiosafe_share_succeed(heir, ledger), -EBUSY);
	assert_int_equal(vfiosafe_device_generation(heir), 1);
}

static void a_device_without_clients_has_no_ledger(void **state)
{
	(void)state;
	assert_int_equal(vfiosafe_share_ledger_fd(bench.dev), -EINVAL);
}

static void each_call_fails_in_turn(void **state)
{
	static const enum fake_call calls[] = { FAKE_PREAD, FAKE_EPOLL, FAKE_EPOLL_ADD,
						FAKE_PIDFD };

	(void)state;
	write_ledger((uint32_t)getppid(), 0);
	open_heir();
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		fake_fail(&bench.k, calls[i], FAKE_ANY, EMFILE, 1);
		assert_true(vfiosafe_share_succeed(heir, ledger) < 0);
		assert_int_equal(vfiosafe_device_state(heir), VFIOSAFE_LIVE);
	}
	assert_int_equal(vfiosafe_share_succeed(heir, ledger), 1);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, heir_setup, heir_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(no_reset_while_a_client_of_the_former_owner_lives),
		TEST(who_only_calls_is_not_waited_for),
		TEST(who_has_ended_is_struck_out),
		TEST(a_number_that_is_another_process_by_now_is_not_waited_for),
		TEST(a_process_that_started_then_is_waited_for),
		TEST(a_process_of_which_nobody_says_when_it_started_is_waited_for),
		TEST(what_is_no_ledger_is_refused),
		TEST(an_owner_that_lets_more_clients_in_has_not_died),
		TEST(a_device_in_use_is_refused),
		TEST(a_device_without_clients_has_no_ledger),
		TEST(each_call_fails_in_turn),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

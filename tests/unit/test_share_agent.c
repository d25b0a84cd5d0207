/* SPDX-License-Identifier: MIT */
/* The agent's thread, and clients on threads of their own, on the real clock. */
#include <poll.h>

#include "share_rig.h"

#define CLIENTS 8
#define WINDOWS 50

static int agent_setup(void **state)
{
	driver_setup(state);
	bench.k.real_clock = true;
	return 0;
}

/* A client that agrees to everything until the owner hangs up. */
struct citizen {
	struct peer peer;
	pthread_t thread;
	bool asks; /* also for resets */
	unsigned int agreed, answers, good;
	uint64_t word;
};

static void *citizen_main(void *arg)
{
	struct citizen *c = arg;
	struct vsf_msg msg;
	uint8_t buf[VSF_WIRE_LEN];
	uint64_t id = 1;
	ssize_t n;

	if (c->asks)
		(void)say_on(c->peer.sock, (struct vsf_msg){ .type = VSF_MSG_ASK,
							     .kind = VSF_ASK_RESET,
							     .id = id,
							     .ms = 10000 });
	while ((n = recv(c->peer.sock, buf, sizeof(buf), 0)) > 0) {
		if (vsf_wire_parse(&msg, buf, (size_t)n, VSF_FROM_OWNER, 0) != 0)
			continue;
		if (msg.type == VSF_MSG_PREPARE) {
			c->agreed++;
			(void)say_on(c->peer.sock, (struct vsf_msg){ .type = VSF_MSG_READY,
								     .window = msg.window });
		} else if (msg.type == VSF_MSG_STATE) {
			__atomic_store_n(&c->word, msg.word, __ATOMIC_RELEASE);
		} else if (msg.type == VSF_MSG_ANSWER && c->asks) {
			c->good += msg.result == 0;
			if (__atomic_add_fetch(&c->answers, 1, __ATOMIC_RELEASE) < WINDOWS)
				(void)say_on(c->peer.sock,
					     (struct vsf_msg){ .type = VSF_MSG_ASK,
							       .kind = VSF_ASK_RESET,
							       .id = ++id,
							       .ms = 10000 });
		}
	}
	return NULL;
}

/* By the agent's thread. */
static void join_citizen(struct citizen *c, bool asks)
{
	struct vfiosafe_grant grant = grant_of(asks ? VFIOSAFE_GRANT_RESET : 0);
	struct pollfd pfd;

	memset(c, 0, sizeof(*c));
	grant.reset_interval_ms = 1;
	c->asks = asks;
	c->peer = serve(&grant);
	assert_ok(vfiosafe_agent_start(bench.dev));
	say(&c->peer, .type = VSF_MSG_HELLO, .text = "citizen");
	pfd = (struct pollfd){ .fd = c->peer.sock, .events = POLLIN };
	assert_int_equal(poll(&pfd, 1, -1), 1);
	until(vfiosafe_share_count(bench.dev) > 0);
	/* The ranges follow the welcome at once: the lock is held over all of it. */
	hear_welcome(&c->peer);
	assert_ok(pthread_create(&c->thread, NULL, citizen_main, c));
}

static void leave_citizens(struct citizen *c, unsigned int n)
{
	bench_close();
	for (unsigned int i = 0; i < n; i++) {
		pthread_join(c[i].thread, NULL);
		peer_close(&c[i].peer);
	}
}

static void with_a_thread_nobody_has_to_dispatch(void **state)
{
	struct citizen c[CLIENTS];

	(void)state;
	for (int i = 0; i < CLIENTS; i++)
		join_citizen(&c[i], false);
	for (unsigned int i = 0; i < WINDOWS; i++) {
		assert_ok(vfiosafe_reset(bench.dev, NULL));
		for (int k = 0; k < CLIENTS; k++)
			until(__atomic_load_n(&c[k].word, __ATOMIC_ACQUIRE) ==
			      vsf_word(i + 2, VFIOSAFE_LIVE));
	}
	leave_citizens(c, CLIENTS);
	for (int i = 0; i < CLIENTS; i++)
		assert_int_equal(c[i].agreed, WINDOWS);
}

/* Each asks for WINDOWS of them, while the owner makes its own. */
static void owner_and_clients_reset_at_once(void **state)
{
	struct citizen c[CLIENTS];
	unsigned int good = 0;

	(void)state;
	for (int i = 0; i < CLIENTS; i++)
		join_citizen(&c[i], i % 2);
	for (unsigned int i = 0; i < WINDOWS; i++)
		assert_ok(vfiosafe_reset(bench.dev, NULL));
	for (int i = 0; i < CLIENTS; i++)
		until(!c[i].asks ||
		      __atomic_load_n(&c[i].answers, __ATOMIC_ACQUIRE) == WINDOWS);
	assert_state(LIVE);
	leave_citizens(c, CLIENTS);
	for (int i = 0; i < CLIENTS; i++)
		good += c[i].good;
	/* The others came too soon after the last one. */
	assert_true(good > 0);
}

/* A reset without a thread: who waits for the clients reads what they say. */
static int reset_now(void)
{
	return vfiosafe_reset(bench.dev, NULL);
}

static void a_reset_reads_the_votes_itself(void **state)
{
	struct citizen c = { .peer = joined_with(0) };
	struct runner runner;

	(void)state;
	assert_ok(pthread_create(&c.thread, NULL, citizen_main, &c));
	run_beside(&runner, reset_now);
	assert_ok(run_ended(&runner));
	leave_citizens(&c, 1);
	assert_int_equal(c.agreed, 1);
}

static void starting_it_twice_starts_one(void **state)
{
	struct peer peer = joined_with(0);
	unsigned int fds;

	(void)state;
	assert_ok(vfiosafe_agent_start(bench.dev));
	fds = bench.k.real_fds;
	assert_ok(vfiosafe_agent_start(bench.dev));
	assert_int_equal(bench.k.real_fds, fds);
	peer_close(&peer);
}

/* The close waits for it, and for nothing else. */
static void it_ends_with_the_device(void **state)
{
	(void)state;
	for (int i = 0; i < 50; i++) {
		struct peer peer = joined_with(0);

		assert_ok(vfiosafe_agent_start(bench.dev));
		bench_close();
		peer_close(&peer);
		bench_open();
		assert_ok(driver_set());
	}
}

static void a_close_while_it_drives_a_window(void **state)
{
	(void)state;
	for (int i = 0; i < 20; i++) {
		struct peer peer = joined_with(VFIOSAFE_GRANT_RESET);

		say(&peer, .type = VSF_MSG_ASK, .id = 1, .kind = VSF_ASK_RESET, .ms = 10000);
		assert_ok(vfiosafe_agent_start(bench.dev));
		until(vfiosafe_device_state(bench.dev) == VFIOSAFE_QUIESCE);
		bench_close();
		peer_close(&peer);
		bench_open();
		assert_ok(driver_set());
	}
}

static sigset_t blocked;
static pthread_t who;

static void note_mask(struct vfiosafe_device *dev, enum callback which)
{
	(void)dev;
	if (which != REINIT)
		return;
	who = pthread_self();
	pthread_sigmask(SIG_BLOCK, NULL, &blocked);
}

static void it_takes_no_signals_but_faults(void **state)
{
	struct citizen c;

	(void)state;
	driver.inside = note_mask;
	sigemptyset(&blocked);
	join_citizen(&c, true);
	until(__atomic_load_n(&c.answers, __ATOMIC_ACQUIRE) > 0);
	leave_citizens(&c, 1);
	assert_false(pthread_equal(who, pthread_self()));
	assert_true(sigismember(&blocked, SIGINT));
	assert_true(sigismember(&blocked, SIGUSR1));
	assert_true(sigismember(&blocked, SIGALRM));
	assert_false(sigismember(&blocked, SIGBUS));
	assert_false(sigismember(&blocked, SIGSEGV));
	assert_int_equal(driver.count[QUIESCE] > 0, 1);
}

/* Its copies only; the parent's clients notice nothing. */
static void a_forked_child_closes_its_copy(void **state)
{
	struct citizen c;
	pid_t child;
	int status;

	(void)state;
	join_citizen(&c, false);
	child = fork();
	if (child == 0) {
		alarm(10);
		if (vfiosafe_agent_dispatch(bench.dev) != -ENODEV ||
		    vfiosafe_agent_start(bench.dev) != -ENODEV ||
		    vfiosafe_share_count(bench.dev) != 0)
			_exit(1);
		_exit(vfiosafe_device_close(bench.dev, 100) != 0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_ok(vfiosafe_reset(bench.dev, NULL));
	assert_int_equal(vfiosafe_share_count(bench.dev), 1);
	leave_citizens(&c, 1);
	assert_int_equal(c.agreed, 1);
}

static int dispatch_now(void)
{
	return vfiosafe_agent_dispatch(bench.dev);
}

/* The other one is in a callback of the driver for as long as that takes. */
static int other_rc;

static void dispatch_elsewhere(struct vfiosafe_device *dev, enum callback which)
{
	(void)dev;
	if (which == QUIESCE)
		other_rc = on_another_thread(dispatch_now);
}

static void two_threads_take_turns(void **state)
{
	struct peer peer = joined_with(VFIOSAFE_GRANT_RESET);

	(void)state;
	driver.inside = dispatch_elsewhere;
	say(&peer, .type = VSF_MSG_ASK, .id = 1, .kind = VSF_ASK_RESET, .ms = 10000);
	look();
	agree(&peer);
	while (driver.count[QUIESCE] == 0)
		look();
	assert_int_equal(other_rc, -EAGAIN);
	peer_close(&peer);
}

#define on_the_clock(test) cmocka_unit_test_setup_teardown(test, agent_setup, bench_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		on_the_clock(with_a_thread_nobody_has_to_dispatch),
		on_the_clock(owner_and_clients_reset_at_once),
		on_the_clock(a_reset_reads_the_votes_itself),
		on_the_clock(starting_it_twice_starts_one),
		on_the_clock(it_ends_with_the_device),
		on_the_clock(a_close_while_it_drives_a_window),
		on_the_clock(it_takes_no_signals_but_faults),
		on_the_clock(a_forked_child_closes_its_copy),
		on_the_clock(two_threads_take_turns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

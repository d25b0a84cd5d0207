/* SPDX-License-Identifier: MIT */
/* An access that the owner makes for a client outlives it: the reset waits for that. */
#include <signal.h>
#include <vfiosafe/log.h>

#include "share_rig.h"

#define LIVE_1 vsf_word(1, VFIOSAFE_LIVE)

static struct {
	struct runner dispatcher;
	sem_t in, out;
} access_of;

/*
 * The owner's agent, on a thread that warns at its first use of the library: that is when
 * it has taken the call, and its section is not open yet. So no drain sees it.
 */
static void stand_still(void *ctx, enum vfiosafe_log_level level, const char *text)
{
	(void)ctx;
	(void)level;
	if (!strstr(text, "blocks SIGBUS"))
		return;
	sem_post(&access_of.in);
	sem_wait(&access_of.out);
}

static int dispatch(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGBUS);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	return vfiosafe_agent_dispatch(bench.dev);
}

/* A store, as a quiesce callback makes it: after the owner's own sections have ended. */
static void begin_access(const struct peer *client)
{
	assert_ok(say_on(client->calls, (struct vsf_msg){ .type = VSF_MSG_WRITE,
							  .offset = 0x1000,
							  .width = 4,
							  .value = 5,
							  .word = LIVE_1 }));
	sem_init(&access_of.in, 0, 0);
	sem_init(&access_of.out, 0, 0);
	vfiosafe_log_set(stand_still, NULL, VFIOSAFE_LOG_WARN);
	run_beside(&access_of.dispatcher, dispatch);
	sem_wait(&access_of.in);
	vfiosafe_log_set(NULL, NULL, VFIOSAFE_LOG_ERROR);
}

static void end_access(void)
{
	sem_post(&access_of.out);
	assert_ok(run_ended(&access_of.dispatcher));
	sem_destroy(&access_of.in);
	sem_destroy(&access_of.out);
}

static uint32_t in_device(void)
{
	return *(volatile uint32_t *)(fake_bar(bench.fn, 0) + 0x1000);
}

/* @ends: how, and what is told of it. */
static void the_reset_waits_over(void (*ends)(struct peer *client), int why)
{
	struct peer client = joined_with(0);
	struct vfiosafe_window *win = asking(1000, VFIOSAFE_POLICY_ABORT);

	assert_int_equal(poll_window(win), -EAGAIN);
	begin_access(&client);
	ends(&client);
	assert_int_equal(poll_window(win), -EAGAIN);
	assert_int_equal(next_peer_event(), why);
	assert_int_equal(poll_window(win), -EAGAIN);
	assert_int_equal(in_device(), 0);
	end_access();
	assert_int_equal(in_device(), 5);
	assert_int_equal(clients_kept(), client.sock >= 0 && why == 1);
	assert_int_equal(poll_window(win), VFIOSAFE_STEP_COMMIT);
	assert_ok(take_through(win));
	peer_close(&client);
}

static void hangs_up(struct peer *client)
{
	peer_close(client);
}

static void a_client_that_hangs_up_in_an_access_is_no_reset_over_it(void **state)
{
	(void)state;
	the_reset_waits_over(hangs_up, -ESRCH);
}

static void says_garbage(struct peer *client)
{
	assert_ok(say_bytes(client->sock, "garbage", 7));
}

static void a_client_that_is_cut_off_in_an_access_is_no_reset_over_it(void **state)
{
	(void)state;
	the_reset_waits_over(says_garbage, -EPROTO);
}

static void says_READY(struct peer *client)
{
	agree(client);
}

static void a_client_that_is_READY_too_early_is_no_reset_over_it(void **state)
{
	(void)state;
	the_reset_waits_over(says_READY, 1);
}

static void the_deadline_names_the_access(void **state)
{
	struct peer client = joined_with(0);
	struct vfiosafe_window *win = asking(1000, VFIOSAFE_POLICY_ABORT);

	(void)state;
	begin_access(&client);
	peer_close(&client);
	assert_int_equal(poll_window(win), -EAGAIN);
	fake_advance_ms(&bench.k, 1001);
	assert_refused(poll_window(win), ETIMEDOUT, "(tester)", "access under way");
	vfiosafe_window_end(win);
	assert_state(LIVE);
	end_access();
	/* In LIVE, of a client that is no more: what it was sent for is done, or refused. */
	assert_true(in_device() == 0 || in_device() == 5);
	assert_ok(reset_ms(100));
}

#define with_device(test) cmocka_unit_test_setup_teardown(test, driver_setup, bench_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_device(a_client_that_hangs_up_in_an_access_is_no_reset_over_it),
		with_device(a_client_that_is_cut_off_in_an_access_is_no_reset_over_it),
		with_device(a_client_that_is_READY_too_early_is_no_reset_over_it),
		with_device(the_deadline_names_the_access),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* Resets and recoveries that a client asks its owner for. */
#include "join_rig.h"
#include "unit_thread.h"

static int reset(void)
{
	struct vfiosafe_reset_opts opts = { .size = sizeof(opts), .timeout_ms = 5000 };

	return vfiosafe_reset(rig.dev, &opts);
}

static int recover(void)
{
	return vfiosafe_recover(rig.dev, NULL);
}

/* What the owner says to ASK, when that has come. */
static struct vsf_msg hear(void)
{
	struct vsf_msg msg;

	until((msg = rig_heard()).type);
	return msg;
}

static void say_answer(uint64_t id, int result, const char *text)
{
	struct vsf_msg msg = { .type = VSF_MSG_ANSWER, .id = id, .result = result };

	snprintf(msg.text, sizeof(msg.text), "%s", text);
	rig_send(&msg, NULL, 0);
}

static void a_reset_is_asked_for_and_waited_for(void **state)
{
	struct runner runner;
	struct vsf_msg ask;

	(void)state;
	run_beside(&runner, reset);
	ask = hear();
	assert_int_equal(ask.type, VSF_MSG_ASK);
	assert_int_equal(ask.kind, VSF_ASK_RESET);
	assert_true(ask.ms > 0 && ask.ms <= 5000);
	rig_word(3, VFIOSAFE_QUIESCE);
	rig_prepare(RIG_WINDOW, 1000, 0);
	assert_int_equal(hear().type, VSF_MSG_READY);
	rig_word(4, VFIOSAFE_LIVE);
	/* Answered before it is told: the call returns when the driver is back. */
	say_answer(ask.id, 0, "");
	rig_state(RIG_WINDOW, 0);
	assert_ok(run_ended(&runner));
	assert_driver(" quiesce reinit");
	assert_rig_state(LIVE);
	assert_heard(BACK);
}

static void a_reset_that_the_owner_refuses_fails_with_its_words(void **state)
{
	struct runner runner;
	struct vsf_msg ask;

	(void)state;
	run_beside(&runner, reset);
	ask = hear();
	/* One for somebody else is none. */
	say_answer(ask.id + 1, 0, "");
	say_answer(ask.id, -EPERM, "the grant does not allow that");
	assert_int_equal(run_ended(&runner), -EPERM);
	assert_driver("");
}

static void a_refused_reset_quotes_the_owner(void **state)
{
	(void)state;
	say_answer(1, -EBUSY, "too soon");
	assert_refused(reset(), EBUSY, "too soon", ADDRESS);
}

static bool ended;

static int reset_and_tell(void)
{
	int rc = reset();

	__atomic_store_n(&ended, true, __ATOMIC_SEQ_CST);
	return rc;
}

static void threads_that_want_the_same_ask_once(void **state)
{
	struct runner one, other;
	struct vsf_msg ask;

	(void)state;
	ended = false;
	run_beside(&one, reset);
	ask = hear();
	run_beside(&other, reset_and_tell);
	for (int i = 0; i < 20; i++)
		(void)dispatch();
	assert_heard_nothing();
	say_answer(ask.id, -EPERM, "no");
	assert_int_equal(run_ended(&one), -EPERM);
	/* The other was in time for that answer, or asks for itself. */
	until((ask = rig_heard()).type || __atomic_load_n(&ended, __ATOMIC_SEQ_CST));
	if (ask.type)
		say_answer(ask.id, -EPERM, "no");
	assert_int_equal(run_ended(&other), -EPERM);
}

static void an_owner_that_does_not_answer_is_given_up(void **state)
{
	(void)state;
	rig.no_waits = true;
	assert_refused(reset(), ETIMEDOUT, "did not answer");
	/* The answer that comes then is nobody's. */
	say_answer(rig_heard().id, 0, "");
	assert_refused(reset(), ETIMEDOUT, "did not answer");
}

static void force_is_not_a_clients_to_ask_for(void **state)
{
	struct vfiosafe_reset_opts opts = { .size = sizeof(opts),
					    .policy = VFIOSAFE_POLICY_FORCE };

	(void)state;
	assert_refused(vfiosafe_reset(rig.dev, &opts), EPERM, "force");
	opts.policy = (enum vfiosafe_policy)7;
	assert_refused(vfiosafe_reset(rig.dev, &opts), EINVAL, "policy");
	assert_heard_nothing();
}

static void recover_of_a_live_device_is_nothing(void **state)
{
	(void)state;
	assert_ok(recover());
	assert_heard_nothing();
}

static void recover_from_the_owners_fault_is_asked_for(void **state)
{
	struct runner runner;
	struct vsf_msg ask;

	(void)state;
	rig_word(3, VFIOSAFE_FAULT);
	run_beside(&runner, recover);
	ask = hear();
	assert_int_equal(ask.type, VSF_MSG_ASK);
	assert_int_equal(ask.kind, VSF_ASK_RECOVER);
	rig_prepare(RIG_WINDOW, 1000, VSF_PREPARE_RECOVER);
	assert_int_equal(hear().type, VSF_MSG_READY);
	rig_word(4, VFIOSAFE_LIVE);
	rig_state(RIG_WINDOW, 0);
	say_answer(ask.id, 0, "");
	assert_ok(run_ended(&runner));
	assert_rig_state(LIVE);
	assert_driver(" lost reinit");
}

static void inside(const char *which)
{
	struct vfiosafe_section sec;

	if (strcmp(which, "lost") == 0)
		return;
	assert_refused(vfiosafe_wait(rig.dev, VFIOSAFE_FOREVER), EDEADLK, "callback");
	assert_refused(reset(), EDEADLK, "callback");
	assert_refused(recover(), EDEADLK, "callback");
	assert_refused(dispatch(), EDEADLK, "callback");
	assert_refused(vfiosafe_bar_unmap(rig.bar, 0), EDEADLK, "callback");
	assert_refused(vfiosafe_device_close(rig.dev, 0), EDEADLK, "callback");
	assert_refused(vfiosafe_device_set_driver(rig.dev, NULL, NULL), EDEADLK, "callback");
	assert_int_equal(vfiosafe_begin(&rig.view, &sec), 0);
	assert_int_equal(vfiosafe_end(&sec), 0);
	/* The owner moves on under the callback, whether it is asked or not. */
	if (strcmp(which, "quiesce") == 0)
		rig_word(3, VFIOSAFE_LIVE);
	else
		rig_word(3, VFIOSAFE_QUIESCE);
	assert_refused(dispatch(), EDEADLK, "callback");
	assert_refused(vfiosafe_wait(rig.dev, 0), EDEADLK, "callback");
	/* It has to wait for this process before it resets. */
	assert_ok(vfiosafe_begin(&rig.view, &sec));
	assert_ok(vfiosafe_end(&sec));
}

static void callbacks_may_not_wait_and_go_on_if_the_owner_changes_its_mind(void **state)
{
	(void)state;
	rig.inside = inside;
	rig_word(3, VFIOSAFE_QUIESCE);
	rig_prepare(RIG_WINDOW, 1000, 0);
	assert_int_equal(rig_dispatch_until_heard().type, VSF_MSG_READY);
	rig_state(RIG_WINDOW, -ECANCELED);
	assert_int_equal(rig_dispatch_until_heard().type, VSF_MSG_BACK);
	assert_driver(" quiesce resume");
	/* The window that began meanwhile. */
	rig.inside = NULL;
	rig_prepare(RIG_WINDOW + 1, 1000, 0);
	assert_int_equal(rig_dispatch_until_heard().type, VSF_MSG_READY);
	assert_driver(" quiesce");
}

int main(void)
{
#define MAPPED(test) cmocka_unit_test_setup_teardown(test, rig_setup_mapped, rig_teardown)
	const struct CMUnitTest tests[] = {
		MAPPED(a_reset_is_asked_for_and_waited_for),
		MAPPED(a_reset_that_the_owner_refuses_fails_with_its_words),
		MAPPED(a_refused_reset_quotes_the_owner),
		MAPPED(threads_that_want_the_same_ask_once),
		MAPPED(an_owner_that_does_not_answer_is_given_up),
		MAPPED(force_is_not_a_clients_to_ask_for),
		MAPPED(recover_of_a_live_device_is_nothing),
		MAPPED(recover_from_the_owners_fault_is_asked_for),
		MAPPED(callbacks_may_not_wait_and_go_on_if_the_owner_changes_its_mind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* What a client asks the owner to do for it, and what it makes of the answers. */
#include <pthread.h>

#include "join_inside.h"
#include "join_rig.h"
#include "unit_thread.h"

static void an_access_names_the_range_and_the_views_generation(void **state)
{
	struct vsf_msg msg;
	uint32_t value = 0;

	(void)state;
	rig_result(0, 0xffffffff12345678);
	assert_ok(vfiosafe_read32(&rig.view, 0x104, &value));
	assert_int_equal(value, 0x12345678);
	msg = rig_called();
	assert_int_equal(msg.type, VSF_MSG_READ);
	assert_int_equal(msg.index, 0);
	assert_int_equal(msg.offset, 0x104);
	assert_int_equal(msg.width, 4);
	assert_int_equal(msg.word, vsf_word(3, VFIOSAFE_LIVE));
	rig_result(0, 0);
	assert_ok(vfiosafe_write16(&rig.view, 6, 0xabcd));
	msg = rig_called();
	assert_int_equal(msg.type, VSF_MSG_WRITE);
	assert_int_equal(msg.offset, 6);
	assert_int_equal(msg.width, 2);
	assert_int_equal(msg.value, 0xabcd);
}

static void offsets_are_those_of_the_bar(void **state)
{
	struct vfiosafe_view view;
	struct vfiosafe_bar *bar;
	uint8_t value;

	(void)state;
	rig_welcome(2);
	rig_range(0, VSF_REACH_CALLS, BOTH, 8, 8);
	rig_range(1, VSF_REACH_CALLS, BOTH, 2 * RIG_PAGE, 2 * RIG_PAGE);
	assert_ok(rig_join());
	assert_ok(vfiosafe_bar_map(&bar, rig.dev, 0, 3 * RIG_PAGE, 0, 0));
	assert_null(vfiosafe_bar_address(bar));
	assert_ok(vfiosafe_bar_view(bar, &view));
	rig_result(0, 1);
	assert_ok(vfiosafe_read8(&view, 5, &value));
	assert_int_equal(rig_called().offset, 3 * RIG_PAGE + 5);
	/* What lies beyond is not even asked for. */
	assert_int_equal(vfiosafe_read8(&view, RIG_PAGE, &value), -ERANGE);
	assert_int_equal(rig_called().type, 0);
}

static void what_the_owner_refuses_fails_and_is_not_delivered(void **state)
{
	uint32_t value = 0x55;

	(void)state;
	rig_result(-EPERM, 3);
	assert_refused(vfiosafe_read32(&rig.view, 0, &value), EPERM, "owner");
	rig_result(-EIO, 3);
	assert_refused(vfiosafe_read32(&rig.view, 0, &value), EIO, "owner");
	rig_result(-ESTALE, 0);
	assert_refused(vfiosafe_write32(&rig.view, 0, 1), ESTALE, "owner");
	assert_int_equal(value, 0x55);
	assert_rig_state(LIVE);
	assert_driver("");
}

/* Its own section covers it as any other access. */
static void an_answer_that_comes_after_the_word_moved_is_not_delivered(void **state)
{
	uint32_t value = 0x55;

	(void)state;
	rig_result(0, 7);
	rig_word(4, VFIOSAFE_LIVE);
	assert_int_equal(vfiosafe_read32(&rig.view, 0, &value), -ESTALE);
	assert_int_equal(rig_called().type, 0);
	assert_int_equal(value, 0x55);
}

static uint32_t got;

static int read_slowly(void)
{
	return vfiosafe_read32(&rig.view, 0, &got);
}

static void a_reset_while_the_owner_is_at_it_spoils_the_value(void **state)
{
	struct runner runner;

	(void)state;
	got = 0x55;
	run_beside(&runner, read_slowly);
	until(rig_called().type == VSF_MSG_READ);
	rig_word(3, VFIOSAFE_RESETTING);
	rig_result(0, 7);
	assert_int_equal(run_ended(&runner), -EAGAIN);
	assert_int_equal(got, 0x55);
}

static void a_client_that_waits_for_an_answer_is_not_ready(void **state)
{
	struct runner runner;

	(void)state;
	run_beside(&runner, read_slowly);
	until(rig_called().type == VSF_MSG_READ);
	rig_word(3, VFIOSAFE_QUIESCE);
	rig_prepare(RIG_WINDOW, 1000, 0);
	for (int i = 0; i < 20; i++)
		assert_ok(dispatch());
	assert_heard_nothing();
	rig_result(0, 7);
	assert_ok(run_ended(&runner));
	assert_int_equal(rig_dispatch_until_heard().type, VSF_MSG_READY);
}

static void an_owner_that_does_not_answer_is_waited_for_two_seconds(void **state)
{
	int64_t before = rig.sys.now_ns(NULL), took;
	uint32_t value = 0x55;

	(void)state;
	rig.no_waits = true;
	assert_refused(vfiosafe_read32(&rig.view, 0, &value), ETIMEDOUT, "did not answer");
	took = rig.sys.now_ns(NULL) - before;
	assert_true(took >= 2000000000 && took < 3000000000);
	assert_int_equal(value, 0x55);
	assert_rig_state(LIVE);
}

/* The answer to the first question is not taken for that to the second. */
static void a_late_answer_is_nobodys(void **state)
{
	uint32_t value = 0x55;

	(void)state;
	rig.no_waits = true;
	assert_int_equal(vfiosafe_read32(&rig.view, 0, &value), -ETIMEDOUT);
	assert_int_equal(vfiosafe_write32(&rig.view, 0, 1), -ETIMEDOUT);
	assert_int_equal(rig_called().type, VSF_MSG_READ);
	/* Asked only when the late answer is there. */
	assert_int_equal(rig_called().type, 0);
	rig_result(0, 0xdead);
	rig_result(0, 0x1234);
	assert_ok(vfiosafe_read32(&rig.view, 8, &value));
	assert_int_equal(value, 0x1234);
	assert_int_equal(rig_called().offset, 8);
}

static int read_for_itself(void)
{
	uint32_t value;

	return vfiosafe_read32(&rig.view, 0, &value);
}

static int ask_for_a_minute(void)
{
	struct vsf_msg msg = { .type = VSF_MSG_PROBE, .word = rig.page->word };

	return vsf_join_question(rig.dev, &msg, -1, 60000);
}

/* In a section, as mapping memory may take: the reset would wait for it. */
static void nobody_waits_longer_because_another_does(void **state)
{
	struct runner patient;

	(void)state;
	run_beside(&patient, ask_for_a_minute);
	until(rig_called().type == VSF_MSG_PROBE);
	assert_int_equal(read_for_itself(), -ETIMEDOUT);
	rig_result(0, 0);
	assert_ok(run_ended(&patient));
}

static void threads_take_turns(void **state)
{
	struct runner one, other;
	struct vsf_msg msg;

	(void)state;
	run_beside(&one, read_for_itself);
	run_beside(&other, read_for_itself);
	for (int i = 0; i < 2; i++) {
		do
			msg = rig_called();
		while (!msg.type);
		assert_int_equal(rig_called().type, 0);
		rig_result(0, 1);
	}
	assert_ok(run_ended(&one));
	assert_ok(run_ended(&other));
}

static void all_ones_of_a_mapping_are_asked_about(void **state)
{
	uint32_t value = 0x55;

	(void)state;
	memset(rig.memory, 0xff, 16);
	rig_result(0, 0);
	assert_ok(vfiosafe_read32(&rig.view, 0, &value));
	assert_int_equal(value, UINT32_MAX);
	assert_int_equal(rig_called().type, VSF_MSG_PROBE);
	value = 0x55;
	rig_result(-EIO, 0);
	assert_refused(vfiosafe_read32(&rig.view, 0, &value), EIO, "lost");
	rig_result(-EAGAIN, 0);
	assert_refused(vfiosafe_read32(&rig.view, 0, &value), EAGAIN, "cannot tell");
	assert_int_equal(value, 0x55);
}

static void a_probe_is_the_owners(void **state)
{
	(void)state;
	rig_result(0, 0);
	assert_ok(vfiosafe_probe(rig.dev));
	rig_result(-EIO, 0);
	assert_refused(vfiosafe_probe(rig.dev), EIO, "lost");
	assert_rig_state(LIVE);
}

static void who_marks_it_lost_tells_the_owner_and_goes_on(void **state)
{
	struct vsf_msg msg;

	(void)state;
	rig_result(-EIO, 0);
	assert_ok(vfiosafe_mark_lost(rig.dev, "its\tfirmware hangs"));
	msg = rig_called();
	assert_int_equal(msg.type, VSF_MSG_LOST);
	assert_string_equal(msg.text, "its?firmware hangs");
	/* The owner looks for itself: nothing happens here. */
	assert_rig_state(LIVE);
	assert_driver("");
}

static void an_owner_that_hangs_up_ends_the_wait(void **state)
{
	struct runner runner;

	(void)state;
	run_beside(&runner, read_slowly);
	until(rig_called().type == VSF_MSG_READ);
	rig_hang_up();
	assert_int_equal(run_ended(&runner), -EOWNERDEAD);
	assert_int_equal(vfiosafe_write32(&rig.view, 0, 1), -EOWNERDEAD);
	assert_rig_state(GONE);
}

static void an_answer_that_is_none_ends_it_all(void **state)
{
	uint32_t value;

	(void)state;
	assert_ok(rig.sys.send(NULL, rig.calls, "nonsense", 8, NULL, 0));
	assert_int_equal(vfiosafe_read32(&rig.view, 0, &value), -EOWNERDEAD);
	assert_int_equal(vfiosafe_read32(&rig.view, 0, &value), -EOWNERDEAD);
	assert_int_equal(dispatch(), -EOWNERDEAD);
	assert_driver("");
}

static void fds_that_come_with_an_answer_are_closed(void **state)
{
	struct vsf_msg msg = { .type = VSF_MSG_RESULT };
	uint8_t buf[VSF_WIRE_LEN];
	int before = rig_open_fds();
	uint32_t value;

	(void)state;
	vsf_wire_encode(&msg, buf);
	assert_ok(vfiosafe_sys_default()->send(NULL, rig.calls, buf, sizeof(buf),
					       (int[]){ rig.memory_fd, rig.sock }, 2));
	assert_int_equal(vfiosafe_read32(&rig.view, 0, &value), -EOWNERDEAD);
	assert_int_equal(rig_open_fds(), before);
}

static void copies_are_made_access_by_access(void **state)
{
	uint16_t values[3] = { 0 };

	(void)state;
	for (unsigned int i = 0; i < 3; i++)
		rig_result(0, 0x10 + i);
	assert_ok(vfiosafe_copy_from(&rig.view, 2, values, sizeof(values), 2));
	assert_int_equal(values[2], 0x12);
	for (unsigned int i = 0; i < 3; i++)
		assert_int_equal(rig_called().offset, 2 + 2 * i);
}

int main(void)
{
#define FRESH(test) cmocka_unit_test_setup_teardown(test, rig_setup, rig_teardown)
#define CALLS(test) cmocka_unit_test_setup_teardown(test, rig_setup_calls, rig_teardown)
#define MAPPED(test) cmocka_unit_test_setup_teardown(test, rig_setup_mapped, rig_teardown)
	const struct CMUnitTest tests[] = {
		CALLS(an_access_names_the_range_and_the_views_generation),
		FRESH(offsets_are_those_of_the_bar),
		CALLS(what_the_owner_refuses_fails_and_is_not_delivered),
		CALLS(an_answer_that_comes_after_the_word_moved_is_not_delivered),
		CALLS(a_reset_while_the_owner_is_at_it_spoils_the_value),
		CALLS(a_client_that_waits_for_an_answer_is_not_ready),
		CALLS(an_owner_that_does_not_answer_is_waited_for_two_seconds),
		CALLS(a_late_answer_is_nobodys),
		CALLS(nobody_waits_longer_because_another_does),
		CALLS(threads_take_turns),
		MAPPED(all_ones_of_a_mapping_are_asked_about),
		MAPPED(a_probe_is_the_owners),
		MAPPED(who_marks_it_lost_tells_the_owner_and_goes_on),
		CALLS(an_owner_that_hangs_up_ends_the_wait),
		CALLS(an_answer_that_is_none_ends_it_all),
		CALLS(fds_that_come_with_an_answer_are_closed),
		CALLS(copies_are_made_access_by_access),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

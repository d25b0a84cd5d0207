/* SPDX-License-Identifier: MIT */
/* Windows of the owner as a client goes through them. */
#include "join_rig.h"
#include "unit_thread.h"

static void open_window(uint64_t window)
{
	rig_word(3, VFIOSAFE_QUIESCE);
	rig_prepare(window, 1000, 0);
}

static void ready_is_said_after_quiesce(void **state)
{
	struct vsf_msg msg;

	(void)state;
	open_window(RIG_WINDOW);
	msg = rig_dispatch_until_heard();
	assert_int_equal(msg.type, VSF_MSG_READY);
	assert_int_equal(msg.window, RIG_WINDOW);
	assert_driver(" quiesce");
	assert_rig_state(QUIESCE);
	assert_heard_nothing();
	assert_ok(dispatch());
	assert_heard_nothing();
}

static void ready_is_not_said_while_a_section_is_open(void **state)
{
	struct holder holder = { 0 };

	(void)state;
	hold(&holder, &rig.view);
	open_window(RIG_WINDOW);
	for (int i = 0; i < 20; i++)
		assert_ok(dispatch());
	assert_heard_nothing();
	assert_driver("");
	/* The window was announced while it ran: what it did is good. */
	assert_ok(release(&holder));
	assert_int_equal(rig_dispatch_until_heard().type, VSF_MSG_READY);
	assert_driver(" quiesce");
}

static void the_agents_fd_is_readable_while_sections_are_waited_for(void **state)
{
	const struct vfiosafe_sys *real = vfiosafe_sys_default();
	struct holder holder = { 0 };
	int64_t deadline;
	int fd;

	(void)state;
	hold(&holder, &rig.view);
	open_window(RIG_WINDOW);
	assert_ok(dispatch());
	assert_ok(release(&holder));
	do {
		deadline = real->now_ns(NULL) + 5000000000;
		fd = vsf_join_fd(rig.dev);
		assert_int_equal(real->epoll_wait(NULL, fd, &(int){ 0 }, 1, deadline), 1);
		assert_ok(dispatch());
	} while (rig_heard().type != VSF_MSG_READY);
	/* And then it is still. */
	assert_int_equal(real->epoll_wait(NULL, fd, &(int){ 0 }, 1, 0), 0);
}

static void a_section_that_begins_after_the_word_moved_is_refused(void **state)
{
	struct vfiosafe_section sec;
	uint32_t value = 0x77;

	(void)state;
	/* No dispatch: the word alone. */
	rig_word(3, VFIOSAFE_QUIESCE);
	assert_refused(vfiosafe_begin(&rig.view, &sec), EAGAIN, "window");
	assert_refused(vfiosafe_read32(&rig.view, 0, &value), EAGAIN, "window");
	rig_word(3, VFIOSAFE_RESETTING);
	assert_int_equal(vfiosafe_read32(&rig.view, 0, &value), -EAGAIN);
	assert_int_equal(vfiosafe_write32(&rig.view, 0, value), -EAGAIN);
	rig_word(3, VFIOSAFE_FAULT);
	assert_int_equal(vfiosafe_read32(&rig.view, 0, &value), -EIO);
	rig_word(4, VFIOSAFE_LIVE);
	assert_int_equal(vfiosafe_read32(&rig.view, 0, &value), -ESTALE);
	assert_int_equal(value, 0x77);
}

static void what_was_read_across_a_reset_is_not_delivered(void **state)
{
	static const struct {
		uint64_t generation;
		enum vfiosafe_state state;
		int rc;
	} cases[] = {
		{ 3, VFIOSAFE_QUIESCE, 0 },	     { 3, VFIOSAFE_RESETTING, -EAGAIN },
		{ 4, VFIOSAFE_REINIT, -EAGAIN },     { 4, VFIOSAFE_LIVE, -ESTALE },
		{ 4, VFIOSAFE_QUIESCE, -EAGAIN },    { 3, VFIOSAFE_FAULT, -EIO },
		{ 3, VFIOSAFE_GONE, -ENODEV },
	};
	struct vfiosafe_section sec;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_ok(vfiosafe_begin(&rig.view, &sec));
		rig_word(cases[i].generation, cases[i].state);
		assert_int_equal(vfiosafe_end(&sec), cases[i].rc);
		rig_word(3, VFIOSAFE_LIVE);
	}
}

static void touch(const char *which)
{
	uint32_t value;

	(void)which;
	assert_ok(vfiosafe_read32(&rig.view, 0, &value));
	assert_ok(vfiosafe_write32(&rig.view, 0, value));
}

static int read_old_view(void)
{
	uint32_t value;

	return vfiosafe_read32(&rig.view, 0, &value);
}

static void only_the_callback_gets_in(const char *which)
{
	touch(which);
	assert_int_equal(on_another_thread(read_old_view), -EAGAIN);
}

static void after_a_call_off_the_same_view_works_again(void **state)
{
	(void)state;
	rig.inside = only_the_callback_gets_in;
	open_window(RIG_WINDOW);
	assert_int_equal(rig_dispatch_until_heard().type, VSF_MSG_READY);
	rig_word(3, VFIOSAFE_LIVE);
	/* The owner's word is not all: this driver has still to resume. */
	assert_int_equal(read_old_view(), -EAGAIN);
	rig_state(RIG_WINDOW, -ECANCELED);
	assert_int_equal(rig_dispatch_until_heard().type, VSF_MSG_BACK);
	assert_driver(" quiesce resume");
	assert_ok(read_old_view());
	assert_rig_state(LIVE);
}

static void resume_does_not_run_if_quiesce_did_not(void **state)
{
	struct holder holder = { 0 };

	(void)state;
	hold(&holder, &rig.view);
	open_window(RIG_WINDOW);
	assert_ok(dispatch());
	rig_word(3, VFIOSAFE_LIVE);
	rig_state(RIG_WINDOW, -ETIMEDOUT);
	assert_ok(dispatch());
	assert_ok(release(&holder));
	until(vfiosafe_device_state(rig.dev) == VFIOSAFE_LIVE || dispatch() < 0);
	assert_driver("");
	assert_ok(read_old_view());
	/* It is not answered any more. */
	assert_heard(BACK);
	assert_heard_nothing();
}

static void a_window_called_off_before_it_was_heard_of_is_none(void **state)
{
	(void)state;
	open_window(RIG_WINDOW);
	rig_word(3, VFIOSAFE_LIVE);
	rig_state(RIG_WINDOW, -ECANCELED);
	until(vfiosafe_device_state(rig.dev) == VFIOSAFE_LIVE || dispatch() < 0);
	assert_ok(dispatch());
	assert_driver("");
	assert_ok(read_old_view());
}

static void a_veto_says_why_and_is_no_ready(void **state)
{
	struct vsf_msg msg;

	(void)state;
	rig.rc[RIG_QUIESCE] = -EBUSY;
	open_window(RIG_WINDOW);
	msg = rig_dispatch_until_heard();
	assert_int_equal(msg.type, VSF_MSG_VETO);
	assert_int_equal(msg.window, RIG_WINDOW);
	assert_int_equal(msg.result, -EBUSY);
	assert_non_null(strstr(msg.text, "vetoed"));
	assert_ok(dispatch());
	assert_heard_nothing();
	rig_word(3, VFIOSAFE_LIVE);
	rig_state(RIG_WINDOW, -ECANCELED);
	assert_int_equal(rig_dispatch_until_heard().type, VSF_MSG_BACK);
	assert_driver(" quiesce");
	assert_ok(read_old_view());
}

static void takes_long(const char *which)
{
	if (strcmp(which, "quiesce") == 0)
		rig.skipped += 2000000000;
}

static void quiesce_that_returns_late_is_a_veto_and_is_resumed(void **state)
{
	struct vsf_msg msg;

	(void)state;
	rig.inside = takes_long;
	open_window(RIG_WINDOW);
	msg = rig_dispatch_until_heard();
	assert_int_equal(msg.type, VSF_MSG_VETO);
	assert_int_equal(msg.result, -ETIMEDOUT);
	rig_word(3, VFIOSAFE_LIVE);
	rig_state(RIG_WINDOW, -ETIMEDOUT);
	assert_int_equal(rig_dispatch_until_heard().type, VSF_MSG_BACK);
	assert_driver(" quiesce resume");
}

static void resume_that_fails_is_fault_here(void **state)
{
	struct vsf_msg msg;

	(void)state;
	rig.rc[RIG_RESUME] = -EBUSY;
	open_window(RIG_WINDOW);
	assert_int_equal(rig_dispatch_until_heard().type, VSF_MSG_READY);
	rig_word(3, VFIOSAFE_LIVE);
	rig_state(RIG_WINDOW, -ECANCELED);
	msg = rig_dispatch_until_heard();
	assert_int_equal(msg.type, VSF_MSG_BACK);
	assert_int_equal(msg.result, -EIO);
	assert_driver(" quiesce resume lost");
	assert_int_equal(read_old_view(), -EIO);
}

int main(void)
{
#define MAPPED(test) cmocka_unit_test_setup_teardown(test, rig_setup_mapped, rig_teardown)
	const struct CMUnitTest tests[] = {
		MAPPED(ready_is_said_after_quiesce),
		MAPPED(ready_is_not_said_while_a_section_is_open),
		MAPPED(the_agents_fd_is_readable_while_sections_are_waited_for),
		MAPPED(a_section_that_begins_after_the_word_moved_is_refused),
		MAPPED(what_was_read_across_a_reset_is_not_delivered),
		MAPPED(after_a_call_off_the_same_view_works_again),
		MAPPED(resume_does_not_run_if_quiesce_did_not),
		MAPPED(a_window_called_off_before_it_was_heard_of_is_none),
		MAPPED(a_veto_says_why_and_is_no_ready),
		MAPPED(quiesce_that_returns_late_is_a_veto_and_is_resumed),
		MAPPED(resume_that_fails_is_fault_here),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* SIGBUS in a client's mapping: this process's alone, and mended here. */
#include "join_rig.h"
#include "unit_thread.h"

struct test {
	void (*run)(void **state);
};

/* Around the test alone: cmocka has a handler of its own, in front of what was there. */
static void with_handler(void **state)
{
	const struct test *test = *state;

	assert_ok(vfiosafe_sigbus_install());
	test->run(state);
	assert_ok(vfiosafe_sigbus_restore());
}

static void take_away(void)
{
	assert_ok(ftruncate(rig.memory_fd, 0));
}

static void give_back(void)
{
	assert_ok(ftruncate(rig.memory_fd, RIG_BAR));
}

/* The owner, when it is asked, finds the device alive. */
static void it_is_alive(void)
{
	rig_result(0, 0);
}

static void a_fault_closes_the_gate_of_this_process(void **state)
{
	uint32_t value = 0x55;

	(void)state;
	take_away();
	assert_int_equal(vfiosafe_read32(&rig.view, 0, &value), -EIO);
	assert_int_equal(value, 0x55);
	assert_driver(" lost");
	assert_int_equal(rig.cause, VFIOSAFE_CAUSE_FAULT);
	assert_int_equal(vfiosafe_device_cause(rig.dev), VFIOSAFE_CAUSE_FAULT);
	assert_rig_state(FAULT);
	assert_int_equal(vfiosafe_write32(&rig.view, 0, 1), -EIO);
	assert_int_equal(vfiosafe_wait(rig.dev, VFIOSAFE_FOREVER), -EIO);
	assert_driver("");
	assert_int_equal(rig_event().type, VFIOSAFE_EVENT_FAULT);
	assert_int_equal(rig_event().type, 0);
	/* The owner has not been told: there is nothing the matter with the device. */
	assert_heard_nothing();
	give_back();
}

static struct vfiosafe_view renewed;

static int read_renewed(void)
{
	uint32_t value;

	return vfiosafe_read32(&renewed, 8, &value);
}

static void renew(const char *which)
{
	if (strcmp(which, "reinit") != 0)
		return;
	assert_ok(vfiosafe_bar_view(rig.bar, &renewed));
	assert_ok(read_renewed());
	assert_int_equal(on_another_thread(read_renewed), -EAGAIN);
}

static void recover_brings_it_back(void **state)
{
	struct vsf_msg msg;
	uint32_t value;

	(void)state;
	take_away();
	assert_int_equal(vfiosafe_read32(&rig.view, 0, &value), -EIO);
	give_back();
	rig.inside = renew;
	it_is_alive();
	assert_ok(vfiosafe_recover(rig.dev, NULL));
	assert_driver(" lost reinit");
	assert_int_equal(rig_called().type, VSF_MSG_PROBE);
	msg = rig_heard();
	assert_int_equal(msg.type, VSF_MSG_BACK);
	assert_int_equal(msg.result, 0);
	/* The same memory at the same address; old state does not come back. */
	assert_int_equal(vfiosafe_read32(&rig.view, 0, &value), -ESTALE);
	assert_ok(vfiosafe_write32(&renewed, 8, 0x1234));
	assert_int_equal(rig.memory[8], 0x34);
	assert_ok(on_another_thread(read_renewed));
	assert_rig_state(LIVE);
	/* And again. */
	rig.inside = NULL;
	take_away();
	assert_int_equal(vfiosafe_read32(&renewed, 0, &value), -EIO);
	assert_driver(" lost");
	give_back();
}

static void recover_waits_for_sections_over_what_was_put_there(void **state)
{
	struct vfiosafe_reset_opts opts = { .size = sizeof(opts), .timeout_ms = 20 };
	struct holder holder = { 0 };
	uint32_t value;

	(void)state;
	hold(&holder, &rig.view);
	take_away();
	assert_int_equal(vfiosafe_read32(&rig.view, 0, &value), -EIO);
	give_back();
	it_is_alive();
	assert_refused(vfiosafe_recover(rig.dev, &opts), EBUSY, "section");
	assert_rig_state(FAULT);
	assert_int_equal(release(&holder), -EIO);
	it_is_alive();
	assert_ok(vfiosafe_recover(rig.dev, NULL));
	assert_driver(" lost reinit");
}

static void reinit_that_fails_leaves_it_in_fault(void **state)
{
	uint32_t value;

	(void)state;
	take_away();
	assert_int_equal(vfiosafe_read32(&rig.view, 0, &value), -EIO);
	give_back();
	rig.rc[RIG_REINIT] = -EBUSY;
	it_is_alive();
	assert_refused(vfiosafe_recover(rig.dev, NULL), EIO, "reinit");
	assert_int_equal(rig_heard().result, -EIO);
	assert_driver(" lost reinit lost");
	rig.rc[RIG_REINIT] = 0;
	it_is_alive();
	assert_ok(vfiosafe_recover(rig.dev, NULL));
	assert_driver(" reinit");
}

static void a_bar_that_is_still_away_faults_again(void **state)
{
	uint32_t value;

	(void)state;
	take_away();
	assert_int_equal(vfiosafe_read32(&rig.view, 0, &value), -EIO);
	it_is_alive();
	assert_ok(vfiosafe_recover(rig.dev, NULL));
	assert_ok(vfiosafe_bar_view(rig.bar, &rig.view));
	assert_int_equal(vfiosafe_read32(&rig.view, 0, &value), -EIO);
	assert_driver(" lost reinit lost");
	give_back();
}

static bool asked;
static uint32_t seen;
static int seen_rc;

/* Ones that private memory gives are no value, though the owner says it is alive. */
static void touch(const char *which)
{
	if (strcmp(which, "lost") == 0 || asked)
		return;
	asked = true;
	seen = 0x55;
	take_away();
	rig_result(0, 0);
	seen_rc = vfiosafe_read32(&rig.view, 0, &seen);
	give_back();
}

static void a_fault_in_the_quiesce_callback_is_no_value(void **state)
{
	(void)state;
	asked = false;
	rig.inside = touch;
	rig_word(3, VFIOSAFE_QUIESCE);
	rig_prepare(RIG_WINDOW, 1000, 0);
	/* The window goes on: what was lost is lost anyway. */
	assert_int_equal(rig_dispatch_until_heard().type, VSF_MSG_READY);
	assert_int_equal(seen_rc, -EIO);
	assert_int_equal(seen, 0x55);
	assert_driver(" quiesce lost");
	/* Called off: this process stays in FAULT. */
	rig_word(3, VFIOSAFE_LIVE);
	rig_state(RIG_WINDOW, -ECANCELED);
	assert_ok(dispatch());
	assert_rig_state(FAULT);
	assert_driver("");
	/* A reset heals it. */
	rig_word(3, VFIOSAFE_QUIESCE);
	rig_prepare(RIG_WINDOW + 1, 1000, 0);
	assert_int_equal(rig_dispatch_until_heard().type, VSF_MSG_READY);
	rig_word(4, VFIOSAFE_LIVE);
	rig_state(RIG_WINDOW + 1, 0);
	assert_int_equal(rig_dispatch_until_heard().type, VSF_MSG_BACK);
	assert_driver(" reinit");
	assert_rig_state(LIVE);
}

static void renew_and_touch(const char *which)
{
	if (strcmp(which, "reinit") == 0 && !asked)
		assert_ok(vfiosafe_bar_view(rig.bar, &rig.view));
	if (strcmp(which, "reinit") == 0)
		touch(which);
}

static void a_fault_in_the_reinit_callback_is_fault_here(void **state)
{
	struct vsf_msg msg;

	(void)state;
	asked = false;
	rig.inside = renew_and_touch;
	rig_word(4, VFIOSAFE_LIVE);
	rig_state(RIG_WINDOW, 0);
	msg = rig_dispatch_until_heard();
	assert_int_equal(msg.type, VSF_MSG_BACK);
	assert_int_equal(msg.result, -EIO);
	assert_int_equal(seen_rc, -EIO);
	assert_driver(" reinit lost");
	assert_rig_state(FAULT);
}

static int read_in_section(void)
{
	struct vfiosafe_section sec;
	volatile uint32_t *regs;
	int rc = vfiosafe_begin(&rig.view, &sec);

	if (rc < 0)
		return rc;
	rig_word(3, VFIOSAFE_QUIESCE);
	rig_prepare(RIG_WINDOW, 1000, 0);
	until(vsf_word_state(__atomic_load_n(sec.gate_word, __ATOMIC_SEQ_CST)) ==
	      VFIOSAFE_QUIESCE);
	take_away();
	regs = vfiosafe_ptr(&sec);
	(void)regs[0];
	return vfiosafe_end(&sec);
}

/* The gate is QUIESCE by then: sections that are open may end well in that. */
static void a_fault_while_sections_drain_is_no_value(void **state)
{
	struct runner runner;

	(void)state;
	run_beside(&runner, read_in_section);
	until(vfiosafe_device_state(rig.dev) == VFIOSAFE_QUIESCE);
	until(dispatch() < 0 || rig_heard().type == VSF_MSG_READY);
	assert_int_equal(run_ended(&runner), -EIO);
	assert_driver(" lost");
	give_back();
}

static int read_once(void)
{
	uint32_t value;

	return vfiosafe_read32(&rig.view, 0, &value);
}

/* The agent hears of it by its fd, and tells the driver. */
static void the_agent_tells_the_driver(void **state)
{
	volatile uint8_t *regs = vfiosafe_bar_address(rig.bar);
	int fd = vsf_join_fd(rig.dev);

	(void)state;
	take_away();
	(void)regs[0];
	assert_int_equal(rig.sys.epoll_wait(NULL, fd, &(int){ 0 }, 1, 0), 1);
	assert_ok(dispatch());
	assert_driver(" lost");
	assert_int_equal(read_once(), -EIO);
	assert_driver("");
	give_back();
}

int main(void)
{
#define TEST(name)                                                                        \
	{                                                                                 \
		#name, with_handler, rig_setup_mapped, rig_teardown, &(struct test){ name } \
	}
	const struct CMUnitTest tests[] = {
		TEST(a_fault_closes_the_gate_of_this_process),
		TEST(recover_brings_it_back),
		TEST(recover_waits_for_sections_over_what_was_put_there),
		TEST(reinit_that_fails_leaves_it_in_fault),
		TEST(a_bar_that_is_still_away_faults_again),
		TEST(a_fault_in_the_quiesce_callback_is_no_value),
		TEST(a_fault_in_the_reinit_callback_is_fault_here),
		TEST(a_fault_while_sections_drain_is_no_value),
		TEST(the_agent_tells_the_driver),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* Events: what makes one, and how a program reads them. */
#include <sys/wait.h>
#include <unistd.h>

#include "event_rig.h"

static void nothing_happened_nothing_to_read(void **state)
{
	uint32_t value;

	(void)state;
	assert_ok(vfiosafe_read32(&bench.view, 0, &value));
	assert_false(readable());
	assert_no_event();
	assert_no_event();
}

static void a_reset_opens_and_closes_a_window(void **state)
{
	struct vfiosafe_event events[3];

	(void)state;
	assert_ok(reset_ms(1000));
	assert_true(readable());
	assert_int_equal(read_some(events, 3), 2);
	assert_int_equal(events[0].type, VFIOSAFE_EVENT_WINDOW_OPENED);
	assert_int_equal(events[0].cause, VFIOSAFE_CAUSE_RESET);
	assert_int_equal(events[0].generation, 1);
	assert_int_equal(events[1].type, VFIOSAFE_EVENT_WINDOW_CLOSED);
	assert_int_equal(events[1].result, 0);
	assert_int_equal(events[1].generation, 2);
	assert_true(events[0].time_ns > 0);
	assert_true(events[1].time_ns >= events[0].time_ns);
	assert_true(events[1].time_ns <= vsf_now(&bench.k.sys));
	assert_no_event();
}

static void the_fd_is_readable_until_the_last_is_read(void **state)
{
	(void)state;
	assert_ok(reset_ms(1000));
	assert_ok(reset_ms(1000));
	for (int left = 4; left > 0; left--) {
		assert_true(readable());
		(void)read_one();
	}
	assert_no_event();
	assert_ok(reset_ms(1000));
	assert_true(readable());
}

static void a_window_that_is_called_off_closes_with_its_error(void **state)
{
	(void)state;
	driver.rc[QUIESCE] = -EPERM;
	assert_int_equal(reset_ms(1000), -ECANCELED);
	assert_event(WINDOW_OPENED, 0, RESET, 1, 1);
	assert_event(WINDOW_CLOSED, -ECANCELED, NONE, 1, 1);
	assert_no_event();
}

static void a_failed_reset_is_a_fault_inside_its_window(void **state)
{
	(void)state;
	driver.rc[REINIT] = -EPERM;
	driver.times[REINIT] = 1;
	assert_int_equal(reset_ms(1000), -EIO);
	assert_event(WINDOW_OPENED, 0, RESET, 1, 1);
	assert_event(FAULT, 0, DRIVER, 1, 2);
	assert_event(WINDOW_CLOSED, -EIO, NONE, 1, 2);
	assert_ok(vfiosafe_recover(bench.dev, NULL));
	assert_event(WINDOW_OPENED, 0, RECOVER, 1, 2);
	assert_event(WINDOW_CLOSED, 0, NONE, 1, 3);
	assert_no_event();
}

static void a_device_marked_lost_is_one_fault(void **state)
{
	(void)state;
	assert_ok(vfiosafe_mark_lost(bench.dev, "seen elsewhere"));
	assert_ok(vfiosafe_mark_lost(bench.dev, "once more"));
	assert_event(FAULT, 0, MARKED, 1, 1);
	assert_no_event();
}

static void a_device_put_to_sleep_and_woken_is_two_windows(void **state)
{
	(void)state;
	assert_ok(vfiosafe_set_decode(bench.dev, false, NULL));
	assert_event(WINDOW_OPENED, 0, POWER, 1, 1);
	assert_event(WINDOW_CLOSED, 0, NONE, 1, 1);
	assert_ok(vfiosafe_set_decode(bench.dev, true, NULL));
	assert_event(WINDOW_OPENED, 0, POWER, 1, 1);
	assert_event(WINDOW_CLOSED, 0, NONE, 1, 1);
	assert_no_event();
}

/* Not the program's window: it is told nothing of it. */
static void unmapping_a_bar_is_no_event(void **state)
{
	struct vfiosafe_bar *other = bench_map(0, 0, 0, 0);

	(void)state;
	assert_ok(vfiosafe_bar_unmap(other, 1000));
	assert_no_event();
}

static void what_makes_no_sense_is_refused(void **state)
{
	struct vfiosafe_event event;

	(void)state;
	assert_ok(reset_ms(1000));
	assert_refused(vfiosafe_event_read(bench.dev, &event, 0, sizeof(event)), EINVAL,
		       "room");
	assert_refused(vfiosafe_event_read(bench.dev, NULL, 1, sizeof(event)), EINVAL,
		       "room");
	assert_refused(vfiosafe_event_read(bench.dev, &event, 1, 31), EINVAL, "31",
		       "sizeof(struct vfiosafe_event)");
	assert_refused(vfiosafe_event_read(bench.dev, &event, 1, 0), EINVAL, "0");
	assert_event(WINDOW_OPENED, 0, RESET, 1, 1);
}

/* A program that was compiled with a later version's struct. */
static void a_larger_struct_is_filled_with_zeroes(void **state)
{
	struct {
		struct vfiosafe_event event;
		uint64_t later[2];
	} events[2];

	(void)state;
	memset(events, 0x5a, sizeof(events));
	assert_ok(reset_ms(1000));
	assert_int_equal(vfiosafe_event_read(bench.dev, &events[0].event, 2,
					     sizeof(events[0])),
			 2);
	assert_int_equal(events[0].event.type, VFIOSAFE_EVENT_WINDOW_OPENED);
	assert_int_equal(events[1].event.type, VFIOSAFE_EVENT_WINDOW_CLOSED);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(events[i].later[0], 0);
		assert_int_equal(events[i].later[1], 0);
	}
}

/* Not even one byte beyond the last that was read. */
static void no_more_is_written_than_was_read(void **state)
{
	struct vfiosafe_event events[3], before[3];

	(void)state;
	memset(events, 0x5a, sizeof(events));
	memcpy(before, events, sizeof(events));
	assert_int_equal(read_some(events, 3), -EAGAIN);
	assert_memory_equal(events, before, sizeof(events));
	assert_ok(reset_ms(1000));
	assert_int_equal(read_some(events, 3), 2);
	assert_memory_equal(&events[2], &before[2], sizeof(events[2]));
}

static void inside_a_section_only_the_queue_is_read(void **state)
{
	struct vfiosafe_section sec;

	(void)state;
	assert_ok(reset_ms(1000));
	assert_ok(vfiosafe_bar_view(bench.bar, &bench.view));
	report(ERR_IRQ, 1);
	assert_ok(vfiosafe_begin(&bench.view, &sec));
	assert_event(WINDOW_OPENED, 0, RESET, 1, 1);
	assert_event(WINDOW_CLOSED, 0, NONE, 1, 2);
	assert_int_equal(read_some(&(struct vfiosafe_event){ 0 }, 1), -EAGAIN);
	assert_int_equal(driver.count[LOST], 0);
	assert_true(readable());
	assert_ok(vfiosafe_end(&sec));
	assert_event(AER, 0, NONE, 1, 2);
	assert_int_equal(driver.count[LOST], 1);
}

static void read_inside(struct vfiosafe_device *dev, enum callback which)
{
	(void)dev;
	if (which == REINIT)
		assert_event(WINDOW_OPENED, 0, RESET, 1, 1);
}

static void a_callback_may_read_events(void **state)
{
	(void)state;
	driver.inside = read_inside;
	assert_ok(reset_ms(1000));
	assert_event(WINDOW_CLOSED, 0, NONE, 1, 2);
}

static void what_was_not_read_does_not_hold_up_a_close(void **state)
{
	(void)state;
	assert_ok(reset_ms(1000));
	report(ERR_IRQ, 1);
	bench_close();
}

static void a_device_that_is_gone_gives_what_is_left(void **state)
{
	struct vfiosafe_window *win = window_begin(1000);
	struct vfiosafe_event event;

	(void)state;
	assert_int_equal(vfiosafe_device_close(bench.dev, 0), -EBUSY);
	vfiosafe_window_end(win);
	assert_event(WINDOW_OPENED, 0, RESET, 1, 1);
	assert_event(WINDOW_CLOSED, -ENODEV, NONE, 1, 1);
	assert_refused(read_some(&event, 1), ENODEV, "gone");
	assert_false(readable());
}

static void a_forked_child_is_refused(void **state)
{
	struct vfiosafe_event event;
	int status;
	pid_t pid;

	(void)state;
	assert_ok(reset_ms(1000));
	pid = fork();
	if (pid == 0)
		_exit(read_some(&event, 1) == -ENODEV ? 0 : 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_event(WINDOW_OPENED, 0, RESET, 1, 1);
}

/* The wake-up call itself failed once: the next event makes up for it. */
static void an_fd_that_could_not_be_told_is_told_next_time(void **state)
{
	(void)state;
	fake_fail(&bench.k, FAKE_EVENT_WRITE, FAKE_ANY, EPROTO, 1);
	assert_ok(reset_ms(1000));
	assert_true(readable());
	assert_event(WINDOW_OPENED, 0, RESET, 1, 1);
	assert_event(WINDOW_CLOSED, 0, NONE, 1, 2);
	assert_no_event();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, driver_setup, bench_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(nothing_happened_nothing_to_read),
		TEST(a_reset_opens_and_closes_a_window),
		TEST(the_fd_is_readable_until_the_last_is_read),
		TEST(a_window_that_is_called_off_closes_with_its_error),
		TEST(a_failed_reset_is_a_fault_inside_its_window),
		TEST(a_device_marked_lost_is_one_fault),
		TEST(a_device_put_to_sleep_and_woken_is_two_windows),
		TEST(unmapping_a_bar_is_no_event),
		TEST(what_makes_no_sense_is_refused),
		TEST(a_larger_struct_is_filled_with_zeroes),
		TEST(no_more_is_written_than_was_read),
		TEST(inside_a_section_only_the_queue_is_read),
		TEST(a_callback_may_read_events),
		TEST(what_was_not_read_does_not_hold_up_a_close),
		TEST(a_device_that_is_gone_gives_what_is_left),
		TEST(a_forked_child_is_refused),
		TEST(an_fd_that_could_not_be_told_is_told_next_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

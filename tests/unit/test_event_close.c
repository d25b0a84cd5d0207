/* SPDX-License-Identifier: MIT */
/* A close that sections hold up: the kernel gets its device back all the same. */
#include "event_close_rig.h"
#include "uapi.h"

static void a_close_without_sections_frees_at_once(void **state)
{
	int64_t start = vsf_now(&bench.k.sys);

	(void)state;
	assert_ok(vfiosafe_device_close(bench.dev, 1000));
	bench.dev = NULL;
	assert_true(kernel_has_it());
	assert_int_equal(bench.k.count[DUP_ONTO], 0);
	assert_int_equal(vsf_now(&bench.k.sys), start);
}

static void the_kernel_gets_its_device_back_from_under_a_section(void **state)
{
	int64_t start = vsf_now(&bench.k.sys);
	struct holder holder = { 0 };

	(void)state;
	hold(&holder, &bench.view);
	report(REQ_IRQ, 1);
	assert_false(kernel_has_it());
	close_over("is still in a section");
	assert_true(kernel_has_it());
	assert_true(vsf_now(&bench.k.sys) - start < INT64_C(1000000000));
	/* The range is still there, and nothing of the device in it. */
	for (size_t at = 0; at < LEN; at += 4)
		assert_int_equal(*reg(bench.bar, at), UINT32_MAX);
	*reg(bench.bar, 8) = 0x1234;
	assert_int_equal(in_device(8), 0);
	assert_int_equal(release(&holder), -ENODEV);
	bench_close();
}

/* Nobody else may get the number while a call may be under way on it. */
static void the_fds_number_stays_taken(void **state)
{
	struct holder holder = { 0 };
	int fd = vfiosafe_device_fd(bench.dev), other;
	uint32_t value;

	(void)state;
	hold(&holder, &bench.view);
	close_over("section");
	assert_int_equal(vfiosafe_device_fd(bench.dev), fd);
	assert_true(vsf_sys(&bench.k.sys, pread, fd, &value, 4, FAKE_CONFIG) < 0);
	assert_true(vsf_sys(&bench.k.sys, ioctl, fd, VFIO_DEVICE_RESET, NULL) < 0);
	other = fake_device_fd(&bench.k, bench.fn);
	assert_int_not_equal(other, fd);
	release(&holder);
	bench_close();
	assert_false(kernel_has_it());
	assert_ok(vsf_sys(&bench.k.sys, close, other));
}

static void closing_again_only_frees(void **state)
{
	struct holder holder = { 0 };
	unsigned int maps;

	(void)state;
	hold(&holder, &bench.view);
	close_over("no longer holds the device");
	maps = bench.k.count[FAKE_MMAP];
	for (int i = 0; i < 3; i++)
		close_over("To free the memory, close again");
	assert_int_equal(bench.k.count[FAKE_MMAP], maps);
	assert_int_equal(bench.k.count[DUP_ONTO], 1);
	release(&holder);
	bench_close();
}

static void a_short_section_is_waited_for(void **state)
{
	(void)state;
	bench.k.real_clock = true;
	for (int i = 0; i < 20; i++) {
		struct holder holder = { 0 };

		hold(&holder, &bench.view);
		sem_post(&holder.out);
		assert_ok(vfiosafe_device_close(bench.dev, 10000));
		pthread_join(holder.thread, NULL);
		bench_open();
	}
}

static void a_window_that_is_open_does_not_keep_the_device(void **state)
{
	struct vfiosafe_window *win = window_begin(1000);

	(void)state;
	assert_int_equal(vfiosafe_window_poll(win), VFIOSAFE_STEP_COMMIT);
	close_over("window is open");
	assert_true(kernel_has_it());
	assert_int_equal(vfiosafe_window_commit(win), -ENODEV);
	vfiosafe_window_end(win);
	assert_int_equal(bench.fn->resets, 0);
	bench_close();
}

static void an_fd_that_was_adopted_is_named(void **state)
{
	struct holder holder = { 0 };
	int fd;

	(void)state;
	bench_close();
	bench.opts.arm_events = true;
	fd = fake_device_fd(&bench.k, bench.fn);
	assert_ok(vfiosafe_device_from_fd(&bench.dev, fd, &bench.opts));
	bench.bar = bench_map(0, 0, 0, 0);
	bench.view = bench_view(bench.bar);
	hold(&holder, &bench.view);
	assert_refused(vfiosafe_device_close(bench.dev, 0), EBUSY,
		       "but whoever it was adopted from");
	/* All that was ours is gone, also what the kernel knew of us. */
	assert_false(fake_signal(bench.fn, ERR_IRQ));
	assert_false(fake_signal(bench.fn, REQ_IRQ));
	assert_false(kernel_has_it());
	assert_ok(vsf_sys(&bench.k.sys, close, fd));
	assert_true(kernel_has_it());
	release(&holder);
	bench_close();
}

static struct runner closer;
static bool closed, closed_meanwhile;

static int close_and_say(void)
{
	int rc = vfiosafe_device_close(bench.dev, 10000);

	__atomic_store_n(&closed, true, __ATOMIC_RELEASE);
	return rc;
}

/* Before there is a window the kernel is asked for errors and requests. */
static void close_beside_a_look(struct fake *fake, enum fake_call call, uint64_t key)
{
	(void)key;
	if (call != FAKE_EVENT_READ)
		return;
	fake->hook = NULL;
	run_beside(&closer, close_and_say);
	until(vfiosafe_device_state(bench.dev) == VFIOSAFE_GONE);
	for (int i = 0; i < 1000 && !closed_meanwhile; i++) {
		closed_meanwhile = __atomic_load_n(&closed, __ATOMIC_ACQUIRE);
		sched_yield();
	}
}

static void a_window_that_is_about_to_begin_is_waited_for(void **state)
{
	(void)state;
	bench.k.real_clock = true;
	closed = closed_meanwhile = false;
	bench.k.hook = close_beside_a_look;
	assert_int_equal(vfiosafe_reset(bench.dev, NULL), -ENODEV);
	assert_false(closed_meanwhile);
	assert_ok(run_ended(&closer));
	bench.dev = NULL;
}

static void events_can_be_read_to_the_end(void **state)
{
	struct holder holder = { 0 };

	(void)state;
	report(REQ_IRQ, 1);
	hold(&holder, &bench.view);
	close_over("section");
	assert_event(RELEASE, 0, NONE, 1, 1);
	assert_int_equal(read_some(&(struct vfiosafe_event){ 0 }, 1), -ENODEV);
	release(&holder);
	bench_close();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, driver_setup, bench_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_close_without_sections_frees_at_once),
		TEST(the_kernel_gets_its_device_back_from_under_a_section),
		TEST(the_fds_number_stays_taken),
		TEST(closing_again_only_frees),
		TEST(a_short_section_is_waited_for),
		TEST(a_window_that_is_open_does_not_keep_the_device),
		TEST(an_fd_that_was_adopted_is_named),
		TEST(a_window_that_is_about_to_begin_is_waited_for),
		TEST(events_can_be_read_to_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

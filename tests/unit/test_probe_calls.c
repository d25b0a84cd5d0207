/* SPDX-License-Identifier: MIT */
/* vfiosafe_probe(), poison values, and reads in the callbacks of a window. */
#include <sys/wait.h>
#include <unistd.h>

#include "device.h"
#include "unit_driver.h"
#include "unit_thread.h"

#define REG 0x40u

static void put(uint64_t value)
{
	memcpy(fake_bar(bench.fn, 0) + REG, &value, sizeof(value));
}

static struct vfiosafe_probe_counts counts(void)
{
	struct vfiosafe_probe_counts c;

	vfiosafe_probe_counts(bench.dev, &c);
	return c;
}

static int read_reg(void)
{
	uint32_t value = 5;
	int rc = vfiosafe_read32(&bench.view, REG, &value);

	if (rc < 0)
		assert_int_equal(value, 5);
	return rc;
}

static void a_probe_finds_what_no_read_looked_at(void **state)
{
	(void)state;
	assert_ok(vfiosafe_probe(bench.dev));
	bench.fn->silent_until = INT64_MAX;
	assert_ok(read_reg());
	assert_refused(vfiosafe_probe(bench.dev), EIO, ADDRESS, "does not answer");
	assert_state(FAULT);
	assert_int_equal(vfiosafe_device_cause(bench.dev), VFIOSAFE_CAUSE_DEAD);
	assert_int_equal(driver.count[LOST], 1);
	assert_int_equal(counts().config, 1);
	/* No read looked odd. */
	assert_int_equal(counts().suspicions, 0);
	assert_refused(vfiosafe_probe(bench.dev), EIO, "FAULT");
	assert_int_equal(counts().config, 1);
}

static void a_probe_finds_decode_and_power_too(void **state)
{
	(void)state;
	fake_set_command(bench.fn, 0);
	assert_refused(vfiosafe_probe(bench.dev), EIO, "decode");
	assert_ok(vfiosafe_recover(bench.dev, NULL));
	fake_set_power_state(bench.fn, 1);
	assert_refused(vfiosafe_probe(bench.dev), EIO, "sleep");
	assert_int_equal(counts().decode, 1);
	assert_int_equal(counts().power, 1);
}

static void a_probe_that_could_not_ask_says_so_and_changes_nothing(void **state)
{
	(void)state;
	fake_fail(&bench.k, FAKE_PREAD, FAKE_CONFIG + 4, ENOMEM, 1);
	assert_refused(vfiosafe_probe(bench.dev), ENOMEM, "COMMAND");
	assert_state(LIVE);
	assert_ok(vfiosafe_probe(bench.dev));
}

static void a_probe_inside_a_section_ends_that_badly(void **state)
{
	struct vfiosafe_section sec;

	(void)state;
	assert_ok(vfiosafe_begin(&bench.view, &sec));
	bench.fn->silent_until = INT64_MAX;
	assert_int_equal(vfiosafe_probe(bench.dev), -EIO);
	assert_int_equal(vfiosafe_end(&sec), -EIO);
}

static void a_probe_in_a_window_is_refused_as_an_access(void **state)
{
	struct vfiosafe_window *win = window_begin(1000);

	(void)state;
	assert_refused(vfiosafe_probe(bench.dev), EAGAIN, "window");
	vfiosafe_window_end(win);
	assert_ok(vfiosafe_probe(bench.dev));
}

static void a_probe_in_a_forked_child_is_refused(void **state)
{
	int status;
	pid_t child;

	(void)state;
	child = fork();
	if (child == 0)
		_exit(vfiosafe_probe(bench.dev) == -ENODEV &&
				      vfiosafe_set_poison(bench.dev, NULL, 0) ==
					      -ENODEV &&
				      vfiosafe_set_sentinel(bench.dev, NULL) == -ENODEV
			      ? 0
			      : 1);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static struct holder probing;

static void close_while_asked(struct fake *fake, enum fake_call call, uint64_t key)
{
	(void)fake;
	if (call == FAKE_PREAD && key == FAKE_CONFIG + 4)
		sem_post(&probing.in), sem_wait(&probing.out);
}

static int probe_there(void)
{
	return vfiosafe_probe(bench.dev);
}

static void a_close_waits_for_a_probe(void **state)
{
	struct runner runner;

	(void)state;
	sem_init(&probing.in, 0, 0);
	sem_init(&probing.out, 0, 0);
	bench.k.hook = close_while_asked;
	run_beside(&runner, probe_there);
	sem_wait(&probing.in);
	assert_refused(vfiosafe_device_close(bench.dev, 0), EBUSY, ADDRESS);
	bench.k.hook = NULL;
	sem_post(&probing.out);
	/* The device went to GONE under it. */
	assert_int_equal(run_ended(&runner), -ENODEV);
	bench_close();
}

/* Reads, and what they met, in each callback. */
static int met[CALLBACKS];
static enum callback dies_in;

static void die_and_read(struct vfiosafe_device *dev, enum callback which)
{
	(void)dev;
	if (which != dies_in || driver.count[which] > 1)
		return;
	put(UINT64_MAX);
	bench.fn->silent_until = INT64_MAX;
	if (which == REINIT)
		assert_ok(vfiosafe_bar_view(bench.bar, &bench.view));
	else if (which == READY)
		bench.view = bench_view(bench.bar);
	met[which] = read_reg();
	bench.fn->silent_until = 0;
}

static void dies(enum callback which)
{
	memset(met, 0, sizeof(met));
	dies_in = which;
	driver.inside = die_and_read;
}

static void a_device_that_dies_in_quiesce_is_recovered_by_the_reset(void **state)
{
	(void)state;
	dies(QUIESCE);
	assert_ok(reset_ms(1000));
	assert_int_equal(met[QUIESCE], -EIO);
	assert_state(LIVE);
	assert_generation(2);
}

static void a_device_that_does_not_answer_in_ready_is_not_ready(void **state)
{
	(void)state;
	dies(READY);
	driver.rc[READY] = -EAGAIN;
	driver.times[READY] = 1;
	assert_ok(reset_ms(1000));
	assert_int_equal(met[READY], -EAGAIN);
	assert_int_equal(driver.count[READY], 2);
	assert_state(LIVE);
	assert_int_equal(counts().config, 0);
}

static void a_device_that_dies_in_reinit_is_in_fault(void **state)
{
	(void)state;
	dies(REINIT);
	assert_refused(reset_ms(1000), EIO, "lost its state again", "does not answer");
	assert_int_equal(met[REINIT], -EIO);
	assert_state(FAULT);
	assert_int_equal(vfiosafe_device_cause(bench.dev), VFIOSAFE_CAUSE_DEAD);
	assert_int_equal(counts().config, 1);
}

static void read_ones(struct vfiosafe_device *dev, enum callback which)
{
	(void)dev;
	if (which == LOST)
		return;
	put(UINT64_MAX);
	bench.view = bench_view(bench.bar);
	assert_ok(read_reg());
	assert_ok(vfiosafe_probe(bench.dev));
}

static void all_ones_of_a_device_that_answers_is_delivered_in_each_callback(void **state)
{
	(void)state;
	driver.inside = read_ones;
	assert_ok(reset_ms(1000));
	assert_int_equal(
		driver.count[QUIESCE] + driver.count[READY] + driver.count[REINIT], 3);
	assert_int_equal(counts().real, 3);
	driver.rc[QUIESCE] = -EPERM;
	assert_int_equal(reset_ms(1000), -ECANCELED);
}

/* Poison: QEMU answers 0 for a device that is not there. */
static const uint64_t poison[] = { 0, 0x1122334455667788 };

static void open_with_poison(void)
{
	bench_close();
	assert_ok(vfiosafe_device_open(&bench.dev, ADDRESS, &bench.opts));
	bench.bar = bench_map(0, 0, 0, 0);
	assert_ok(vfiosafe_set_poison(bench.dev, poison, 2));
	bench.view = bench_view(bench.bar);
}

static void poison_is_asked_about_and_delivered_if_it_is_real(void **state)
{
	uint64_t v64;
	uint32_t v32;
	uint8_t v8;

	(void)state;
	open_with_poison();
	put(0);
	assert_ok(vfiosafe_read64(&bench.view, REG, &v64));
	assert_ok(vfiosafe_read32(&bench.view, REG, &v32));
	assert_ok(vfiosafe_read8(&bench.view, REG, &v8));
	assert_true(v64 == 0 && v32 == 0 && v8 == 0);
	assert_int_equal(counts().real, 3);
	/* In the low bits of the width. */
	put(poison[1]);
	assert_ok(vfiosafe_read64(&bench.view, REG, &v64));
	assert_ok(vfiosafe_read32(&bench.view, REG, &v32));
	assert_ok(vfiosafe_read8(&bench.view, REG, &v8));
	assert_int_equal(v8, 0x88);
	assert_int_equal(counts().real, 6);
	/* Neither the upper half of the one, nor any other value. */
	assert_ok(vfiosafe_read32(&bench.view, REG + 4, &v32));
	assert_int_equal(v32, 0x11223344);
	put(UINT64_MAX);
	assert_int_equal(counts().suspicions, 6);
	assert_ok(vfiosafe_read64(&bench.view, REG, &v64));
	assert_int_equal(counts().suspicions, 7);
}

static void a_dead_device_that_reads_as_poison_is_lost(void **state)
{
	(void)state;
	open_with_poison();
	put(0);
	bench.fn->silent_until = INT64_MAX;
	assert_refused(read_reg(), EIO, "does not answer");
	assert_state(FAULT);
}

static void poison_that_a_view_would_not_know_is_refused(void **state)
{
	uint32_t value;

	(void)state;
	assert_refused(vfiosafe_set_poison(bench.dev, poison, 1), EBUSY, "view");
	put(0);
	bench.fn->silent_until = INT64_MAX;
	assert_ok(vfiosafe_read32(&bench.view, REG, &value));
	assert_ok(vfiosafe_set_poison(bench.dev, NULL, 0));
	assert_true(bench_view(bench.bar).len > 0);
}

static void poison_can_be_changed_once_views_know_it(void **state)
{
	static const uint64_t five[5];
	uint32_t value;

	(void)state;
	open_with_poison();
	assert_int_equal(bench.view.len, 0);
	put(0);
	assert_ok(vfiosafe_set_poison(bench.dev, poison + 1, 1));
	assert_ok(vfiosafe_read32(&bench.view, REG, &value));
	assert_int_equal(counts().suspicions, 0);
	assert_ok(vfiosafe_set_poison(bench.dev, NULL, 0));
	assert_ok(vfiosafe_set_poison(bench.dev, five, VFIOSAFE_POISON_MAX));
	assert_int_equal(vfiosafe_set_poison(bench.dev, five, 5), -EINVAL);
	assert_int_equal(vfiosafe_set_poison(bench.dev, NULL, 1), -EINVAL);
	assert_ok(vfiosafe_read32(&bench.view, REG, &value));
	assert_int_equal(counts().suspicions, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, driver_setup, bench_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_probe_finds_what_no_read_looked_at),
		TEST(a_probe_finds_decode_and_power_too),
		TEST(a_probe_that_could_not_ask_says_so_and_changes_nothing),
		TEST(a_probe_inside_a_section_ends_that_badly),
		TEST(a_probe_in_a_window_is_refused_as_an_access),
		TEST(a_probe_in_a_forked_child_is_refused),
		TEST(a_close_waits_for_a_probe),
		TEST(a_device_that_dies_in_quiesce_is_recovered_by_the_reset),
		TEST(a_device_that_does_not_answer_in_ready_is_not_ready),
		TEST(a_device_that_dies_in_reinit_is_in_fault),
		TEST(all_ones_of_a_device_that_answers_is_delivered_in_each_callback),
		TEST(poison_is_asked_about_and_delivered_if_it_is_real),
		TEST(a_dead_device_that_reads_as_poison_is_lost),
		TEST(poison_that_a_view_would_not_know_is_refused),
		TEST(poison_can_be_changed_once_views_know_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

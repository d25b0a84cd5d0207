/* SPDX-License-Identifier: MIT */
/* Interrupts that are changed and come while other threads reset the device. */
#include "irq_rig.h"
#include "unit_thread.h"

#define RESETS 60

static bool done;
static unsigned int odd;

static bool is_over(void)
{
	return __atomic_load_n(&done, __ATOMIC_RELAXED);
}

/* 0, or what a window or a fault that is open explains. */
static void check(int rc)
{
	if (rc < 0 && rc != -EAGAIN && rc != -EBUSY)
		__atomic_fetch_add(&odd, 1, __ATOMIC_RELAXED);
}

static int change(void)
{
	while (!is_over()) {
		check(vfiosafe_irq_set_fd(bench.dev, MSIX, 1, events[1]));
		check(vfiosafe_irq_trigger(bench.dev, MSIX, 0));
		check(vfiosafe_irq_enable(bench.dev, MSIX, 2, events));
	}
	return 0;
}

static int device(void)
{
	while (!is_over())
		(void)fake_interrupt(&bench.k, bench.fn, 1);
	return 0;
}

static void interrupts_are_whole_after_any_number_of_resets(void **state)
{
	struct runner changer, second, interrupter;

	(void)state;
	done = false;
	odd = 0;
	fake_set_command(bench.fn, 0x0006);
	enabled(MSIX, 2);
	run_beside(&changer, change);
	run_beside(&second, change);
	run_beside(&interrupter, device);
	for (int i = 0; i < RESETS; i++)
		assert_ok(reset_ms(1000));
	__atomic_store_n(&done, true, __ATOMIC_RELAXED);
	(void)run_ended(&changer);
	(void)run_ended(&second);
	(void)run_ended(&interrupter);
	assert_int_equal(odd, 0);
	(void)counted(0);
	(void)counted(1);
	assert_true(fake_interrupt(&bench.k, bench.fn, 0));
	assert_true(fake_interrupt(&bench.k, bench.fn, 1));
	assert_int_equal(counted(0), 1);
	assert_int_equal(counted(1), 1);
}

/* A thread is in the kernel to enable them, and a reset begins. */
static sem_t inside, go_on;

static void stop_there(struct fake *fake, enum fake_call call, uint64_t key)
{
	(void)key;
	if (call != FAKE_IOCTL)
		return;
	fake->hook = NULL;
	sem_post(&inside);
	sem_wait(&go_on);
}

static int enable_now(void)
{
	return vfiosafe_irq_enable(bench.dev, MSIX, 2, events);
}

static int reset_now(void)
{
	return vfiosafe_reset(bench.dev, NULL);
}

static void what_is_being_enabled_when_a_reset_begins_is_enabled_after_it(void **state)
{
	struct runner enabler, resetter;
	uint32_t count;

	(void)state;
	assert_ok(vfiosafe_irq_count(bench.dev, MSIX, &count));
	sem_init(&inside, 0, 0);
	sem_init(&go_on, 0, 0);
	bench.k.hook = stop_there;
	run_beside(&enabler, enable_now);
	sem_wait(&inside);
	run_beside(&resetter, reset_now);
	until(vfiosafe_device_state(bench.dev) != VFIOSAFE_LIVE);
	sem_post(&go_on);
	assert_ok(run_ended(&enabler));
	assert_ok(run_ended(&resetter));
	assert_generation(2);
	(void)counted(1);
	assert_true(interrupt(1));
	assert_int_equal(counted(1), 1);
}

static int trigger_now(void)
{
	return vfiosafe_irq_trigger(bench.dev, MSIX, 0);
}

/* The kernel has its device back, and the call meets an fd that is dead. */
static void a_call_that_close_overtakes_says_that_the_device_is_gone(void **state)
{
	struct runner runner;

	(void)state;
	enabled(MSIX, 2);
	sem_init(&inside, 0, 0);
	sem_init(&go_on, 0, 0);
	bench.k.hook = stop_there;
	run_beside(&runner, trigger_now);
	sem_wait(&inside);
	assert_int_equal(vfiosafe_device_close(bench.dev, 0), -EBUSY);
	sem_post(&go_on);
	assert_int_equal(run_ended(&runner), -ENODEV);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IRQ_TEST(interrupts_are_whole_after_any_number_of_resets),
		IRQ_TEST(what_is_being_enabled_when_a_reset_begins_is_enabled_after_it),
		IRQ_TEST(a_call_that_close_overtakes_says_that_the_device_is_gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* The library's interrupts on a device that interrupts by itself, over windows. */
#include <poll.h>
#include <sys/eventfd.h>
#include <vfiosafe/vfiosafe.h>

#include "sim_rig.h"

#define VECTORS 4

static struct {
	struct vfiosafe_sim *sim;
	struct vfiosafe_device *dev;
	int fd[VECTORS]; /* blocking ones */
	unsigned int reinits, stale;
	unsigned int handled, odd; /* by the thread of the last test */
	bool stop;
} t;

static unsigned int signals(int i, int ms)
{
	struct pollfd readable = { .fd = t.fd[i], .events = POLLIN };
	uint64_t n = 0;

	if (poll(&readable, 1, ms) != 1)
		return 0;
	assert_int_equal(read(t.fd[i], &n, sizeof(n)), sizeof(n));
	return (unsigned int)n;
}

/*
 * Bus mastering is still off here: no message of this generation can have come. Vector
 * 0 is left alone: INTx needs no bus mastering.
 */
static int reinit(struct vfiosafe_device *dev, void *ctx)
{
	(void)ctx;
	t.reinits++;
	for (int i = 1; i < VECTORS; i++)
		t.stale += signals(i, 0);
	return vfiosafe_set_bus_master(dev, true);
}

static int setup(void **state)
{
	struct vfiosafe_sim_opts sim_opts = { .size = sizeof(sim_opts),
					      .window = VFIOSAFE_SIM_ALL_ONES,
					      .window_us = 20 };
	struct vfiosafe_device_opts opts = { .size = sizeof(opts),
					     .keep_bus_master_off = true };
	const struct vfiosafe_driver_ops ops = { .size = sizeof(ops), .reinit = reinit };

	(void)state;
	memset(&t, 0, sizeof(t));
	for (int i = 0; i < VECTORS; i++)
		t.fd[i] = eventfd(0, EFD_CLOEXEC);
	assert_int_equal(vfiosafe_sim_open(&t.sim, "sim:reg", &sim_opts), 0);
	opts.sys = vfiosafe_sim_sys(t.sim);
	assert_int_equal(
		vfiosafe_device_from_fd(&t.dev, vfiosafe_sim_device_fd(t.sim), &opts), 0);
	assert_int_equal(vfiosafe_device_set_driver(t.dev, &ops, NULL), 0);
	assert_int_equal(vfiosafe_set_bus_master(t.dev, true), 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	assert_int_equal(vfiosafe_device_close(t.dev, 1000), 0);
	vfiosafe_sim_close(t.sim);
	for (int i = 0; i < VECTORS; i++)
		close(t.fd[i]);
	return 0;
}

static void assert_comes(uint32_t vector)
{
	(void)signals((int)vector, 0);
	vfiosafe_sim_interrupt(t.sim, vector);
	assert_int_equal(signals((int)vector, 20000), 1);
}

static void enable(enum vfiosafe_irq_kind kind, uint32_t vectors)
{
	assert_int_equal(vfiosafe_irq_enable(t.dev, kind, vectors, t.fd), 0);
	assert_comes(vectors - 1);
}

static void interrupts_come_after_each_of_100_resets(void **state)
{
	const enum vfiosafe_irq_kind kinds[] = { VFIOSAFE_IRQ_MSI, VFIOSAFE_IRQ_MSIX };

	(void)state;
	for (int k = 0; k < 2; k++) {
		enable(kinds[k], VECTORS);
		for (uint32_t i = 0; i < 50; i++) {
			assert_int_equal(vfiosafe_reset(t.dev, NULL), 0);
			assert_comes(i % VECTORS);
		}
		assert_int_equal(vfiosafe_irq_disable(t.dev, kinds[k]), 0);
	}
}

/* The link reset took them away in the device, and nobody restored them. */
static void interrupts_come_back_after_a_fatal_error(void **state)
{
	const enum vfiosafe_irq_kind kinds[] = { VFIOSAFE_IRQ_MSI, VFIOSAFE_IRQ_MSIX };

	(void)state;
	for (int k = 0; k < 2; k++) {
		enable(kinds[k], VECTORS);
		vfiosafe_sim_aer(t.sim, true);
		assert_int_equal(vfiosafe_mark_lost(t.dev, "AER"), 0);
		assert_int_equal(vfiosafe_recover(t.dev, NULL), 0);
		assert_comes(0);
		assert_comes(VECTORS - 1);
		assert_int_equal(vfiosafe_irq_disable(t.dev, kinds[k]), 0);
	}
}

static void *interrupt_on(void *arg)
{
	(void)arg;
	for (uint32_t i = 0; !__atomic_load_n(&t.stop, __ATOMIC_RELAXED); i++)
		vfiosafe_sim_interrupt(t.sim, 1 + i % (VECTORS - 1));
	return NULL;
}

static void no_interrupt_is_from_before_the_reset(void **state)
{
	pthread_t thread;

	(void)state;
	enable(VFIOSAFE_IRQ_MSIX, VECTORS);
	assert_int_equal(pthread_create(&thread, NULL, interrupt_on, NULL), 0);
	for (int i = 0; i < 200; i++)
		assert_int_equal(vfiosafe_reset(t.dev, NULL), 0);
	__atomic_store_n(&t.stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	assert_int_equal(t.reinits, 200);
	assert_int_equal(t.stale, 0);
	assert_comes(1);
}

/* The program reads the eventfd, handles, unmasks; resets come at any moment. */
static void *handle_intx(void *arg)
{
	int rc;

	(void)arg;
	while (!__atomic_load_n(&t.stop, __ATOMIC_RELAXED)) {
		if (signals(0, 5) == 0)
			continue;
		rc = vfiosafe_irq_mask(t.dev, VFIOSAFE_IRQ_INTX, 0, false);
		/* In a window, which unmasks it itself. */
		if (rc < 0 && rc != -EAGAIN)
			__atomic_add_fetch(&t.odd, 1, __ATOMIC_RELAXED);
		__atomic_add_fetch(&t.handled, 1, __ATOMIC_RELEASE);
	}
	return NULL;
}

static void no_reset_leaves_an_intx_masked_for_ever(void **state)
{
	pthread_t thread;
	unsigned int seen;

	(void)state;
	assert_int_equal(vfiosafe_irq_enable(t.dev, VFIOSAFE_IRQ_INTX, 1, t.fd), 0);
	assert_int_equal(pthread_create(&thread, NULL, handle_intx, NULL), 0);
	for (int i = 0; i < 100; i++) {
		vfiosafe_sim_interrupt(t.sim, 0);
		assert_int_equal(vfiosafe_reset(t.dev, NULL), 0);
	}
	/* Two more, with the line down in between: CTest bounds the wait. */
	for (int i = 0; i < 2; i++) {
		assert_int_equal(vfiosafe_reset(t.dev, NULL), 0);
		seen = __atomic_load_n(&t.handled, __ATOMIC_ACQUIRE);
		vfiosafe_sim_interrupt(t.sim, 0);
		while (__atomic_load_n(&t.handled, __ATOMIC_ACQUIRE) == seen)
			sched_yield();
	}
	__atomic_store_n(&t.stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	assert_int_equal(t.odd, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(interrupts_come_after_each_of_100_resets),
		TEST(interrupts_come_back_after_a_fatal_error),
		TEST(no_interrupt_is_from_before_the_reset),
		TEST(no_reset_leaves_an_intx_masked_for_ever),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

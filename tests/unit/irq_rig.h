/* SPDX-License-Identifier: MIT */
/* irq_rig.h - a device with a driver, and eventfds of a program for its interrupts. */
#ifndef IRQ_RIG_H
#define IRQ_RIG_H

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "unit_driver.h"

#define INTX VFIOSAFE_IRQ_INTX
#define MSI VFIOSAFE_IRQ_MSI
#define MSIX VFIOSAFE_IRQ_MSIX

#define EVENTS 8
static int events[EVENTS]; /* blocking ones: the library has to do with those too */

static inline int irq_setup(void **state)
{
	for (int i = 0; i < EVENTS; i++)
		events[i] = eventfd(0, EFD_CLOEXEC);
	return driver_setup(state);
}

static inline int irq_teardown(void **state)
{
	for (int i = 0; i < EVENTS; i++)
		close(events[i]);
	return bench_teardown(state);
}

/* What eventfd @i has counted; takes it. */
static inline unsigned int counted(int i)
{
	struct pollfd readable = { .fd = events[i], .events = POLLIN };
	uint64_t n = 0;

	if (poll(&readable, 1, 0) == 1)
		assert_int_equal(read(events[i], &n, sizeof(n)), sizeof(n));
	return (unsigned int)n;
}

/* The device interrupts, with DMA on. */
static inline bool interrupt(uint32_t vector)
{
	fake_set_command(bench.fn, fake_command(bench.fn) | 4);
	return fake_interrupt(&bench.k, bench.fn, vector);
}

static inline void enabled(enum vfiosafe_irq_kind kind, uint32_t vectors)
{
	assert_ok(vfiosafe_irq_enable(bench.dev, kind, vectors, events));
	fake_log_clear(&bench.k);
}

#define IRQ_TEST(name) cmocka_unit_test_setup_teardown(name, irq_setup, irq_teardown)

#endif

/* SPDX-License-Identifier: MIT */
/* event_rig.h - reading the events of the bench's device. */
#ifndef EVENT_RIG_H
#define EVENT_RIG_H

#include <poll.h>

#include "sys.h"
#include "unit_driver.h"

#define ERR_IRQ 3
#define REQ_IRQ 4

/* Does the kernel say that there is something to read? */
static inline bool readable(void)
{
	struct pollfd p = { .fd = vfiosafe_event_fd(bench.dev), .events = POLLIN };

	return poll(&p, 1, 0) == 1;
}

static inline int read_some(struct vfiosafe_event *events, unsigned int count)
{
	return vfiosafe_event_read(bench.dev, events, count, sizeof(*events));
}

static inline struct vfiosafe_event read_one(void)
{
	struct vfiosafe_event event = { 0 };

	assert_int_equal(read_some(&event, 1), 1);
	return event;
}

/* The next event, in full but for the time. */
#define assert_event(t, r, c, n, g)                                                      \
	do {                                                                             \
		struct vfiosafe_event got = read_one();                                  \
                                                                                         \
		assert_int_equal(got.type, VFIOSAFE_EVENT_##t);                          \
		assert_int_equal(got.result, (r));                                       \
		assert_int_equal(got.cause, VFIOSAFE_CAUSE_##c);                         \
		assert_int_equal(got.count, (n));                                        \
		assert_int_equal(got.generation, (g));                                   \
	} while (0)

/* Nothing is left, and the fd says so. */
#define assert_no_event()                                                                \
	do {                                                                             \
		struct vfiosafe_event none;                                              \
                                                                                         \
		assert_refused(read_some(&none, 1), EAGAIN, "no event");                 \
		assert_false(readable());                                                \
	} while (0)

/* The kernel reports, @n times, to whoever armed it. */
static inline void report(unsigned int irq, unsigned int n)
{
	while (n-- > 0)
		assert_true(fake_signal(bench.fn, irq));
}

#endif

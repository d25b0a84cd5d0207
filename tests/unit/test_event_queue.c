/* SPDX-License-Identifier: MIT */
/* The queue: order, what is lost when it is full, and who gets what. */
#include <stdlib.h>

#include "event.h"
#include "event_rig.h"
#include "unit_thread.h"

static struct vsf_queue queue;

static void put(uint32_t type, int result)
{
	const struct vfiosafe_event event = { .type = type, .result = result, .count = 1 };

	vsf_queue_put(&queue, &event);
}

static struct vfiosafe_event take(void)
{
	struct vfiosafe_event event;

	assert_int_equal(vsf_queue_take(&queue, &event, 1, sizeof(event)), 1);
	return event;
}

static void takes(uint32_t type, uint32_t count)
{
	struct vfiosafe_event event = take();

	assert_int_equal(event.type, type);
	assert_int_equal(event.count, count);
}

static int setup(void **state)
{
	(void)state;
	memset(&queue, 0, sizeof(queue));
	return 0;
}

#define OPENED VFIOSAFE_EVENT_WINDOW_OPENED
#define OVERFLOW VFIOSAFE_EVENT_OVERFLOW

static void events_come_out_in_the_order_of_going_in(void **state)
{
	(void)state;
	for (int round = 0; round < 10; round++) {
		for (int i = 0; i < VSF_EVENTS_FLOW; i++)
			put(OPENED, i);
		for (int i = 0; i < VSF_EVENTS_FLOW; i++)
			assert_int_equal(take().result, i);
	}
	assert_int_equal(queue.used, 0);
}

static void a_full_queue_says_how_many_it_lost_and_where(void **state)
{
	(void)state;
	for (int i = 0; i < VSF_EVENTS_FLOW + 7; i++)
		put(OPENED, i);
	for (int i = 0; i < 10; i++)
		assert_int_equal(take().result, i);
	put(OPENED, 1000);
	for (int i = 10; i < VSF_EVENTS_FLOW; i++)
		assert_int_equal(take().result, i);
	takes(OVERFLOW, 7);
	assert_int_equal(take().result, 1000);
	assert_int_equal(queue.used, 0);
}

/* A second loss, after something was read, stands in its own place. */
static void each_loss_has_its_own_place(void **state)
{
	(void)state;
	for (int i = 0; i < VSF_EVENTS_FLOW + 3; i++)
		put(OPENED, i);
	for (int i = 0; i < 2; i++)
		(void)take();
	put(OPENED, 1000);
	for (int i = 0; i < 5; i++)
		put(OPENED, 2000);
	for (int i = 2; i < VSF_EVENTS_FLOW; i++)
		assert_int_equal(take().result, i);
	takes(OVERFLOW, 3);
	assert_int_equal(take().result, 1000);
	takes(OVERFLOW, 5);
	assert_int_equal(queue.used, 0);
}

static void reports_are_never_lost_and_only_counted(void **state)
{
	static const uint32_t single[] = { VFIOSAFE_EVENT_RELEASE, VFIOSAFE_EVENT_AER,
					   VFIOSAFE_EVENT_WAKEUP };

	(void)state;
	for (int i = 0; i < VSF_EVENTS_FLOW + 3; i++)
		put(OPENED, i);
	for (int n = 0; n < 100; n++) {
		for (int i = 0; i < 3; i++)
			put(single[i], 0);
		put(OPENED, n);
	}
	assert_int_equal(queue.used, VFIOSAFE_EVENTS_MAX);
	for (int i = 0; i < VSF_EVENTS_FLOW; i++)
		assert_int_equal(take().result, i);
	takes(OVERFLOW, 103);
	for (int i = 0; i < 3; i++)
		takes(single[i], 100);
	assert_int_equal(queue.used, 0);
}

static void a_count_does_not_wrap(void **state)
{
	const struct vfiosafe_event many = { .type = VFIOSAFE_EVENT_RELEASE,
					     .count = UINT32_MAX - 1 };

	(void)state;
	vsf_queue_put(&queue, &many);
	vsf_queue_put(&queue, &many);
	takes(VFIOSAFE_EVENT_RELEASE, UINT32_MAX);
}

/* Whatever goes in comes out or is counted, and there is always room. */
static void nothing_is_unaccounted_for(void **state)
{
	uint64_t in = 0, out = 0;
	uint32_t random = 12345;

	(void)state;
	for (int step = 0; step < 200000; step++) {
		random = random * 1664525 + 1013904223;
		/* Now mostly in, now mostly out. */
		if ((random >> 16) % 100 < (step / 1000 % 2 ? 70u : 30u)) {
			put(1 + (random >> 8) % 6, 0);
			in++;
		} else if (queue.used > 0) {
			out += take().count;
		}
		assert_true(queue.used <= VFIOSAFE_EVENTS_MAX);
	}
	while (queue.used > 0)
		out += take().count;
	assert_int_equal(in, out);
}

static void too_many_resets_for_the_queue_overflow_it(void **state)
{
	struct vfiosafe_event events[VFIOSAFE_EVENTS_MAX];

	(void)state;
	for (int i = 0; i < 50; i++)
		assert_ok(reset_ms(1000));
	report(REQ_IRQ, 2);
	report(ERR_IRQ, 1);
	assert_int_equal(read_some(events, VFIOSAFE_EVENTS_MAX), VSF_EVENTS_FLOW + 3);
	assert_int_equal(events[VSF_EVENTS_FLOW].type, VFIOSAFE_EVENT_OVERFLOW);
	/* 100 windows opened and closed, and the fault that the report brought. */
	assert_int_equal(events[VSF_EVENTS_FLOW].count, 100 - VSF_EVENTS_FLOW + 1);
	assert_int_equal(events[VSF_EVENTS_FLOW + 1].type, VFIOSAFE_EVENT_AER);
	assert_int_equal(events[VSF_EVENTS_FLOW + 2].type, VFIOSAFE_EVENT_RELEASE);
	assert_int_equal(events[VSF_EVENTS_FLOW + 2].count, 2);
	assert_no_event();
}

#define RESETS 2000u

static bool over;
static unsigned char seen[2][RESETS + 2]; /* by type, by generation */

/* Until the writer is done and nothing is left. */
static int read_all(void)
{
	struct vfiosafe_event events[5];
	int n;

	for (;;) {
		bool last = __atomic_load_n(&over, __ATOMIC_ACQUIRE);

		n = read_some(events, 5);
		if (n == -EAGAIN && last)
			return 0;
		if (n < 0 && n != -EAGAIN)
			return n;
		for (int i = 0; i < n; i++) {
			unsigned int type = events[i].type - VFIOSAFE_EVENT_WINDOW_OPENED;

			if (type > 1 || events[i].count != 1)
				return -EPROTO;
			__atomic_fetch_add(&seen[type][events[i].generation], 1,
					   __ATOMIC_RELAXED);
		}
		sched_yield();
	}
}

static void each_event_goes_to_one_of_two_readers(void **state)
{
	struct runner reader[2];

	(void)state;
	bench.k.real_clock = true;
	memset(seen, 0, sizeof(seen));
	over = false;
	run_beside(&reader[0], read_all);
	run_beside(&reader[1], read_all);
	for (unsigned int i = 0; i < RESETS; i++) {
		assert_ok(vfiosafe_reset(bench.dev, NULL));
		/* Not faster than they read: nothing may be lost here. */
		until(__atomic_load_n(&seen[1][i + 2], __ATOMIC_RELAXED));
	}
	__atomic_store_n(&over, true, __ATOMIC_RELEASE);
	assert_ok(run_ended(&reader[0]));
	assert_ok(run_ended(&reader[1]));
	for (unsigned int i = 1; i <= RESETS; i++) {
		assert_int_equal(seen[0][i], 1);
		assert_int_equal(seen[1][i + 1], 1);
	}
	assert_false(readable());
}

#define PURE(name) cmocka_unit_test_setup(name, setup)
#define TEST(name) cmocka_unit_test_setup_teardown(name, driver_setup, bench_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		PURE(events_come_out_in_the_order_of_going_in),
		PURE(a_full_queue_says_how_many_it_lost_and_where),
		PURE(each_loss_has_its_own_place),
		PURE(reports_are_never_lost_and_only_counted),
		PURE(a_count_does_not_wrap),
		PURE(nothing_is_unaccounted_for),
		TEST(too_many_resets_for_the_queue_overflow_it),
		TEST(each_event_goes_to_one_of_two_readers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

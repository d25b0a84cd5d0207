/* SPDX-License-Identifier: MIT */
/* Errors, requests and wake-ups of a simulated device, told by events. */
#include "fault_rig.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>

static bool readable(const struct rig *rig, int ms)
{
	struct pollfd p = { .fd = vfiosafe_event_fd(rig->dev), .events = POLLIN };

	return poll(&p, 1, ms) == 1;
}

/* Reads, and waits where there is nothing, up to an event of @type. */
static struct vfiosafe_event next(const struct rig *rig, enum vfiosafe_event_type type)
{
	struct vfiosafe_event event = { 0 };
	int rc;

	do {
		assert_true(readable(rig, 30000));
		rc = vfiosafe_event_read(rig->dev, &event, 1, sizeof(event));
		assert_true(rc == 1 || rc == -EAGAIN);
	} while (event.type != type);
	return event;
}

static void errors_are_told_and_recovered_from(bool fatal)
{
	struct rig_opts opts = { .by_address = true };
	struct rig rig;

	rig_open(&rig, &opts);
	assert_false(readable(&rig, 0));
	for (uint64_t i = 1; i <= 20; i++) {
		vfiosafe_sim_aer(rig.sim, fatal);
		assert_int_equal(next(&rig, VFIOSAFE_EVENT_AER).generation, i);
		assert_int_equal(next(&rig, VFIOSAFE_EVENT_FAULT).cause,
				 VFIOSAFE_CAUSE_AER);
		rig_assert_fault(&rig, VFIOSAFE_CAUSE_AER);
		assert_int_equal(rig.lost, i);
		assert_int_equal(vfiosafe_recover(rig.dev, NULL), 0);
		rig_assert_live(&rig);
		assert_int_equal(vfiosafe_device_generation(rig.dev), i + 1);
		assert_int_equal(next(&rig, VFIOSAFE_EVENT_WINDOW_CLOSED).result, 0);
		assert_false(readable(&rig, 0));
	}
	rig_close(&rig);
}

static void an_error_that_is_not_fatal_is_recovered_from(void **state)
{
	(void)state;
	rig_install();
	errors_are_told_and_recovered_from(false);
	rig_restore();
}

/* The device has forgotten COMMAND, and VFIO_DEVICE_RESET alone does not repair that. */
static void so_is_one_that_is(void **state)
{
	(void)state;
	rig_install();
	errors_are_told_and_recovered_from(true);
	rig_restore();
}

/* An event loop that recovers the device, beside threads that use it. */
struct loop {
	struct rig *rig;
	bool stop;
	unsigned int recovered;
	pthread_t thread;
};

static void *run_loop(void *arg)
{
	struct loop *loop = arg;
	struct vfiosafe_event event;

	while (!__atomic_load_n(&loop->stop, __ATOMIC_ACQUIRE)) {
		if (!readable(loop->rig, 1))
			continue;
		while (vfiosafe_event_read(loop->rig->dev, &event, 1, sizeof(event)) == 1)
			if (event.type == VFIOSAFE_EVENT_FAULT)
				while (vfiosafe_recover(loop->rig->dev, NULL) == -EIO)
					sched_yield();
		if (vfiosafe_device_state(loop->rig->dev) == VFIOSAFE_LIVE)
			__atomic_add_fetch(&loop->recovered, 1, __ATOMIC_RELEASE);
	}
	return NULL;
}

struct reader {
	struct rig *rig;
	bool stop;
	uint64_t good, wrong;
	pthread_t thread;
};

/* ID reads the same in each generation; as HOLD does in its own. */
static void *run_reader(void *arg)
{
	struct reader *r = arg;
	uint32_t value;

	while (!__atomic_load_n(&r->stop, __ATOMIC_ACQUIRE)) {
		value = 0;
		if (vfiosafe_read32(&r->rig->view, VFIOSAFE_SIM_REG_ID, &value) == 0) {
			r->wrong += value != VFIOSAFE_SIM_ID;
			__atomic_add_fetch(&r->good, 1, __ATOMIC_RELEASE);
		} else if (vfiosafe_wait(r->rig->dev, vfiosafe_deadline_in_ms(10)) < 0) {
			sched_yield();
		}
	}
	return NULL;
}

static void stop(bool *flag, pthread_t thread)
{
	__atomic_store_n(flag, true, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
}

/*
 * Errors that are not fatal: what was read before they were noticed is good. Of what a
 * fatal one does to readers without a sentinel nobody can say.
 */
static void an_event_loop_keeps_the_device_alive(void **state)
{
	struct rig_opts opts = { .by_address = true };
	struct reader reader[2] = { 0 };
	struct loop loop = { 0 };
	struct rig rig;

	(void)state;
	rig_install();
	rig_open(&rig, &opts);
	loop.rig = &rig;
	assert_int_equal(pthread_create(&loop.thread, NULL, run_loop, &loop), 0);
	for (int i = 0; i < 2; i++) {
		reader[i].rig = &rig;
		assert_int_equal(pthread_create(&reader[i].thread, NULL, run_reader,
						&reader[i]),
				 0);
	}
	for (unsigned int i = 0; i < 50; i++) {
		uint64_t resets = rig_counts(&rig).resets;
		uint64_t good = __atomic_load_n(&reader[0].good, __ATOMIC_ACQUIRE);

		vfiosafe_sim_aer(rig.sim, false);
		until(rig_counts(&rig).resets > resets);
		until(__atomic_load_n(&reader[0].good, __ATOMIC_ACQUIRE) > good + 10);
	}
	for (int i = 0; i < 2; i++) {
		stop(&reader[i].stop, reader[i].thread);
		assert_int_equal(reader[i].wrong, 0);
	}
	stop(&loop.stop, loop.thread);
	assert_true(loop.recovered > 0);
	rig_close(&rig);
	rig_restore();
}

struct errors {
	struct rig *rig;
	bool stop;
	unsigned int made;
};

/* One in every third window or so, at whatever point of it. */
static void *fatal_errors(void *arg)
{
	struct errors *errors = arg;
	uint64_t windows = 0, now;

	while (!__atomic_load_n(&errors->stop, __ATOMIC_ACQUIRE)) {
		now = rig_counts(errors->rig).windows;
		if (now < windows + 3) {
			sched_yield();
			continue;
		}
		windows = now + 1;
		vfiosafe_sim_aer(errors->rig->sim, true);
		errors->made++;
	}
	return NULL;
}

/* At any point of a window: it ends LIVE with decode on, or in FAULT. */
static void fatal_errors_in_the_middle_of_resets(void **state)
{
	struct rig_opts opts = { .by_address = true };
	struct errors errors = { 0 };
	unsigned int faults = 0, again;
	pthread_t thread;
	struct rig rig;

	(void)state;
	rig_install();
	rig_open(&rig, &opts);
	errors.rig = &rig;
	assert_int_equal(pthread_create(&thread, NULL, fatal_errors, &errors), 0);
	for (int i = 0; i < 100; i++)
		faults += vfiosafe_reset(rig.dev, NULL) == -EIO;
	stop(&errors.stop, thread);
	assert_true(errors.made > 10);
	/* What is still to be noticed is noticed by the first of these. */
	for (again = 0; vfiosafe_wait(rig.dev, vfiosafe_deadline_in_ms(10000)) == -EIO; again++) {
		assert_true(again < 10);
		faults += vfiosafe_recover(rig.dev, NULL) == -EIO;
	}
	rig_assert_live(&rig);
	print_message("%u errors, %u windows ended in FAULT\n", errors.made, faults);
	rig_close(&rig);
	rig_restore();
}

static void a_request_is_repeated_and_counted(void **state)
{
	struct rig_opts opts = { .by_address = true };
	struct vfiosafe_event event;
	uint32_t count = 0;
	struct rig rig;

	(void)state;
	rig_install();
	rig_open(&rig, &opts);
	assert_int_equal(vfiosafe_sim_set(rig.sim, VFIOSAFE_SIM_SET_REQUEST_US, 1000), 0);
	vfiosafe_sim_request_release(rig.sim);
	while (count < 5) {
		event = next(&rig, VFIOSAFE_EVENT_RELEASE);
		count += event.count;
	}
	rig_assert_live(&rig);
	assert_int_equal(vfiosafe_reset(rig.dev, NULL), -EBUSY);
	assert_int_equal(vfiosafe_device_close(rig.dev, 1000), 0);
	vfiosafe_sim_close(rig.sim);
	rig_restore();
}

static void *reset_for_a_minute(void *arg)
{
	struct vfiosafe_reset_opts opts = { .size = sizeof(opts), .timeout_ms = 60000 };
	struct rig *rig = arg;

	return (void *)(intptr_t)vfiosafe_reset(rig->dev, &opts);
}

/* The lock that the reset waits for is held by the one who waits for the device. */
static void a_reset_and_an_unbind_do_not_wait_for_each_other(void **state)
{
	struct rig_opts opts = { .by_address = true };
	pthread_t thread;
	struct rig rig;
	int64_t start;
	void *rc;

	(void)state;
	rig_install();
	rig_open(&rig, &opts);
	assert_int_equal(vfiosafe_sim_set(rig.sim, VFIOSAFE_SIM_SET_CONTENTION, 100), 0);
	assert_int_equal(pthread_create(&thread, NULL, reset_for_a_minute, &rig), 0);
	until(vfiosafe_device_state(rig.dev) == VFIOSAFE_RESETTING);
	start = now_ms();
	vfiosafe_sim_request_release(rig.sim);
	pthread_join(thread, &rc);
	assert_int_equal((intptr_t)rc, -EBUSY);
	assert_true(now_ms() - start < 1000);
	rig_assert_live(&rig);
	rig_close(&rig);
	rig_restore();
}

static void a_wake_up_is_an_event(void **state)
{
	struct rig_opts opts = { .by_address = true };
	struct rig rig;

	(void)state;
	rig_install();
	rig_open(&rig, &opts);
	for (int i = 0; i < 5; i++) {
		assert_int_equal(vfiosafe_sim_set(rig.sim, VFIOSAFE_SIM_SET_SUSPEND_US, 0),
				 0);
		assert_int_equal(vfiosafe_low_power_enter(rig.dev, true, NULL), 0);
		(void)next(&rig, VFIOSAFE_EVENT_WINDOW_CLOSED);
		/* Until it has been suspended, a wake-up is none. */
		while (!readable(&rig, 1))
			vfiosafe_sim_wakeup(rig.sim);
		assert_int_equal(next(&rig, VFIOSAFE_EVENT_WAKEUP).count, 1);
		assert_int_equal(vfiosafe_device_state(rig.dev), VFIOSAFE_RESETTING);
		assert_int_equal(vfiosafe_low_power_exit(rig.dev, NULL), 0);
		(void)next(&rig, VFIOSAFE_EVENT_WINDOW_CLOSED);
		rig_assert_live(&rig);
		assert_false(readable(&rig, 0));
	}
	rig_close(&rig);
	rig_restore();
}

/* The fd of fault.h is one of those behind the fd of event.h. */
static void a_fault_of_foreign_code_is_an_event(void **state)
{
	struct rig rig;

	(void)state;
	rig_install();
	rig_open(&rig, NULL);
	rig_away(&rig, DECODE_OFF);
	assert_int_equal(*rig_reg32(&rig, 0), UINT32_MAX);
	assert_true(readable(&rig, 0));
	assert_int_equal(next(&rig, VFIOSAFE_EVENT_FAULT).cause, VFIOSAFE_CAUSE_FAULT);
	assert_int_equal(rig.lost, 1);
	assert_false(readable(&rig, 0));
	assert_int_equal(vfiosafe_recover(rig.dev, NULL), 0);
	rig_assert_live(&rig);
	rig_close(&rig);
	rig_restore();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_error_that_is_not_fatal_is_recovered_from),
		cmocka_unit_test(so_is_one_that_is),
		cmocka_unit_test(an_event_loop_keeps_the_device_alive),
		cmocka_unit_test(fatal_errors_in_the_middle_of_resets),
		cmocka_unit_test(a_request_is_repeated_and_counted),
		cmocka_unit_test(a_reset_and_an_unbind_do_not_wait_for_each_other),
		cmocka_unit_test(a_wake_up_is_an_event),
		cmocka_unit_test(a_fault_of_foreign_code_is_an_event),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* Sections against drains: who is waited for, who is named, who is not in the way. */
#include "unit_driver.h"
#include "unit_thread.h"

static void a_stuck_section_is_named_and_calls_the_window_off(void **state)
{
	struct holder holder = { 0 };
	char tid[16];
	uint32_t value;

	(void)state;
	hold(&holder, &bench.view);
	snprintf(tid, sizeof(tid), "thread %d", (int)holder.tid);
	assert_refused(reset_ms(100), ETIMEDOUT, ADDRESS, tid, "section", "deadline");
	assert_log("");
	assert_state(LIVE);
	assert_generation(1);
	assert_ok(vfiosafe_read32(&bench.view, 0, &value));
	assert_ok(release(&holder));
	assert_ok(reset_ms(100));
}

static void a_stuck_section_keeps_the_device_from_being_closed(void **state)
{
	struct holder holder = { 0 };
	char tid[16];

	(void)state;
	hold(&holder, &bench.view);
	snprintf(tid, sizeof(tid), "thread %d", (int)holder.tid);
	assert_refused(vfiosafe_device_close(bench.dev, 100), EBUSY, ADDRESS, tid,
		       "section");
	assert_state(GONE);
	assert_refused(vfiosafe_device_close(bench.dev, 0), EBUSY, tid);
	assert_int_equal(release(&holder), -ENODEV);
	bench_close();
}

static void a_stuck_section_keeps_a_bar_from_being_unmapped(void **state)
{
	struct holder holder = { 0 };
	char tid[16];
	uint32_t value;

	(void)state;
	hold(&holder, &bench.view);
	snprintf(tid, sizeof(tid), "thread %d", (int)holder.tid);
	assert_refused(vfiosafe_bar_unmap(bench.bar, 100), EBUSY, ADDRESS, tid,
		       "section");
	assert_state(LIVE);
	assert_ok(vfiosafe_read32(&bench.view, 0, &value));
	assert_ok(release(&holder));
	assert_ok(vfiosafe_bar_unmap(bench.bar, 100));
	assert_generation(1);
}

static void a_section_of_one_device_does_not_delay_another(void **state)
{
	struct vfiosafe_device *other = NULL;
	struct holder holder = { 0 };
	int64_t from;

	(void)state;
	fake_add(&bench.k, SIBLING, 8, 4);
	assert_ok(vfiosafe_device_open(&other, SIBLING, &bench.opts));
	hold(&holder, &bench.view);
	from = bench.k.now;
	assert_ok(vfiosafe_reset(other, NULL));
	assert_int_equal(bench.k.now, from);
	assert_ok(vfiosafe_device_close(other, 0));
	assert_int_equal(bench.k.now, from);
	assert_ok(release(&holder));
}

static char logged[256];

static void take_log(void *ctx, enum vfiosafe_log_level level, const char *line)
{
	if (level == VFIOSAFE_LOG_ERROR)
		snprintf(ctx, sizeof(logged), "%s", line);
}

static void a_thread_that_ends_inside_a_section_is_reported_and_forgotten(void **state)
{
	struct holder holder = { .never_ends = true };
	char tid[16];

	(void)state;
	memset(logged, 0, sizeof(logged));
	vfiosafe_log_set(take_log, logged, VFIOSAFE_LOG_ERROR);
	hold(&holder, &bench.view);
	release(&holder);
	snprintf(tid, sizeof(tid), "thread %d", (int)holder.tid);
	assert_non_null(strstr(logged, tid));
	assert_non_null(strstr(logged, "inside a section"));
	assert_ok(reset_ms(100));
}

static int one_read(void)
{
	uint32_t value;

	return vfiosafe_read32(&bench.view, 0, &value);
}

static void threads_come_and_go_without_a_trace(void **state)
{
	int64_t blocks = heap_blocks();

	(void)state;
	for (int i = 0; i < 100; i++)
		assert_ok(on_another_thread(one_read));
	assert_int_equal(heap_blocks(), blocks);
	assert_ok(reset_ms(100));
}

#define READERS 3
#define RENEWALS 200

static struct vfiosafe_view shared;
static bool stop;

/* Generation in the device's register, and in the program: one in each section. */
static uint32_t programmed;

static int renewed_reinit(struct vfiosafe_device *dev, void *ctx)
{
	uint32_t generation = (uint32_t)vfiosafe_device_generation(dev);
	int rc;

	(void)ctx;
	__atomic_store_n(&programmed, generation, __ATOMIC_RELAXED);
	rc = vfiosafe_bar_view(bench.bar, &shared);
	return rc ? rc : vfiosafe_write32(&shared, 4, generation);
}

static int read_through_a_shared_view(void)
{
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		struct vfiosafe_section sec;
		volatile uint32_t *regs;
		uint32_t device, program;

		if (vfiosafe_begin(&shared, &sec) < 0)
			continue;
		regs = vfiosafe_ptr(&sec);
		device = regs[1];
		program = __atomic_load_n(&programmed, __ATOMIC_RELAXED);
		if (vfiosafe_end(&sec) == 0 && device != program)
			return 1;
	}
	return 0;
}

static void a_shared_view_is_renewed_atomically(void **state)
{
	const struct vfiosafe_driver_ops ops = { .size = sizeof(ops),
						 .reinit = renewed_reinit };
	struct runner reader[READERS];

	(void)state;
	bench.k.real_clock = true;
	stop = false;
	programmed = 0;
	shared = bench.view;
	assert_ok(vfiosafe_device_set_driver(bench.dev, &ops, NULL));
	assert_ok(vfiosafe_reset(bench.dev, NULL));
	for (int i = 0; i < READERS; i++)
		run_beside(&reader[i], read_through_a_shared_view);
	for (int i = 0; i < RENEWALS; i++)
		assert_ok(vfiosafe_reset(bench.dev, NULL));
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	for (int i = 0; i < READERS; i++)
		assert_ok(run_ended(&reader[i]));
	assert_generation(RENEWALS + 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, bench_setup_open, bench_teardown)

static int setup_fenced(void **state)
{
	bench_setup(state);
	bench.k.no_membarrier = true;
	bench_open();
	return vfiosafe_device_fenced(bench.dev) ? 0 : -1;
}

#define FENCED(name)                                                                     \
	{                                                                                \
#name "_without_membarrier", name, setup_fenced, bench_teardown, NULL    \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_stuck_section_is_named_and_calls_the_window_off),
		TEST(a_stuck_section_keeps_the_device_from_being_closed),
		TEST(a_stuck_section_keeps_a_bar_from_being_unmapped),
		TEST(a_section_of_one_device_does_not_delay_another),
		TEST(a_thread_that_ends_inside_a_section_is_reported_and_forgotten),
		TEST(threads_come_and_go_without_a_trace),
		TEST(a_shared_view_is_renewed_atomically),
		FENCED(a_stuck_section_is_named_and_calls_the_window_off),
		FENCED(a_stuck_section_keeps_the_device_from_being_closed),
		FENCED(a_stuck_section_keeps_a_bar_from_being_unmapped),
		FENCED(threads_come_and_go_without_a_trace),
		FENCED(a_shared_view_is_renewed_atomically),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

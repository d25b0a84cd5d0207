/* SPDX-License-Identifier: MIT */
/* A close that sections hold up: what takes the place of the mappings. */
#include <sys/mman.h>
#include <unistd.h>

#include "event_close_rig.h"

static struct vfiosafe_bar *adopt(void **mine, int fd, uint32_t flags)
{
	struct vfiosafe_bar *bar = NULL;

	*mine = NULL;
	assert_ok(vsf_sys(&bench.k.sys, mmap, mine, LEN, PROT_READ | PROT_WRITE,
			  MAP_SHARED, fd, FAKE_REGION(0)));
	assert_ok(vfiosafe_bar_adopt(&bar, bench.dev, 0, 0, *mine, LEN, flags));
	return bar;
}

static void an_adopted_mapping_that_may_be_replaced_goes_too(void **state)
{
	struct vfiosafe_bar *adopted;
	struct holder holder = { 0 };
	void *mine;

	(void)state;
	adopted = adopt(&mine, vfiosafe_device_fd(bench.dev), VFIOSAFE_BAR_REPLACE);
	hold(&holder, &bench.view);
	close_over("no longer holds the device.");
	assert_true(kernel_has_it());
	assert_int_equal(*reg(adopted, 0), UINT32_MAX);
	release(&holder);
	bench_close();
	/* Its maker's still, and private memory. */
	assert_int_equal(*(volatile uint32_t *)mine, UINT32_MAX);
	assert_ok(vsf_sys(&bench.k.sys, munmap, mine, LEN));
}

static void an_adopted_mapping_that_may_not_is_its_makers_business(void **state)
{
	struct holder holder = { 0 };
	void *mine;

	(void)state;
	(void)adopt(&mine, vfiosafe_device_fd(bench.dev), 0);
	hold(&holder, &bench.view);
	close_over("its maker must unmap it");
	assert_false(kernel_has_it());
	assert_int_equal(*(volatile uint32_t *)mine, 0);
	assert_int_equal(*reg(bench.bar, 0), UINT32_MAX);
	assert_ok(vsf_sys(&bench.k.sys, munmap, mine, LEN));
	assert_true(kernel_has_it());
	release(&holder);
	bench_close();
}

/* Whether at the first mapping of ones or the last. */
static void without_memory_for_ones_zeroes_do(void **state)
{
	(void)state;
	for (unsigned int nth = 0; nth < 16; nth += 15) {
		struct holder holder = { 0 };

		hold(&holder, &bench.view);
		fake_fail_later(&bench.k, FAKE_MMAP, 1, ENOMEM, nth, 1);
		close_over("no longer holds the device");
		assert_true(kernel_has_it());
		assert_int_equal(*reg(bench.bar, LEN - 4), 0);
		*reg(bench.bar, 0) = 1;
		assert_int_equal(in_device(0), 0);
		assert_int_equal(release(&holder), -ENODEV);
		bench_close();
		bench_open();
	}
}

/* A copy by the kernel fails where a load would kill. */
static bool is_readable(const volatile void *at)
{
	return pwrite(bench.fn->memfd, (const void *)(uintptr_t)at, 1, 0) == 1;
}

static void without_any_memory_the_range_stays_reserved(void **state)
{
	unsigned char vec[LEN / FAKE_PAGE];
	struct holder holder = { 0 };

	(void)state;
	hold(&holder, &bench.view);
	fake_fail(&bench.k, FAKE_MMAP, FAKE_ANY, ENOMEM, 2);
	close_over("no longer holds the device");
	assert_true(kernel_has_it());
	assert_false(is_readable(reg(bench.bar, 0)));
	assert_ok(mincore((void *)(uintptr_t)reg(bench.bar, 0), LEN, vec));
	release(&holder);
	bench_close();
}

/* Then, and only then, the device stays; the next close tries again. */
static void back_next_time(enum fake_call call, unsigned int times)
{
	struct holder holder = { 0 };

	hold(&holder, &bench.view);
	fake_fail(&bench.k, call, FAKE_ANY, ENOMEM, times);
	close_over("nor could the device be given back");
	assert_false(kernel_has_it());
	close_over("no longer holds the device");
	assert_true(kernel_has_it());
	release(&holder);
	bench_close();
}

static void what_could_not_be_replaced_is_replaced_next_time(void **state)
{
	(void)state;
	back_next_time(FAKE_MMAP, 3);
	bench_open();
	back_next_time(DUP_ONTO, 1);
}

static struct vfiosafe_bar *late;
static struct runner closer;
static int late_unmap_rc;

static int close_now(void)
{
	return vfiosafe_device_close(bench.dev, 0);
}

/*
 * Closes while a mapping of the device is being made: the kernel knows the file
 * already, and waits for a lock of its own, say. The close must not get past it.
 */
static void close_beside_mmap(struct fake *fake, enum fake_call call, uint64_t key)
{
	if (call != FAKE_MMAP || key != 1)
		return;
	fake->hook = NULL;
	run_beside(&closer, close_now);
	until(vfiosafe_device_state(bench.dev) == VFIOSAFE_GONE);
	for (int i = 0; i < 1000 && times_called(DUP_ONTO) == 0; i++)
		sched_yield();
}

static void a_bar_that_is_being_mapped_is_replaced_too(void **state)
{
	struct holder holder = { 0 };

	(void)state;
	hold(&holder, &bench.view);
	bench.k.hook = close_beside_mmap;
	late = bench_map(0, 0, 0, 0);
	assert_int_equal(run_ended(&closer), -EBUSY);
	assert_true(kernel_has_it());
	assert_int_equal(*reg(late, 0), UINT32_MAX);
	assert_int_equal(vfiosafe_bar_map(&late, bench.dev, 0, 0, 0, 0), -ENODEV);
	release(&holder);
	bench_close();
}

/* A window that was forced maps the BAR back at its end. */
static void a_bar_that_is_being_mapped_back_is_replaced_too(void **state)
{
	const struct vfiosafe_reset_opts force = { .size = sizeof(force),
						   .timeout_ms = 100,
						   .policy = VFIOSAFE_POLICY_FORCE };
	struct holder holder = { 0 };
	struct vfiosafe_window *win;

	(void)state;
	hold(&holder, &bench.view);
	assert_ok(vfiosafe_window_begin(&win, bench.dev, &force));
	fake_advance_ms(&bench.k, 100);
	assert_int_equal(vfiosafe_window_poll(win), VFIOSAFE_STEP_COMMIT);
	assert_ok(vfiosafe_window_commit(win));
	assert_int_equal(release(&holder), -EAGAIN);
	assert_int_equal(vfiosafe_window_poll(win), VFIOSAFE_STEP_FINISH);
	bench.k.hook = close_beside_mmap;
	assert_int_equal(vfiosafe_window_finish(win), -ENODEV);
	vfiosafe_window_end(win);
	/* It may have seen the end of the window already. */
	if (run_ended(&closer) == 0)
		bench.dev = NULL;
	assert_true(kernel_has_it());
	if (bench.dev)
		bench_close();
}

static int unmap_late(void)
{
	late_unmap_rc = vfiosafe_bar_unmap(late, 0);
	return 0;
}

static void a_bar_that_was_replaced_is_unmapped_as_ever(void **state)
{
	struct holder holder = { 0 };

	(void)state;
	late = bench_map(0, 0, 0, 0);
	hold(&holder, &bench.view);
	close_over("section");
	on_another_thread(unmap_late);
	assert_int_equal(late_unmap_rc, -EBUSY);
	release(&holder);
	assert_ok(vfiosafe_bar_unmap(late, 0));
	bench_close();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, driver_setup, bench_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_adopted_mapping_that_may_be_replaced_goes_too),
		TEST(an_adopted_mapping_that_may_not_is_its_makers_business),
		TEST(without_memory_for_ones_zeroes_do),
		TEST(without_any_memory_the_range_stays_reserved),
		TEST(what_could_not_be_replaced_is_replaced_next_time),
		TEST(a_bar_that_is_being_mapped_is_replaced_too),
		TEST(a_bar_that_is_being_mapped_back_is_replaced_too),
		TEST(a_bar_that_was_replaced_is_unmapped_as_ever),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

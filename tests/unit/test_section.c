/* SPDX-License-Identifier: MIT */
/* Sections: nesting, misuse, what is refused inside, and the order of errors. */
#include "section.h"
#include "unit_driver.h"
#include "unit_thread.h"

static volatile uint32_t *registers(void)
{
	return (volatile uint32_t *)vfiosafe_bar_address(bench.bar);
}

static void plain_accesses_between_begin_and_end_are_good(void **state)
{
	struct vfiosafe_section sec;
	volatile uint32_t *regs;

	(void)state;
	assert_ok(vfiosafe_begin(&bench.view, &sec));
	regs = vfiosafe_ptr(&sec);
	assert_ptr_equal(regs, registers());
	regs[3] = 77;
	assert_ok(vfiosafe_check(&sec));
	assert_int_equal(*(uint32_t *)(fake_bar(bench.fn, 0) + 12), 77);
	assert_ok(vfiosafe_end(&sec));
}

static void sections_nest_to_the_limit(void **state)
{
	struct vfiosafe_section sec[VFIOSAFE_SECTION_DEPTH], one_more;

	(void)state;
	for (int i = 0; i < VFIOSAFE_SECTION_DEPTH; i++)
		assert_ok(vfiosafe_begin(&bench.view, &sec[i]));
	assert_refused(vfiosafe_begin(&bench.view, &one_more), E2BIG, "nested");
	/* A section that was not opened cannot be ended. */
	assert_int_equal(vfiosafe_end(&one_more), -EINVAL);
	/* There is always room for a single access. */
	assert_ok(vfiosafe_write32(&bench.view, 0, 5));
	for (int i = VFIOSAFE_SECTION_DEPTH; i-- > 0;)
		assert_ok(vfiosafe_end(&sec[i]));
	assert_ok(vfiosafe_reset(bench.dev, NULL));
}

static void sections_may_end_out_of_order(void **state)
{
	static const int orders[][3] = {
		{ 0, 1, 2 }, { 0, 2, 1 }, { 1, 0, 2 },
		{ 1, 2, 0 }, { 2, 0, 1 }, { 2, 1, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++) {
		struct vfiosafe_section sec[3];

		for (int k = 0; k < 3; k++)
			assert_ok(vfiosafe_begin(&bench.view, &sec[k]));
		for (int k = 0; k < 3; k++) {
			assert_int_equal(vfiosafe_reset(bench.dev, NULL), -EDEADLK);
			assert_ok(vfiosafe_end(&sec[orders[i][k]]));
		}
		/* All have ended: the thread is in no section any more. */
		assert_int_equal(vsf_depth(), 0);
		assert_ok(vfiosafe_reset(bench.dev, NULL));
		assert_ok(vfiosafe_bar_view(bench.bar, &bench.view));
	}
}

static void a_section_ends_once(void **state)
{
	struct vfiosafe_section outer, sec;

	(void)state;
	assert_ok(vfiosafe_begin(&bench.view, &outer));
	assert_ok(vfiosafe_begin(&bench.view, &sec));
	assert_ok(vfiosafe_end(&sec));
	assert_refused(vfiosafe_end(&sec), EINVAL, "not open on this thread");
	assert_ok(vfiosafe_end(&outer));
	assert_refused(vfiosafe_end(&outer), EINVAL, "not open on this thread");
}

static struct vfiosafe_section shared_section;

static int end_it(void)
{
	return vfiosafe_end(&shared_section);
}

static int check_slowly(void)
{
	return vfiosafe_check_slow(&shared_section);
}

static void a_section_ends_on_its_thread(void **state)
{
	(void)state;
	assert_ok(vfiosafe_begin(&bench.view, &shared_section));
	assert_int_equal(on_another_thread(end_it), -EINVAL);
	assert_int_equal(on_another_thread(check_slowly), -EINVAL);
	assert_ok(vfiosafe_end(&shared_section));
}

static void what_waits_for_sections_is_refused_inside_one(void **state)
{
	struct vfiosafe_device *dev = bench.dev, *other = NULL;
	struct vfiosafe_window *win = NULL;
	struct vfiosafe_bar *bar = NULL;
	struct vfiosafe_section sec;

	(void)state;
	assert_ok(vfiosafe_begin(&bench.view, &sec));
	assert_refused(vfiosafe_reset(dev, NULL), EDEADLK, "inside a section");
	assert_refused(vfiosafe_recover(dev, NULL), EDEADLK, "vfiosafe_recover");
	assert_refused(vfiosafe_wait(dev, 0), EDEADLK, "vfiosafe_wait");
	assert_refused(vfiosafe_device_close(dev, 0), EDEADLK, "vfiosafe_device_close");
	assert_refused(vfiosafe_bar_map(&bar, dev, 0, 0, 0, 0), EDEADLK,
		       "vfiosafe_bar_map");
	assert_refused(vfiosafe_bar_unmap(bench.bar, 0), EDEADLK, "vfiosafe_bar_unmap");
	assert_refused(vfiosafe_window_begin(&win, dev, NULL), EDEADLK,
		       "inside a section");
	assert_refused(vfiosafe_window_pass(dev, true), EDEADLK, "vfiosafe_window_pass");
	assert_refused(vfiosafe_device_open(&other, SIBLING, &bench.opts), EDEADLK,
		       "vfiosafe_device_open");
	assert_refused(vfiosafe_device_from_fd(&other, 0, &bench.opts), EDEADLK,
		       "vfiosafe_device_from_fd");
	assert_state(LIVE);
	assert_ok(vfiosafe_end(&sec));
	assert_ok(vfiosafe_wait(dev, 0));
}

static void the_steps_of_a_window_are_refused_inside_a_section(void **state)
{
	struct vfiosafe_device *other = NULL;
	struct vfiosafe_bar *bar = NULL;
	struct vfiosafe_window *win = NULL;
	struct vfiosafe_section sec;
	struct vfiosafe_view view;

	(void)state;
	fake_add(&bench.k, SIBLING, 8, 4);
	assert_ok(vfiosafe_device_open(&other, SIBLING, &bench.opts));
	assert_ok(vfiosafe_bar_map(&bar, other, 0, 0, 0, 0));
	assert_ok(vfiosafe_bar_view(bar, &view));
	assert_ok(vfiosafe_window_begin(&win, bench.dev, NULL));
	/* A section of the other device is a section too. */
	assert_ok(vfiosafe_begin(&view, &sec));
	assert_refused(vfiosafe_window_poll(win), EDEADLK, "vfiosafe_window_poll");
	assert_refused(vfiosafe_window_commit(win), EDEADLK, "vfiosafe_window_commit");
	assert_refused(vfiosafe_window_finish(win), EDEADLK, "vfiosafe_window_finish");
	assert_ok(vfiosafe_end(&sec));
	vfiosafe_window_end(win);
	assert_ok(vfiosafe_device_close(other, 0));
}

static void a_section_open_when_a_window_is_announced_ends_well(void **state)
{
	struct vfiosafe_window *win = NULL;
	struct holder holder = { 0 };
	uint32_t value;

	(void)state;
	hold(&holder, &bench.view);
	assert_ok(vfiosafe_window_begin(&win, bench.dev, NULL));
	assert_state(QUIESCE);
	assert_int_equal(vfiosafe_window_poll(win), -EAGAIN);
	assert_refused(vfiosafe_read32(&bench.view, 0, &value), EAGAIN, "window",
		       "vfiosafe_wait()");
	assert_int_equal(vfiosafe_window_poll(win), -EAGAIN);
	assert_ok(release(&holder));
	assert_int_equal(vfiosafe_window_poll(win), VFIOSAFE_STEP_COMMIT);
	vfiosafe_window_end(win);
	assert_ok(vfiosafe_read32(&bench.view, 0, &value));
}

static struct vfiosafe_window *the_window;

static int announce(void)
{
	return vfiosafe_window_begin(&the_window, bench.dev, NULL);
}

static int mark(void)
{
	return vfiosafe_mark_lost(bench.dev, "the test says so");
}

static void check_says_that_a_window_waits(void **state)
{
	struct vfiosafe_section sec, nested;

	(void)state;
	assert_ok(vfiosafe_begin(&bench.view, &sec));
	assert_ok(on_another_thread(announce));
	assert_refused(vfiosafe_check(&sec), EAGAIN, "window");
	assert_int_equal(vfiosafe_begin(&bench.view, &nested), -EAGAIN);
	assert_ok(vfiosafe_end(&sec));
	vfiosafe_window_end(the_window);
}

/* What such a section read may be from before the loss or after it. */
static void a_loss_told_in_a_window_spoils_the_section_it_waits_for(void **state)
{
	struct vfiosafe_section sec;

	(void)state;
	assert_ok(vfiosafe_begin(&bench.view, &sec));
	assert_ok(on_another_thread(announce));
	assert_ok(on_another_thread(mark));
	assert_true(vfiosafe_end(&sec) < 0);
	vfiosafe_window_end(the_window);
	assert_state(FAULT);
}

static void a_loss_spoils_open_sections(void **state)
{
	struct vfiosafe_section sec;

	(void)state;
	assert_ok(vfiosafe_begin(&bench.view, &sec));
	assert_ok(on_another_thread(mark));
	assert_refused(vfiosafe_check(&sec), EIO, "FAULT", "vfiosafe_recover()");
	assert_refused(vfiosafe_end(&sec), EIO, "FAULT");
}

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

#define TEST(name) cmocka_unit_test_setup_teardown(name, bench_setup_open, bench_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(plain_accesses_between_begin_and_end_are_good),
		TEST(sections_nest_to_the_limit),
		TEST(sections_may_end_out_of_order),
		TEST(a_section_ends_once),
		TEST(a_section_ends_on_its_thread),
		TEST(what_waits_for_sections_is_refused_inside_one),
		TEST(the_steps_of_a_window_are_refused_inside_a_section),
		TEST(a_section_open_when_a_window_is_announced_ends_well),
		TEST(check_says_that_a_window_waits),
		TEST(a_loss_told_in_a_window_spoils_the_section_it_waits_for),
		TEST(a_loss_spoils_open_sections),
		FENCED(plain_accesses_between_begin_and_end_are_good),
		FENCED(sections_nest_to_the_limit),
		FENCED(sections_may_end_out_of_order),
		FENCED(a_section_ends_once),
		FENCED(a_section_ends_on_its_thread),
		FENCED(what_waits_for_sections_is_refused_inside_one),
		FENCED(a_section_open_when_a_window_is_announced_ends_well),
		FENCED(check_says_that_a_window_waits),
		FENCED(a_loss_spoils_open_sections),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

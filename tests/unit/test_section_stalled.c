/* SPDX-License-Identifier: MIT */
/*
 * What happens while one single access is under way: a page of the BAR is taken
 * away under it by userfaultfd, so that the load or store really waits in the middle.
 */
#include <fcntl.h>
#include <linux/membarrier.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "unit.h"
#include "unit_thread.h"

#define STALLED 0x1000u /* offset of the page that is taken away */

static int uffd;

static void take_page_away(void)
{
	struct uffdio_api api = { .api = UFFD_API };
	uint8_t *page = (uint8_t *)(uintptr_t)vfiosafe_bar_address(bench.bar) + STALLED;
	struct uffdio_register reg = {
		.range = { (uintptr_t)page, FAKE_PAGE },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};

	/* The fast path it must be, not what is done for unmapped BARs. */
	assert_true(bench.view.len > STALLED);
	uffd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY);
	assert_true(uffd >= 0);
	assert_int_equal(ioctl(uffd, UFFDIO_API, &api), 0);
	assert_int_equal(ioctl(uffd, UFFDIO_REGISTER, &reg), 0);
	assert_int_equal(madvise(page, FAKE_PAGE, MADV_REMOVE), 0);
}

/* Returns when the access of the other thread stands in its page fault. */
static void await_stall(void)
{
	struct uffd_msg msg;

	assert_int_equal(read(uffd, &msg, sizeof(msg)), sizeof(msg));
	assert_int_equal(msg.event, UFFD_EVENT_PAGEFAULT);
}

static void give_page_back(void)
{
	struct uffdio_zeropage zero = {
		.range = { (uintptr_t)vfiosafe_bar_address(bench.bar) + STALLED, FAKE_PAGE },
	};

	assert_int_equal(ioctl(uffd, UFFDIO_ZEROPAGE, &zero), 0);
	close(uffd);
}

/* A thread's first access makes its record, on the slow path: not this one. */
static int first_access(void)
{
	uint32_t value;

	return vfiosafe_read32(&bench.view, 0, &value);
}

static int read_there(void)
{
	uint32_t value = 0xdead;
	int rc = first_access();

	if (rc == 0)
		rc = vfiosafe_read32(&bench.view, STALLED, &value);
	return rc == 0 && value != 0 ? 1 : rc;
}

static int write_there(void)
{
	return first_access() ?: vfiosafe_write32(&bench.view, STALLED, 1);
}

static void stall_and_mark(int (*access)(void))
{
	struct runner runner;

	take_page_away();
	run_beside(&runner, access);
	await_stall();
	assert_ok(vfiosafe_mark_lost(bench.dev, "while it stood there"));
	give_page_back();
	assert_int_equal(run_ended(&runner), -EIO);
}

static void a_read_in_which_the_device_is_lost_delivers_nothing(void **state)
{
	(void)state;
	stall_and_mark(read_there);
}

static void a_write_in_which_the_device_is_lost_says_so(void **state)
{
	(void)state;
	stall_and_mark(write_there);
}

static void stall_and_reset(int (*access)(void))
{
	struct vfiosafe_reset_opts soon = { .size = sizeof(soon), .timeout_ms = 20 };
	struct runner runner;

	bench.k.real_clock = true;
	take_page_away();
	run_beside(&runner, access);
	await_stall();
	assert_refused(vfiosafe_reset(bench.dev, &soon), ETIMEDOUT, "thread", "section");
	assert_int_equal(bench.fn->resets, 0);
	assert_generation(1);
	give_page_back();
	assert_ok(run_ended(&runner));
}

static void no_reset_starts_while_a_single_read_is_under_way(void **state)
{
	(void)state;
	stall_and_reset(read_there);
}

static void no_reset_starts_while_a_single_write_is_under_way(void **state)
{
	(void)state;
	stall_and_reset(write_there);
}

/* The barrier is of use only between the change of the word and the look at slots. */
static unsigned int barriers_in_quiesce;

static void note_barrier(struct fake *fake, enum fake_call call, uint64_t key)
{
	(void)fake;
	if (call == FAKE_MEMBARRIER && key == MEMBARRIER_CMD_PRIVATE_EXPEDITED &&
	    vfiosafe_device_state(bench.dev) == VFIOSAFE_QUIESCE)
		barriers_in_quiesce++;
}

static void a_window_begins_with_the_word_then_the_barrier(void **state)
{
	struct vfiosafe_window *win;

	(void)state;
	barriers_in_quiesce = 0;
	bench.k.hook = note_barrier;
	assert_ok(vfiosafe_window_begin(&win, bench.dev, NULL));
	assert_int_equal(barriers_in_quiesce, 1);
	vfiosafe_window_end(win);
	bench.k.hook = NULL;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, bench_setup_open, bench_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_read_in_which_the_device_is_lost_delivers_nothing),
		TEST(a_write_in_which_the_device_is_lost_says_so),
		TEST(no_reset_starts_while_a_single_read_is_under_way),
		TEST(no_reset_starts_while_a_single_write_is_under_way),
		TEST(a_window_begins_with_the_word_then_the_barrier),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

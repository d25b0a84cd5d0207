/* SPDX-License-Identifier: MIT */
/* A buffer by itself: what may be exported, who owns what, how it ends. */
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "sys.h"
#include "unit_driver.h"

#define PAGE ((uint64_t)FAKE_PAGE)

static struct vfiosafe_dmabuf *buf;

static int export(uint64_t offset, uint64_t len)
{
	const struct vfiosafe_area range = { offset, len };

	return vfiosafe_dmabuf_export(&buf, bench.bar, &range, 1, 0);
}

static const struct fake_dmabuf *of_fd(int fd)
{
	return bench.k.fd[fd - FAKE_FD0]->buf;
}

static void ranges_become_a_dmabuf(void **state)
{
	const struct vfiosafe_area ranges[] = { { 4 * PAGE, PAGE }, { 0, 2 * PAGE } };
	const struct fake_dmabuf *made;
	uint64_t generation = 0;

	(void)state;
	assert_ok(vfiosafe_dmabuf_export(&buf, bench.bar, ranges, 2, 0));
	assert_int_equal(vfiosafe_dmabuf_len(buf), 3 * PAGE);
	assert_int_equal(vfiosafe_dmabuf_state(buf, &generation), VFIOSAFE_DMABUF_OK);
	assert_int_equal(generation, 1);
	made = of_fd(vfiosafe_dmabuf_fd(buf));
	assert_int_equal(made->open_flags, O_RDWR | O_CLOEXEC);
	assert_int_equal(made->count, 2);
	assert_int_equal(made->range[0].start, 4 * PAGE);
	assert_int_equal(made->range[1].start, 0);
	assert_int_equal(made->range[1].last, 2 * PAGE);
}

static void ranges_count_from_the_bar_object(void **state)
{
	struct vfiosafe_bar *upper = bench_map(0, 8 * PAGE, 4 * PAGE, 0);
	const struct vfiosafe_area range = { PAGE, 3 * PAGE };

	(void)state;
	assert_ok(vfiosafe_dmabuf_export(&buf, upper, &range, 1, 0));
	assert_int_equal(of_fd(vfiosafe_dmabuf_fd(buf))->range[0].start, 9 * PAGE);
	/* What is exported is the BAR, not the mapping. */
	assert_ok(vfiosafe_bar_unmap(upper, 100));
	assert_ok(vfiosafe_reset(bench.dev, NULL));
	assert_int_equal(vfiosafe_dmabuf_state(buf, NULL), VFIOSAFE_DMABUF_OK);
}

static void a_device_lists_its_buffers(void **state)
{
	struct vfiosafe_dmabuf *list[3] = { NULL }, *first, *second;

	(void)state;
	assert_int_equal(vfiosafe_dmabuf_list(bench.dev, NULL, 0), 0);
	assert_ok(export(0, PAGE));
	first = buf;
	assert_ok(export(PAGE, PAGE));
	second = buf;
	assert_int_equal(vfiosafe_dmabuf_list(bench.dev, list, 3), 2);
	assert_ptr_equal(list[0], first);
	assert_ptr_equal(list[1], second);
	assert_ptr_equal(list[2], NULL);
	assert_int_equal(vfiosafe_dmabuf_list(bench.dev, list, 1), 2);
	assert_ok(vfiosafe_dmabuf_free(first));
	assert_int_equal(vfiosafe_dmabuf_list(bench.dev, list, 3), 1);
	assert_ptr_equal(list[0], second);
}

static void free_closes_the_fd_and_no_copy_of_it(void **state)
{
	unsigned int fds = fake_open_fds(&bench.k);
	int fd, copy;

	(void)state;
	assert_ok(export(0, PAGE));
	fd = vfiosafe_dmabuf_fd(buf);
	copy = vsf_sys(&bench.k.sys, dup, fd);
	assert_ok(vfiosafe_dmabuf_free(buf));
	assert_null(bench.k.fd[fd - FAKE_FD0]);
	assert_true(of_fd(copy)->used);
	assert_false(of_fd(copy)->revoked);
	assert_ok(vsf_sys(&bench.k.sys, close, copy));
	assert_int_equal(fake_open_fds(&bench.k), fds);
	assert_ok(vfiosafe_dmabuf_free(NULL));
}

static void a_window_revokes_and_the_fd_stays(void **state)
{
	uint64_t generation;
	int fd;

	(void)state;
	assert_ok(export(0, PAGE));
	fd = vfiosafe_dmabuf_fd(buf);
	assert_ok(vfiosafe_reset(bench.dev, NULL));
	assert_int_equal(vfiosafe_dmabuf_state(buf, &generation), VFIOSAFE_DMABUF_OK);
	assert_int_equal(generation, 2);
	assert_int_equal(vfiosafe_dmabuf_fd(buf), fd);
	assert_false(of_fd(fd)->revoked);
	assert_ok(vfiosafe_set_power(bench.dev, VFIOSAFE_D3HOT, NULL));
	assert_int_equal(vfiosafe_dmabuf_state(buf, NULL), VFIOSAFE_DMABUF_REVOKED);
	assert_true(of_fd(fd)->revoked);
	assert_ok(vfiosafe_set_power(bench.dev, VFIOSAFE_D0, NULL));
	assert_int_equal(vfiosafe_dmabuf_state(buf, &generation), VFIOSAFE_DMABUF_OK);
	assert_int_equal(generation, 2);
	assert_false(of_fd(fd)->revoked);
}

static void what_could_not_come_back_stays_revoked(void **state)
{
	(void)state;
	assert_ok(export(0, PAGE));
	driver.rc[REINIT] = -EIO;
	driver.times[REINIT] = 1;
	assert_int_equal(vfiosafe_reset(bench.dev, NULL), -EIO);
	assert_int_equal(vfiosafe_dmabuf_state(buf, NULL), VFIOSAFE_DMABUF_REVOKED);
	assert_ok(vfiosafe_recover(bench.dev, NULL));
	assert_int_equal(vfiosafe_dmabuf_state(buf, NULL), VFIOSAFE_DMABUF_OK);
}

static void revoke_says_who_may_still_have_it(void **state)
{
	struct vfiosafe_dmabuf *kept, *given;

	(void)state;
	assert_ok(export(0, PAGE));
	kept = buf;
	assert_ok(export(PAGE, PAGE));
	given = buf;
	(void)vfiosafe_dmabuf_fd(given);
	assert_int_equal(vfiosafe_dmabuf_revoke(kept), VFIOSAFE_REVOKED_FOR_ALL);
	assert_int_equal(vfiosafe_dmabuf_revoke(given), VFIOSAFE_REVOKED_OURS);
	assert_int_equal(vfiosafe_dmabuf_revoke(given), VFIOSAFE_REVOKED_OURS);
	assert_int_equal(vfiosafe_dmabuf_state(given, NULL), VFIOSAFE_DMABUF_DEAD);
	assert_refused(vfiosafe_dmabuf_fd(given), ESTALE, "revoked");
	/* No window brings it back. */
	assert_ok(vfiosafe_reset(bench.dev, NULL));
	assert_int_equal(vfiosafe_dmabuf_state(given, NULL), VFIOSAFE_DMABUF_DEAD);
	assert_ok(vfiosafe_dmabuf_free(given));
	assert_ok(vfiosafe_dmabuf_free(kept));
}

static void revoke_waits_for_no_window(void **state)
{
	struct vfiosafe_window *win;

	(void)state;
	assert_ok(export(0, PAGE));
	win = window_begin(1000);
	assert_refused(vfiosafe_dmabuf_revoke(buf), EAGAIN, "window");
	assert_refused(vfiosafe_dmabuf_free(buf), EAGAIN, "window");
	vfiosafe_window_end(win);
	assert_ok(vfiosafe_mark_lost(bench.dev, "for the test"));
	assert_int_equal(vfiosafe_dmabuf_revoke(buf), VFIOSAFE_REVOKED_FOR_ALL);
}

static void a_closed_device_has_dead_buffers(void **state)
{
	struct vfiosafe_section sec;
	void *at;

	(void)state;
	assert_ok(export(0, PAGE));
	assert_ok(vfiosafe_begin(&bench.view, &sec));
	assert_int_equal(vfiosafe_device_close(bench.dev, 10), -EDEADLK);
	assert_ok(vfiosafe_end(&sec));
	fake_fail(&bench.k, FAKE_MEMBARRIER, FAKE_ANY, EPERM, 2);
	assert_int_equal(vfiosafe_device_close(bench.dev, 10), -EBUSY);
	assert_int_equal(vfiosafe_dmabuf_state(buf, NULL), VFIOSAFE_DMABUF_DEAD);
	assert_refused(vfiosafe_dmabuf_fd(buf), ENODEV, "");
	assert_refused(vfiosafe_dmabuf_free(buf), ENODEV, "");
	assert_refused(vfiosafe_dmabuf_revoke(buf), ENODEV, "");
	assert_refused(vfiosafe_dmabuf_mmap(buf, 0, PAGE, &at), ENODEV, "");
	assert_refused(export(0, PAGE), ENODEV, "");
}

static void mmap_is_tried(void **state)
{
	void *at = NULL;

	(void)state;
	assert_ok(export(PAGE, 2 * PAGE));
	assert_refused(vfiosafe_dmabuf_mmap(buf, 0, PAGE, &at), EOPNOTSUPP,
		       "vfiosafe_bar_map()");
	assert_refused(vfiosafe_dmabuf_mmap(buf, 1, PAGE, &at), EINVAL, "whole pages");
	assert_refused(vfiosafe_dmabuf_mmap(buf, 0, 0, &at), EINVAL, "whole pages");
	assert_refused(vfiosafe_dmabuf_mmap(buf, PAGE, 2 * PAGE, &at), ERANGE, "beyond");
	assert_ptr_equal(at, NULL);
	bench.k.dmabuf_mmap = true;
	fake_bar(bench.fn, 0)[2 * PAGE] = 0x5a;
	assert_ok(vfiosafe_dmabuf_mmap(buf, PAGE, PAGE, &at));
	assert_int_equal(*(uint8_t *)at, 0x5a);
	assert_ok(vsf_sys(&bench.k.sys, munmap, at, PAGE));
	fake_fail(&bench.k, FAKE_MMAP, FAKE_ANY, EPROTO, 1);
	assert_refused(vfiosafe_dmabuf_mmap(buf, PAGE, PAGE, &at), EPROTO, "Protocol");
	fake_fail(&bench.k, FAKE_MADVISE, FAKE_ANY, EPROTO, 1);
	assert_refused(vfiosafe_dmabuf_mmap(buf, PAGE, PAGE, &at), EPROTO, "DONTFORK");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, driver_setup, bench_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(ranges_become_a_dmabuf),
		TEST(ranges_count_from_the_bar_object),
		TEST(a_device_lists_its_buffers),
		TEST(free_closes_the_fd_and_no_copy_of_it),
		TEST(a_window_revokes_and_the_fd_stays),
		TEST(what_could_not_come_back_stays_revoked),
		TEST(revoke_says_who_may_still_have_it),
		TEST(revoke_waits_for_no_window),
		TEST(a_closed_device_has_dead_buffers),
		TEST(mmap_is_tried),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

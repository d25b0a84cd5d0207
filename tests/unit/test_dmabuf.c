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

static void shapes_are_refused(void **state)
{
	struct vfiosafe_area many[VFIOSAFE_DMABUF_RANGES + 1] = { { 0, PAGE } };
	const struct vfiosafe_area twice[] = { { 0, 2 * PAGE }, { 4 * PAGE, PAGE },
					       { PAGE, PAGE } };

	(void)state;
	assert_refused(export(0, 0), EINVAL, "range 0 is empty");
	assert_refused(export(100, PAGE), EINVAL, "0x64", "whole pages");
	assert_refused(export(0, PAGE + 1), EINVAL, "0x1001", "whole pages");
	assert_refused(export(0x10000, PAGE), ERANGE, "beyond the BAR object", "0x10000");
	assert_refused(export(0xf000, 2 * PAGE), ERANGE, "beyond");
	assert_refused(export(PAGE, UINT64_MAX - PAGE + 1), ERANGE, "beyond");
	assert_refused(vfiosafe_dmabuf_export(&buf, bench.bar, twice, 3, 0), EINVAL,
		       "ranges 0 and 2 overlap");
	assert_refused(vfiosafe_dmabuf_export(&buf, bench.bar, many, 0, 0), EINVAL,
		       "0 ranges", "1 to 64");
	assert_refused(vfiosafe_dmabuf_export(&buf, bench.bar, many, 65, 0), EINVAL,
		       "65 ranges");
	assert_refused(vfiosafe_dmabuf_export(&buf, bench.bar, many, 1, 2), EINVAL,
		       "unknown flags 0x2");
	assert_log("");
}

static void the_most_ranges_are_taken(void **state)
{
	struct vfiosafe_area many[VFIOSAFE_DMABUF_RANGES];
	struct vfiosafe_bar *big;

	(void)state;
	bench_close();
	bench.fn->bar[0].len = 0x80000;
	bench_open();
	big = bench.bar;
	for (int i = 0; i < VFIOSAFE_DMABUF_RANGES; i++)
		many[i] = (struct vfiosafe_area){ 2 * (uint64_t)i * PAGE, PAGE };
	assert_ok(vfiosafe_dmabuf_export(&buf, big, many, VFIOSAFE_DMABUF_RANGES, 0));
	assert_int_equal(vfiosafe_dmabuf_len(buf), VFIOSAFE_DMABUF_RANGES * PAGE);
}

static void bars_that_are_no_memory_are_refused(void **state)
{
	struct vfiosafe_bar *small, *ports;
	const struct vfiosafe_area page = { 0, PAGE };

	(void)state;
	bench_close();
	bench.fn->bar[4].len = 2 * PAGE;
	bench.fn->config[0x20] = 1; /* BAR 4 is ports, says its register */
	bench_open();
	small = bench_map(2, 0, 0, 0);
	ports = bench_map(4, 0, 0, VFIOSAFE_BAR_NO_MMAP);
	assert_refused(vfiosafe_dmabuf_export(&buf, small, &page, 1, 0), EOPNOTSUPP,
		       "BAR 2", "smaller than a page");
	assert_refused(vfiosafe_dmabuf_export(&buf, ports, &page, 1, 0), EOPNOTSUPP,
		       "BAR 4", "I/O ports");
}

static void what_cannot_be_mapped_cannot_be_exported(void **state)
{
	(void)state;
	bench_close();
	bench.fn->bar[0].area_count = 2;
	bench.fn->bar[0].area[0].len = 2 * PAGE;
	bench.fn->bar[0].area[1].offset = 4 * PAGE;
	bench.fn->bar[0].area[1].len = 4 * PAGE;
	bench_open();
	assert_refused(export(0, 3 * PAGE), EOPNOTSUPP, "cannot be mapped",
		       "vfiosafe_region_info()");
	assert_refused(export(2 * PAGE, PAGE), EOPNOTSUPP, "cannot be mapped");
	assert_ok(export(5 * PAGE, 3 * PAGE));
}

static void the_msix_table_has_to_be_asked_for(void **state)
{
	const struct vfiosafe_area over = { PAGE, 2 * PAGE };

	(void)state;
	bench_close();
	bench.fn->bar[0].msix_mappable = true;
	bench.fn->config[FAKE_CAP_MSIX + 4] = 0; /* BAR 0, at 0x2000 */
	bench.fn->config[FAKE_CAP_MSIX + 5] = 0x20;
	bench_open();
	assert_refused(vfiosafe_dmabuf_export(&buf, bench.bar, &over, 1, 0), EINVAL,
		       "MSI-X table", "0x2000", "VFIOSAFE_DMABUF_MSIX");
	assert_ok(export(0, 2 * PAGE));
	assert_ok(export(3 * PAGE, PAGE));
	assert_ok(vfiosafe_dmabuf_export(&buf, bench.bar, &over, 1, VFIOSAFE_DMABUF_MSIX));
}

static void refusals_of_the_kernel_are_put_into_words(void **state)
{
	static const struct {
		int kernel, ours;
		const char *word;
	} cases[] = {
		{ ENOTTY, EOPNOTSUPP, "Linux 6.19" },
		{ EOPNOTSUPP, EOPNOTSUPP, "vfio-pci does" },
		{ EINVAL, EOPNOTSUPP, "does not export" },
		{ ENODEV, EBUSY, "another driver owns it" },
		{ EMFILE, EMFILE, "Too many open files" },
		{ ENOMEM, ENOMEM, "memory" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		fake_fail(&bench.k, FAKE_IOCTL, FAKE_ANY, cases[i].kernel, 1);
		assert_refused(export(0, PAGE), cases[i].ours, cases[i].word);
	}
	bench.fn->no_dmabuf = true;
	assert_refused(export(0, PAGE), EOPNOTSUPP, "CONFIG_VFIO_PCI_DMABUF");
}

static void not_in_a_section_nor_a_window(void **state)
{
	struct vfiosafe_window *win;
	struct vfiosafe_section sec;

	(void)state;
	assert_ok(vfiosafe_begin(&bench.view, &sec));
	assert_refused(export(0, PAGE), EDEADLK, "vfiosafe_dmabuf_export", "section");
	assert_ok(vfiosafe_end(&sec));
	win = window_begin(1000);
	assert_refused(export(0, PAGE), EAGAIN, "window");
	vfiosafe_window_end(win);
	assert_ok(vfiosafe_set_decode(bench.dev, false, NULL));
	assert_refused(export(0, PAGE), EAGAIN, "parked");
	assert_ok(vfiosafe_set_decode(bench.dev, true, NULL));
	assert_ok(vfiosafe_mark_lost(bench.dev, "for the test"));
	assert_refused(export(0, PAGE), EIO, "FAULT");
}

static void export_in_a_callback(struct vfiosafe_device *dev, enum callback which)
{
	(void)dev;
	if (which == REINIT)
		assert_refused(export(0, PAGE), EDEADLK, "callback");
}

static void not_in_a_callback(void **state)
{
	(void)state;
	driver.inside = export_in_a_callback;
	assert_ok(vfiosafe_reset(bench.dev, NULL));
	assert_int_equal(driver.count[REINIT], 1);
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
		TEST(shapes_are_refused),
		TEST(the_most_ranges_are_taken),
		TEST(bars_that_are_no_memory_are_refused),
		TEST(what_cannot_be_mapped_cannot_be_exported),
		TEST(the_msix_table_has_to_be_asked_for),
		TEST(refusals_of_the_kernel_are_put_into_words),
		TEST(not_in_a_section_nor_a_window),
		TEST(not_in_a_callback),
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

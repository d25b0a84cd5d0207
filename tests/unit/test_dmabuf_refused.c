/* SPDX-License-Identifier: MIT */
/* What is not exported: ranges, BARs, states; and why not, in words. */
#include "sys.h"
#include "unit_driver.h"

#define PAGE ((uint64_t)FAKE_PAGE)

static struct vfiosafe_dmabuf *buf;

static int export(uint64_t offset, uint64_t len)
{
	const struct vfiosafe_area range = { offset, len };

	return vfiosafe_dmabuf_export(&buf, bench.bar, &range, 1, 0);
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

/* A kernel that lets its page be mapped does not export it either. */
static void a_bar_smaller_than_a_page_is_refused(void **state)
{
	const struct vfiosafe_area whole = { 0, 0x100 }, page = { 0, PAGE };
	struct vfiosafe_region region;
	struct vfiosafe_bar *small;

	(void)state;
	bench_close();
	bench.fn->bar[4] = (struct fake_bar){ .len = 0x100 };
	bench_open();
	assert_ok(vfiosafe_region_info(bench.dev, 4, &region));
	assert_int_equal(region.area_count, 1);
	small = bench_map(4, 0, 0, VFIOSAFE_BAR_NO_MMAP);
	assert_refused(vfiosafe_dmabuf_export(&buf, small, &whole, 1, 0), EOPNOTSUPP,
		       "BAR 4", "smaller than a page");
	assert_refused(vfiosafe_dmabuf_export(&buf, small, &page, 1, 0), EOPNOTSUPP,
		       "BAR 4", "smaller than a page");
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

#define TEST(name) cmocka_unit_test_setup_teardown(name, driver_setup, bench_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(shapes_are_refused),
		TEST(the_most_ranges_are_taken),
		TEST(bars_that_are_no_memory_are_refused),
		TEST(a_bar_smaller_than_a_page_is_refused),
		TEST(what_cannot_be_mapped_cannot_be_exported),
		TEST(the_msix_table_has_to_be_asked_for),
		TEST(refusals_of_the_kernel_are_put_into_words),
		TEST(not_in_a_section_nor_a_window),
		TEST(not_in_a_callback),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

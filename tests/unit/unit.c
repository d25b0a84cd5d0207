/* SPDX-License-Identifier: MIT */
#include "unit.h"

struct bench bench;

int bench_setup(void **state)
{
	memset(&bench, 0, sizeof(bench));
	fake_start(&bench.k);
	bench.fn = &bench.k.fn[0];
	bench.opts.size = sizeof(bench.opts);
	bench.opts.sys = &bench.k.sys;
	*state = &bench;
	return 0;
}

void bench_open(void)
{
	assert_ok(vfiosafe_device_open(&bench.dev, ADDRESS, &bench.opts));
	assert_ok(vfiosafe_bar_map(&bench.bar, bench.dev, 0, 0, 0, 0));
	assert_ok(vfiosafe_bar_view(bench.bar, &bench.view));
	fake_log_clear(&bench.k);
}

void bench_close(void)
{
	assert_ok(vfiosafe_device_close(bench.dev, 1000));
	bench.dev = NULL;
}

struct vfiosafe_bar *bench_map(uint32_t index, uint64_t offset, uint64_t len,
			       uint32_t flags)
{
	struct vfiosafe_bar *bar = NULL;

	assert_ok(vfiosafe_bar_map(&bar, bench.dev, index, offset, len, flags));
	return bar;
}

struct vfiosafe_view bench_view(struct vfiosafe_bar *bar)
{
	struct vfiosafe_view view;

	assert_ok(vfiosafe_bar_view(bar, &view));
	return view;
}

int bench_setup_open(void **state)
{
	bench_setup(state);
	bench_open();
	return 0;
}

int bench_teardown(void **state)
{
	const char *leaks;

	(void)state;
	if (bench.dev && vfiosafe_device_close(bench.dev, 1000) < 0)
		print_error("close: %s\n", vfiosafe_error_text());
	vfiosafe_log_set(NULL, NULL, VFIOSAFE_LOG_ERROR);
	leaks = fake_leaks(&bench.k);
	fake_stop(&bench.k);
	if (leaks)
		print_error("leaked: %s\n", leaks);
	return leaks ? -1 : 0;
}

void bench_refused(const char *file, int line, const char *call, int rc, int err,
		   const char *const *words)
{
	const char *text = vfiosafe_error_text();

	if (rc != -err) {
		print_error("%s returned %d (%s), not %d (%s); the text is: %s\n", call,
			    rc, rc < 0 ? strerror(-rc) : "success", -err, strerror(err),
			    text);
		_fail(file, line);
	}
	for (; *words; words++) {
		if (!strstr(text, *words)) {
			print_error("%s: \"%s\" does not say \"%s\"\n", call, text,
				    *words);
			_fail(file, line);
		}
	}
}

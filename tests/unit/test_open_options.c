/* SPDX-License-Identifier: MIT */
/* Options of an open that make no sense, or are of another size. */
#include "sys.h"
#include "unit.h"

#define OPEN() vfiosafe_device_open(&bench.dev, ADDRESS, &bench.opts)

static void options_that_make_no_sense(void **state)
{
	struct vfiosafe_sys old = bench.k.sys;
	/* What a program passes that was compiled with a later header. */
	struct {
		struct vfiosafe_device_opts opts;
		uint64_t more;
	} newer = { .opts = bench.opts };

	(void)state;
	newer.opts.size = sizeof(newer);
	bench.opts.size = 0;
	assert_refused(OPEN(), EINVAL, "opts.size", "sizeof");
	newer.more = 1;
	assert_refused(vfiosafe_device_open(&bench.dev, ADDRESS, &newer.opts), EINVAL,
		       "opts.size", "does not know");
	bench.opts.size = sizeof(bench.opts);
	bench.opts.door = VFIOSAFE_DOOR_FD;
	assert_refused(OPEN(), EINVAL, "opts.door", "AUTO, CDEV or GROUP");
	bench.opts.door = (enum vfiosafe_door) - 1;
	assert_refused(OPEN(), EINVAL, "opts.door");
	bench.opts.door = VFIOSAFE_DOOR_AUTO;
	old.size--;
	bench.opts.sys = &old;
	assert_refused(OPEN(), EINVAL, "opts.sys");
	assert_int_equal(bench.k.count[FAKE_OPEN], 0);
	assert_null(bench.dev);
}

static void options_of_an_adopted_device_that_make_no_sense(void **state)
{
	int fd = fake_device_fd(&bench.k, bench.fn);

	(void)state;
	bench.opts.size = 0;
	assert_refused(vfiosafe_device_from_fd(&bench.dev, fd, &bench.opts), EINVAL,
		       "opts.size");
	/* Not used there, so they do no harm. */
	bench.opts.size = sizeof(bench.opts);
	bench.opts.door = VFIOSAFE_DOOR_GROUP;
	assert_ok(vfiosafe_device_from_fd(&bench.dev, fd, &bench.opts));
	assert_ok(vsf_sys(&bench.k.sys, close, fd));
}

/* A caller built with an older header has a smaller struct. */
static void shorter_options_mean_defaults_for_the_rest(void **state)
{
	struct vfiosafe_device_opts opts;

	(void)state;
	memset(&opts, 0xff, sizeof(opts));
	opts.size = offsetof(struct vfiosafe_device_opts, open_timeout_ms);
	opts.door = VFIOSAFE_DOOR_GROUP;
	/* Without the fake kernel this meets the real one: no such function. */
	assert_refused(vfiosafe_device_open(&bench.dev, "fffe:ff:1f.7", &opts), ENODEV,
		       "fffe:ff:1f.7");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, bench_setup, bench_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(options_that_make_no_sense),
		TEST(options_of_an_adopted_device_that_make_no_sense),
		TEST(shorter_options_mean_defaults_for_the_rest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

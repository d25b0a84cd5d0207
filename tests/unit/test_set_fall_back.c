/* SPDX-License-Identifier: MIT */
/* vfiosafe_reset() makes the smallest reset that works; a hot one only if it may. */
#include "set_rig.h"

static int reset(bool allow_hot)
{
	const struct vfiosafe_reset_opts opts = { .size = sizeof(opts),
						  .timeout_ms = 1000,
						  .allow_hot = allow_hot };

	fake_log_clear(&bench.k);
	return vfiosafe_reset(rig.m[0].dev, &opts);
}

static int recover(void)
{
	const struct vfiosafe_reset_opts opts = { .size = sizeof(opts),
						  .timeout_ms = 1000,
						  .allow_hot = true };

	fake_log_clear(&bench.k);
	return vfiosafe_recover(rig.m[0].dev, &opts);
}

#define HOT_LOG "quiesce0 quiesce1 HOT ready0 ready1 reinit0 reinit1"

static void assert_method(enum vfiosafe_method method)
{
	assert_string_equal(vfiosafe_method_name(vfiosafe_reset_method(rig.m[0].dev)),
			    vfiosafe_method_name(method));
}

static void put_methods(const char *methods)
{
	fake_put(&bench.k, FAKE_TEXT, methods, DEVICES "/" ADDRESS "/reset_method");
}

static void a_function_reset_that_works_is_made_and_no_other(void **state)
{
	(void)state;
	assert_method(VFIOSAFE_METHOD_NONE);
	assert_ok(reset(true));
	assert_set_log("quiesce0 RESET ready0 reinit0");
	assert_states("LIVE 2, LIVE 1");
	assert_method(VFIOSAFE_METHOD_FUNCTION);
}

static void without_a_method_a_hot_reset_is_made_if_it_may(void **state)
{
	(void)state;
	put_methods("");
	assert_refused(reset(false), EOPNOTSUPP, "emptied");
	assert_string_equal(bench.k.log, "");
	assert_method(VFIOSAFE_METHOD_NONE);
	assert_ok(reset(true));
	assert_set_log(HOT_LOG);
	assert_states("LIVE 2, LIVE 2");
	assert_method(VFIOSAFE_METHOD_HOT);
	put_methods("flr\n");
	assert_ok(reset(true));
	assert_states("LIVE 3, LIVE 2");
	assert_method(VFIOSAFE_METHOD_FUNCTION);
}

static void a_function_reset_that_the_kernel_refuses(void **state)
{
	(void)state;
	fake_fail(&bench.k, FAKE_IOCTL, VFIO_DEVICE_RESET, EINVAL, 2);
	assert_refused(reset(false), EOPNOTSUPP, "no working reset method");
	assert_states("LIVE 1, LIVE 1");
	assert_ok(reset(true));
	assert_set_log("quiesce0 resume0 " HOT_LOG);
	assert_states("LIVE 2, LIVE 2");
}

static void a_function_reset_that_fails(void **state)
{
	(void)state;
	fake_fail(&bench.k, FAKE_IOCTL, VFIO_DEVICE_RESET, ENOTTY, 2);
	assert_refused(reset(false), EIO, "VFIO_DEVICE_RESET");
	assert_states("FAULT 1, LIVE 1");
	assert_ok(recover());
	assert_set_log("lost0 quiesce1 HOT ready0 ready1 reinit0 reinit1");
	assert_states("LIVE 2, LIVE 2");
	assert_method(VFIOSAFE_METHOD_HOT);
	assert_ok(recover());
	assert_states("LIVE 2, LIVE 2");
}

static void contention_is_no_reason_for_a_hot_reset(void **state)
{
	(void)state;
	fake_fail(&bench.k, FAKE_IOCTL, VFIO_DEVICE_RESET, EAGAIN, 100000);
	assert_refused(reset(true), ETIMEDOUT, "stayed locked");
	assert_set_log("quiesce0 resume0");
	assert_states("LIVE 1, LIVE 1");
}

static void a_veto_is_no_reason_for_a_hot_reset(void **state)
{
	(void)state;
	rig.m[0].rc[QUIESCE] = -EPERM;
	assert_refused(reset(true), ECANCELED, "vetoed");
	assert_set_log("quiesce0");
	rig.m[0].rc[QUIESCE] = 0;
	rig.m[0].rc[REINIT] = -EPERM;
	assert_refused(reset(true), EIO, "reinit");
	assert_states("FAULT 2, LIVE 1");
}

/* Its own driver it may do without, as it may in a reset of its own; others' not. */
static void a_sibling_in_the_way_is_named(void **state)
{
	(void)state;
	put_methods("");
	assert_ok(vfiosafe_device_set_driver(rig.m[0].dev, NULL, NULL));
	assert_ok(vfiosafe_device_set_driver(rig.m[1].dev, NULL, NULL));
	assert_refused(reset(true), EBUSY, "emptied", "by a hot reset", SIBLING, "reinit");
	assert_string_equal(bench.k.log, "");
	assert_states("LIVE 1, LIVE 1");
	assert_ok(vfiosafe_device_set_driver(rig.m[1].dev, &set_ops, &rig.m[1]));
	assert_ok(reset(true));
	assert_set_log("quiesce1 HOT ready1 reinit1");
	assert_states("LIVE 2, LIVE 2");
}

/* What it is in is what is returned. */
static void a_sibling_in_the_way_of_a_device_in_fault(void **state)
{
	(void)state;
	assert_ok(vfiosafe_device_set_driver(rig.m[1].dev, NULL, NULL));
	fake_fail(&bench.k, FAKE_IOCTL, VFIO_DEVICE_RESET, ENOTTY, 1);
	assert_refused(reset(true), EIO, "VFIO_DEVICE_RESET", "by a hot reset", SIBLING);
	assert_states("FAULT 1, LIVE 1");
}

static void neither_reset_exists(void **state)
{
	(void)state;
	put_methods("");
	rig.m[0].fn->bus_reset = 0;
	assert_refused(reset(true), EOPNOTSUPP, "emptied", "by a hot reset", "can be reset");
	assert_states("LIVE 1, LIVE 1");
}

static void steps_do_not_fall_back(void **state)
{
	const struct vfiosafe_reset_opts opts = { .size = sizeof(opts), .allow_hot = true };
	struct vfiosafe_window *win = NULL;

	(void)state;
	put_methods("");
	assert_refused(vfiosafe_window_begin(&win, rig.m[0].dev, &opts), EOPNOTSUPP,
		       "emptied");
	assert_null(win);
}

/* Built against an older header: the member is not there. */
static void options_of_an_older_program(void **state)
{
	struct vfiosafe_reset_opts opts = { .timeout_ms = 1000, .allow_hot = true };

	(void)state;
	opts.size = offsetof(struct vfiosafe_reset_opts, allow_hot);
	put_methods("");
	/* What lies behind it is none of ours. */
	assert_refused(vfiosafe_reset(rig.m[0].dev, &opts), EOPNOTSUPP, "emptied");
	assert_states("LIVE 1, LIVE 1");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		SET_TEST(a_function_reset_that_works_is_made_and_no_other),
		SET_TEST(without_a_method_a_hot_reset_is_made_if_it_may),
		SET_TEST(a_function_reset_that_the_kernel_refuses),
		SET_TEST(a_function_reset_that_fails),
		SET_TEST(contention_is_no_reason_for_a_hot_reset),
		SET_TEST(a_veto_is_no_reason_for_a_hot_reset),
		SET_TEST(a_sibling_in_the_way_is_named),
		SET_TEST(a_sibling_in_the_way_of_a_device_in_fault),
		SET_TEST(neither_reset_exists),
		SET_TEST(steps_do_not_fall_back),
		SET_TEST(options_of_an_older_program),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* Importers that the library does not know are told before, and after. */
#include "power_rig.h"
#include "uapi.h"

static struct vfiosafe_dmabuf *buf;

struct watcher {
	const char *name;
	int rc;
	int64_t takes_ms;
	int64_t deadline;
	int result;
	unsigned int befores, afters;
};

static struct watcher first, second;

static int before(struct vfiosafe_dmabuf *which, void *ctx, int64_t deadline)
{
	struct watcher *w = ctx;

	assert_ptr_equal(which, buf);
	fake_note(&bench.k, "%s-before", w->name);
	fake_advance_ms(&bench.k, w->takes_ms);
	w->befores++;
	w->deadline = deadline;
	return w->rc;
}

static void after(struct vfiosafe_dmabuf *which, void *ctx, int result)
{
	struct watcher *w = ctx;

	assert_ptr_equal(which, buf);
	fake_note(&bench.k, "%s-after", w->name);
	w->afters++;
	w->result = result;
}

static const struct vfiosafe_dmabuf_watch_ops ops = {
	.size = sizeof(ops), .before = before, .after = after
};

static int watch_setup(void **state)
{
	const struct vfiosafe_area range = { 0, FAKE_PAGE };

	driver_setup(state);
	first = (struct watcher){ .name = "a" };
	second = (struct watcher){ .name = "b" };
	assert_ok(vfiosafe_dmabuf_export(&buf, bench.bar, &range, 1, 0));
	assert_ok(vfiosafe_dmabuf_watch(buf, &ops, &first));
	fake_log_clear(&bench.k);
	return 0;
}

static void told_around_a_reset(void **state)
{
	(void)state;
	assert_ok(vfiosafe_dmabuf_watch(buf, &ops, &second));
	assert_ok(reset_ms(1000));
	assert_log("quiesce a-before b-before COMMAND=0002 RESET ready COMMAND=0002 reinit "
		   "a-after b-after");
	assert_int_equal(first.result, 0);
	assert_int_equal(first.deadline, second.deadline);
	assert_int_not_equal(first.deadline, VFIOSAFE_FOREVER);
}

static void a_veto_calls_the_window_off(void **state)
{
	(void)state;
	assert_ok(vfiosafe_dmabuf_watch(buf, &ops, &second));
	second.rc = -EBUSY;
	assert_refused(reset_ms(1000), ECANCELED, "watch", "vetoed", "-16");
	assert_log("quiesce a-before b-before resume a-after");
	assert_state(LIVE);
	assert_generation(1);
	assert_int_equal(vfiosafe_dmabuf_state(buf, NULL), VFIOSAFE_DMABUF_OK);
	assert_int_equal(first.result, 0);
	assert_int_equal(bench.fn->resets, 0);
}

static void late_is_a_veto(void **state)
{
	(void)state;
	first.takes_ms = 200;
	assert_refused(reset_ms(100), ETIMEDOUT, "watch", "deadline");
	/* It has let go: so it is told. */
	assert_log("quiesce a-before resume a-after");
	assert_state(LIVE);
	assert_int_equal(bench.fn->resets, 0);
}

static void each_way_of_parking_tells(void **state)
{
	(void)state;
	for (int way = 0; way < WAYS; way++) {
		first.befores = first.afters = 0;
		assert_ok(park((enum way)way));
		assert_int_equal(first.befores, 1);
		assert_int_equal(first.afters, 0);
		assert_ok(wake((enum way)way));
		assert_int_equal(first.befores, 1);
		assert_int_equal(first.afters, 1);
		fake_set_power_state(bench.fn, 0);
	}
}

static void after_comes_when_the_device_comes_back(void **state)
{
	(void)state;
	driver.rc[REINIT] = -EIO;
	assert_int_equal(reset_ms(1000), -EIO);
	assert_int_equal(vfiosafe_recover(bench.dev, NULL), -EIO);
	assert_int_equal(first.befores, 1);
	assert_int_equal(first.afters, 0);
	driver.rc[REINIT] = 0;
	assert_ok(vfiosafe_recover(bench.dev, NULL));
	assert_int_equal(first.befores, 1);
	assert_int_equal(first.afters, 1);
}

static void a_close_tells_that_it_is_for_good(void **state)
{
	(void)state;
	first.rc = -EBUSY; /* no veto here */
	assert_ok(vfiosafe_dmabuf_watch(buf, &ops, &second));
	bench_close();
	assert_int_equal(first.befores, 1);
	assert_int_equal(first.afters, 0);
	assert_int_equal(second.afters, 1);
	assert_int_equal(second.result, -ENODEV);
}

static void a_close_of_a_parked_device_tells_who_waits(void **state)
{
	(void)state;
	assert_ok(vfiosafe_set_decode(bench.dev, false, NULL));
	bench_close();
	assert_int_equal(first.befores, 1);
	assert_int_equal(first.afters, 1);
	assert_int_equal(first.result, -ENODEV);
}

static void a_revoke_tells_and_ends_the_watch(void **state)
{
	(void)state;
	assert_true(vfiosafe_dmabuf_revoke(buf) > 0);
	assert_log("a-before a-after");
	assert_int_equal(first.result, -ESTALE);
	assert_ok(reset_ms(1000));
	assert_int_equal(first.befores, 1);
	assert_refused(vfiosafe_dmabuf_unwatch(buf, &first), ENOENT, "does not watch");
	assert_refused(vfiosafe_dmabuf_watch(buf, &ops, &first), ESTALE, "revoked");
}

static void an_unwatch_ends_it(void **state)
{
	struct vfiosafe_window *win = window_begin(1000);

	(void)state;
	assert_refused(vfiosafe_dmabuf_unwatch(buf, &first), EAGAIN, "window");
	assert_refused(vfiosafe_dmabuf_watch(buf, &ops, &second), EAGAIN, "window");
	vfiosafe_window_end(win);
	assert_ok(vfiosafe_dmabuf_unwatch(buf, &first));
	assert_ok(reset_ms(1000));
	assert_int_equal(first.befores, 0);
	assert_refused(vfiosafe_dmabuf_unwatch(buf, &first), ENOENT, "does not watch");
}

static void misuse_is_refused(void **state)
{
	struct vfiosafe_dmabuf_watch_ops bad = { 0 };

	(void)state;
	assert_refused(vfiosafe_dmabuf_watch(buf, &bad, &second), EINVAL, "ops->size");
	assert_refused(vfiosafe_dmabuf_watch(buf, &ops, &first), EEXIST, "ctx");
	assert_ok(vfiosafe_set_decode(bench.dev, false, NULL));
	assert_refused(vfiosafe_dmabuf_watch(buf, &ops, &second), EAGAIN, "parked");
	assert_ok(vfiosafe_set_decode(bench.dev, true, NULL));
	heap_fail_nth(1);
	assert_refused(vfiosafe_dmabuf_watch(buf, &ops, &second), ENOMEM, "memory");
	heap_fail_nth(0);
}

static void both_callbacks_may_be_left_out(void **state)
{
	const struct vfiosafe_dmabuf_watch_ops none = { .size = sizeof(none) };
	const struct vfiosafe_dmabuf_watch_ops only = { .size = sizeof(only), .after = after };

	(void)state;
	assert_ok(vfiosafe_dmabuf_watch(buf, &none, NULL));
	assert_ok(vfiosafe_dmabuf_watch(buf, &only, &second));
	assert_ok(reset_ms(1000));
	assert_int_equal(second.afters, 1);
}

static int inside_before(struct vfiosafe_dmabuf *which, void *ctx, int64_t deadline)
{
	uint32_t value;

	(void)ctx;
	(void)deadline;
	if (vfiosafe_device_state(bench.dev) == VFIOSAFE_GONE)
		return 0;
	assert_int_equal(vfiosafe_dmabuf_free(which), -EDEADLK);
	assert_int_equal(vfiosafe_dmabuf_unwatch(which, &first), -EDEADLK);
	assert_int_equal(vfiosafe_reset(bench.dev, NULL), -EDEADLK);
	assert_int_equal(vfiosafe_read32(&bench.view, 0, &value), -EAGAIN);
	assert_int_equal(vfiosafe_dmabuf_state(which, NULL), VFIOSAFE_DMABUF_REVOKED);
	return 0;
}

static void a_watch_may_not_wait_for_its_own_window(void **state)
{
	const struct vfiosafe_dmabuf_watch_ops inside = { .size = sizeof(inside),
							  .before = inside_before };

	(void)state;
	assert_ok(vfiosafe_dmabuf_watch(buf, &inside, &second));
	assert_ok(reset_ms(1000));
}

static void a_new_dmabuf_is_told(void **state)
{
	struct vfiosafe_p2p *map;
	uint64_t iova;

	(void)state;
	assert_ok(vfiosafe_p2p_map(&map, bench.dev, buf, NULL, &iova));
	bench.fn->dmabufs_die = true;
	assert_ok(reset_ms(1000));
	assert_int_equal(first.result, 1);
	bench.fn->dmabufs_die = false;
	assert_ok(reset_ms(1000));
	assert_int_equal(first.result, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, watch_setup, bench_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(told_around_a_reset),
		TEST(a_veto_calls_the_window_off),
		TEST(late_is_a_veto),
		TEST(each_way_of_parking_tells),
		TEST(after_comes_when_the_device_comes_back),
		TEST(a_close_tells_that_it_is_for_good),
		TEST(a_close_of_a_parked_device_tells_who_waits),
		TEST(a_revoke_tells_and_ends_the_watch),
		TEST(an_unwatch_ends_it),
		TEST(misuse_is_refused),
		TEST(both_callbacks_may_be_left_out),
		TEST(a_watch_may_not_wait_for_its_own_window),
		TEST(a_new_dmabuf_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/*
 * Every system call and every allocation fails in turn: of an export, a map, an unmap,
 * of windows and of closes with a map in place. Nothing is leaked, no mapping is in
 * place when its BAR goes away, and what does not come back says so.
 */
#include "p2p_rig.h"
#include "each_fails.h"
#include "uapi.h"

static unsigned int ranges;

static int setup_devices(void **state)
{
	ranges = 1;
	return p2p_setup_devices(state);
}

static int setup_two_ranges(void **state)
{
	const struct vfiosafe_area two[] = { { 0, PAGE }, { 4 * PAGE, PAGE } };

	p2p_setup_devices(state);
	assert_ok(vfiosafe_dmabuf_free(rig.buf));
	rig.buf = export_ranges(two, 2);
	ranges = 2;
	return 0;
}

static int setup_mapped(void **state)
{
	setup_two_ranges(state);
	rig.map = p2p_mapped(rig.buf);
	return 0;
}

static int setup_parked(void **state)
{
	setup_mapped(state);
	return vfiosafe_set_decode(bench.dev, false, NULL);
}

static void no_rules(void)
{
	bench.k.fail_nth = 0;
	memset(bench.k.rule, 0, sizeof(bench.k.rule));
}

/* Whatever happened: the exporter can be used, and the map works or can be replaced. */
static void can_go_on(void)
{
	no_rules();
	assert_int_equal(bench.k.cut, 0);
	assert_ok(vfiosafe_recover(bench.dev, NULL));
	if (rig.map && vfiosafe_p2p_state(rig.map) != VFIOSAFE_P2P_MAPPED) {
		assert_map_state(BROKEN);
		assert_ok(vfiosafe_p2p_unmap(rig.map));
		rig.map = NULL;
	}
	if (!rig.map)
		rig.map = p2p_mapped(rig.buf);
	assert_int_equal(fake_dmas(&bench.k), ranges);
	assert_ok(vfiosafe_reset(bench.dev, NULL));
	assert_map_state(MAPPED);
	assert_int_equal(bench.k.cut, 0);
	close_importer();
}

static int export_now(void)
{
	const struct vfiosafe_area two[] = { { 0, PAGE }, { 4 * PAGE, PAGE } };
	struct vfiosafe_dmabuf *buf = NULL;
	int rc = vfiosafe_dmabuf_export(&buf, bench.bar, two, 2, 0);

	assert_true((rc == 0) == (buf != NULL));
	return rc;
}

static void exported_or_not(int rc)
{
	assert_true(rc == 0 || rc == -ERR || rc == -ENOMEM);
	assert_int_equal(vfiosafe_dmabuf_list(bench.dev, NULL, 0), rc == 0 ? 2 : 1);
	can_go_on();
}

static int map_now(void)
{
	return vfiosafe_p2p_map(&rig.map, rig.dev, rig.buf, NULL, &rig.iova);
}

static void mapped_or_not(int rc)
{
	no_rules();
	if (rc < 0) {
		assert_null(rig.map);
		assert_int_equal(fake_dmas(&bench.k), 0);
		assert_true(rc == -ERR || rc == -ENOMEM);
	}
	can_go_on();
}

static int unmap_now(void)
{
	int rc = vfiosafe_p2p_unmap(rig.map);

	if (rc == 0)
		rig.map = NULL;
	return rc;
}

static void unmapped_or_not(int rc)
{
	assert_int_equal(fake_dmas(&bench.k), rc < 0 ? 2 : 0);
	can_go_on();
}

static int reset_now(void)
{
	return reset_ms(1000);
}

static int wake_now(void)
{
	return vfiosafe_set_decode(bench.dev, true, NULL);
}

/* LIVE with its maps, called off with its maps, or FAULT; parked, if it was and is. */
static void reset_or_not(int rc)
{
	enum vfiosafe_state state = vfiosafe_device_state(bench.dev);

	assert_true(rc == 0 || rc == -EIO || rc == -ECANCELED || rc == -ERR || rc == -ENOMEM);
	if (state == VFIOSAFE_RESETTING)
		assert_true(rc < 0);
	else
		assert_int_equal(state, rc == -EIO ? VFIOSAFE_FAULT : VFIOSAFE_LIVE);
	if (state == VFIOSAFE_LIVE && vfiosafe_p2p_state(rig.map) == VFIOSAFE_P2P_MAPPED) {
		assert_reaches(rig.iova, 0);
		assert_reaches(rig.iova + PAGE, 4 * PAGE);
		assert_buf_state(OK);
		assert_int_equal(rig.count[I_STOP], rig.count[I_START]);
	}
	can_go_on();
}

static int close_exporter_now(void)
{
	int rc = vfiosafe_device_close(bench.dev, 100);

	if (rc == 0)
		bench.dev = NULL;
	return rc;
}

static void exporter_closed_or_again(int rc)
{
	no_rules();
	if (rc < 0) {
		assert_int_equal(rc, -EBUSY);
		assert_ok(close_exporter_now());
	}
	assert_int_equal(fake_dmas(&bench.k), 0);
	assert_map_state(DEAD);
	close_importer();
}

static int close_importer_now(void)
{
	int rc = vfiosafe_device_close(rig.dev, 100);

	if (rc == 0)
		rig.dev = NULL;
	return rc;
}

static void importer_closed_or_again(int rc)
{
	no_rules();
	if (rc < 0) {
		assert_int_equal(rc, -EBUSY);
		assert_ok(close_importer_now());
	}
	assert_int_equal(fake_dmas(&bench.k), 0);
	assert_ok(vfiosafe_reset(bench.dev, NULL));
	assert_ok(vfiosafe_dmabuf_free(rig.buf));
}

static int revoke_now(void)
{
	int rc = vfiosafe_dmabuf_revoke(rig.buf);

	return rc > 0 ? 0 : rc;
}

static void revoked_or_again(int rc)
{
	no_rules();
	if (rc < 0) {
		assert_int_equal(rc, -EBUSY);
		assert_ok(revoke_now());
	}
	assert_map_state(DEAD);
	assert_int_equal(fake_dmas(&bench.k), 0);
	close_importer();
}

static const struct failing scenarios[] = {
	{ .setup = setup_devices, .run = export_now, .check = exported_or_not },
	{ .setup = setup_two_ranges, .run = map_now, .check = mapped_or_not },
	{ .setup = setup_mapped, .run = unmap_now, .check = unmapped_or_not },
	{ .setup = setup_mapped, .run = reset_now, .check = reset_or_not },
	{ .setup = setup_parked, .run = wake_now, .check = reset_or_not },
	{ .setup = setup_mapped, .run = close_exporter_now, .check = exporter_closed_or_again },
	{ .setup = setup_mapped, .run = close_importer_now, .check = importer_closed_or_again },
	{ .setup = setup_mapped, .run = revoke_now, .check = revoked_or_again },
};

static void fail_all(enum vfiosafe_door door)
{
	for (size_t i = 0; i < sizeof(scenarios) / sizeof(scenarios[0]); i++) {
		struct failing f = scenarios[i];
		bool frees = f.run == unmap_now || f.run == close_exporter_now ||
			     f.run == close_importer_now || f.run == revoke_now;

		f.door = door;
		assert_true(each_call_fails(&f) > 0);
		assert_true(frees == (each_allocation_fails(&f) == 0));
	}
}

static void each_call_and_allocation_fails_through_the_cdev_door(void **state)
{
	(void)state;
	fail_all(VFIOSAFE_DOOR_CDEV);
}

static void each_call_and_allocation_fails_through_the_group_door(void **state)
{
	(void)state;
	fail_all(VFIOSAFE_DOOR_GROUP);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_call_and_allocation_fails_through_the_cdev_door),
		cmocka_unit_test(each_call_and_allocation_fails_through_the_group_door),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/*
 * Windows of the importer, of both at once, and of an importer that is not LIVE when
 * its exporter has a window.
 */
#include "p2p_rig.h"
#include "uapi.h"
#include "unit_thread.h"

static int reset_importer(void)
{
	fake_log_clear(&bench.k);
	return vfiosafe_reset(rig.dev, NULL);
}

static void its_own_reset_ends_with_p2p_start(void **state)
{
	(void)state;
	assert_ok(reset_importer());
	assert_log("iquiesce COMMAND=0002 RESET COMMAND=0002 ireinit istart");
	assert_reaches(rig.iova, PAGE);
	assert_int_equal(vfiosafe_device_generation(rig.dev), 2);
	assert_generation(1);
	assert_int_equal(rig.count[I_STOP], 0);
}

static enum vfiosafe_state state_in_start;

static void note_state(struct vfiosafe_device *dev, enum i_callback which,
		       struct vfiosafe_p2p *map)
{
	struct vfiosafe_view view;
	struct vfiosafe_bar *bar;

	(void)map;
	if (which != I_START)
		return;
	state_in_start = vfiosafe_device_state(dev);
	assert_ok(vfiosafe_bar_map(&bar, dev, 0, 0, 0, 0));
	assert_ok(vfiosafe_bar_view(bar, &view));
	assert_ok(vfiosafe_write32(&view, 0, 1));
}

static void p2p_start_may_access_the_device_before_live(void **state)
{
	(void)state;
	rig.inside = note_state;
	assert_ok(reset_importer());
	assert_int_equal(state_in_start, VFIOSAFE_REINIT);
	assert_ok(vfiosafe_reset(bench.dev, NULL));
	assert_int_equal(state_in_start, VFIOSAFE_LIVE);
}

static void its_window_called_off_ends_with_p2p_start_too(void **state)
{
	(void)state;
	fake_fail(&bench.k, FAKE_IOCTL, VFIO_DEVICE_RESET, EBUSY, 100000);
	assert_int_equal(reset_importer(), -ETIMEDOUT);
	assert_log("iquiesce COMMAND=0002 iresume istart");
	assert_reaches(rig.iova, PAGE);
}

static void a_veto_stops_nothing(void **state)
{
	(void)state;
	rig.rc[I_QUIESCE] = -EBUSY;
	assert_int_equal(reset_importer(), -ECANCELED);
	assert_log("iquiesce");
	rig.rc[I_QUIESCE] = 0;
	assert_ok(vfiosafe_reset(bench.dev, NULL));
	assert_int_equal(rig.count[I_STOP], 1);
}

static void a_start_that_fails_in_its_own_window_breaks_the_map(void **state)
{
	(void)state;
	rig.rc[I_START] = -EIO;
	assert_ok(reset_importer());
	assert_int_equal(vfiosafe_device_state(rig.dev), VFIOSAFE_LIVE);
	assert_map_state(BROKEN);
	assert_reaches_nothing(rig.iova);
	assert_ok(vfiosafe_reset(bench.dev, NULL));
	assert_int_equal(rig.count[I_STOP], 0);
}

static void a_parked_importer_is_not_asked(void **state)
{
	(void)state;
	assert_ok(vfiosafe_set_decode(rig.dev, false, NULL));
	fake_log_clear(&bench.k);
	assert_ok(vfiosafe_reset(bench.dev, NULL));
	assert_log("quiesce UNMAP COMMAND=0002 RESET ready COMMAND=0002 reinit MAP");
	assert_reaches(rig.iova, PAGE);
	fake_log_clear(&bench.k);
	assert_ok(vfiosafe_set_decode(rig.dev, true, NULL));
	assert_log("COMMAND=0002 iresume istart");
}

static void an_importer_in_fault_is_unmapped_all_the_same(void **state)
{
	(void)state;
	assert_ok(vfiosafe_mark_lost(rig.dev, "for the test"));
	assert_ok(vfiosafe_reset(bench.dev, NULL));
	assert_int_equal(rig.count[I_STOP] + rig.count[I_START], 0);
	assert_int_equal(bench.k.cut, 0);
	assert_map_state(MAPPED);
	assert_ok(vfiosafe_recover(rig.dev, NULL));
	assert_int_equal(rig.count[I_START], 1);
}

static void lose_the_importer(struct vfiosafe_device *dev, enum i_callback which,
			      struct vfiosafe_p2p *map)
{
	(void)map;
	if (which != I_STOP)
		return;
	assert_ok(vfiosafe_mark_lost(dev, "in p2p_stop"));
	assert_int_equal(rig.count[I_LOST], 0);
}

static void one_callback_at_a_time(void **state)
{
	(void)state;
	rig.inside = lose_the_importer;
	assert_ok(vfiosafe_reset(bench.dev, NULL));
	assert_int_equal(rig.count[I_LOST], 1);
	assert_int_equal(vfiosafe_device_state(rig.dev), VFIOSAFE_FAULT);
	assert_int_equal(rig.count[I_START], 0);
	assert_map_state(MAPPED);
	assert_ok(vfiosafe_recover(rig.dev, NULL));
	assert_int_equal(rig.count[I_START], 1);
}

static void map_in_reinit(struct vfiosafe_device *dev, enum i_callback which,
			  struct vfiosafe_p2p *map)
{
	(void)map;
	if (which == I_REINIT)
		assert_ok(vfiosafe_p2p_map(&rig.map, dev, rig.buf, NULL, &rig.iova));
	if (which == I_START)
		assert_ptr_equal(map, rig.map);
}

static void a_map_made_in_its_own_window_is_started_at_the_end(void **state)
{
	(void)state;
	rig.inside = map_in_reinit;
	assert_ok(reset_importer());
	assert_log("iquiesce COMMAND=0002 RESET COMMAND=0002 ireinit MAP istart");
	rig.inside = NULL;
	assert_ok(vfiosafe_p2p_unmap(rig.map));
}

static void without_callbacks_the_map_comes_and_goes(void **state)
{
	(void)state;
	assert_ok(vfiosafe_device_set_driver(rig.dev, NULL, NULL));
	fake_log_clear(&bench.k);
	assert_ok(vfiosafe_reset(bench.dev, NULL));
	assert_log("quiesce UNMAP COMMAND=0002 RESET ready COMMAND=0002 reinit MAP");
	assert_reaches(rig.iova, PAGE);
}

/* In the order of the importers' addresses, whatever that of the maps. */
static void importers_stop_in_the_order_of_their_addresses(void **state)
{
	struct fake_function *fn = fake_add(&bench.k, "0000:00:05.0", 9, 5);
	struct vfiosafe_device *low;
	struct vfiosafe_p2p *map;
	uint64_t iova;

	(void)state;
	(void)fn;
	assert_ok(vfiosafe_device_open(&low, "0000:00:05.0", &bench.opts));
	assert_ok(vfiosafe_p2p_map(&map, low, rig.buf, NULL, &iova));
	fake_log_clear(&bench.k);
	assert_ok(vfiosafe_reset(bench.dev, NULL));
	assert_log("quiesce UNMAP istop UNMAP COMMAND=0002 RESET ready COMMAND=0002 reinit "
		   "MAP MAP istart");
	assert_ok(vfiosafe_device_close(low, 1000));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		P2P_BOTH(its_own_reset_ends_with_p2p_start),
		P2P_BOTH(p2p_start_may_access_the_device_before_live),
		P2P_BOTH(its_window_called_off_ends_with_p2p_start_too),
		P2P_BOTH(a_veto_stops_nothing),
		P2P_BOTH(a_start_that_fails_in_its_own_window_breaks_the_map),
		P2P_BOTH(a_parked_importer_is_not_asked),
		P2P_BOTH(an_importer_in_fault_is_unmapped_all_the_same),
		P2P_BOTH(one_callback_at_a_time),
		P2P_BOTH_UNMAPPED(a_map_made_in_its_own_window_is_started_at_the_end),
		P2P_BOTH(without_callbacks_the_map_comes_and_goes),
		P2P_BOTH(importers_stop_in_the_order_of_their_addresses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

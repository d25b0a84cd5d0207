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

static void reset_the_exporter_meanwhile(struct vfiosafe_device *dev, enum i_callback which,
					 struct vfiosafe_p2p *map)
{
	(void)dev;
	(void)map;
	if (which == I_REINIT)
		assert_ok(vfiosafe_reset(bench.dev, NULL));
}

static void the_exporter_is_reset_inside_the_importer_s_window(void **state)
{
	(void)state;
	rig.inside = reset_the_exporter_meanwhile;
	assert_ok(reset_importer());
	assert_log("iquiesce COMMAND=0002 RESET COMMAND=0002 ireinit quiesce UNMAP "
		   "COMMAND=0002 RESET ready COMMAND=0002 reinit MAP istart");
	assert_reaches(rig.iova, PAGE);
	assert_generation(2);
}

static void reset_the_importer_meanwhile(struct vfiosafe_device *dev, enum callback which)
{
	(void)dev;
	if (which == REINIT)
		assert_ok(vfiosafe_reset(rig.dev, NULL));
}

static void the_importer_is_reset_inside_the_exporter_s_window(void **state)
{
	(void)state;
	driver.inside = reset_the_importer_meanwhile;
	fake_log_clear(&bench.k);
	assert_ok(vfiosafe_reset(bench.dev, NULL));
	assert_log("quiesce istop UNMAP COMMAND=0002 RESET ready COMMAND=0002 reinit iquiesce "
		   "COMMAND=0002 RESET COMMAND=0002 ireinit MAP istart");
	assert_reaches(rig.iova, PAGE);
}

/* Steps of two windows, one between the other, in every order. */
struct step_window {
	struct vfiosafe_window *win;
	int left; /* steps */
};

static void step(struct step_window *w)
{
	switch (w->left--) {
	case 4:
		assert_int_equal(vfiosafe_window_poll(w->win), VFIOSAFE_STEP_COMMIT);
		break;
	case 3:
		assert_ok(vfiosafe_window_commit(w->win));
		break;
	case 2:
		assert_int_equal(vfiosafe_window_poll(w->win), VFIOSAFE_STEP_FINISH);
		break;
	default:
		assert_ok(vfiosafe_window_finish(w->win));
	}
}

/* Bit n of @order: whose step the n-th is. */
static void interleave(unsigned int order)
{
	struct step_window w[2] = { { .left = 4 }, { .left = 4 } };

	assert_ok(vfiosafe_window_begin(&w[0].win, bench.dev, NULL));
	assert_int_equal(vfiosafe_window_poll(w[0].win), VFIOSAFE_STEP_COMMIT);
	assert_ok(vfiosafe_window_begin(&w[1].win, rig.dev, NULL));
	assert_int_equal(vfiosafe_window_poll(w[1].win), VFIOSAFE_STEP_COMMIT);
	for (unsigned int n = 0; n < 8; n++)
		step(&w[order >> n & 1]);
	vfiosafe_window_end(w[0].win);
	vfiosafe_window_end(w[1].win);
}

/* Has the importer finished before the exporter commits? */
static bool importer_is_first(unsigned int order)
{
	unsigned int mine = 0, other = 0;

	for (unsigned int n = 0; n < 8; n++) {
		if (!(order >> n & 1) && ++mine == 2)
			return other == 4;
		other += order >> n & 1;
	}
	return false;
}

static unsigned int bits(unsigned int value)
{
	return value ? (value & 1) + bits(value >> 1) : 0;
}

static void windows_of_both_at_once_need_no_order(void **state)
{
	unsigned int runs = 0;

	(void)state;
	for (unsigned int order = 0; order < 256; order++) {
		if (bits(order) != 4)
			continue;
		rig.count[I_START] = rig.count[I_STOP] = 0;
		interleave(order);
		assert_int_equal(rig.count[I_STOP], importer_is_first(order));
		/* Started again once, and mapped by then (i_start). */
		assert_int_equal(rig.count[I_START], rig.count[I_STOP] + 1);
		assert_reaches(rig.iova, PAGE);
		runs++;
	}
	assert_int_equal(runs, 70);
	assert_int_equal(bench.k.cut, 0);
}

/* Both export, both import. */
static void two_devices_that_import_from_each_other(void **state)
{
	const struct vfiosafe_area range = { 0, PAGE };
	struct vfiosafe_dmabuf *back;
	struct vfiosafe_bar *bar;
	struct vfiosafe_p2p *map;
	uint64_t iova;

	(void)state;
	assert_ok(vfiosafe_bar_map(&bar, rig.dev, 0, 0, 0, 0));
	assert_ok(vfiosafe_dmabuf_export(&back, bar, &range, 1, 0));
	assert_ok(vfiosafe_p2p_map(&map, bench.dev, back, NULL, &iova));
	for (unsigned int order = 0; order < 256; order++)
		if (bits(order) == 4)
			interleave(order);
	assert_int_equal(bench.k.cut, 0);
	assert_map_state(MAPPED);
	assert_int_equal(vfiosafe_p2p_state(map), VFIOSAFE_P2P_MAPPED);
	assert_int_equal(fake_dmas(&bench.k), 2);
	assert_ok(vfiosafe_p2p_unmap(map));
	assert_ok(vfiosafe_dmabuf_free(back));
}

static void an_importer_that_drains_is_waited_for(void **state)
{
	const struct vfiosafe_reset_opts opts = { .size = sizeof(opts), .timeout_ms = 20 };
	struct vfiosafe_window *win;

	(void)state;
	/* Neither LIVE, nor quiesced: its DMA goes on, and may go on for good. */
	assert_ok(vfiosafe_window_begin(&win, rig.dev, NULL));
	fake_log_clear(&bench.k);
	assert_refused(vfiosafe_reset(bench.dev, &opts), ETIMEDOUT, IMPORTER);
	assert_log("quiesce resume");
	assert_map_state(MAPPED);
	assert_state(LIVE);
	assert_int_equal(vfiosafe_window_poll(win), VFIOSAFE_STEP_COMMIT);
	assert_ok(vfiosafe_reset(bench.dev, &opts));
	assert_reaches(rig.iova, PAGE);
	vfiosafe_window_end(win);
	assert_int_equal(rig.count[I_STOP], 0);
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
		P2P_BOTH(the_exporter_is_reset_inside_the_importer_s_window),
		P2P_BOTH(the_importer_is_reset_inside_the_exporter_s_window),
		P2P_BOTH(windows_of_both_at_once_need_no_order),
		P2P_BOTH(two_devices_that_import_from_each_other),
		P2P_BOTH(an_importer_that_drains_is_waited_for),
		P2P_BOTH(one_callback_at_a_time),
		P2P_BOTH_UNMAPPED(a_map_made_in_its_own_window_is_started_at_the_end),
		P2P_BOTH(without_callbacks_the_map_comes_and_goes),
		P2P_BOTH(importers_stop_in_the_order_of_their_addresses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

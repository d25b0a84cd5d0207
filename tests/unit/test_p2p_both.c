/* SPDX-License-Identifier: MIT */
/* Windows of exporter and importer at the same time, and of two that do both. */
#include "p2p_rig.h"
#include "uapi.h"

static int reset_importer(void)
{
	fake_log_clear(&bench.k);
	return vfiosafe_reset(rig.dev, NULL);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		P2P_BOTH(the_exporter_is_reset_inside_the_importer_s_window),
		P2P_BOTH(the_importer_is_reset_inside_the_exporter_s_window),
		P2P_BOTH(windows_of_both_at_once_need_no_order),
		P2P_BOTH(two_devices_that_import_from_each_other),
		P2P_BOTH(an_importer_that_drains_is_waited_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

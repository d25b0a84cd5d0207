/* SPDX-License-Identifier: MIT */
/* A close of the exporter or the importer while something of them is under way. */
#include "p2p_rig.h"
#include "uapi.h"
#include "unit_thread.h"

static void close_exporter(void)
{
	bench_close();
	bench.bar = NULL;
	rig.buf = NULL;
}

/* At each step of a window of its own. */
static void an_exporter_goes_in_a_window(void **state)
{
	void *door = (void *)(uintptr_t)bench.opts.door;

	for (int steps = 0; steps <= 3; steps++) {
		struct vfiosafe_window *win = window_begin(1000);

		if (steps > 0)
			assert_int_equal(vfiosafe_window_poll(win), VFIOSAFE_STEP_COMMIT);
		if (steps > 1)
			assert_ok(vfiosafe_window_commit(win));
		if (steps > 2)
			assert_int_equal(vfiosafe_window_poll(win), VFIOSAFE_STEP_FINISH);
		assert_refused(vfiosafe_device_close(bench.dev, 100), EBUSY, "window");
		/* Nobody's DMA goes into what the kernel has back. */
		assert_reaches_nothing(rig.iova);
		assert_map_state(DEAD);
		assert_int_equal(rig.count[I_STOP], 1);
		assert_int_equal(bench.k.cut, 0);
		vfiosafe_window_end(win);
		close_exporter();
		*state = door;
		if (steps < 3) {
			assert_ok(p2p_teardown(state));
			*state = door;
			assert_ok(p2p_setup(state));
		}
	}
	*state = &bench;
}

static void an_importer_goes_in_a_window(void **state)
{
	struct vfiosafe_window *win;

	(void)state;
	assert_ok(vfiosafe_window_begin(&win, rig.dev, NULL));
	assert_int_equal(vfiosafe_window_poll(win), VFIOSAFE_STEP_COMMIT);
	assert_int_equal(vfiosafe_device_close(rig.dev, 100), -EBUSY);
	/* GONE: not asked, unmapped, left away. */
	assert_ok(vfiosafe_reset(bench.dev, NULL));
	assert_int_equal(rig.count[I_STOP], 0);
	vfiosafe_window_end(win);
	close_importer();
	assert_ok(vfiosafe_reset(bench.dev, NULL));
	assert_int_equal(fake_dmas(&bench.k), 0);
}

static int close_rc;

static int close_exporter_soon(void)
{
	close_rc = vfiosafe_device_close(bench.dev, 20);
	return close_rc;
}

static int close_importer_soon(void)
{
	return vfiosafe_device_close(rig.dev, 20);
}

static unsigned long closing_at;

static int (*closing)(void);
static void close_in_a_call(struct fake *fake, enum fake_call call, uint64_t key)
{
	if (call != FAKE_IOCTL || key != closing_at)
		return;
	fake->hook = NULL;
	assert_int_equal(on_another_thread(closing), -EBUSY);
}

static void hook(unsigned long request, int (*close_it)(void))
{
	bench.k.real_clock = true;
	closing_at = request;
	closing = close_it;
	bench.k.hook = close_in_a_call;
}

static void an_exporter_goes_during_an_export(void **state)
{
	const struct vfiosafe_area range = { 0, PAGE };
	struct vfiosafe_dmabuf *buf = NULL;

	(void)state;
	hook(VFIO_DEVICE_FEATURE, close_exporter_soon);
	/* The fd became a dead one under the call. */
	assert_true(vfiosafe_dmabuf_export(&buf, bench.bar, &range, 1, 0) < 0);
	assert_null(buf);
	assert_reaches_nothing(rig.iova);
	close_exporter();
}

static void an_exporter_goes_during_a_map(void **state)
{
	struct vfiosafe_p2p *second = NULL;
	uint64_t iova;
	bool cdev = bench.opts.door == VFIOSAFE_DOOR_CDEV;

	(void)state;
	hook(cdev ? IOMMU_IOAS_MAP_FILE : VFIO_IOMMU_MAP_DMA, close_exporter_soon);
	assert_refused(vfiosafe_p2p_map(&second, rig.dev, rig.buf, NULL, &iova), ENODEV, "");
	assert_null(second);
	assert_int_equal(fake_dmas(&bench.k), 0);
	close_exporter();
	assert_map_state(DEAD);
}

static void an_importer_goes_during_a_map(void **state)
{
	struct vfiosafe_p2p *second = NULL;
	uint64_t iova;
	bool cdev = bench.opts.door == VFIOSAFE_DOOR_CDEV;

	(void)state;
	hook(cdev ? IOMMU_IOAS_MAP_FILE : VFIO_IOMMU_MAP_DMA, close_importer_soon);
	assert_ok(vfiosafe_p2p_map(&second, rig.dev, rig.buf, NULL, &iova));
	close_importer();
	assert_int_equal(fake_dmas(&bench.k), 0);
}

static void close_the_importer_inside(struct vfiosafe_device *dev, enum i_callback which,
				      struct vfiosafe_p2p *map)
{
	(void)dev;
	(void)map;
	if (which == I_STOP)
		assert_int_equal(on_another_thread(close_importer_soon), -EBUSY);
}

static void an_importer_goes_during_p2p_stop(void **state)
{
	(void)state;
	bench.k.real_clock = true;
	rig.inside = close_the_importer_inside;
	assert_ok(vfiosafe_reset(bench.dev, NULL));
	assert_int_equal(rig.count[I_START], 0);
	close_importer();
	assert_int_equal(fake_dmas(&bench.k), 0);
	assert_ok(vfiosafe_reset(bench.dev, NULL));
}

static void close_the_exporter_inside(struct vfiosafe_device *dev, enum i_callback which,
				      struct vfiosafe_p2p *map)
{
	(void)dev;
	(void)map;
	if (which == (closing_at ? I_START : I_STOP))
		assert_int_equal(on_another_thread(close_exporter_soon), -EBUSY);
}

static void an_exporter_goes_during_p2p_stop_or_p2p_start(void **state)
{
	void *door = (void *)(uintptr_t)bench.opts.door;

	for (closing_at = 0; closing_at < 2; closing_at++) {
		bench.k.real_clock = true;
		/* iommufd's is cut by the kernel when it gets its device back. */
		rig.cut_is_expected = true;
		rig.inside = close_the_exporter_inside;
		assert_int_equal(vfiosafe_reset(bench.dev, NULL), -ENODEV);
		rig.inside = NULL;
		close_exporter();
		assert_map_state(DEAD);
		assert_reaches_nothing(rig.iova);
		*state = door;
		if (closing_at < 1) {
			assert_ok(p2p_teardown(state));
			*state = door;
			assert_ok(p2p_setup(state));
		}
	}
	*state = &bench;
}

/* The map is found until it is gone: nothing tells type1 that the BAR is another's. */
static void an_exporter_goes_while_its_importer_is_closed(void **state)
{
	bool cdev = bench.opts.door == VFIOSAFE_DOOR_CDEV;

	(void)state;
	hook(cdev ? IOMMU_IOAS_UNMAP : VFIO_IOMMU_UNMAP_DMA, close_exporter_soon);
	close_importer();
	assert_int_equal(close_rc, -EBUSY);
	assert_int_equal(fake_dmas(&bench.k), 0);
	/* iommufd's is cut by the kernel when it gets its device back. */
	assert_int_equal(bench.k.cut, cdev);
	close_exporter();
}

static int reset_exporter_soon(void)
{
	const struct vfiosafe_reset_opts opts = { .size = sizeof(opts), .timeout_ms = 20 };

	return vfiosafe_reset(bench.dev, &opts);
}

static void reset_in_a_call(struct fake *fake, enum fake_call call, uint64_t key)
{
	if (call != FAKE_IOCTL || key != closing_at)
		return;
	fake->hook = NULL;
	assert_int_equal(on_another_thread(reset_exporter_soon), -ETIMEDOUT);
}

static void no_window_begins_over_a_map_whose_importer_is_closed(void **state)
{
	bool cdev = bench.opts.door == VFIOSAFE_DOOR_CDEV;

	(void)state;
	hook(cdev ? IOMMU_IOAS_UNMAP : VFIO_IOMMU_UNMAP_DMA, NULL);
	bench.k.hook = reset_in_a_call;
	close_importer();
	assert_int_equal(bench.k.cut, 0);
	assert_int_equal(bench.fn->resets, 0);
	assert_ok(vfiosafe_reset(bench.dev, NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		P2P_BOTH(an_exporter_goes_in_a_window),
		P2P_BOTH(an_importer_goes_in_a_window),
		P2P_BOTH(an_exporter_goes_during_an_export),
		P2P_BOTH(an_exporter_goes_during_a_map),
		P2P_BOTH(an_importer_goes_during_a_map),
		P2P_BOTH(an_importer_goes_during_p2p_stop),
		P2P_BOTH(an_exporter_goes_during_p2p_stop_or_p2p_start),
		P2P_BOTH(an_exporter_goes_while_its_importer_is_closed),
		P2P_BOTH(no_window_begins_over_a_map_whose_importer_is_closed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

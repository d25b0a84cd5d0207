/* SPDX-License-Identifier: MIT */
/* Importers that do not stop or start, or do so late; kernels that do not unmap or map. */
#include "p2p_rig.h"
#include "uapi.h"

static int reset_exporter(uint32_t ms)
{
	return reset_ms(ms);
}

static void an_importer_that_does_not_stop_has_a_broken_map(void **state)
{
	struct vfiosafe_event event;

	(void)state;
	rig.rc[I_STOP] = -EIO;
	assert_ok(reset_exporter(1000));
	assert_log("quiesce istop UNMAP COMMAND=0002 RESET ready COMMAND=0002 reinit");
	assert_map_state(BROKEN);
	assert_reaches_nothing(rig.iova);
	assert_int_equal(vfiosafe_event_read(rig.dev, &event, 1, sizeof(event)), 1);
	assert_int_equal(event.type, VFIOSAFE_EVENT_P2P);
	assert_int_equal(event.result, -EIO);
	/* It is asked no more. */
	assert_ok(reset_exporter(1000));
	assert_int_equal(rig.count[I_STOP], 1);
	rig.rc[I_STOP] = 0;
	assert_ok(vfiosafe_p2p_unmap(rig.map));
	rig.map = p2p_mapped(rig.buf);
	assert_ok(reset_exporter(1000));
	assert_map_state(MAPPED);
}

static void an_importer_that_stops_late_calls_the_window_off(void **state)
{
	struct vfiosafe_event event;

	(void)state;
	rig.takes_ms[I_STOP] = 200;
	assert_refused(reset_exporter(100), ETIMEDOUT, "importers", "deadline");
	assert_log("quiesce istop UNMAP resume");
	assert_state(LIVE);
	assert_generation(1);
	assert_map_state(BROKEN);
	assert_int_equal(vfiosafe_event_read(rig.dev, &event, 1, sizeof(event)), 1);
	assert_int_equal(event.result, -ETIMEDOUT);
	/* The exporter is not held up a second time. */
	assert_ok(reset_exporter(100));
}

static void an_importer_that_starts_late_has_started(void **state)
{
	(void)state;
	rig.takes_ms[I_START] = 200;
	assert_ok(reset_exporter(100));
	assert_state(LIVE);
	assert_map_state(MAPPED);
	assert_ok(reset_exporter(1000));
	assert_int_equal(rig.count[I_STOP], 2);
}

static void an_importer_that_does_not_start_has_a_broken_map(void **state)
{
	struct vfiosafe_event event;

	(void)state;
	rig.rc[I_START] = -ENOSPC;
	assert_ok(reset_exporter(1000));
	assert_state(LIVE);
	assert_map_state(BROKEN);
	assert_reaches_nothing(rig.iova);
	assert_int_equal(vfiosafe_event_read(rig.dev, &event, 1, sizeof(event)), 1);
	assert_int_equal(event.result, -ENOSPC);
}

static void deadline_is_the_exporter_s(struct vfiosafe_device *dev, enum i_callback which,
				       struct vfiosafe_p2p *map)
{
	(void)map;
	if (which == I_STOP)
		assert_int_equal(vfiosafe_window_deadline(dev),
				 vfiosafe_window_deadline(bench.dev));
}

static void p2p_stop_is_given_the_deadline(void **state)
{
	(void)state;
	rig.inside = deadline_is_the_exporter_s;
	assert_ok(reset_exporter(1234));
	assert_int_equal(rig.count[I_STOP], 1);
	assert_int_equal(vfiosafe_window_deadline(rig.dev), VFIOSAFE_FOREVER);
}

static void what_is_refused_inside(struct vfiosafe_device *dev, enum i_callback which,
				   struct vfiosafe_p2p *map)
{
	struct vfiosafe_dmabuf *buf;
	const struct vfiosafe_area page = { 0, PAGE };

	(void)which;
	assert_refused(vfiosafe_reset(dev, NULL), EDEADLK, "callback");
	assert_refused(vfiosafe_reset(bench.dev, NULL), EDEADLK, ADDRESS);
	assert_refused(vfiosafe_wait(bench.dev, VFIOSAFE_FOREVER), EDEADLK, ADDRESS);
	assert_int_equal(vfiosafe_device_close(dev, 10), -EDEADLK);
	assert_int_equal(vfiosafe_device_close(bench.dev, 10), -EDEADLK);
	assert_refused(vfiosafe_p2p_unmap(map), EDEADLK, "this map");
	assert_int_equal(vfiosafe_dmabuf_export(&buf, bench.bar, &page, 1, 0), -EDEADLK);
	assert_int_equal(vfiosafe_dmabuf_free(rig.buf), -EDEADLK);
	assert_int_equal(vfiosafe_dmabuf_revoke(rig.buf), -EDEADLK);
	assert_int_equal(vfiosafe_device_set_driver(dev, NULL, NULL), -EDEADLK);
}

static void what_would_wait_for_itself_is_refused_in_p2p_stop(void **state)
{
	(void)state;
	rig.inside = what_is_refused_inside;
	rig.rc[I_START] = 0;
	assert_ok(reset_exporter(1000));
	assert_int_equal(rig.count[I_STOP], 1);
	rig.inside = NULL;
}

static void the_importer_works(struct vfiosafe_device *dev, enum i_callback which,
			       struct vfiosafe_p2p *map)
{
	struct vfiosafe_bar *bar;
	struct vfiosafe_view view;
	uint32_t value;

	(void)map;
	if (which != I_STOP && which != I_START)
		return;
	assert_int_equal(vfiosafe_device_state(dev), VFIOSAFE_LIVE);
	assert_ok(vfiosafe_bar_map(&bar, dev, 0, 0, 0, 0));
	assert_ok(vfiosafe_bar_view(bar, &view));
	assert_ok(vfiosafe_read32(&view, 0, &value));
	assert_ok(vfiosafe_set_bus_master(dev, which == I_START));
	assert_int_equal(vfiosafe_read32(&bench.view, 0, &value), -EAGAIN);
}

static void the_importer_is_live_in_its_callbacks(void **state)
{
	(void)state;
	rig.inside = the_importer_works;
	assert_ok(reset_exporter(1000));
	assert_int_equal(rig.count[I_STOP] + rig.count[I_START], 2);
}

static void a_kernel_that_does_not_unmap_calls_the_window_off(void **state)
{
	bool cdev = bench.opts.door == VFIOSAFE_DOOR_CDEV;

	(void)state;
	fake_fail(&bench.k, FAKE_IOCTL, cdev ? IOMMU_IOAS_UNMAP : VFIO_IOMMU_UNMAP_DMA, EBUSY,
		  1);
	assert_refused(reset_exporter(1000), ECANCELED, "could not be taken away");
	assert_state(LIVE);
	assert_int_equal(bench.fn->resets, 0);
	assert_map_state(BROKEN);
	assert_ok(reset_exporter(1000));
	assert_int_equal(bench.k.cut, 0);
}

static void a_kernel_that_does_not_map_again_is_a_fault(void **state)
{
	bool cdev = bench.opts.door == VFIOSAFE_DOOR_CDEV;

	(void)state;
	fake_fail(&bench.k, FAKE_IOCTL, cdev ? IOMMU_IOAS_MAP_FILE : VFIO_IOMMU_MAP_DMA,
		  ENOMEM, 2);
	assert_refused(reset_exporter(1000), EIO, "BAR 0", IMPORTER);
	assert_state(FAULT);
	assert_int_equal(vfiosafe_device_cause(bench.dev), VFIOSAFE_CAUSE_NOT_READY);
	assert_map_state(AWAY);
	assert_int_equal(vfiosafe_recover(bench.dev, NULL), -EIO);
	/* A way out without the map. */
	assert_ok(vfiosafe_p2p_unmap(rig.map));
	assert_ok(vfiosafe_recover(bench.dev, NULL));
	rig.map = p2p_mapped(rig.buf);
}

static void a_window_called_off_without_its_maps_is_a_fault(void **state)
{
	bool cdev = bench.opts.door == VFIOSAFE_DOOR_CDEV;

	(void)state;
	fake_fail(&bench.k, FAKE_IOCTL, VFIO_DEVICE_RESET, EAGAIN, 1000);
	fake_fail(&bench.k, FAKE_IOCTL, cdev ? IOMMU_IOAS_MAP_FILE : VFIO_IOMMU_MAP_DMA,
		  ENOMEM, 1);
	assert_int_equal(reset_exporter(50), -EIO);
	assert_state(FAULT);
	memset(bench.k.rule, 0, sizeof(bench.k.rule));
	assert_ok(vfiosafe_recover(bench.dev, NULL));
	assert_map_state(MAPPED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		P2P_BOTH(an_importer_that_does_not_stop_has_a_broken_map),
		P2P_BOTH(an_importer_that_stops_late_calls_the_window_off),
		P2P_BOTH(an_importer_that_starts_late_has_started),
		P2P_BOTH(an_importer_that_does_not_start_has_a_broken_map),
		P2P_BOTH(p2p_stop_is_given_the_deadline),
		P2P_BOTH(what_would_wait_for_itself_is_refused_in_p2p_stop),
		P2P_BOTH(the_importer_is_live_in_its_callbacks),
		P2P_BOTH(a_kernel_that_does_not_unmap_calls_the_window_off),
		P2P_BOTH(a_kernel_that_does_not_map_again_is_a_fault),
		P2P_BOTH(a_window_called_off_without_its_maps_is_a_fault),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* Windows of the exporter: the order, every way in which one ends, deadlines. */
#include "p2p_rig.h"
#include "power_rig.h"
#include "uapi.h"
#include "unit_thread.h"

static int reset_exporter(uint32_t ms)
{
	return reset_ms(ms);
}

static void the_order_of_a_reset(void **state)
{
	(void)state;
	assert_ok(reset_exporter(1000));
	assert_log("quiesce istop UNMAP COMMAND=0002 RESET ready COMMAND=0002 reinit MAP "
		   "istart");
	assert_reaches(rig.iova, PAGE);
	assert_map_state(MAPPED);
	assert_buf_state(OK);
	assert_generation(2);
	assert_int_equal(vfiosafe_device_generation(rig.dev), 1);
	assert_int_equal(bench.k.cut, 0);
}

static void fifty_resets_keep_the_address(void **state)
{
	unsigned int fds = fake_open_fds(&bench.k);

	(void)state;
	for (int i = 0; i < 50; i++) {
		assert_ok(reset_exporter(1000));
		assert_reaches(rig.iova, PAGE);
	}
	assert_int_equal(rig.count[I_STOP], 50);
	assert_int_equal(rig.count[I_START], 50);
	assert_int_equal(bench.k.cut, 0);
	assert_int_equal(fake_dmas(&bench.k), 1);
	assert_int_equal(fake_open_fds(&bench.k), fds);
}

static void a_dead_dmabuf_is_exported_again_under_its_number(void **state)
{
	int fd = vfiosafe_dmabuf_fd(rig.buf);
	unsigned int fds = fake_open_fds(&bench.k);

	(void)state;
	bench.fn->dmabufs_die = true;
	assert_ok(reset_exporter(1000));
	assert_log("quiesce istop UNMAP COMMAND=0002 RESET ready COMMAND=0002 reinit EXPORT "
		   "MAP istart");
	assert_int_equal(vfiosafe_dmabuf_fd(rig.buf), fd);
	assert_int_equal(fake_open_fds(&bench.k), fds);
	assert_reaches(rig.iova, PAGE);
	assert_false(bench.k.fd[fd - FAKE_FD0]->buf->revoked);
}

/* The kernel zaps and revokes before it refuses. */
static void a_refused_reset_brings_the_map_back(void **state)
{
	(void)state;
	fake_fail(&bench.k, FAKE_IOCTL, VFIO_DEVICE_RESET, EAGAIN, 1000);
	assert_int_equal(reset_exporter(50), -ETIMEDOUT);
	assert_log("quiesce istop UNMAP COMMAND=0002 resume MAP istart");
	assert_state(LIVE);
	assert_generation(1);
	assert_reaches(rig.iova, PAGE);
	assert_buf_state(OK);
	assert_int_equal(bench.k.cut, 0);
}

static void a_veto_leaves_the_map_alone(void **state)
{
	(void)state;
	driver.rc[QUIESCE] = -EBUSY;
	assert_int_equal(reset_exporter(50), -ECANCELED);
	assert_log("quiesce");
	assert_reaches(rig.iova, PAGE);
	assert_map_state(MAPPED);
}

static void a_failed_reset_leaves_it_away_until_recovery(void **state)
{
	(void)state;
	fake_fail(&bench.k, FAKE_IOCTL, VFIO_DEVICE_RESET, EIO, 1);
	assert_int_equal(reset_exporter(1000), -EIO);
	assert_state(FAULT);
	assert_map_state(AWAY);
	assert_buf_state(REVOKED);
	assert_reaches_nothing(rig.iova);
	assert_int_equal(rig.count[I_START], 0);
	fake_log_clear(&bench.k);
	assert_ok(vfiosafe_recover(bench.dev, NULL));
	assert_log("COMMAND=0002 RESET ready COMMAND=0002 reinit MAP istart");
	assert_reaches(rig.iova, PAGE);
	assert_int_equal(rig.count[I_STOP], 1);
}

static void a_device_that_was_lost_stops_importers_at_its_recovery(void **state)
{
	(void)state;
	assert_ok(vfiosafe_mark_lost(bench.dev, "for the test"));
	fake_log_clear(&bench.k);
	assert_ok(vfiosafe_recover(bench.dev, NULL));
	assert_log("istop UNMAP COMMAND=0002 RESET ready COMMAND=0002 reinit MAP istart");
	assert_reaches(rig.iova, PAGE);
	assert_int_equal(bench.k.cut, 0);
}

static void a_loss_during_reinit_brings_nothing_back(void **state)
{
	(void)state;
	driver.rc[REINIT] = -EIO;
	assert_int_equal(reset_exporter(1000), -EIO);
	assert_map_state(AWAY);
	assert_reaches_nothing(rig.iova);
	assert_int_equal(rig.count[I_START], 0);
	driver.rc[REINIT] = 0;
	assert_ok(vfiosafe_recover(bench.dev, NULL));
	assert_map_state(MAPPED);
	assert_int_equal(rig.count[I_START], 1);
}

static void each_way_of_parking_takes_it_away(void **state)
{
	(void)state;
	for (int way = 0; way < WAYS; way++) {
		uint64_t generation = vfiosafe_device_generation(bench.dev);

		print_message("%s\n", ways[way].name);
		assert_ok(park((enum way)way));
		assert_non_null(strstr(bench.k.log, "quiesce istop UNMAP COMMAND="));
		assert_map_state(AWAY);
		assert_buf_state(REVOKED);
		assert_reaches_nothing(rig.iova);
		assert_ok(wake((enum way)way));
		assert_non_null(strstr(bench.k.log, ways[way].keeps ? "resume MAP istart"
								    : "reinit MAP istart"));
		assert_reaches(rig.iova, PAGE);
		assert_map_state(MAPPED);
		assert_buf_state(OK);
		assert_int_equal(vfiosafe_device_generation(bench.dev),
				 generation + !ways[way].keeps);
		assert_int_equal(bench.k.cut, 0);
		fake_set_power_state(bench.fn, 0);
	}
}

static void a_parked_device_is_reset_without_another_stop(void **state)
{
	(void)state;
	assert_ok(vfiosafe_set_decode(bench.dev, false, NULL));
	assert_int_equal(rig.count[I_STOP], 1);
	assert_ok(reset_exporter(1000));
	assert_log("COMMAND=0002 RESET ready COMMAND=0002 reinit MAP istart");
	assert_int_equal(rig.count[I_STOP], 1);
	assert_reaches(rig.iova, PAGE);
}

static void a_parking_that_is_refused_brings_it_back(void **state)
{
	(void)state;
	bench.fn->pm_stuck = true;
	fake_log_clear(&bench.k);
	assert_int_equal(vfiosafe_set_power(bench.dev, VFIOSAFE_D3HOT, NULL), -EOPNOTSUPP);
	assert_log("quiesce istop UNMAP COMMAND=0002 PMCSR=000b resume MAP istart");
	assert_reaches(rig.iova, PAGE);
	assert_map_state(MAPPED);
}

static void unmapping_a_bar_takes_nothing_away(void **state)
{
	(void)state;
	assert_ok(vfiosafe_bar_unmap(bench.bar, 100));
	bench.bar = NULL;
	assert_log("");
	assert_map_state(MAPPED);
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

static struct holder holder;

static void release_when_ready(struct vfiosafe_device *dev, enum callback which)
{
	(void)dev;
	if (which == READY)
		assert_int_equal(release(&holder), -EAGAIN);
}

static void a_reset_by_force_stops_importers_too(void **state)
{
	const struct vfiosafe_reset_opts opts = { .size = sizeof(opts),
						  .timeout_ms = 50,
						  .policy = VFIOSAFE_POLICY_FORCE };

	(void)state;
	memset(&holder, 0, sizeof(holder));
	hold(&holder, &bench.view);
	driver.inside = release_when_ready;
	assert_ok(vfiosafe_reset(bench.dev, &opts));
	assert_log("istop UNMAP COMMAND=0002 RESET ready COMMAND=0002 reinit MAP istart");
	assert_reaches(rig.iova, PAGE);
	assert_int_equal(bench.k.cut, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		P2P_BOTH(the_order_of_a_reset),
		P2P_BOTH(fifty_resets_keep_the_address),
		P2P_TEST(a_dead_dmabuf_is_exported_again_under_its_number, "", p2p_setup,
			 VFIOSAFE_DOOR_CDEV),
		P2P_BOTH(a_refused_reset_brings_the_map_back),
		P2P_BOTH(a_veto_leaves_the_map_alone),
		P2P_BOTH(a_failed_reset_leaves_it_away_until_recovery),
		P2P_BOTH(a_device_that_was_lost_stops_importers_at_its_recovery),
		P2P_BOTH(a_loss_during_reinit_brings_nothing_back),
		P2P_BOTH(each_way_of_parking_takes_it_away),
		P2P_BOTH(a_parked_device_is_reset_without_another_stop),
		P2P_BOTH(a_parking_that_is_refused_brings_it_back),
		P2P_BOTH(unmapping_a_bar_takes_nothing_away),
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
		P2P_BOTH(a_reset_by_force_stops_importers_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

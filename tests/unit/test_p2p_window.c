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
		P2P_BOTH(a_reset_by_force_stops_importers_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

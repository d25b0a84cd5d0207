/* SPDX-License-Identifier: MIT */
/* The end of an exporter, of an importer, of both; before, during and after, in any order. */
#include <sys/wait.h>
#include <unistd.h>

#include "p2p_rig.h"
#include "uapi.h"
#include "unit_thread.h"

static void close_exporter(void)
{
	bench_close();
	bench.bar = NULL;
	rig.buf = NULL;
}

static struct vfiosafe_event event_of_importer(void)
{
	struct vfiosafe_event event = { 0 };

	assert_int_equal(vfiosafe_event_read(rig.dev, &event, 1, sizeof(event)), 1);
	return event;
}

static void the_exporter_goes_first(void **state)
{
	struct vfiosafe_event event;

	(void)state;
	fake_log_clear(&bench.k);
	close_exporter();
	assert_string_equal(bench.k.log, "istop UNMAP");
	assert_int_equal(bench.k.cut, 0);
	assert_map_state(DEAD);
	assert_reaches_nothing(rig.iova);
	event = event_of_importer();
	assert_int_equal(event.type, VFIOSAFE_EVENT_P2P);
	assert_int_equal(event.result, -ENODEV);
	/* Its own windows start nothing. */
	assert_ok(vfiosafe_reset(rig.dev, NULL));
	assert_int_equal(rig.count[I_START], 0);
	assert_ok(vfiosafe_p2p_unmap(rig.map));
}

static void a_dead_map_ends_with_its_importer(void **state)
{
	(void)state;
	close_exporter();
	close_importer();
	assert_int_equal(fake_dmas(&bench.k), 0);
}

static void the_importer_goes_first(void **state)
{
	(void)state;
	close_importer();
	assert_int_equal(fake_dmas(&bench.k), 0);
	assert_int_equal(rig.count[I_STOP], 0);
	assert_ok(vfiosafe_reset(bench.dev, NULL));
	assert_int_equal(fake_dmas(&bench.k), 0);
	assert_ok(vfiosafe_dmabuf_free(rig.buf));
}

static void an_importer_that_stays_can_import_again(void **state)
{
	const struct vfiosafe_area range = { 0, PAGE };
	uint64_t before = rig.iova;

	(void)state;
	close_exporter();
	assert_ok(vfiosafe_p2p_unmap(rig.map));
	bench_open();
	rig.buf = export_ranges(&range, 1);
	rig.map = p2p_mapped(rig.buf);
	/* No address is lost. */
	assert_int_equal(rig.iova, before);
	assert_reaches(rig.iova, 0);
}

static void an_exporter_goes_while_it_is_parked(void **state)
{
	(void)state;
	assert_ok(vfiosafe_set_power(bench.dev, VFIOSAFE_D3HOT, NULL));
	assert_map_state(AWAY);
	close_exporter();
	assert_map_state(DEAD);
	assert_int_equal(rig.count[I_STOP], 1);
}

static void an_exporter_goes_in_fault(void **state)
{
	(void)state;
	assert_ok(vfiosafe_mark_lost(bench.dev, "for the test"));
	close_exporter();
	assert_map_state(DEAD);
	assert_int_equal(rig.count[I_STOP], 1);
	assert_int_equal(bench.k.cut, 0);
}

/* The section runs on over private memory; importers do not go on into the device. */
static void an_exporter_goes_over_a_section(void **state)
{
	struct holder holder = { 0 };

	(void)state;
	hold(&holder, &bench.view);
	assert_refused(vfiosafe_device_close(bench.dev, 100), EBUSY, "section");
	assert_reaches_nothing(rig.iova);
	assert_map_state(DEAD);
	assert_null(bench.fn->owner);
	assert_int_equal(bench.k.cut, 0);
	assert_int_equal(release(&holder), -ENODEV);
	close_exporter();
}

static void a_buffer_that_was_given_away_is_a_dead_object(void **state)
{
	int copy = vsf_sys(&bench.k.sys, dup, vfiosafe_dmabuf_fd(rig.buf));
	uint64_t iova;

	(void)state;
	close_exporter();
	if (bench.opts.door == VFIOSAFE_DOOR_CDEV)
		assert_refused(vfiosafe_iommu_map_file(rig.dev, copy, 0, PAGE, NULL, &iova),
			       ENODEV, "dma-buf");
	assert_ok(vsf_sys(&bench.k.sys, close, copy));
}

/* A child has the books, not the devices: it closes what it has, and no more. */
static void a_forked_child_takes_nothing_away(void **state)
{
	int status;
	pid_t pid;

	(void)state;
	for (int order = 0; order < 2; order++) {
		pid = fork();
		if (pid == 0) {
			uint64_t iova;
			struct vfiosafe_p2p *map;
			int bad = 0;

			bad |= vfiosafe_p2p_unmap(rig.map) != -ENODEV;
			bad |= vfiosafe_p2p_map(&map, rig.dev, rig.buf, NULL, &iova) !=
			       -ENODEV;
			bad |= vfiosafe_dmabuf_free(rig.buf) != -ENODEV;
			bad |= vfiosafe_dmabuf_revoke(rig.buf) != -ENODEV;
			bad |= vfiosafe_dmabuf_state(rig.buf, NULL) != VFIOSAFE_DMABUF_DEAD;
			bad |= vfiosafe_device_close(order ? rig.dev : bench.dev, 10);
			bad |= vfiosafe_device_close(order ? bench.dev : rig.dev, 10);
			bad |= rig.count[I_STOP] != 0;
			bad |= bench.k.count[FAKE_IOCTL] != 0;
			_exit(bad);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
	}
	assert_reaches(rig.iova, PAGE);
}

static int setup_for_fork(void **state)
{
	int rc = p2p_setup(state);

	memset(bench.k.count, 0, sizeof(bench.k.count));
	return rc;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		P2P_BOTH(the_exporter_goes_first),
		P2P_BOTH(a_dead_map_ends_with_its_importer),
		P2P_BOTH(the_importer_goes_first),
		P2P_BOTH(an_importer_that_stays_can_import_again),
		P2P_BOTH(an_exporter_goes_while_it_is_parked),
		P2P_BOTH(an_exporter_goes_in_fault),
		P2P_BOTH(an_exporter_goes_over_a_section),
		P2P_BOTH(a_buffer_that_was_given_away_is_a_dead_object),
		P2P_TEST(a_forked_child_takes_nothing_away, " (cdev)", setup_for_fork,
			 VFIOSAFE_DOOR_CDEV),
		P2P_TEST(a_forked_child_takes_nothing_away, " (group)", setup_for_fork,
			 VFIOSAFE_DOOR_GROUP),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

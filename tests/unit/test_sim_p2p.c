/* SPDX-License-Identifier: MIT */
/* One simulated device writes into another's BAR, over windows of both, by both doors. */
#include "sim_p2p_rig.h"

#define WINDOWS 54 /* of each device */

static struct {
	enum vfiosafe_door door;
	struct side from, to;
	struct vfiosafe_dmabuf *buf;
	struct vfiosafe_p2p *map;
	uint64_t iova;
	unsigned int fds; /* open, at first */
	uint64_t faults;  /* of DMA, that are expected */
	bool cut;	  /* the map is gone before the importer is told */
	uint64_t cuts;
} t;

static int complement_twice(struct side *side, uint64_t iova)
{
	int rc = side_complement(side, iova);

	if (rc == 0)
		rc = side_complement(side, iova);
	return rc == 0 ? 0 : -EPROTO;
}

/* DMA that is under way still reaches what it was sent to. */
static int p2p_stop(struct vfiosafe_device *dev, void *ctx, struct vfiosafe_p2p *map)
{
	struct side *side = ctx;

	(void)dev;
	side->stops++;
	return t.cut ? 0 : complement_twice(side, vfiosafe_p2p_iova(map) + 16);
}

static int p2p_start(struct vfiosafe_device *dev, void *ctx, struct vfiosafe_p2p *map)
{
	struct side *side = ctx;

	(void)dev;
	side->starts++;
	return complement_twice(side, vfiosafe_p2p_iova(map) + 16);
}

static int setup_window(void **state, enum vfiosafe_sim_window window)
{
	const struct vfiosafe_driver_ops from_ops = { .size = sizeof(from_ops),
						      .reinit = side_reinit };
	const struct vfiosafe_driver_ops to_ops = { .size = sizeof(to_ops),
						    .reinit = side_reinit,
						    .p2p_stop = p2p_stop,
						    .p2p_start = p2p_start };
	memset(&t, 0, sizeof(t));
	t.door = (enum vfiosafe_door)(uintptr_t)*state;
	t.fds = open_fds();
	side_open(&t.from, t.door, window, &from_ops);
	side_open(&t.to, t.door, window, &to_ops);
	return 0;
}

static int setup(void **state)
{
	return setup_window(state, VFIOSAFE_SIM_ALL_KINDS);
}

static int teardown(void **state)
{
	(void)state;
	assert_int_equal(side_faults(&t.to), t.faults);
	assert_int_equal(side_maps_left(&t.from) + side_maps_left(&t.to), t.cuts);
	side_close(&t.to);
	side_close(&t.from);
	assert_int_equal(open_fds(), t.fds);
	return 0;
}

static void export(const struct vfiosafe_area *ranges, uint32_t n)
{
	assert_int_equal(vfiosafe_dmabuf_export(&t.buf, t.from.bar, ranges, n, 0), 0);
	assert_int_equal(vfiosafe_p2p_map(&t.map, t.to.dev, t.buf, NULL, &t.iova), 0);
}

static void export_all(void)
{
	const struct vfiosafe_area all = { MEM, LEN };

	export(&all, 1);
}

static void by_reset(struct vfiosafe_device *dev)
{
	assert_int_equal(vfiosafe_reset(dev, NULL), 0);
}

static void by_recovery(struct vfiosafe_device *dev)
{
	assert_int_equal(vfiosafe_mark_lost(dev, "for the test"), 0);
	assert_int_equal(vfiosafe_recover(dev, NULL), 0);
}

static void by_d3hot(struct vfiosafe_device *dev)
{
	assert_int_equal(vfiosafe_set_power(dev, VFIOSAFE_D3HOT, NULL), 0);
	assert_int_equal(vfiosafe_set_power(dev, VFIOSAFE_D0, NULL), 0);
}

static void by_low_power(struct vfiosafe_device *dev)
{
	assert_int_equal(vfiosafe_low_power_enter(dev, false, NULL), 0);
	assert_int_equal(vfiosafe_low_power_exit(dev, NULL), 0);
}

static void by_decode(struct vfiosafe_device *dev)
{
	assert_int_equal(vfiosafe_set_decode(dev, false, NULL), 0);
	assert_int_equal(vfiosafe_set_decode(dev, true, NULL), 0);
}

/* The kernel says no, and has revoked it all the same. */
static void by_refused_reset(struct vfiosafe_device *dev)
{
	uint64_t generation = vfiosafe_device_generation(dev);

	vfiosafe_sim_fail(dev == t.from.dev ? t.from.sim : t.to.sim,
			  VFIOSAFE_SIM_CALL_RESET, EINVAL, 1);
	assert_true(vfiosafe_reset(dev, NULL) < 0);
	assert_int_equal(vfiosafe_device_state(dev), VFIOSAFE_LIVE);
	assert_int_equal(vfiosafe_device_generation(dev), generation);
}

static void (*const windows[])(struct vfiosafe_device *dev) = {
	by_reset, by_recovery, by_d3hot, by_low_power, by_decode, by_refused_reset,
};

static void dma_reaches_the_same_bytes_after_windows_of_both(void **state)
{
	uint64_t generation;

	(void)state;
	export_all();
	for (unsigned int i = 0; i < WINDOWS; i++) {
		p2p_complement(&t.to, &t.from, t.iova + 8 * i, MEM + 8 * i);
		generation = vfiosafe_device_generation(t.to.dev);
		windows[i % 6](t.from.dev);
		assert_int_equal(vfiosafe_device_generation(t.to.dev), generation);
		assert_int_equal(vfiosafe_p2p_state(t.map), VFIOSAFE_P2P_MAPPED);
		assert_true(vfiosafe_p2p_iova(t.map) == t.iova);
		assert_int_equal(vfiosafe_dmabuf_state(t.buf, NULL), VFIOSAFE_DMABUF_OK);
		p2p_complement(&t.to, &t.from, t.iova + 8 * i, MEM + 8 * i);
		windows[i / 6 % 6](t.to.dev);
		assert_int_equal(vfiosafe_p2p_state(t.map), VFIOSAFE_P2P_MAPPED);
		p2p_complement(&t.to, &t.from, t.iova + LEN - 8, MEM + LEN - 8);
	}
	assert_int_equal(vfiosafe_p2p_unmap(t.map), 0);
	assert_int_equal(vfiosafe_dmabuf_free(t.buf), 0);
}

/* Away from before the device goes until it is back, and told once each time. */
static void while_the_exporter_sleeps_the_map_is_away(void **state)
{
	(void)state;
	export_all();
	assert_int_equal(vfiosafe_set_power(t.from.dev, VFIOSAFE_D3HOT, NULL), 0);
	assert_int_equal(vfiosafe_p2p_state(t.map), VFIOSAFE_P2P_AWAY);
	assert_int_equal(vfiosafe_dmabuf_state(t.buf, NULL), VFIOSAFE_DMABUF_REVOKED);
	assert_int_equal(t.to.stops, 1);
	assert_int_equal(t.to.starts, 0);
	assert_int_equal(vfiosafe_reset(t.to.dev, NULL), 0);
	assert_int_equal(t.to.starts, 0);
	assert_int_equal(vfiosafe_set_power(t.from.dev, VFIOSAFE_D0, NULL), 0);
	assert_int_equal(t.to.starts, 1);
	p2p_complement(&t.to, &t.from, t.iova, MEM);
}

static void several_ranges_lie_one_behind_the_other(void **state)
{
	const struct vfiosafe_area ranges[] = { { MEM + 4 * PAGE, PAGE },
						{ MEM, 2 * PAGE },
						{ MEM + 6 * PAGE, PAGE } };

	(void)state;
	export(ranges, 3);
	for (unsigned int i = 0; i < 12; i++) {
		p2p_complement(&t.to, &t.from, t.iova, MEM + 4 * PAGE);
		p2p_complement(&t.to, &t.from, t.iova + 3 * PAGE - 8, MEM + 2 * PAGE - 8);
		p2p_complement(&t.to, &t.from, t.iova + 3 * PAGE, MEM + 6 * PAGE);
		windows[i % 6](i % 2 ? t.from.dev : t.to.dev);
	}
	assert_int_equal(vfiosafe_p2p_unmap(t.map), 0);
}

static void a_device_imports_from_itself(void **state)
{
	const struct vfiosafe_area all = { MEM, LEN };

	(void)state;
	assert_int_equal(vfiosafe_dmabuf_export(&t.buf, t.to.bar, &all, 1, 0), 0);
	assert_int_equal(vfiosafe_p2p_map(&t.map, t.to.dev, t.buf, NULL, &t.iova), 0);
	for (unsigned int i = 0; i < 12; i++) {
		p2p_complement(&t.to, &t.to, t.iova + 8, MEM + 8);
		windows[i % 6](t.to.dev);
	}
	p2p_complement(&t.to, &t.to, t.iova + 8, MEM + 8);
}

/* Not by the library: it learns of it by being told, and brings the map back. */
static void after_a_reset_of_somebody_else_recovery_brings_it_back(void **state)
{
	const struct vfiosafe_sys *sys = vfiosafe_sim_sys(t.from.sim);
	bool cdev = t.door == VFIOSAFE_DOOR_CDEV;

	(void)state;
	export_all();
	t.cut = true;
	for (unsigned int i = 0; i < 10; i++) {
		p2p_complement(&t.to, &t.from, t.iova, MEM);
		assert_int_equal(sys->ioctl(sys->ctx, vfiosafe_sim_device_fd(t.from.sim),
					    VFIO_DEVICE_RESET, NULL),
				 0);
		t.cuts++;
		/* iommufd stops DMA, type1 has not heard of it. */
		assert_int_equal(side_complement(&t.to, t.iova),
				 cdev ? VFIOSAFE_SIM_DMA_FAILED : 0);
		t.faults += cdev;
		by_recovery(t.from.dev);
		assert_int_equal(vfiosafe_p2p_state(t.map), VFIOSAFE_P2P_MAPPED);
	}
}

/* Memory of the host, by its fd. */
static void a_file_in_memory_is_imported(void **state)
{
	int fd = memfd_create("foreign", MFD_CLOEXEC);
	uint64_t iova, *view;

	(void)state;
	assert_int_equal(ftruncate(fd, 2 * PAGE), 0);
	view = mmap(NULL, 2 * PAGE, PROT_READ, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(view, MAP_FAILED);
	assert_int_equal(vfiosafe_iommu_map_file(t.to.dev, fd, PAGE, PAGE, NULL, &iova),
			 0);
	close(fd);
	for (unsigned int i = 0; i < 6; i++) {
		windows[i](t.to.dev);
		side_renew(&t.to);
		assert_int_equal(side_complement(&t.to, iova + 8), 0);
		assert_true(view[PAGE / 8 + 1] == (i % 2 ? 0 : UINT64_MAX));
	}
	assert_int_equal(vfiosafe_iommu_unmap(t.to.dev, iova, PAGE), 0);
	munmap(view, 2 * PAGE);
}

#define DOOR(test, suffix, by)                                                           \
	{                                                                                \
		.name = #test suffix, .test_func = test, .setup_func = setup,            \
		.teardown_func = teardown, .initial_state = (void *)(uintptr_t)(by)      \
	}
#define BOTH(test)                                                                       \
	DOOR(test, " (cdev)", VFIOSAFE_DOOR_CDEV),                                       \
		DOOR(test, " (group)", VFIOSAFE_DOOR_GROUP)

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(dma_reaches_the_same_bytes_after_windows_of_both),
		BOTH(while_the_exporter_sleeps_the_map_is_away),
		BOTH(several_ranges_lie_one_behind_the_other),
		BOTH(a_device_imports_from_itself),
		BOTH(after_a_reset_of_somebody_else_recovery_brings_it_back),
		BOTH(a_file_in_memory_is_imported),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/*
 * p2p_rig.h - two devices, by the door that a test asks for: bench.dev exports BAR 0,
 * the other one imports it. Callbacks of both are in the log, those of the importer
 * with an i in front.
 */
#ifndef P2P_RIG_H
#define P2P_RIG_H

#include "sys.h"
#include "unit_driver.h"

#define IMPORTER "0000:02:00.0"
#define PAGE ((uint64_t)FAKE_PAGE)

enum i_callback { I_STOP, I_START, I_QUIESCE, I_RESUME, I_REINIT, I_LOST, I_CALLBACKS };

struct p2p_rig {
	struct fake_function *fn;
	struct vfiosafe_device *dev; /* the importer */
	struct vfiosafe_dmabuf *buf;
	struct vfiosafe_p2p *map;
	uint64_t iova;

	/* The importer's driver. */
	int rc[I_CALLBACKS];
	int64_t takes_ms[I_CALLBACKS];
	unsigned int count[I_CALLBACKS];
	void (*inside)(struct vfiosafe_device *dev, enum i_callback which,
		       struct vfiosafe_p2p *map);
	bool cut_is_expected;
};

/* One for each test program; set up afresh for each test. */
static struct p2p_rig rig;

static inline int i_run(struct vfiosafe_device *dev, enum i_callback which,
			struct vfiosafe_p2p *map)
{
	static const char *const names[] = { "istop",	"istart",  "iquiesce",
					     "iresume", "ireinit", "ilost" };

	rig.count[which]++;
	fake_note(&bench.k, "%s", names[which]);
	fake_advance_ms(&bench.k, rig.takes_ms[which]);
	if (rig.inside)
		rig.inside(dev, which, map);
	return rig.rc[which];
}

/* DMA may go on until the stop has returned: what it goes to has to be there. */
static inline int i_stop(struct vfiosafe_device *dev, void *ctx, struct vfiosafe_p2p *map)
{
	const struct fake_dma *dma = fake_dma_at(&bench.k, vfiosafe_p2p_iova(map));

	assert_ptr_equal(ctx, &rig);
	assert_non_null(dma);
	assert_false(dma->hole && !rig.cut_is_expected);
	return i_run(dev, I_STOP, map);
}

static inline int i_start(struct vfiosafe_device *dev, void *ctx, struct vfiosafe_p2p *map)
{
	const struct fake_dma *dma = fake_dma_at(&bench.k, vfiosafe_p2p_iova(map));

	(void)ctx;
	assert_non_null(dma);
	assert_false(dma->hole);
	assert_int_equal(vfiosafe_p2p_state(map), VFIOSAFE_P2P_MAPPED);
	return i_run(dev, I_START, map);
}

static inline int i_quiesce(struct vfiosafe_device *dev, void *ctx)
{
	(void)ctx;
	return i_run(dev, I_QUIESCE, NULL);
}

static inline int i_resume(struct vfiosafe_device *dev, void *ctx)
{
	(void)ctx;
	return i_run(dev, I_RESUME, NULL);
}

static inline int i_reinit(struct vfiosafe_device *dev, void *ctx)
{
	(void)ctx;
	return i_run(dev, I_REINIT, NULL);
}

static inline void i_lost(struct vfiosafe_device *dev, void *ctx, enum vfiosafe_cause cause)
{
	(void)ctx;
	(void)cause;
	(void)i_run(dev, I_LOST, NULL);
}

static const struct vfiosafe_driver_ops i_ops = {
	.size = sizeof(i_ops),
	.quiesce = i_quiesce,
	.resume = i_resume,
	.reinit = i_reinit,
	.lost = i_lost,
	.p2p_stop = i_stop,
	.p2p_start = i_start,
};

static inline struct vfiosafe_dmabuf *export_ranges(const struct vfiosafe_area *ranges,
						    uint32_t n)
{
	struct vfiosafe_dmabuf *buf = NULL;

	assert_ok(vfiosafe_dmabuf_export(&buf, bench.bar, ranges, n, 0));
	return buf;
}

/* Both open, two pages of BAR 0 exported, nothing mapped. */
static int p2p_setup_devices(void **state)
{
	enum vfiosafe_door door = (enum vfiosafe_door)(uintptr_t)*state;
	const struct vfiosafe_area range = { PAGE, 2 * PAGE };

	memset(&driver, 0, sizeof(driver));
	memset(&rig, 0, sizeof(rig));
	bench_setup(state);
	bench.opts.door = door;
	rig.fn = fake_add(&bench.k, IMPORTER, 8, 4);
	bench_open();
	assert_ok(driver_set());
	assert_ok(vfiosafe_device_open(&rig.dev, IMPORTER, &bench.opts));
	assert_ok(vfiosafe_device_set_driver(rig.dev, &i_ops, &rig));
	rig.buf = export_ranges(&range, 1);
	fake_log_clear(&bench.k);
	return 0;
}

static inline struct vfiosafe_p2p *p2p_mapped(struct vfiosafe_dmabuf *buf)
{
	struct vfiosafe_p2p *map = NULL;
	int rc = vfiosafe_p2p_map(&map, rig.dev, buf, NULL, &rig.iova);

	if (rc < 0)
		print_error("p2p map: %d: %s\n", rc, vfiosafe_error_text());
	assert_ok(rc);
	assert_int_equal(vfiosafe_p2p_iova(map), rig.iova);
	return map;
}

static inline int p2p_setup(void **state)
{
	p2p_setup_devices(state);
	rig.map = p2p_mapped(rig.buf);
	fake_log_clear(&bench.k);
	return 0;
}

static inline void close_importer(void)
{
	if (rig.dev)
		assert_ok(vfiosafe_device_close(rig.dev, 1000));
	rig.dev = NULL;
	rig.map = NULL;
}

static inline int p2p_teardown(void **state)
{
	close_importer();
	return bench_teardown(state);
}

/* What the importer's DMA to @iova reaches is BAR 0 of the exporter at @offset. */
static inline void assert_reaches(uint64_t iova, uint64_t offset)
{
	const struct fake_dma *dma = fake_dma_at(&bench.k, iova);

	assert_non_null(dma);
	assert_ptr_equal(dma->fn, bench.fn);
	assert_false(dma->hole);
	assert_int_equal(dma->bar_at + (iova - dma->iova), FAKE_REGION(0) + offset);
}

static inline void assert_reaches_nothing(uint64_t iova)
{
	assert_null(fake_dma_at(&bench.k, iova));
}

#define assert_map_state(state)                                                          \
	assert_int_equal(vfiosafe_p2p_state(rig.map), VFIOSAFE_P2P_##state)
#define assert_buf_state(state)                                                          \
	assert_int_equal(vfiosafe_dmabuf_state(rig.buf, NULL), VFIOSAFE_DMABUF_##state)

#define P2P_TEST(test, suffix, setup, door)                                              \
	{                                                                                \
		.name = #test suffix, .test_func = test, .setup_func = setup,            \
		.teardown_func = p2p_teardown,                                           \
		.initial_state = (void *)(uintptr_t)(door)                               \
	}
#define P2P_BOTH(test)                                                                   \
	P2P_TEST(test, " (cdev)", p2p_setup, VFIOSAFE_DOOR_CDEV),                        \
		P2P_TEST(test, " (group)", p2p_setup, VFIOSAFE_DOOR_GROUP)
#define P2P_BOTH_UNMAPPED(test)                                                          \
	P2P_TEST(test, " (cdev)", p2p_setup_devices, VFIOSAFE_DOOR_CDEV),                \
		P2P_TEST(test, " (group)", p2p_setup_devices, VFIOSAFE_DOOR_GROUP)

#endif

/* SPDX-License-Identifier: MIT */
/* Two members of a set, one of which does DMA to the other's BAR. */
#include "set_rig.h"

static struct vfiosafe_dmabuf *buf;
static struct vfiosafe_p2p *map;
static unsigned int stops, starts;

static int p2p_stop(struct vfiosafe_device *dev, void *ctx, struct vfiosafe_p2p *of)
{
	(void)dev;
	(void)ctx;
	assert_ptr_equal(of, map);
	fake_note(&bench.k, "stop");
	stops++;
	return 0;
}

static int p2p_start(struct vfiosafe_device *dev, void *ctx, struct vfiosafe_p2p *of)
{
	(void)dev;
	(void)ctx;
	assert_ptr_equal(of, map);
	fake_note(&bench.k, "start");
	starts++;
	return 0;
}

/* BAR 0 of @exporter in the address space of the other one. */
static void share(unsigned int exporter)
{
	const struct vfiosafe_area range = { FAKE_PAGE, FAKE_PAGE };
	struct set_member *importer = &rig.m[!exporter];
	struct vfiosafe_driver_ops ops = set_ops;

	ops.p2p_stop = p2p_stop;
	ops.p2p_start = p2p_start;
	map = NULL;
	assert_ok(vfiosafe_device_set_driver(importer->dev, &ops, importer));
	assert_ok(vfiosafe_dmabuf_export(&buf, rig.m[exporter].bar, &range, 1, 0));
	assert_ok(vfiosafe_p2p_map(&map, importer->dev, buf, NULL,
				   &(uint64_t){ 0 }));
	stops = starts = 0;
}

static void assert_mapped(unsigned int exporter)
{
	const struct fake_dma *dma = fake_dma_at(&bench.k, vfiosafe_p2p_iova(map));

	assert_non_null(dma);
	assert_ptr_equal(dma->fn, rig.m[exporter].fn);
	assert_false(dma->hole);
	assert_int_equal(vfiosafe_p2p_state(map), VFIOSAFE_P2P_MAPPED);
	assert_int_equal(vfiosafe_dmabuf_state(buf, NULL), VFIOSAFE_DMABUF_OK);
}

/* The importer's quiesce has stopped it: no stop; and one start, when both are back. */
static void over_a_reset(unsigned int exporter)
{
	share(exporter);
	assert_ok(set_reset_ms(1000));
	assert_states("LIVE 2, LIVE 2");
	assert_mapped(exporter);
	assert_int_equal(stops, 0);
	assert_int_equal(starts, 1);
	assert_null(bench.k.misuse);
	rig.m[1].rc[QUIESCE] = -EPERM;
	assert_refused(set_reset_ms(1000), ECANCELED, "vetoed");
	assert_states("LIVE 2, LIVE 2");
	assert_mapped(exporter);
	rig.m[1].rc[QUIESCE] = 0;
	fake_fail(&bench.k, FAKE_IOCTL, HOT, EINVAL, 1);
	assert_refused(set_reset_ms(1000), EBUSY, "kernel refuses");
	assert_states("LIVE 2, LIVE 2");
	assert_mapped(exporter);
	assert_int_equal(stops, 0);
	assert_int_equal(bench.k.cut, 0);
	assert_ok(vfiosafe_p2p_unmap(map));
}

static void the_first_exports_to_the_second(void **state)
{
	(void)state;
	over_a_reset(0);
}

static void the_second_exports_to_the_first(void **state)
{
	(void)state;
	over_a_reset(1);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		SET_TEST(the_first_exports_to_the_second),
		SET_TEST(the_second_exports_to_the_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

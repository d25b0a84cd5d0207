/* SPDX-License-Identifier: MIT */
/* A BAR in the address space of another device: made, looked at, undone, refused. */
#include <sys/mman.h>

#include "p2p_rig.h"
#include "uapi.h"

static void an_importer_reaches_the_bar(void **state)
{
	(void)state;
	rig.map = p2p_mapped(rig.buf);
	assert_reaches(rig.iova, PAGE);
	assert_reaches(rig.iova + 2 * PAGE - 1, 3 * PAGE - 1);
	assert_int_equal(vfiosafe_p2p_len(rig.map), 2 * PAGE);
	assert_map_state(MAPPED);
	assert_ok(vfiosafe_p2p_unmap(rig.map));
	assert_reaches_nothing(rig.iova);
	assert_ok(vfiosafe_p2p_unmap(NULL));
}

static void options_say_what_and_where(void **state)
{
	struct vfiosafe_iommu_opts opts = { .size = sizeof(opts) };
	uint64_t iova = 0x40000000;

	(void)state;
	opts.prot = VFIOSAFE_DMA_WRITE;
	opts.fixed = true;
	assert_ok(vfiosafe_p2p_map(&rig.map, rig.dev, rig.buf, &opts, &iova));
	assert_int_equal(iova, 0x40000000);
	assert_reaches(iova, PAGE);
	assert_int_equal(fake_dma_at(&bench.k, iova)->prot, 1);
	assert_refused(vfiosafe_p2p_map(&rig.map, rig.dev, rig.buf, &opts, &iova), EEXIST,
		       "0x40000000");
	iova = 0xfee00000;
	assert_refused(vfiosafe_p2p_map(&rig.map, rig.dev, rig.buf, &opts, &iova), ERANGE,
		       "IOVA");
	opts.prot = 8;
	assert_refused(vfiosafe_p2p_map(&rig.map, rig.dev, rig.buf, &opts, &iova), EINVAL,
		       "opts.prot");
}

static void several_ranges_lie_behind_each_other(void **state)
{
	const struct vfiosafe_area ranges[] = {
		{ 8 * PAGE, PAGE }, { 0, 3 * PAGE }, { 5 * PAGE, PAGE }
	};
	struct vfiosafe_dmabuf *buf = export_ranges(ranges, 3);
	unsigned int fds = fake_open_fds(&bench.k);

	(void)state;
	rig.map = p2p_mapped(buf);
	assert_reaches(rig.iova, 8 * PAGE);
	assert_reaches(rig.iova + PAGE, 0);
	assert_reaches(rig.iova + 3 * PAGE, 2 * PAGE);
	assert_reaches(rig.iova + 4 * PAGE, 5 * PAGE);
	assert_ok(vfiosafe_reset(bench.dev, NULL));
	assert_reaches(rig.iova, 8 * PAGE);
	assert_reaches(rig.iova + 4 * PAGE, 5 * PAGE);
	assert_int_equal(bench.k.cut, 0);
	assert_ok(vfiosafe_p2p_unmap(rig.map));
	assert_int_equal(fake_dmas(&bench.k), 0);
	/* iommufd takes one range at a time: the fds stay for the next map. */
	assert_int_equal(fake_open_fds(&bench.k) - fds,
			 bench.opts.door == VFIOSAFE_DOOR_CDEV ? 3 : 0);
	assert_ok(vfiosafe_dmabuf_free(buf));
	assert_int_equal(fake_open_fds(&bench.k), fds - 1);
}

static void of_several_ranges_all_or_none_is_mapped(void **state)
{
	const struct vfiosafe_area ranges[] = { { 0, PAGE }, { 2 * PAGE, PAGE } };
	struct vfiosafe_dmabuf *buf = export_ranges(ranges, 2);
	bool cdev = bench.opts.door == VFIOSAFE_DOOR_CDEV;

	(void)state;
	fake_fail_later(&bench.k, FAKE_IOCTL, cdev ? IOMMU_IOAS_MAP_FILE : VFIO_IOMMU_MAP_DMA,
			EPROTO, 1, 1);
	assert_refused(vfiosafe_p2p_map(&rig.map, rig.dev, buf, NULL, &rig.iova), EPROTO,
		       "BAR 0", ADDRESS, IMPORTER);
	assert_int_equal(fake_dmas(&bench.k), 0);
	rig.map = p2p_mapped(buf);
	assert_int_equal(fake_dmas(&bench.k), 2);
}

static void the_address_belongs_to_the_map(void **state)
{
	struct vfiosafe_iommu_opts opts = { .size = sizeof(opts), .fixed = true };
	void *memory = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			    -1, 0);
	uint64_t iova = rig.iova;

	(void)state;
	assert_refused(vfiosafe_iommu_unmap(rig.dev, rig.iova, 2 * PAGE), EINVAL,
		       "another device's BAR", "vfiosafe_p2p_unmap()");
	/* Also while nothing is mapped there. */
	assert_ok(vfiosafe_set_decode(bench.dev, false, NULL));
	assert_map_state(AWAY);
	assert_reaches_nothing(rig.iova);
	assert_int_equal(vfiosafe_iommu_map(rig.dev, memory, PAGE, &opts, &iova), -EEXIST);
	assert_ok(vfiosafe_set_decode(bench.dev, true, NULL));
	assert_reaches(rig.iova, PAGE);
	assert_ok(vfiosafe_p2p_unmap(rig.map));
	assert_ok(vfiosafe_iommu_map(rig.dev, memory, PAGE, &opts, &iova));
	munmap(memory, PAGE);
}

static void a_device_imports_its_own_bar(void **state)
{
	(void)state;
	assert_ok(vfiosafe_p2p_map(&rig.map, bench.dev, rig.buf, NULL, &rig.iova));
	assert_reaches(rig.iova, PAGE);
	assert_ok(vfiosafe_reset(bench.dev, NULL));
	assert_reaches(rig.iova, PAGE);
	assert_map_state(MAPPED);
	assert_int_equal(bench.k.cut, 0);
	assert_ok(vfiosafe_p2p_unmap(rig.map));
}

static void the_exporter_has_to_be_live(void **state)
{
	struct vfiosafe_window *win = window_begin(1000);

	(void)state;
	assert_refused(vfiosafe_p2p_map(&rig.map, rig.dev, rig.buf, NULL, &rig.iova), EAGAIN,
		       "window");
	vfiosafe_window_end(win);
	assert_ok(vfiosafe_low_power_enter(bench.dev, false, NULL));
	assert_refused(vfiosafe_p2p_map(&rig.map, rig.dev, rig.buf, NULL, &rig.iova), EAGAIN,
		       "parked");
	assert_ok(vfiosafe_low_power_exit(bench.dev, NULL));
	assert_ok(vfiosafe_mark_lost(bench.dev, "for the test"));
	assert_refused(vfiosafe_p2p_map(&rig.map, rig.dev, rig.buf, NULL, &rig.iova), EIO,
		       "FAULT");
	assert_ok(vfiosafe_recover(bench.dev, NULL));
	rig.map = p2p_mapped(rig.buf);
}

static void a_revoked_buffer_is_stale(void **state)
{
	(void)state;
	assert_true(vfiosafe_dmabuf_revoke(rig.buf) > 0);
	assert_refused(vfiosafe_p2p_map(&rig.map, rig.dev, rig.buf, NULL, &rig.iova), ESTALE,
		       "revoked");
}

static void not_in_a_section(void **state)
{
	struct vfiosafe_section sec;

	(void)state;
	assert_ok(vfiosafe_begin(&bench.view, &sec));
	assert_refused(vfiosafe_p2p_map(&rig.map, rig.dev, rig.buf, NULL, &rig.iova),
		       EDEADLK, "section");
	assert_refused(vfiosafe_p2p_unmap(rig.map), EDEADLK, "section");
	assert_ok(vfiosafe_end(&sec));
}

static void an_adopted_importer_has_no_address_space(void **state)
{
	struct vfiosafe_device *adopted;
	struct fake_function *fn = fake_add(&bench.k, "0000:03:00.0", 9, 5);
	int fd = fake_device_fd(&bench.k, fn);

	(void)state;
	bench.opts.door = VFIOSAFE_DOOR_AUTO;
	assert_ok(vfiosafe_device_from_fd(&adopted, fd, &bench.opts));
	assert_refused(vfiosafe_p2p_map(&rig.map, adopted, rig.buf, NULL, &rig.iova),
		       EOPNOTSUPP, "adopted");
	assert_ok(vfiosafe_device_close(adopted, 100));
	assert_ok(vsf_sys(&bench.k.sys, close, fd));
}

static void refusals_of_the_kernel_are_put_into_words(void **state)
{
	bool cdev = bench.opts.door == VFIOSAFE_DOOR_CDEV;
	unsigned long request = cdev ? IOMMU_IOAS_MAP_FILE : VFIO_IOMMU_MAP_DMA;
	static const struct {
		int kernel, cdev, group;
		const char *word;
	} cases[] = {
		{ EOPNOTSUPP, EOPNOTSUPP, EOPNOTSUPP, "" },
		{ ENOTTY, EOPNOTSUPP, ENOTTY, "" },
		{ EINVAL, EOPNOTSUPP, EINVAL, "" },
		{ EFAULT, EOPNOTSUPP, EOPNOTSUPP, "type1" },
		{ ENODEV, ENODEV, ENODEV, "revoked" },
		{ ENOMEM, ENOMEM, ENOMEM, "BAR 0" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		fake_fail(&bench.k, FAKE_IOCTL, request, cases[i].kernel, 1);
		assert_refused(vfiosafe_p2p_map(&rig.map, rig.dev, rig.buf, NULL, &rig.iova),
			       cdev ? cases[i].cdev : cases[i].group, cases[i].word);
	}
	rig.map = p2p_mapped(rig.buf);
	fake_fail(&bench.k, FAKE_IOCTL,
		  cdev ? IOMMU_IOAS_UNMAP : VFIO_IOMMU_UNMAP_DMA, EPROTO, 1);
	assert_refused(vfiosafe_p2p_unmap(rig.map), EPROTO, "still mapped");
	assert_reaches(rig.iova, PAGE);
	assert_ok(vfiosafe_p2p_unmap(rig.map));
}

static void doors_may_differ(void **state)
{
	enum vfiosafe_door other = bench.opts.door == VFIOSAFE_DOOR_CDEV
					   ? VFIOSAFE_DOOR_GROUP
					   : VFIOSAFE_DOOR_CDEV;

	(void)state;
	close_importer();
	bench.opts.door = other;
	assert_ok(vfiosafe_device_open(&rig.dev, IMPORTER, &bench.opts));
	rig.map = p2p_mapped(rig.buf);
	assert_reaches(rig.iova, PAGE);
	assert_ok(vfiosafe_reset(bench.dev, NULL));
	assert_reaches(rig.iova, PAGE);
	assert_int_equal(bench.k.cut, 0);
}

static void a_mapped_buffer_is_not_freed(void **state)
{
	(void)state;
	assert_refused(vfiosafe_dmabuf_free(rig.buf), EBUSY, IMPORTER,
		       "vfiosafe_p2p_unmap()");
	assert_ok(vfiosafe_p2p_unmap(rig.map));
	assert_ok(vfiosafe_dmabuf_free(rig.buf));
}

static void a_revoke_stops_importers_and_unmaps(void **state)
{
	struct vfiosafe_event event;

	(void)state;
	(void)vfiosafe_dmabuf_fd(rig.buf);
	assert_int_equal(vfiosafe_dmabuf_revoke(rig.buf), VFIOSAFE_REVOKED_OURS);
	assert_log("istop UNMAP");
	assert_map_state(DEAD);
	assert_reaches_nothing(rig.iova);
	assert_int_equal(vfiosafe_event_read(rig.dev, &event, 1, sizeof(event)), 1);
	assert_int_equal(event.type, VFIOSAFE_EVENT_P2P);
	assert_int_equal(event.result, -ESTALE);
	/* The buffer may go, the map has still its address. */
	assert_ok(vfiosafe_dmabuf_free(rig.buf));
	assert_map_state(DEAD);
	assert_int_equal(vfiosafe_p2p_iova(rig.map), rig.iova);
	assert_ok(vfiosafe_reset(bench.dev, NULL));
	assert_reaches_nothing(rig.iova);
	assert_ok(vfiosafe_p2p_unmap(rig.map));
}

/* The BAR's place in the process may hold private memory of ones, after a fault. */
static void the_mapping_of_the_program_is_not_what_is_mapped(void **state)
{
	size_t before;

	(void)state;
	assert_ok(vfiosafe_bar_unmap(bench.bar, 100));
	bench.bar = NULL;
	before = fake_mapped(&bench.k);
	rig.map = p2p_mapped(rig.buf);
	assert_reaches(rig.iova, PAGE);
	assert_int_equal(fake_mapped(&bench.k), before);
	assert_ok(vfiosafe_reset(bench.dev, NULL));
	assert_reaches(rig.iova, PAGE);
	assert_int_equal(fake_mapped(&bench.k), before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		P2P_BOTH_UNMAPPED(an_importer_reaches_the_bar),
		P2P_BOTH_UNMAPPED(options_say_what_and_where),
		P2P_BOTH_UNMAPPED(several_ranges_lie_behind_each_other),
		P2P_BOTH_UNMAPPED(of_several_ranges_all_or_none_is_mapped),
		P2P_BOTH(the_address_belongs_to_the_map),
		P2P_BOTH_UNMAPPED(a_device_imports_its_own_bar),
		P2P_BOTH_UNMAPPED(the_exporter_has_to_be_live),
		P2P_BOTH_UNMAPPED(a_revoked_buffer_is_stale),
		P2P_BOTH(not_in_a_section),
		P2P_BOTH_UNMAPPED(an_adopted_importer_has_no_address_space),
		P2P_BOTH_UNMAPPED(refusals_of_the_kernel_are_put_into_words),
		P2P_BOTH_UNMAPPED(doors_may_differ),
		P2P_BOTH(a_mapped_buffer_is_not_freed),
		P2P_BOTH(a_revoke_stops_importers_and_unmaps),
		P2P_BOTH_UNMAPPED(the_mapping_of_the_program_is_not_what_is_mapped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

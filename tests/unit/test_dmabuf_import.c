/* SPDX-License-Identifier: MIT */
/* dma-bufs of others, by their fds: of BARs, and of what is memory. */
#include "dma_rig.h"
#include "sys.h"
#include "uapi.h"

static struct vfiosafe_dmabuf *export(uint32_t n)
{
	const struct vfiosafe_area ranges[] = { { 0, 2 * PAGE }, { 4 * PAGE, PAGE } };
	struct vfiosafe_dmabuf *buf = NULL;

	assert_ok(vfiosafe_dmabuf_export(&buf, bench.bar, ranges, n, 0));
	return buf;
}

static int import(int fd, uint64_t *iova)
{
	return vfiosafe_iommu_map_file(bench.dev, fd, 0, PAGE, NULL, iova);
}

/* By the address at which we map it; for as long as the mapping lasts. */
static void a_heap_s_is_mapped_through_us(void **state)
{
	size_t before = fake_mapped(&bench.k);
	int fd = fake_heap_fd(&bench.k, 2 * PAGE);
	uint64_t iova;

	(void)state;
	assert_ok(import(fd, &iova));
	assert_ok(vsf_sys(&bench.k.sys, close, fd));
	assert_int_equal(fake_mapped(&bench.k), before + PAGE);
	assert_non_null(fake_dma_at(&bench.k, iova));
	assert_ok(vfiosafe_iommu_unmap(bench.dev, iova, PAGE));
	assert_int_equal(fake_mapped(&bench.k), before);
}

/* Pages that cannot be pinned: Linux 7.3, through both doors. */
static void what_the_kernel_cannot_pin_is_refused_in_words(void **state)
{
	bool cdev = bench.opts.door == VFIOSAFE_DOOR_CDEV;
	size_t before = fake_mapped(&bench.k);
	int fd = fake_heap_fd(&bench.k, 2 * PAGE);
	uint64_t iova;

	(void)state;
	fake_fail(&bench.k, FAKE_IOCTL, cdev ? IOMMU_IOAS_MAP : VFIO_IOMMU_MAP_DMA, EFAULT, 1);
	assert_refused(import(fd, &iova), EOPNOTSUPP, "cannot be pinned", "udmabuf");
	assert_int_equal(fake_mapped(&bench.k), before);
	assert_int_equal(fake_dmas(&bench.k), 0);
	assert_ok(vsf_sys(&bench.k.sys, close, fd));
}

/* The one that is not taken by the kernel itself: it is mapped by us, and in vain. */
static void of_a_bar_type1_takes_none(void **state)
{
	uint64_t iova;

	(void)state;
	assert_refused(import(vfiosafe_dmabuf_fd(export(1)), &iova), EOPNOTSUPP, "dma-buf");
	assert_int_equal(fake_dmas(&bench.k), 0);
}

static void of_a_bar_one_range_is_taken(void **state)
{
	uint64_t iova;

	(void)state;
	assert_ok(import(vfiosafe_dmabuf_fd(export(1)), &iova));
	assert_ptr_equal(fake_dma_at(&bench.k, iova)->fn, bench.fn);
	assert_ok(vfiosafe_iommu_unmap(bench.dev, iova, PAGE));
	assert_refused(import(vfiosafe_dmabuf_fd(export(2)), &iova), EOPNOTSUPP, "one range");
}

static void a_revoked_one_is_no_device(void **state)
{
	int fd = vfiosafe_dmabuf_fd(export(1));
	uint64_t iova;

	(void)state;
	assert_ok(vfiosafe_set_decode(bench.dev, false, NULL));
	assert_refused(import(fd, &iova), ENODEV, "dma-buf", "revoked");
	assert_ok(vfiosafe_set_decode(bench.dev, true, NULL));
	assert_ok(import(fd, &iova));
}

static void what_is_no_file_at_all_is_no_revoked_dmabuf(void **state)
{
	int fd = vsf_sys(&bench.k.sys, eventfd);
	uint64_t iova;

	(void)state;
	assert_refused(import(fd, &iova), EINVAL, "cannot pin");
	assert_ok(vsf_sys(&bench.k.sys, close, fd));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(a_heap_s_is_mapped_through_us),
		BOTH(what_the_kernel_cannot_pin_is_refused_in_words),
		DOOR(of_a_bar_one_range_is_taken, "", VFIOSAFE_DOOR_CDEV),
		DOOR(of_a_bar_type1_takes_none, "", VFIOSAFE_DOOR_GROUP),
		DOOR(a_revoked_one_is_no_device, "", VFIOSAFE_DOOR_CDEV),
		BOTH(what_is_no_file_at_all_is_no_revoked_dmabuf),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

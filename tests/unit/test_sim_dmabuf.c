/* SPDX-License-Identifier: MIT */
/* Exports of a simulated device: what is refused, what DMA meets, what ends them. */
#include "sim_dmabuf_pair.h"

#include <linux/dma-buf.h>

static void the_feature_can_be_asked_for(void **state)
{
	struct export_arg arg = export_arg(0, 0, PAGE);

	arg.feature |= VFIO_DEVICE_FEATURE_PROBE;
	assert_int_equal(export_call(*state, &arg), 0);
	arg.feature = VFIO_DEVICE_FEATURE_PROBE | VFIO_DEVICE_FEATURE_SET |
		      VFIO_DEVICE_FEATURE_DMA_BUF;
	assert_int_equal(export_call(*state, &arg), -EINVAL);
	arg.feature = VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_DMA_BUF;
	assert_int_equal(export_call(*state, &arg), -EINVAL);
	arg.feature = VFIO_DEVICE_FEATURE_DMA_BUF;
	assert_int_equal(export_call(*state, &arg), -EINVAL);
}

static int export_of(void *state, uint32_t bar, uint64_t offset, uint64_t len)
{
	struct export_arg arg = export_arg(bar, offset, len);

	return export_call(state, &arg);
}

static void what_the_kernel_refuses_is_refused(void **state)
{
	struct export_arg arg = export_arg(0, 0, PAGE);

	assert_int_equal(export_of(*state, 6, 0, PAGE), -ENODEV);
	assert_int_equal(export_of(*state, 1, 0, PAGE), -ENODEV);
	assert_int_equal(export_of(*state, 4, 0, PAGE), -EINVAL);
	assert_int_equal(export_of(*state, 0, 8, PAGE), -EINVAL);
	assert_int_equal(export_of(*state, 0, 0, PAGE + 8), -EINVAL);
	assert_int_equal(export_of(*state, 0, 0, 0), -EINVAL);
	assert_int_equal(export_of(*state, 0, PAGE, BAR0_LEN), -EINVAL);
	assert_int_equal(export_of(*state, 0, BAR0_LEN + PAGE, PAGE), -EINVAL);
	arg.flags = 1;
	assert_int_equal(export_call(*state, &arg), -EINVAL);
	arg = export_arg(0, 0, PAGE);
	arg.count = 0;
	assert_int_equal(export_call(*state, &arg), -EINVAL);
	arg = export_arg(0, 0, PAGE);
	arg.argsz = sizeof(struct vfio_device_feature) + 8;
	assert_int_equal(export_call(*state, &arg), -EINVAL);
	vfiosafe_sim_fail(t.from.rig.sim, VFIOSAFE_SIM_CALL_EXPORT, EMFILE, 1);
	assert_int_equal(export_of(*state, 0, 0, PAGE), -EMFILE);
	assert_int_equal(door_held(*state).dmabufs, 1);
}

/* By its own ioctl, which other files do not know. */
static void an_export_is_known_as_a_dma_buf(void **state)
{
	struct dma_buf_sync sync = { .flags = DMA_BUF_SYNC_START | DMA_BUF_SYNC_READ };
	int other = memfd_create("other", MFD_CLOEXEC);

	assert_int_equal(door_ioctl(*state, t.fd, DMA_BUF_IOCTL_SYNC, &sync), 0);
	sync.flags = 0;
	assert_int_equal(door_ioctl(*state, t.fd, DMA_BUF_IOCTL_SYNC, &sync), -EINVAL);
	assert_int_equal(door_ioctl(&t.to.rig, t.fd, DMA_BUF_IOCTL_SYNC, &sync), -EINVAL);
	assert_int_equal(door_ioctl(*state, other, DMA_BUF_IOCTL_SYNC, &sync), -ENOTTY);
	close(other);
}

/* Overlapping ones, and the MSI-X table, too: as the kernel. */
static void each_export_is_a_buffer_of_its_own(void **state)
{
	struct export_arg two = export_arg(0, 0, PAGE);
	int fd[3];

	two.count = 2;
	two.part[1] = (struct part){ 0, 2 * PAGE };
	fd[0] = export_call(*state, &two);
	fd[1] = export_of(*state, 5, 0, PAGE);
	fd[2] = export_of(*state, 0, 0, BAR0_LEN);
	for (int i = 0; i < 3; i++) {
		assert_true(fd[i] >= 0);
		assert_int_equal(fcntl(fd[i], F_GETFD), FD_CLOEXEC);
	}
	assert_int_equal(door_held(*state).dmabufs, 4);
	assert_int_equal(map_file_at(&t.to, fd[0], 0, PAGE, IOVA), -EOPNOTSUPP);
	assert_int_equal(map_file_at(&t.to, fd[1], 0, PAGE, IOVA), 0);
	assert_int_equal(map_file_at(&t.to, fd[2], 0, PAGE, IOVA + PAGE), 0);
	assert_int_equal(unmap_at(&t.to, IOVA, 2 * PAGE), 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(door_close(*state, fd[i]), 0);
	assert_int_equal(door_held(*state).dmabufs, 1);
}

static void dma_reaches_the_range_and_nothing_else(void **state)
{
	struct rig *rig = *state;

	assert_int_equal(map_all(), 0);
	assert_int_equal(dma_to(IOVA), 0);
	assert_true(in_bar(MEM) == UINT64_MAX);
	assert_int_equal(dma_to(IOVA + LEN - 8), 0);
	assert_true(in_bar(MEM + LEN - 8) == UINT64_MAX);
	assert_int_equal(dma_to(IOVA + LEN), VFIOSAFE_SIM_DMA_FAILED);
	assert_int_equal(rig_counts(&t.to.rig).dma_faults, 1);
	assert_int_equal(unmap_at(&t.to, IOVA, LEN), 0);
	assert_int_equal(dma_to(IOVA), VFIOSAFE_SIM_DMA_FAILED);
	/* A part of it. */
	assert_int_equal(map_file_at(&t.to, t.fd, PAGE, PAGE, IOVA), 0);
	assert_int_equal(dma_to(IOVA + 8), 0);
	assert_true(*reg64(rig->bar, MEM + PAGE + 8) == UINT64_MAX);
	assert_int_equal(map_file_at(&t.to, t.fd, PAGE, LEN, IOVA + LEN), -EINVAL);
	assert_int_equal(map_file_at(&t.to, t.fd, 0, PAGE, IOVA), -EEXIST);
	assert_int_equal(unmap_at(&t.to, IOVA, PAGE), 0);
}

static void a_device_may_import_from_itself(void **state)
{
	struct rig *rig = *state;

	assert_int_equal(map_file_at(&t.from, t.fd, 0, LEN, IOVA), 0);
	assert_int_equal(dma(rig, IOVA + 16), 0);
	assert_true(in_bar(MEM + 16) == UINT64_MAX);
	assert_int_equal(unmap_at(&t.from, IOVA, LEN), 0);
}

/* The fd is not needed any more; revoked it is all the same. */
static void a_map_lives_on_without_the_fd(void **state)
{
	assert_int_equal(map_all(), 0);
	assert_int_equal(door_close(*state, t.fd), 0);
	t.fd = -1;
	assert_int_equal(dma_to(IOVA), 0);
	assert_int_equal(door_held(*state).dmabufs, 1);
	assert_int_equal(rig_reset(*state), 0);
	assert_int_equal(dma_to(IOVA), VFIOSAFE_SIM_DMA_FAILED);
	assert_int_equal(unmap_at(&t.to, IOVA, LEN), 0);
	assert_int_equal(door_held(*state).dmabufs, 0);
}

static void after_the_last_close_it_is_dead(void **state)
{
	struct rig *rig = *state;

	assert_int_equal(map_all(), 0);
	rig_unmap(rig, rig->bar, BAR0_LEN);
	door_leave(&t.from);
	rig->bar = NULL;
	assert_int_equal(dma_to(IOVA), VFIOSAFE_SIM_DMA_FAILED);
	assert_int_equal(unmap_at(&t.to, IOVA, LEN), 0);
	assert_int_equal(map_all(), -ENODEV);
	/* Also when somebody else opens the device. */
	door_by_node(&t.from, rig->sim);
	rig->bar = rig_map_bar(rig, PROT_READ | PROT_WRITE);
	assert_int_equal(map_all(), -ENODEV);
}

/* Nor is it ever another device's, that has its address. */
static void after_the_end_of_the_exporter_it_is_dead(void **state)
{
	struct rig *rig = *state;

	assert_int_equal(map_all(), 0);
	rig_unmap(rig, rig->bar, BAR0_LEN);
	door_leave(&t.from);
	vfiosafe_sim_close(rig->sim);
	assert_int_equal(dma_to(IOVA), VFIOSAFE_SIM_DMA_FAILED);
	assert_int_equal(map_file_at(&t.to, t.fd, 0, PAGE, IOVA + LEN), -ENODEV);
	assert_int_equal(unmap_at(&t.to, IOVA, LEN), 0);
	rig->sim = open_sim();
	rig->sys = vfiosafe_sim_sys(rig->sim);
	rig->bar = NULL;
}

static void the_program_can_map_any_one_range(void **state)
{
	struct rig *rig = *state;
	void *at = NULL;

	assert_int_equal(rig->sys->mmap(rig->sys->ctx, &at, LEN, PROT_READ | PROT_WRITE,
					MAP_SHARED, t.fd, 0),
			 0);
	*reg32(at, 16) = 0xcafe;
	assert_int_equal(*reg32(rig->bar, MEM + 16), 0xcafe);
	rig_unmap(rig, at, LEN);
	assert_int_equal(rig->sys->mmap(rig->sys->ctx, &at, LEN, PROT_READ, MAP_SHARED,
					t.fd, PAGE),
			 -EINVAL);
}

#define BY(before, test) cmocka_unit_test_setup_teardown(test, before, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		BY(setup, the_feature_can_be_asked_for),
		BY(setup, what_the_kernel_refuses_is_refused),
		BY(setup, an_export_is_known_as_a_dma_buf),
		BY(setup, each_export_is_a_buffer_of_its_own),
		BY(setup, dma_reaches_the_range_and_nothing_else),
		BY(setup, a_device_may_import_from_itself),
		BY(setup, a_map_lives_on_without_the_fd),
		BY(setup, after_the_last_close_it_is_dead),
		BY(setup, after_the_end_of_the_exporter_it_is_dead),
		BY(setup, the_program_can_map_any_one_range),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

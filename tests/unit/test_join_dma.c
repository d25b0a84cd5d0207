/* SPDX-License-Identifier: MIT */
/* Memory of a client: what it sends to its owner, and what it makes of the answers. */
#include <sys/wait.h>

#include "join_dma_rig.h"

static struct vfiosafe_dma_memory mem;

static int allocated(uint64_t len)
{
	rig_result(0, IOVA);
	return vfiosafe_dma_alloc(&mem, rig.dev, len, 0);
}

static void what_is_allocated_is_the_file_that_the_owner_gets(void **state)
{
	struct vfiosafe_memfd memfd;
	struct vsf_msg msg;
	uint8_t byte = 0;
	int fd;

	(void)state;
	assert_ok(allocated(RIG_PAGE + 1));
	assert_int_equal(mem.iova, IOVA);
	assert_int_equal(mem.len, 2 * RIG_PAGE);
	assert_ptr_equal(mem.dev, rig.dev);
	assert_int_equal(((uint8_t *)mem.addr)[2 * RIG_PAGE - 1], 0);
	msg = rig_called_with(&fd);
	assert_int_equal(msg.type, VSF_MSG_MAP);
	assert_int_equal(msg.offset, 0);
	assert_int_equal(msg.len, 2 * RIG_PAGE);
	assert_int_equal(msg.flags, 3);
	assert_ok(vfiosafe_sys_default()->memfd_look(NULL, fd, &memfd));
	assert_true(memfd.seals & F_SEAL_SHRINK);
	((uint8_t *)mem.addr)[5] = 7;
	assert_int_equal(pread(fd, &byte, 1, 5), 1);
	assert_int_equal(byte, 7);
	close(fd);
}

static void what_is_freed_is_unmapped_first(void **state)
{
	struct vsf_msg msg;

	(void)state;
	assert_ok(allocated(RIG_PAGE));
	assert_int_equal(rig_called().type, VSF_MSG_MAP);
	/* It is still mapped: it stays. */
	rig_result(-EBUSY, 0);
	assert_refused(vfiosafe_dma_free(&mem), EBUSY, "owner");
	((volatile uint8_t *)mem.addr)[0] = 1;
	assert_int_equal(rig_called().type, VSF_MSG_UNMAP);
	rig_result(0, 0);
	assert_ok(vfiosafe_dma_free(&mem));
	msg = rig_called();
	assert_int_equal(msg.type, VSF_MSG_UNMAP);
	assert_int_equal(msg.value, IOVA);
	assert_int_equal(msg.len, RIG_PAGE);
	assert_null(mem.dev);
	assert_ok(vfiosafe_dma_free(&mem));
	assert_int_equal(rig_called().type, 0);
}

static int map_file(int fd, uint64_t offset, uint64_t len, uint64_t *iova)
{
	return vfiosafe_iommu_map_file(rig.dev, fd, offset, len, NULL, iova);
}

static void a_part_of_a_file_is_mapped_and_unmapped(void **state)
{
	struct vfiosafe_iommu_opts opts = { .size = sizeof(opts),
					    .prot = VFIOSAFE_DMA_WRITE,
					    .align = 1 << 16,
					    .below = 1 << 30 };
	int fd = memfd_of(4 * RIG_PAGE, F_SEAL_SHRINK);
	struct vsf_msg msg;
	uint64_t iova;

	(void)state;
	rig_result(0, IOVA);
	assert_ok(vfiosafe_iommu_map_file(rig.dev, fd, RIG_PAGE, 2 * RIG_PAGE, &opts, &iova));
	close(fd);
	assert_int_equal(iova, IOVA);
	msg = rig_called();
	assert_int_equal(msg.offset, RIG_PAGE);
	assert_int_equal(msg.len, 2 * RIG_PAGE);
	assert_int_equal(msg.flags, VFIOSAFE_DMA_WRITE);
	assert_int_equal(msg.id, 1 << 16);
	assert_int_equal(msg.value, 1 << 30);
	assert_refused(vfiosafe_iommu_unmap(rig.dev, IOVA, RIG_PAGE), ENOENT, "as a whole");
	assert_int_equal(rig_called().type, 0);
	rig_result(0, 0);
	assert_ok(vfiosafe_iommu_unmap(rig.dev, IOVA, 2 * RIG_PAGE));
	assert_refused(vfiosafe_iommu_unmap(rig.dev, IOVA, 2 * RIG_PAGE), ENOENT, "nothing");
}

static void each_kind_of_mapping_has_its_own_way_back(void **state)
{
	(void)state;
	assert_ok(allocated(RIG_PAGE));
	assert_refused(vfiosafe_iommu_unmap(rig.dev, IOVA, RIG_PAGE), EINVAL,
		       "vfiosafe_dma_free");
	assert_int_equal(rig_called().type, VSF_MSG_MAP);
	assert_int_equal(rig_called().type, 0);
}

static void plain_memory_and_fixed_addresses_are_not_for_clients(void **state)
{
	struct vfiosafe_iommu_opts opts = { .size = sizeof(opts), .fixed = true };
	int fd = memfd_of(RIG_PAGE, F_SEAL_SHRINK);
	uint64_t iova = IOVA;

	(void)state;
	assert_refused(vfiosafe_iommu_map(rig.dev, rig.memory, RIG_PAGE, NULL, &iova), EPERM,
		       "plain memory", "vfiosafe_dma_alloc()", "vfiosafe_iommu_map_file()");
	assert_refused(vfiosafe_iommu_map_file(rig.dev, fd, 0, RIG_PAGE, &opts, &iova), EPERM,
		       "opts.fixed", "owner");
	assert_refused(vfiosafe_dma_alloc(&mem, rig.dev, 1, VFIOSAFE_DMA_HUGE_2M), EOPNOTSUPP,
		       "MFD_HUGETLB");
	assert_refused(vfiosafe_dma_alloc(&mem, rig.dev, 0, 0), EINVAL, "0x0");
	assert_int_equal(rig_called().type, 0);
	close(fd);
}

/* The owner hangs up on who sends such things: a mistake is found here. */
static void what_is_no_memory_is_not_even_sent(void **state)
{
	int plain = memfd_of(RIG_PAGE, 0), sealed = memfd_of(RIG_PAGE, F_SEAL_SHRINK);
	int zero = open("/dev/zero", O_RDWR | O_CLOEXEC);
	uint64_t iova = 1;

	(void)state;
	assert_refused(map_file(zero, 0, RIG_PAGE, &iova), EINVAL, "no memfd");
	assert_refused(map_file(-1, 0, RIG_PAGE, &iova), EBADF, "no memfd");
	assert_refused(map_file(plain, 0, RIG_PAGE, &iova), EINVAL, "F_SEAL_SHRINK");
	assert_refused(map_file(sealed, 0, 2 * RIG_PAGE, &iova), EINVAL, "beyond");
	assert_refused(map_file(sealed, 1, RIG_PAGE, &iova), EINVAL, "whole pages");
	assert_int_equal(iova, 1);
	assert_int_equal(rig_called().type, 0);
	close(plain);
	close(sealed);
	close(zero);
}

static void what_the_owner_refuses_leaves_nothing(void **state)
{
	int fds = rig_open_fds();

	(void)state;
	memset(&mem, 0, sizeof(mem));
	rig_result(-EDQUOT, 0);
	assert_refused(vfiosafe_dma_alloc(&mem, rig.dev, RIG_PAGE, 0), EDQUOT, "owner");
	assert_int_equal(rig_called().type, VSF_MSG_MAP);
	assert_int_equal(rig_open_fds(), fds);
	assert_null(mem.dev);
}

static void an_owner_that_lies_is_not_believed(void **state)
{
	int fd = memfd_of(RIG_PAGE, F_SEAL_SHRINK);
	uint64_t iova;

	(void)state;
	rig_result(0, UINT64_MAX);
	assert_refused(map_file(fd, 0, RIG_PAGE, &iova), EPROTO, "none");
	assert_ok(allocated(RIG_PAGE));
	rig_result(0, IOVA);
	rig_result(0, 0);
	assert_refused(map_file(fd, 0, RIG_PAGE, &iova), EPROTO, "twice");
	close(fd);
}

/* It may take as long as pinning gigabytes does; accesses wait as long as they did. */
static void an_owner_that_does_not_answer_is_waited_for_ten_seconds(void **state)
{
	int64_t before = rig.sys.now_ns(NULL), took;

	(void)state;
	rig.no_waits = true;
	assert_refused(vfiosafe_dma_alloc(&mem, rig.dev, RIG_PAGE, 0), ETIMEDOUT, "10000 ms");
	took = rig.sys.now_ns(NULL) - before;
	assert_true(took >= 10000000000 && took < 11000000000);
	assert_rig_state(LIVE);
}

/* The answer that was late said that it was done. */
static void an_unmap_that_was_done_too_late_is_done(void **state)
{
	(void)state;
	assert_ok(allocated(RIG_PAGE));
	rig.no_waits = true;
	assert_int_equal(vfiosafe_dma_free(&mem), -ETIMEDOUT);
	rig_result(0, 0);
	rig_result(-ENOENT, 0);
	assert_ok(vfiosafe_dma_free(&mem));
}

static void an_owner_that_has_ended_maps_nothing(void **state)
{
	(void)state;
	assert_ok(allocated(RIG_PAGE));
	rig_hang_up();
	assert_int_equal(vfiosafe_dma_free(&mem), -EOWNERDEAD);
	assert_int_equal(vfiosafe_dma_alloc(&mem, rig.dev, RIG_PAGE, 0), -EOWNERDEAD);
	/* The close frees it. */
	((volatile uint8_t *)mem.addr)[0] = 1;
}

static void a_forked_child_has_neither_the_memory_nor_the_right(void **state)
{
	unsigned char resident;
	int status;
	pid_t pid;

	(void)state;
	assert_ok(allocated(RIG_PAGE));
	pid = fork();
	if (pid == 0) {
		struct vfiosafe_dma_memory other;
		bool good = mincore(mem.addr, RIG_PAGE, &resident) < 0 && errno == ENOMEM &&
			    vfiosafe_dma_alloc(&other, rig.dev, 1, 0) == -ENODEV &&
			    vfiosafe_dma_free(&mem) == -ENODEV &&
			    vfiosafe_device_close(rig.dev, 100) == 0;

		_exit(good ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(rig_called().type, VSF_MSG_MAP);
	assert_int_equal(rig_called().type, 0);
}

/* For the device it stays mapped until the owner has reset it. */
static void a_close_frees_what_is_left_here_and_tells_nobody(void **state)
{
	unsigned char resident;

	(void)state;
	assert_ok(allocated(RIG_PAGE));
	assert_ok(vfiosafe_device_close(rig.dev, 100));
	rig.dev = NULL;
	assert_int_equal(mincore(mem.addr, RIG_PAGE, &resident), -1);
	assert_int_equal(rig_called().type, VSF_MSG_MAP);
	assert_int_equal(rig_called().type, 0);
}

static void without_the_right_nothing_is_asked(void **state)
{
	uint64_t iova;

	(void)state;
	assert_refused(vfiosafe_dma_alloc(&mem, rig.dev, 1, 0), EPERM, "VFIOSAFE_GRANT_DMA");
	assert_refused(map_file(rig.memory_fd, 0, RIG_PAGE, &iova), EPERM, "iommu_map_file");
	assert_refused(vfiosafe_iommu_unmap(rig.dev, IOVA, RIG_PAGE), EPERM, "iommu_unmap");
	assert_int_equal(rig_called().type, 0);
}

int main(void)
{
#define DMA(test) cmocka_unit_test_setup_teardown(test, setup_dma, rig_teardown)
#define CALLS(test) cmocka_unit_test_setup_teardown(test, rig_setup_calls, rig_teardown)
	const struct CMUnitTest tests[] = {
		DMA(what_is_allocated_is_the_file_that_the_owner_gets),
		DMA(what_is_freed_is_unmapped_first),
		DMA(a_part_of_a_file_is_mapped_and_unmapped),
		DMA(each_kind_of_mapping_has_its_own_way_back),
		DMA(plain_memory_and_fixed_addresses_are_not_for_clients),
		DMA(what_is_no_memory_is_not_even_sent),
		DMA(what_the_owner_refuses_leaves_nothing),
		DMA(an_owner_that_lies_is_not_believed),
		DMA(an_owner_that_does_not_answer_is_waited_for_ten_seconds),
		DMA(an_unmap_that_was_done_too_late_is_done),
		DMA(an_owner_that_has_ended_maps_nothing),
		DMA(a_forked_child_has_neither_the_memory_nor_the_right),
		DMA(a_close_frees_what_is_left_here_and_tells_nobody),
		CALLS(without_the_right_nothing_is_asked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

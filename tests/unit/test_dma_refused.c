/* SPDX-License-Identifier: MIT */
/* Mappings that cannot be made: what is said of it, and that nothing is left. */
#include <fcntl.h>
#include <sys/wait.h>

#include "dma_rig.h"
#include "sys.h"
#include "uapi.h"
#include "unit_thread.h"

static unsigned long map_request(void)
{
	return bench.opts.door == VFIOSAFE_DOOR_CDEV ? IOMMU_IOAS_MAP
						     : VFIO_IOMMU_MAP_DMA;
}

static void requests_that_make_no_sense_are_refused_with_numbers(void **state)
{
	struct vfiosafe_iommu_opts opts = dma_opts();
	uint64_t iova = 7;

	(void)state;
	assert_refused(vfiosafe_iommu_map(bench.dev, memory(8), PAGE, NULL, &iova),
		       EINVAL, "008 and length 0x1000", "multiples of 0x1000");
	assert_refused(vfiosafe_iommu_map(bench.dev, memory(0), 100, NULL, &iova), EINVAL,
		       "length 0x64", "multiples of 0x1000");
	assert_refused(vfiosafe_iommu_map(bench.dev, memory(0), 0, NULL, &iova), EINVAL,
		       "not empty");
	assert_refused(vfiosafe_iommu_map(bench.dev, memory(0), -PAGE, NULL, &iova),
		       EINVAL, "beyond all addresses");
	assert_refused(vfiosafe_iommu_map(bench.dev, NULL, PAGE, NULL, &iova), EINVAL,
		       "NULL");
	opts.prot = 4;
	assert_refused(vfiosafe_iommu_map(bench.dev, memory(0), PAGE, &opts, &iova),
		       EINVAL, "opts.prot", "0x4");
	opts = dma_opts();
	opts.align = 3 * PAGE;
	assert_refused(vfiosafe_iommu_map(bench.dev, memory(0), PAGE, &opts, &iova),
		       EINVAL, "opts.align is 0x3000");
	opts.align = PAGE;
	opts.fixed = true;
	assert_refused(vfiosafe_iommu_map(bench.dev, memory(0), PAGE, &opts, &iova),
		       EINVAL, "opts.fixed", "opts.align");
	opts = (struct vfiosafe_iommu_opts){ .size = 4 };
	assert_refused(vfiosafe_iommu_map(bench.dev, memory(0), PAGE, &opts, &iova),
		       EINVAL, "opts.size is 4");
	assert_int_equal(iova, 7);
	assert_int_equal(fake_dmas(&bench.k), 0);
}

static void beyond_the_memlock_limit_the_limit_is_named(void **state)
{
	uint64_t iova = 7;

	(void)state;
	bench.k.memlock_limit = 8 * PAGE;
	(void)mapped(0, 6 * PAGE, NULL);
	assert_refused(vfiosafe_iommu_map(bench.dev, memory(0), 3 * PAGE, NULL, &iova),
		       ENOMEM, "RLIMIT_MEMLOCK is 0x8000", "0x6000 mapped", "ulimit -l",
		       "LimitMEMLOCK", "CAP_IPC_LOCK");
	assert_int_equal(iova, 7);
	(void)mapped(0, 2 * PAGE, NULL);
}

static void without_a_limit_the_kernel_is_out_of_memory(void **state)
{
	uint64_t iova;

	(void)state;
	bench.k.memlock_limit = UINT64_MAX;
	fake_fail(&bench.k, FAKE_IOCTL, map_request(), ENOMEM, 1);
	assert_refused(vfiosafe_iommu_map(bench.dev, memory(0), PAGE, NULL, &iova),
		       ENOMEM, "0x1000 bytes", "kernel is out of memory");
}

static void memory_that_is_not_there_is_a_fault(void **state)
{
	uint64_t iova;
	void *hole = mmap(NULL, 2 * PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)state;
	assert_ok(munmap((uint8_t *)hole + PAGE, PAGE));
	assert_refused(vfiosafe_iommu_map(bench.dev, hole, 2 * PAGE, NULL, &iova), EFAULT,
		       "not all of 0x", "can be pinned and written");
	assert_ok(munmap(hole, PAGE));
	assert_int_equal(fake_dmas(&bench.k), 0);
}

static void the_kernel_takes_only_so_many_mappings(void **state)
{
	uint64_t iova;

	(void)state;
	bench.k.iommu.entries = 2;
	(void)mapped(0, PAGE, NULL);
	(void)mapped(0, PAGE, NULL);
	assert_refused(vfiosafe_iommu_map(bench.dev, memory(0), PAGE, NULL, &iova),
		       ENOSPC, "no more mappings (2 are there)", "dma_entry_limit");
}

static void a_refused_mapping_leaves_its_place(void **state)
{
	uint64_t iova;

	(void)state;
	fake_fail(&bench.k, FAKE_IOCTL, map_request(), EPROTO, 1);
	assert_refused(vfiosafe_iommu_map(bench.dev, memory(0), PAGE, NULL, &iova),
		       EPROTO, "0x1000 bytes at IOVA 0x10000", "Protocol error");
	assert_int_equal(mapped(0, PAGE, NULL), 0x10000);
}

static void a_bar_is_no_memory(void **state)
{
	uint8_t *bar = (uint8_t *)(uintptr_t)vfiosafe_bar_address(bench.bar);
	uint64_t iova;

	(void)state;
	assert_refused(vfiosafe_iommu_map(bench.dev, bar, PAGE, NULL, &iova), EINVAL,
		       "is a mapped BAR");
	assert_refused(vfiosafe_iommu_map(bench.dev, bar + 0xf000, PAGE, NULL, &iova),
		       EINVAL, "is a mapped BAR");
}

static void files_that_cannot_be_mapped_say_why(void **state)
{
	bool cdev = bench.opts.door == VFIOSAFE_DOOR_CDEV;
	int fd = vsf_sys(&bench.k.sys, memfd, "test");
	char path[32];
	uint64_t iova;
	int ro;

	(void)state;
	assert_ok(ftruncate(fd, 4 * (off_t)PAGE));
	assert_refused(vfiosafe_iommu_map_file(bench.dev, -1, 0, PAGE, NULL, &iova),
		       EBADF, "fd -1 is not open");
	assert_refused(vfiosafe_iommu_map_file(bench.dev, fd, 100, PAGE, NULL, &iova),
		       EINVAL, "offset 0x64");
	if (cdev)
		assert_refused(vfiosafe_iommu_map_file(bench.dev, fd, PAGE, 4 * PAGE,
						       NULL, &iova),
			       EINVAL, "0x1000 + 0x4000 of fd", "memfd");
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	ro = open(path, O_RDONLY | O_CLOEXEC);
	assert_refused(vfiosafe_iommu_map_file(bench.dev, ro, 0, PAGE, NULL, &iova),
		       EACCES, "not open for what opts.prot needs");
	close(ro);
	ro = memfd_create("sealed", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	assert_ok(ftruncate(ro, (off_t)PAGE));
	assert_ok(fcntl(ro, F_ADD_SEALS, F_SEAL_FUTURE_WRITE));
	assert_refused(vfiosafe_iommu_map_file(bench.dev, ro, 0, PAGE, NULL, &iova),
		       EACCES, "is sealed");
	close(ro);
	assert_ok(vsf_sys(&bench.k.sys, close, fd));
	assert_int_equal(fake_dmas(&bench.k), 0);
}

static void a_section_cannot_wait_for_it(void **state)
{
	struct vfiosafe_dma_memory mem = { .dev = bench.dev };
	struct vfiosafe_section sec;
	uint64_t iova;

	(void)state;
	assert_ok(vfiosafe_begin(&bench.view, &sec));
	assert_refused(vfiosafe_iommu_map(bench.dev, memory(0), PAGE, NULL, &iova),
		       EDEADLK, "vfiosafe_iommu_map inside a section");
	assert_refused(vfiosafe_iommu_map_file(bench.dev, 0, 0, PAGE, NULL, &iova),
		       EDEADLK, "vfiosafe_iommu_map_file inside");
	assert_refused(vfiosafe_iommu_unmap(bench.dev, 0x10000, PAGE), EDEADLK,
		       "vfiosafe_iommu_unmap inside");
	assert_refused(vfiosafe_dma_alloc(&mem, bench.dev, 1, 0), EDEADLK,
		       "vfiosafe_dma_alloc inside");
	assert_refused(vfiosafe_dma_free(&mem), EDEADLK, "vfiosafe_dma_free inside");
	assert_ok(vfiosafe_end(&sec));
}

static void an_adopted_device_has_no_context_of_ours(void **state)
{
	int fd = vfiosafe_device_fd(bench.dev);
	struct vfiosafe_device *dev;
	struct vfiosafe_dma_memory mem;
	uint64_t iova;

	(void)state;
	bench.opts.door = VFIOSAFE_DOOR_AUTO;
	assert_ok(vfiosafe_device_from_fd(&dev, fd, &bench.opts));
	assert_refused(vfiosafe_iommu_map(dev, memory(0), PAGE, NULL, &iova), EOPNOTSUPP,
		       "adopted", "whoever opened it");
	assert_refused(vfiosafe_iommu_unmap(dev, 0, PAGE), EOPNOTSUPP, "adopted");
	assert_refused(vfiosafe_dma_alloc(&mem, dev, 1, 0), EOPNOTSUPP, "adopted");
	assert_ok(vfiosafe_device_close(dev, 1000));
}

/* Closed over an open section: GONE, and not freed yet. */
static void a_device_that_is_gone_is_unmapped_from_and_no_more(void **state)
{
	struct vfiosafe_dma_memory mem, other;
	uint64_t iova = mapped(0, PAGE, NULL);
	struct holder holder = { 0 };

	(void)state;
	assert_ok(vfiosafe_dma_alloc(&mem, bench.dev, 1, 0));
	hold(&holder, &bench.view);
	assert_int_equal(vfiosafe_device_close(bench.dev, 0), -EBUSY);
	assert_refused(vfiosafe_iommu_map(bench.dev, memory(0), PAGE, NULL, &iova),
		       ENODEV, "gone");
	assert_refused(vfiosafe_dma_alloc(&other, bench.dev, 1, 0), ENODEV, "gone");
	/* Sections may be using it. */
	memset(mem.addr, 1, mem.len);
	assert_ok(vfiosafe_dma_free(&mem));
	assert_ok(vfiosafe_iommu_unmap(bench.dev, iova, PAGE));
	(void)release(&holder);
}

/* In the child: 0 if all is refused as it has to be. */
static int as_a_child(struct vfiosafe_dma_memory *mem, uint64_t iova)
{
	uint64_t other;
	void *mine;

	if (vfiosafe_iommu_map(bench.dev, memory(0), PAGE, NULL, &other) != -ENODEV ||
	    vfiosafe_iommu_unmap(bench.dev, iova, PAGE) != -ENODEV ||
	    vfiosafe_dma_free(mem) != -ENODEV ||
	    vfiosafe_dma_alloc(mem, bench.dev, 1, 0) != -ENODEV)
		return 1;
	/* What the child puts where the memory was is the child's: close leaves it. */
	mine = mmap(mem->addr, mem->len, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	if (mine != mem->addr)
		return 2;
	if (vfiosafe_device_close(bench.dev, 0) != 0)
		return 3;
	return msync(mine, PAGE, MS_ASYNC) == 0 ? 0 : 4;
}

static void a_forked_child_has_no_part_in_it(void **state)
{
	struct vfiosafe_dma_memory mem;
	uint64_t iova = mapped(0, PAGE, NULL);
	int status = -1;
	pid_t pid;

	(void)state;
	assert_ok(vfiosafe_dma_alloc(&mem, bench.dev, 1, 0));
	pid = fork();
	if (pid == 0)
		_exit(as_a_child(&mem, iova));
	waitpid(pid, &status, 0);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	memset(mem.addr, 1, mem.len);
	assert_ok(vfiosafe_dma_free(&mem));
	assert_ok(vfiosafe_iommu_unmap(bench.dev, iova, PAGE));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(requests_that_make_no_sense_are_refused_with_numbers),
		BOTH(beyond_the_memlock_limit_the_limit_is_named),
		BOTH(without_a_limit_the_kernel_is_out_of_memory),
		BOTH(memory_that_is_not_there_is_a_fault),
		BOTH(the_kernel_takes_only_so_many_mappings),
		BOTH(a_refused_mapping_leaves_its_place),
		BOTH(a_bar_is_no_memory),
		BOTH(files_that_cannot_be_mapped_say_why),
		BOTH(a_section_cannot_wait_for_it),
		BOTH(an_adopted_device_has_no_context_of_ours),
		BOTH(a_device_that_is_gone_is_unmapped_from_and_no_more),
		BOTH(a_forked_child_has_no_part_in_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* dma-bufs of memory: from a heap, and of a memfd (udmabuf). What this kernel maps. */
#include <linux/dma-heap.h>
#include <linux/udmabuf.h>
#include <sys/mman.h>

#include "dmabuf_edu.h"

static int heap_fd(uint64_t len)
{
	struct dma_heap_allocation_data arg = { .len = len,
						.fd_flags = O_RDWR | O_CLOEXEC };
	int heap = open("/dev/dma_heap/system", O_RDWR | O_CLOEXEC);
	int rc = heap < 0 ? heap : ioctl(heap, DMA_HEAP_IOCTL_ALLOC, &arg);

	if (heap >= 0)
		close(heap);
	return rc < 0 ? -1 : (int)arg.fd;
}

static int udmabuf_fd(uint64_t len, int memory)
{
	struct udmabuf_create arg = { .flags = UDMABUF_FLAGS_CLOEXEC, .size = len };
	int dev = open("/dev/udmabuf", O_RDWR | O_CLOEXEC), fd;

	if (dev < 0)
		return -1;
	arg.memfd = (uint32_t)memory;
	fd = ioctl(dev, UDMABUF_CREATE, &arg);
	close(dev);
	return fd;
}

/* The engine writes the second page of @fd, and who maps it sees that. */
static void reaches(struct device *edu, int fd, uint64_t iova, const char *what)
{
	uint8_t *at = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	struct vfiosafe_dma_memory from;
	int wrong = 0;

	if (vfiosafe_dma_alloc(&from, edu->dev, PAGE, 0) < 0) {
		check(false, "memory");
		return;
	}
	pattern(from.addr, 5);
	check(at != MAP_FAILED && edu_moves(edu, from.iova, iova, PAGE), "%s: DMA into it",
	      what);
	for (unsigned int i = 0; i < PAGE && at != MAP_FAILED; i++)
		wrong += at[PAGE + i] != ((uint8_t *)from.addr)[i];
	check(at != MAP_FAILED && wrong == 0, "%s: 0 of 4096 bytes are wrong (%d)", what,
	      wrong);
	if (at != MAP_FAILED)
		munmap(at, 2 * PAGE);
	check(vfiosafe_dma_free(&from) == 0, "%s: memory is freed", what);
}

/* Says what it is, as a fact; what it must not be is a wrong errno. */
static void import(struct device *edu, int fd, const char *what)
{
	struct vfiosafe_iommu_opts opts = edu_opts();
	uint64_t iova = 0;
	int rc = vfiosafe_iommu_map_file(edu->dev, fd, PAGE, PAGE, &opts, &iova);

	printf("# %s%s: %d %s\n", check_prefix, what, rc,
	       rc < 0 ? vfiosafe_error_text() : "mapped");
	check(rc == 0 || rc == -EOPNOTSUPP, "%s is mapped, or it is said what is", what);
	if (rc < 0)
		return;
	reaches(edu, fd, iova, what);
	check(vfiosafe_iommu_unmap(edu->dev, iova, PAGE) == 0, "%s is unmapped", what);
}

static void all_kinds(struct device *edu)
{
	int memory = memfd_create("vm_dmabuf", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int fd = heap_fd(2 * PAGE);

	if (fd >= 0)
		import(edu, fd, "a heap's dma-buf");
	else
		printf("skip %sa heap's dma-buf: this kernel has no heap\n", check_prefix);
	close(fd);
	check(ftruncate(memory, 2 * PAGE) == 0 &&
		      fcntl(memory, F_ADD_SEALS, F_SEAL_SHRINK) == 0,
	      "a memfd that does not shrink");
	fd = udmabuf_fd(2 * PAGE, memory);
	if (fd >= 0)
		import(edu, fd, "a udmabuf");
	else
		printf("skip %sa udmabuf: this kernel has none\n", check_prefix);
	close(fd);
	import(edu, memory, "the memfd under it");
	close(memory);
}

int dmabuf_import(char **addresses, enum vfiosafe_door door)
{
	struct device edu = { .address = addresses[0] };
	unsigned int fds;

	snprintf(check_prefix, sizeof(check_prefix), "import/%s: ", door_name(door));
	fds = open_fds();
	if (!device_open(&edu, door, 0))
		return 1;
	if (check(vfiosafe_set_bus_master(edu.dev, true) == 0, "edu may do DMA"))
		all_kinds(&edu);
	device_close(&edu);
	check(open_fds() == fds, "%u fds before, %u after", fds, open_fds());
	return check_failures ? 1 : 0;
}

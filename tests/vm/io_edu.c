/* SPDX-License-Identifier: MIT */
/* The edu model: an engine that copies, and one interrupt, by MSI or INTx. */
#include <linux/capability.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "io_rig.h"

#define EDU_STATUS 0x24 /* of interrupts */
#define EDU_RAISE 0x60
#define EDU_ACK 0x64
#define EDU_DMA_SRC 0x80
#define EDU_DMA_DST 0x88
#define EDU_DMA_LEN 0x90
#define EDU_DMA_CMD 0x98
#define EDU_BUFFER 0x40000 /* of its own, one page */
#define DMA_START 1u
#define DMA_TO_MEMORY 2u
#define DMA_INTERRUPT 4u
#define IRQ_OF_DMA 0x100u

/* It reaches 28 bits of address. */
static struct vfiosafe_iommu_opts edu_opts(void)
{
	return (struct vfiosafe_iommu_opts){ .size = sizeof(struct vfiosafe_iommu_opts),
					     .below = UINT64_C(1) << 28 };
}

/* One copy, over when it interrupts. */
static bool copies(struct io *io, uint64_t src, uint64_t dst, uint64_t len, uint32_t cmd)
{
	const struct vfiosafe_view *view = &io->view;
	uint32_t status = 0;

	if (vfiosafe_write64(view, EDU_DMA_SRC, src) < 0 ||
	    vfiosafe_write64(view, EDU_DMA_DST, dst) < 0 ||
	    vfiosafe_write64(view, EDU_DMA_LEN, len) < 0 ||
	    vfiosafe_write64(view, EDU_DMA_CMD, cmd | DMA_START | DMA_INTERRUPT) < 0)
		return false;
	if (signals(io->event, SOON) != 1)
		return false;
	return vfiosafe_read32(view, EDU_STATUS, &status) == 0 && status == IRQ_OF_DMA &&
	       vfiosafe_write32(view, EDU_ACK, status) == 0;
}

static bool moves(struct io *io, uint64_t from, uint64_t to, uint64_t len)
{
	return copies(io, from, EDU_BUFFER, len, 0) &&
	       copies(io, EDU_BUFFER, to, len, DMA_TO_MEMORY);
}

static void fill(void *at, uint8_t seed)
{
	for (unsigned int i = 0; i < PAGE; i++)
		((uint8_t *)at)[i] = (uint8_t)(seed + i * 7);
}

static void allocated_memory(struct io *io)
{
	struct vfiosafe_dma_memory from, to;

	if (!check(vfiosafe_dma_alloc(&from, io->dev, PAGE, 0) == 0 &&
			   vfiosafe_dma_alloc(&to, io->dev, PAGE, 0) == 0,
		   "two buffers are allocated"))
		return;
	fill(from.addr, 1);
	check(moves(io, from.iova, to.iova, PAGE) &&
		      memcmp(from.addr, to.addr, PAGE) == 0,
	      "the engine moves a page from one to the other, and says so by interrupt");
	check(vfiosafe_set_decode(io->dev, false, NULL) == 0 &&
		      vfiosafe_set_decode(io->dev, true, NULL) == 0,
	      "its memory decode goes off and on");
	fill(from.addr, 2);
	check(moves(io, from.iova, to.iova, PAGE) &&
		      memcmp(from.addr, to.addr, PAGE) == 0,
	      "after which buffers and interrupt work as before");
	check(vfiosafe_dma_free(&from) == 0 && vfiosafe_dma_free(&to) == 0,
	      "both are freed");
}

static uint8_t *own_memory(uint64_t len)
{
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		       0);

	return p == MAP_FAILED ? NULL : p;
}

static void own_memory_and_rights(struct io *io)
{
	struct vfiosafe_iommu_opts opts = edu_opts();
	uint8_t *memory = own_memory(2 * PAGE);
	uint64_t from = 0, to = 0;

	fill(memory, 3);
	opts.prot = VFIOSAFE_DMA_READ;
	check(vfiosafe_iommu_map(io->dev, memory, PAGE, &opts, &from) == 0 &&
		      from + PAGE <= opts.below,
	      "memory is mapped for reading, where the device reaches");
	opts.prot = 0;
	check(vfiosafe_iommu_map(io->dev, memory + PAGE, PAGE, &opts, &to) == 0,
	      "a second page for both");
	check(moves(io, from, to, PAGE) && memcmp(memory, memory + PAGE, PAGE) == 0,
	      "the engine reads the one and writes the other");
	memset(memory + PAGE, 0, PAGE);
	check(copies(io, to, EDU_BUFFER, PAGE, 0) &&
		      copies(io, EDU_BUFFER, from, PAGE, DMA_TO_MEMORY) &&
		      memory[1] == (uint8_t)(3 + 7),
	      "what is for reading it does not write");
	check(vfiosafe_iommu_unmap(io->dev, to, PAGE) == 0, "one is unmapped");
	fill(memory, 4);
	memset(memory + PAGE, 0x55, PAGE);
	check(moves(io, from, to, PAGE) && memory[PAGE] == 0x55 &&
		      memory[2 * PAGE - 1] == 0x55,
	      "what is unmapped the engine does not reach");
	check(vfiosafe_iommu_unmap(io->dev, to, PAGE) == -ENOENT &&
		      vfiosafe_iommu_unmap(io->dev, from, PAGE) == 0,
	      "and is unmapped once");
	munmap(memory, 2 * PAGE);
}

static void file_memory(struct io *io)
{
	struct vfiosafe_iommu_opts opts = edu_opts();
	int fd = memfd_create("vm_io", MFD_CLOEXEC);
	uint8_t *memory = own_memory(PAGE);
	uint64_t from = 0, to = 0;
	uint8_t seen[PAGE];

	fill(memory, 5);
	if (!check(ftruncate(fd, 4 * PAGE) == 0 &&
			   vfiosafe_iommu_map_file(io->dev, fd, 2 * PAGE, PAGE, &opts,
						   &to) == 0 &&
			   vfiosafe_iommu_map(io->dev, memory, PAGE, &opts, &from) == 0,
		   "a page of a file is mapped"))
		return;
	check(moves(io, from, to, PAGE) && pread(fd, seen, PAGE, 2 * PAGE) == PAGE &&
		      memcmp(seen, memory, PAGE) == 0,
	      "the engine writes it, and who reads the file sees it");
	check(vfiosafe_iommu_map_file(io->dev, fd, 3 * PAGE, 2 * PAGE, &opts, &from) ==
		      -EINVAL,
	      "beyond its end it is refused");
	check(vfiosafe_iommu_unmap(io->dev, to, PAGE) == 0, "the file is unmapped");
	close(fd);
	munmap(memory, PAGE);
}

static void huge_pages(struct io *io)
{
	static const char path[] =
		"/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages";
	struct vfiosafe_dma_memory mem;
	FILE *file;

	check(vfiosafe_dma_alloc(&mem, io->dev, 1, VFIOSAFE_DMA_HUGE_2M) == -ENOMEM &&
		      strstr(vfiosafe_error_text(), "nr_hugepages"),
	      "without huge pages it says where to set them aside");
	file = fopen(path, "w");
	if (!file || fprintf(file, "2") < 0 || fclose(file) != 0)
		check(false, "huge pages are set aside");
	if (!check(vfiosafe_dma_alloc(&mem, io->dev, 1, VFIOSAFE_DMA_HUGE_2M) == 0,
		   "a huge page is allocated"))
		return;
	check(mem.len == 2u << 20 && mem.iova % (2u << 20) == 0,
	      "at an address like its own");
	fill(mem.addr, 6);
	check(moves(io, mem.iova, mem.iova + (1u << 20), PAGE) &&
		      memcmp(mem.addr, (uint8_t *)mem.addr + (1u << 20), PAGE) == 0,
	      "the engine moves bytes inside of it");
	check(vfiosafe_dma_free(&mem) == 0, "it is freed");
}

static void set_ipc_lock(bool on)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	syscall(SYS_capget, &head, data);
	if (on)
		data[0].effective |= 1u << CAP_IPC_LOCK;
	else
		data[0].effective &= ~(1u << CAP_IPC_LOCK);
	syscall(SYS_capset, &head, data);
}

static void refusals(struct io *io)
{
	struct rlimit limit = { 16 * PAGE, 16 * PAGE }, before;
	struct vfiosafe_iommu_opts opts = edu_opts();
	uint8_t *memory = own_memory(64 * PAGE);
	uint64_t iova = 0;

	getrlimit(RLIMIT_MEMLOCK, &before);
	set_ipc_lock(false);
	setrlimit(RLIMIT_MEMLOCK, &limit);
	check(vfiosafe_iommu_map(io->dev, memory, 64 * PAGE, &opts, &iova) == -ENOMEM &&
		      strstr(vfiosafe_error_text(), "RLIMIT_MEMLOCK is 0x10000 bytes"),
	      "a map beyond RLIMIT_MEMLOCK names the limit");
	check(vfiosafe_iommu_map(io->dev, memory, 8 * PAGE, &opts, &iova) == 0 &&
		      vfiosafe_iommu_unmap(io->dev, iova, 8 * PAGE) == 0,
	      "one below it is made");
	set_ipc_lock(true);
	setrlimit(RLIMIT_MEMLOCK, &before);
	munmap(memory + PAGE, PAGE);
	check(vfiosafe_iommu_map(io->dev, memory, 2 * PAGE, &opts, &iova) == -EFAULT,
	      "memory with a hole is EFAULT");
	opts.below = 0;
	opts.fixed = true;
	iova = 0xfee00000;
	check(vfiosafe_iommu_map(io->dev, memory, PAGE, &opts, &iova) == -ERANGE,
	      "the addresses of interrupts are no memory");
	iova = UINT64_C(1) << 60;
	check(vfiosafe_iommu_map(io->dev, memory, PAGE, &opts, &iova) == -ERANGE,
	      "nor are those beyond the IOMMU");
	check(vfiosafe_iommu_map(io->dev,
				 (void *)(uintptr_t)vfiosafe_bar_address(io->bar), PAGE,
				 NULL, &iova) == -EINVAL,
	      "nor is a BAR");
	munmap(memory, PAGE);
	munmap(memory + 2 * PAGE, 62 * PAGE);
}

static bool raises(struct io *io, uint32_t bits)
{
	return vfiosafe_write32(&io->view, EDU_RAISE, bits) == 0;
}

static bool acknowledges(struct io *io, uint32_t bits)
{
	return vfiosafe_write32(&io->view, EDU_ACK, bits) == 0;
}

static void by_intx(struct io *io)
{
	uint32_t count = 0;

	check(vfiosafe_irq_count(io->dev, VFIOSAFE_IRQ_INTX, &count) == 0 && count == 1 &&
		      vfiosafe_irq_enable(io->dev, VFIOSAFE_IRQ_INTX, 1, &io->event) == 0,
	      "INTx is enabled");
	check(raises(io, 1) && signals(io->event, SOON) == 1, "an INTx comes");
	check(vfiosafe_irq_mask(io->dev, VFIOSAFE_IRQ_INTX, 0, false) == 0 &&
		      signals(io->event, SOON) == 1,
	      "unmasked while it is pending, it comes again");
	check(acknowledges(io, 1) && raises(io, 2) && signals(io->event, 50) == 0,
	      "masked, it does not come");
	check(vfiosafe_irq_mask(io->dev, VFIOSAFE_IRQ_INTX, 0, false) == 0 &&
		      signals(io->event, SOON) == 1 && acknowledges(io, 2),
	      "but when it is unmasked");
	check(vfiosafe_irq_disable(io->dev, VFIOSAFE_IRQ_INTX) == 0, "INTx is disabled");
}

static void by_msi(struct io *io)
{
	int closed = dup(io->event), not_event = STDOUT_FILENO;

	close(closed);
	check(vfiosafe_irq_enable(io->dev, VFIOSAFE_IRQ_MSI, 1, &closed) == -EBADF &&
		      strstr(vfiosafe_error_text(), "vector 0"),
	      "a closed eventfd is named");
	check(vfiosafe_irq_enable(io->dev, VFIOSAFE_IRQ_MSI, 1, &not_event) == -EINVAL,
	      "what is no eventfd is refused");
	check(vfiosafe_irq_enable(io->dev, VFIOSAFE_IRQ_MSIX, 1, &io->event) ==
		      -EOPNOTSUPP,
	      "it has no MSI-X");
	check(vfiosafe_irq_enable(io->dev, VFIOSAFE_IRQ_MSI, 2, &io->event) == -ERANGE,
	      "and one MSI vector");
	check(vfiosafe_irq_enable(io->dev, VFIOSAFE_IRQ_MSI, 1, &io->event) == 0,
	      "MSI is enabled");
	check(vfiosafe_irq_enable(io->dev, VFIOSAFE_IRQ_INTX, 1, &io->event) == -EBUSY &&
		      vfiosafe_irq_enable(io->dev, VFIOSAFE_IRQ_MSI, 1, &io->event) ==
			      -EBUSY,
	      "then no other, and no second time");
	check(raises(io, 1) && signals(io->event, SOON) == 1 && acknowledges(io, 1),
	      "an MSI comes");
	check(vfiosafe_irq_mask(io->dev, VFIOSAFE_IRQ_MSI, 0, true) == -EOPNOTSUPP,
	      "this kernel cannot mask it, and that is said");
	check(vfiosafe_irq_set_fd(io->dev, VFIOSAFE_IRQ_MSI, 0, not_event) == -EINVAL &&
		      raises(io, 1) && signals(io->event, SOON) == 1 &&
		      acknowledges(io, 1),
	      "an eventfd that cannot be changed stays");
}

int io_edu(struct io *io)
{
	io_name(io, "edu");
	if (!io_open(io))
		return 1;
	by_intx(io);
	by_msi(io);
	allocated_memory(io);
	own_memory_and_rights(io);
	file_memory(io);
	huge_pages(io);
	refusals(io);
	io_close(io);
	return check_failures ? 1 : 0;
}

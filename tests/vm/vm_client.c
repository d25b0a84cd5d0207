/* SPDX-License-Identifier: MIT */
/*
 * DMA memory of a client of a real kernel: another process, another user, drives an nvme by
 * the owner's calls; the controller writes into its memfd, which the owner looks into here.
 *
 *      vm_client ADDRESS cdev|group
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "client_nvme.h"

#define NOBODY 65534

static struct {
	struct vfiosafe_device *dev;
	struct vfiosafe_bar *bar;
	struct vfiosafe_view view;
	int fd; /* of the memory */
	uint8_t *memory;
	pid_t pid;
} t;

/* In the last page of the file. */
static uint64_t *told(uint8_t *memory)
{
	return (uint64_t *)(void *)(memory + AT_TOLD);
}

static uint8_t *map_memory(int fd)
{
	void *at = mmap(NULL, FILE_LEN, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	return at == MAP_FAILED ? NULL : at;
}

/* The client; what it returns is how far it came. */
static int client(int sock, int fd)
{
	struct vfiosafe_device *dev;
	struct vfiosafe_dma_memory mem;
	struct vfiosafe_bar *bar;
	struct vfiosafe_view view;
	uint8_t *memory = map_memory(fd);
	uint64_t iova;

	if (!memory || vfiosafe_join(&dev, sock, NULL) < 0)
		return 2;
	if (vfiosafe_bar_map(&bar, dev, 0, 0, 0, 0) < 0 || vfiosafe_bar_view(bar, &view) < 0)
		return 3;
	if (vfiosafe_iommu_map_file(dev, fd, 0, FILE_LEN, NULL, &iova) < 0 ||
	    vfiosafe_dma_alloc(&mem, dev, PAGE, 0) < 0)
		return 4;
	if (nvme_start(&view, memory, iova) < 0)
		return 5;
	if (nvme_identify(&view, memory, 0, mem.iova) < 0 ||
	    nvme_identify(&view, memory, 1, iova + AT_DATA) < 0)
		return 6;
	/* Into memory that only this process has. */
	if (memcmp(mem.addr, memory + AT_DATA, PAGE) != 0 || ((char *)mem.addr)[4] == '\0')
		return 7;
	if (vfiosafe_iommu_unmap(dev, iova, PAGE) != -ENOENT || vfiosafe_dma_free(&mem) < 0)
		return 8;
	__atomic_store_n(told(memory), iova, __ATOMIC_RELEASE);
	while (1)
		pause();
}

static void exec_client(int sock, int fd)
{
	char sock_text[16], fd_text[16];

	snprintf(sock_text, sizeof(sock_text), "%d", dup(sock));
	snprintf(fd_text, sizeof(fd_text), "%d", dup(fd));
	if (setresgid(NOBODY, NOBODY, NOBODY) == 0 && setresuid(NOBODY, NOBODY, NOBODY) == 0)
		execl("/proc/self/exe", "vm_client", "client", sock_text, fd_text,
		      (char *)NULL);
	_exit(1);
}

static int memfd_of(uint64_t len, int seals)
{
	int fd = memfd_create("memory", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0 || ftruncate(fd, (off_t)len) < 0 || fcntl(fd, F_ADD_SEALS, seals) < 0)
		return -1;
	return fd;
}

static bool serve(void)
{
	const struct vfiosafe_grant_range range = {
		.rights = VFIOSAFE_GRANT_READ | VFIOSAFE_GRANT_WRITE, .len = 0
	};
	const struct vfiosafe_grant grant = { .size = sizeof(grant),
					      .rights = VFIOSAFE_GRANT_DMA |
							VFIOSAFE_GRANT_CALLS_ONLY,
					      .range_count = 1,
					      .ranges = &range,
					      .check_uid = true,
					      .uid = NOBODY,
					      .dma_limit = FILE_LEN + PAGE };
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
		return false;
	t.pid = fork();
	if (t.pid == 0)
		exec_client(fds[1], t.fd);
	close(fds[1]);
	return vfiosafe_share_serve(t.dev, fds[0], &grant) == 0 &&
	       vfiosafe_agent_start(t.dev) == 0;
}

/* Where the client has it; 0: the client ended, with @status. */
static uint64_t wait_told(int *status)
{
	uint64_t iova;

	while ((iova = __atomic_load_n(told(t.memory), __ATOMIC_ACQUIRE)) == 0)
		if (waitpid(t.pid, status, WNOHANG) == t.pid)
			return 0;
	return iova;
}

static void end_client(void)
{
	kill(t.pid, SIGKILL);
	waitpid(t.pid, NULL, 0);
	while (vfiosafe_share_count(t.dev) > 0)
		sched_yield();
}

static int reinit(struct vfiosafe_device *dev, void *ctx)
{
	(void)dev, (void)ctx;
	return vfiosafe_bar_view(t.bar, &t.view);
}

static bool open_device(const char *address, enum vfiosafe_door door)
{
	const struct vfiosafe_device_opts opts = { .size = sizeof(opts), .door = door };
	const struct vfiosafe_driver_ops ops = { .size = sizeof(ops), .reinit = reinit };

	t.fd = memfd_of(FILE_LEN, F_SEAL_SHRINK);
	t.memory = t.fd < 0 ? NULL : map_memory(t.fd);
	return check(t.memory && vfiosafe_device_open(&t.dev, address, &opts) == 0, "opens") &&
	       check(vfiosafe_bar_map(&t.bar, t.dev, 0, 0, 0, 0) == 0 &&
			     vfiosafe_device_set_driver(t.dev, &ops, NULL) == 0 &&
			     vfiosafe_set_bus_master(t.dev, true) == 0 &&
			     reinit(t.dev, NULL) == 0,
		     "is ready");
}

static void memory_of_a_client(void)
{
	int status = 0;
	uint64_t iova;

	if (!check(serve(), "serves a client of another user"))
		return;
	iova = wait_told(&status);
	if (!check(iova != 0, "the controller fills memory of the client (%d)",
		   WEXITSTATUS(status)))
		return;
	check(t.memory[AT_DATA + 4] != '\0', "which is the file that it sent");
	check(vfiosafe_share_held(t.dev) == 0, "nothing is held while it lives");
	end_client();
	check(vfiosafe_share_held(t.dev) == FILE_LEN, "it is killed: its file is held");
	memset(t.memory + AT_DATA, 0, PAGE);
	check(nvme_identify(&t.view, t.memory, 2, iova + AT_DATA) == 0 &&
		      t.memory[AT_DATA + 4] != '\0',
	      "the controller goes on to reach it");
	check(vfiosafe_reset(t.dev, NULL) == 0 && vfiosafe_share_held(t.dev) == 0,
	      "until it is reset");
	memset(t.memory, 0, FILE_LEN);
	check(nvme_start(&t.view, t.memory, iova) == 0, "it starts again");
	*(uint32_t *)(void *)(t.memory + AT_SQ) = IDENTIFY;
	check(vfiosafe_write32(&t.view, NVME_SQ_DOORBELL, 1) == 0 &&
		      nvme_wait(&t.view, CSTS_FAILED, true) == 0,
	      "and fails when it is to read the queue that is gone");
	for (unsigned int i = PAGE; i < FILE_LEN; i++)
		if (t.memory[i])
			check(false, "byte 0x%x was written", i);
	check(vfiosafe_reset(t.dev, NULL) == 0, "a reset ends that");
}

/* What lib/memfd.h says that the kernel does, tried with memory of the owner's own. */
static void a_file_that_is_cut(int cut, const char *how)
{
	int fd = memfd_of(PAGE, 0);
	uint64_t iova = 0, queue = 0;
	char byte = 'x';

	if (!check(vfiosafe_iommu_map_file(t.dev, t.fd, 0, FILE_LEN, NULL, &queue) == 0 &&
			   vfiosafe_iommu_map_file(t.dev, fd, 0, PAGE, NULL, &iova) == 0,
		   "%s: a memfd is mapped", how))
		return;
	if (cut)
		check(ftruncate(fd, 0) == 0 && ftruncate(fd, PAGE) == 0, "%s", how);
	else
		check(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, PAGE) == 0,
		      "%s", how);
	check(nvme_start(&t.view, t.memory, queue) == 0 &&
		      nvme_identify(&t.view, t.memory, 0, iova) == 0,
	      "%s: the device writes all the same", how);
	check(pread(fd, &byte, 1, 4) == 1 && byte == '\0',
	      "%s: not into what the file has now", how);
	check(vfiosafe_iommu_unmap(t.dev, iova, PAGE) == 0 &&
		      vfiosafe_iommu_unmap(t.dev, queue, FILE_LEN) == 0,
	      "%s: unmapped", how);
	close(fd);
}

/* IOMMU_IOAS_MAP_FILE takes both of these; the library does not. */
static void a_file_that_may_only_be_read(int seals, int mode, const char *how)
{
	int fd = memfd_of(PAGE, seals), again;
	uint64_t iova;
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	again = open(path, mode | O_CLOEXEC);
	check(vfiosafe_iommu_map_file(t.dev, again, 0, PAGE, NULL, &iova) == -EACCES,
	      "a file that is %s is not mapped to be written", how);
	close(again);
	close(fd);
}

int main(int argc, char **argv)
{
	if (argc == 4)
		return client(atoi(argv[2]), atoi(argv[3]));
	if (argc != 3) {
		fprintf(stderr, "usage: vm_client ADDRESS cdev|group\n");
		return 2;
	}
	setlinebuf(stdout);
	snprintf(check_prefix, sizeof(check_prefix), "client/%s: ", argv[2]);
	if (!open_device(argv[1],
			 strcmp(argv[2], "cdev") == 0 ? VFIOSAFE_DOOR_CDEV : VFIOSAFE_DOOR_GROUP))
		return 1;
	memory_of_a_client();
	a_file_that_is_cut(1, "a file that is cut");
	a_file_that_is_cut(0, "a file with a hole");
	a_file_that_may_only_be_read(0, O_RDONLY, "open for reading");
	a_file_that_may_only_be_read(F_SEAL_FUTURE_WRITE, O_RDWR, "sealed against writing");
	check(vfiosafe_device_close(t.dev, 1000) == 0, "closes");
	return check_failures != 0;
}

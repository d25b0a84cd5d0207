/* SPDX-License-Identifier: MIT */
/*
 * Memory of a client that is a process of its own, reached by the simulated device, which
 * another one owns: while the client lives, when it was killed, and after the reset.
 */
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <vfiosafe/vfiosafe.h>

#include "sim_rig.h"

#define PAGE UINT64_C(4096)
#define LEN (2 * PAGE)
#define PATTERN UINT64_C(0x1122334455667788)
#define KILLS 20

/* What the client tells. */
struct told {
	int step; /* atomic; 1: it is there; -1: something failed */
	uint64_t iova;
	char text[256];
};

static struct {
	struct vfiosafe_sim *sim;
	struct vfiosafe_device *dev;
	struct vfiosafe_bar *bar;
	struct vfiosafe_view view;
	struct told *told;
	int told_fd;
	pid_t pid;
} t;

static int reinit(struct vfiosafe_device *dev, void *ctx)
{
	(void)dev, (void)ctx;
	return vfiosafe_bar_view(t.bar, &t.view);
}

/* The device complements 8 bytes; 0, -EFAULT: it could not. */
static int complement(const struct vfiosafe_view *view, uint64_t iova)
{
	uint32_t value = VFIOSAFE_SIM_DMA_START;
	int rc = vfiosafe_write64(view, VFIOSAFE_SIM_REG_DMA_ADDRESS, iova);

	if (rc == 0)
		rc = vfiosafe_write32(view, VFIOSAFE_SIM_REG_DMA, value);
	while (rc == 0 && value == VFIOSAFE_SIM_DMA_START)
		rc = vfiosafe_read32(view, VFIOSAFE_SIM_REG_DMA, &value);
	return rc == 0 && value != 0 ? -EFAULT : rc;
}

static void tell(int step)
{
	__atomic_store_n(&t.told->step, step, __ATOMIC_RELEASE);
}

static void child_check(bool good, const char *what)
{
	if (good)
		return;
	snprintf(t.told->text, sizeof(t.told->text), "%s: %.200s", what,
		 vfiosafe_error_text());
	tell(-1);
	_exit(1);
}

struct child {
	struct vfiosafe_device *dev;
	struct vfiosafe_bar *bar;
	struct vfiosafe_view view;
	struct vfiosafe_dma_memory mem;
};

static int child_reinit(struct vfiosafe_device *dev, void *ctx)
{
	(void)dev, (void)ctx;
	return 0;
}

static void child_joins(struct child *c, int sock)
{
	const struct vfiosafe_driver_ops ops = { .size = sizeof(ops), .reinit = child_reinit };

	child_check(vfiosafe_join(&c->dev, sock, NULL) == 0, "join");
	child_check(vfiosafe_device_set_driver(c->dev, &ops, NULL) == 0, "driver");
	child_check(vfiosafe_agent_start(c->dev) == 0, "agent");
	child_check(vfiosafe_bar_map(&c->bar, c->dev, 0, 0, 0, 0) == 0, "bar");
	child_check(vfiosafe_bar_view(c->bar, &c->view) == 0, "view");
	child_check(vfiosafe_dma_alloc(&c->mem, c->dev, LEN, 0) == 0, "dma_alloc");
	t.told->iova = c->mem.iova;
}

/* Has the device write into its memory, and waits for its end. */
static void child_waits(int sock)
{
	struct child c;
	volatile uint64_t *at;

	child_joins(&c, sock);
	at = c.mem.addr;
	at[1] = PATTERN;
	child_check(complement(&c.view, c.mem.iova + 8) == 0, "DMA");
	child_check(at[1] == ~PATTERN && at[0] == 0, "what the device wrote");
	tell(1);
	while (1)
		pause();
}

/* Starts DMA over and over, in memory that comes and goes. */
static void child_storms(int sock)
{
	struct vfiosafe_dma_memory more;
	struct child c;

	child_joins(&c, sock);
	tell(1);
	while (1) {
		child_check(vfiosafe_dma_alloc(&more, c.dev, LEN, 0) == 0, "dma_alloc");
		child_check(complement(&c.view, more.iova) == 0, "DMA");
		child_check(vfiosafe_dma_free(&more) == 0, "dma_free");
		child_check(complement(&c.view, c.mem.iova) == 0, "DMA");
	}
}

/* As many mappings as there may be, one with its memory, and one more. */
static void child_maps(int sock)
{
	int fd = memfd_create("page", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	uint64_t iova = 0;
	struct child c;
	int rc = 0;

	child_joins(&c, sock);
	child_check(ftruncate(fd, PAGE) == 0 && fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK) == 0,
		    "memfd");
	for (int i = 1; i < VFIOSAFE_GRANT_MAPPINGS && rc == 0; i++)
		rc = vfiosafe_iommu_map_file(c.dev, fd, 0, PAGE, NULL, &iova);
	child_check(rc == 0, "map_file");
	child_check(vfiosafe_iommu_map_file(c.dev, fd, 0, PAGE, NULL, &iova) == -ENOSPC &&
			    strstr(vfiosafe_error_text(), "at most 1024"),
		    "one too many");
	child_check(vfiosafe_iommu_unmap(c.dev, iova, PAGE) == 0, "unmap");
	child_check(vfiosafe_iommu_map_file(c.dev, fd, 0, PAGE, NULL, &iova) == 0, "again");
	tell(1);
	while (1)
		pause();
}

/* A program of its own: a fork of one that has used the library cannot join. */
static void exec_child(const char *which, int sock)
{
	char fd[16], told[16];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	snprintf(fd, sizeof(fd), "%d", dup(sock));
	snprintf(told, sizeof(told), "%d", dup(t.told_fd));
	execl("/proc/self/exe", "client", which, fd, told, (char *)NULL);
	_exit(2);
}

static struct told *map_told(int fd)
{
	void *at = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	return at == MAP_FAILED ? NULL : at;
}

static int child_main(char **argv)
{
	int sock = atoi(argv[2]);

	t.told = map_told(atoi(argv[3]));
	if (!t.told)
		return 2;
	if (strcmp(argv[1], "waits") == 0)
		child_waits(sock);
	if (strcmp(argv[1], "maps") == 0)
		child_maps(sock);
	child_storms(sock);
	return 0;
}

static void serve_child(const char *which)
{
	const struct vfiosafe_grant_range range = {
		.bar = 0, .rights = VFIOSAFE_GRANT_READ | VFIOSAFE_GRANT_WRITE
	};
	const struct vfiosafe_grant grant = { .size = sizeof(grant),
					      .rights = VFIOSAFE_GRANT_DMA |
							VFIOSAFE_GRANT_CALLS_ONLY,
					      .range_count = 1,
					      .ranges = &range,
					      .dma_limit = 2 * VFIOSAFE_GRANT_MAPPINGS * PAGE };
	int fds[2];

	memset(t.told, 0, sizeof(*t.told));
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
	t.pid = fork();
	if (t.pid == 0)
		exec_child(which, fds[1]);
	close(fds[1]);
	assert_int_equal(vfiosafe_share_serve(t.dev, fds[0], &grant), 0);
	assert_int_equal(vfiosafe_agent_start(t.dev), 0);
	until(__atomic_load_n(&t.told->step, __ATOMIC_ACQUIRE) != 0);
	if (t.told->step < 0)
		print_error("client: %s\n", t.told->text);
	assert_int_equal(t.told->step, 1);
}

static int setup(void **state)
{
	struct vfiosafe_sim_opts sim_opts = { .size = sizeof(sim_opts), .window_us = 20 };
	struct vfiosafe_device_opts opts = { .size = sizeof(opts) };
	const struct vfiosafe_driver_ops ops = { .size = sizeof(ops), .reinit = reinit };

	memset(&t, 0, sizeof(t));
	opts.door = (enum vfiosafe_door)(uintptr_t)*state;
	t.told_fd = memfd_create("told", MFD_CLOEXEC);
	assert_int_equal(ftruncate(t.told_fd, PAGE), 0);
	t.told = map_told(t.told_fd);
	assert_non_null(t.told);
	assert_int_equal(vfiosafe_sim_open(&t.sim, "sim:reg", &sim_opts), 0);
	opts.sys = vfiosafe_sim_sys(t.sim);
	assert_int_equal(vfiosafe_device_open(&t.dev, vfiosafe_sim_address(t.sim), &opts), 0);
	assert_int_equal(vfiosafe_bar_map(&t.bar, t.dev, 0, 0, 0, 0), 0);
	assert_int_equal(vfiosafe_device_set_driver(t.dev, &ops, NULL), 0);
	assert_int_equal(vfiosafe_set_bus_master(t.dev, true), 0);
	return reinit(t.dev, NULL);
}

static int teardown(void **state)
{
	struct vfiosafe_sim_held held;

	(void)state;
	if (t.pid > 0) {
		kill(t.pid, SIGKILL);
		waitpid(t.pid, NULL, 0);
	}
	assert_int_equal(vfiosafe_device_close(t.dev, 2000), 0);
	vfiosafe_sim_held(t.sim, &held);
	assert_int_equal(held.fds + held.mappings + held.iovas, 0);
	vfiosafe_sim_close(t.sim);
	munmap(t.told, PAGE);
	close(t.told_fd);
	return 0;
}

static uint64_t iovas(void)
{
	struct vfiosafe_sim_held held;

	vfiosafe_sim_held(t.sim, &held);
	return held.iovas;
}

static void kill_child(void)
{
	assert_int_equal(kill(t.pid, SIGKILL), 0);
	waitpid(t.pid, NULL, 0);
	t.pid = 0;
	until(vfiosafe_share_count(t.dev) == 0);
}

static void the_memory_of_a_client_that_was_killed_waits_for_the_reset(void **state)
{
	struct vfiosafe_sim_counts counts;

	(void)state;
	serve_child("waits");
	assert_int_equal(iovas(), 1);
	assert_int_equal(vfiosafe_share_held(t.dev), 0);
	kill_child();
	assert_int_equal(vfiosafe_share_held(t.dev), LEN);
	assert_int_equal(iovas(), 1);
	/* What the device was told before is no fault, and in nobody's memory. */
	assert_int_equal(complement(&t.view, t.told->iova), 0);
	assert_int_equal(vfiosafe_reset(t.dev, NULL), 0);
	assert_int_equal(vfiosafe_share_held(t.dev), 0);
	assert_int_equal(iovas(), 0);
	vfiosafe_sim_counts(t.sim, &counts);
	assert_int_equal(counts.dma_faults, 0);
	assert_int_equal(complement(&t.view, t.told->iova), -EFAULT);
}

static void resets_do_not_touch_the_memory_of_who_lives(void **state)
{
	uint64_t generation;

	(void)state;
	serve_child("waits");
	generation = vfiosafe_device_generation(t.dev);
	for (int i = 0; i < 5; i++) {
		int rc = vfiosafe_reset(t.dev, NULL);

		if (rc)
			print_error("%s\n", vfiosafe_error_text());
		assert_int_equal(rc, 0);
	}
	assert_int_equal(vfiosafe_device_generation(t.dev), generation + 5);
	assert_int_equal(iovas(), 1);
	assert_int_equal(complement(&t.view, t.told->iova), 0);
	kill_child();
}

/* Wherever it is when it dies: no fault of the device, and nothing is left. */
static void clients_die_while_the_device_does_their_DMA(void **state)
{
	struct vfiosafe_sim_counts counts;

	(void)state;
	for (int i = 0; i < KILLS; i++) {
		serve_child("storms");
		for (int k = 0; k < 50 * (i % 5); k++)
			sched_yield();
		kill_child();
		assert_true(vfiosafe_share_held(t.dev) >= LEN);
		assert_int_equal(vfiosafe_reset(t.dev, NULL), 0);
		assert_int_equal(vfiosafe_share_held(t.dev), 0);
		assert_int_equal(iovas(), 0);
	}
	vfiosafe_sim_counts(t.sim, &counts);
	print_message("%llu DMAs\n", (unsigned long long)counts.dma);
	assert_int_equal(counts.dma_faults, 0);
	assert_true(counts.dma > KILLS);
}

static void a_client_has_only_so_many_mappings(void **state)
{
	(void)state;
	serve_child("maps");
	assert_int_equal(iovas(), VFIOSAFE_GRANT_MAPPINGS);
	kill_child();
	assert_int_equal(vfiosafe_reset(t.dev, NULL), 0);
	assert_int_equal(iovas(), 0);
}

#define DOOR(test, suffix, door)                                                         \
	{                                                                                \
		.name = #test suffix, .test_func = test, .setup_func = setup,            \
		.teardown_func = teardown, .initial_state = (void *)(uintptr_t)(door)    \
	}
#define BOTH(test)                                                                       \
	DOOR(test, " (cdev)", VFIOSAFE_DOOR_CDEV),                                       \
		DOOR(test, " (group)", VFIOSAFE_DOOR_GROUP)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		BOTH(the_memory_of_a_client_that_was_killed_waits_for_the_reset),
		BOTH(resets_do_not_touch_the_memory_of_who_lives),
		BOTH(a_client_has_only_so_many_mappings),
		BOTH(clients_die_while_the_device_does_their_DMA),
	};

	if (argc == 4)
		return child_main(argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

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

#include "sim_share_child.h"

#define KILLS 20

static struct {
	struct vfiosafe_sim *sim;
	struct vfiosafe_device *dev;
	struct vfiosafe_bar *bar;
	struct vfiosafe_view view;
	int told_fd;
	pid_t pid;
} t;

static int reinit(struct vfiosafe_device *dev, void *ctx)
{
	(void)dev, (void)ctx;
	return vfiosafe_bar_view(t.bar, &t.view);
}

/* A program of its own: a fork of one that has used the library cannot join. */
static void exec_child(const char *which, int sock)
{
	char fd[16], told_text[16];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	snprintf(fd, sizeof(fd), "%d", dup(sock));
	snprintf(told_text, sizeof(told_text), "%d", dup(t.told_fd));
	execl("/proc/self/exe", "client", which, fd, told_text, (char *)NULL);
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

	told = map_told(atoi(argv[3]));
	if (!told)
		return 2;
	if (strcmp(argv[1], "waits") == 0)
		child_waits(sock);
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
					      .dma_limit = 64 * PAGE };
	int fds[2];

	memset(told, 0, sizeof(*told));
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
	t.pid = fork();
	if (t.pid == 0)
		exec_child(which, fds[1]);
	close(fds[1]);
	assert_int_equal(vfiosafe_share_serve(t.dev, fds[0], &grant), 0);
	assert_int_equal(vfiosafe_agent_start(t.dev), 0);
	until(__atomic_load_n(&told->step, __ATOMIC_ACQUIRE) != 0);
	if (told->step < 0)
		print_error("client: %s\n", told->text);
	assert_int_equal(told->step, 1);
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
	told = map_told(t.told_fd);
	assert_non_null(told);
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
	munmap(told, PAGE);
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
	assert_int_equal(complement(&t.view, told->iova), 0);
	assert_int_equal(vfiosafe_reset(t.dev, NULL), 0);
	assert_int_equal(vfiosafe_share_held(t.dev), 0);
	assert_int_equal(iovas(), 0);
	vfiosafe_sim_counts(t.sim, &counts);
	assert_int_equal(counts.dma_faults, 0);
	assert_int_equal(complement(&t.view, told->iova), -EFAULT);
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
	assert_int_equal(complement(&t.view, told->iova), 0);
	kill_child();
}

static uint64_t transfers(void)
{
	struct vfiosafe_sim_counts counts;

	vfiosafe_sim_counts(t.sim, &counts);
	return counts.dma;
}

/* Wherever it is when it dies: no fault of the device, and nothing is left. */
static void clients_die_while_the_device_does_their_DMA(void **state)
{
	struct vfiosafe_sim_counts counts;

	(void)state;
	for (unsigned int i = 0; i < KILLS; i++) {
		uint64_t before = transfers();

		serve_child("storms");
		until(transfers() >= before + i % 5);
		kill_child();
		assert_true(vfiosafe_share_held(t.dev) >= LEN);
		assert_int_equal(vfiosafe_reset(t.dev, NULL), 0);
		assert_int_equal(vfiosafe_share_held(t.dev), 0);
		assert_int_equal(iovas(), 0);
	}
	vfiosafe_sim_counts(t.sim, &counts);
	print_message("%llu DMAs\n", (unsigned long long)counts.dma);
	assert_int_equal(counts.dma_faults, 0);
	assert_true(counts.dma >= 2 * KILLS);
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
		BOTH(clients_die_while_the_device_does_their_DMA),
	};

	if (argc == 4)
		return child_main(argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

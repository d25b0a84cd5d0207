/* SPDX-License-Identifier: MIT */
/*
 * bench-share: what a window costs with many processes that share the device.
 *
 * Clients are this program again, one process each, with an agent's thread and a reinit
 * callback that takes a view. One line per number of clients and way in which they reach
 * the device: clients, way, median and 90th percentile, in microseconds, of the time from
 * "a reset is wanted" until all have left, and from "the reset is done" until the last is
 * back.
 */
#include <errno.h>
#include <signal.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <vfiosafe/sim.h>
#include <vfiosafe/vfiosafe.h>

#include "stats.h"

#define CLIENTS_MAX 512
#define ROUNDS 31

/* In memory that all see: the generation that each client is back in. */
struct board {
	uint64_t back[CLIENTS_MAX];
};

struct client {
	struct vfiosafe_bar *bar;
	uint64_t *back;
};

static struct vfiosafe_device *dev;
static struct board *board;
static int board_fd;
static double drained_us[ROUNDS], live_us[ROUNDS];

static void die(const char *what)
{
	fprintf(stderr, "bench-share: %s: %s\n", what, vfiosafe_error_text());
	exit(1);
}

static int64_t now_ns(void)
{
	return vfiosafe_deadline_in_ms(0);
}

static int reinit(struct vfiosafe_device *joined, void *ctx)
{
	struct client *c = ctx;
	struct vfiosafe_view view;
	int rc = vfiosafe_bar_view(c->bar, &view);

	if (rc == 0)
		__atomic_store_n(c->back, vfiosafe_device_generation(joined), __ATOMIC_RELEASE);
	return rc;
}

static int client_main(int socket, unsigned int place)
{
	static const struct vfiosafe_driver_ops ops = { .size = sizeof(ops), .reinit = reinit };
	struct client c = { .back = &board->back[place] };

	if (vfiosafe_join(&dev, socket, NULL) < 0 ||
	    vfiosafe_bar_map(&c.bar, dev, 0, 0, 0, 0) < 0 ||
	    vfiosafe_device_set_driver(dev, &ops, &c) < 0 || vfiosafe_agent_start(dev) < 0)
		die("client");
	__atomic_store_n(c.back, vfiosafe_device_generation(dev), __ATOMIC_RELEASE);
	while (vfiosafe_device_state(dev) != VFIOSAFE_GONE)
		usleep(100000);
	return 0;
}

static pid_t start_client(unsigned int place, bool calls)
{
	static const struct vfiosafe_grant_range all = {
		.rights = VFIOSAFE_GRANT_READ | VFIOSAFE_GRANT_WRITE,
	};
	const struct vfiosafe_grant grant = {
		.size = sizeof(grant),
		.rights = calls ? VFIOSAFE_GRANT_CALLS_ONLY : 0,
		.ranges = &all,
		.range_count = 1,
	};
	char number[3][16];
	pid_t pid;
	int fd[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fd) < 0)
		die("socketpair");
	pid = fork();
	if (pid == 0) {
		snprintf(number[0], sizeof(number[0]), "%d", dup(fd[1]));
		snprintf(number[1], sizeof(number[1]), "%d", dup(board_fd));
		snprintf(number[2], sizeof(number[2]), "%u", place);
		execl("/proc/self/exe", "bench-share", "client", number[0], number[1],
		      number[2], (char *)NULL);
		_exit(127);
	}
	close(fd[1]);
	if (pid < 0 || vfiosafe_share_serve(dev, fd[0], &grant) < 0)
		die("serve");
	return pid;
}

static void wait_back(unsigned int clients, uint64_t generation)
{
	for (unsigned int i = 0; i < clients; i++)
		while (__atomic_load_n(&board->back[i], __ATOMIC_ACQUIRE) != generation)
			sched_yield();
}

static int poll_until(struct vfiosafe_window *win, int step)
{
	int rc;

	do {
		rc = vfiosafe_window_poll(win);
		if (rc == -EAGAIN)
			sched_yield();
	} while (rc == -EAGAIN);
	return rc == step ? 0 : -1;
}

static void measure(unsigned int clients, unsigned int round)
{
	const struct vfiosafe_reset_opts opts = { .size = sizeof(opts), .timeout_ms = 60000 };
	struct vfiosafe_window *win;
	int64_t start = now_ns();

	if (vfiosafe_window_begin(&win, dev, &opts) < 0 ||
	    poll_until(win, VFIOSAFE_STEP_COMMIT) < 0)
		die("drain");
	drained_us[round] = (double)(now_ns() - start) / 1000;
	if (vfiosafe_window_commit(win) < 0)
		die("commit");
	start = now_ns();
	if (poll_until(win, VFIOSAFE_STEP_FINISH) < 0 || vfiosafe_window_finish(win) < 0)
		die("finish");
	vfiosafe_window_end(win);
	wait_back(clients, vfiosafe_device_generation(dev));
	live_us[round] = (double)(now_ns() - start) / 1000;
}

static void measure_with(unsigned int clients, bool calls)
{
	pid_t pid[CLIENTS_MAX];

	memset(board, 0, sizeof(*board));
	for (unsigned int i = 0; i < clients; i++)
		pid[i] = start_client(i, calls);
	if (vfiosafe_agent_start(dev) < 0)
		die("agent");
	wait_back(clients, vfiosafe_device_generation(dev));
	for (unsigned int round = 0; round < ROUNDS; round++)
		measure(clients, round);
	for (unsigned int i = 0; i < clients; i++) {
		kill(pid[i], SIGKILL);
		waitpid(pid[i], NULL, 0);
	}
	while (vfiosafe_share_count(dev) > 0)
		sched_yield();
	printf("%u\t%s\t%.0f\t%.0f\t%.0f\t%.0f\n", clients, calls ? "calls" : "dma-buf",
	       bench_percentile(drained_us, ROUNDS, 50), bench_percentile(drained_us, ROUNDS, 90),
	       bench_percentile(live_us, ROUNDS, 50), bench_percentile(live_us, ROUNDS, 90));
	fflush(stdout);
}

static void open_device(void)
{
	static struct vfiosafe_sim *sim;
	const struct vfiosafe_sim_opts how = { .size = sizeof(how), .window_us = 20 };
	struct vfiosafe_device_opts opts = { .size = sizeof(opts), .address = "sim" };

	if (vfiosafe_sim_open(&sim, "sim:reg", &how) < 0)
		die("no simulated device");
	opts.sys = vfiosafe_sim_sys(sim);
	if (vfiosafe_device_from_fd(&dev, vfiosafe_sim_device_fd(sim), &opts) < 0)
		die("no device");
}

int main(int argc, char **argv)
{
	static const unsigned int numbers[] = { 1, 8, 64, 512 };

	board_fd = argc == 5 ? atoi(argv[3]) : memfd_create("board", MFD_CLOEXEC);
	if (argc != 5 && ftruncate(board_fd, sizeof(*board)) < 0)
		die("memory");
	board = mmap(NULL, sizeof(*board), PROT_READ | PROT_WRITE, MAP_SHARED, board_fd, 0);
	if (board == MAP_FAILED)
		die("memory");
	if (argc == 5)
		return client_main(atoi(argv[2]), (unsigned int)atoi(argv[4]));
	open_device();
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		measure_with(numbers[i], false);
		measure_with(numbers[i], true);
	}
	return 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * bench-share: what a window costs with many processes that share the device.
 *
 * Clients are this program again, one process each, with an agent's thread and a reinit
 * callback that takes a view. One line per number of clients and way in which they reach
 * the device: clients, way, median and 90th percentile, in microseconds, of the time from
 * "a reset is wanted" until all have left, and from "the reset is done" until the last is
 * back; and the median for so many bare processes to answer one message (bare.h). The
 * three take turns.
 *
 *     bench-share              1, 8, 64 and 512 clients
 *     bench-share CLIENTS      so many
 */
#include <errno.h>
#include <signal.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <vfiosafe/sim.h>
#include <vfiosafe/vfiosafe.h>

#include "bare.h"
#include "rig.h"
#include "stats.h"

#define CLIENTS_MAX 4096
#define TURNS 3
#define TURN 31 /* windows in one */
#define ROUNDS (TURNS * TURN)

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

/* Microseconds, of all rounds. */
struct times {
	double left[ROUNDS], back[ROUNDS];
};

static void die(const char *what)
{
	fprintf(stderr, "bench-share: %s: %s\n", what, vfiosafe_error_text());
	exit(1);
}

static int reinit(struct vfiosafe_device *joined, void *ctx)
{
	struct client *c = ctx;
	struct vfiosafe_view view;
	int rc = vfiosafe_bar_view(c->bar, &view);

	if (rc == 0)
		__atomic_store_n(c->back, vfiosafe_device_generation(joined),
				 __ATOMIC_RELEASE);
	return rc;
}

static void client_main(int socket, unsigned int place)
{
	static const struct vfiosafe_driver_ops ops = { .size = sizeof(ops),
							.reinit = reinit };
	struct client c = { .back = &board->back[place] };

	if (vfiosafe_join(&dev, socket, NULL) < 0 ||
	    vfiosafe_bar_map(&c.bar, dev, 0, 0, 0, 0) < 0 ||
	    vfiosafe_device_set_driver(dev, &ops, &c) < 0 ||
	    vfiosafe_agent_start(dev) < 0)
		die("client");
	__atomic_store_n(c.back, vfiosafe_device_generation(dev), __ATOMIC_RELEASE);
	while (true) /* until it is killed */
		pause();
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

static void measure(struct times *times, unsigned int round, unsigned int clients)
{
	const struct vfiosafe_reset_opts opts = { .size = sizeof(opts), .timeout_ms = 60000 };
	struct vfiosafe_window *win;
	int64_t start = bench_now_ns();

	if (vfiosafe_window_begin(&win, dev, &opts) < 0 ||
	    poll_until(win, VFIOSAFE_STEP_COMMIT) < 0)
		die("drain");
	times->left[round] = (double)(bench_now_ns() - start) / 1000;
	if (vfiosafe_window_commit(win) < 0)
		die("commit");
	start = bench_now_ns();
	if (poll_until(win, VFIOSAFE_STEP_FINISH) < 0 || vfiosafe_window_finish(win) < 0)
		die("finish");
	vfiosafe_window_end(win);
	wait_back(clients, vfiosafe_device_generation(dev));
	times->back[round] = (double)(bench_now_ns() - start) / 1000;
}

static void take_turn(struct times *times, unsigned int turn, unsigned int clients,
		      bool calls)
{
	static pid_t pid[CLIENTS_MAX];

	memset(board, 0, sizeof(*board));
	for (unsigned int i = 0; i < clients; i++)
		pid[i] = start_client(i, calls);
	if (vfiosafe_agent_start(dev) < 0)
		die("agent");
	wait_back(clients, vfiosafe_device_generation(dev));
	for (unsigned int round = 0; round < TURN; round++)
		measure(times, turn * TURN + round, clients);
	for (unsigned int i = 0; i < clients; i++) {
		kill(pid[i], SIGKILL);
		waitpid(pid[i], NULL, 0);
	}
	while (vfiosafe_share_count(dev) > 0)
		sched_yield();
}

static void report(unsigned int clients, const char *way, struct times *times,
		   double bare)
{
	printf("%u\t%s\t%.0f\t%.0f\t%.0f\t%.0f\t%.0f\n", clients, way,
	       bench_percentile(times->left, ROUNDS, 50),
	       bench_percentile(times->left, ROUNDS, 90),
	       bench_percentile(times->back, ROUNDS, 50),
	       bench_percentile(times->back, ROUNDS, 90), bare);
	fflush(stdout);
}

static void measure_all(unsigned int clients)
{
	static struct times mapped, called;
	static double bare[ROUNDS];
	double bare_us;

	for (unsigned int turn = 0; turn < TURNS; turn++) {
		bench_bare(clients, TURN, bare + turn * TURN, "/proc/self/exe");
		take_turn(&mapped, turn, clients, false);
		take_turn(&called, turn, clients, true);
	}
	bare_us = bench_percentile(bare, ROUNDS, 50);
	report(clients, "dma-buf", &mapped, bare_us);
	report(clients, "calls", &called, bare_us);
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

/* In clients an argument of it, in the owner its own. */
static void map_board(const char *fd)
{
	board_fd = fd ? atoi(fd) : memfd_create("board", MFD_CLOEXEC);
	if (!fd && ftruncate(board_fd, sizeof(*board)) < 0)
		die("memory");
	board = mmap(NULL, sizeof(*board), PROT_READ | PROT_WRITE, MAP_SHARED, board_fd, 0);
	if (board == MAP_FAILED)
		die("memory");
}

/* An owner has three for each client. */
static void allow_fds(void)
{
	struct rlimit fds;

	if (getrlimit(RLIMIT_NOFILE, &fds) < 0)
		die("getrlimit");
	fds.rlim_cur = fds.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &fds) < 0)
		die("setrlimit");
}

static int owner_main(unsigned int number)
{
	static const unsigned int numbers[] = { 1, 8, 64, 512 };

	allow_fds();
	map_board(NULL);
	open_device();
	if (number > 0)
		measure_all(number);
	else
		for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
			measure_all(numbers[i]);
	return 0;
}

int main(int argc, char **argv)
{
	int number = argc == 2 ? atoi(argv[1]) : 0;

	if (argc == 3 && strcmp(argv[1], "bare") == 0)
		return bench_bare_main(atoi(argv[2]));
	if (argc == 5 && strcmp(argv[1], "client") == 0) {
		map_board(argv[3]);
		client_main(atoi(argv[2]), (unsigned int)atoi(argv[4]));
	}
	if (argc == 1 || (argc == 2 && number > 0 && number <= CLIENTS_MAX))
		return owner_main((unsigned int)number);
	fprintf(stderr, "usage: bench-share [CLIENTS]: 1 to %d\n", CLIENTS_MAX);
	return 2;
}

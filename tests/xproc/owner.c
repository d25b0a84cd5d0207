/* SPDX-License-Identifier: MIT */
/* xproc_storm [--clients N] [--windows N] [--seed N]: see xproc.h. */
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "xproc.h"

#define TIMEOUT_MS 20000 /* of a window that nobody holds up */
#define SHORT_MS 150	 /* of one that a stopped client does */

static struct storm {
	struct vfiosafe_sim *sim;
	struct vfiosafe_device *dev;
	struct vfiosafe_bar *bar;
	struct vfiosafe_view view;
	struct board *board;
	int board_fd;
	unsigned int clients;
	pid_t pid[CLIENTS_MAX];
	uint64_t random;
	uint64_t windows, timed_out, kills, stops, late_ms, fds;
} storm;

static void die(const char *what)
{
	fprintf(stderr, "xproc_storm: %s: %s (%s)\n", what, vfiosafe_error_text(),
		strerror(errno));
	exit(1);
}

static uint64_t chance(uint64_t n)
{
	storm.random ^= storm.random << 13;
	storm.random ^= storm.random >> 7;
	storm.random ^= storm.random << 17;
	return storm.random % n;
}

static int reinit(struct vfiosafe_device *dev, void *ctx)
{
	int rc = vfiosafe_bar_view(storm.bar, &storm.view);

	(void)ctx;
	return rc < 0 ? rc
		      : vfiosafe_write32(&storm.view, VFIOSAFE_SIM_REG_HOLD,
					 mark(vfiosafe_device_generation(dev)));
}

static void open_device(void)
{
	static const struct vfiosafe_driver_ops ops = { .size = sizeof(ops), .reinit = reinit };
	const struct vfiosafe_sim_opts sim = { .size = sizeof(sim), .window_us = 50 };
	struct vfiosafe_device_opts opts = { .size = sizeof(opts), .address = "sim" };

	if (vfiosafe_sim_open(&storm.sim, "sim:reg", &sim) < 0)
		die("no simulated device");
	opts.sys = vfiosafe_sim_sys(storm.sim);
	if (vfiosafe_device_from_fd(&storm.dev, vfiosafe_sim_device_fd(storm.sim), &opts) < 0 ||
	    vfiosafe_bar_map(&storm.bar, storm.dev, 0, 0, 0, 0) < 0 ||
	    vfiosafe_device_set_driver(storm.dev, &ops, NULL) < 0 ||
	    reinit(storm.dev, NULL) < 0)
		die("no device");
}

/* Runs this program again, as a client that inherits its socket and the board. */
static void exec_client(int socket, unsigned int place)
{
	char number[3][16];

	snprintf(number[0], sizeof(number[0]), "%d", dup(socket));
	snprintf(number[1], sizeof(number[1]), "%d", dup(storm.board_fd));
	snprintf(number[2], sizeof(number[2]), "%u", place);
	execl("/proc/self/exe", "xproc_storm", "--client", number[0], number[1], number[2],
	      (char *)NULL);
	_exit(127);
}

/* Every third by calls of the owner; the others map what the simulation exports. */
static void start_client(unsigned int place)
{
	static const struct vfiosafe_grant_range all = {
		.rights = VFIOSAFE_GRANT_READ | VFIOSAFE_GRANT_WRITE,
	};
	const struct vfiosafe_grant grant = {
		.size = sizeof(grant),
		.rights = VFIOSAFE_GRANT_RESET | (place % 3 == 2 ? VFIOSAFE_GRANT_CALLS_ONLY : 0),
		.ranges = &all,
		.range_count = 1,
	};
	int fd[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fd) < 0)
		die("socketpair");
	storm.pid[place] = fork();
	if (storm.pid[place] < 0)
		die("fork");
	if (storm.pid[place] == 0)
		exec_client(fd[1], place);
	close(fd[1]);
	if (vfiosafe_share_serve(storm.dev, fd[0], &grant) < 0)
		die("serve");
}

static void kill_one(void)
{
	unsigned int place = (unsigned int)chance(storm.clients);

	kill(storm.pid[place], SIGKILL);
	waitpid(storm.pid[place], NULL, 0);
	storm.kills++;
	__atomic_fetch_add(&storm.board->tally[place].rejoined, 1, __ATOMIC_RELAXED);
	start_client(place);
}

static int reset(uint32_t ms)
{
	const struct vfiosafe_reset_opts opts = { .size = sizeof(opts), .timeout_ms = ms };
	int64_t end = vfiosafe_deadline_in_ms(ms);
	int rc = vfiosafe_reset(storm.dev, &opts);
	int64_t late = (vfiosafe_deadline_in_ms(0) - end) / 1000000;

	storm.windows++;
	if (late > 0 && (uint64_t)late > storm.late_ms)
		storm.late_ms = (uint64_t)late;
	return rc;
}

/* In the way of a window for as long as it is stopped, and no longer. */
static void stop_one(void)
{
	unsigned int place = (unsigned int)chance(storm.clients);
	int rc;

	kill(storm.pid[place], SIGSTOP);
	storm.stops++;
	rc = reset(SHORT_MS);
	/* One that had not joined yet is not asked. */
	if (rc == -ETIMEDOUT)
		storm.timed_out++;
	else if (rc < 0)
		die("a window over a stopped client");
	kill(storm.pid[place], SIGCONT);
}

static unsigned int open_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned int n = 0;

	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

/* Until all have joined, and the last has left. */
static void wait_count(unsigned int count)
{
	int64_t end = vfiosafe_deadline_in_ms(120000);

	while (vfiosafe_share_count(storm.dev) != count) {
		if (vfiosafe_deadline_in_ms(0) > end)
			die("the clients do not come, or do not leave");
		usleep(1000);
	}
}

static void rage(uint64_t windows)
{
	while (storm.windows < windows) {
		if (chance(20) == 0)
			kill_one();
		if (chance(100) == 0)
			stop_one();
		if (reset(TIMEOUT_MS) < 0)
			die("reset");
	}
}

static void end_clients(void)
{
	__atomic_store_n(&storm.board->stop, 1, __ATOMIC_RELAXED);
	for (unsigned int i = 0; i < storm.clients; i++)
		waitpid(storm.pid[i], NULL, 0);
	wait_count(0);
}

static int judge(void)
{
	struct vfiosafe_sim_counts counts;
	struct tally sum = { 0 };

	vfiosafe_sim_counts(storm.sim, &counts);
	for (unsigned int i = 0; i < storm.clients; i++) {
		const struct tally *t = &storm.board->tally[i];

		sum.reads += t->reads;
		sum.wrong += t->wrong;
		sum.stores += t->stores;
		sum.refused += t->refused;
		sum.reinits += t->reinits;
		sum.failures += t->failures;
		if (t->what[0])
			printf("client %u: %s\n", i, t->what);
	}
	printf("%u clients of %u threads: %llu windows, %llu stopped by a stopped client "
	       "(%llu stops), %llu kills, late by at most %llu ms\n",
	       storm.clients, THREADS, (unsigned long long)storm.windows,
	       (unsigned long long)storm.timed_out, (unsigned long long)storm.stops,
	       (unsigned long long)storm.kills, (unsigned long long)storm.late_ms);
	printf("%llu reads, %llu wrong; %llu stores, %llu in a foreign generation; "
	       "%llu refused, %llu reinits, %llu failures\n",
	       (unsigned long long)sum.reads, (unsigned long long)sum.wrong,
	       (unsigned long long)sum.stores, (unsigned long long)counts.foreign_stores,
	       (unsigned long long)sum.refused, (unsigned long long)sum.reinits,
	       (unsigned long long)sum.failures);
	if (open_fds() != storm.fds)
		return printf("FAILED: %u file descriptors, %llu before\n", open_fds(),
			      (unsigned long long)storm.fds),
		       1;
	return sum.reads == 0 || sum.stores == 0 || sum.wrong || counts.foreign_stores ||
	       sum.failures || (storm.stops > 10 && storm.timed_out == 0);
}

static struct board *map_board(int fd)
{
	void *at = mmap(NULL, sizeof(struct board), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (at == MAP_FAILED)
		die("the board");
	return at;
}

static uint64_t option(int argc, char **argv, const char *name, uint64_t otherwise)
{
	for (int i = 1; i + 1 < argc; i++)
		if (strcmp(argv[i], name) == 0)
			return strtoull(argv[i + 1], NULL, 0);
	return otherwise;
}

/* fds that the first client made the library open stay: they are counted from there. */
static void first_client(void)
{
	start_client(0);
	if (vfiosafe_agent_start(storm.dev) < 0)
		die("agent");
	wait_count(1);
	end_clients();
	storm.board->stop = 0;
	storm.fds = open_fds();
}

int main(int argc, char **argv)
{
	uint64_t windows = option(argc, argv, "--windows", 10000);
	uint64_t seed = option(argc, argv, "--seed", 1);

	if (argc == 5 && strcmp(argv[1], "--client") == 0)
		return client_main(atoi(argv[2]), map_board(atoi(argv[3])),
				   (unsigned int)atoi(argv[4]));
	storm.random = seed * UINT64_C(0x9e3779b97f4a7c15) | 1;
	storm.board_fd = memfd_create("board", MFD_CLOEXEC);
	if (storm.board_fd < 0 || ftruncate(storm.board_fd, sizeof(struct board)) < 0)
		die("the board");
	storm.board = map_board(storm.board_fd);
	open_device();
	storm.clients = 1;
	first_client();
	storm.clients = (unsigned int)option(argc, argv, "--clients", 64);
	for (unsigned int i = 0; i < storm.clients; i++)
		start_client(i);
	wait_count(storm.clients);
	rage(windows);
	end_clients();
	if (judge() != 0)
		return printf("FAILED, seed %llu\n", (unsigned long long)seed), 1;
	if (vfiosafe_device_close(storm.dev, 1000) < 0)
		die("close");
	vfiosafe_sim_close(storm.sim);
	return 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * xproc_storm [--device ADDRESS] [--door cdev|group] [--clients N] [--windows N]
 *             [--seed N] [--calm]: see xproc.h. --calm: nobody is stopped or killed.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "storm.h"

#define TIMEOUT_MS 20000 /* of a window that nobody holds up */
#define LATE_MS 500	 /* worth to be told */

void die(const char *what)
{
	fprintf(stderr, "xproc_storm: %s: %s (%s)\n", what, vfiosafe_error_text(),
		strerror(errno));
	exit(1);
}

uint64_t chance(struct storm *storm, uint64_t n)
{
	storm->random ^= storm->random << 13;
	storm->random ^= storm->random >> 7;
	storm->random ^= storm->random << 17;
	return storm->random % n;
}

static int reset(struct storm *storm, uint32_t ms)
{
	const struct vfiosafe_reset_opts opts = { .size = sizeof(opts), .timeout_ms = ms };
	int64_t end = vfiosafe_deadline_in_ms(ms);
	int rc = vfiosafe_reset(storm->dev, &opts);
	int64_t late = (vfiosafe_deadline_in_ms(0) - end) / 1000000;

	storm->windows++;
	if (late > 0 && (uint64_t)late > storm->late_ms)
		storm->late_ms = (uint64_t)late;
	if (late > LATE_MS)
		printf("a window of %u ms took %lld more: %d %s\n", ms, (long long)late, rc,
		       rc < 0 ? vfiosafe_error_text() : "");
	return rc;
}

/*
 * In the way of a window for as long as it is stopped, and no longer. One that had not
 * joined yet is not asked: then the window is short for what else it has to do.
 */
static void stop_one(struct storm *storm)
{
	unsigned int place = (unsigned int)chance(storm, storm->clients);
	const struct vfiosafe_reset_opts opts = { .size = sizeof(opts),
						  .timeout_ms = TIMEOUT_MS };
	int rc;

	kill(storm->pid[place], SIGSTOP);
	storm->stops++;
	rc = reset(storm, storm->sim ? 300 : 1500);
	storm->timed_out += rc == -ETIMEDOUT;
	kill(storm->pid[place], SIGCONT);
	if (rc == -EIO)
		rc = vfiosafe_recover(storm->dev, &opts);
	if (rc < 0 && rc != -ETIMEDOUT && rc != -ECANCELED)
		die("a window over a stopped client");
}

/* Every 20th window or so a death, every 100th a stop; of few windows more. */
static void rage(struct storm *storm, uint64_t windows, bool calm)
{
	uint64_t deaths = windows < 400 ? windows / 20 + 1 : 20;
	uint64_t stops = windows < 1000 ? windows / 10 + 1 : 100;

	while (storm->windows < windows) {
		if (!calm && chance(storm, deaths) == 0)
			kill_one(storm);
		if (!calm && chance(storm, stops) == 0)
			stop_one(storm);
		replace_dead(storm);
		/* Joining the window of a client that asked, it may get that one's end. */
		if (reset(storm, TIMEOUT_MS) < 0)
			die("reset");
	}
}

static void add(struct tally *sum, const struct tally *t)
{
	sum->reads += t->reads;
	sum->wrong += t->wrong;
	sum->stores += t->stores;
	sum->refused += t->refused;
	sum->late += t->late;
	sum->reinits += t->reinits;
	sum->asked += t->asked;
	sum->granted += t->granted;
	sum->failures += t->failures;
}

#define U(x) ((unsigned long long)(x))

static void report(const struct storm *storm, const struct tally *sum, uint64_t foreign)
{
	printf("%s: %u clients of %d threads, %llu windows: %llu timed out by %llu stopped "
	       "clients, late by at most %llu ms\n",
	       storm->model->name, storm->clients, THREADS, U(storm->windows),
	       U(storm->timed_out), U(storm->stops), U(storm->late_ms));
	printf("%llu deaths: %llu anywhere, %llu in a section, %llu in quiesce, %llu in reinit, "
	       "%llu asking\n",
	       U(storm->kills), U(storm->deaths[DIE_NOT]), U(storm->deaths[DIE_IN_SECTION]),
	       U(storm->deaths[DIE_IN_QUIESCE]), U(storm->deaths[DIE_IN_REINIT]),
	       U(storm->deaths[DIE_ASKING]));
	printf("%llu reads, %llu wrong; %llu stores, %llu in a foreign generation; %llu refused "
	       "(%llu late), %llu reinits; %llu resets asked for, %llu granted; %llu failures\n",
	       U(sum->reads), U(sum->wrong), U(sum->stores), U(foreign), U(sum->refused), U(sum->late),
	       U(sum->reinits), U(sum->asked), U(sum->granted), U(sum->failures));
}

/* Clients have died at each point; only some ever ask for resets. */
static bool all_deaths(const struct storm *storm)
{
	return storm->deaths[DIE_NOT] && storm->deaths[DIE_IN_SECTION] &&
	       storm->deaths[DIE_IN_QUIESCE] && storm->deaths[DIE_IN_REINIT];
}

/* True: everything as it must be. */
static bool judge(const struct storm *storm, bool calm)
{
	struct vfiosafe_sim_counts counts = { 0 };
	struct tally sum = { 0 };
	bool good;

	if (storm->sim)
		vfiosafe_sim_counts(storm->sim, &counts);
	for (unsigned int i = 0; i < storm->clients; i++) {
		add(&sum, &storm->board->tally[i]);
		if (storm->board->tally[i].what[0])
			printf("client %u: %s\n", i, storm->board->tally[i].what);
	}
	report(storm, &sum, counts.foreign_stores + storm->foreign);
	good = sum.reads > 0 && sum.stores > 0 && sum.reinits > 0 && !sum.wrong &&
	       !sum.failures && !counts.foreign_stores && !storm->foreign;
	if (!calm && storm->windows >= 100 && (!all_deaths(storm) || storm->timed_out == 0)) {
		printf("too few deaths, or nobody was in the way\n");
		good = false;
	}
	if (open_fds() != storm->fds) {
		printf("%u file descriptors are open, it were %u\n", open_fds(), storm->fds);
		good = false;
	}
	return good;
}

static struct board *map_board(int fd)
{
	void *at = mmap(NULL, sizeof(struct board), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (at == MAP_FAILED)
		die("the board");
	return at;
}

static const char *option(int argc, char **argv, const char *name, const char *otherwise)
{
	for (int i = 1; i + 1 < argc; i++)
		if (strcmp(argv[i], name) == 0)
			return argv[i + 1];
	return otherwise;
}

static uint64_t number(int argc, char **argv, const char *name, const char *otherwise)
{
	return strtoull(option(argc, argv, name, otherwise), NULL, 0);
}

/* fds that the first client made the library open stay: they are counted from there. */
static void first_client(struct storm *storm)
{
	storm->clients = 1;
	start_client(storm, 0);
	if (vfiosafe_agent_start(storm->dev) < 0)
		die("agent");
	wait_count(storm, 1);
	end_clients(storm);
	memset(storm->board, 0, sizeof(*storm->board));
	storm->fds = open_fds();
}

static void prepare(struct storm *storm, uint64_t seed)
{
	storm->random = seed * UINT64_C(0x9e3779b97f4a7c15) | 1;
	storm->board_fd = memfd_create("board", MFD_CLOEXEC);
	if (storm->board_fd < 0 || ftruncate(storm->board_fd, sizeof(struct board)) < 0)
		die("the board");
	storm->board = map_board(storm->board_fd);
}

int main(int argc, char **argv)
{
	static struct storm storm;
	uint64_t seed = number(argc, argv, "--seed", "1");
	bool calm = strcmp(argv[argc - 1], "--calm") == 0;

	if (argc == 6 && strcmp(argv[1], "--client") == 0)
		return client_main(atoi(argv[2]), map_board(atoi(argv[3])),
				   (unsigned int)atoi(argv[4]), model_named(argv[5]));
	prepare(&storm, seed);
	open_device(&storm, option(argc, argv, "--device", "sim"),
		    option(argc, argv, "--door", "cdev"));
	first_client(&storm);
	storm.clients = (unsigned int)number(argc, argv, "--clients", "64");
	for (unsigned int i = 0; i < storm.clients; i++)
		start_client(&storm, i);
	wait_count(&storm, storm.clients);
	rage(&storm, number(argc, argv, "--windows", "10000"), calm);
	end_clients(&storm);
	if (!judge(&storm, calm))
		return printf("FAILED, seed %llu\n", U(seed)), 1;
	if (vfiosafe_device_close(storm.dev, 1000) < 0)
		die("close");
	if (storm.sim)
		vfiosafe_sim_close(storm.sim);
	return 0;
}

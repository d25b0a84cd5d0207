/* SPDX-License-Identifier: MIT */
/*
 * process.c - a storm in a process of its own, and in another one when it died.
 *
 * The child starts without a SIGBUS handler. If it dies by one, what it had counted
 * is kept in memory that it shares with its parent, and a new child opens the
 * device again and goes on with the windows that are left.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include "storm.h"

#define PROGRESS_NS 200000000

/* Until the child is dead; its wait status. */
static int watch(pid_t pid, const struct storm_side *side,
		 const struct storm_tally *tally)
{
	const struct timespec time = { .tv_nsec = PROGRESS_NS };
	int status = 0;

	if (!isatty(STDERR_FILENO)) {
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
		return status;
	}
	while (waitpid(pid, &status, WNOHANG) == 0) {
		storm_progress(side, tally);
		clock_nanosleep(CLOCK_MONOTONIC, 0, &time, NULL);
	}
	return status;
}

static void be_child(const struct storm_options *options, const struct storm_side *side,
		     struct storm_tally *tally)
{
	const struct rlimit none = { 0, 0 };

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setrlimit(RLIMIT_CORE, &none);
	signal(SIGBUS, SIG_DFL); /* a sanitizer may have set another one */
	storm_run_here(options, side, tally);
	exit(0);
}

/* Its wait status; -1 without one. */
static int run_child(const struct storm_options *options, const struct storm_side *side,
		     struct storm_tally *tally)
{
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid == 0)
		be_child(options, side, tally);
	if (pid < 0) {
		perror("reset_storm: fork");
		return -1;
	}
	return watch(pid, side, tally);
}

static bool died_by_sigbus(int status)
{
	return status != -1 && WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS;
}

/* False: something ended the storm that should not. */
static bool run_children(const struct storm_options *options,
			 const struct storm_side *side, struct storm_tally *tally,
			 uint64_t *deaths)
{
	uint64_t windows;
	int status;

	do {
		windows = tally->windows;
		status = run_child(options, side, tally);
		if (!died_by_sigbus(status))
			break;
		++*deaths;
	} while (!storm_is_enough(options, tally) && tally->windows > windows);
	if (tally->why[0])
		fprintf(stderr, "reset_storm: %s: %s\n", side->name, tally->why);
	else if (status != -1 && WIFSIGNALED(status) && !storm_is_enough(options, tally))
		fprintf(stderr, "reset_storm: %s: died by signal %d\n", side->name,
			WTERMSIG(status));
	return !tally->why[0] && (status == 0 || died_by_sigbus(status)) &&
	       storm_is_enough(options, tally);
}

void storm_run(const struct storm_options *options, const struct storm_side *side,
	       struct storm_result *result)
{
	struct storm_tally *tally = mmap(NULL, sizeof(*tally), PROT_READ | PROT_WRITE,
					 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	uint64_t deaths = 0;
	bool good;

	result->ran = result->failed = true;
	if (tally == MAP_FAILED) {
		perror("reset_storm: mmap");
		return;
	}
	tally->random = (unsigned int)options->seed;
	good = run_children(options, side, tally, &deaths);
	storm_sum(tally, result);
	result->ran = true;
	result->sigbus = deaths;
	result->failed = !good;
	munmap(tally, sizeof(*tally));
}

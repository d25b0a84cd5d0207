/* SPDX-License-Identifier: MIT */
/*
 * adopt_dpdk [OPTION...] ADDRESS ADDRESS [-- EAL-OPTION...] - frames between two ports of
 * DPDK's on one wire, over resets.
 *
 *   --resets N   of both together   --frames N   at least   --raw   first by hand, too
 *
 * Ends with 0 if all is well with the library and, with --raw, all runs by hand went
 * wrong; with 1 if not, with 2 for a wrong command line.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <rte_eal.h>
#include "job.h"

#define RAW_SILENT_NS 3000000000

static int usage(void)
{
	fprintf(stderr, "usage: adopt_dpdk [--resets N] [--frames N] [--raw] "
			"ADDRESS ADDRESS [-- EAL-OPTION...]\n");
	return 2;
}

static int run(const struct job_options *options, enum job_kind kind,
	       struct job_result *result, char **eal)
{
	struct job job = { .options = options, .result = result, .kind = kind };
	int n = 0, rc;

	while (eal[n])
		n++;
	rc = port_eal(eal, n);
	/* After EAL, so that ours is asked before any handler of DPDK's. */
	if (rc == 0 && kind == JOB_ADOPTED)
		rc = vfiosafe_sigbus_install();
	return rc < 0 ? rc : job_run(&job);
}

/* In a child: nobody knows how it ends. Return: it went wrong, after it had begun. */
static bool goes_wrong(const struct job_options *options, enum job_kind kind,
		       struct job_result *result, char **eal)
{
	struct job_options brief = *options;
	int status = 0;
	pid_t pid;

	brief.silent_ns = RAW_SILENT_NS;
	pid = fork();
	if (pid == 0)
		_exit(run(&brief, kind, result, eal) < 0);
	waitpid(pid, &status, 0);
	if (WIFSIGNALED(status))
		result->signal = WTERMSIG(status);
	return result->started && !result->flows;
}

static int run_all(const struct job_options *options, char **eal)
{
	struct job_result *results =
		mmap(NULL, JOB_KINDS * sizeof(*results), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	bool good = true;

	if (results == MAP_FAILED)
		return perror("adopt_dpdk"), 1;
	for (unsigned int i = 0; i < JOB_ADOPTED && options->raw; i++)
		good = goes_wrong(options, i, &results[i], eal) && good;
	if (run(options, JOB_ADOPTED, &results[JOB_ADOPTED], eal) < 0)
		return 1;
	good = report_is_good(options, &results[JOB_ADOPTED]) && good;
	report_print(options, results);
	rte_eal_cleanup();
	return !good;
}

static bool parse(struct job_options *options, int argc, char **argv)
{
	static const struct option known[] = { { "resets", 1, NULL, 'r' },
					       { "frames", 1, NULL, 'f' },
					       { "raw", 0, NULL, 'R' },
					       { 0 } };
	int c;

	while ((c = getopt_long(argc, argv, "+", known, NULL)) != -1) {
		if (c == 'r')
			options->resets = (unsigned int)atoi(optarg);
		else if (c == 'f')
			options->frames = strtoull(optarg, NULL, 0);
		else if (c == 'R')
			options->raw = true;
		else
			return false;
	}
	return argc - optind >= 2;
}

int main(int argc, char **argv)
{
	struct job_options options = { .resets = 20,
				       .frames = 20000,
				       .silent_ns = 30000000000 };
	char **rest;

	if (!parse(&options, argc, argv))
		return usage();
	rest = argv + optind;
	options.address[0] = rest[0];
	options.address[1] = rest[1];
	if (rest[2] && rest[2][0] == '-' && rest[2][1] == '-' && !rest[2][2])
		return run_all(&options, rest + 3);
	return rest[2] ? usage() : run_all(&options, rest + 2);
}

/* SPDX-License-Identifier: MIT */
/*
 * nic [OPTION...] ADDRESS ADDRESS - frames between two 82576 on one wire, over resets.
 *
 *   --door cdev|group   --frames N   --resets N   --every MIN-MAX   --size BYTES
 *   --seed N            --raw        --check      --late PERCENT
 *
 * --check: fails if traffic takes longer than 1 s to come back, more often than --late
 * says, and for anything that is wrong.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include "job.h"

#define RAW_RESETS 9u
#define RAW_SILENT_NS 2000000000

static int usage(void)
{
	fprintf(stderr, "usage: nic [--door cdev|group] [--frames N] [--resets N] "
			"[--every MIN-MAX ms] [--size BYTES] [--seed N] [--raw] [--check] "
			"[--late PERCENT] "
			"ADDRESS ADDRESS\n");
	return 2;
}

static int run(const struct job_options *options, enum job_guard guard,
	       struct job_result *result)
{
	struct job job = { .options = options, .result = result, .guard = guard };
	int rc = job_run(&job);

	if (rc < 0)
		fprintf(stderr, "nic: %s\n", vfiosafe_error_text());
	return rc;
}

/* In a child: nobody knows how it ends. Return: false if it went well. */
static bool by_hand(const struct job_options *options, enum job_guard guard,
		    struct job_result *result)
{
	struct job_options few = *options;
	int status = 0;
	pid_t pid;

	few.silent_ns = RAW_SILENT_NS;
	if (few.resets > RAW_RESETS)
		few.resets = RAW_RESETS;
	pid = fork();
	if (pid == 0)
		_exit(run(&few, guard, result) < 0);
	waitpid(pid, &status, 0);
	if (WIFSIGNALED(status))
		result->signal = WTERMSIG(status);
	report_sort(result);
	return status != 0 || !report_is_good(&few, result);
}

static int run_all(const struct job_options *options)
{
	struct job_result *result = mmap(NULL, JOB_GUARDS * sizeof(*result),
					 PROT_READ | PROT_WRITE,
					 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	bool good = true;

	if (result == MAP_FAILED)
		return perror("nic"), 1;
	for (unsigned int i = 0; i < JOB_GUARDED && options->raw; i++)
		good = by_hand(options, i, &result[i]) && result[i].calm_frames && good;
	if (vfiosafe_sigbus_install() < 0 ||
	    run(options, JOB_GUARDED, &result[JOB_GUARDED]) < 0)
		return 1;
	report_sort(&result[JOB_GUARDED]);
	good = report_is_good(options, &result[JOB_GUARDED]) && good;
	report_print(result, options->raw);
	return options->check && !good;
}

static bool parse(struct job_options *options, int argc, char **argv)
{
	static const struct option known[] = {
		{ "door", 1, NULL, 'd' }, { "frames", 1, NULL, 'f' },
		{ "resets", 1, NULL, 'r' }, { "every", 1, NULL, 'e' },
		{ "size", 1, NULL, 's' }, { "seed", 1, NULL, 'S' },
		{ "late", 1, NULL, 'l' },
		{ "raw", 0, NULL, 'R' }, { "check", 0, NULL, 'c' }, { 0 }
	};
	int c;

	while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
		if (c == 'd')
			options->door = strcmp(optarg, "group") ? VFIOSAFE_DOOR_CDEV
								: VFIOSAFE_DOOR_GROUP;
		else if (c == 'f')
			options->frames = strtoull(optarg, NULL, 0);
		else if (c == 'r')
			options->resets = (unsigned int)atoi(optarg);
		else if (c == 'e')
			sscanf(optarg, "%u-%u", &options->every_ms[0],
			       &options->every_ms[1]);
		else if (c == 's')
			options->size = (unsigned int)atoi(optarg) & ~7u;
		else if (c == 'S')
			options->seed = (unsigned int)atoi(optarg);
		else if (c == 'l')
			options->late = (unsigned int)atoi(optarg);
		else if (c == 'R')
			options->raw = true;
		else if (c == 'c')
			options->check = true;
		else
			return false;
	}
	return argc - optind == 2 && options->size >= 64 && options->size <= 1512 && options->late <= 100 &&
	       options->every_ms[1] >= options->every_ms[0];
}

int main(int argc, char **argv)
{
	struct job_options options = { .frames = 100000,
				       .resets = 50,
				       .every_ms = { 20, 200 },
				       .size = 512,
				       .seed = 1,
				       .silent_ns = 10000000000 };

	if (!parse(&options, argc, argv))
		return usage();
	options.address[0] = argv[optind];
	options.address[1] = argv[optind + 1];
	return run_all(&options);
}

/* SPDX-License-Identifier: MIT */
/*
 * nic [OPTION...] ADDRESS ADDRESS - frames between two 82576 on one wire, over resets.
 *
 *   --door cdev|group   --frames N   --resets N   --every MIN-MAX   --size BYTES
 *   --seed N            --raw        --check
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

static const char *const guards[JOB_GUARDS] = { "guarded", "raw", "raw, programmed again" };

static int usage(void)
{
	fprintf(stderr, "usage: nic [--door cdev|group] [--frames N] [--resets N] "
			"[--every MIN-MAX ms] [--size BYTES] [--seed N] [--raw] [--check] "
			"ADDRESS ADDRESS\n");
	return 2;
}

static int compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static double per_second(uint64_t frames, int64_t ns)
{
	return ns > 0 ? (double)frames * 1e9 / (double)ns : 0;
}

static void print_streams(const struct job_result *result)
{
	for (unsigned int i = 0; i < 2; i++) {
		const struct stream *s = &result->stream[i];

		printf("  %u to %u: sent %llu, received %llu, dropped around resets %llu, "
		       "dropped elsewhere %llu, duplicated %llu, corrupted %llu\n",
		       i, !i, (unsigned long long)s->sent, (unsigned long long)s->received,
		       (unsigned long long)s->dropped, (unsigned long long)s->strayed,
		       (unsigned long long)s->duplicated,
		       (unsigned long long)s->corrupted);
	}
}

static void print(struct job_result *result, enum job_guard guard)
{
	unsigned int resets = result->resets[0] + result->resets[1];

	printf("%s: %u and %u resets, decode off and on %u and %u times%s\n", guards[guard],
	       result->resets[0], result->resets[1], result->losses[0], result->losses[1],
	       result->flows ? "" : "; then nothing came any more");
	print_streams(result);
	printf("  frames/s: %.0f without resets, %.0f with; a reset takes %.1f ms\n",
	       per_second(result->calm_frames, result->calm_ns),
	       per_second(result->storm_frames, result->storm_ns),
	       resets ? (double)result->reset_ns / resets / 1e6 : 0);
	if (result->resumes == 0)
		return;
	qsort(result->resumed_ns, result->resumes, sizeof(int64_t), compare);
	printf("  from reinit to traffic, %u times: median %.1f ms, longest %.1f ms\n",
	       result->resumes, (double)result->resumed_ns[result->resumes / 2] / 1e6,
	       (double)result->resumed_ns[result->resumes - 1] / 1e6);
}

/* What --check expects; @result is sorted. */
static bool is_good(const struct job_options *options, const struct job_result *result)
{
	bool good = result->flows && result->resumes >= options->resets &&
		    result->resumed_ns[result->resumes - 1] < 1000000000;
	uint64_t received = 0;

	for (unsigned int i = 0; i < 2; i++) {
		const struct stream *s = &result->stream[i];

		received += s->received;
		good = good && result->resets[i] >= options->resets &&
		       result->losses[i] == options->resets / 9 && s->strayed == 0 &&
		       s->duplicated == 0 && s->corrupted == 0;
	}
	return good && received >= options->frames;
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

/* In a child: nobody knows how it ends. Return: true if it did as well as guarded. */
static bool by_hand(const struct job_options *options, enum job_guard guard,
		    struct job_result *result)
{
	struct job_options few = *options;
	int status = 0;
	pid_t pid;

	few.silent_ns = RAW_SILENT_NS;
	if (few.resets > RAW_RESETS)
		few.resets = RAW_RESETS;
	fflush(stdout);
	pid = fork();

	if (pid == 0)
		_exit(run(&few, guard, result) < 0);
	waitpid(pid, &status, 0);
	if (WIFSIGNALED(status))
		printf("%s: died, %s\n", guards[guard], strsignal(WTERMSIG(status)));
	print(result, guard);
	return is_good(&few, result);
}

static int run_all(const struct job_options *options)
{
	struct job_result *result = mmap(NULL, JOB_GUARDS * sizeof(*result),
					 PROT_READ | PROT_WRITE,
					 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	bool good = true;

	if (result == MAP_FAILED)
		return perror("nic"), 1;
	for (unsigned int i = JOB_RAW; i < JOB_GUARDS && options->raw; i++)
		good = !by_hand(options, i, &result[i]) && good;
	if (vfiosafe_sigbus_install() < 0 || run(options, JOB_GUARDED, result) < 0)
		return 1;
	print(result, JOB_GUARDED);
	good = is_good(options, result) && good;
	return options->check && !good;
}

static bool parse(struct job_options *options, int argc, char **argv)
{
	static const struct option known[] = {
		{ "door", 1, NULL, 'd' }, { "frames", 1, NULL, 'f' },
		{ "resets", 1, NULL, 'r' }, { "every", 1, NULL, 'e' },
		{ "size", 1, NULL, 's' }, { "seed", 1, NULL, 'S' },
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
		else if (c == 'R')
			options->raw = true;
		else if (c == 'c')
			options->check = true;
		else
			return false;
	}
	return argc - optind == 2 && options->size >= 64 && options->size <= 1512 &&
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

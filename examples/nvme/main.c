/* SPDX-License-Identifier: MIT */
/*
 * main.c - options and tables of nvme_job.
 *
 * Exit status: 0; 1 if something was lost, corrupt or refused, or the job could not be
 * done; 2 for options that make no sense.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "job.h"

static const char usage[] =
	"usage: nvme_job [OPTION...] [DEVICE]\n"
	"  DEVICE               sim:nvme (default) or a PCI address. What is on it is lost.\n"
	"  --door cdev|group    how it is opened; default: what is there\n"
	"  --mib N              how much is written and read in each pass; default 64\n"
	"  --resets N           at least; default 100; 0: none\n"
	"  --gap LEAST:MOST     ms from one to the next; default 20:200\n"
	"  --seed N             of what strikes when, and of the data; default 1\n"
	"  --only flr|d3hot|decode|behind   of the ways to strike\n"
	"  --drain-ms N         how long a window waits for commands in flight; default 0:\n"
	"                       all of them are made again\n"
	"  --polling            completions by polling instead of MSI-X\n"
	"  --reactor            one thread, windows step by step (without d3hot)\n"
	"  --raw                before that, the same without the guard, in children\n";

static const char *const names[STRIKES] = { "flr", "d3hot", "decode", "behind" };

static void usage_error(const char *option, const char *value)
{
	fprintf(stderr, "nvme_job: %s %s\n%s", option, value, usage);
	exit(2);
}

static uint64_t number(const char *option, const char *text, const char *ends,
		       uint64_t most)
{
	char *end;
	uint64_t value;

	errno = 0;
	value = strtoull(text, &end, 10);
	if (errno || end == text || *end != *ends || text[0] == '-' || value > most)
		usage_error(option, text);
	return value;
}

static void set_gap(struct job_options *options, const char *text)
{
	const char *colon = strchr(text, ':');

	if (!colon)
		usage_error("--gap", text);
	options->gap_ms[0] = (uint32_t)number("--gap", text, ":", 60000);
	options->gap_ms[1] = (uint32_t)number("--gap", colon + 1, "", 60000);
	if (options->gap_ms[1] < options->gap_ms[0])
		usage_error("--gap", text);
}

static void set_only(struct job_options *options, const char *text)
{
	bool known = false;

	for (int i = 0; i < STRIKES; i++) {
		options->strikes[i] = strcmp(text, names[i]) == 0;
		known |= options->strikes[i];
	}
	if (!known)
		usage_error("--only", text);
}

static void set_door(struct job_options *options, const char *text)
{
	if (strcmp(text, "cdev") == 0)
		options->door = VFIOSAFE_DOOR_CDEV;
	else if (strcmp(text, "group") == 0)
		options->door = VFIOSAFE_DOOR_GROUP;
	else
		usage_error("--door", text);
}

static void set(struct job_options *options, int option, const char *text)
{
	switch (option) {
	case 'd': set_door(options, text); break;
	case 'm': options->mib = number("--mib", text, "", 4096); break;
	case 'n': options->resets = number("--resets", text, "", UINT32_MAX); break;
	case 'g': set_gap(options, text); break;
	case 's': options->seed = number("--seed", text, "", UINT64_MAX); break;
	case 'o': set_only(options, text); break;
	case 'w': options->drain_ms = (uint32_t)number("--drain-ms", text, "", 60000); break;
	case 'p': options->polling = true; break;
	case 'r': options->reactor = true; break;
	case 'R': options->raw = true; break;
	default: usage_error("", "");
	}
}

static void parse(struct job_options *options, int argc, char **argv)
{
	static const struct option known[] = {
		{ "door", required_argument, NULL, 'd' },
		{ "mib", required_argument, NULL, 'm' },
		{ "resets", required_argument, NULL, 'n' },
		{ "gap", required_argument, NULL, 'g' },
		{ "seed", required_argument, NULL, 's' },
		{ "only", required_argument, NULL, 'o' },
		{ "drain-ms", required_argument, NULL, 'w' },
		{ "polling", no_argument, NULL, 'p' },
		{ "reactor", no_argument, NULL, 'r' },
		{ "raw", no_argument, NULL, 'R' },
		{ 0 },
	};
	int option;

	while ((option = getopt_long(argc, argv, "", known, NULL)) != -1)
		set(options, option, optarg);
	if (argc - optind > 1)
		usage_error("what is", argv[optind + 1]);
	if (optind < argc)
		options->address = argv[optind];
	if (options->mib == 0)
		usage_error("--mib", "0");
	if (options->reactor)
		options->strikes[STRIKE_D3HOT] = false;
	if (!memchr(options->strikes, true, sizeof(options->strikes)))
		usage_error("--only", "d3hot");
}

static void print_head(const struct job_options *options)
{
	printf("%llu MiB, seed %llu, %u to %u ms, completions by %s%s\n",
	       (unsigned long long)options->mib, (unsigned long long)options->seed,
	       options->gap_ms[0], options->gap_ms[1],
	       options->polling ? "polling" : "MSI-X",
	       options->reactor ? ", one thread" : "");
	printf("%-11s %6s", "", "resets");
	for (int i = 0; i < STRIKES; i++)
		printf(" %6s", names[i]);
	printf(" %8s %7s %8s %6s %7s %8s  %s\n", "commands", "retried", "blocks", "lost",
	       "corrupt", "pause ms", "end");
}

static void print_row(const char *name, const struct job_result *result, const char *end)
{
	printf("%-11s %6llu", name, (unsigned long long)job_strikes(result));
	for (int i = 0; i < STRIKES; i++)
		printf(" %6llu", (unsigned long long)result->strikes[i]);
	printf(" %8llu %7llu %8llu %6llu %7llu %8lld  %s\n",
	       (unsigned long long)result->commands, (unsigned long long)result->retried,
	       (unsigned long long)result->checked, (unsigned long long)result->lost,
	       (unsigned long long)result->corrupt,
	       (long long)(result->pause_ns / 1000000), end);
	fflush(stdout);
}

static double rate(const struct job_result *result, int struck, int reading)
{
	int64_t ns = result->ns[struck][reading];

	return ns ? (double)result->bytes[struck][reading] / 1048576 / (double)ns * 1e9 : 0;
}

static void print_rates(const struct job_result *result)
{
	for (int struck = 0; struck < 2; struck++)
		printf("%-16s write %6.1f MiB/s, read %6.1f MiB/s\n",
		       struck ? "with resets" : "without resets", rate(result, struck, 0),
		       rate(result, struck, 1));
}

/* One child for each way to strike: most end at the first. True: one went wrong. */
static bool run_raw(const struct job_options *options, struct job_result *result)
{
	bool any = false;

	for (int i = 0; i < STRIKES; i++) {
		struct job_options one = *options;
		char name[16], end[100];

		if (!options->strikes[i])
			continue;
		set_only(&one, names[i]);
		memset(result, 0, sizeof(*result));
		any |= raw_run(&one, result, end, sizeof(end));
		snprintf(name, sizeof(name), "raw %s", names[i]);
		print_row(name, result, end);
	}
	return any;
}

static const char *judge(const struct job_options *options,
			 const struct job_result *result)
{
	if (!result->ended)
		return result->why;
	if (result->lost || result->corrupt)
		return "wrong data";
	if (result->failed)
		return "commands were refused";
	if (job_strikes(result) < options->resets)
		return "too few resets";
	/* Else nothing was tried. */
	if (options->resets >= 20 && options->drain_ms == 0 && result->retried == 0)
		return "no reset met a command in flight";
	return NULL;
}

int main(int argc, char **argv)
{
	struct job_options options = { .address = "sim:nvme",
				       .mib = 64,
				       .resets = 100,
				       .seed = 1,
				       .gap_ms = { 20, 200 },
				       .stuck_ms = 60000 };
	struct job_result *result = mmap(NULL, sizeof(*result), PROT_READ | PROT_WRITE,
					 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	const char *wrong;
	bool raw_failed = true;

	if (result == MAP_FAILED)
		return 1;
	memset(options.strikes, true, sizeof(options.strikes));
	parse(&options, argc, argv);
	print_head(&options);
	if (options.raw)
		raw_failed = run_raw(&options, result);
	memset(result, 0, sizeof(*result));
	job_run(&options, result);
	wrong = judge(&options, result);
	print_row("guarded", result, wrong ? wrong : "well");
	print_rates(result);
	printf("%s by the %s door, %s\n", options.address,
	       result->door == VFIOSAFE_DOOR_CDEV ? "cdev" : "group", result->model);
	if (!raw_failed)
		printf("by hand it went well, too: nothing was shown\n");
	return wrong || !raw_failed;
}

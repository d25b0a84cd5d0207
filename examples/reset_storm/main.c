/* SPDX-License-Identifier: MIT */
/*
 * main.c - options of reset_storm: a device under readers, a writer and resets.
 *
 * Exit status: 0; 1 if the storm could not run, or --check found something; 2 for
 * options that make no sense.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "storm.h"

#define UNSET UINT64_MAX

static const char usage[] =
	"usage: reset_storm [OPTION...]\n"
	"  --device DEVICE      sim:reg (default) or a PCI address\n"
	"  --door cdev|group    how a real device is opened; default: what is there\n"
	"  --method reset       the reset is made by who drives the device (default)\n"
	"           bystander   by another holder of the fd, who tells of it afterwards\n"
	"           decode      no reset: he turns memory decode off and on (SIGBUS)\n"
	"  --windows N          resets, at least; default 1000, real devices 100\n"
	"  --decode-every N     one window in N turns memory decode off and on instead;\n"
	"                       0: none; default 50, real devices 0\n"
	"  --reads N            values read, at least; default 1000000, real devices 1\n"
	"  --readers N          threads that read; default 2\n"
	"  --gap-us N           mean time between resets; default 100, real devices "
	"5000\n"
	"  --sim-window all-ones|stall|mixed   what a simulated reset shows; default "
	"mixed\n"
	"  --window-us N        how long it lasts; default 100\n"
	"  --seed N             of the times between resets; default 1\n"
	"  --raw-only, --guarded-only\n"
	"  --json               one object on stdout\n"
	"  --check              fail unless guarded values are right and raw ones are "
	"not\n";

static void usage_error(const char *option, const char *value)
{
	fprintf(stderr, "reset_storm: --%s %s\n%s", option, value, usage);
	exit(2);
}

static uint64_t number(const char *option, const char *text, uint64_t least,
		       uint64_t most)
{
	char *end;
	uint64_t value;

	errno = 0;
	value = strtoull(text, &end, 10);
	if (errno || end == text || *end || text[0] == '-' || value < least ||
	    value > most)
		usage_error(option, text);
	return value;
}

/* Which of the words it is. */
static int word(const char *option, const char *text, const char *const words[])
{
	for (int i = 0; words[i]; i++)
		if (strcmp(words[i], text) == 0)
			return i;
	usage_error(option, text);
	return 0;
}

enum option_key {
	KEY_DEVICE = 1,
	KEY_DOOR,
	KEY_METHOD,
	KEY_WINDOWS,
	KEY_DECODE_EVERY,
	KEY_READS,
	KEY_READERS,
	KEY_GAP,
	KEY_SIM_WINDOW,
	KEY_WINDOW,
	KEY_SEED,
	KEY_RAW_ONLY,
	KEY_GUARDED_ONLY,
	KEY_JSON,
	KEY_CHECK,
	KEY_HELP,
};

static const struct option long_options[] = {
	{ "device", required_argument, NULL, KEY_DEVICE },
	{ "door", required_argument, NULL, KEY_DOOR },
	{ "method", required_argument, NULL, KEY_METHOD },
	{ "windows", required_argument, NULL, KEY_WINDOWS },
	{ "decode-every", required_argument, NULL, KEY_DECODE_EVERY },
	{ "reads", required_argument, NULL, KEY_READS },
	{ "readers", required_argument, NULL, KEY_READERS },
	{ "gap-us", required_argument, NULL, KEY_GAP },
	{ "sim-window", required_argument, NULL, KEY_SIM_WINDOW },
	{ "window-us", required_argument, NULL, KEY_WINDOW },
	{ "seed", required_argument, NULL, KEY_SEED },
	{ "raw-only", no_argument, NULL, KEY_RAW_ONLY },
	{ "guarded-only", no_argument, NULL, KEY_GUARDED_ONLY },
	{ "json", no_argument, NULL, KEY_JSON },
	{ "check", no_argument, NULL, KEY_CHECK },
	{ "help", no_argument, NULL, KEY_HELP },
	{ 0 },
};

static void take_number(struct storm_options *options, int key, const char *name)
{
	switch (key) {
	case KEY_WINDOWS:
		options->windows = number(name, optarg, 1, UINT32_MAX);
		break;
	case KEY_DECODE_EVERY:
		options->decode_every = (uint32_t)number(name, optarg, 0, 1000000);
		break;
	case KEY_READS:
		options->reads = number(name, optarg, 0, UNSET - 1);
		break;
	case KEY_READERS:
		options->readers = (uint32_t)number(name, optarg, 1, STORM_READERS_MAX);
		break;
	case KEY_GAP:
		options->gap_us = (uint32_t)number(name, optarg, 0, 10000000);
		break;
	case KEY_WINDOW:
		options->window_us = (uint32_t)number(name, optarg, 1, 10000000);
		break;
	default:
		options->seed = number(name, optarg, 0, UINT32_MAX);
		break;
	}
}

static void take_option(struct storm_options *options, int key, const char *name)
{
	static const char *const doors[] = { "auto", "cdev", "group", NULL };
	static const char *const methods[] = { "reset", "bystander", "decode", NULL };
	static const char *const windows[] = { "all-ones", "stall", "mixed", NULL };

	switch (key) {
	case KEY_DEVICE:
		options->device = optarg;
		break;
	case KEY_DOOR:
		options->door = (enum vfiosafe_door)word(name, optarg, doors);
		break;
	case KEY_METHOD:
		options->method = (enum storm_method)word(name, optarg, methods);
		break;
	case KEY_SIM_WINDOW:
		options->sim_window =
			(enum vfiosafe_sim_window)word(name, optarg, windows);
		break;
	case KEY_RAW_ONLY:
		options->guarded = false;
		break;
	case KEY_GUARDED_ONLY:
		options->raw = false;
		break;
	case KEY_JSON:
		options->json = true;
		break;
	case KEY_CHECK:
		options->check = true;
		break;
	case KEY_HELP:
		fputs(usage, stdout);
		exit(0);
	default:
		take_number(options, key, name);
		break;
	}
}

/* A reset of a real device takes a thousand times as long. */
static void set_defaults(struct storm_options *options)
{
	options->sim = strncmp(options->device, "sim:", 4) == 0;
	if (options->windows == UNSET)
		options->windows = options->sim ? 1000 : 100;
	if (options->method == STORM_DECODE)
		options->decode_every = 1;
	else if (options->decode_every == UINT32_MAX)
		options->decode_every =
			options->sim && options->method == STORM_RESET ? 50 : 0;
	if (options->reads == UNSET)
		options->reads = options->sim ? 1000000 : 1;
	if (options->gap_us == UINT32_MAX)
		options->gap_us = options->sim ? 100 : 5000;
}

static void parse(struct storm_options *options, int argc, char **argv)
{
	int index = 0, key;

	*options = (struct storm_options){
		.device = "sim:reg",
		.windows = UNSET,
		.reads = UNSET,
		.readers = 2,
		.decode_every = UINT32_MAX,
		.gap_us = UINT32_MAX,
		.sim_window = VFIOSAFE_SIM_MIXED,
		.seed = 1,
		.raw = true,
		.guarded = true,
	};
	while ((key = getopt_long(argc, argv, "", long_options, &index)) != -1) {
		if (key == '?') {
			fputs(usage, stderr);
			exit(2);
		}
		take_option(options, key, long_options[index].name);
	}
	if (optind < argc)
		usage_error("device", argv[optind]);
	if (!options->raw && !options->guarded)
		usage_error("raw-only", "--guarded-only");
	set_defaults(options);
}

int main(int argc, char **argv)
{
	struct storm_result raw = { 0 }, guarded = { 0 };
	struct storm_options options;

	parse(&options, argc, argv);
	if (options.raw)
		storm_run(&options, &storm_raw, &raw);
	if (options.guarded && !raw.failed)
		storm_run(&options, &storm_guarded, &guarded);
	if (isatty(STDERR_FILENO))
		fputs("\r\033[K", stderr);
	if (raw.failed || guarded.failed)
		return 1;
	storm_report(&options, &raw, &guarded);
	return options.check && !storm_check(&options, &raw, &guarded);
}

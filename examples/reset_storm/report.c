/* SPDX-License-Identifier: MIT */
/*
 * report.c - what the storm counted, for people and for programs.
 */
#include <inttypes.h>
#include <stdio.h>
#include "storm.h"

void storm_progress(const struct storm_side *side, const struct storm_tally *tally)
{
	struct storm_result now;

	storm_sum(tally, &now);
	fprintf(stderr, "\r\033[K%s: %" PRIu64 " windows, %" PRIu64 " reads", side->name,
		now.windows, now.sum.reads);
}

static const char *door_name(const struct storm_result *result)
{
	switch (result->door) {
	case VFIOSAFE_DOOR_CDEV:
		return "cdev";
	case VFIOSAFE_DOOR_GROUP:
		return "group";
	default:
		return "sim";
	}
}

static const char *method_name(const struct storm_options *options)
{
	static const char *const names[] = { "reset", "bystander", "decode" };

	return names[options->method];
}

static uint64_t longest_us(const struct storm_result *result)
{
	return (uint64_t)result->sum.longest_ns / 1000;
}

static void json_side(const char *name, const struct storm_result *result)
{
	const struct storm_hand *sum = &result->sum;

	if (!result->ran) {
		printf(", \"%s\": null", name);
		return;
	}
	printf(", \"%s\": {\"reads\": %" PRIu64 ", \"all_ones\": %" PRIu64
	       ", \"stale\": %" PRIu64 ", \"sigbus\": %" PRIu64,
	       name, sum->reads, sum->all_ones, sum->stale, result->sigbus);
	printf(", \"refused\": %" PRIu64 ", \"windows\": %" PRIu64
	       ", \"recovered\": %" PRIu64 ", \"longest_stall_us\": %" PRIu64,
	       sum->refused, result->windows, result->recovered, longest_us(result));
	printf(", \"stores\": %" PRIu64 ", \"foreign_stores\": %" PRIu64
	       ", \"unannounced\": %" PRIu64 ", \"sigbus_windows\": %" PRIu64 "}",
	       sum->stores, sum->foreign, sum->unannounced, result->sigbus_windows);
}

/* Words and an address that was opened: nothing in them has to be escaped. */
static void report_json(const struct storm_options *options,
			const struct storm_result *raw,
			const struct storm_result *guarded)
{
	const struct storm_result *any = guarded->ran ? guarded : raw;

	printf("{\"device\": \"%s\", \"model\": \"%s\", \"door\": \"%s\", "
	       "\"method\": \"%s\"",
	       options->device, any->model, door_name(any), method_name(options));
	json_side("raw", raw);
	json_side("guarded", guarded);
	printf("}\n");
}

static void table_row(const char *name, const struct storm_result *result)
{
	const struct storm_hand *sum = &result->sum;

	if (!result->ran)
		return;
	printf("%-8s %11" PRIu64 " %10" PRIu64 " %10" PRIu64 " %7" PRIu64, name,
	       sum->reads, sum->all_ones, sum->stale, result->sigbus);
	printf(" %8" PRIu64 " us %9" PRIu64 " %8" PRIu64 " %9" PRIu64 " %8" PRIu64 "\n",
	       longest_us(result), sum->refused, result->windows, result->recovered,
	       sum->foreign);
}

static void report_table(const struct storm_options *options,
			 const struct storm_result *raw,
			 const struct storm_result *guarded)
{
	const struct storm_result *any = guarded->ran ? guarded : raw;

	printf("%s %s, door %s, method %s\n\n", any->model, options->device,
	       door_name(any), method_name(options));
	printf("%-8s %11s %21s %7s %11s %9s %8s %9s %8s\n", "", "",
	       "wrong, taken for data", "deaths", "longest", "refused", "", "",
	       "foreign");
	printf("%-8s %11s %10s %10s %7s %11s %9s %8s %9s %8s\n", "", "reads", "all-ones",
	       "post-reset", "SIGBUS", "stall", "accesses", "windows", "recovered",
	       "stores");
	table_row("raw", raw);
	table_row("guarded", guarded);
}

static uint64_t wrong(const struct storm_result *result)
{
	return result->sum.all_ones + result->sum.stale;
}

static void verdict_side(const char *name, const struct storm_result *result)
{
	if (!result->ran)
		return;
	printf("\n%s %" PRIu64 " of %" PRIu64 " values were wrong over %" PRIu64
	       " windows",
	       name, wrong(result), result->sum.reads, result->windows);
	if (result->sigbus_windows)
		printf("; in %" PRIu64 " of them SIGBUS was raised, and the process "
		       "died %" PRIu64 " times",
		       result->sigbus_windows, result->sigbus);
	printf(".");
}

static void verdict(const struct storm_result *raw, const struct storm_result *guarded)
{
	verdict_side("By hand", raw);
	verdict_side("With libvfiosafe", guarded);
	if (guarded->sum.unannounced)
		printf("\nBefore it was told of a bystander's resets, %" PRIu64 " were.",
		       guarded->sum.unannounced);
	printf("\n");
}

void storm_report(const struct storm_options *options, const struct storm_result *raw,
		  const struct storm_result *guarded)
{
	if (options->json) {
		report_json(options, raw, guarded);
		return;
	}
	report_table(options, raw, guarded);
	verdict(raw, guarded);
}

static bool expect(bool good, const char *what)
{
	if (!good)
		fprintf(stderr, "reset_storm: check failed: %s\n", what);
	return good;
}

/* For sure: there were windows enough for one of that kind. */
static bool takes_bar_away(const struct storm_options *options)
{
	return options->decode_every && options->windows >= options->decode_every;
}

static bool check_raw(const struct storm_options *options, const struct storm_result *raw)
{
	bool good = true;

	if (options->method != STORM_DECODE)
		good &= expect(raw->sum.stale > 0,
			       "raw: no post-reset value was taken for data");
	if (options->method != STORM_DECODE && options->sim &&
	    options->sim_window != VFIOSAFE_SIM_STALL)
		good &= expect(raw->sum.all_ones > 0,
			       "raw: no all-ones was taken for data");
	if (takes_bar_away(options))
		good &= expect(raw->sigbus > 0, "raw: no death by SIGBUS");
	return good;
}

static bool check_guarded(const struct storm_options *options,
			  const struct storm_result *guarded)
{
	const struct storm_hand *sum = &guarded->sum;
	bool good = expect(sum->all_ones == 0, "guarded: all-ones was taken for data");

	good &= expect(sum->stale == 0,
		       "guarded: another generation's value was taken for "
		       "data");
	good &= expect(guarded->sigbus == 0, "guarded: died by SIGBUS");
	if (takes_bar_away(options))
		good &= expect(guarded->sigbus_windows > 0, "guarded: nothing raised "
							    "SIGBUS");
	good &= expect(guarded->windows >= options->windows, "guarded: too few windows");
	good &= expect(guarded->recovered == guarded->windows,
		       "guarded: not LIVE at the next generation and the same address "
		       "after each window");
	good &= expect(sum->reads >= options->reads, "guarded: too few reads");
	good &= expect(sum->reads > 0 && sum->stores > 0, "guarded: nothing was read or "
							  "stored");
	/* Between his reset and the word about it a bystander leaves stores foreign. */
	if (options->method != STORM_BYSTANDER)
		good &= expect(sum->foreign == 0, "guarded: a store landed in another "
						  "generation");
	return good;
}

bool storm_check(const struct storm_options *options, const struct storm_result *raw,
		 const struct storm_result *guarded)
{
	bool good = true;

	if (raw->ran)
		good &= check_raw(options, raw);
	if (guarded->ran)
		good &= check_guarded(options, guarded);
	return good;
}

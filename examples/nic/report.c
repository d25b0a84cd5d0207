/* SPDX-License-Identifier: MIT */
/*
 * report.c - what came of the job, by hand and guarded, both directions together.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "job.h"

static int compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

void report_sort(struct job_result *result)
{
	qsort(result->resumed_ns, result->resumes, sizeof(int64_t), compare);
}

/* @result is sorted. @percent of the times it took less, or as long. */
static int64_t resumed_ns(const struct job_result *result, unsigned int percent)
{
	return result->resumes ? result->resumed_ns[(result->resumes - 1) * percent / 100] : 0;
}

/* @result is sorted. */
bool report_is_good(const struct job_options *options, const struct job_result *result)
{
	bool good = result->flows && result->resumes >= options->resets &&
		    resumed_ns(result, 100 - options->late) < 1000000000;
	uint64_t received = 0;

	for (unsigned int i = 0; i < 2; i++) {
		const struct stream *s = &result->stream[i];

		received += s->received;
		good = good && result->resets[i] >= options->resets &&
		       result->losses[i] == options->resets / 9 && s->strayed == 0 &&
		       s->duplicated == 0 && s->corrupted == 0 &&
		       s->sent - s->next < NIC_RING &&
		       s->received + s->dropped == s->next;
	}
	return good && received >= options->frames;
}

static double per_second(uint64_t frames, int64_t ns)
{
	return ns > 0 ? (double)frames * 1e9 / (double)ns : 0;
}

static void print(const char *name, const struct job_result *result)
{
	const struct stream *a = &result->stream[0], *b = &result->stream[1];
	unsigned int resets = result->resets[0] + result->resets[1];

	printf("%-18s %6u %6u %8llu %8llu %8llu %9llu %6llu %7llu", name, resets,
	       result->losses[0] + result->losses[1],
	       (unsigned long long)(a->sent + b->sent),
	       (unsigned long long)(a->received + b->received),
	       (unsigned long long)(a->dropped + b->dropped),
	       (unsigned long long)(a->strayed + b->strayed),
	       (unsigned long long)(a->duplicated + b->duplicated),
	       (unsigned long long)(a->corrupted + b->corrupted));
	printf(" %8.0f %6.0f %6.1f %6.1f %6.1f %7.1f  %s\n",
	       per_second(result->calm_frames, result->calm_ns),
	       per_second(result->storm_frames, result->storm_ns),
	       resets ? (double)result->reset_ns / resets / 1e6 : 0,
	       (double)resumed_ns(result, 50) / 1e6, (double)resumed_ns(result, 95) / 1e6,
	       (double)resumed_ns(result, 100) / 1e6,
	       result->signal  ? strsignal(result->signal)
	       : result->flows ? "all is well"
			       : "the stream ended");
}

void report_print(const struct job_result *results, bool raw)
{
	printf("                          decode          frames                 lost           "
	       "        wrong     frames/s   ms of        back after, ms\n"
	       "                   resets off/on     sent received by reset elsewhere  twice "
	       "corrupt     calm  storm  reset median    95%% longest  in the end\n");
	if (raw)
		print("raw", &results[JOB_RAW]);
	if (raw)
		print("raw, programmed", &results[JOB_RAW_AGAIN]);
	print("guarded", &results[JOB_GUARDED]);
}

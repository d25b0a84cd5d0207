/* SPDX-License-Identifier: MIT */
/*
 * report.c - what came of the job, by hand and adopted, both directions together.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "job.h"

static const char *const names[JOB_KINDS] = {
	"raw, reset",
	"raw, decode",
	"DPDK's handler",
	"adopted",
};

bool report_is_good(const struct job_options *options, const struct job_result *result)
{
	bool good = result->flows && result->resets >= options->resets &&
		    result->losses >= options->resets / 5;
	uint64_t received = 0;

	for (unsigned int i = 0; i < 2; i++) {
		const struct stream *s = &result->stream[i];

		received += s->received;
		good = good && s->strayed == 0 && s->duplicated == 0 && s->corrupt == 0 &&
		       s->received + s->lost == s->next && s->sent - s->next < PORT_RING;
	}
	return good && received >= options->frames;
}

static int compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static void print(const char *name, struct job_result *result)
{
	const struct stream *a = &result->stream[0], *b = &result->stream[1];
	unsigned int n = result->backs;

	qsort(result->back_ns, n, sizeof(int64_t), compare);
	printf("%-15s %6u %6u %8llu %8llu %8llu %9llu %6llu %7llu", name, result->resets,
	       result->losses, (unsigned long long)(a->sent + b->sent),
	       (unsigned long long)(a->received + b->received),
	       (unsigned long long)(a->lost + b->lost),
	       (unsigned long long)(a->strayed + b->strayed),
	       (unsigned long long)(a->duplicated + b->duplicated),
	       (unsigned long long)(a->corrupt + b->corrupt));
	printf(" %8.0f %6.1f %7.1f  %s\n",
	       result->calm_ns > 0
		       ? (double)result->calm_frames * 1e9 / (double)result->calm_ns
		       : 0,
	       n > 0 ? (double)result->back_ns[n / 2] / 1e6 : 0,
	       n > 0 ? (double)result->back_ns[n - 1] / 1e6 : 0,
	       result->signal	  ? strsignal(result->signal)
	       : !result->started ? "it did not start"
	       : result->flows	  ? "all is well"
				  : "the stream ended");
}

void report_print(const struct job_options *options, struct job_result *results)
{
	printf("                       decode          frames                 lost       "
	       "    "
	       "        wrong frames/s  back after, ms\n"
	       "                resets off/on     sent received by reset elsewhere  "
	       "twice "
	       "corrupt     calm median longest  in the end\n");
	for (unsigned int i = options->raw ? 0 : JOB_ADOPTED; i < JOB_KINDS; i++)
		print(names[i], &results[i]);
}

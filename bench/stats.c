/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "rig.h"
#include "stats.h"

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

double bench_percentile(double *samples, size_t count, unsigned int percent)
{
	qsort(samples, count, sizeof(*samples), by_value);
	return samples[(count - 1) * percent / 100];
}

double bench_ratio(const double *samples, const double *to, size_t count)
{
	double *ratios = calloc(count, sizeof(*ratios));
	double median;

	if (!ratios)
		bench_die("out of memory");
	for (size_t i = 0; i < count; i++)
		ratios[i] = samples[i] / to[i];
	median = bench_percentile(ratios, count, 50);
	free(ratios);
	return median;
}

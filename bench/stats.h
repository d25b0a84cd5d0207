/* SPDX-License-Identifier: MIT */
#ifndef BENCH_STATS_H
#define BENCH_STATS_H

#include <stddef.h>

/* The @percent-th percentile; 50 is the median. Sorts @samples. */
double bench_percentile(double *samples, size_t count, unsigned int percent);

/* Median of the ratios of samples taken in the same round. */
double bench_ratio(const double *samples, const double *to, size_t count);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * vote.h - what a window costs its owner for each client, if their answers come one after
 * the other and each is looked at by itself: the most that it can cost.
 */
#ifndef BENCH_VOTE_H
#define BENCH_VOTE_H

#include <stdint.h>

#define BENCH_VOTE_MAX 256

/* The functions below that are counted. */
#define BENCH_VOTE_COUNTED                                                               \
	"bench_vote_ask bench_vote_look bench_vote_tell bench_vote_hear"

/*
 * @n/@clients windows with @clients clients. They are one process, in which this program
 * runs bench_vote_main().
 */
void bench_vote(unsigned int clients, uint64_t n);
int bench_vote_main(unsigned int clients);

#endif

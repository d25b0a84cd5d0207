/* SPDX-License-Identifier: MIT */
/*
 * bare.h - what it costs to ask many processes anything: each waits on a socket, and
 * answers one message with another of the same size. No library is in it.
 */
#ifndef BENCH_BARE_H
#define BENCH_BARE_H

#define BENCH_BARE_LEN 192 /* as a message of the library */

/*
 * Microseconds until all @n have answered, @rounds times, into @us. They run @program
 * with the arguments "bare FD", and there bench_bare_main(FD).
 */
void bench_bare(unsigned int n, unsigned int rounds, double *us, const char *program);
int bench_bare_main(int sock);

#endif

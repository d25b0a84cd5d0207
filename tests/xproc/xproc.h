/* SPDX-License-Identifier: MIT */
/*
 * xproc.h - a storm of resets over one simulated device and many processes.
 *
 * The owner (owner.c) resets the device, kills clients, stops them past the deadline and
 * starts new ones. A client (client.c) is this program again: two threads read a
 * register that the owner sets to a value of the generation, and store to the log by
 * which the device knows stores of another generation. What they saw they count in
 * memory that outlives them.
 */
#ifndef XPROC_H
#define XPROC_H

#include <stdint.h>
#include <vfiosafe/sim.h>
#include <vfiosafe/vfiosafe.h>

#define CLIENTS_MAX 512
#define THREADS 2

/* Of one client's place; of all that had it. Atomic. */
struct tally {
	uint64_t reads, wrong, stores, refused, reinits, rejoined;
	uint64_t failures; /* errors that no access may give */
	char what[128];	   /* the last of them */
};

struct board {
	uint64_t stop; /* clients leave */
	struct tally tally[CLIENTS_MAX];
};

/* What the owner's reinit writes to HOLD. */
static inline uint32_t mark(uint64_t generation)
{
	return 0x5a000000u | ((uint32_t)generation & 0xffffffu);
}

/* The whole life of a client over @socket, at @place of the board. */
int client_main(int socket, struct board *board, unsigned int place);

#endif

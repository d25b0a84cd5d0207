/* SPDX-License-Identifier: MIT */
/*
 * xproc.h - a storm of resets over one device and many processes.
 *
 * The owner (owner.c) resets the device, kills clients, stops them past the deadline and
 * starts new ones (clients.c). A client (client.c) is this program again: two threads
 * read a register that the owner sets to a value of the generation, and store another
 * such value. Some ask for resets themselves, some are told to die at a certain point.
 * What they saw they count in memory that outlives them.
 */
#ifndef XPROC_H
#define XPROC_H

#include <stdbool.h>
#include <stdint.h>
#include <vfiosafe/vfiosafe.h>

#define CLIENTS_MAX 512
#define THREADS 2

/* Where a client is to be killed, by itself. */
enum death {
	DIE_NOT,
	DIE_IN_SECTION,
	DIE_IN_QUIESCE,
	DIE_IN_REINIT,
	DIE_ASKING, /* for a reset */
	DEATHS,
};

/* Of one client's place; of all that had it. Atomic. */
struct tally {
	uint64_t die; /* enum death: the owner's to set, the client's to obey */
	uint64_t joined, left;
	uint64_t reads, wrong, stores, refused, reinits, asked, granted;
	uint64_t late; /* accesses that the owner did not answer in time */
	uint64_t failures; /* errors that no access may give */
	char what[160];	   /* the last of them */
};

struct board {
	uint64_t stop; /* clients leave */
	struct tally tally[CLIENTS_MAX];
};

/* A device with a register that holds what is written, and one to store to. */
struct model {
	const char *name;
	uint16_t vendor, device;
	uint32_t hold;
	uint32_t hold_clear; /* hold sets bits, this one clears them; or 0 */
	uint32_t store;	     /* of 64 bits, many, if the device judges them (log) */
	uint32_t store_mask; /* bits of it that hold a generation */
	bool log;
};

/* model.c: by the names, and by what the device is; NULL */
const struct model *model_named(const char *name);
const struct model *model_of(struct vfiosafe_device *dev);

/* What the owner's reinit writes to hold, and clients to store. */
static inline uint32_t mark(uint64_t generation)
{
	return 0x5a000000u | ((uint32_t)generation & 0xffffffu);
}

static inline uint32_t store_value(const struct model *model, uint64_t generation)
{
	return (mark(generation) << __builtin_ctz(model->store_mask)) & model->store_mask;
}

/* The whole life of a client over @socket, at @place of the board. */
int client_main(int socket, struct board *board, unsigned int place,
		const struct model *model);

#endif

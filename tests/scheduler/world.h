/* SPDX-License-Identifier: MIT */
/*
 * world.h - one simulated device, a few threads that use it, and what must hold.
 *
 * One thread runs at a time, and time is a number that only sleeping advances: a run
 * is a function of its seed. What the threads do is in the ops_*.c; after each step
 * oracle.c looks at what became of the promises C1 to C8.
 */
#ifndef SCHEDULER_WORLD_H
#define SCHEDULER_WORLD_H

#include <stdbool.h>
#include <stdint.h>
#include <vfiosafe/sim.h>
#include <vfiosafe/vfiosafe.h>

#include "baton.h"

#define WORKERS 4
#define DEPTH 3 /* sections that one thread keeps open */
#define KEPT 64 /* generations whose tags are remembered */

/* A section that is open between two steps. */
struct open_section {
	struct vfiosafe_section sec;
	uint64_t generation; /* in which it began */
	uint64_t losses;     /* seen when it began */
	bool touched;	     /* raw accesses were made */
	uint32_t got;	     /* the tag that was read in it */
};

struct worker {
	struct world *world;
	struct baton baton;
	struct vfiosafe_view view;
	bool has_view;
	uint64_t view_generation;
	struct open_section open[DEPTH];
	unsigned int depth;
	struct vfiosafe_window *win;
	bool force;
	int step; /* what poll said last */
};

struct world {
	uint64_t seed, random; /* as started; as of now */
	uint64_t steps;
	uint64_t trace; /* from which on steps are printed */
	const char *op; /* the step that is being made, and its worker */
	unsigned int who;
	int rc; /* what it returned */

	struct vfiosafe_sim *sim;
	struct vfiosafe_sys sys; /* the simulation's, with our clock */
	const struct vfiosafe_sys *under;
	int64_t now;	      /* virtual nanoseconds */
	int64_t in_callbacks; /* of them, spent in callbacks of the current step */
	struct vfiosafe_device *dev;
	struct vfiosafe_bar *bar;
	struct vfiosafe_bar *second; /* comes and goes */
	struct worker worker[WORKERS];
	struct peer *peer; /* another device */

	/* The driver. */
	struct vfiosafe_view driver_view;
	uint64_t programmed;   /* the generation whose reinit succeeded last */
	uint64_t tag_of[KEPT]; /* the device's count of resets, by generation */
	bool in_callback;

	/* What the oracle knows. */
	uint64_t generation;
	uint64_t resets;     /* the device's, at the last look */
	uint64_t losses;     /* occasions at which state may have been lost */
	bool blind;	     /* reset behind us, and nobody knows */
	bool suspect;	     /* an error was reported, or the device pulled out */
	bool released;	     /* the kernel wants it back: no reset any more */
	bool sentinel;	     /* a register tells the generations apart */
	bool foreign_reset;  /* this step made it */
	bool may_cut_power;  /* so may this one, and the device lose its state */
	bool decode_taken;   /* memory decode taken away behind us */
	bool forced;	     /* this step may go over open sections */
	uint64_t faulted_in, suspect_in; /* the generations of these two */
	bool closing;	     /* GONE, not freed yet */
	uint64_t maps_left;  /* taken away behind us with maps in place: that often */
	uint64_t windows, faults, timeouts, parks, noticed, events, devices, maps,
		transfers; /* for the report */
};

/* What a worker may do next; picked by weight. */
struct op {
	const char *name;
	unsigned int weight;
	void (*run)(struct worker *w);
};
extern const struct op access_ops[], window_ops[], away_ops[], watch_ops[], p2p_ops[];

/* world.c */
uint64_t pick(struct world *world, uint64_t n); /* 0 to n - 1 */
bool one_in(struct world *world, uint64_t n);
void world_open(struct world *world, uint64_t seed);
void world_close(struct world *world);
/* A device that was closed is opened anew. */
void world_reopen(struct world *world);
/* In a table: our time. */
void world_clock(struct vfiosafe_sys *sys);
unsigned int open_sections(const struct world *world);
uint32_t tag(uint64_t generation);

/* oracle.c */
void violation(const struct world *world, const char *fmt, ...)
	__attribute__((format(printf, 2, 3), noreturn));
#define must(world, condition, ...)                                                      \
	do {                                                                             \
		if (!(condition))                                                        \
			violation((world), __VA_ARGS__);                                 \
	} while (0)
void oracle_step(struct world *world);
/* What an access through @view_generation must return now; 1: 0 or -EIO. */
int oracle_access(const struct world *world, uint64_t view_generation);

/* A blocking call of at most @ms: from, and to when. */
int64_t begin_call(struct world *world);
void end_call(struct world *world, int64_t began, int64_t allowed_ns);

#endif

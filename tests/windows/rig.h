/* SPDX-License-Identifier: MIT */
/*
 * rig.h - one device under two readers and a writer, and what happens to it.
 *
 *   card_*.c    what is known of a model: registers that hold what reinit programs
 *   bed_*.c     the machine around the device: a real one, or the simulation
 *   behind.c    what somebody does to a device who does not ask the library
 *   workers.c   the threads, and how their values are judged
 *   round_*.c   how a device goes away, is noticed to, and comes back
 *   causes.c    the list of ways
 *   tally.c     what came of each
 */
#ifndef WINDOWS_RIG_H
#define WINDOWS_RIG_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <vfiosafe/sim.h>
#include <vfiosafe/vfiosafe.h>

#include "bed.h"
#include "card.h"
#include "nvme_mini.h"

#define WORKERS 3
#define PATIENCE_MS 60000 /* bounds a failing test; nothing is asserted on time */

struct worker {
	struct rig *rig;
	pthread_t thread;
	bool runs;
	int (*step)(struct worker *worker, uint64_t n);
	/* Atomic: the thread that makes the causes looks on. */
	uint64_t good, wrong;
	bool complained;
	char complaint[160];
	/* A reader's own view, and what belongs to it. */
	struct vfiosafe_view view;
	struct truth truth;
};

struct rig {
	const struct bed *bed;
	const struct card *card;
	const char *address;	  /* "0000:01:00.0" */
	const char *id, *port_id; /* QEMU's names for it, and for the port above it */
	enum vfiosafe_door door;
	const struct vfiosafe_sys *sys;

	struct vfiosafe_device *dev;
	struct vfiosafe_bar *bar;
	struct vfiosafe_view regs;
	struct truth truth; /* of this generation, as regs: read it in sections */
	struct nvme nvme;
	uint16_t vendor;  /* as config space has it */
	uint64_t foreign; /* stores that were found in another generation */

	struct worker worker[WORKERS];
	/* Atomic, written by the thread that makes the causes: */
	bool stop;
	bool sentinel;
	bool hold; /* a reader is to open a section, and keep it */
	/* and by that reader: */
	bool holding;

	struct bed_state at;
};

/* rig.c: opens, programs, sets the sentinel, starts the threads; and back. */
int rig_open(struct rig *rig);
int rig_close(struct rig *rig);
/* while threads run, too */
int rig_set_sentinel(struct rig *rig, bool on);

/* workers.c */
int workers_start(struct rig *rig);
void workers_stop(struct rig *rig);
uint64_t workers_wrong(const struct rig *rig);
/* What one of them met that it never should have, or NULL. */
const char *workers_complaint(const struct rig *rig);
/* Until each of the first @count has done something that began after now. */
int workers_await(struct rig *rig, int count);
/* Until a reader keeps a section open; and lets it go. */
int workers_hold(struct rig *rig);
void workers_let_go(struct rig *rig);

static inline int64_t now_ns(void)
{
	return vfiosafe_deadline_in_ms(0);
}

/* Between two looks at what another thread, or the kernel, does. */
void take_a_breath(void);

#endif

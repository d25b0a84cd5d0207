/* SPDX-License-Identifier: MIT */
/*
 * dmabuf_side.h - a disk with a driver, and a thread that reads pages of its drive into
 * the CMB of the other disk, one after the other, and looks there whether they arrived.
 *
 * It works as long as p2p_start and p2p_stop say so. While it holds the lock, a read may
 * be under way: who takes the lock, after `may` was taken back, knows that none is.
 */
#ifndef VM_DMABUF_SIDE_H
#define VM_DMABUF_SIDE_H

#include <pthread.h>

#include "dmabuf_disk.h"

struct side {
	struct disk disk;
	struct side *other; /* whose CMB it writes */
	struct vfiosafe_p2p *map;
	uint64_t iova;

	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t moved;
	bool may, end; /* atomic */

	unsigned long reads; /* that were seen in the other BAR; atomic */

	/* Under the lock. */
	unsigned long wrong; /* bytes */
	unsigned long unseen; /* a window of the exporter was announced meanwhile */
	unsigned long failed; /* the device says so */
	unsigned int stops, starts, reinits;

	void (*in_stop)(struct side *side); /* of the test; called once, outside the lock */
};

bool side_open(struct side *side, struct side *other, const char *address,
	       enum vfiosafe_door door);
void side_close(struct side *side);

/* The other side's buffer is mapped, and the thread begins; and the end of that. */
bool side_begin(struct side *side);
bool side_end(struct side *side);

/* True when @n more reads were seen to arrive. */
bool side_reads(struct side *side, unsigned long n);

#endif

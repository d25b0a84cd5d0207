/* SPDX-License-Identifier: MIT */
/* peers.h - the simulated devices of this process, and what they export. */
#ifndef VSIM_PEERS_H
#define VSIM_PEERS_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include "dmabuf.h"

struct vsim_peers {
	pthread_mutex_t lock; /* of all of this; after any sim->lock */
	struct vfiosafe_sim *sims;
	struct vsim_dmabuf *bufs;
	uint64_t last_id;
	unsigned int files; /* atomic: exports of which there is an fd */
};

extern struct vsim_peers vsim_peers;

/* With the lock: is this open file that export? */
bool vsim_dmabuf_is(const struct vsim_dmabuf *buf, int fd, const struct stat *st);

#endif

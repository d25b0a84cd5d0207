/* SPDX-License-Identifier: MIT */
/* What the parts of the owner share. */
#ifndef STORM_H
#define STORM_H

#include <sys/types.h>
#include <vfiosafe/sim.h>

#include "xproc.h"

struct storm {
	struct vfiosafe_sim *sim; /* NULL: a real device */
	const struct model *model;
	struct vfiosafe_device *dev;
	struct vfiosafe_bar *bar;
	struct vfiosafe_view view;
	uint32_t at_reset; /* what the store register holds then */

	struct board *board;
	int board_fd;
	unsigned int clients;
	pid_t pid[CLIENTS_MAX];

	uint64_t random;
	uint64_t windows, timed_out, kills, stops, late_ms, foreign;
	uint64_t deaths[DEATHS], killed; /* as it came, and as it was wanted */
	unsigned int fds;
};

void die(const char *what) __attribute__((noreturn));
uint64_t chance(struct storm *storm, uint64_t n);

/* device.c */
void open_device(struct storm *storm, const char *address, const char *door);

/* clients.c */
void start_client(struct storm *storm, unsigned int place);
/* Killed at once, or told to die somewhere. */
void kill_one(struct storm *storm);
/* Those that have died as they were told are replaced. */
void replace_dead(struct storm *storm);
void end_clients(struct storm *storm);
/* Until so many have joined, or are left. */
void wait_count(struct storm *storm, unsigned int count);
unsigned int open_fds(void);

#endif

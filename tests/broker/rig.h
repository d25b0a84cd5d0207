/* SPDX-License-Identifier: MIT */
/*
 * rig.h - a broker that is a process, on simulated devices, and clients that are processes
 * of other users. Nobody sleeps: a broker tells when it is ready (as it tells systemd) and
 * what it does (its log), and clients and the test tell each other over pipes.
 */
#ifndef BROKER_RIG_H
#define BROKER_RIG_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <cmocka.h>
#include <vfiosafe/sim.h>
#include <vfiosafe/vfiosafe.h>

/* Two users that own nothing here; the policies name them by number. */
#define ALICE 40001
#define BOB 40002

struct broker_process {
	char dir[64]; /* of its policy and its sockets */
	pid_t pid;
	int log_fd;
	char log[1 << 16]; /* read, and not looked at yet */
	size_t log_len;
};

/* Ready to serve @policy; in the same place if it was stopped before. */
void broker_start(struct broker_process *broker, const char *policy);
/* One that is not expected to become ready: its exit status, and all that it said. */
int broker_run_to_end(struct broker_process *broker, const char *policy, char *said,
		      size_t len);
/* Until its log has a line with @what; that and what was before is taken out. */
void broker_says(struct broker_process *broker, const char *what);
/* The same, and no line before that has @not_yet. */
void broker_says_first(struct broker_process *broker, const char *what,
		       const char *not_yet);
/* @sig, and the status as of waitpid(2). */
int broker_stop(struct broker_process *broker, int sig);
void broker_end(struct broker_process *broker);
unsigned int broker_fds(const struct broker_process *broker);

/* A client: @run in a process of @uid. */
struct client_process {
	pid_t pid;
	int to, from;
};

/* What it has in its hands. */
struct guest {
	const struct broker_process *broker;
	int to, from;
	uint64_t arg;
};

struct client_process client_start(const struct broker_process *broker, uid_t uid,
				   void (*run)(struct guest *guest), uint64_t arg);
/* The test and a client wait for each other. */
void client_goes_on(const struct client_process *client);
void client_is_there(const struct client_process *client);
void client_ends_well(struct client_process *client);
void client_killed(struct client_process *client);

/* In the client: no assertions of cmocka. */
void guest_is_there(const struct guest *guest);
void guest_waits(const struct guest *guest);
void guest_fails(const char *what, int line);
#define must(what)                                     \
	do {                                           \
		if (!(what))                           \
			guest_fails(#what, __LINE__);  \
	} while (0)
/* A connected socket, or -errno. */
int guest_connects(const struct guest *guest, const char *device);
/* Joined, with an agent of its own. */
struct vfiosafe_device *guest_joins(const struct guest *guest, const char *device);
struct vfiosafe_view guest_maps(struct vfiosafe_device *dev, uint64_t offset, uint64_t len);

#endif

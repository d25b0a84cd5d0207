/* SPDX-License-Identifier: MIT */
/*
 * job.h - the driver at work: numbered, checksummed blocks are written and read back,
 * while resets strike.
 *
 *      main.c      options, tables
 *      device.c    opens the device, simulated or real
 *      job.c       writes and reads
 *      block.c     what is in a block
 *      strike.c    a thread that resets the device; behind.c: behind the library
 *      reactor.c   the same without that thread, and without a call that sleeps
 *      raw.c       the driver and the job without the guard, in a child
 */
#ifndef NVME_JOB_H
#define NVME_JOB_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <vfiosafe/sim.h>

#include "nvme.h"

enum strike { STRIKE_FLR, STRIKE_D3HOT, STRIKE_DECODE, STRIKE_BEHIND, STRIKES };

struct job_options {
	const char *address; /* or sim:nvme */
	enum vfiosafe_door door;
	uint64_t mib;
	uint64_t seed;
	uint64_t resets; /* at least */
	uint32_t gap_ms[2]; /* from one to the next: least, most */
	uint32_t drain_ms;
	uint32_t stuck_ms; /* without progress */
	bool strikes[STRIKES];
	bool polling;
	bool reactor;
	bool raw;
};

/* In memory that a child shares with its parent. */
struct job_result {
	char model[41];
	enum vfiosafe_door door;
	uint64_t strikes[STRIKES];
	uint64_t commands, retried;
	uint64_t failed;  /* that the device refused for good */
	uint64_t checked; /* blocks that were read back */
	uint64_t lost;	  /* of them: acknowledged, but not there */
	uint64_t corrupt; /* of them: no block of ours */
	/* Bytes and ns of writing and reading: without strikes, with strikes. */
	uint64_t bytes[2][2];
	int64_t ns[2][2];
	int64_t pause_ns; /* the longest from one completion to the next, with strikes */
	bool ended;    /* well; else: */
	char why[120]; /* it could not go on */
};

struct job {
	const struct job_options *options;
	struct job_result *result;
	struct vfiosafe_sim *sim; /* NULL: a real device */
	const struct vfiosafe_sys *sys;
	struct vfiosafe_device *dev;
	int other_fd; /* a duplicate of the device's: somebody else's */
	struct nvme nvme;
	/* After every nvme_poll(), with what it returned. Negative: give up. */
	int (*turn)(struct job *job, int rc);
	void *strikes;	/* strike.c or reactor.c */
	int strikes_rc; /* atomic; they cannot go on */

	/* The phase: one pass over all blocks. */
	enum nvme_opcode opcode;
	uint64_t pass;
	uint64_t next, ended, count; /* in requests */
};

static inline uint64_t job_strikes(const struct job_result *result)
{
	uint64_t sum = 0;

	for (int i = 0; i < STRIKES; i++)
		sum += __atomic_load_n(&result->strikes[i], __ATOMIC_RELAXED);
	return sum;
}

/* device.c */
int job_device_open(struct job *job);
void job_device_close(struct job *job);
/* Keeps the first reason, and returns @rc. */
int job_fail(struct job *job, int rc, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* job.c: to its end, or to what is in result->why; result was zeroed */
void job_run(const struct job_options *options, struct job_result *result);

/* block.c */
enum verdict { BLOCK_GOOD, BLOCK_OLD, BLOCK_CORRUPT };
void block_fill(void *block, uint64_t seed, uint64_t pass, uint64_t number);
enum verdict block_check(const void *block, uint64_t seed, uint64_t pass,
			 uint64_t number);
uint64_t random_next(uint64_t *state);

/* strike.c: a thread that strikes until it is stopped */
int strikes_start(struct job *job);
void strikes_stop(struct job *job);
/* The next one: when and which. */
uint32_t strike_gap_ms(const struct job_options *options, uint64_t *random);
enum strike strike_choose(const struct job_options *options, uint64_t *random);

/* behind.c: what somebody does who does not ask the library */
int behind_reset(const struct job *job);
int behind_decode_off(const struct job *job);
int behind_power(const struct job *job, enum vfiosafe_power power);

/* reactor.c */
int reactor_start(struct job *job);
void reactor_stop(struct job *job);

/* raw.c: the job without the guard, in a child. True: it went wrong, @end says how. */
bool raw_run(const struct job_options *options, struct job_result *result, char *end,
	     size_t len);

#endif

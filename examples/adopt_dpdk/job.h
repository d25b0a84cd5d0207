/* SPDX-License-Identifier: MIT */
/*
 * job.h - the job: a stream of numbered frames each way between two ports on one wire,
 * while either is reset.
 *
 *   stream.c  makes frames, and judges those that arrive
 *   strike.c  what happens to the devices
 *   job.c     one lcore moves frames, the other one resets
 *   report.c  what came of it
 *   main.c    options; by hand it runs in a child
 */
#ifndef ADOPT_DPDK_JOB_H
#define ADOPT_DPDK_JOB_H

#include "port.h"

#define JOB_RESUMES 1024u

enum job_kind {
	JOB_HAND_RESET,	 /* no library: VFIO_DEVICE_RESET by another fd */
	JOB_HAND_DECODE, /* no library: memory decode off, and on again */
	JOB_HANDLER,	 /* likewise, with DPDK's own SIGBUS handler; once also a reset */
	JOB_ADOPTED,	 /* with the library: both */
	JOB_KINDS,
};

struct job_options {
	const char *address[2];
	unsigned int
		resets;	 /* of both devices together; a fifth as often decode goes off */
	uint64_t frames; /* at least, both ways together */
	int64_t silent_ns; /* who says nothing for so long is dead */
	bool raw;
};

/* One direction. */
struct stream {
	uint64_t sent; /* the next one's number */
	uint64_t received;
	uint64_t next;	  /* number that is due */
	uint64_t lost;	  /* in a gap with a new generation of either device in it; */
	uint64_t strayed; /* in any other gap */
	uint64_t duplicated;
	uint64_t corrupt;
	uint64_t generation[2]; /* of sender and receiver, of the frame that came last */
	unsigned int resumes;	/* atomic; how often one of those was a new one */
	int64_t moved_ns;	/* when one came, or a probe was sent */
};

/* In memory that the runs by hand, children, share. */
struct job_result {
	struct stream stream[2];
	unsigned int resets, losses;
	int64_t back_ns[JOB_RESUMES]; /* from the end of a reset until both streams flow
				       */
	unsigned int backs;
	uint64_t calm_frames;
	int64_t calm_ns;
	bool started, flows; /* to the end, both ways */
	int signal;	     /* that it died of */
};

struct job {
	const struct job_options *options;
	struct job_result *result;
	enum job_kind kind;
	struct port port[2];
	struct rte_mempool *pool;
	uint64_t received; /* atomic; both ways */
	bool stop;	   /* atomic */
	int64_t silent_ns; /* the option, once it has started */
};

/* stream.c: the context is a struct burst */
struct burst {
	struct stream *stream;
	struct rte_mempool *pool;
};
port_make stream_make;
void stream_judge(struct stream *stream, const struct rte_mbuf *frame,
		  uint64_t generation);

/* strike.c: false: it failed, for good */
bool strike(struct job *job, unsigned int number);
int64_t job_now(void);
void job_nap(int64_t ns);

/* report.c */
bool report_is_good(const struct job_options *options, const struct job_result *result);
void report_print(const struct job_options *options, struct job_result *results);

/* job.c: 0, or the error that kept it from running. EAL has started. */
int job_run(struct job *job);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * job.h - the job that the driver does here: a stream of numbered frames each way
 * between two devices on one wire, while either is reset.
 *
 *   stream.c  makes frames, and judges those that arrive
 *   strike.c  what happens to the devices
 *   job.c     one thread polls both devices, the other one resets them
 *   report.c  what came of it, by hand and guarded
 *   main.c    options; by hand it runs in a child
 */
#ifndef NIC_JOB_H
#define NIC_JOB_H

#include <stddef.h>
#include <vfiosafe/sim.h>
#include "nic.h"

#define JOB_RESUMES 16384u

enum job_guard {
	JOB_RAW,       /* plain pointers; nobody tells the driver of resets */
	JOB_RAW_AGAIN, /* plain pointers; who resets programs the device again */
	JOB_GUARDED,
	JOB_GUARDS,
};

struct job_options {
	const char *address[2]; /* both "sim": a pair in software */
	enum vfiosafe_door door;
	uint64_t frames; /* at least, both ways together */
	unsigned int resets; /* of each device */
	unsigned int every_ms[2];
	unsigned int size; /* bytes of a frame */
	unsigned int seed;
	unsigned int late; /* of 100 times, may traffic be back after more than 1 s */
	int64_t silent_ns; /* who says nothing for so long is dead */
	bool raw;
	bool check;
};

/* One direction. */
struct stream {
	uint64_t sent; /* numbers that were given to frames; the next one */
	uint64_t received;
	uint64_t next; /* number that is due */
	uint64_t dropped; /* in a gap with a reset of either device in it; */
	uint64_t strayed; /* in any other gap */
	uint64_t duplicated;
	uint64_t corrupted;
	struct nic_since from, to; /* of the frame that came last */
	int64_t moved_ns;	   /* when one came, or a probe was sent */
};

/* Lives in memory that the run by hand, a child, shares. */
struct job_result {
	struct stream stream[2];
	unsigned int resets[2];
	unsigned int losses[2]; /* recovered */
	uint64_t calm_frames, storm_frames; /* received without resets, and with */
	int64_t calm_ns, storm_ns;
	int64_t reset_ns; /* spent in resets */
	int64_t resumed_ns[JOB_RESUMES]; /* from reinit until a frame came */
	unsigned int resumes; /* atomic */
	bool flows;	      /* to the end, both ways */
	int signal;	      /* that it died of */
};

struct job {
	const struct job_options *options;
	struct job_result *result;
	enum job_guard guard;
	struct vfiosafe_sim *sim[2];
	const struct vfiosafe_sys *sys[2];
	struct nic nic[2];
	uint64_t received; /* atomic; both ways */
	bool stop;	   /* atomic */
};

/* stream.c */
struct burst {
	struct stream *stream;
	unsigned int size;
};
nic_fill stream_fill; /* its context is a struct burst */
void stream_judge(struct job_result *result, struct stream *stream,
		  const struct nic_frame *frame, const struct nic_since *to);

/* strike.c: false: it failed, for good */
bool strike(struct job *job, unsigned int number);
int64_t job_now(void);
void job_nap(int64_t ns);

/* report.c */
void report_sort(struct job_result *result);
bool report_is_good(const struct job_options *options, const struct job_result *result);
void report_print(const struct job_result *results, bool raw);

/* job.c: 0, or the error that kept it from running */
int job_run(struct job *job);

#endif

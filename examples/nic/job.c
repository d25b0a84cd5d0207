/* SPDX-License-Identifier: MIT */
/*
 * job.c - one thread polls both devices, the other one resets them.
 */
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include "job.h"

#define FLIGHT 128u /* frames on their way: less than a ring takes */
#define SIM_RESET_US 1000u
#define SIM_LINK_US 5000u
#define PROBE_NS 2000000 /* all that is on its way may be lost: one more frame, then */

/* How many frames may follow; one, if nothing has come for a while. */
static unsigned int allowed(struct stream *stream)
{
	uint64_t flight = stream->sent - stream->next;

	if (flight + NIC_BURST <= FLIGHT)
		return NIC_BURST;
	if (job_now() - stream->moved_ns < PROBE_NS)
		return 0;
	stream->moved_ns = job_now();
	return 1;
}

/* Device @from sends, the other one receives. Return: frames that came. */
static unsigned int move(struct job *job, unsigned int from, struct nic_frame *frames)
{
	struct stream *stream = &job->result->stream[from];
	struct burst burst = { stream, job->options->size };
	unsigned int n = allowed(stream);
	struct nic_since since;
	int came;

	/* Refused in a window: the other direction goes on, this one is tried again. */
	if (n > 0)
		(void)nic_send(&job->nic[from], n, stream_fill, &burst);
	came = nic_receive(&job->nic[!from], 2 * NIC_BURST, frames, &since);
	for (int i = 0; i < came; i++)
		stream_judge(job->result, stream, &frames[i], &since);
	return came > 0 ? (unsigned int)came : 0;
}

static void *poll_both(void *arg)
{
	struct nic_frame *frames = malloc(2 * NIC_BURST * sizeof(*frames));
	struct job *job = arg;

	while (frames && !__atomic_load_n(&job->stop, __ATOMIC_ACQUIRE)) {
		unsigned int came = move(job, 0, frames) + move(job, 1, frames);

		if (came == 0)
			sched_yield();
		__atomic_fetch_add(&job->received, came, __ATOMIC_RELAXED);
	}
	free(frames);
	return NULL;
}

static uint64_t received(const struct job *job)
{
	return __atomic_load_n(&job->received, __ATOMIC_RELAXED);
}

static unsigned int resumes(const struct job *job)
{
	return __atomic_load_n(&job->result->resumes, __ATOMIC_RELAXED);
}

/* Until so many frames have come, and resumes; false: they stay away. */
static bool await(const struct job *job, uint64_t frames, unsigned int resumed)
{
	int64_t start = job_now(), moved = start;
	uint64_t last = 0, now = received(job);

	while (now < frames || resumes(job) < resumed) {
		job_nap(1000000);
		if (now != last)
			moved = job_now();
		last = now;
		now = received(job);
		if (job_now() - (resumes(job) < resumed ? start : moved) > job->options->silent_ns)
			return false;
	}
	return true;
}

/* One device after the other, at odd times, each when the last one is back both ways. */
static bool storm(struct job *job)
{
	const struct job_options *options = job->options;
	unsigned int seed = options->seed, span, i;

	span = options->every_ms[1] - options->every_ms[0] + 1;
	for (i = 0; i < 2 * (options->resets * 10 / 9); i++) {
		unsigned int before = resumes(job);

		job_nap((options->every_ms[0] + (unsigned int)rand_r(&seed) % span) * 1000000ll);
		if (!strike(job, i) || !await(job, 0, before + 2))
			return false;
	}
	return true;
}

/* Calm, storm, and what is missing; it has to go on after the last reset. */
static bool phases(struct job *job)
{
	struct job_result *result = job->result;
	uint64_t frames = job->options->frames;
	int64_t start;
	bool flows = await(job, 1, 0);

	result->calm_frames = received(job);
	start = job_now();
	flows = flows && await(job, frames / 4, 0);
	result->calm_frames = received(job) - result->calm_frames;
	result->calm_ns = job_now() - start;

	result->storm_frames = received(job);
	start = job_now();
	flows = flows && storm(job);
	result->storm_frames = received(job) - result->storm_frames;
	result->storm_ns = job_now() - start;
	return flows && await(job, received(job) + 4 * FLIGHT, 0) && await(job, frames, 0);
}

/* One of a pair in software, on one wire. */
static int open_sim(struct job *job, unsigned int which)
{
	const struct vfiosafe_sim_opts opts = { .size = sizeof(opts),
						.window_us = SIM_RESET_US,
						.ready_us = SIM_LINK_US,
						.wire = 1 };
	int rc = vfiosafe_sim_open(&job->sim[which], "sim:nic", &opts);

	if (rc == 0)
		job->sys[which] = vfiosafe_sim_sys(job->sim[which]);
	return rc;
}

static int open_pair(struct job *job)
{
	struct vfiosafe_device_opts opts = { .size = sizeof(opts),
					     .door = job->options->door };
	int rc = 0;

	for (unsigned int i = 0; i < 2 && rc == 0; i++) {
		const char *address = job->options->address[i];

		job->sys[i] = vfiosafe_sys_default();
		if (strcmp(address, "sim") == 0) {
			rc = open_sim(job, i);
			if (rc < 0)
				break;
			address = vfiosafe_sim_address(job->sim[i]);
		}
		opts.sys = job->sys[i];
		rc = nic_open(&job->nic[i], address, &opts);
		if (rc == 0 && job->guard == JOB_GUARDED)
			rc = nic_survive_resets(&job->nic[i]);
		else if (rc == 0)
			job->nic[i].raw = vfiosafe_bar_address(job->nic[i].bar);
	}
	return rc;
}

int job_run(struct job *job)
{
	pthread_t thread;
	int rc = open_pair(job);

	for (unsigned int i = 0; i < 2; i++)
		job->result->stream[i].moved_ns = job_now();
	if (rc == 0)
		rc = -pthread_create(&thread, NULL, poll_both, job);
	if (rc == 0) {
		job->result->flows = phases(job);
		__atomic_store_n(&job->stop, true, __ATOMIC_RELEASE);
		pthread_join(thread, NULL);
	}
	for (unsigned int i = 0; i < 2; i++)
		nic_close(&job->nic[i]);
	for (unsigned int i = 0; i < 2; i++)
		vfiosafe_sim_close(job->sim[i]);
	return rc;
}

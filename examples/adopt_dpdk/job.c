/* SPDX-License-Identifier: MIT */
/*
 * job.c - one lcore moves frames between both ports, the main one resets them.
 */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <rte_dev.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include "job.h"

#define FLIGHT 128u	 /* frames on their way: less than a ring takes */
#define PROBE_NS 2000000 /* all that is on its way may be lost: one more frame, then */
#define CALM_FRAMES 4096u
#define START_NS 30000000000
#define HAND_STRIKES 4u

/*
 * How many frames may follow; one, if nothing has come for a while. QEMU's wire keeps
 * frames for a port without a link, and then overruns its ring.
 */
static unsigned int allowed(struct stream *stream, const struct port *to)
{
	uint64_t flight = stream->sent - stream->next;

	if (to->link_at == 0)
		return 0;
	if (flight + PORT_BURST <= FLIGHT)
		return PORT_BURST;
	if (job_now() - stream->moved_ns < PROBE_NS)
		return 0;
	stream->moved_ns = job_now();
	return 1;
}

/* Port @from sends, the other one receives. Return: frames that came. */
static unsigned int move(struct job *job, unsigned int from)
{
	struct stream *stream = &job->result->stream[from];
	struct burst burst = { stream, job->pool };
	struct rte_mbuf *frames[PORT_BURST];
	unsigned int n = allowed(stream, &job->port[!from]), came;
	uint64_t generation;

	if (n > 0)
		stream->sent += port_send(&job->port[from], n, stream_make, &burst);
	came = port_receive(&job->port[!from], frames, PORT_BURST, &generation);
	for (unsigned int i = 0; i < came; i++)
		stream_judge(stream, frames[i], generation);
	rte_pktmbuf_free_bulk(frames, came);
	return came;
}

static int move_both(void *arg)
{
	struct job *job = arg;

	while (!__atomic_load_n(&job->stop, __ATOMIC_ACQUIRE)) {
		unsigned int came = move(job, 0) + move(job, 1);

		if (came == 0)
			sched_yield();
		__atomic_fetch_add(&job->received, came, __ATOMIC_RELAXED);
	}
	return 0;
}

static uint64_t received(const struct job *job)
{
	return __atomic_load_n(&job->received, __ATOMIC_RELAXED);
}

static unsigned int resumes(const struct job *job)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < 2; i++)
		n += __atomic_load_n(&job->result->stream[i].resumes, __ATOMIC_ACQUIRE);
	return n;
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
		if (job_now() - (resumes(job) < resumed ? start : moved) > job->silent_ns)
			return false;
	}
	return true;
}

/* Each when the last one is back, both ways. By hand generations are not counted. */
static bool storm(struct job *job)
{
	struct job_result *result = job->result;
	unsigned int n = job->options->resets * 6 / 5;

	if (job->kind != JOB_ADOPTED && n > HAND_STRIKES)
		n = HAND_STRIKES;
	for (unsigned int i = 0; i < n; i++) {
		unsigned int before = resumes(job);
		int64_t start;

		if (!strike(job, i))
			return false;
		start = job_now();
		if (!await(job, received(job) + 4 * FLIGHT,
			   job->kind == JOB_ADOPTED ? before + 2 : 0))
			return false;
		if (result->backs < JOB_RESUMES)
			result->back_ns[result->backs++] = job_now() - start;
	}
	return true;
}

/* Calm, storm, and what is missing; it has to go on after the last reset. */
static bool phases(struct job *job)
{
	struct job_result *result = job->result;
	int64_t start;

	job->silent_ns = START_NS;
	if (!await(job, 2 * FLIGHT, 0))
		return false;
	job->silent_ns = job->options->silent_ns;
	result->started = true;
	start = job_now();
	result->calm_frames = received(job);
	if (!await(job, result->calm_frames + CALM_FRAMES, 0))
		return false;
	result->calm_frames = received(job) - result->calm_frames;
	result->calm_ns = job_now() - start;
	return storm(job) && await(job, job->options->frames, 0);
}

int job_run(struct job *job)
{
	unsigned int worker = rte_get_next_lcore(-1, 1, 0);
	int rc = 0;

	job->pool = port_pool();
	if (!job->pool || worker == RTE_MAX_LCORE)
		return -ENOMEM;
	for (unsigned int i = 0; i < 2 && rc == 0; i++) {
		job->result->stream[i].moved_ns = job_now();
		rc = port_open(&job->port[i], job->options->address[i], job->pool,
			       job->kind == JOB_ADOPTED);
	}
	if (rc == 0 && job->kind == JOB_HANDLER)
		rc = rte_dev_hotplug_handle_enable();
	if (rc == 0)
		rc = rte_eal_remote_launch(move_both, job, worker);
	if (rc < 0)
		return rc;
	job->result->flows = phases(job);
	__atomic_store_n(&job->stop, true, __ATOMIC_RELEASE);
	/* By hand it may hang; the child ends, and with it this lcore. */
	if (job->kind != JOB_ADOPTED)
		return 0;
	rte_eal_wait_lcore(worker);
	for (unsigned int i = 0; i < 2; i++)
		port_close(&job->port[i]);
	return 0;
}

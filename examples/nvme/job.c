/* SPDX-License-Identifier: MIT */
/*
 * job.c - the thread of the I/O: passes over all blocks, each written, flushed and read
 * back, as many as it takes until there were resets enough. Then every block is read once
 * more, undisturbed.
 */
#include <errno.h>
#include <sched.h>
#include <string.h>

#include "job.h"

#define WAIT_MS 60000

static uint64_t block_number(const struct nvme *nvme, const struct nvme_request *request,
			     unsigned int page)
{
	return request->first * nvme->block_len / NVME_PAGE + page;
}

/* What a read does not bring is not there by accident. */
static void prepare(const struct job *job, struct nvme_request *request)
{
	const struct nvme *nvme = &job->nvme;

	for (unsigned int i = 0; i < NVME_REQUEST_PAGES; i++)
		if (job->opcode == NVME_WRITE)
			block_fill(request->data + (uint64_t)i * NVME_PAGE,
				   job->options->seed, job->pass,
				   block_number(nvme, request, i));
		else
			memset(request->data + (uint64_t)i * NVME_PAGE, 0xee, NVME_PAGE);
}

static void offer(struct job *job)
{
	struct nvme *nvme = &job->nvme;
	struct nvme_request *request;

	while (job->next < job->count && (request = nvme_new_request(nvme))) {
		request->opcode = job->opcode;
		request->blocks = (uint16_t)(NVME_REQUEST_LEN / nvme->block_len);
		request->first = job->next++ * request->blocks;
		if (job->opcode != NVME_FLUSH)
			prepare(job, request);
		nvme_submit(request);
	}
}

static void check(struct job *job, const struct nvme_request *request)
{
	for (unsigned int i = 0; i < NVME_REQUEST_PAGES; i++) {
		enum verdict verdict =
			block_check(request->data + (uint64_t)i * NVME_PAGE,
				    job->options->seed, job->pass,
				    block_number(&job->nvme, request, i));

		job->result->checked++;
		job->result->lost += verdict == BLOCK_OLD;
		job->result->corrupt += verdict == BLOCK_CORRUPT;
	}
}

static void collect(struct job *job)
{
	struct nvme_request *request;

	while ((request = nvme_completed(&job->nvme))) {
		if (request->status)
			job->result->failed++;
		else if (request->opcode == NVME_READ)
			check(job, request);
		nvme_release(request);
		job->ended++;
	}
	job->result->commands = job->nvme.commands;
	job->result->retried = job->nvme.retried;
}

/* Is there progress? */
static int take_time(struct job *job, int rc, int64_t *last_ns)
{
	int64_t now = vfiosafe_deadline_in_ms(0), pause = now - *last_ns;

	if (job->strikes && pause > job->result->pause_ns)
		job->result->pause_ns = pause;
	if (rc > 0)
		*last_ns = now;
	else if (pause > job->options->stuck_ms * INT64_C(1000000))
		return job_fail(job, -ETIMEDOUT, "stuck: nothing came for %u s",
				job->options->stuck_ms / 1000);
	return 0;
}

static int run_phase(struct job *job)
{
	int64_t last_ns = vfiosafe_deadline_in_ms(0);
	int rc = 0, late;

	while (rc == 0 && job->ended < job->count) {
		offer(job);
		rc = nvme_poll(&job->nvme);
		collect(job);
		late = take_time(job, rc, &last_ns);
		rc = late < 0 ? late : job->turn(job, rc);
	}
	return rc;
}

/* One way over all blocks; with strikes or without, in the tables. */
static int phase(struct job *job, enum nvme_opcode opcode, bool struck)
{
	int64_t begin = vfiosafe_deadline_in_ms(0);
	uint64_t bytes = job->options->mib << 20;
	int rc;

	job->opcode = opcode;
	job->next = job->ended = 0;
	job->count = opcode == NVME_FLUSH ? 1 : bytes / NVME_REQUEST_LEN;
	rc = run_phase(job);
	if (rc == 0 && opcode != NVME_FLUSH) {
		job->result->bytes[struck][opcode == NVME_READ] += bytes;
		job->result->ns[struck][opcode == NVME_READ] +=
			vfiosafe_deadline_in_ms(0) - begin;
	}
	return rc;
}

static int pass(struct job *job, bool struck)
{
	int rc;

	job->pass++;
	rc = phase(job, NVME_WRITE, struck);
	if (rc == 0)
		rc = phase(job, NVME_FLUSH, struck);
	return rc < 0 ? rc : phase(job, NVME_READ, struck);
}

/* This thread does nothing else: it may sleep. */
static int turn(struct job *job, int rc)
{
	if (rc == 0 && job->options->polling)
		sched_yield();
	else if (rc == 0)
		nvme_sleep(&job->nvme, 50);
	if (rc >= 0)
		return 0;
	/* A window is open, or the device was lost: this recovers it, too. */
	if (rc == -EAGAIN || rc == -EIO || rc == -ESTALE)
		rc = vfiosafe_wait(job->dev, vfiosafe_deadline_in_ms(WAIT_MS));
	return rc < 0 ? job_fail(job, rc, "%s", vfiosafe_error_text()) : 0;
}

static int run_struck(struct job *job)
{
	bool reactor = job->options->reactor;
	int rc = reactor ? reactor_start(job) : strikes_start(job);

	if (rc < 0)
		return rc;
	do
		rc = pass(job, true);
	while (rc == 0 && job_strikes(job->result) < job->options->resets &&
	       !__atomic_load_n(&job->strikes_rc, __ATOMIC_RELAXED));
	if (reactor)
		reactor_stop(job);
	else
		strikes_stop(job);
	return rc < 0 ? rc : job->strikes_rc;
}

/* Every block, undisturbed. */
static int verify(struct job *job)
{
	uint64_t before;
	int rc;

	nvme_sleep(&job->nvme, 0);
	before = job->nvme.interrupts;
	rc = phase(job, NVME_READ, false);
	nvme_sleep(&job->nvme, 0);
	if (rc == 0 && job->nvme.interrupts == before)
		rc = job_fail(job, -EIO, "interrupts did not come back");
	return rc;
}

static int run(struct job *job)
{
	int rc = pass(job, false);

	if (rc == 0 && job->options->resets)
		rc = run_struck(job);
	job->turn = turn;
	return rc < 0 ? rc : verify(job);
}

static int start(struct job *job)
{
	int rc = nvme_open(&job->nvme, job->dev);

	if (rc < 0)
		return job_fail(job, rc, "the controller does not start: %s: %s",
				strerror(-rc), vfiosafe_error_text());
	job->nvme.drain_ms = job->options->drain_ms;
	memcpy(job->result->model, job->nvme.model, sizeof(job->nvme.model));
	if (job->options->mib << 20 > job->nvme.blocks * job->nvme.block_len)
		rc = job_fail(job, -ENOSPC, "the disk is smaller than that");
	return rc;
}

void job_run(const struct job_options *options, struct job_result *result)
{
	struct job job = { .options = options, .result = result, .turn = turn };
	int rc = job_device_open(&job);

	/* A program with a handler of its own calls vfiosafe_sigbus_handle() in it. */
	if (rc == 0)
		rc = vfiosafe_sigbus_install();
	if (rc == 0 || rc == -EALREADY)
		rc = start(&job);
	if (rc == 0)
		rc = run(&job);
	if (job.nvme.dev && nvme_close(&job.nvme) < 0)
		rc = job_fail(&job, -EIO, "close: %s", vfiosafe_error_text());
	job_device_close(&job);
	result->ended = rc == 0 && !result->why[0];
}

/* SPDX-License-Identifier: MIT */
/*
 * workers.c - two readers and a writer.
 *
 * A value is delivered by the return of 0 of a read, or of the end of its section. It
 * is wrong if its register did not hold it in the generation of the view.
 */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "rig.h"

#define SECTION_LOOKS 4
#define TURN 64

static bool is_set(const bool *flag)
{
	return __atomic_load_n(flag, __ATOMIC_ACQUIRE);
}

static void judge(struct worker *worker, const struct truth *truth, unsigned int i,
		  uint32_t value)
{
	if (value != truth->reg[i].value)
		__atomic_fetch_add(&worker->wrong, 1, __ATOMIC_RELAXED);
}

/* A section keeps the rig's truth and the view in one generation. */
static int renew(struct worker *worker)
{
	struct rig *rig = worker->rig;
	struct vfiosafe_section sec;
	int rc = vfiosafe_bar_view(rig->bar, &worker->view);

	if (rc == 0)
		rc = vfiosafe_begin(&worker->view, &sec);
	if (rc < 0)
		return rc;
	worker->truth = rig->truth;
	return vfiosafe_end(&sec);
}

/* The first reader: one guarded load after the other, with a view of its own. */
static int read_singly(struct worker *worker, uint64_t n)
{
	const struct truth *truth = &worker->truth;
	unsigned int i;
	uint32_t value;
	int rc = truth->count ? 0 : renew(worker);

	if (rc < 0)
		return rc;
	i = (unsigned int)(n % truth->singles);
	rc = vfiosafe_read32(&worker->view, truth->reg[i].offset, &value);
	if (rc == 0)
		judge(worker, truth, i, value);
	if (rc == -ESTALE)
		return renew(worker);
	return rc < 0 ? rc : 1;
}

/* Plain loads all the while; nothing of it counts before the section's end. */
static int keep_open(struct worker *worker)
{
	struct rig *rig = worker->rig;
	struct vfiosafe_section sec;
	int rc = vfiosafe_begin(&rig->regs, &sec);

	if (rc < 0)
		return rc;
	__atomic_store_n(&rig->holding, true, __ATOMIC_RELEASE);
	while (is_set(&rig->hold))
		(void)card_load32(vfiosafe_ptr(&sec), rig->truth.reg[0].offset);
	__atomic_store_n(&rig->holding, false, __ATOMIC_RELEASE);
	return vfiosafe_end(&sec);
}

/* The second: sections with plain loads, and the rig's view. */
static int read_in_section(struct worker *worker, uint64_t n)
{
	struct rig *rig = worker->rig;
	uint32_t value[SECTION_LOOKS][TRUTH_MAX];
	struct vfiosafe_section sec;
	struct truth truth;
	int rc;

	(void)n;
	if (is_set(&rig->hold))
		return keep_open(worker);
	rc = vfiosafe_begin(&rig->regs, &sec);
	if (rc < 0)
		return rc;
	truth = rig->truth;
	for (unsigned int look = 0; look < SECTION_LOOKS; look++)
		for (unsigned int i = 0; i < truth.count; i++)
			value[look][i] =
				card_load32(vfiosafe_ptr(&sec), truth.reg[i].offset);
	rc = card_end(rig, &sec);
	if (rc < 0)
		return rc;
	for (unsigned int look = 0; look < SECTION_LOOKS; look++)
		for (unsigned int i = 0; i < truth.count; i++)
			judge(worker, &truth, i, value[look][i]);
	return 1;
}

static int write_once(struct worker *worker, uint64_t n)
{
	return worker->rig->card->write(worker, n);
}

static void complain(struct worker *worker, const char *what, int rc)
{
	if (worker->complained)
		return;
	snprintf(worker->complaint, sizeof(worker->complaint), "%s: %s: %s", what,
		 strerror(-rc), vfiosafe_error_text());
	__atomic_store_n(&worker->complained, true, __ATOMIC_RELEASE);
}

/* Recovery, and a close, are the business of the thread that makes the causes. */
static void after_refusal(struct worker *worker, int rc)
{
	if (rc == -ESTALE)
		return;
	if (rc != -EAGAIN && rc != -EIO && rc != -ENODEV)
		return complain(worker, "access", rc);
	rc = vfiosafe_wait(worker->rig->dev, vfiosafe_deadline_in_ms(PATIENCE_MS));
	if (rc == -EIO || rc == -EBUSY || rc == -ENODEV)
		take_a_breath();
	else if (rc < 0)
		complain(worker, "wait", rc);
}

static void *work(void *arg)
{
	struct worker *worker = arg;
	int rc;

	for (uint64_t n = 0; !is_set(&worker->rig->stop); n++) {
		rc = worker->step(worker, n);
		if (rc < 0)
			after_refusal(worker, rc);
		else
			__atomic_fetch_add(&worker->good, (uint64_t)rc, __ATOMIC_RELEASE);
		/* The others may be waiting for one of two processors. */
		if (n % TURN == 0)
			sched_yield();
	}
	return NULL;
}

int workers_start(struct rig *rig)
{
	static int (*const steps[WORKERS])(struct worker *, uint64_t) = {
		read_singly, read_in_section, write_once
	};
	int rc = 0;

	rig->stop = rig->hold = rig->holding = false;
	for (int i = 0; i < WORKERS && rc == 0; i++) {
		struct worker *worker = &rig->worker[i];

		*worker = (struct worker){ .rig = rig, .step = steps[i],
					   .wrong = worker->wrong };
		rc = -pthread_create(&worker->thread, NULL, work, worker);
		worker->runs = rc == 0;
	}
	return rc;
}

void workers_stop(struct rig *rig)
{
	__atomic_store_n(&rig->stop, true, __ATOMIC_RELEASE);
	for (int i = 0; i < WORKERS; i++) {
		if (rig->worker[i].runs)
			pthread_join(rig->worker[i].thread, NULL);
		rig->worker[i].runs = false;
	}
}

uint64_t workers_wrong(const struct rig *rig)
{
	uint64_t sum = 0;

	for (int i = 0; i < WORKERS; i++)
		sum += __atomic_load_n(&rig->worker[i].wrong, __ATOMIC_RELAXED);
	return sum;
}

const char *workers_complaint(const struct rig *rig)
{
	for (int i = 0; i < WORKERS; i++)
		if (is_set(&rig->worker[i].complained))
			return rig->worker[i].complaint;
	return NULL;
}

static uint64_t good(const struct worker *worker)
{
	return __atomic_load_n(&worker->good, __ATOMIC_ACQUIRE);
}

/* Two more than there were: the first may have begun earlier. */
int workers_await(struct rig *rig, int count)
{
	int64_t deadline = vfiosafe_deadline_in_ms(PATIENCE_MS);
	uint64_t before[WORKERS];

	for (int i = 0; i < count; i++)
		before[i] = good(&rig->worker[i]);
	for (int i = 0; i < count; i++)
		while (good(&rig->worker[i]) < before[i] + 2) {
			if (workers_complaint(rig))
				return -EPROTO;
			if (now_ns() > deadline)
				return -ETIMEDOUT;
			take_a_breath();
		}
	return 0;
}

int workers_hold(struct rig *rig)
{
	int64_t deadline = vfiosafe_deadline_in_ms(PATIENCE_MS);

	__atomic_store_n(&rig->hold, true, __ATOMIC_RELEASE);
	while (!is_set(&rig->holding)) {
		if (now_ns() > deadline)
			return -ETIMEDOUT;
		take_a_breath();
	}
	return 0;
}

void workers_let_go(struct rig *rig)
{
	__atomic_store_n(&rig->hold, false, __ATOMIC_RELEASE);
}

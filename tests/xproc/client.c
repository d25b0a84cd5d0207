/* SPDX-License-Identifier: MIT */
/* A client: reads what must be of its generation, stores what must arrive in it. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "xproc.h"

struct client {
	struct board *board;
	struct tally *tally;
	unsigned int place;
	struct vfiosafe_device *dev;
	struct vfiosafe_bar *bar;
	const struct model *model;
	uint64_t rounds;
};

struct worker {
	struct client *client;
	unsigned int number;
	pthread_t thread;
};

static void count(uint64_t *at)
{
	__atomic_fetch_add(at, 1, __ATOMIC_RELAXED);
}

static void failure(struct client *c, const char *what, int rc)
{
	snprintf(c->tally->what, sizeof(c->tally->what), "%s: %d: %.90s", what, rc,
		 vfiosafe_error_text());
	count(&c->tally->failures);
}

/* The owner said so, for this point. */
static void maybe_die(struct client *c, enum death where)
{
	if (__atomic_load_n(&c->tally->die, __ATOMIC_RELAXED) == (uint64_t)where)
		raise(SIGKILL);
}

static int quiesce(struct vfiosafe_device *dev, void *ctx)
{
	(void)dev;
	maybe_die(ctx, DIE_IN_QUIESCE);
	return 0;
}

static int reinit(struct vfiosafe_device *dev, void *ctx)
{
	struct vfiosafe_view view;
	struct client *c = ctx;
	int rc = vfiosafe_bar_view(c->bar, &view);

	(void)dev;
	maybe_die(c, DIE_IN_REINIT);
	if (rc == 0)
		count(&c->tally->reinits);
	return rc;
}

/* What an access may say while others reset the device. */
static void refused(struct client *c, const char *what, int rc)
{
	count(&c->tally->refused);
	if (rc == -ETIMEDOUT)
		count(&c->tally->late);
	else if (rc != -EAGAIN && rc != -ESTALE && rc != -EIO && rc != -EOWNERDEAD && rc != -ENODEV)
		failure(c, what, rc);
}

static int read_mark(struct client *c, uint64_t generation, const struct vfiosafe_view *view)
{
	uint32_t value;
	int rc = vfiosafe_read32(view, c->model->hold, &value);

	if (rc < 0)
		return rc;
	count(&c->tally->reads);
	if (value != mark(generation)) {
		snprintf(c->tally->what, sizeof(c->tally->what),
			 "read 0x%x in generation %llu", value,
			 (unsigned long long)generation);
		count(&c->tally->wrong);
	}
	return 0;
}

/* The simulated device judges stores itself: it counts its resets from 0. */
static int store_log(struct client *c, const struct worker *w, uint64_t generation,
		     const struct vfiosafe_view *view)
{
	uint64_t slot = c->place * THREADS + w->number;

	return vfiosafe_write64(view, c->model->store + slot * 8,
				(generation - 1) << 32 | (slot + 1));
}

static int store_mark(struct client *c, const struct worker *w, uint64_t generation,
		      const struct vfiosafe_view *view)
{
	int rc = c->model->log ? store_log(c, w, generation, view)
			       : vfiosafe_write32(view, c->model->store,
						  store_value(c->model, generation));

	if (rc == 0)
		count(&c->tally->stores);
	return rc;
}

/* Killed with a section open, where the device can be reached by pointers. */
static void die_in_section(struct client *c, const struct vfiosafe_view *view)
{
	struct vfiosafe_section sec;

	if (vfiosafe_begin(view, &sec) < 0)
		return;
	maybe_die(c, DIE_IN_SECTION);
	if (vfiosafe_end(&sec) < 0)
		count(&c->tally->refused);
}

/* A copy of the view and its generation, both of one: read in a section of it. */
static int snapshot(struct client *c, struct vfiosafe_view *view, uint64_t *generation)
{
	int rc = vfiosafe_bar_view(c->bar, view);

	/* generation << 8 | state: view.h says not to look; a test may. */
	*generation = (view->device_value & ~(UINT64_C(1) << 63)) >> 8;
	return rc;
}

static void burst(const struct worker *w)
{
	struct client *c = w->client;
	struct vfiosafe_view view;
	uint64_t generation;
	int rc = snapshot(c, &view, &generation);

	for (int i = 0; i < 20 && rc == 0; i++) {
		rc = read_mark(c, generation, &view);
		if (rc == 0 && i % 4 == 0)
			rc = store_mark(c, w, generation, &view);
	}
	if (rc == 0)
		die_in_section(c, &view);
	if (rc < 0)
		refused(c, "an access", rc);
}

/* May be refused: too often, or somebody is in the way. */
static void ask_for_reset(struct client *c)
{
	const struct vfiosafe_reset_opts opts = { .size = sizeof(opts), .timeout_ms = 5000 };
	int rc;

	maybe_die(c, DIE_ASKING);
	count(&c->tally->asked);
	rc = vfiosafe_reset(c->dev, &opts);
	if (rc == 0)
		count(&c->tally->granted);
	else if (rc != -EBUSY && rc != -ETIMEDOUT && rc != -ECANCELED && rc != -EOWNERDEAD &&
		 rc != -ENODEV)
		failure(c, "a reset", rc);
}

static void *work(void *arg)
{
	const struct timespec pause = { 0, 1000000 };
	const struct worker *w = arg;
	struct client *c = w->client;

	while (!__atomic_load_n(&c->board->stop, __ATOMIC_RELAXED)) {
		burst(w);
		if (vfiosafe_device_state(c->dev) == VFIOSAFE_GONE)
			break;
		if (w->number == 0 && c->place % 4 == 1 && ++c->rounds % 200 == 0)
			ask_for_reset(c);
		/* A load as drivers make it; it orders nothing. */
		nanosleep(&pause, NULL);
	}
	return NULL;
}

static int join(struct client *c, int socket)
{
	static const struct vfiosafe_driver_ops ops = { .size = sizeof(ops),
							 .quiesce = quiesce,
							 .reinit = reinit };
	char name[32];
	const struct vfiosafe_join_opts opts = { .size = sizeof(opts),
						 .name = name,
						 .timeout_ms = 60000 };
	int rc;

	snprintf(name, sizeof(name), "client %u", c->place);
	rc = vfiosafe_join(&c->dev, socket, &opts);
	if (rc == 0)
		rc = vfiosafe_wait(c->dev, vfiosafe_deadline_in_ms(60000));
	if (rc == 0)
		rc = vfiosafe_bar_map(&c->bar, c->dev, 0, 0, 0, 0);
	if (rc == 0)
		rc = vfiosafe_device_set_driver(c->dev, &ops, c);
	return rc == 0 ? vfiosafe_agent_start(c->dev) : rc;
}

int client_main(int socket, struct board *board, unsigned int place,
		const struct model *model)
{
	struct client c = { .board = board,
			    .tally = &board->tally[place],
			    .place = place,
			    .model = model };
	struct worker worker[THREADS];
	int rc = join(&c, socket);

	if (rc < 0) {
		/* Its owner may have ended meanwhile. */
		if (rc != -EOWNERDEAD)
			failure(&c, "join", rc);
		return 1;
	}
	count(&c.tally->joined);
	for (unsigned int i = 0; i < THREADS; i++) {
		worker[i] = (struct worker){ .client = &c, .number = i };
		if (pthread_create(&worker[i].thread, NULL, work, &worker[i]) != 0)
			return 1;
	}
	for (unsigned int i = 0; i < THREADS; i++)
		pthread_join(worker[i].thread, NULL);
	rc = vfiosafe_device_close(c.dev, 5000);
	if (rc < 0)
		failure(&c, "close", rc);
	count(&c.tally->left);
	return rc < 0;
}

/* SPDX-License-Identifier: MIT */
/* A client: reads what must be of its generation, stores what must arrive in it. */
#include <errno.h>
#include <pthread.h>
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
	struct vfiosafe_view view; /* renewed by reinit */
	uint64_t generation;	   /* likewise */
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

static int reinit(struct vfiosafe_device *dev, void *ctx)
{
	struct client *c = ctx;
	int rc = vfiosafe_bar_view(c->bar, &c->view);

	if (rc < 0)
		return rc;
	__atomic_store_n(&c->generation, vfiosafe_device_generation(dev), __ATOMIC_RELAXED);
	count(&c->tally->reinits);
	return 0;
}

/* What an access may say while others reset the device. */
static void refused(struct client *c, const char *what, int rc)
{
	count(&c->tally->refused);
	if (rc != -EAGAIN && rc != -ESTALE && rc != -EIO && rc != -EOWNERDEAD && rc != -ENODEV)
		failure(c, what, rc);
}

static int read_mark(struct client *c, uint64_t generation, const struct vfiosafe_view *view)
{
	uint32_t value;
	int rc = vfiosafe_read32(view, VFIOSAFE_SIM_REG_HOLD, &value);

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

/* The device counts its resets from 0, generations from 1. */
static int store_tag(struct client *c, const struct worker *w, uint64_t generation,
		     const struct vfiosafe_view *view)
{
	uint64_t slot = c->place * THREADS + w->number;
	int rc = vfiosafe_write64(view, VFIOSAFE_SIM_REG_LOG + slot * 8,
				  (generation - 1) << 32 | (slot + 1));

	if (rc == 0)
		count(&c->tally->stores);
	return rc;
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
			rc = store_tag(c, w, generation, &view);
	}
	if (rc < 0)
		refused(c, "an access", rc);
}

static void *work(void *arg)
{
	const struct timespec pause = { 0, 1000000 };
	const struct worker *w = arg;
	struct client *c = w->client;

	while (!__atomic_load_n(&c->board->stop, __ATOMIC_RELAXED)) {
		enum vfiosafe_state state;

		burst(w);
		state = vfiosafe_device_state(c->dev);
		if (state == VFIOSAFE_GONE)
			break;
		/* A load as drivers make it; it orders nothing. */
		nanosleep(&pause, NULL);
	}
	return NULL;
}

static int join(struct client *c, int socket)
{
	static const struct vfiosafe_driver_ops ops = { .size = sizeof(ops), .reinit = reinit };
	char name[32];
	const struct vfiosafe_join_opts opts = { .size = sizeof(opts),
						 .name = name,
						 .timeout_ms = 60000 };
	int rc;

	snprintf(name, sizeof(name), "client %u", c->place);
	rc = vfiosafe_join(&c->dev, socket, &opts);
	if (rc == 0)
		rc = vfiosafe_bar_map(&c->bar, c->dev, 0, 0, 0, 0);
	if (rc == 0)
		rc = vfiosafe_device_set_driver(c->dev, &ops, c);
	return rc == 0 ? vfiosafe_agent_start(c->dev) : rc;
}

int client_main(int socket, struct board *board, unsigned int place)
{
	struct client c = { .board = board, .tally = &board->tally[place], .place = place };
	struct worker worker[THREADS];
	int rc = join(&c, socket);

	if (rc < 0) {
		/* Its owner may have ended meanwhile. */
		if (rc != -EOWNERDEAD)
			failure(&c, "join", rc);
		return 1;
	}
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
	return rc < 0;
}

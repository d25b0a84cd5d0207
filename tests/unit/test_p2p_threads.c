/* SPDX-License-Identifier: MIT */
/*
 * Two devices that import from each other, reset, parked and mapped anew by threads
 * that know nothing of each other. An engine of each does DMA whenever its driver lets
 * it: what it goes to is always there.
 */
#include <pthread.h>

#include "p2p_rig.h"
#include "unit_thread.h"

#define ROUNDS 600

struct side {
	struct fake_function *fn;
	struct vfiosafe_device *dev;
	struct vfiosafe_bar *bar;
	struct vfiosafe_dmabuf *buf;
	struct vfiosafe_p2p *map; /* of the other one's buffer */
	uint64_t iova;

	pthread_mutex_t lock;
	bool runs; /* the engine may go to @iova */
	unsigned int starts, stops, bad;
};

static struct side side[2];
static bool over;

static int set_runs(struct side *s, bool runs)
{
	pthread_mutex_lock(&s->lock);
	s->runs = runs;
	pthread_mutex_unlock(&s->lock);
	return 0;
}

static int quiesce(struct vfiosafe_device *dev, void *ctx)
{
	(void)dev;
	return set_runs(ctx, false);
}

static int nothing(struct vfiosafe_device *dev, void *ctx)
{
	(void)dev;
	(void)ctx;
	return 0;
}

/* The second map has no engine: it only comes and goes. */
static int p2p_stop(struct vfiosafe_device *dev, void *ctx, struct vfiosafe_p2p *map)
{
	struct side *s = ctx;

	(void)dev;
	if (map != s->map)
		return 0;
	s->stops++;
	return set_runs(s, false);
}

static int p2p_start(struct vfiosafe_device *dev, void *ctx, struct vfiosafe_p2p *map)
{
	struct side *s = ctx;

	(void)dev;
	if (map != s->map)
		return 0;
	/* Twice would be once too often. */
	s->bad += s->runs;
	s->starts++;
	return set_runs(s, true);
}

static const struct vfiosafe_driver_ops ops = {
	.size = sizeof(ops),
	.quiesce = quiesce,
	.resume = nothing,
	.reinit = nothing,
	.p2p_stop = p2p_stop,
	.p2p_start = p2p_start,
};

static void open_side(struct side *s, const char *address)
{
	const struct vfiosafe_area page = { 0, PAGE };

	pthread_mutex_init(&s->lock, NULL);
	assert_ok(vfiosafe_device_open(&s->dev, address, &bench.opts));
	assert_ok(vfiosafe_bar_map(&s->bar, s->dev, 0, 0, 0, 0));
	assert_ok(vfiosafe_dmabuf_export(&s->buf, s->bar, &page, 1, 0));
	assert_ok(vfiosafe_device_set_driver(s->dev, &ops, s));
}

/* Every system call is a place where others go on. */
static void yield(struct fake *fake, enum fake_call call, uint64_t key)
{
	(void)fake;
	(void)call;
	(void)key;
	sched_yield();
}

static int setup(void **state)
{
	enum vfiosafe_door door = (enum vfiosafe_door)(uintptr_t)*state;

	memset(side, 0, sizeof(side));
	over = false;
	bench_setup(state);
	bench.k.real_clock = true;
	bench.k.hook = yield;
	bench.opts.door = door;
	side[0].fn = bench.fn;
	side[1].fn = fake_add(&bench.k, IMPORTER, 8, 4);
	open_side(&side[0], ADDRESS);
	open_side(&side[1], IMPORTER);
	for (int i = 0; i < 2; i++) {
		assert_ok(vfiosafe_p2p_map(&side[i].map, side[i].dev, side[1 - i].buf, NULL,
					   &side[i].iova));
		side[i].runs = true;
	}
	return 0;
}

static int teardown(void **state)
{
	for (int i = 0; i < 2; i++)
		assert_ok(vfiosafe_device_close(side[i].dev, 1000));
	return bench_teardown(state);
}

/* A window may be called off: the other one was not done with its own in time. */
static int reset_rounds(struct side *s)
{
	int rc = 0;

	for (int i = 0; i < ROUNDS && rc == 0; i++) {
		rc = vfiosafe_reset(s->dev, NULL);
		rc = rc == -EBUSY ? 0 : rc;
	}
	return rc;
}

static int reset_first(void)
{
	return reset_rounds(&side[0]);
}

static int reset_second(void)
{
	return reset_rounds(&side[1]);
}

/* Or a reset took it over. */
static int park_second(void)
{
	for (int i = 0; i < ROUNDS; i++) {
		int rc = vfiosafe_set_decode(side[1].dev, false, NULL);

		if (rc == 0)
			rc = vfiosafe_set_decode(side[1].dev, true, NULL);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int map_and_unmap(void)
{
	struct vfiosafe_p2p *map = NULL;
	uint64_t iova;
	int rc = 0;

	for (int i = 0; i < ROUNDS && rc == 0; i++) {
		rc = vfiosafe_p2p_map(&map, side[1].dev, side[0].buf, NULL, &iova);
		if (rc == 0)
			rc = vfiosafe_p2p_unmap(map);
		else if (rc == -EAGAIN)
			rc = vfiosafe_wait(side[0].dev, VFIOSAFE_FOREVER);
	}
	return rc;
}

static int engine(struct side *s)
{
	do {
		pthread_mutex_lock(&s->lock);
		if (s->runs && !fake_dma_works(&bench.k, s->fn, s->iova))
			s->bad++;
		pthread_mutex_unlock(&s->lock);
		sched_yield();
	} while (!__atomic_load_n(&over, __ATOMIC_ACQUIRE));
	return 0;
}

static int first_engine(void)
{
	return engine(&side[0]);
}

static int second_engine(void)
{
	return engine(&side[1]);
}

static void what_an_engine_goes_to_is_there(void **state)
{
	struct runner worker[4], engines[2];
	int (*work[4])(void) = { reset_first, reset_second, park_second, map_and_unmap };

	(void)state;
	run_beside(&engines[0], first_engine);
	run_beside(&engines[1], second_engine);
	for (int i = 0; i < 4; i++)
		run_beside(&worker[i], work[i]);
	for (int i = 0; i < 4; i++)
		assert_ok(run_ended(&worker[i]));
	__atomic_store_n(&over, true, __ATOMIC_RELEASE);
	assert_ok(run_ended(&engines[0]));
	assert_ok(run_ended(&engines[1]));
	for (int i = 0; i < 2; i++) {
		print_message("%u starts, %u stops\n", side[i].starts, side[i].stops);
		assert_int_equal(side[i].bad, 0);
		assert_true(side[i].starts > 0);
		assert_int_equal(vfiosafe_device_state(side[i].dev), VFIOSAFE_LIVE);
		assert_int_equal(vfiosafe_p2p_state(side[i].map), VFIOSAFE_P2P_MAPPED);
		/* Nobody forgot the last start. */
		assert_true(side[i].runs);
	}
	assert_int_equal(bench.k.cut, 0);
	assert_int_equal(fake_dmas(&bench.k), 2);
}

/* Each closes one; the other one's map or handle dies, or is gone with it. */
static int close_side(struct side *s)
{
	int rc;

	do
		rc = vfiosafe_device_close(s->dev, 1000);
	while (rc == -EBUSY);
	return rc;
}

static int close_first(void)
{
	return close_side(&side[0]);
}

static int close_second(void)
{
	return close_side(&side[1]);
}

static int reopen(void **state, enum vfiosafe_door door)
{
	*state = (void *)(uintptr_t)door;
	return setup(state);
}

static void both_are_closed_at_once(void **state)
{
	enum vfiosafe_door door = bench.opts.door;
	struct runner first, second;

	for (int i = 0; i < 40; i++) {
		run_beside(&first, close_first);
		run_beside(&second, close_second);
		assert_ok(run_ended(&first));
		assert_ok(run_ended(&second));
		assert_int_equal(fake_dmas(&bench.k), 0);
		assert_int_equal(side[0].bad + side[1].bad, 0);
		*state = &bench;
		assert_ok(bench_teardown(state));
		assert_ok(reopen(state, door));
	}
	*state = &bench;
}

#define THREADS(test, suffix, door)                                                      \
	{                                                                                \
		.name = #test suffix, .test_func = test, .setup_func = setup,            \
		.teardown_func = teardown, .initial_state = (void *)(uintptr_t)(door)    \
	}
#define BOTH(test)                                                                       \
	THREADS(test, " (cdev)", VFIOSAFE_DOOR_CDEV),                                    \
		THREADS(test, " (group)", VFIOSAFE_DOOR_GROUP)

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(what_an_engine_goes_to_is_there),
		BOTH(both_are_closed_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

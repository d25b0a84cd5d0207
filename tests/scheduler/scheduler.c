/* SPDX-License-Identifier: MIT */
/*
 * Steps chosen by chance, one thread at a time, on the simulated device: a million of
 * them, and none may break a promise. A seed that did is played again by --seed.
 *
 *      scheduler [--seed N] [--steps N] [--trace FROM]
 *
 * From step FROM on each step is printed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "world.h"

static const struct op *const rooms[] = { access_ops, window_ops, away_ops, watch_ops,
					 p2p_ops };
static const unsigned int room_weight[] = { 50, 22, 8, 10, 10 };

static const struct op *pick_op(struct world *world)
{
	uint64_t n = pick(world, 100);
	const struct op *op = rooms[0], *first;
	unsigned int total = 0;

	for (size_t i = 0; i < sizeof(rooms) / sizeof(rooms[0]); i++) {
		op = rooms[i];
		if (n < room_weight[i])
			break;
		n -= room_weight[i];
	}
	first = op;
	for (; op->name; op++)
		total += op->weight;
	n = pick(world, total);
	for (op = first; n >= op->weight; op++)
		n -= op->weight;
	return op;
}

struct step {
	const struct op *op;
	struct worker *worker;
};

static void run(void *arg)
{
	const struct step *step = arg;

	step->op->run(step->worker);
}

static void one_step(struct world *world)
{
	struct step step = { .op = pick_op(world) };

	world->who = (unsigned int)pick(world, WORKERS);
	world->op = step.op->name;
	world->rc = 0;
	world->foreign_reset = world->may_cut_power = world->forced = false;
	step.worker = &world->worker[world->who];
	baton_pass(&step.worker->baton, run, &step);
	if (world->steps >= world->trace)
		printf("%llu: worker %u %s: %d; %s, generation %llu, %u open\n",
		       (unsigned long long)world->steps, world->who, world->op, world->rc,
		       vfiosafe_state_name(vfiosafe_device_state(world->dev)),
		       (unsigned long long)vfiosafe_device_generation(world->dev),
		       open_sections(world));
	oracle_step(world);
	/* Time passes between steps. */
	world->now += (int64_t)pick(world, 200000);
}

static uint64_t number(const char *name, const char *text)
{
	char *end;
	uint64_t n = strtoull(text, &end, 10);

	if (*end || end == text) {
		fprintf(stderr, "%s %s is no number\n", name, text);
		exit(2);
	}
	return n;
}

int main(int argc, char **argv)
{
	static struct world world;
	uint64_t seed = (uint64_t)time(NULL), steps = 1000000, trace = UINT64_MAX;

	for (int i = 1; i + 1 < argc; i += 2) {
		if (strcmp(argv[i], "--seed") == 0)
			seed = number(argv[i], argv[i + 1]);
		else if (strcmp(argv[i], "--steps") == 0)
			steps = number(argv[i], argv[i + 1]);
		else if (strcmp(argv[i], "--trace") == 0)
			trace = number(argv[i], argv[i + 1]);
		else
			return 2;
	}
	setlinebuf(stdout);
	printf("seed %llu, %llu steps\n", (unsigned long long)seed,
	       (unsigned long long)steps);
	if (vfiosafe_sigbus_install() < 0)
		return 1;
	world_open(&world, seed);
	world.trace = trace;
	for (; world.steps < steps; world.steps++)
		one_step(&world);
	printf("no violation; %llu windows, %llu timed out, %llu parked, %llu faults, "
	       "%llu losses noticed by a probe, %llu events, %llu devices, %llu P2P maps, "
	       "%llu transfers through them\n",
	       (unsigned long long)world.windows, (unsigned long long)world.timeouts,
	       (unsigned long long)world.parks, (unsigned long long)world.faults,
	       (unsigned long long)world.noticed, (unsigned long long)world.events,
	       (unsigned long long)world.devices, (unsigned long long)world.maps,
	       (unsigned long long)world.transfers);
	world_close(&world);
	return 0;
}

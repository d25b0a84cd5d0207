/* SPDX-License-Identifier: MIT */
/*
 * bench-count WHAT N: does one thing N times, for an instruction counter.
 *
 * Run under `valgrind --tool=callgrind --toggle-collect=FUNCTION` with N and 2N: the
 * difference, divided by N, is what FUNCTION executes in the normal case, exactly
 * and on any machine. bench-count list: what there is, with its functions.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "case.h"
#include "vote.h"

static void one_read(struct bench_rig *rig, uint64_t n)
{
	bench_case_guard.read(rig, n);
}

static void one_write(struct bench_rig *rig, uint64_t n)
{
	bench_case_guard.write(rig, n);
}

static void one_pair(struct bench_rig *rig, uint64_t n)
{
	bench_case_guard.section(rig, n, 1);
}

static void memb_read(struct bench_rig *rig, uint64_t n)
{
	bench_case_memb_call.thread_begin();
	bench_case_memb_inside.read(rig, n);
	bench_case_memb_call.thread_end();
}

static void bp_read(struct bench_rig *rig, uint64_t n)
{
	bench_case_bp_inside.read(rig, n);
}

static void qsbr_read(struct bench_rig *rig, uint64_t n)
{
	bench_case_qsbr_call.thread_begin();
	bench_case_qsbr_inside.read(rig, n);
	bench_case_qsbr_call.thread_end();
}

static void window_of_32(struct bench_rig *rig, uint64_t n)
{
	(void)rig;
	bench_vote(32, n);
}

static void window_of_256(struct bench_rig *rig, uint64_t n)
{
	(void)rig;
	bench_vote(256, n);
}

static const struct {
	const char *name;
	void (*run)(struct bench_rig *rig, uint64_t n);
	const char *functions;
} things[] = {
	{ "read32", one_read, "vfiosafe_read32" },
	{ "write32", one_write, "vfiosafe_write32" },
	{ "begin and end", one_pair, "vfiosafe_begin vfiosafe_end" },
	{ "read32 on urcu memb", memb_read, "inside_memb_read32" },
	{ "read32 on urcu bp", bp_read, "inside_bp_read32" },
	{ "read32 on urcu qsbr", qsbr_read, "inside_qsbr_read32" },
	{ "window, each of 32 clients", window_of_32, BENCH_VOTE_COUNTED },
	{ "window, each of 256 clients", window_of_256, BENCH_VOTE_COUNTED },
};
#define THINGS (sizeof(things) / sizeof(things[0]))

static int list(void)
{
	for (size_t i = 0; i < THINGS; i++)
		printf("%s\t%s\n", things[i].name, things[i].functions);
	return 0;
}

int main(int argc, char **argv)
{
	struct bench_rig rig;

	if (argc == 2 && strcmp(argv[1], "list") == 0)
		return list();
	if (argc == 3 && strcmp(argv[1], "clients") == 0)
		return bench_vote_main((unsigned int)strtoul(argv[2], NULL, 10));
	for (size_t i = 0; argc == 3 && i < THINGS; i++) {
		if (strcmp(argv[1], things[i].name) != 0)
			continue;
		bench_rig_open(&rig);
		things[i].run(&rig, strtoull(argv[2], NULL, 10));
		bench_rig_close(&rig);
		return 0;
	}
	bench_die("usage: bench-count list | bench-count WHAT N");
}

/* SPDX-License-Identifier: MIT */
/* synchronize_rcu() of one liburcu flavour; the thread that waits is no reader. */
#include "case.h"
#include "domain.h"
#include "flavour.h"

static void urcu_section(struct bench_rig *rig)
{
	flavour_enter();
	for (int i = 0; i < DOMAIN_SECTION_READS; i++)
		bench_use(*rig->reg);
	flavour_leave();
}

static int64_t urcu_drain(struct bench_rig *rig)
{
	int64_t start = bench_now_ns();

	(void)rig;
	flavour_synchronize();
	return bench_now_ns() - start;
}

const struct bench_domain FLAVOUR_ID(bench_domain_, ) = {
	.name = "urcu " FLAVOUR_NAME,
	.thread_begin = flavour_thread_begin,
	.thread_end = flavour_thread_end,
	.rest = flavour_rest,
	.wake = flavour_wake,
	.section = urcu_section,
	.drain = urcu_drain,
};

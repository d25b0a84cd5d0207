/* SPDX-License-Identifier: MIT */
/* The drain of the library: a window up to the point where it may commit. */
#include <errno.h>
#include <sched.h>

#include "case.h"
#include "domain.h"

static void nothing(void)
{
}

/* While a window is open the device refuses: the reader just tries again. */
static void guard_section(struct bench_rig *rig)
{
	const volatile uint8_t *base;
	struct vfiosafe_section sec;

	if (vfiosafe_begin(&rig->view, &sec) < 0)
		return;
	base = vfiosafe_ptr(&sec);
	for (int i = 0; i < DOMAIN_SECTION_READS; i++)
		bench_use(*(const volatile uint32_t *)(base + BENCH_REG));
	if (vfiosafe_end(&sec) < 0)
		bench_die("end: %s", vfiosafe_error_text());
}

/* Ended before it commits, the window is called off: nothing is reset. */
static int64_t guard_drain(struct bench_rig *rig)
{
	struct vfiosafe_window *win;
	int64_t start = bench_now_ns();
	int64_t took;
	int rc = vfiosafe_window_begin(&win, rig->dev, NULL);

	if (rc < 0)
		bench_die("window: %s", vfiosafe_error_text());
	/* As vfiosafe_reset() does it. */
	while ((rc = vfiosafe_window_poll(win)) == -EAGAIN)
		sched_yield();
	took = bench_now_ns() - start;
	if (rc != VFIOSAFE_STEP_COMMIT)
		bench_die("drain: %s", vfiosafe_error_text());
	vfiosafe_window_end(win);
	return took;
}

const struct bench_domain bench_domain_guard = {
	.name = "vfiosafe",
	.thread_begin = nothing,
	.thread_end = nothing,
	.rest = nothing,
	.wake = nothing,
	.section = guard_section,
	.drain = guard_drain,
};

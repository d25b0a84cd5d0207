/* SPDX-License-Identifier: MIT */
/*
 * fault_rig.h - a simulated device whose BAR can be taken away, and its driver.
 *
 * cmocka puts its own SIGBUS handler in place before each test: a test installs
 * what it needs itself.
 */
#ifndef FAULT_RIG_H
#define FAULT_RIG_H

#ifdef NDEBUG
#error "tests must not be built with NDEBUG"
#endif

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdbool.h>
#include <vfiosafe/sim.h>
#include <vfiosafe/vfiosafe.h>

#define BAR_LEN 0x10000u
#define PAGE 0x1000u
#define HOLD_MAGIC 0x5a000000u /* plus the device's count of resets */

/* How a BAR goes away behind the library's back. */
enum way { DECODE_OFF, D3HOT, LOW_POWER, WAYS };

struct rig {
	struct vfiosafe_sim *sim;
	const struct vfiosafe_sys *sys;
	struct vfiosafe_device *dev;
	struct vfiosafe_bar *bar;
	struct vfiosafe_view view; /* renewed by reinit */
	uint64_t generation;	   /* as the device counts its resets */
	uint32_t want;		   /* what HOLD holds in this generation */

	/* What the driver's callbacks do, and what became of it. */
	enum way take_away;	/* in reinit, @take_away_times times, */
	int take_away_times;	/* before it touches the device */
	bool ignore_failure;	/* and say that all is well */
	int reinit_rc, view_rc; /* of the access and of a view renewed after it */
	unsigned int reinits, lost;
	enum vfiosafe_cause lost_cause;
};

struct rig_opts {
	enum vfiosafe_sim_window window;
	uint32_t window_us;
	uint32_t flags; /* of the simulated device */
	bool recover_on_wait;
	const struct vfiosafe_sys *sys; /* NULL: the simulation's */
	bool no_bar;			/* the test maps what it needs */
	bool by_address;		/* opened by the library, not adopted */
};

void rig_open(struct rig *rig, const struct rig_opts *opts);
void rig_close(struct rig *rig);

/* Handler, with a test's cmocka handler behind it; the way back. */
void rig_install(void);
void rig_restore(void);

void rig_away(const struct rig *rig, enum way way);
void rig_back(const struct rig *rig, enum way way);
void rig_config16(const struct rig *rig, uint16_t at, uint16_t clear, uint16_t set);

struct vfiosafe_sim_counts rig_counts(const struct rig *rig);

/* A raw pointer into the BAR, as a driver would use it in a section. */
volatile uint32_t *rig_reg32(const struct rig *rig, uint32_t offset);
volatile uint64_t *rig_log(const struct rig *rig, uint32_t slot);

/* One section with one load, through a raw pointer; what its end returned. */
int rig_touch(const struct rig *rig, uint32_t offset, uint32_t *value);

/* In FAULT, for @cause, with every access refused. */
void rig_assert_fault(struct rig *rig, enum vfiosafe_cause cause);
/* LIVE and programmed. */
void rig_assert_live(struct rig *rig);

/* Lines of /proc/self/maps with @word in them; all if NULL. */
unsigned int count_maps(const char *word);
#define ONES_MAP "vfiosafe-ones"

int64_t now_ms(void);

/* Until something is so; 30 s without it fail the test (main thread only). */
#define until(condition)                                                                 \
	do {                                                                             \
		int64_t until_end = now_ms() + 30000;                                    \
		while (!(condition)) {                                                   \
			if (now_ms() > until_end)                                        \
				fail_msg("not within 30 s: %s", #condition);             \
			sched_yield();                                                   \
		}                                                                        \
	} while (0)

#endif

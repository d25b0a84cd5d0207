/* SPDX-License-Identifier: MIT */
/* cause.h - one way in which a device goes away. */
#ifndef WINDOWS_CAUSE_H
#define WINDOWS_CAUSE_H

#include "rig.h"
#include "tally.h"

struct cause {
	const char *name;
	/* One round. What went wrong in it, or NULL. */
	const char *(*round)(struct rig *rig, const struct cause *cause, struct row *row,
			     unsigned int n);
	/* By the library: there and, if it is not a reset, back. */
	int (*leave)(struct rig *rig);
	int (*come_back)(struct rig *rig);
	bool (*keeps)(struct rig *rig); /* the device's state; NULL: no */
	/* By somebody else: */
	enum deed deed;
	bool can_be_undone;
	/* Nobody can know, without a sentinel, and there is none. */
	bool blind;
	/* An error that is fatal; a removal that is a surprise. */
	bool harsh;
	bool few; /* rounds */
};

extern const struct cause causes[];
extern const unsigned int cause_count;

/* round_recover.c, round_remove.c */
const char *round_ours(struct rig *rig, const struct cause *cause, struct row *row,
		       unsigned int n);
const char *round_behind(struct rig *rig, const struct cause *cause, struct row *row,
			 unsigned int n);
const char *round_blind(struct rig *rig, const struct cause *cause, struct row *row,
			unsigned int n);
const char *round_error(struct rig *rig, const struct cause *cause, struct row *row,
			unsigned int n);
const char *round_removal(struct rig *rig, const struct cause *cause, struct row *row,
			  unsigned int n);

/* notice.c: passes over all events so far. */
void notice_begin(struct rig *rig);
/*
 * Waits for the first event that says the device went away; notes how and when, since
 * @start_ns. False: none came.
 */
bool notice_await(struct rig *rig, struct row *row, int64_t start_ns);
/* Is there one already? */
bool notice_now(struct rig *rig, struct row *row, int64_t start_ns);

#endif
